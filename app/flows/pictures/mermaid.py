"""A diagram as a Mermaid flowchart, which many pages of text draw by themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from app.characters import clean

if TYPE_CHECKING:
    from app.flows.diagram import Diagram

_SPECIAL: Final = re.compile(r"[^\w\s,.?!:'()=\-]|_|(?<=\d)\.|(?<=www)\.|(?<=WWW)\.|(?:(?<=<br/>)|^)-", re.ASCII)
_SHOWN: Final = 120


def mermaid(diagram: Diagram) -> str:
    """The flow as a Mermaid flowchart. Whatever stands in a text, it stays a text."""
    ids = {box.name: f"n{index}" for index, box in enumerate(diagram.boxes)}
    out = ["flowchart TD"]
    for box in diagram.boxes:
        said = [line.text for line in box.lines if line.text and not line.to]
        label = "<br/>".join([f"<b>{_escaped(box.name)}</b>", *map(_escaped, said)])
        shape = (
            f'(["{label}"])' if box.name == "start" and not said else f'("{label}")' if box.there else f'{{{{"{label}"}}}}'
        )
        out.append(f"  {ids[box.name]}{shape}")
    for edge in diagram.edges:
        label = "<br/>".join(map(_escaped, edge.labels))
        shown = f'|"{label}"|' if label else ""
        out.append(f"  {ids[edge.start]} -->{shown} {ids[edge.end]}")
    return "\n".join(out)


def _escaped(text: str) -> str:
    """A text in a Mermaid label: all that might be read as something else by its number."""
    text = " ".join(clean(text).split())
    short = text if len(text) <= _SHOWN else f"{text[:_SHOWN].rstrip()}…"
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};" if found[0].isascii() else found[0], short)
