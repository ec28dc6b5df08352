"""``callflows check``."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callflows.cli.cli_options import (
    DRAFT_OPTION,
    FLOWS_OPTION,
    build_command_options,
    exit_with_notice,
    load_command_settings,
    print_notice,
    show_progress,
)

if TYPE_CHECKING:
    from callflows.errors import Problem
    from callflows.settings import Settings


class ProblemFormat(StrEnum):
    """Output format of problems."""

    text = "text"
    json = "json"
    github = "github"


def check(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Flow files, XML documents, or folders of them. Default: --flows.")
    ] = None,
    draft: DRAFT_OPTION = None,
    flows: FLOWS_OPTION = None,
    output: Annotated[ProblemFormat, typer.Option("--format", help="The output format.")] = ProblemFormat.text,
    strict: Annotated[bool, typer.Option("--strict", help="Fail also if there are only warnings.")] = False,  # noqa: FBT002 - an option
    explain: Annotated[
        str | None, typer.Option(metavar="RULE", help="Explain the rule of this name, as unused; all explains every rule.")
    ] = None,
) -> None:
    """Check flow files and XML documents. Prints each problem with its place and its fix."""
    from callflows.flows.loader.check_runner import check_paths
    from callflows.testing.scenario_reader import check_scenarios

    if explain is not None:
        _print_rule_pages(explain, output)
        return
    settings = load_command_settings(flows=flows)
    if draft is not None and paths:
        exit_with_notice("callflows: --draft is a file of the folder of --flows: leave out the paths", 2)
    with show_progress("checking") as on_progress:
        problems = (
            _check_draft_file(draft, settings)
            if draft is not None
            else check_paths(
                paths or [settings.flows],
                build_command_options(settings),
                settings.flows,
                on_progress,
                check_scenarios,
            )
        )
    if draft is None:
        problems = [*problems, *_check_operation_files(paths or [settings.flows], settings)]
    _print_problems(problems, output)
    worst = {problem.severity for problem in problems} - {"note"}
    raise typer.Exit(1 if "error" in worst or (strict and worst) else 0)


def _check_draft_file(draft: Path, settings: Settings) -> list[Problem]:
    """Return the problems of a draft beside the other flows of the folder, at its place in the folder."""
    from callflows.flows.loader.folder_loader import load_flow_folder
    from callflows.testing.scenario_reader import check_scenarios

    loaded = load_flow_folder(settings.flows, build_command_options(settings, draft))
    problems = [problem for problem in loaded.problems if problem.file == str(settings.flows / draft.name)]
    flow = loaded.book.flows.get(draft.stem)
    return [*problems, *(check_scenarios(flow) if flow is not None and not flow.problems else ())]


def _check_operation_files(paths: list[Path], settings: Settings) -> list[Problem]:
    """Return the problems of ``opentact.yaml`` in folders; the file of the settings belongs to the folder of the flows."""
    from callflows.atomic_files import resolve_links
    from callflows.opentact.operation_file import find_operation_file, read_operation_file
    from callflows.settings import OPERATION_FILE_NAME

    folders = [path for path in paths if path.is_dir()]
    files = {folder / OPERATION_FILE_NAME for folder in folders if (folder / OPERATION_FILE_NAME).is_file()}
    files |= {path for path in paths if path.name == OPERATION_FILE_NAME and path.is_file()}
    own = find_operation_file(settings)
    if own is not None and any(resolve_links(folder) == resolve_links(settings.flows) for folder in folders):
        files.add(own)
    return [problem for file in sorted(files) for problem in read_operation_file(file)[1]]


def _print_rule_pages(name: str, output: ProblemFormat) -> None:
    """Print the page of one rule, or of all rules."""
    import json

    from callflows.flows.checks.rule_table import CHECK_RULES, explain_rule

    try:
        pages = {rule: explain_rule(rule) for rule in (CHECK_RULES if name == "all" else (name,))}
    except LookupError as error:
        exit_with_notice(f"callflows: {error.args[0]}", 2)
    if output is ProblemFormat.json:
        print(json.dumps([{"rule": rule, **CHECK_RULES[rule]._asdict()} for rule in pages], ensure_ascii=False, indent=2))
        return
    for number, (rule, page) in enumerate(pages.items()):
        heading = typer.style(rule, bold=True) if sys.stdout.isatty() and "NO_COLOR" not in os.environ else rule
        print(f"{chr(10) if number else ''}{heading}\n{page}")


def _print_problems(problems: list[Problem], output: ProblemFormat) -> None:
    import dataclasses
    import json

    if output is ProblemFormat.json:
        print(json.dumps([dataclasses.asdict(problem) for problem in problems], ensure_ascii=False, indent=2))
        return
    for problem in problems:
        if output is ProblemFormat.github:
            message = f"{problem.message}{f' ({problem.fix})' if problem.fix else ''}"
            file = _escape_github_text(problem.file).replace(":", "%3A").replace(",", "%2C")
            place = f"file={file},line={problem.line},col={problem.column},title={problem.rule}"
            severity = "notice" if problem.severity == "note" else problem.severity
            print(f"::{severity} {place}::{_escape_github_text(message)}")
        elif problem.severity != "note":
            print(problem)
    if output is ProblemFormat.text:
        _print_undocumented([problem for problem in problems if problem.severity == "note"])
        counts = [sum(problem.severity == severity for problem in problems) for severity in ("error", "warning")]
        print_notice(f"{counts[0]} error(s), {counts[1]} warning(s)")


def _print_undocumented(notes: list[Problem]) -> None:
    """Print each note once, with its first file and the number of the others; JSON has the places."""
    files_by_note: dict[tuple[str, str], dict[str, None]] = {}
    for note in notes:
        files_by_note.setdefault((note.message.rpartition(": ")[2], note.rule), {})[note.file] = None
    for (message, rule), files in files_by_note.items():
        first, *others = files
        print_notice(f"note: {message} ({first}{f' and {len(others)} more' if others else ''}) [{rule}]")


def _escape_github_text(text: str) -> str:
    """Escape a text for a GitHub workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
