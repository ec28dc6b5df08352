"""Render a diagram as an SVG picture that needs no other file, has light and dark colours, and prints on A4."""

from __future__ import annotations

import itertools
import re
import unicodedata
from typing import TYPE_CHECKING, Final, NamedTuple
from xml.sax.saxutils import escape as escaped_text

from callflows.flows.authoring.svg_layout import (
    ARROWHEAD_LENGTH,
    PICTURE_MARGIN,
    TITLE_HEIGHT,
    LayoutSize,
    fit_to_paper,
    lay_out_diagram,
)
from callflows.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from callflows.flows.authoring.diagram import DiagramBox, DiagramEdge, DiagramLine, FlowDiagram
    from callflows.flows.authoring.svg_layout import EdgeRoute, LayoutSpot, VerticalSegment


# Sizes in pixels.
_FONT_SIZE, _SMALL_FONT_SIZE, _LARGE_FONT_SIZE = 12.5, 12.0, 19.0
_LINE_HEIGHT, _LABEL_LINE_HEIGHT = 17.0, 15.0
_BOX_PADDING: Final = 14.0
_BOX_HEADER_HEIGHT: Final = 31.0
_MAX_BOX_STEPS, _MAX_STEP_LINES, _MAX_LABEL_ROWS = 12, 4, 6


# Arrows between more boxes cannot be followed by eye, and their layout takes too long.
_MAX_BOXES_WITH_ARROWS, _MAX_ARROWS = 250, 800
_NARROW_CHARACTERS: Final = frozenset("iljtfrI.,:;'!|()[]· \u2039\u203a/-")
_WIDE_CHARACTERS: Final = frozenset("mwMW@%—…→")


class _PictureWidths(NamedTuple):
    """Widths of the parts of a picture; ``column`` is that of a row of boxes, or None for a picture as wide as paper."""

    max_box: float
    min_box: float
    max_label: float
    column: float | None


_WIDE: Final = _PictureWidths(272.0, 120.0, 150.0, None)
_NARROW: Final = _PictureWidths(190.0, 100.0, 80.0, 200.0)
"""One box below the other, with arrows beside them: for the screen of a phone, where most pictures fit as they are."""


# The words at the beginning of a step that name the step.
_STEP_VERB_PATTERN: Final = re.compile(
    r"(?:look up|hang up|text message|record start|record stop|record wait|no key|no answer|\S+)"
)


PICTURE_RULES: Final = """
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
  .chip { fill: var(--paper) } .label { font-size: 12px; fill: var(--soft); text-anchor: middle }
  .label.beside { text-anchor: start } .back .label { fill: var(--back) }
"""
"""The CSS of the parts of a picture. The variables are colours, which a page of its own sets for itself."""


# Dark colours apply to screens only, so that a print from a dark screen is dark text on white paper.
_PICTURE_COLOURS: Final = """
  svg { --paper: #fbfbfd; --panel: #fff; --line: #c9ced9; --ink: #1d2433; --soft: #4d576b; --edge: #717c92;
        --accent: #3557d6; --back: #a85510; --wrong: #c2293c }
  @media screen and (prefers-color-scheme: dark) {
    svg { --paper: #14171f; --panel: #1d222d; --line: #3a4253; --ink: #e8ebf2; --soft: #b0b9ca; --edge: #8792a8;
          --accent: #8ea6ff; --back: #e59a55; --wrong: #ff7b8a } }
  @media print { svg { --paper: #fff; --line: #8d95a5; --soft: #333b4a; --edge: #4b5567 } }
"""


class _MeasuredBox(NamedTuple):
    """A box with wrapped texts. ``steps`` are pairs of depth and lines; ``loop_labels`` belong to an arrow to itself."""

    box: DiagramBox
    steps: tuple[tuple[int, tuple[str, ...]], ...]
    width: float
    height: float
    loop_labels: tuple[str, ...] | None


class _Picture(NamedTuple):
    """The parts of a picture, without what stands around them."""

    width: float
    height: float
    summary: str
    parts: tuple[str, ...]


def render_svg(diagram: FlowDiagram) -> str:
    """Render a flow as SVG. In a flow too large for arrows, each box lists its targets instead."""
    picture = _render_picture(diagram)
    top = PICTURE_MARGIN + TITLE_HEIGHT
    titles = max(_measure_text(diagram.name, _LARGE_FONT_SIZE), _measure_text(picture.summary, _FONT_SIZE))
    width = max(picture.width, min(titles, 900.0)) + 2 * PICTURE_MARGIN
    height = top + picture.height + PICTURE_MARGIN
    left = (width - picture.width) / 2
    size, room = f'width="{_format_pixels(width)}" height="{_format_pixels(height)}"', width - 2 * PICTURE_MARGIN
    rules = f"{_PICTURE_COLOURS}{PICTURE_RULES.lstrip(chr(10))}{_render_print_rules(width, height)}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_format_pixels(width)} {_format_pixels(height)}"',
        f'     {size} role="img">',
        f"<title>{_escape_svg_text(diagram.name)}</title>",
        f"<style>{rules}</style>",
        f'<rect class="paper" {size}/>',
        _render_text("title", PICTURE_MARGIN, PICTURE_MARGIN + 14, _truncate_text(diagram.name, _LARGE_FONT_SIZE, room)),
        _render_text("about", PICTURE_MARGIN, PICTURE_MARGIN + 34, _truncate_text(picture.summary, _FONT_SIZE, room)),
        f'<g transform="translate({_format_pixels(left)} {_format_pixels(top)})">',
        *picture.parts,
        "</g>",
        "</svg>",
    ]
    return "\n".join(parts)


def render_svg_figure(diagram: FlowDiagram, *, is_narrow: bool = False) -> str:
    """Render a flow as SVG for a page that has its own title, colours and ``PICTURE_RULES``; narrow for a phone.

    Boxes and arrows have the attributes ``data-node``, and ``data-from`` and ``data-to``. The picture is hidden from screen
    readers: the page has the same as a list.
    """
    picture = _render_picture(diagram, _NARROW if is_narrow else _WIDE, draws_whole_arrows=True)
    kind = "narrow" if is_narrow else "wide"
    width, height = _format_pixels(picture.width + 16), _format_pixels(picture.height + 16)
    return "\n".join(
        [
            f'<svg class="flow-picture {kind}" viewBox="-8 -8 {width} {height}" width="{width}" height="{height}"',
            '     aria-hidden="true" focusable="false">',
            *picture.parts,
            "</svg>",
        ]
    )


def _render_picture(diagram: FlowDiagram, widths: _PictureWidths = _WIDE, *, draws_whole_arrows: bool = False) -> _Picture:
    has_arrows = len(diagram.boxes) <= _MAX_BOXES_WITH_ARROWS and len(diagram.edges) <= _MAX_ARROWS
    arrows = diagram.edges if has_arrows else ()
    loops = {edge.start: _wrap_edge_labels(edge, widths) for edge in arrows if edge.start == edge.end}
    boxes = [_measure_box(box, loops.get(box.name), widths, lists_targets=not has_arrows) for box in diagram.boxes]
    numbers = {box.name: number for number, box in enumerate(diagram.boxes)}
    edges = [edge for edge in arrows if edge.start != edge.end]
    labels = [_wrap_edge_labels(edge, widths) for edge in edges]
    links = [
        (numbers[edge.start], numbers[edge.end], _measure_label(lines)) for edge, lines in zip(edges, labels, strict=True)
    ]
    layout = lay_out_diagram([_measure_box_with_loop(box) for box in boxes], links, widths.column)
    summary = diagram.summary
    if not has_arrows:
        summary = f"{len(boxes):,} nodes are too many for arrows. Each box lists where the call goes next. {summary}"
    parts = [
        *_render_edges(edges, layout.routes, draws_whole_arrows=draws_whole_arrows),
        *(
            _render_label(edge, lines, route.label_spot, leads_back=route.leads_back)
            for edge, lines, route in zip(edges, labels, layout.routes, strict=True)
        ),
        *(part for box, spot in zip(boxes, layout.boxes, strict=True) for part in _render_box(box, spot)),
    ]
    return _Picture(layout.width, layout.height, summary, (*filter(None, parts),))


def _render_print_rules(width: float, height: float) -> str:
    paper = fit_to_paper(width, height)
    max_height = "; max-height: 100vh" if paper.pages == 1 else ""
    return (
        f"  @page {{ size: A4 {'landscape' if paper.is_landscape else 'portrait'}; margin: 10mm }}\n"
        f"  @media print {{ svg {{ width: min(100%, {_format_pixels(width)}px); height: auto{max_height} }} }}\n"
    )


# Sizes


def _measure_box(
    box: DiagramBox, loop_labels: tuple[str, ...] | None, widths: _PictureWidths, *, lists_targets: bool
) -> _MeasuredBox:
    texts = [(line.depth, _format_step(line)) for line in box.lines if lists_targets or not line.target_node]
    steps = [
        (depth, tuple(_wrap_text(text, _FONT_SIZE, widths.max_box - 2 * _BOX_PADDING - 12 * depth)))
        for depth, text in texts
        if text
    ]
    if len(steps) > _MAX_BOX_STEPS:
        steps = [*steps[: _MAX_BOX_STEPS - 1], (0, (f"… and {len(steps) - _MAX_BOX_STEPS + 1} more steps",))]
    if not box.node_exists:
        steps = [(0, ("there is no such node",))]
    texts_of_box = [12 * depth + _measure_text(line, _FONT_SIZE) for depth, lines in steps for line in lines]
    wide = max([widths.min_box, *(width + 2 * _BOX_PADDING for width in [_measure_text(box.name, 14.0), *texts_of_box])])
    height = _BOX_HEADER_HEIGHT + (sum(_LINE_HEIGHT * len(lines) + 4 for _, lines in steps) + 12 if steps else 0)
    loop_height = max(36.0, _LABEL_LINE_HEIGHT * len(loop_labels)) if loop_labels is not None else 0.0
    return _MeasuredBox(box, tuple(steps), min(wide, widths.max_box), max(height, loop_height), loop_labels)


def _format_step(line: DiagramLine) -> str:
    return f"{line.text} → {line.target_node}".strip() if line.target_node else line.text


def _measure_box_with_loop(box: _MeasuredBox) -> LayoutSize:
    """Return the size of a box together with the arrow to itself, which is on the right."""
    loop_width = (
        0.0
        if box.loop_labels is None
        else 34 + max((_measure_text(text, _SMALL_FONT_SIZE) for text in box.loop_labels), default=0)
    )
    return LayoutSize(box.width / 2, box.width / 2 + loop_width, box.height)


def _wrap_edge_labels(edge: DiagramEdge, widths: _PictureWidths) -> tuple[str, ...]:
    """Return the lines of a label. Keys and short words share a line; each condition begins a new line."""
    rows: list[str] = []
    for label in edge.labels:
        if rows and len(rows[-1]) + len(label) < 16:  # noqa: PLR2004 - characters that stand well beside each other
            rows[-1] = f"{rows[-1]} · {label}"
        else:
            rows.append(label)
    return tuple(line for row in rows[:_MAX_LABEL_ROWS] for line in _wrap_text(row, _SMALL_FONT_SIZE, widths.max_label))


def _measure_label(lines: Sequence[str]) -> LayoutSize:
    half = max((_measure_text(line, _SMALL_FONT_SIZE) for line in lines), default=0.0) / 2 + 5
    return LayoutSize(half, half, len(lines) * _LABEL_LINE_HEIGHT + 4 if lines else 0.0)


def _measure_text(text: str, size: float) -> float:
    """Estimate the width of a text. The reader's font is not known, so the estimate is a wide one."""
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
    """Break a text into lines of at most ``width`` pixels. A text with too many lines ends in dots."""
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
    """Break a word that is wider than a line."""
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
    node = _escape_svg_text(box.box.name)
    yield f'<g class="{kind}" data-node="{node}">{_render_rectangle("box", left, y, box.width, box.height)}'
    yield _render_text(
        "name", left + _BOX_PADDING, y + 20, _truncate_text(box.box.name, 14.0, box.width - 2 * _BOX_PADDING)
    )
    if box.steps:
        rule_y = _format_pixels(y + _BOX_HEADER_HEIGHT)
        yield f'<path class="rule" d="M{_format_pixels(left)} {rule_y}h{_format_pixels(box.width)}"/>'
    at = y + _BOX_HEADER_HEIGHT + 19
    for depth, lines in box.steps:
        for number, line in enumerate(lines):
            verb = _STEP_VERB_PATTERN.match(line) if not number and box.box.node_exists else None
            first, rest = (verb[0], line[verb.end() :]) if verb else ("", line)
            word = f'<tspan class="word">{_escape_svg_text(first)}</tspan>' if first else ""
            x = _format_pixels(left + _BOX_PADDING + 12 * depth)
            yield f'<text x="{x}" y="{_format_pixels(at)}">{word}{_escape_svg_text(rest)}</text>'
            at += _LINE_HEIGHT
        at += 4
    if box.loop_labels is not None:
        yield from _render_loop(box.loop_labels, left + box.width, y + box.height / 2)
    yield "</g>"


def _render_loop(lines: Sequence[str], x: float, y: float) -> Iterator[str]:
    """Render an arrow from a box to itself, on the right of the box."""
    path = f"M{_format_pixels(x)} {_format_pixels(y - 9)}c28 -10 28 28 4 18"
    yield f'<g class="back"><path class="edge" d="{path}"/>{_render_arrowhead(x, y + 9, -1, 0)}'
    first = y + 4 - _LABEL_LINE_HEIGHT / 2 * (len(lines) - 1)
    for number, line in enumerate(lines):
        yield _render_text("label beside", x + 27, first + _LABEL_LINE_HEIGHT * number, line)
    yield "</g>"


def _render_edges(edges: Sequence[DiagramEdge], routes: Sequence[EdgeRoute], *, draws_whole_arrows: bool) -> Iterator[str]:
    """Render arrows: vertical segments, joined by curves, and the arrowheads.

    Parts that several arrows share are drawn once, unless ``draws_whole_arrows`` is set.
    """
    drawn: set[tuple[int, VerticalSegment, VerticalSegment]] = set()
    for edge, route in zip(edges, routes, strict=True):
        first = route.segments[0]
        path = [f"M{_format_pixels(first.x)} {_format_pixels(first.y_from)}"]
        for segment, following in itertools.pairwise(route.segments):
            if not draws_whole_arrows and (route.end, segment, following) in drawn:
                arrowhead = ""
                break
            drawn.add((route.end, segment, following))
            path += [f"V{_format_pixels(segment.y_to)}", _render_curve(segment, following)]
        else:
            last, direction = route.segments[-1], -1 if route.leads_back else 1
            path.append(f"V{_format_pixels(last.y_to - (ARROWHEAD_LENGTH - 1) * direction)}")
            arrowhead = _render_arrowhead(last.x, last.y_to, 0, direction)
        attributes = _render_edge_attributes(edge, leads_back=route.leads_back)
        yield f'<g{attributes}><path class="edge" d="{"".join(path)}"/>{arrowhead}</g>'


def _render_curve(segment: VerticalSegment, following: VerticalSegment) -> str:
    if abs(following.x - segment.x) < 0.5:  # noqa: PLR2004 - a smaller bend cannot be seen
        return ""
    x, next_x = _format_pixels(segment.x), _format_pixels(following.x)
    middle = _format_pixels((segment.y_to + following.y_from) / 2)
    return f"C{x} {middle} {next_x} {middle} {next_x} {_format_pixels(following.y_from)}"


def _render_arrowhead(x: float, y: float, x_direction: int, y_direction: int) -> str:
    """Render an arrowhead. The direction is 1 to the right or down, -1 to the left or up, and 0 otherwise."""
    if x_direction:
        return f'<path class="head" d="M{_format_pixels(x)} {_format_pixels(y)}l{-8 * x_direction} -4v8z"/>'
    return f'<path class="head" d="M{_format_pixels(x)} {_format_pixels(y)}l-4 {-8 * y_direction}h8z"/>'


def _render_edge_attributes(edge: DiagramEdge, *, leads_back: bool) -> str:
    kind = ' class="back"' if leads_back else ""
    return f'{kind} data-from="{_escape_svg_text(edge.start)}" data-to="{_escape_svg_text(edge.end)}"'


def _render_label(edge: DiagramEdge, lines: Sequence[str], spot: LayoutSpot, *, leads_back: bool) -> str:
    if not lines:
        return ""
    chip = _render_rectangle("chip", spot.left, spot.y, spot.right - spot.left, spot.size.height)
    texts = "".join(
        _render_text("label", spot.x, spot.y + 13 + _LABEL_LINE_HEIGHT * number, line) for number, line in enumerate(lines)
    )
    return f"<g{_render_edge_attributes(edge, leads_back=leads_back)}>{chip}{texts}</g>"


def _render_text(kind: str, x: float, y: float, text: str) -> str:
    return f'<text class="{kind}" x="{_format_pixels(x)}" y="{_format_pixels(y)}">{_escape_svg_text(text)}</text>'


def _render_rectangle(kind: str, x: float, y: float, width: float, height: float) -> str:
    place = f'x="{_format_pixels(x)}" y="{_format_pixels(y)}"'
    return f'<rect class="{kind}" {place} width="{_format_pixels(width)}" height="{_format_pixels(height)}" rx="8"/>'


def _escape_svg_text(text: str) -> str:
    return escaped_text(clean_text(text), {'"': "&quot;"})


def _format_pixels(number: float) -> str:
    """Format a number with one digit after the point, without a needless zero."""
    return f"{number:.1f}".removesuffix(".0")
