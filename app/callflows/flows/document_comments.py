"""Reads the coverage comments of a document, and the place in the flow file of each of its elements.

Only documents rendered for rehearsals or with their place marks have such comments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lxml import etree

from callflows.flows.coverage_points import (
    CONDITION_POINT,
    DIAL_POINT,
    LAST_DIAL_POINT,
    NODE_ENTERED_POINT,
    NODE_EXIT_POINT,
    NODE_REENTERED_POINT,
    STEP_POINT,
    CoveragePoint,
    parse_coverage_comment,
)
from callflows.language.dialects import SWITCH_TAG, TAG_MEANINGS

if TYPE_CHECKING:
    from collections.abc import Iterator


BRANCH_END: Final = "end"
"""Last part of the path of comments after the last child of an element."""
_NODE_POINTS: Final = frozenset((NODE_ENTERED_POINT, NODE_REENTERED_POINT))
_NO_WAYS: Final = frozenset(
    (
        NODE_ENTERED_POINT,
        NODE_REENTERED_POINT,
        NODE_EXIT_POINT,
        STEP_POINT,
        DIAL_POINT,
        LAST_DIAL_POINT,
        CONDITION_POINT,
        "holds",
    )
)
"""Labels of points that are no way from one node to another."""
_COMMENT_PARSER: Final = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_pis=True)


class PassedNode(NamedTuple):
    """A node that wrote no element, at its line; ``way`` is the outcome that led there. ``file`` as in ElementPlace."""

    node: str
    line: int
    way: str = ""
    file: str = ""


class ElementPlace(NamedTuple):
    """Place of an element in its flow file.

    ``node_line`` is the line at which the node begins. ``step`` is the number of the step in its node, from 1 (0 if
    unknown). ``way`` is the outcome that leads to the element, such as ``key 2``; it is empty for elements that follow
    another one. ``file`` is the included file with these lines; it is empty for the flow's own file. ``passed`` are the
    nodes between this element and the one before, such as one that only decides where the call goes on.
    """

    node: str
    node_line: int
    step: int
    line: int
    column: int
    way: str = ""
    file: str = ""
    passed: tuple[PassedNode, ...] = ()


def walk_commented_elements(document: bytes) -> Iterator[tuple[str, tuple[CoveragePoint, ...]]]:
    """Yield the path of each element in document order, with the coverage points before it.

    Points after the last child of an element have the path of the element and ``end``.
    """
    yield from _walk_children(etree.fromstring(document, _COMMENT_PARSER), "")


def _walk_children(
    parent: Any,  # noqa: ANN401 - lxml's element
    parent_path: str,
) -> Iterator[tuple[str, tuple[CoveragePoint, ...]]]:
    before: list[CoveragePoint] = []
    index = 0
    for child in _flatten_children(parent):
        if child.tag is etree.Comment:
            point = parse_coverage_comment(child.text or "")
            before += [point] if point is not None else []
            continue
        meaning = TAG_MEANINGS.get(child.tag)
        path = f"{parent_path}{meaning.element_class.spec.name if meaning is not None else child.tag}[{index}]"
        yield path, tuple(before)
        yield from _walk_children(child, f"{path}.")
        before, index = [], index + 1
    if before:
        yield f"{parent_path}{BRANCH_END}", tuple(before)


def _flatten_children(parent: Any) -> Iterator[Any]:  # noqa: ANN401 - lxml's element
    """Yield the children in parsed order: the children of a Switch count as children of its Gather."""
    for child in parent:
        if child.tag == SWITCH_TAG:
            yield from child
        else:
            yield child


def read_element_places(document: bytes) -> dict[str, ElementPlace]:
    """Return the place of each element of a document with place marks, by its path, in document order.

    The first has an empty path: it is the node for which the document was made.
    """
    places: dict[str, ElementPlace] = {}
    latest: dict[str, ElementPlace] = {}  # by the path of the parent: a mark holds for the elements that follow it
    for path, points in walk_commented_elements(document):
        parent = path.rpartition(".")[0]
        place = latest.get(parent) or places.get(parent) or ElementPlace("", 0, 0, 0, 0)
        way, entered = "", list[PassedNode]()
        for point in points:
            is_begin = not places and point.what in _NODE_POINTS
            if is_begin:
                places[""] = ElementPlace(point.node, point.line, 0, point.line, point.column, "", point.file)
            kind, _, number = point.what.partition(" ")
            is_same = place.node == point.node
            node_line = point.line if kind in _NODE_POINTS else place.node_line if is_same else 0
            step = int(number) if kind == STEP_POINT and number.isdecimal() else place.step if is_same else 0
            place = ElementPlace(point.node, node_line, step, point.line, point.column, "", point.file)
            if point.what == NODE_ENTERED_POINT and not is_begin:
                entered.append(PassedNode(point.node, point.line, way, point.file))
                way = ""
            elif kind not in _NO_WAYS and point.what not in _NO_WAYS:
                way = point.what
        latest[parent] = place
        if not path.endswith(BRANCH_END):
            # A way that leads into the element's own node is told with the element.
            is_own = bool(entered) and entered[-1].node == place.node
            passed = tuple(entered[:-1] if is_own else entered)
            places[path] = place._replace(way=way or (entered[-1].way if is_own else ""), passed=passed)
    return places
