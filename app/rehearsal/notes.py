"""Where in a flow a document comes by, as its comments say it; only documents that are made for rehearsals have any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from lxml import etree

from app.language import DTMF, Call, Default, Dial, Error, Gather, Geo, Schedule
from app.language.dialects import READING, SWITCH
from app.spots import ASKS, NODE, RINGS_LAST, Spot, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from app.language.element import Element

Notes: TypeAlias = "Mapping[str, tuple[Spot, ...]]"
"""Spots by the path of the element that they stand before; those behind the last by the path within and ``END``."""
END: Final = "end"
BRANCHES: Final = (DTMF, Default, Error)
"""What is no command: it is run where something else says so."""
_PARSER: Final = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_pis=True)


def notes_of(document: bytes) -> Notes:
    """The notes of a document that can be read; none where it has no comments."""
    if b"<!--" not in document:
        return {}
    notes: dict[str, tuple[Spot, ...]] = {}
    _walk(etree.fromstring(document, _PARSER), "", notes)
    return notes


def branches_of(response: Element, node: str) -> Notes:
    """The notes of a document that has none, as of a program: each of its branches."""
    notes: dict[str, tuple[Spot, ...]] = {}
    _branch(response.children, "", Spot(node, 0, 0, NODE), notes)
    return notes


def _branch(children: Sequence[Element], within: str, spot: Spot, notes: dict[str, tuple[Spot, ...]]) -> None:
    for index, child in enumerate(children):
        path = f"{within}{child.row.name}[{index}]"
        if isinstance(child, Call | Geo | Schedule):
            notes[path] = (*notes.get(path, ()), spot._replace(what=ASKS).of(path))
        elif isinstance(child, Dial):
            notes[path] = (*notes.get(path, ()), spot._replace(what=RINGS_LAST).of(path))
        elif isinstance(child, Gather):
            for number, branch in enumerate(child.children):
                if (what := _chosen(branch)) is not None:
                    _first(branch, f"{path}.{branch.row.name}[{number}]", spot._replace(what=what).of(path), notes)
        _branch(child.children, f"{path}.", spot, notes)


def _chosen(branch: Element) -> str | None:
    """What is done that comes to a branch of a Gather; None where it is none."""
    if isinstance(branch, DTMF):
        return f"key {branch.attributes['value']}"
    return "no-match" if isinstance(branch, Default) else "no-input" if isinstance(branch, Error) else None


def _first(branch: Element, path: str, spot: Spot, notes: dict[str, tuple[Spot, ...]]) -> None:
    """Note a spot where a branch begins."""
    commands = ((index, child) for index, child in enumerate(branch.children) if not isinstance(child, BRANCHES))
    begins = next((f"{path}.{child.row.name}[{index}]" for index, child in commands), f"{path}.{END}")
    notes[begins] = (*notes.get(begins, ()), spot)


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
