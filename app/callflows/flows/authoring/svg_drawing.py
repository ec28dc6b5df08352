"""A diagram as a picture: SVG that stands alone, in light and in dark, of which every text is only text."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final, NamedTuple
from xml.sax.saxutils import escape as escaped_text

from callflows.flows.authoring.svg_layout import LayoutSize, lay_out_diagram
from callflows.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from callflows.flows.authoring.diagram import DiagramBox, DiagramEdge, FlowDiagram
    from callflows.flows.authoring.svg_layout import DiagramLayout, EdgeRoute, LayoutSpot


_FONT_SIZE, _SMALL_FONT_SIZE, _LARGE_FONT_SIZE = 12.5, 11.5, 19.0


_LINE_HEIGHT: Final = 17.0


_MAX_BOX_WIDTH, _MIN_BOX_WIDTH = 272.0, 120.0


_MAX_LABEL_WIDTH: Final = 150.0


_BOX_PADDING: Final = 14.0


_PICTURE_MARGIN: Final = 28.0


_BOX_HEADER_HEIGHT: Final = 31.0


_MAX_BOX_STEPS, _MAX_STEP_LINES = 12, 4


_NARROW_CHARACTERS: Final = frozenset("iljtfrI.,:;'!|()[]· \u2039\u203a/-")


_WIDE_CHARACTERS: Final = frozenset("mwMW@%—…→")


_STEP_VERB_PATTERN: Final = re.compile(
    r"(?:look up|hang up|text message|record start|record stop|record wait|no key|no answer|\S+)"
)
"""The words of a step that say what it is."""


_STYLESHEET: Final = """
  svg { --paper: #fbfbfd; --panel: #fff; --line: #d3d7e0; --ink: #1d2433; --soft: #5a6478; --edge: #7c879c;
        --accent: #3557d6; --back: #b3621b; --wrong: #c2293c }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #14171f; --panel: #1d222d; --line: #3a4253; --ink: #e8ebf2; --soft: #a2acbf; --edge: #8792a8;
          --accent: #8ea6ff; --back: #e59a55; --wrong: #ff7b8a } }
  .paper { fill: var(--paper) }
  text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial, sans-serif;
         font-size: 12.5px; fill: var(--ink) }
  .title { font-size: 19px; font-weight: 650 } .about { fill: var(--soft) }
  .name { font-size: 13px; font-weight: 650 } .start .name { fill: var(--accent) }
  .word { fill: var(--accent); font-weight: 600 }
  .box { fill: var(--panel); stroke: var(--line) } .start .box { stroke: var(--accent); stroke-width: 1.8 }
  .missing .box { stroke: var(--wrong); stroke-dasharray: 5 4 } .missing .name { fill: var(--wrong) }
  .rule { stroke: var(--line) }
  .edge { fill: none; stroke: var(--edge); stroke-width: 1.4 } .head { fill: var(--edge) }
  .back .edge { stroke: var(--back) } .back .head { fill: var(--back) }
  .chip { fill: var(--paper) } .label { font-size: 11.5px; fill: var(--soft); text-anchor: middle }
  .label.beside { text-anchor: start } .back .label { fill: var(--back) }
"""


class _MeasuredBox(NamedTuple):
    """A box with its texts wrapped: (indent, lines) of each step; and the labels of an edge from it to itself."""

    box: DiagramBox
    steps: tuple[tuple[int, tuple[str, ...]], ...]
    width: float
    height: float
    loop_labels: tuple[str, ...] | None


def render_svg(diagram: FlowDiagram) -> str:
    """The flow as an SVG picture."""
    loops = {edge.start: _wrap_edge_labels(edge) for edge in diagram.edges if edge.start == edge.end}
    boxes = [_measure_box(box, loops.get(box.name)) for box in diagram.boxes]
    numbers = {box.name: number for number, box in enumerate(diagram.boxes)}
    edges = [edge for edge in diagram.edges if edge.start != edge.end]
    links = [(numbers[edge.start], numbers[edge.end], _measure_label(_wrap_edge_labels(edge))) for edge in edges]
    layout = lay_out_diagram([_measure_box_with_loop(box) for box in boxes], links)
    top = _PICTURE_MARGIN + 48.0
    titles = max(_measure_text(diagram.name, _LARGE_FONT_SIZE), _measure_text(diagram.summary, _FONT_SIZE))
    width = max(layout.width, min(titles, 900.0)) + 2 * _PICTURE_MARGIN
    height = top + layout.height + _PICTURE_MARGIN
    left = (width - layout.width) / 2
    ports = _assign_ports(layout, boxes)
    size, room = f'width="{_format_pixels(width)}" height="{_format_pixels(height)}"', width - 2 * _PICTURE_MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_format_pixels(width)} {_format_pixels(height)}" {size} role="img">',
        f"<title>{_escape_svg_text(diagram.name)}</title>",
        f"<style>{_STYLESHEET}</style>",
        f'<rect class="paper" {size}/>',
        _render_text("title", _PICTURE_MARGIN, _PICTURE_MARGIN + 14, _truncate_text(diagram.name, _LARGE_FONT_SIZE, room)),
        _render_text("about", _PICTURE_MARGIN, _PICTURE_MARGIN + 34, _truncate_text(diagram.summary, _FONT_SIZE, room)),
        f'<g transform="translate({_format_pixels(left)} {_format_pixels(top)})">',
        *(_render_edge(number, route, layout, ports) for number, route in enumerate(layout.routes)),
        *(
            _render_label(_wrap_edge_labels(edge), route.label_spot, route.leads_back)
            for edge, route in zip(edges, layout.routes, strict=True)
        ),
        *(part for box, spot in zip(boxes, layout.boxes, strict=True) for part in _render_box(box, spot)),
        "</g>",
        "</svg>",
    ]
    return "\n".join(parts)


# Sizes


def _measure_box(box: DiagramBox, loop_labels: tuple[str, ...] | None) -> _MeasuredBox:
    said = [line for line in box.lines if line.text and not line.target_node]
    steps = [
        (line.depth, tuple(_wrap_text(line.text, _FONT_SIZE, _MAX_BOX_WIDTH - 2 * _BOX_PADDING - 12 * line.depth)))
        for line in said
    ]
    if len(steps) > _MAX_BOX_STEPS:
        steps = [*steps[: _MAX_BOX_STEPS - 1], (0, (f"… and {len(steps) - _MAX_BOX_STEPS + 1} more steps",))]
    if not box.node_exists:
        steps = [(0, ("there is no such node",))]
    texts = [12 * depth + _measure_text(line, _FONT_SIZE) for depth, lines in steps for line in lines]
    wide = max(
        [_MIN_BOX_WIDTH, _measure_text(box.name, 14.0) + 2 * _BOX_PADDING, *(text + 2 * _BOX_PADDING for text in texts)]
    )
    height = _BOX_HEADER_HEIGHT + (sum(_LINE_HEIGHT * len(lines) + 4 for _, lines in steps) + 12 if steps else 0)
    return _MeasuredBox(box, tuple(steps), min(wide, _MAX_BOX_WIDTH), height, loop_labels)


def _measure_box_with_loop(box: _MeasuredBox) -> LayoutSize:
    """What a box takes, with the edge from it to itself on its right."""
    more = (
        0.0
        if box.loop_labels is None
        else 34 + max((_measure_text(text, _SMALL_FONT_SIZE) for text in box.loop_labels), default=0)
    )
    return LayoutSize(box.width / 2, box.width / 2 + more, max(box.height, _BOX_HEADER_HEIGHT))


def _wrap_edge_labels(edge: DiagramEdge) -> tuple[str, ...]:
    """The lines of an edge's label: keys and short words on one, conditions on their own."""
    rows: list[str] = []
    for label in edge.labels:
        if rows and len(rows[-1]) + len(label) < 16:  # noqa: PLR2004 - characters that stand well beside each other
            rows[-1] = f"{rows[-1]} · {label}"
        else:
            rows.append(label)
    return tuple(line for row in rows[:6] for line in _wrap_text(row, _SMALL_FONT_SIZE, _MAX_LABEL_WIDTH))


def _measure_label(lines: Sequence[str]) -> LayoutSize:
    half = max((_measure_text(line, _SMALL_FONT_SIZE) for line in lines), default=0.0) / 2 + 5
    return LayoutSize(half, half, len(lines) * 15.0 + 4 if lines else 0.0)


def _measure_text(text: str, size: float) -> float:
    """About how many pixels wide a text is."""
    return size * sum(map(_measure_character, text))


def _measure_character(character: str) -> float:
    if character in _NARROW_CHARACTERS:
        return 0.38
    if unicodedata.east_asian_width(character) in "WF":
        return 1.1
    return (
        0.0
        if unicodedata.combining(character)
        else 0.99
        if character in _WIDE_CHARACTERS
        else 0.72
        if character.isupper()
        else 0.63
    )


def _wrap_text(text: str, size: float, width: float) -> list[str]:
    """A text in lines that are not wider; what is too long for its lines ends in dots."""
    lines = [""]
    for word in text.split():
        for part in _split_word(word, size, width):
            joined = f"{lines[-1]} {part}".strip()
            if _measure_text(joined, size) <= width:
                lines[-1] = joined
            else:
                lines.append(part)
    if len(lines) > _MAX_STEP_LINES:
        lines = [*lines[: _MAX_STEP_LINES - 1], _truncate_text(" ".join(lines[_MAX_STEP_LINES - 1 :]), size, width)]
    return lines


def _split_word(word: str, size: float, width: float) -> Iterator[str]:
    """A word, in pieces where it is too wide for a line."""
    while _measure_text(word, size) > width and len(word) > 1:
        count = max(1, next((at for at in range(1, len(word)) if _measure_text(word[: at + 1], size) > width), len(word)))
        yield word[:count]
        word = word[count:]
    yield word


def _truncate_text(text: str, size: float, width: float) -> str:
    if _measure_text(text, size) <= width:
        return text
    wide = 0.0
    for at, character in enumerate(text):
        wide += size * _measure_character(character)
        if wide > width - size:
            return f"{text[:at].rstrip()}…"
    return text


# Parts of the picture


def _render_box(box: _MeasuredBox, spot: LayoutSpot) -> Iterator[str]:
    kind = "missing" if not box.box.node_exists else "start" if box.box.name == "start" else "node"
    left, y = spot.x - box.width / 2, spot.y
    yield f'<g class="{kind}">{_render_rectangle("box", left, y, box.width, box.height)}'
    yield _render_text(
        "name", left + _BOX_PADDING, y + 20, _truncate_text(box.box.name, 14.0, box.width - 2 * _BOX_PADDING)
    )
    if box.steps:
        yield f'<path class="rule" d="M{_format_pixels(left)} {_format_pixels(y + _BOX_HEADER_HEIGHT)}h{_format_pixels(box.width)}"/>'
    at = y + _BOX_HEADER_HEIGHT + 19
    for depth, lines in box.steps:
        for number, line in enumerate(lines):
            found = _STEP_VERB_PATTERN.match(line) if not number and box.box.node_exists else None
            first, rest = (found[0], line[found.end() :]) if found else ("", line)
            word = f'<tspan class="word">{_escape_svg_text(first)}</tspan>' if first else ""
            yield f'<text x="{_format_pixels(left + _BOX_PADDING + 12 * depth)}" y="{_format_pixels(at)}">{word}{_escape_svg_text(rest)}</text>'
            at += _LINE_HEIGHT
        at += 4
    if box.loop_labels is not None:
        yield from _render_loop(box.loop_labels, left + box.width, y + box.height / 2)
    yield "</g>"


def _render_loop(lines: Sequence[str], x: float, y: float) -> Iterator[str]:
    """An edge from a box to itself, on its right."""
    path = f"M{_format_pixels(x)} {_format_pixels(y - 9)}c28 -10 28 28 4 18"
    yield f'<g class="back"><path class="edge" d="{path}"/>{_render_arrowhead(x, y + 9, -1, 0)}'
    first = y + 4 - 7.5 * (len(lines) - 1)
    for number, line in enumerate(lines):
        yield _render_text("label beside", x + 27, first + 15 * number, line)
    yield "</g>"


def _assign_ports(layout: DiagramLayout, boxes: Sequence[_MeasuredBox]) -> dict[tuple[int, bool], float]:
    """Where edges leave and enter boxes: by the edge's number and whether it is at its start, the ``x``."""
    sides: dict[tuple[int, bool], list[tuple[float, int, bool]]] = {}
    for number, route in enumerate(layout.routes):
        whole = (layout.boxes[route.start], *route.waypoints, layout.boxes[route.end])
        sides.setdefault((route.start, route.leads_back), []).append((whole[1].x, number, True))
        sides.setdefault((route.end, not route.leads_back), []).append((whole[-2].x, number, False))
    ports = {}
    for (box, _), ends in sides.items():
        apart = min(30.0, (boxes[box].width - 24) / len(ends))
        for place, (_, number, begins) in enumerate(sorted(ends)):
            ports[number, begins] = layout.boxes[box].x + (place - (len(ends) - 1) / 2) * apart
    return ports


def _render_edge(number: int, route: EdgeRoute, layout: DiagramLayout, ports: dict[tuple[int, bool], float]) -> str:
    """An edge: straight through the rows of boxes that it passes, and its label; bent between them."""
    start, end = layout.boxes[route.start], layout.boxes[route.end]
    turn = -1 if route.leads_back else 1
    x, y = ports[number, True], start.y + (0 if route.leads_back else start.size.height)
    path = [f"M{_format_pixels(x)} {_format_pixels(y)}"]
    y = layout.rows[start.row][0 if route.leads_back else 1]
    path.append(f"V{_format_pixels(y)}")
    last = end.y + (end.size.height if route.leads_back else 0) - 7 * turn
    foot = layout.rows[end.row][1] if route.leads_back else last
    ends = [(spot.x, *layout.rows[spot.row][::turn]) for spot in route.waypoints]
    for x_next, near, far in [*ends, (ports[number, False], foot, last)]:
        if abs(x_next - x) < 0.5:  # noqa: PLR2004 - less than can be seen
            path.append(f"V{_format_pixels(near)}")
        else:
            middle = (y + near) / 2
            path.append(
                f"C{_format_pixels(x)} {_format_pixels(middle)} {_format_pixels(x_next)} {_format_pixels(middle)} {_format_pixels(x_next)} {_format_pixels(near)}"
            )
        path.append(f"V{_format_pixels(far)}")
        x, y = x_next, far
    way = "".join(path)
    kind = ' class="back"' if route.leads_back else ""
    return f'<g{kind}><path class="edge" d="{way}"/>{_render_arrowhead(x, last + 7 * turn, 0, turn)}</g>'


def _render_arrowhead(x: float, y: float, x_direction: int, y_direction: int) -> str:
    """The head of an arrow that points right, left, up or down."""
    if x_direction:
        return f'<path class="head" d="M{_format_pixels(x)} {_format_pixels(y)}l{-8 * x_direction} -4v8z"/>'
    return f'<path class="head" d="M{_format_pixels(x)} {_format_pixels(y)}l-4 {-8 * y_direction}h8z"/>'


def _render_label(lines: Sequence[str], spot: LayoutSpot, leads_back: bool) -> str:  # noqa: FBT001 - as the route says
    if not lines:
        return ""
    size = spot.size
    chip = _render_rectangle("chip", spot.x - size.left, spot.y, size.left + size.right, size.height)
    said = "".join(_render_text("label", spot.x, spot.y + 13 + 15 * number, line) for number, line in enumerate(lines))
    kind = ' class="back"' if leads_back else ""
    return f"<g{kind}>{chip}{said}</g>"


def _render_text(kind: str, x: float, y: float, text: str) -> str:
    return f'<text class="{kind}" x="{_format_pixels(x)}" y="{_format_pixels(y)}">{_escape_svg_text(text)}</text>'


def _render_rectangle(kind: str, x: float, y: float, width: float, height: float) -> str:
    return f'<rect class="{kind}" x="{_format_pixels(x)}" y="{_format_pixels(y)}" width="{_format_pixels(width)}" height="{_format_pixels(height)}" rx="8"/>'


def _escape_svg_text(text: str) -> str:
    return escaped_text(clean_text(text), {'"': "&quot;"})


def _format_pixels(number: float) -> str:
    """A number of pixels, as short as it can be."""
    return f"{number:.1f}".removesuffix(".0")
