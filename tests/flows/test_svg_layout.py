"""The layout of flow pictures: no overlaps, complete arrows, and a print that fits on A4."""

from __future__ import annotations

import itertools
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from callflows.flows.authoring.diagram import DiagramBox, DiagramEdge, DiagramLine, FlowDiagram, assemble_diagram
from callflows.flows.authoring.svg_drawing import render_svg
from callflows.flows.authoring.svg_layout import (
    PICTURE_MARGIN,
    TITLE_HEIGHT,
    DiagramLayout,
    EdgeRoute,
    LayoutSize,
    LayoutSpot,
    fit_to_paper,
    lay_out_diagram,
)

SVG = "{http://www.w3.org/2000/svg}"
LABEL = LayoutSize(30, 30, 19)
Graph = tuple[list[LayoutSize], list[tuple[int, int, LayoutSize]]]


@st.composite
def graphs(draw, min_boxes: int = 5, max_boxes: int = 60) -> Graph:
    """Flows of 5 to 60 nodes: most arrows lead a little further, some lead anywhere."""
    count = draw(st.integers(min_boxes, max_boxes))
    random = draw(st.randoms(use_true_random=False))
    sizes = [
        LayoutSize(half, half + random.choice((0, 0, 40)), random.uniform(31, 200))
        for half in (random.uniform(60, 136) for _ in range(count))
    ]
    pairs = {(max(0, box - random.randint(1, 6)), box) for box in range(1, count) if random.random() < 0.95}
    pairs |= {(random.randrange(count), random.randrange(count)) for _ in range(random.randint(0, count))}
    labels = (LayoutSize(5, 5, 0), LABEL, LayoutSize(80, 80, 49))
    edges = [(start, end, random.choice(labels)) for start, end in sorted(pairs) if start != end]
    random.shuffle(edges)
    return sizes, edges


def bounds(spot: LayoutSpot) -> tuple[float, float, float, float]:
    return spot.left, spot.y, spot.right, spot.y + spot.size.height


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    slack = 0.01
    return (
        one[0] < other[2] - slack and other[0] < one[2] - slack and one[1] < other[3] - slack and other[1] < one[3] - slack
    )


def points_of(route: EdgeRoute) -> list[tuple[float, float]]:
    """Points along the arrow as it is drawn."""
    points = []
    for segment, following in itertools.pairwise(route.segments):
        points += [(segment.x, segment.y_from + (segment.y_to - segment.y_from) * step / 8) for step in range(9)]
        middle = (segment.y_to + following.y_from) / 2
        for step in range(17):
            t = step / 16
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            x = sum(w * v for w, v in zip(weights, (segment.x, segment.x, following.x, following.x), strict=True))
            y = sum(w * v for w, v in zip(weights, (segment.y_to, middle, middle, following.y_from), strict=True))
            points.append((x, y))
    last = route.segments[-1]
    return [*points, (last.x, last.y_to)]


def inside(point: tuple[float, float], area: tuple[float, float, float, float], slack: float = 0.01) -> bool:
    x, y = point
    left, top, right, bottom = area
    return left + slack < x < right - slack and top + slack < y < bottom - slack


def labels_of(layout: DiagramLayout) -> list[LayoutSpot]:
    return [route.label_spot for route in layout.routes if route.label_spot.size.height]


@given(graphs())
def test_boxes_and_labels_never_overlap_and_stay_in_the_picture(graph):
    layout = lay_out_diagram(*graph)
    areas = [bounds(spot) for spot in (*layout.boxes, *labels_of(layout))]
    assert not [pair for pair in itertools.combinations(areas, 2) if overlap(*pair)]
    for left, top, right, bottom in areas:
        assert left >= -0.01
        assert top >= -0.01
        assert right <= layout.width + 0.01
        assert bottom <= layout.height + 0.01


@given(graphs())
def test_no_arrow_runs_through_a_box_or_through_the_label_of_another_arrow(graph):
    layout = lay_out_diagram(*graph)
    boxes = [bounds(box) for box in layout.boxes]
    for route in layout.routes:
        others = [bounds(other.label_spot) for other in layout.routes if other is not route]
        for point in points_of(route):
            assert not any(inside(point, area) for area in boxes)
            assert not any(inside(point, area) for area in others)


@given(graphs(max_boxes=30))
def test_every_arrow_begins_at_its_box_passes_its_label_and_ends_at_its_box(graph):
    sizes, edges = graph
    layout = lay_out_diagram(sizes, edges)
    assert [box.size for box in layout.boxes] == sizes
    assert [(route.start, route.end, route.label_spot.size) for route in layout.routes] == edges
    for route in layout.routes:
        start, end = layout.boxes[route.start], layout.boxes[route.end]
        first, last = route.segments[0], route.segments[-1]
        top, bottom = (start.y, end.y + end.size.height) if route.leads_back else (start.y + start.size.height, end.y)
        assert (first.y_from, last.y_to) == pytest.approx((top, bottom))
        assert abs(first.x - start.x) < start.size.left
        assert abs(last.x - end.x) < end.size.left
        if route.label_spot.size.height:
            assert any(inside(point, bounds(route.label_spot), -1) for point in points_of(route))


@given(graphs(max_boxes=30))
def test_arrows_lead_down_unless_they_close_a_circle(graph):
    for route in lay_out_diagram(*graph).routes:
        ys = [round(y, 6) for _, y in points_of(route)]
        assert ys == sorted(ys, reverse=route.leads_back)


@given(graphs(max_boxes=30))
def test_the_same_flow_always_gives_the_same_picture(graph):
    assert lay_out_diagram(*graph) == lay_out_diagram(*graph)


@given(graphs(max_boxes=20))
def test_arrows_meet_only_if_they_lead_to_the_same_box(graph):
    """Joined arrows are read as one, so vertical parts of arrows to different boxes must keep a distance."""
    routes = lay_out_diagram(*graph).routes
    for one, other in itertools.combinations(routes, 2):
        if one.end == other.end:
            continue
        for a, b in itertools.product(one.segments[1:-1], other.segments[1:-1]):
            if min(a.y_from, a.y_to) < max(b.y_from, b.y_to) and min(b.y_from, b.y_to) < max(a.y_from, a.y_to):
                assert abs(a.x - b.x) > 8


def test_an_arrow_that_closes_a_circle_leads_back_up():
    no_label = LayoutSize(1, 1, 0)
    layout = lay_out_diagram([LayoutSize(9, 9, 9)] * 3, [(0, 1, no_label), (1, 2, no_label), (2, 0, no_label)])
    assert [(route.start, route.end) for route in layout.routes if route.leads_back] == [(2, 0)]


def test_a_menu_with_ten_keys_is_not_wider_than_a_page():
    layout = lay_out_diagram([LayoutSize(136, 136, 90)] * 11, [(0, box, LABEL) for box in range(1, 11)])
    assert len({box.y for box in layout.boxes}) > 3
    assert picture_on_paper(layout).scale > 0.6


def test_nodes_without_arrows_stand_beside_each_other_like_words():
    layout = lay_out_diagram([LayoutSize(136, 136, 90)] * 12, [])
    assert layout.width < 1000
    assert [(box.y, box.x) for box in layout.boxes] == sorted((box.y, box.x) for box in layout.boxes)


def test_no_nodes_at_all_are_an_empty_picture():
    assert lay_out_diagram([], []) == ((), (), 0, 0)


@pytest.mark.parametrize("count", [20, 40, 60])
def test_a_large_flow_prints_in_readable_size_and_no_row_lies_across_two_pages(count):
    edges = [((box - 1) // 2, box, LABEL) for box in range(1, count)]
    edges += [(box, count - 1, LABEL) for box in range(count // 2, count - 1, 5)]
    edges += [(box, 0, LABEL) for box in range(4, count, 9)]
    layout = lay_out_diagram([LayoutSize(130, 130, 80)] * count, edges)
    paper = picture_on_paper(layout)
    assert 12.5 * paper.scale * 0.75 > 5.4, "points; a pixel is 0.75 points"
    page_height = 1046.9 / paper.scale
    for spot in (*layout.boxes, *labels_of(layout)):
        top = spot.y + PICTURE_MARGIN + TITLE_HEIGHT
        assert top // page_height == (top + spot.size.height) // page_height


def picture_on_paper(layout: DiagramLayout):
    return fit_to_paper(layout.width + 2 * PICTURE_MARGIN, layout.height + 2 * PICTURE_MARGIN + TITLE_HEIGHT)


def chain_with_branches(count: int) -> FlowDiagram:
    names = ["start", *(f"node_{number}" for number in range(1, count))]
    lines = {}
    for number, name in enumerate(names):
        targets = dict.fromkeys([names[(number * 2 + 1) % count], names[(number * 2 + 2) % count], names[number // 7]])
        lines[name] = (
            DiagramLine(0, "say “Hello”"),
            *(DiagramLine(1, str(key), target, str(key)) for key, target in enumerate(targets, 1)),
        )
    return assemble_diagram("acme", "", lines)


def test_a_flow_of_sixty_nodes_is_drawn_quickly():
    diagram = chain_with_branches(60)
    begin = time.process_time()
    render_svg(diagram)
    assert time.process_time() - begin < 1.5, "seconds of work; usually under 0.3"


def test_a_flow_too_large_for_arrows_lists_the_targets_in_its_boxes():
    begin = time.process_time()
    picture = render_svg(chain_with_branches(1500))
    assert time.process_time() - begin < 20, "seconds of work; usually under 5"
    root = etree.fromstring(picture.encode())
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    assert "1,500 nodes are too many for arrows. Each box lists where the call goes next." in [t.strip() for t in texts]
    assert "1 → node_1" in texts
    assert not root.findall(f".//{SVG}path[@class='edge']")


def test_each_arrow_is_drawn_and_joined_parts_are_drawn_once():
    boxes = tuple(DiagramBox(name, ()) for name in ("start", "a", "b", "c", "end"))
    pairs = [("start", "a"), ("a", "b"), ("b", "c"), ("c", "end"), ("start", "end"), ("a", "end"), ("b", "end")]
    edges = tuple(DiagramEdge(start, end, (f"{start} to {end}",)) for start, end in pairs)
    root = etree.fromstring(render_svg(FlowDiagram("acme", "", boxes, edges)).encode())
    paths = [path.get("d") for path in root.iterfind(f".//{SVG}path[@class='edge']")]
    assert len(paths) == len(pairs)
    curves = [curve for path in paths for curve in re.findall(r"C[^VC]*", path)]
    assert len(curves) == len({*curves})
    assert len(root.findall(f".//{SVG}path[@class='head']")) == 5, "three long arrows end in one arrowhead"


def test_dark_colours_are_for_screens_only_and_the_print_is_a4():
    picture = render_svg(chain_with_branches(8))
    assert "@media screen and (prefers-color-scheme: dark)" in picture
    assert re.search(r"@page \{ size: A4 (portrait|landscape)", picture)
