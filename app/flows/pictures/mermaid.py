"""A diagram as a Mermaid flowchart, which many pages of text draw by themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from app.characters import clean_text

if TYPE_CHECKING:
    from app.flows.diagram import FlowDiagram

_MERMAID_SPECIAL_CHARACTERS: Final = re.compile(
    r"[^\w\s,.?!:'()=\-]|_|(?<=\d)\.|(?<=www)\.|(?<=WWW)\.|(?:(?<=<br/>)|^)-", re.ASCII
)
_MAX_MERMAID_CHARACTERS: Final = 120


def render_mermaid(diagram: FlowDiagram) -> str:
    """The flow as a Mermaid flowchart. Whatever stands in a text, it stays a text."""
    ids = {box.name: f"n{index}" for index, box in enumerate(diagram.boxes)}
    out = ["flowchart TD"]
    for box in diagram.boxes:
        said = [line.text for line in box.lines if line.text and not line.target_node]
        label = "<br/>".join([f"<b>{_escape_mermaid_text(box.name)}</b>", *map(_escape_mermaid_text, said)])
        shape = (
            f'(["{label}"])'
            if box.name == "start" and not said
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
    """A text in a Mermaid label: all that might be read as something else by its number."""
    text = " ".join(clean_text(text).split())
    short = text if len(text) <= _MAX_MERMAID_CHARACTERS else f"{text[:_MAX_MERMAID_CHARACTERS].rstrip()}…"
    return _MERMAID_SPECIAL_CHARACTERS.sub(lambda found: f"#{ord(found[0])};" if found[0].isascii() else found[0], short)
