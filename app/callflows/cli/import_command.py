"""``callflows import``: flow files of the flows of other platforms."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from callflows.cli.cli_options import (
    FLOWS_OPTION,
    TableFormat,
    build_command_options,
    exit_with_notice,
    load_command_settings,
    print_notice,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from callflows.flows.compiler.compiling_flow import CompilerOptions
    from callflows.importing.flow_import import ImportedFlow


@dataclasses.dataclass
class ImportedFile:
    """A file of another platform and the flow file that is made of it; without a flow, the error."""

    source: Path
    target: Path
    number: str
    flow: ImportedFlow | None = None
    error: str = ""


def import_command(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Flows of other platforms: JSON or XML.")],
    to: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="PATH", help="The flow file to write, or a folder. Default: --flows."),
    ] = None,
    number: Annotated[str, typer.Option(help="The number that the flow answers, as +12015550123.")] = "",
    flows: FLOWS_OPTION = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,  # noqa: FBT002 - an option
    output: Annotated[TableFormat, typer.Option("--format", help="The format of the report.")] = TableFormat.text,
) -> None:
    """Make flow files of flows of Twilio Studio, TwiML, Amazon Connect, jambonz and Vonage, and report what was lost."""
    from callflows.cli.flow_commands import load_claimed_numbers
    from callflows.flows.authoring.gallery.flow_templates import choose_free_number

    if number and len(files) > 1:
        _exit_with_usage_error("--number is for one file")
    settings = load_command_settings(flows=flows)
    targets = [*_choose_targets(files, to or settings.flows, force=force)]
    claimed = load_claimed_numbers(settings)
    imported = []
    for source, target in zip(files, targets, strict=True):
        others = {known: file for known, file in claimed.items() if file != str(target)}
        claim = choose_free_number(number, others)
        claimed[claim] = str(target)
        imported.append(ImportedFile(source, target, claim))
    for one in imported:
        _import_file(one, is_number_given=bool(number), options=build_command_options(settings))
    for one in imported:
        if one.flow is not None:
            _write_flow(one.target, one.flow.text)
    if output is TableFormat.json:
        print(json.dumps([_build_report(one) for one in imported], ensure_ascii=False, indent=2))
    else:
        for one in imported:
            _print_report(one)
    raise typer.Exit(1 if any(one.flow is None for one in imported) else 0)


def _choose_targets(files: Sequence[Path], to: Path, *, force: bool) -> Iterator[Path]:
    """Yield the flow file to write for each file. Exits with code 2 if one exists, or if two are the same."""
    from callflows.flows.authoring.gallery.flow_templates import RESERVED_FLOW_NAMES
    from callflows.flows.source.flow_file import FLOW_AND_NODE_NAME_PATTERN

    is_file = to.suffix in {".yaml", ".yml"} and not to.is_dir()
    if is_file and len(files) > 1:
        _exit_with_usage_error(f"{to} is one file: name a folder for several flows")
    seen: dict[Path, Path] = {}
    for source in files:
        name = to.stem if is_file else _make_flow_name(source.stem)
        if name in RESERVED_FLOW_NAMES or not FLOW_AND_NODE_NAME_PATTERN.fullmatch(name):
            _exit_with_usage_error(f"{name!r} cannot be a flow's name: name the file to write, as -o acme.yaml")
        target = to if is_file else to / f"{name}.yaml"
        if target in seen:
            _exit_with_usage_error(f"{source} and {seen[target]} would both be written to {target}: import one by one")
        taken = next((file for file in _list_same_names(target) if file.exists()), None)
        if taken is not None and not (force and taken == target):
            fix = "use another name, or --force to write over it" if taken == target else "use another name with -o"
            _exit_with_usage_error(f"{taken} is there already: {fix}")
        seen[target] = source
        yield target


def _list_same_names(target: Path) -> list[Path]:
    """Return the files that would be the same flow."""
    return [target, *(target.with_suffix(suffix) for suffix in (".yaml", ".yml", ".py") if suffix != target.suffix)]


def _make_flow_name(stem: str) -> str:
    import re

    return re.sub("[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:64] or "imported"


def _import_file(one: ImportedFile, *, is_number_given: bool, options: CompilerOptions) -> None:
    from callflows.errors import ImportSourceError
    from callflows.importing.flow_import import FlowNumber, import_flow
    from callflows.importing.json_source import MAX_SOURCE_BYTES

    note = "" if is_number_given else "a number to try the flow with: write yours"
    try:
        with one.source.open("rb") as file:
            source = file.read(MAX_SOURCE_BYTES + 1)
        one.flow = import_flow(one.target.stem, source, one.source.name, FlowNumber(one.number, note), options)
    except OSError as error:
        _exit_with_usage_error(f"{one.source}: {error.strerror}")
    except ImportSourceError as error:
        fix = f" ({error.fix})" if error.fix else ""
        one.error = f"{one.source}:{error.line}:{error.column}: error: {error.reason}{fix}"


def _write_flow(target: Path, text: str) -> None:
    from callflows.atomic_files import replace_file_text

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_file_text(target, text)
    except OSError as error:
        _exit_with_usage_error(f"{error.filename or target}: {error.strerror}")


def _build_report(one: ImportedFile) -> dict[str, object]:
    """Return the report of a file as JSON."""
    if one.flow is None:
        return {"file": str(one.source), "error": one.error}
    return {
        "file": str(one.source),
        "format": one.flow.format_name,
        "written": str(one.target),
        "number": one.number,
        "outcomes": one.flow.count_outcomes(),
        "parts": [
            {
                "name": part.name,
                "kind": part.kind,
                "line": part.place.line,
                "column": part.place.column,
                "node": part.node,
                "outcome": part.outcome.value,
                "reasons": part.reasons,
            }
            for part in one.flow.parts
        ],
        "warnings": [dataclasses.asdict(problem) for problem in one.flow.problems],
    }


def _print_report(one: ImportedFile) -> None:
    """Print what became of each part that is not simply mapped, and what to do next."""
    if one.flow is None:
        print_notice(one.error)
        return
    print(f"written: {one.target} (from {one.flow.format_name}, {one.source})")
    for part in one.flow.parts:
        for reason in part.reasons:
            print(f"  {part.outcome.value:<10}  {one.source.name}:{part.place.line}  {part.name}: {reason}")
    counts = ", ".join(f"{count} {outcome}" for outcome, count in one.flow.count_outcomes().items())
    print(f"{len(one.flow.parts)} part(s): {counts}; the flow has {len(one.flow.problems)} warning(s)")
    print(f"The flow answers {one.number}. Its comments say what to look at. Then run:")
    print(f"  callflows check {one.target}\n  callflows test {one.target} --explore\n  callflows show {one.target}")


def _exit_with_usage_error(message: str) -> NoReturn:
    exit_with_notice(f"callflows: {message}", 2)
