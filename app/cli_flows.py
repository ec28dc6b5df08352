"""The commands that begin a flow from a template and show one as a picture. Mounted by ``cli``."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.errors import Problem
    from app.flows.diagram import Diagram
    from app.settings import Settings

FLOWS = Annotated[Path | None, typer.Option("--flows", metavar="DIR", help="The folder of the flow files.")]


class Picture(StrEnum):
    """How a flow is shown."""

    text = "text"
    mermaid = "mermaid"
    svg = "svg"


class Listing(StrEnum):
    """How templates are listed, and what was written."""

    text = "text"
    json = "json"


def show(
    flow: Annotated[str, typer.Argument(metavar="FLOW", help="A flow's name, or its file.")],
    flows: FLOWS = None,
    output: Annotated[Picture, typer.Option("--format", help="How it is shown.")] = Picture.text,
) -> None:
    """Show a flow as an outline or a picture: its nodes, and where keys, conditions and silence lead."""
    from app.flows.diagram import outline
    from app.flows.mermaid import mermaid

    file = _file_of(flow, _settings(flows).flows)
    diagram, problems = _read(file)
    for problem in problems:
        print(problem, file=sys.stderr)
    if diagram is None:
        raise typer.Exit(1)
    if output is Picture.svg:
        from app.flows.drawing import svg

        print(svg(diagram))
    else:
        print(mermaid(diagram) if output is Picture.mermaid else outline(diagram))


def _file_of(flow: str, folder: Path) -> Path:
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
        raise AssertionError
    return found


def _read(file: Path) -> tuple[Diagram | None, list[Problem]]:
    from app.errors import Problem
    from app.flows.diagram import diagram_of, diagram_of_program
    from app.flows.files import Report

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
    output: Annotated[Listing, typer.Option("--format", help="How it is said.")] = Listing.text,
) -> None:
    """Begin a flow from a template; without --template the templates are listed."""
    import json

    from app.flows.gallery import begin, templates

    if listed or template is None:
        rows = [{"name": found.name, "says": found.says} for found in templates().values()]
        width = max(len(row["name"]) for row in rows)
        lines = [f"{row['name']:<{width}}  {row['says']}" for row in rows]
        print(json.dumps(rows, ensure_ascii=False, indent=2) if output is Listing.json else "\n".join(lines))
        return
    if name is None:
        _refuse("which name shall the flow have? As: callflows new acme --template front-desk")
    settings = _settings(flows)
    begun = begin(settings.flows, str(name), template, number, _claimed(settings), force=force)
    if output is Listing.json:
        also = [str(file) for file in begun.beside]
        print(json.dumps({"file": str(begun.file), "beside": also, "number": begun.number}, indent=2))
        return
    where = f" --flows {flows}" if flows is not None else ""
    for file in (begun.file, *begun.beside):
        print(f"written: {file}")
    print(f"It answers {begun.number}. What is yours to change has a comment: number, hours, whom to ring. Then:")
    print(f"  callflows check {begun.file} --strict\n  callflows show {name}{where}")
    print(f"  callflows numbers{where}\n  callflows serve{where}")


def _claimed(settings: Settings) -> dict[str, str]:
    """The file that has each number."""
    from app.flows.compiler import Options
    from app.flows.loader import load
    from app.flows.tickets import Signer

    book = load(settings.flows, Options(Signer([b"only looked at"]), settings.apology, settings.dialect)).book
    return {claim.number: claim.file for flow in book.flows.values() for claim in flow.claims}


def _settings(flows: Path | None) -> Settings:
    from app.settings import load

    return load(**({} if flows is None else {"flows": flows}))


def _refuse(said: str) -> None:
    print(f"callflows: {said}", file=sys.stderr)
    raise typer.Exit(2)
