"""Where in a flow a document comes by, as its comments say it; only documents that are made for rehearsals have any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from lxml import etree

from app.language.dialects import READING, SWITCH
from app.spots import Spot, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Notes: TypeAlias = "Mapping[str, tuple[Spot, ...]]"
"""Spots by the path of the element that they stand before; those behind the last by the path within and ``END``."""
END: Final = "end"
_PARSER: Final = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_pis=True)


def notes_of(document: bytes) -> Notes:
    """The notes of a document that can be read; none where it has no comments."""
    if b"<!--" not in document:
        return {}
    notes: dict[str, tuple[Spot, ...]] = {}
    _walk(etree.fromstring(document, _PARSER), "", notes)
    return notes


def _walk(parent: Any, within: str, notes: dict[str, tuple[Spot, ...]]) -> None:  # noqa: ANN401 - lxml's element
    before: list[Spot] = []
    index = 0
    for child in _children(parent):
        if child.tag is etree.Comment:
            spot = read(child.text or "")
            before += [spot] if spot is not None else []
            continue
        path = f"{within}{READING[child.tag].element.row.name}[{index}]"
        if before:
            notes[path] = tuple(before)
        _walk(child, f"{path}.", notes)
        before, index = [], index + 1
    if before:
        notes[f"{within}{END}"] = tuple(before)


def _children(parent: Any) -> Iterator[Any]:  # noqa: ANN401 - lxml's element
    """The children as they are read: what stands in a Switch stands in its Gather."""
    for child in parent:
        if child.tag == SWITCH:
            yield from child
        else:
            yield child
