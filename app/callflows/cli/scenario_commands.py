"""``callflows test``: scenarios of flow files, coverage, and random callers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from callflows.cli.cli_options import (
    DRAFT_OPTION,
    FLOWS_OPTION,
    TableFormat,
    build_command_options,
    exit_with_notice,
    load_command_settings,
    print_notice,
    show_progress,
)

if TYPE_CHECKING:
    from callflows.settings import Settings
    from callflows.testing.exploration import ExplorationResult
    from callflows.testing.flow_coverage import FlowCoverage
    from callflows.testing.scenario_runner import ScenarioFolder, ScenarioResult


_DEFAULT_EXAMPLES: Final = 100
_DEFAULT_EXPLORE_SECONDS: Final = 60.0


def scenario_test_command(  # noqa: PLR0913, PLR0917 - an option each, as typer reads them
    paths: Annotated[list[Path] | None, typer.Argument(help="Flow files, or folders of them. Default: --flows.")] = None,
    only: Annotated[
        str, typer.Option("-k", "--only", metavar="PATTERN", help="Only scenarios whose flow or name contains this text.")
    ] = "",
    coverage: Annotated[bool, typer.Option("--coverage", help="List nodes, branches and rules never reached.")] = False,  # noqa: FBT002
    explore: Annotated[bool, typer.Option("--explore", help="Call every flow with random callers.")] = False,  # noqa: FBT002
    examples: Annotated[int, typer.Option(min=1, help="Random callers for each flow.")] = _DEFAULT_EXAMPLES,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="The time limit for all random callers together.")
    ] = _DEFAULT_EXPLORE_SECONDS,
    seed: Annotated[int, typer.Option(help="Seed of the random callers; the same seed repeats a run.")] = 0,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the results as a JUnit XML file.")] = None,
    output: Annotated[TableFormat, typer.Option("--format", help="The output format.")] = TableFormat.text,
    draft: DRAFT_OPTION = None,
    flows: FLOWS_OPTION = None,
) -> None:
    """Run the scenarios of calls and texts that stand under tests in flow files: no phone, no account, no effects."""
    settings = load_command_settings(flows=flows)
    if draft is not None and paths:
        exit_with_notice("callflows: --draft is a file of the folder of --flows: leave out the paths", 2)
    folders = _load_folders(paths or [settings.flows], settings, draft)
    problems = [problem for folder in folders for problem in folder.problems]
    errors = [str(problem) for folder in folders for problem in folder.errors]
    results = [ran for folder in folders for ran in _run_scenarios(folder, only, settings)]
    is_empty = not any(folder.tested_flows for folder in folders)
    if is_empty and (not problems or not (paths or settings.flows.exists())):
        from callflows.flows.loader.folder_loader import BEGIN_FLOW_FIX

        print_notice(f"there is no flow in {', '.join(map(str, paths or [settings.flows]))}: {BEGIN_FLOW_FIX}")
    if only and not results:
        exit_with_notice(f"callflows: no scenario or flow has {only!r} in its name", 2)
    coverage_rows = _measure_coverage(folders, results) if coverage else []
    explored = _explore_flows(folders, settings, examples, seconds, seed) if explore else []
    if junit is not None:
        _write_junit(results, junit, errors)
    if output is TableFormat.json:
        print(
            json.dumps(
                _build_test_json(
                    results, coverage_rows, explored, with_coverage=coverage, is_exploring=explore, errors=errors
                ),
                indent=2,
            )
        )
    else:
        for problem in problems:
            print_notice(str(problem))
        _print_test_results(results, coverage_rows, explored, is_exploring=explore)
    wrong = bool(errors) or any(one.fault for one in explored) or not all(ran.has_passed for ran in results)
    raise typer.Exit(1 if wrong else 0)


def _load_folders(paths: list[Path], settings: Settings, draft: Path | None) -> list[ScenarioFolder]:
    """Load folders; with a draft, only the draft is tested, beside the other flows of its folder."""
    from callflows.testing.scenario_runner import load_scenario_folders

    try:
        with show_progress("loading") as on_progress:
            return load_scenario_folders(paths, build_command_options(settings, draft), on_progress, draft)
    except OSError as error:
        exit_with_notice(f"callflows: {error.filename}: {error.strerror} (see --flows)", 2)


def _run_scenarios(folder: ScenarioFolder, only: str, settings: Settings) -> list[ScenarioResult]:
    """Run the scenarios of a folder whose name or flow contains ``only``."""
    import asyncio

    from callflows.testing.scenario_runner import run_scenarios

    pattern = re.compile(re.escape(only), re.IGNORECASE)
    cases = [case for case in folder.cases if pattern.search(case.name) or pattern.search(case.flow)]
    with show_progress("testing") as on_progress:
        return asyncio.run(run_scenarios(folder, cases, settings, on_progress))


def _measure_coverage(folders: list[ScenarioFolder], results: list[ScenarioResult]) -> list[FlowCoverage]:
    from callflows.testing.flow_coverage import measure_coverage

    return [one for folder in folders for one in measure_coverage(folder.tested_flows, [ran.transcript for ran in results])]


def _explore_flows(
    folders: list[ScenarioFolder], settings: Settings, examples: int, seconds: float, seed: int
) -> list[ExplorationResult]:
    try:
        from callflows.testing.exploration import explore_flows
    except ModuleNotFoundError:
        exit_with_notice("callflows: --explore needs hypothesis: pip install 'callflows[explore]'", 2)
    with show_progress("exploring", threshold=1) as on_progress:
        return explore_flows(folders, settings, examples=examples, seconds=seconds, seed=seed, on_progress=on_progress)


def _write_junit(results: list[ScenarioResult], file: Path, errors: list[str]) -> None:
    from callflows.testing.scenario_report import write_junit_report

    try:
        write_junit_report(results, file, errors)
    except OSError as error:
        exit_with_notice(f"callflows: {file}: {error.strerror}", 2)


def _print_test_results(
    results: list[ScenarioResult], coverage: list[FlowCoverage], explored: list[ExplorationResult], *, is_exploring: bool
) -> None:
    from callflows.testing.flow_coverage import format_coverage
    from callflows.testing.scenario_report import format_failed_scenario

    for ran in results:
        if not ran.has_passed:
            print(*format_failed_scenario(ran), "", sep="\n")
    for line in format_coverage(coverage):
        print(line)
    width = max((len(one.file) for one in explored), default=0)
    for one in explored:
        none = "  (no number leads to it, an app answers it, or there was no time)" if not one.caller_count else ""
        print(f"{one.file:<{width}}  {one.caller_count:>4} random caller(s){none}")
    faults = [one.fault for one in explored if one.fault is not None]
    for fault in faults:
        print(f"\n{fault.file}: {fault.flow}: {fault.wrong}\n\n{fault.scenario}")
    wrong = sum(not ran.has_passed for ran in results)
    callers = f"; {sum(one.caller_count for one in explored)} random caller(s), {len(faults)} flow(s) went wrong"
    print(f"{len(results)} scenario(s), {wrong} failed{callers if is_exploring else ''}")


def _build_test_json(
    results: list[ScenarioResult],
    coverage_rows: list[FlowCoverage],
    explored: list[ExplorationResult],
    *,
    with_coverage: bool,
    is_exploring: bool,
    errors: list[str],
) -> dict[str, Any]:
    from callflows.testing.scenario_report import build_coverage_data, build_result_data

    report: dict[str, Any] = {"scenarios": [build_result_data(ran) for ran in results], "errors": errors}
    report |= {"coverage": build_coverage_data(coverage_rows)} if with_coverage else {}
    faults = [one.fault._asdict() for one in explored if one.fault is not None]
    callers = [{"flow": one.flow, "file": one.file, "callers": one.caller_count} for one in explored]
    return report | ({"explored": faults, "callers": callers} if is_exploring else {})
