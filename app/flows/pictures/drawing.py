"""A diagram as a picture: SVG that stands alone, in light and in dark, of which every text is only text."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final, NamedTuple
from xml.sax.saxutils import escape as escaped_text

from app.characters import clean
from app.flows.pictures.layout import Size, laid_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.flows.diagram import Box, Diagram, Edge
    from app.flows.pictures.layout import Layout, Route, Spot

_FONT, _SMALL, _LARGE = 12.5, 11.5, 19.0
_LINE: Final = 17.0
_WIDEST, _NARROWEST = 272.0, 120.0
_LABEL: Final = 150.0
_PAD: Final = 14.0
_MARGIN: Final = 28.0
_HEAD: Final = 31.0
_MOST_STEPS, _MOST_LINES = 12, 4
_NARROW: Final = frozenset("iljtfrI.,:;'!|()[]· \u2039\u203a/-")
_BROAD: Final = frozenset("mwMW@%—…→")
_VERB: Final = re.compile(r"(?:look up|hang up|text message|record start|record stop|record wait|no key|no answer|\S+)")
"""The words of a step that say what it is."""

_STYLE: Final = """
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


class _Drawn(NamedTuple):
    """A box with its texts wrapped: (indent, lines) of each step; and the labels of an edge from it to itself."""

    box: Box
    steps: tuple[tuple[int, tuple[str, ...]], ...]
    width: float
    height: float
    loop: tuple[str, ...] | None


def svg(diagram: Diagram) -> str:
    """The flow as an SVG picture."""
    loops = {edge.start: _labels(edge) for edge in diagram.edges if edge.start == edge.end}
    boxes = [_drawn(box, loops.get(box.name)) for box in diagram.boxes]
    numbers = {box.name: number for number, box in enumerate(diagram.boxes)}
    edges = [edge for edge in diagram.edges if edge.start != edge.end]
    links = [(numbers[edge.start], numbers[edge.end], _label_size(_labels(edge))) for edge in edges]
    layout = laid_out([_size(box) for box in boxes], links)
    top = _MARGIN + 48.0
    titles = max(_width(diagram.name, _LARGE), _width(diagram.about, _FONT))
    width = max(layout.width, min(titles, 900.0)) + 2 * _MARGIN
    height = top + layout.height + _MARGIN
    left = (width - layout.width) / 2
    ports = _ports(layout, boxes)
    size, room = f'width="{_n(width)}" height="{_n(height)}"', width - 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" {size} role="img">',
        f"<title>{_escaped(diagram.name)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" {size}/>',
        _text("title", _MARGIN, _MARGIN + 14, _cut(diagram.name, _LARGE, room)),
        _text("about", _MARGIN, _MARGIN + 34, _cut(diagram.about, _FONT, room)),
        f'<g transform="translate({_n(left)} {_n(top)})">',
        *(_edge(number, route, layout, ports) for number, route in enumerate(layout.routes)),
        *(_label(_labels(edge), route.label, route.back) for edge, route in zip(edges, layout.routes, strict=True)),
        *(part for box, spot in zip(boxes, layout.boxes, strict=True) for part in _box(box, spot)),
        "</g>",
        "</svg>",
    ]
    return "\n".join(parts)


# Sizes


def _drawn(box: Box, loop: tuple[str, ...] | None) -> _Drawn:
    said = [line for line in box.lines if line.text and not line.to]
    steps = [(line.depth, tuple(_wrapped(line.text, _FONT, _WIDEST - 2 * _PAD - 12 * line.depth))) for line in said]
    if len(steps) > _MOST_STEPS:
        steps = [*steps[: _MOST_STEPS - 1], (0, (f"… and {len(steps) - _MOST_STEPS + 1} more steps",))]
    if not box.there:
        steps = [(0, ("there is no such node",))]
    texts = [12 * depth + _width(line, _FONT) for depth, lines in steps for line in lines]
    wide = max([_NARROWEST, _width(box.name, 14.0) + 2 * _PAD, *(text + 2 * _PAD for text in texts)])
    height = _HEAD + (sum(_LINE * len(lines) + 4 for _, lines in steps) + 12 if steps else 0)
    return _Drawn(box, tuple(steps), min(wide, _WIDEST), height, loop)


def _size(box: _Drawn) -> Size:
    """What a box takes, with the edge from it to itself on its right."""
    more = 0.0 if box.loop is None else 34 + max((_width(text, _SMALL) for text in box.loop), default=0)
    return Size(box.width / 2, box.width / 2 + more, max(box.height, _HEAD))


def _labels(edge: Edge) -> tuple[str, ...]:
    """The lines of an edge's label: keys and short words on one, conditions on their own."""
    rows: list[str] = []
    for label in edge.labels:
        if rows and len(rows[-1]) + len(label) < 16:  # noqa: PLR2004 - characters that stand well beside each other
            rows[-1] = f"{rows[-1]} · {label}"
        else:
            rows.append(label)
    return tuple(line for row in rows[:6] for line in _wrapped(row, _SMALL, _LABEL))


def _label_size(lines: Sequence[str]) -> Size:
    half = max((_width(line, _SMALL) for line in lines), default=0.0) / 2 + 5
    return Size(half, half, len(lines) * 15.0 + 4 if lines else 0.0)


def _width(text: str, size: float) -> float:
    """About how many pixels wide a text is."""
    return size * sum(map(_em, text))


def _em(character: str) -> float:
    if character in _NARROW:
        return 0.38
    if unicodedata.east_asian_width(character) in "WF":
        return 1.1
    return (
        0.0 if unicodedata.combining(character) else 0.99 if character in _BROAD else 0.72 if character.isupper() else 0.63
    )


def _wrapped(text: str, size: float, width: float) -> list[str]:
    """A text in lines that are not wider; what is too long for its lines ends in dots."""
    lines = [""]
    for word in text.split():
        for part in _parts(word, size, width):
            joined = f"{lines[-1]} {part}".strip()
            if _width(joined, size) <= width:
                lines[-1] = joined
            else:
                lines.append(part)
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], _cut(" ".join(lines[_MOST_LINES - 1 :]), size, width)]
    return lines


def _parts(word: str, size: float, width: float) -> Iterator[str]:
    """A word, in pieces where it is too wide for a line."""
    while _width(word, size) > width and len(word) > 1:
        count = max(1, next((at for at in range(1, len(word)) if _width(word[: at + 1], size) > width), len(word)))
        yield word[:count]
        word = word[count:]
    yield word


def _cut(text: str, size: float, width: float) -> str:
    if _width(text, size) <= width:
        return text
    wide = 0.0
    for at, character in enumerate(text):
        wide += size * _em(character)
        if wide > width - size:
            return f"{text[:at].rstrip()}…"
    return text


# Parts of the picture


def _box(box: _Drawn, spot: Spot) -> Iterator[str]:
    kind = "missing" if not box.box.there else "start" if box.box.name == "start" else "node"
    left, y = spot.x - box.width / 2, spot.y
    yield f'<g class="{kind}">{_rect("box", left, y, box.width, box.height)}'
    yield _text("name", left + _PAD, y + 20, _cut(box.box.name, 14.0, box.width - 2 * _PAD))
    if box.steps:
        yield f'<path class="rule" d="M{_n(left)} {_n(y + _HEAD)}h{_n(box.width)}"/>'
    at = y + _HEAD + 19
    for depth, lines in box.steps:
        for number, line in enumerate(lines):
            found = _VERB.match(line) if not number and box.box.there else None
            first, rest = (found[0], line[found.end() :]) if found else ("", line)
            word = f'<tspan class="word">{_escaped(first)}</tspan>' if first else ""
            yield f'<text x="{_n(left + _PAD + 12 * depth)}" y="{_n(at)}">{word}{_escaped(rest)}</text>'
            at += _LINE
        at += 4
    if box.loop is not None:
        yield from _loop(box.loop, left + box.width, y + box.height / 2)
    yield "</g>"


def _loop(lines: Sequence[str], x: float, y: float) -> Iterator[str]:
    """An edge from a box to itself, on its right."""
    path = f"M{_n(x)} {_n(y - 9)}c28 -10 28 28 4 18"
    yield f'<g class="back"><path class="edge" d="{path}"/>{_head(x, y + 9, -1, 0)}'
    first = y + 4 - 7.5 * (len(lines) - 1)
    for number, line in enumerate(lines):
        yield _text("label beside", x + 27, first + 15 * number, line)
    yield "</g>"


def _ports(layout: Layout, boxes: Sequence[_Drawn]) -> dict[tuple[int, bool], float]:
    """Where edges leave and enter boxes: by the edge's number and whether it is at its start, the ``x``."""
    sides: dict[tuple[int, bool], list[tuple[float, int, bool]]] = {}
    for number, route in enumerate(layout.routes):
        whole = (layout.boxes[route.start], *route.passes, layout.boxes[route.end])
        sides.setdefault((route.start, route.back), []).append((whole[1].x, number, True))
        sides.setdefault((route.end, not route.back), []).append((whole[-2].x, number, False))
    ports = {}
    for (box, _), ends in sides.items():
        apart = min(30.0, (boxes[box].width - 24) / len(ends))
        for place, (_, number, begins) in enumerate(sorted(ends)):
            ports[number, begins] = layout.boxes[box].x + (place - (len(ends) - 1) / 2) * apart
    return ports


def _edge(number: int, route: Route, layout: Layout, ports: dict[tuple[int, bool], float]) -> str:
    """An edge: straight through the rows of boxes that it passes, and its label; bent between them."""
    start, end = layout.boxes[route.start], layout.boxes[route.end]
    turn = -1 if route.back else 1
    x, y = ports[number, True], start.y + (0 if route.back else start.size.height)
    path = [f"M{_n(x)} {_n(y)}"]
    y = layout.rows[start.row][0 if route.back else 1]
    path.append(f"V{_n(y)}")
    last = end.y + (end.size.height if route.back else 0) - 7 * turn
    foot = layout.rows[end.row][1] if route.back else last
    ends = [(spot.x, *layout.rows[spot.row][::turn]) for spot in route.passes]
    for x_next, near, far in [*ends, (ports[number, False], foot, last)]:
        if abs(x_next - x) < 0.5:  # noqa: PLR2004 - less than can be seen
            path.append(f"V{_n(near)}")
        else:
            middle = (y + near) / 2
            path.append(f"C{_n(x)} {_n(middle)} {_n(x_next)} {_n(middle)} {_n(x_next)} {_n(near)}")
        path.append(f"V{_n(far)}")
        x, y = x_next, far
    way = "".join(path)
    kind = ' class="back"' if route.back else ""
    return f'<g{kind}><path class="edge" d="{way}"/>{_head(x, last + 7 * turn, 0, turn)}</g>'


def _head(x: float, y: float, right: int, down: int) -> str:
    """The head of an arrow that points right, left, up or down."""
    if right:
        return f'<path class="head" d="M{_n(x)} {_n(y)}l{-8 * right} -4v8z"/>'
    return f'<path class="head" d="M{_n(x)} {_n(y)}l-4 {-8 * down}h8z"/>'


def _label(lines: Sequence[str], spot: Spot, back: bool) -> str:  # noqa: FBT001 - as the route says
    if not lines:
        return ""
    size = spot.size
    chip = _rect("chip", spot.x - size.left, spot.y, size.left + size.right, size.height)
    said = "".join(_text("label", spot.x, spot.y + 13 + 15 * number, line) for number, line in enumerate(lines))
    kind = ' class="back"' if back else ""
    return f"<g{kind}>{chip}{said}</g>"


def _text(kind: str, x: float, y: float, said: str) -> str:
    return f'<text class="{kind}" x="{_n(x)}" y="{_n(y)}">{_escaped(said)}</text>'


def _rect(kind: str, x: float, y: float, width: float, height: float) -> str:
    return f'<rect class="{kind}" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="8"/>'


def _escaped(text: str) -> str:
    return escaped_text(clean(text), {'"': "&quot;"})


def _n(number: float) -> str:
    """A number of pixels, as short as it can be."""
    return f"{number:.1f}".removesuffix(".0")
