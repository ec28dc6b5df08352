"""The commands of one flow: begin it, show it, export it, override its hours. Mounted by ``commands``."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from app.cli.given import FLOWS, TableFormat, fail, options_of, settings_of

if TYPE_CHECKING:
    from app.errors import Problem
    from app.flows.diagram import Diagram
    from app.settings import Settings


class Picture(StrEnum):
    """How a flow is shown."""

    text = "text"
    mermaid = "mermaid"
    svg = "svg"


def show(
    flow: Annotated[str, typer.Argument(metavar="FLOW", help="A flow's name, or its file.")],
    flows: FLOWS = None,
    output: Annotated[Picture, typer.Option("--format", help="How it is shown.")] = Picture.text,
) -> None:
    """Show a flow as an outline or a picture: its nodes, and where keys, conditions and silence lead."""
    from app.flows.diagram import outline
    from app.flows.pictures.mermaid import mermaid

    file = file_of(flow, settings_of(flows=flows).flows)
    diagram, problems = _read(file)
    for problem in problems:
        print(problem, file=sys.stderr)
    if diagram is None:
        raise typer.Exit(1)
    if output is Picture.svg:
        from app.flows.pictures.drawing import svg

        print(svg(diagram))
    else:
        print(mermaid(diagram) if output is Picture.mermaid else outline(diagram))


def file_of(flow: str, folder: Path) -> Path:
    """The file of a flow by its name, or by the file's own."""
    from app.errors import suggestion
    from app.flows.loader import is_flow

    suffixes = (".yaml", ".yml", ".py")
    named = [Path(flow)] if Path(flow).suffix in suffixes else [folder / f"{flow}{suffix}" for suffix in suffixes]
    found = next((file for file in named if file.is_file()), None)
    if found is None:
        there = sorted(file.stem for file in folder.glob("*") if is_flow(file)) if folder.is_dir() else []
        near = suggestion(flow, there) or (f"there are {', '.join(there[:20])}" if there else "see --flows")
        _refuse(f"there is no flow {flow!r} in {folder}/ ({near})")
    return found


def _read(file: Path) -> tuple[Diagram | None, list[Problem]]:
    from app.errors import Problem
    from app.flows.diagram import diagram_of, diagram_of_program
    from app.flows.places import Report

    try:
        text = file.read_bytes()
        if file.suffix == ".py":
            made = diagram_of_program(file, text.decode("utf-8-sig"))
            return (None, [made]) if isinstance(made, Problem) else (made, [])
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        return None, [Problem(str(file), 1, 1, "error", "unreadable", f"the file cannot be read: {why}")]
    report = Report(str(file))
    return diagram_of(file.stem, text, report), report.problems


def new(
    name: Annotated[str | None, typer.Argument(help="The flow's name, which is its file's.")] = None,
    template: Annotated[str | None, typer.Option(help="One of those that are listed without it.")] = None,
    number: Annotated[str, typer.Option(help="The number it answers, as +12015550123.")] = "",
    flows: FLOWS = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file of this name.")] = False,  # noqa: FBT002 - an option
    listed: Annotated[bool, typer.Option("--list", help="List the templates.")] = False,  # noqa: FBT002 - an option
    output: Annotated[TableFormat, typer.Option("--format", help="How it is said.")] = TableFormat.text,
) -> None:
    """Begin a flow from a template; without --template the templates are listed."""
    import json

    from app.flows.gallery import begin, templates

    if listed or template is None:
        rows = [{"name": found.name, "says": found.says} for found in templates().values()]
        width = max(len(row["name"]) for row in rows)
        lines = [f"{row['name']:<{width}}  {row['says']}" for row in rows]
        print(json.dumps(rows, ensure_ascii=False, indent=2) if output is TableFormat.json else "\n".join(lines))
        return
    if name is None:
        _refuse("which name shall the flow have? As: callflows new acme --template front-desk")
    settings = settings_of(flows=flows)
    begun = begin(settings.flows, str(name), template, number, _claimed(settings), force=force)
    if output is TableFormat.json:
        also = [str(file) for file in begun.beside]
        print(json.dumps({"file": str(begun.file), "beside": also, "number": begun.number}, indent=2))
        return
    where = f" --flows {flows}" if flows is not None else ""
    for file in (begun.file, *begun.beside):
        print(f"written: {file}")
    print(f"It answers {begun.number}. What is yours to change has a comment: number, hours, whom to ring. Then:")
    print(f"  callflows check {begun.file} --strict\n  callflows show {name}{where}")
    print(f"  callflows numbers{where}\n  callflows serve{where}")


def export(
    flow: Annotated[str, typer.Argument(metavar="FLOW", help="A flow's name, or its file.")],
    flows: FLOWS = None,
) -> None:
    """Print a flow as one static document that Opentact can keep, or every reason why it cannot be one."""
    from app.errors import FlowError
    from app.flows.export import export as exported

    settings = settings_of(flows=flows)
    try:
        print(exported(file_of(flow, settings.flows), options_of(settings)).decode())
    except FlowError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None


class State(StrEnum):
    """What an override makes of opening hours; ``normal`` takes overrides back."""

    open = "open"
    closed = "closed"
    normal = "normal"


def override(
    flow: Annotated[str, typer.Argument(metavar="FLOW", help="A flow's name.")],
    hours: Annotated[str, typer.Argument(metavar="HOURS", help="The name of its opening hours.")],
    state: Annotated[State, typer.Argument(help="What they are until then; normal takes overrides back.")],
    until: Annotated[str, typer.Option(help='As "2026-12-24 18:00", 18:00, a date, 2h; on the flow\'s clock.')] = "",
    flows: FLOWS = None,
) -> None:
    """Open or close a flow's hours until a moment; it holds at once, and ends by itself."""
    from datetime import UTC, datetime

    from app.errors import suggestion
    from app.flows.hours.override_file import add, cancel
    from app.flows.hours.overrides import Override
    from app.flows.hours.wall_clock import until_of
    from app.flows.loader import load

    settings = settings_of(flows=flows)
    known = load(settings.flows, options_of(settings)).book.flows
    if flow not in known:
        near = suggestion(flow, [*known]) or f"there are {', '.join(known)}"
        _refuse(f"there is no flow {flow!r} ({near})")
    names = known[flow].hours
    if hours not in names:
        near = suggestion(hours, names) or (f"it has {', '.join(names)}" if names else "it has none")
        _refuse(f"the flow {flow!r} has no hours {hours!r} ({near})")
    now = datetime.now(UTC)
    try:
        if state is State.normal:
            print(f"{cancel(settings.flows, flow, hours, now)} override(s) taken back")
            return
        end = until_of(until, now, known[flow].zone) if until else None
        if end is None:
            _refuse('until when? As --until "2026-12-24 18:00", --until 18:00 or --until 2h')
        else:
            add(settings.flows, Override(flow, hours, state is State.open, None, end), now)
            print(
                f"{flow}: {hours} {state.value} until {end.astimezone(known[flow].zone or UTC).isoformat(' ', 'minutes')}"
            )
    except (ValueError, OSError) as error:
        _refuse(str(error))


def _claimed(settings: Settings) -> dict[str, str]:
    """The file that has each number."""
    from app.flows.loader import load

    book = load(settings.flows, options_of(settings)).book
    return {claim.number: claim.file for flow in book.flows.values() for claim in flow.claims}


def _refuse(said: str) -> NoReturn:
    fail(f"callflows: {said}", 2)
