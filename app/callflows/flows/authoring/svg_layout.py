"""Where the boxes of a picture stand, from above to below, and how its edges go between them.

Boxes stand in layers, labels between the layers; an edge that leads back up is turned round while this is worked out.
igraph finds the order within each layer in which few edges cross; the distances are worked out here, as boxes have sizes.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


LAYOUT_GAP: Final = 26.0
"""Pixels between things beside each other."""


_ROW_GAP: Final = 22.0


_PLACEMENT_SWEEPS: Final = 24


_STRAIGHT_EDGE_WEIGHT: Final = 6.0
"""How much more an edge's bend counts than a box beside the middle of what it leads to."""


class LayoutSize(NamedTuple):
    """Pixels to the left and to the right of a thing's middle, and its height."""

    left: float
    right: float
    height: float


@dataclasses.dataclass(slots=True)
class LayoutSpot:
    """A thing in its row: a box, a label, or where an edge passes. ``x`` is its middle, ``y`` its upper end."""

    size: LayoutSize
    row: int
    x: float = 0.0
    y: float = 0.0
    is_box: bool = False


class EdgeRoute(NamedTuple):
    """An edge: what it passes from its start to its end; ``label`` is the one of them that its label stands at."""

    start: int
    end: int
    waypoints: tuple[LayoutSpot, ...]
    label_spot: LayoutSpot
    leads_back: bool


class DiagramLayout(NamedTuple):
    """Spots of the boxes, routes of the edges, the rows' upper and lower ends, and the size of it all."""

    boxes: tuple[LayoutSpot, ...]
    routes: tuple[EdgeRoute, ...]
    rows: tuple[tuple[float, float], ...]
    width: float
    height: float


def lay_out_diagram(boxes: Sequence[LayoutSize], edges: Sequence[tuple[int, int, LayoutSize]]) -> DiagramLayout:
    """A layout of boxes, and of edges between two of them with the sizes of their labels; none leads to itself."""
    back = _find_back_edges(len(boxes), [(start, end) for start, end, _ in edges])
    down = [(end, start) if turned else (start, end) for (start, end, _), turned in zip(edges, back, strict=True)]
    ranks = _assign_layers(len(boxes), down)
    spots = [LayoutSpot(size, 2 * rank, is_box=True) for size, rank in zip(boxes, ranks, strict=True)]
    routes, links = [], []
    for (start, end, label), turned, (upper, lower) in zip(edges, back, down, strict=True):
        rows = [*range(2 * ranks[upper] + 1, 2 * ranks[lower])]
        passes = [LayoutSpot(_WAYPOINT_SIZE, row) for row in rows]
        labelled = passes[-1 if turned else 0]
        labelled.size = label
        numbers = [upper, *range(len(spots), len(spots) + len(passes)), lower]
        links += [*itertools.pairwise(numbers)]
        spots += passes
        routes.append(EdgeRoute(start, end, tuple(reversed(passes) if turned else passes), labelled, turned))
    _place_spots(spots, links)
    rows_ = _compute_row_bounds(spots)
    left = min((spot.x - spot.size.left for spot in spots), default=0.0)
    for spot in spots:
        spot.x -= left
        spot.y = rows_[spot.row][0]
    width = max((spot.x + spot.size.right for spot in spots), default=0.0)
    labels: dict[int, list[LayoutSpot]] = collections.defaultdict(list)
    for route in routes:
        labels[route.label_spot.row] += [route.label_spot] if route.label_spot.size.height else []
    routes = [route._replace(waypoints=_keep_needed_waypoints(route, spots, labels)) for route in routes]
    return DiagramLayout(tuple(spots[: len(boxes)]), tuple(routes), rows_, width, rows_[-1][1] if rows_ else 0.0)


def _keep_needed_waypoints(
    route: EdgeRoute, boxes: Sequence[LayoutSpot], labels: Mapping[int, Sequence[LayoutSpot]]
) -> tuple[LayoutSpot, ...]:
    """What an edge must pass: not what only bends it between two rows of boxes where no label is in its way."""
    whole = (boxes[route.start], *route.waypoints, boxes[route.end])
    kept = []
    for before, spot, after in zip(whole, whole[1:], whole[2:], strict=False):
        left, right = sorted((before.x, after.x))
        near = [other for other in labels[spot.row] if other is not spot]
        free = all(
            other.x + other.size.right < left - LAYOUT_GAP or other.x - other.size.left > right + LAYOUT_GAP
            for other in near
        )
        if spot.row % 2 == 0 or spot.size.height or not free:
            kept.append(spot)
    return tuple(kept)


_WAYPOINT_SIZE: Final = LayoutSize(2.0, 2.0, 0.0)


def _find_back_edges(count: int, edges: Sequence[tuple[int, int]]) -> list[bool]:
    """Which edges lead back to a box on the way to their start, seen from the first box on."""
    leaving: list[list[int]] = [[] for _ in range(count)]
    for number, (start, _) in enumerate(edges):
        leaving[start].append(number)
    back = [False] * len(edges)
    state = [0] * count
    for root in range(count):
        way = [(root, iter(leaving[root]))] if not state[root] else []
        state[root] = state[root] or 1
        while way:
            box, left = way[-1]
            number = next(left, -1)
            if number < 0:
                state[box] = 2
                way.pop()
                continue
            end = edges[number][1]
            back[number] = state[end] == 1
            if not state[end]:
                state[end] = 1
                way.append((end, iter(leaving[end])))
    return back


def _assign_layers(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The layer of each box: below all that lead to it."""
    leaving: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for start, end in edges:
        leaving[start].append(end)
        waiting[end] += 1
    ranks = [0] * count
    ready = [box for box in range(count) if not waiting[box]]
    while ready:
        box = ready.pop()
        for end in leaving[box]:
            ranks[end] = max(ranks[end], ranks[box] + 1)
            waiting[end] -= 1
            if not waiting[end]:
                ready.append(end)
    return ranks


def _place_spots(spots: Sequence[LayoutSpot], links: Sequence[tuple[int, int]]) -> None:
    """Give each spot its ``x``: in igraph's order, near what it is linked to, and never over another."""
    try:
        import igraph  # noqa: PLC0415 - heavy, and only pictures need it
    except ImportError:
        raise SettingsError("pictures need the package igraph: pip install 'callflows[pictures]'") from None
    if not spots:
        return
    graph = igraph.Graph(len(spots), links, directed=True)
    order = [x for x, _ in graph.layout_sugiyama(layers=[spot.row for spot in spots])]
    right = 0.0
    for part in graph.connected_components(mode="weak"):
        _place_component(spots, links, order, part)
        left = min(spots[number].x - spots[number].size.left for number in part)
        for number in part:
            spots[number].x += right - left
        right = max(spots[number].x + spots[number].size.right for number in part) + 2 * LAYOUT_GAP


def _place_component(
    spots: Sequence[LayoutSpot], links: Sequence[tuple[int, int]], order: Sequence[float], component: Sequence[int]
) -> None:
    """Place those spots that are linked to each other."""
    rows: list[list[int]] = [[] for _ in range(1 + max(spots[number].row for number in component))]
    for number in component:
        spots[number].x = order[number] * 100.0
        rows[spots[number].row].append(number)
    above: dict[int, list[int]] = collections.defaultdict(list)
    below: dict[int, list[int]] = collections.defaultdict(list)
    members = {*component}
    for upper, lower in links:
        if upper not in members:
            continue
        above[lower].append(upper)
        below[upper].append(lower)
    for row in rows:
        row.sort(key=lambda number: (order[number], number))
    for sweep in range(_PLACEMENT_SWEEPS):
        for row in rows if sweep % 2 else reversed(rows):
            near = above if sweep % 2 else below
            _settle_row([spots[number] for number in row], [[spots[other] for other in near[number]] for number in row])
    for row in rows:
        both = [[spots[other] for other in (*above[number], *below[number])] for number in row]
        _settle_row([spots[number] for number in row], both)


def _settle_row(row: Sequence[LayoutSpot], linked_spots: Sequence[Sequence[LayoutSpot]]) -> None:
    """Move the spots of a row as near as can be to the middle of what each is linked to."""
    offsets = [0.0]
    for left, right in itertools.pairwise(row):
        offsets.append(offsets[-1] + left.size.right + right.size.left + LAYOUT_GAP)
    wanted = []
    for spot, others, offset in zip(row, linked_spots, offsets, strict=True):
        middle = sum(other.x for other in others) / len(others) if others else spot.x
        weight = 1.0 if spot.is_box else 1.0 + _STRAIGHT_EDGE_WEIGHT * any(not other.is_box for other in others)
        wanted.append((middle - offset, weight if others else 0.1))
    for spot, offset, x in zip(row, offsets, _fit_rising_numbers(wanted), strict=True):
        spot.x = x + offset


def _fit_rising_numbers(weighted_targets: Iterable[tuple[float, float]]) -> list[float]:
    """The numbers nearest to those wanted (each with its weight) of which none is less than the one before it."""
    pools: list[tuple[float, float, int]] = []
    for number, weight in weighted_targets:
        pool = (number, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            value, heavy, count = pools.pop()
            whole = heavy + pool[1]
            pool = ((value * heavy + pool[0] * pool[1]) / whole, whole, count + pool[2])
        pools.append(pool)
    return [value for value, _, count in pools for _ in range(count)]


def _compute_row_bounds(spots: Sequence[LayoutSpot]) -> tuple[tuple[float, float], ...]:
    """The upper and the lower end of each row."""
    heights: dict[int, float] = collections.defaultdict(float)
    for spot in spots:
        heights[spot.row] = max(heights[spot.row], spot.size.height)
    rows = []
    y = 0.0
    for row in range(1 + max(heights, default=-1)):
        rows.append((y, y + heights[row]))
        y += heights[row] + _ROW_GAP
    return tuple(rows)
