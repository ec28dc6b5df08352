"""A flow as indented lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.characters import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.flows.diagram import DiagramLine, FlowDiagram


def render_outline(diagram: FlowDiagram) -> str:
    """The flow as indented lines."""
    missing = {box.name for box in diagram.boxes if not box.node_exists}
    out = [" · ".join(filter(None, [diagram.name, diagram.summary]))]
    for box in diagram.boxes:
        if box.node_exists:
            out += ["", clean_text(box.name), *(f"  {_format_outline_line(line, missing)}" for line in box.lines)]
    beside = {
        "when a text comes in": diagram.message_lines,
        "when nobody took a call": diagram.missed_call_lines,
        "when anything goes wrong": diagram.fallback_lines,
    }
    for said, lines in beside.items():
        out += ["", said, *(f"  {_format_outline_line(line, missing)}" for line in lines)] if lines else []
    return "\n".join(out)


def _format_outline_line(line: DiagramLine, missing_nodes: Iterable[str]) -> str:
    arrow = (
        f"{' ' if line.text else ''}→ {line.target_node}{' (there is no such node)' if line.target_node in missing_nodes else ''}"
        if line.target_node
        else ""
    )
    return f"{'  ' * line.depth}{line.text}{arrow}"
