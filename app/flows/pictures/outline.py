"""A flow as indented lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.characters import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.flows.diagram import Diagram, Line


def outline(diagram: Diagram) -> str:
    """The flow as indented lines."""
    missing = {box.name for box in diagram.boxes if not box.there}
    out = [" · ".join(filter(None, [diagram.name, diagram.about]))]
    for box in diagram.boxes:
        if box.there:
            out += ["", clean(box.name), *(f"  {_outlined(line, missing)}" for line in box.lines)]
    beside = {
        "when a text comes in": diagram.messages,
        "when nobody took a call": diagram.missed,
        "when anything goes wrong": diagram.fallback,
    }
    for said, lines in beside.items():
        out += ["", said, *(f"  {_outlined(line, missing)}" for line in lines)] if lines else []
    return "\n".join(out)


def _outlined(line: Line, missing: Iterable[str]) -> str:
    arrow = (
        f"{' ' if line.text else ''}→ {line.to}{' (there is no such node)' if line.to in missing else ''}"
        if line.to
        else ""
    )
    return f"{'  ' * line.depth}{line.text}{arrow}"
