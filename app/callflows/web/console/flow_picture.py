"""Pictures of flows for the pages: drawn once for each version, then lit where calls went."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lxml import etree
from markupsafe import Markup

from callflows.flows.authoring.diagram import build_flow_diagram
from callflows.flows.authoring.svg_drawing import render_svg_figure
from callflows.flows.source.positions import ProblemReport

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from callflows.flows.authoring.diagram import FlowDiagram


_DRAWN_VERSIONS: Final = 64
_SVG: Final = "{http://www.w3.org/2000/svg}"


class DrawnFlow(NamedTuple):
    """A version of a flow: its diagram, for lists, and the pictures: a wide one, and a narrow one for phones."""

    diagram: FlowDiagram
    pictures: tuple[str, str]


@functools.lru_cache(maxsize=_DRAWN_VERSIONS)
def draw_flow(name: str, file: Path, source: bytes) -> DrawnFlow | None:
    """Draw a version of a flow; None if its file has no picture, as a program in Python.

    ``file`` is the place of the file, for files that it includes.
    """
    if file.suffix not in (".yaml", ".yml"):
        return None
    diagram = build_flow_diagram(name, source, ProblemReport(str(file)))
    if diagram is None:
        return None
    return DrawnFlow(diagram, (render_svg_figure(diagram), render_svg_figure(diagram, is_narrow=True)))


def light_picture(
    drawn: DrawnFlow,
    nodes: Mapping[str, str],
    ways: Mapping[tuple[str, str], str],
    anchor: str = "node",
    passed: Collection[str] = (),
) -> Markup:
    """Return the pictures with lit nodes and ways, each with a short text such as a count; the page shows one of them.

    ``passed`` are those of the nodes in which the caller heard nothing: their boxes only get a dashed frame.

    Each box leads to the element of the page with the id ``ANCHOR-NODE``.
    """
    return Markup("").join(_light_svg(svg, nodes, ways, anchor, passed) for svg in drawn.pictures)


def _light_svg(
    svg: str, nodes: Mapping[str, str], ways: Mapping[tuple[str, str], str], anchor: str, passed: Collection[str]
) -> Markup:
    root = etree.fromstring(svg.encode())
    root.set("xmlns", "http://www.w3.org/2000/svg") if "}" not in root.tag else None
    for group in [*root.iter("g", f"{_SVG}g")]:
        node, way = group.get("data-node"), (group.get("data-from"), group.get("data-to"))
        if node is not None:
            _light_box(group, node, nodes.get(node), anchor, "passed" if node in passed else "lit")
        elif way in ways:
            _add_class(group, "lit")
    return Markup(etree.tostring(root, encoding="unicode"))  # noqa: S704 - the drawing escapes all texts


def _light_box(group: Any, node: str, text: str | None, anchor: str, mark: str) -> None:  # noqa: ANN401 - an element of lxml
    """Mark a box as visited, and make it a link."""
    if text is not None:
        _add_class(group, mark)
        box = next(part for part in group if part.get("class") == "box")
        if text:
            right, top = float(box.get("x")) + float(box.get("width")), float(box.get("y"))
            badge = etree.SubElement(group, "text", {"class": "badge", "x": f"{right - 10:.1f}", "y": f"{top + 20:.1f}"})
            badge.text = text
    link = etree.Element("a", {"href": f"#{anchor}-{node}", "tabindex": "-1"})
    group.getparent().replace(group, link)
    link.append(group)


def _add_class(element: Any, name: str) -> None:  # noqa: ANN401 - an element of lxml
    element.set("class", f"{element.get('class', '')} {name}".strip())


def count_ways(path: Sequence[str]) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Count how often a call came to each node, and by each way from node to node."""
    nodes = Counter(path)
    ways = Counter(itertools.pairwise(path))
    return dict(nodes), dict(ways)
