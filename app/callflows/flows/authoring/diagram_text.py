"""Render a diagram as text: a Mermaid flowchart, which many Markdown viewers draw, or an indented outline."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from callflows.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callflows.flows.authoring.diagram import DiagramLine, FlowDiagram


# Besides marks of Mermaid itself: Markdown lists (``1.``, ``-``) and addresses (``www.``), which Mermaid would format.
_MERMAID_SPECIAL_CHARACTERS: Final = re.compile(
    r"[^\w\s,.?!:'()=\-]|_|(?<=\d)\.|(?<=www)\.|(?<=WWW)\.|(?:(?<=<br/>)|^)-", re.ASCII
)
_MAX_MERMAID_CHARACTERS: Final = 120


def render_mermaid(diagram: FlowDiagram) -> str:
    """Render a Mermaid flowchart. Characters with a meaning in Mermaid are escaped."""
    ids = {box.name: f"n{index}" for index, box in enumerate(diagram.boxes)}
    out = ["flowchart TD"]
    for box in diagram.boxes:
        steps = [line.text for line in box.lines if line.text and not line.target_node]
        label = "<br/>".join([f"<b>{_escape_mermaid_text(box.name)}</b>", *map(_escape_mermaid_text, steps)])
        shape = (
            f'(["{label}"])'
            if box.name == "start" and not steps
            else f'("{label}")'
            if box.node_exists
            else f'{{{{"{label}"}}}}'
        )
        out.append(f"  {ids[box.name]}{shape}")
    for edge in diagram.edges:
        label = "<br/>".join(map(_escape_mermaid_text, edge.labels))
        shown = f'|"{label}"|' if label else ""
        out.append(f"  {ids[edge.start]} -->{shown} {ids[edge.end]}")
    return "\n".join(out)


def _escape_mermaid_text(text: str) -> str:
    """Escape a text for a Mermaid label: ``#`` and the character code instead of special characters."""
    text = " ".join(clean_text(text).split())
    short = text if len(text) <= _MAX_MERMAID_CHARACTERS else f"{text[:_MAX_MERMAID_CHARACTERS].rstrip()}…"
    return _MERMAID_SPECIAL_CHARACTERS.sub(lambda found: f"#{ord(found[0])};" if found[0].isascii() else found[0], short)


def render_outline(diagram: FlowDiagram) -> str:
    """Render one line for each step, indented below its node."""
    missing = {box.name for box in diagram.boxes if not box.node_exists}
    out = [" · ".join(filter(None, [diagram.name, diagram.summary]))]
    for box in diagram.boxes:
        if box.node_exists:
            out += ["", clean_text(box.name), *(f"  {_format_outline_line(line, missing)}" for line in box.lines)]
    other_steps = {
        "when a text comes in": diagram.message_lines,
        "when a call has ended": diagram.ended_call_lines,
        "when anything goes wrong": diagram.fallback_lines,
    }
    for title, lines in other_steps.items():
        out += ["", title, *(f"  {_format_outline_line(line, missing)}" for line in lines)] if lines else []
    return "\n".join([*out, *map(clean_text, diagram.opening_lines)])


def _format_outline_line(line: DiagramLine, missing_nodes: Iterable[str]) -> str:
    arrow = ""
    if line.target_node:
        space = " " if line.text else ""
        missing = " (there is no such node)" if line.target_node in missing_nodes else ""
        arrow = f"{space}→ {line.target_node}{missing}"
    return f"{'  ' * line.depth}{line.text}{arrow}"
