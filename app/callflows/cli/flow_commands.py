"""Commands for flows: their numbers, create, show, export, and override opening hours."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
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
    show_progress,
)
from callflows.cli.completion import complete_flow, complete_hours, complete_node
from callflows.cli.journal_output import record_audit

if TYPE_CHECKING:
    from callflows.errors import Problem
    from callflows.flows.authoring.diagram import FlowDiagram
    from callflows.settings import Settings


def numbers(
    flows: FLOWS_OPTION = None,
    output: Annotated[TableFormat, typer.Option("--format", help="The output format.")] = TableFormat.text,
) -> None:
    """List every number and the flow that answers it."""
    import json

    from callflows.flows.loader.folder_loader import BEGIN_FLOW_FIX, load_flow_folder

    settings = load_command_settings(flows=flows)
    with show_progress("loading") as on_progress:
        loaded = load_flow_folder(settings.flows, build_command_options(settings), on_progress)
    rows = [
        {"number": claim.number, "flow": flow.name, "file": claim.file, "line": claim.line, "broken": bool(flow.problems)}
        for flow in loaded.book.flows.values()
        for claim in flow.claims
    ]
    if output is TableFormat.json:
        print(json.dumps(rows, indent=2))
    else:
        width = max((len(str(row["number"])) for row in rows), default=0)
        for row in rows:
            broken = "  (broken)" if row["broken"] else ""
            print(f"{row['number']:<{width}}  {row['flow']}  {row['file']}:{row['line']}{broken}")
    for problem in loaded.problems:
        print_notice(str(problem))
    if not rows and not loaded.problems:
        print_notice(f"there is no flow in {settings.flows}/: {BEGIN_FLOW_FIX}")
    raise typer.Exit(1 if loaded.has_errors else 0)


class PictureFormat(StrEnum):
    """Output format of a flow."""

    text = "text"
    mermaid = "mermaid"
    svg = "svg"


def show(
    flow: Annotated[
        str, typer.Argument(metavar="FLOW", help="The name of a flow, or its file.", autocompletion=complete_flow)
    ],
    flows: FLOWS_OPTION = None,
    node: Annotated[str, typer.Option(help="Show only this node, as text.", autocompletion=complete_node)] = "",
    output: Annotated[PictureFormat, typer.Option("--format", help="The output format.")] = PictureFormat.text,
) -> None:
    """Show a flow as an outline or a picture: its nodes, and where keys, conditions and silence lead."""
    from callflows.flows.authoring.diagram_text import render_mermaid, render_outline

    settings = load_command_settings(flows=flows)
    file = find_flow_file(flow, settings.flows)
    diagram, problems = _read_diagram(file)
    for problem in problems:
        print(problem, file=sys.stderr)
    if diagram is None:
        raise typer.Exit(1)
    if diagram.opening_lines:
        overrides = _describe_current_overrides(settings, file)
        diagram = diagram._replace(opening_lines=(*diagram.opening_lines, *overrides))
    if node:
        print(render_outline(_select_node(diagram, node)))
    elif output is PictureFormat.svg:
        from callflows.flows.authoring.svg_drawing import render_svg

        print(render_svg(diagram))
    else:
        print(render_mermaid(diagram) if output is PictureFormat.mermaid else render_outline(diagram))


def _describe_current_overrides(settings: Settings, file: Path) -> list[str]:
    """Return a line for each override of a flow that is not over, as the flow's file does not have them."""
    from datetime import UTC, datetime

    from callflows.flows.hours.overrides import OverridableFlow
    from callflows.flows.loader.folder_loader import list_override_files, load_flow_files, read_override_file

    options = build_command_options(settings)
    flows = load_flow_files([file], options).book.flows
    known = {name: OverridableFlow(flow.zone, flow.hours_names) for name, flow in flows.items()}
    now = datetime.now(UTC)
    lines = []
    for overrides_file in list_override_files(settings.flows, options):
        for override in read_override_file(overrides_file, options, known)[0]:
            if override.flow == file.stem and now < override.until:
                zone = known[file.stem].zone or UTC
                begin = f"from {override.start.astimezone(zone).isoformat(' ', 'minutes')} " if override.start else ""
                lines.append(f"  but {override.hours}: {begin}{override.describe(zone)}")
    return lines


def _select_node(diagram: FlowDiagram, node: str) -> FlowDiagram:
    """Return the diagram with one node alone; exit with code 2 if there is no such node."""
    from callflows.text import format_suggestion

    boxes = {box.name: box for box in diagram.boxes if box.node_exists}
    if node not in boxes:
        near = format_suggestion(node, [*boxes]) or f"there are {', '.join(boxes)}"
        _exit_with_usage_error(f"--node: there is no node {node!r} in {diagram.name} ({near})")
    return diagram._replace(
        boxes=(boxes[node],), fallback_lines=(), message_lines=(), ended_call_lines=(), opening_lines=()
    )


def find_flow_file(flow: str, folder: Path) -> Path:
    """Return the file of a flow, by flow name or file name; exit with code 2 if missing.

    A broken symbolic link and a pipe are files too: reading them says what is wrong.
    """
    from callflows.flows.loader.folder_loader import list_flow_files
    from callflows.text import format_suggestion

    suffixes = (".yaml", ".yml", ".py")
    named = [Path(flow)] if Path(flow).suffix in suffixes else [folder / f"{flow}{suffix}" for suffix in suffixes]
    flow_file = next((file for file in named if os.path.lexists(file) and not os.path.isdir(file)), None)  # noqa: PTH112 - Path.is_dir may raise
    if flow_file is None:
        flow_names = [file.stem for file in list_flow_files(folder)] if folder.is_dir() else []
        near = format_suggestion(flow, flow_names) or (
            f"there are {', '.join(flow_names[:20])}" if flow_names else "see --flows"
        )
        _exit_with_usage_error(f"there is no flow {flow!r} in {folder}/ ({near})")
    return flow_file


def _read_diagram(file: Path) -> tuple[FlowDiagram | None, list[Problem]]:
    from callflows.errors import Problem
    from callflows.flows.authoring.diagram import build_flow_diagram, build_program_diagram
    from callflows.flows.loader.folder_loader import read_bounded_file
    from callflows.flows.source.positions import ProblemReport

    try:
        text = read_bounded_file(file)
        if file.suffix == ".py":
            diagram = build_program_diagram(file, text.decode("utf-8-sig"))
            return (None, [diagram]) if isinstance(diagram, Problem) else (diagram, [])
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        return None, [Problem(str(file), 1, 1, "error", "unreadable", f"the file cannot be read: {why}")]
    report = ProblemReport(str(file))
    return build_flow_diagram(file.stem, text, report), report.problems


def new(
    name: Annotated[str | None, typer.Argument(help="The name of the flow, and of its file.")] = None,
    template: Annotated[str | None, typer.Option(help="The template to copy; callflows new lists them.")] = None,
    number: Annotated[str, typer.Option(help="The number that the flow answers, as +12015550123.")] = "",
    flows: FLOWS_OPTION = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file of this name.")] = False,  # noqa: FBT002 - an option
    listed: Annotated[bool, typer.Option("--list", help="List the templates.")] = False,  # noqa: FBT002 - an option
    output: Annotated[TableFormat, typer.Option("--format", help="The output format.")] = TableFormat.text,
) -> None:
    """Begin a flow from a template; without --template the templates are listed."""
    import json

    from callflows.flows.authoring.gallery.flow_templates import create_flow, load_flow_templates

    if listed or template is None:
        rows = [
            {"name": flow_template.name, "says": flow_template.summary} for flow_template in load_flow_templates().values()
        ]
        width = max(len(row["name"]) for row in rows)
        lines = [f"{row['name']:<{width}}  {row['says']}" for row in rows]
        print(json.dumps(rows, ensure_ascii=False, indent=2) if output is TableFormat.json else "\n".join(lines))
        if name is not None and not listed:
            _exit_with_usage_error(f"no file was written: name a template, as callflows new {name} --template front-desk")
        return
    if name is None:
        _exit_with_usage_error("the name of the new flow is missing: write callflows new acme --template front-desk")
    settings = load_command_settings(flows=flows)
    begun = create_flow(settings.flows, str(name), template, number, load_claimed_numbers(settings), force=force)
    if output is TableFormat.json:
        also = [str(file) for file in begun.other_files]
        print(json.dumps({"file": str(begun.file), "beside": also, "number": begun.number}, indent=2))
        return
    where = f" --flows {flows}" if flows is not None else ""
    for file in (begun.file, *begun.other_files):
        print(f"written: {file}")
    print(
        f"The flow answers {begun.number}. Comments mark what you should change: number, hours, people to call. Then run:"
    )
    print(f"  callflows check {begun.file} --strict\n  callflows test {begun.file}\n  callflows show {name}{where}")
    print(f"  callflows numbers{where}\n  callflows serve{where}")


def export(
    flow: Annotated[
        str, typer.Argument(metavar="FLOW", help="The name of a flow, or its file.", autocompletion=complete_flow)
    ],
    flows: FLOWS_OPTION = None,
) -> None:
    """Print a flow as one static document that Opentact can keep, or every reason why it cannot be one."""
    from callflows.errors import FlowFileError
    from callflows.flows.static_export import compile_static_document

    settings = load_command_settings(flows=flows)
    try:
        print(compile_static_document(find_flow_file(flow, settings.flows), build_command_options(settings)).decode())
    except FlowFileError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None


class HoursState(StrEnum):
    """Override of opening hours; ``normal`` cancels overrides."""

    open = "open"
    closed = "closed"
    normal = "normal"


def override(
    flow: Annotated[str, typer.Argument(metavar="FLOW", help="The name of a flow.", autocompletion=complete_flow)],
    hours: Annotated[
        str, typer.Argument(metavar="HOURS", help="The name of the opening hours.", autocompletion=complete_hours)
    ],
    state: Annotated[HoursState, typer.Argument(help="The state until then; normal removes overrides.")],
    until: Annotated[
        str, typer.Option(help='The end: "2026-12-24 18:00", 18:00, a date or 2h, on the flow\'s clock.')
    ] = "",
    flows: FLOWS_OPTION = None,
) -> None:
    """Open or close a flow's hours until a moment; it holds at once, and ends by itself."""
    from datetime import UTC, datetime

    from callflows.flows.hours.overrides import (
        HoursOverride,
        add_override,
        cancel_all_overrides,
        choose_override_folder,
    )
    from callflows.flows.hours.wall_clock import parse_override_end
    from callflows.flows.loader.folder_loader import load_flow_folder
    from callflows.text import format_suggestion

    settings = load_command_settings(flows=flows)
    known = load_flow_folder(settings.flows, build_command_options(settings)).book.flows
    if flow not in known:
        near = format_suggestion(flow, [*known]) or (f"there are {', '.join(known)}" if known else "see --flows")
        _exit_with_usage_error(f"there is no flow {flow!r} ({near})")
    names = known[flow].hours_names
    if hours not in names:
        near = format_suggestion(hours, names) or (f"it has {', '.join(names)}" if names else "it has none")
        _exit_with_usage_error(f"the flow {flow!r} has no hours {hours!r} ({near})")
    now = datetime.now(UTC)
    try:
        if state is HoursState.normal:
            taken = cancel_all_overrides((settings.flows, settings.data), flow, hours, now)
            print(f"{taken} override(s) removed")
            record_audit("override", f"{flow} {hours}", f"{taken} override(s)", "normal")
            return
        end = parse_override_end(until, now, known[flow].zone) if until else None
        if end is None:
            _exit_with_usage_error('the end is missing: add --until "2026-12-24 18:00", --until 18:00 or --until 2h')
        else:
            folder = choose_override_folder(settings.flows, settings.data)
            add_override(folder, HoursOverride(flow, hours, state is HoursState.open, None, end), now)
            record_audit("override", f"{flow} {hours}", "", f"{state.value} until {end.isoformat(' ', 'minutes')}")
            print(
                f"{flow}: {hours} {state.value} until {end.astimezone(known[flow].zone or UTC).isoformat(' ', 'minutes')}"
            )
    except OSError as error:
        fix = "make CALLFLOWS_DATA a folder that this user can write"
        _exit_with_usage_error(f"{error.filename} cannot be written: {error.strerror} ({fix})")
    except ValueError as error:
        _exit_with_usage_error(str(error))


def load_claimed_numbers(settings: Settings) -> dict[str, str]:
    """Return the claiming file of each number."""
    from callflows.flows.loader.folder_loader import load_flow_folder

    book = load_flow_folder(settings.flows, build_command_options(settings)).book
    return {claim.number: claim.file for flow in book.flows.values() for claim in flow.claims}


def _exit_with_usage_error(message: str) -> NoReturn:
    exit_with_notice(f"callflows: {message}", 2)
