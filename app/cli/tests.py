"""``callflows test``: the scenarios of flow files, what none of them reached, and callers at random."""

from __future__ import annotations

import json
import re
from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from app.cli.given import FLOWS, TableFormat, fail, options_of, progress, say, settings_of

if TYPE_CHECKING:
    from app.settings import Settings
    from app.testing.coverage import Covered
    from app.testing.exploring import Explored
    from app.testing.running import Folder, Ran

_EXAMPLES: Final = 100
_SECONDS: Final = 60.0


def run_tests(  # noqa: PLR0913, PLR0917 - an option each, as typer reads them
    paths: Annotated[list[Path] | None, typer.Argument(help="Flow files, or folders of them; else --flows.")] = None,
    only: Annotated[
        str, typer.Option("-k", "--only", metavar="PATTERN", help="Only scenarios whose flow or name has this.")
    ] = "",
    coverage: Annotated[bool, typer.Option("--coverage", help="Say which nodes, branches and rules none reached.")] = False,  # noqa: FBT002
    explore: Annotated[bool, typer.Option("--explore", help="Let callers at random loose on every flow.")] = False,  # noqa: FBT002
    examples: Annotated[int, typer.Option(min=1, help="Callers at random for each flow.")] = _EXAMPLES,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long exploring may take in all.")] = _SECONDS,
    seed: Annotated[int, typer.Option(help="Another seed: other callers. The same seed: the same.")] = 0,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write results as JUnit has them.")] = None,
    output: Annotated[TableFormat, typer.Option("--format", help="How results are shown.")] = TableFormat.text,
    flows: FLOWS = None,
) -> None:
    """Run the scenarios of calls and texts that stand under tests in flow files: no phone, no account, no effects."""
    settings = settings_of(flows=flows)
    folders = _folders(paths or [settings.flows], settings)
    problems = [problem for folder in folders for problem in folder.problems]
    errors = [str(problem) for folder in folders for problem in folder.errors]
    results = [ran for folder in folders for ran in _run(folder, only, settings)]
    if only and not results:
        fail(f"callflows: no scenario has {only!r} in its name, or in that of its flow", 2)
    found = _coverage(folders, results) if coverage else []
    explored = _explored(folders, settings, examples, seconds, seed) if explore else []
    if junit is not None:
        _junit(results, junit, errors)
    if output is TableFormat.json:
        print(json.dumps(_data(results, found, explored, coverage=coverage, explore=explore, errors=errors), indent=2))
    else:
        for problem in problems:
            say(str(problem))
        _show(results, found, explored, explore=explore)
    wrong = bool(errors) or any(one.fault for one in explored) or not all(ran.passed for ran in results)
    raise typer.Exit(1 if wrong else 0)


def _folders(paths: list[Path], settings: Settings) -> list[Folder]:
    from app.testing.running import folders_of

    try:
        with progress("loading") as on_progress:
            return folders_of(paths, options_of(settings), on_progress)
    except OSError as error:
        fail(f"callflows: {error.filename}: {error.strerror} (see --flows)", 2)


def _run(folder: Folder, only: str, settings: Settings) -> list[Ran]:
    """The scenarios of a folder that are meant."""
    import asyncio

    from app.testing.running import run

    wanted = re.compile(re.escape(only), re.IGNORECASE)
    cases = [case for case in folder.cases if wanted.search(case.name) or wanted.search(case.flow)]
    with progress("testing") as on_progress:
        return asyncio.run(run(folder, cases, settings, on_progress))


def _coverage(folders: list[Folder], results: list[Ran]) -> list[Covered]:
    from app.testing.coverage import covered

    return [one for folder in folders for one in covered(folder.chosen, [ran.call for ran in results])]


def _explored(folders: list[Folder], settings: Settings, examples: int, seconds: float, seed: int) -> list[Explored]:
    try:
        from app.testing.exploring import explore
    except ModuleNotFoundError:
        fail("callflows: --explore needs hypothesis: pip install 'callflows[explore]'", 2)
    with progress("exploring", least=1) as on_progress:
        return explore(folders, settings, examples=examples, seconds=seconds, seed=seed, on_progress=on_progress)


def _junit(results: list[Ran], file: Path, errors: list[str]) -> None:
    from app.testing.telling import junit as write

    try:
        write(results, file, errors)
    except OSError as error:
        fail(f"callflows: {file}: {error.strerror}", 2)


def _show(results: list[Ran], coverage: list[Covered], explored: list[Explored], *, explore: bool) -> None:
    from app.testing.coverage import lines
    from app.testing.telling import failed

    for ran in results:
        if not ran.passed:
            print(*failed(ran), "", sep="\n")
    for line in lines(coverage):
        print(line)
    width = max((len(one.file) for one in explored), default=0)
    for one in explored:
        none = "  (no number leads to it, or there was no time)" if not one.callers else ""
        print(f"{one.file:<{width}}  {one.callers:>4} caller(s) at random{none}")
    faults = [one.fault for one in explored if one.fault is not None]
    for fault in faults:
        print(f"\n{fault.file}: {fault.flow}: {fault.wrong}\n\n{fault.scenario}")
    wrong = sum(not ran.passed for ran in results)
    callers = f"; {sum(one.callers for one in explored)} caller(s) at random, {len(faults)} flow(s) went wrong"
    say(f"{len(results)} scenario(s), {wrong} failed{callers if explore else ''}")


def _data(
    results: list[Ran], found: list[Covered], explored: list[Explored], *, coverage: bool, explore: bool, errors: list[str]
) -> dict[str, Any]:
    from app.testing.telling import coverage_data, data

    made: dict[str, Any] = {"scenarios": [data(ran) for ran in results], "errors": errors}
    made |= {"coverage": coverage_data(found)} if coverage else {}
    faults = [one.fault._asdict() for one in explored if one.fault is not None]
    callers = [{"flow": one.flow, "file": one.file, "callers": one.callers} for one in explored]
    return made | ({"explored": faults, "callers": callers} if explore else {})
