"""Compute the positions of boxes, arrows and arrow labels of a flow picture: a layered (Sugiyama) layout, top to bottom.

Rows alternate: even rows contain boxes, odd rows contain labels. An arrow that passes a row owns a place in that row, so no
arrow runs through a box or a label. Arrows to the same box join on their way. All sizes are in pixels. The same input
always gives the same layout.
"""

from __future__ import annotations

import bisect
import collections
import dataclasses
import itertools
import math
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


ARROWHEAD_LENGTH: Final = 8.0


# Around the picture, and above it for the title.
PICTURE_MARGIN, TITLE_HEIGHT = 28.0, 48.0


# Printable area of A4, in CSS pixels: 190 x 277 mm at 96 dpi.
_PAGE_WIDTH, _PAGE_HEIGHT = 718.1, 1046.9
_PAGE_BREAK_MARGIN: Final = 8.0


# A row of boxes is broken if it is wider than one of these limits. The limit whose layout prints best on A4 is used.
_ROW_WIDTH_LIMITS: Final = (640.0, 920.0, 1320.0, 1900.0)


# Texts of 12.5 pixels shrink to 6 points at this scale. A larger print is no reason to accept more crossings.
_READABLE_SCALE: Final = 0.64
_BOX_MARGIN, _LABEL_MARGIN, _ARROW_MARGIN = 14.0, 7.0, 6.0
_COMPONENT_GAP: Final = 44.0
_MIN_ROW_GAP, _MAX_ROW_GAP = 22.0, 64.0


# A row gap grows with the widest sideways step of an arrow, because flat curves cannot be told apart.
_ROW_GAP_PER_STEP: Final = 0.13
_MAX_PORT_DISTANCE: Final = 30.0
_PLACEMENT_SWEEPS: Final = 24


# Each time a box has to wait for the next layer, its priority rises as if its way to the end were this many boxes longer.
_POSTPONED_BONUS: Final = 4
_BAND_SLACK: Final = 1.05


# A bend in an arrow counts this much more than a box that is not centred above its targets.
_STRAIGHT_ARROW_WEIGHT: Final = 6.0


# Crossing reduction stops after this many sweeps in a row that bring no improvement.
_FRUITLESS_SWEEPS: Final = 4
_MAX_ORDER_SWEEPS, _MAX_TRANSPOSE_ROUNDS = 16, 8


# Above this number of places, only one row width is tried, with fewer sweeps.
_MANY_PLACES: Final = 1500


class LayoutSize(NamedTuple):
    """Distances from the middle to the left and right edges, and the height."""

    left: float
    right: float
    height: float


@dataclasses.dataclass(slots=True)
class LayoutSpot:
    """A place in a row, taken by a box, a label or a passing arrow. ``x`` is the middle, ``y`` the upper edge."""

    size: LayoutSize
    row: int
    x: float = 0.0
    y: float = 0.0
    is_box: bool = False

    @property
    def left(self) -> float:
        return self.x - self.size.left

    @property
    def right(self) -> float:
        return self.x + self.size.right

    @property
    def margin(self) -> float:
        """Free space that belongs to the spot on each side."""
        return _BOX_MARGIN if self.is_box else _LABEL_MARGIN if self.size.height else _ARROW_MARGIN


class VerticalSegment(NamedTuple):
    """A vertical part of an arrow, in the direction of the arrow. Curves join one part to the next."""

    x: float
    y_from: float
    y_to: float


class EdgeRoute(NamedTuple):
    """The course of an arrow from the edge of box ``start`` to the edge of box ``end``."""

    start: int
    end: int
    segments: tuple[VerticalSegment, ...]
    label_spot: LayoutSpot
    leads_back: bool


class DiagramLayout(NamedTuple):
    """Boxes and routes in the order of the input, and the size of the whole picture."""

    boxes: tuple[LayoutSpot, ...]
    routes: tuple[EdgeRoute, ...]
    width: float
    height: float


class _ComponentLayout(NamedTuple):
    """A layout and its cost; ``places`` counts boxes, labels and passing arrows."""

    layout: DiagramLayout
    crossings: int
    places: int


def lay_out_diagram(
    boxes: Sequence[LayoutSize], edges: Sequence[tuple[int, int, LayoutSize]], column_width: float | None = None
) -> DiagramLayout:
    """Lay out boxes and labelled edges ``(start, end, label size)``. An edge must not lead from a box to itself.

    With ``column_width``, rows are no wider if possible, and the layout is for a narrow screen instead of paper.
    """
    components = _split_components(len(boxes), edges)
    if column_width is not None:
        return _lay_out_components(boxes, edges, components, column_width).layout
    best: tuple[tuple[float, ...], float, DiagramLayout] | None = None
    for limit in _ROW_WIDTH_LIMITS:
        layout, crossings, places = _lay_out_components(boxes, edges, components, limit)
        paper = fit_to_paper(*_picture_size(layout))
        # Few places mean short arrows.
        rank = (-min(paper.scale, _READABLE_SCALE), crossings, paper.pages, places, -paper.scale)
        if best is None or rank < best[0]:
            best = (rank, limit, layout)
        if places > _MANY_PLACES:
            break
    if not best:
        return DiagramLayout((), (), 0.0, 0.0)
    _, limit, layout = best
    paper = fit_to_paper(*_picture_size(layout))
    if paper.pages > 1:
        layout, _, _ = _lay_out_components(boxes, edges, components, limit, _PAGE_HEIGHT / paper.scale)
    return layout


class PaperFit(NamedTuple):
    """A picture on A4. A scale of 1 is the natural size."""

    scale: float
    pages: int
    is_landscape: bool


def fit_to_paper(width: float, height: float) -> PaperFit:
    """Fit a picture on one page, upright or sideways. If texts become too small, use more pages of full width."""
    upright = min(_PAGE_WIDTH / width, _PAGE_HEIGHT / height, 1.0)
    sideways = min(_PAGE_HEIGHT / width, _PAGE_WIDTH / height, 1.0)
    full_width = min(_PAGE_WIDTH / width, 1.0)
    if max(upright, sideways) < min(_READABLE_SCALE, full_width):
        return PaperFit(full_width, math.ceil(height * full_width / _PAGE_HEIGHT), is_landscape=False)
    return PaperFit(max(upright, sideways), 1, is_landscape=sideways > upright)


def _picture_size(layout: DiagramLayout) -> tuple[float, float]:
    return layout.width + 2 * PICTURE_MARGIN, layout.height + 2 * PICTURE_MARGIN + TITLE_HEIGHT


def _lay_out_components(
    boxes: Sequence[LayoutSize],
    edges: Sequence[tuple[int, int, LayoutSize]],
    components: Sequence[tuple[list[int], list[int]]],
    limit: float,
    page_height: float | None = None,
) -> _ComponentLayout:
    """Lay out all components. In the first one, no row lies across a page break."""
    parts: list[_ComponentLayout] = []
    for members, inner in components:
        numbers = {box: number for number, box in enumerate(members)}
        local = [(numbers[edges[edge][0]], numbers[edges[edge][1]], edges[edge][2]) for edge in inner]
        sizes = [boxes[box] for box in members]
        parts.append(_lay_out_component(sizes, local, limit, None if parts else page_height))
    layout = _pack_components(components, [part.layout for part in parts], limit)
    return _ComponentLayout(layout, sum(part.crossings for part in parts), sum(part.places for part in parts))


# Components


def _split_components(count: int, edges: Sequence[tuple[int, int, LayoutSize]]) -> list[tuple[list[int], list[int]]]:
    """Return the boxes and the edges of each connected part, in the order of its first box."""
    neighbours: list[list[int]] = [[] for _ in range(count)]
    for start, end, _ in edges:
        neighbours[start].append(end)
        neighbours[end].append(start)
    component_of = [-1] * count
    components: list[tuple[list[int], list[int]]] = []
    for root in range(count):
        if component_of[root] >= 0:
            continue
        component_of[root] = len(components)
        members = [root]
        for box in members:
            for other in neighbours[box]:
                if component_of[other] < 0:
                    component_of[other] = len(components)
                    members.append(other)
        components.append((sorted(members), []))
    for number, (start, _, _) in enumerate(edges):
        components[component_of[start]][1].append(number)
    return components


def _pack_components(
    components: Sequence[tuple[list[int], list[int]]], layouts: Sequence[DiagramLayout], limit: float
) -> DiagramLayout:
    """Place components beside each other like words of a text, in lines of at most ``limit`` pixels."""
    boxes: dict[int, LayoutSpot] = {}
    routes: dict[int, EdgeRoute] = {}
    limit = max([limit, *(layout.width for layout in layouts)])
    x = y = line_height = width = 0.0
    for (members, inner), layout in zip(components, layouts, strict=True):
        if x and x + layout.width > limit:
            x, y, line_height = 0.0, y + line_height + _COMPONENT_GAP, 0.0
        for box, spot in zip(members, layout.boxes, strict=True):
            spot.x, spot.y = spot.x + x, spot.y + y
            boxes[box] = spot
        for edge, route in zip(inner, layout.routes, strict=True):
            label = route.label_spot
            label.x, label.y = label.x + x, label.y + y
            segments = (VerticalSegment(at + x, first + y, last + y) for at, first, last in route.segments)
            routes[edge] = route._replace(start=members[route.start], end=members[route.end], segments=tuple(segments))
        width = max(width, x + layout.width)
        line_height = max(line_height, layout.height)
        x += layout.width + _COMPONENT_GAP
    ordered_boxes = tuple(boxes[number] for number in range(len(boxes)))
    return DiagramLayout(ordered_boxes, tuple(routes[number] for number in range(len(routes))), width, y + line_height)


def _lay_out_component(
    sizes: Sequence[LayoutSize],
    edges: Sequence[tuple[int, int, LayoutSize]],
    limit: float,
    page_height: float | None = None,
) -> _ComponentLayout:
    """Lay out connected boxes in rows of about ``limit`` pixels."""
    back = _find_back_edges(len(sizes), [(start, end) for start, end, _ in edges])
    down = [(end, start) if turned else (start, end) for (start, end, _), turned in zip(edges, back, strict=True)]
    layers = _assign_layers(sizes, down, limit)
    spots = [LayoutSpot(size, 2 * layer, is_box=True) for size, layer in zip(sizes, layers, strict=True)]
    passing: dict[tuple[int, bool, int], int] = {}
    chains = [
        _add_passing_spots(spots, passing, upper, lower, leads_back=turned)
        for (upper, lower), turned in zip(down, back, strict=True)
    ]
    order, crossings = _order_rows(spots, chains)
    rows, paths = _insert_label_rows(spots, order, chains, back)
    label_spots = []
    for (_, _, label), turned, path in zip(edges, back, paths, strict=True):
        label_spot = spots[path[-2 if turned else 1]]
        label_spot.size = label
        label_spots.append(label_spot)
    _place_spots(spots, rows, paths)
    routes = _route_edges(spots, rows, paths, back, label_spots, page_height)
    left = min(spot.left for spot in spots)
    for spot in spots:
        spot.x -= left
    finished = [
        EdgeRoute(
            start,
            end,
            tuple(VerticalSegment(x - left, y_from, y_to) for x, y_from, y_to in route),
            label_spot,
            turned,
        )
        for (start, end, _), turned, route, label_spot in zip(edges, back, routes, label_spots, strict=True)
    ]
    boxes = tuple(spots[: len(sizes)])
    width = max(spot.right for spot in spots)
    height = max(box.y + box.size.height for box in boxes)
    return _ComponentLayout(DiagramLayout(boxes, tuple(finished), width, height), crossings, len(spots))


# Layers


def _find_back_edges(count: int, edges: Sequence[tuple[int, int]]) -> list[bool]:
    """Mark the edges that close a circle, found by a depth-first search from the first box."""
    leaving: list[list[int]] = [[] for _ in range(count)]
    for number, (start, _) in enumerate(edges):
        leaving[start].append(number)
    back = [False] * len(edges)
    new, open_, done = 0, 1, 2
    state = [new] * count
    for root in range(count):
        stack = [(root, iter(leaving[root]))] if state[root] == new else []
        state[root] = state[root] or open_
        while stack:
            box, remaining = stack[-1]
            number = next(remaining, -1)
            if number < 0:
                state[box] = done
                stack.pop()
                continue
            end = edges[number][1]
            back[number] = state[end] == open_
            if state[end] == new:
                state[end] = open_
                stack.append((end, iter(leaving[end])))
    return back


def _assign_layers(sizes: Sequence[LayoutSize], edges: Sequence[tuple[int, int]], limit: float) -> list[int]:
    """Put each box below all boxes that lead to it, in layers of at most ``limit`` pixels."""
    leaving: list[list[int]] = [[] for _ in sizes]
    entering: list[list[int]] = [[] for _ in sizes]
    for start, end in edges:
        leaving[start].append(end)
        entering[end].append(start)
    widths = [size.left + size.right + 2 * _BOX_MARGIN for size in sizes]
    sequence = _sort_topologically(leaving, entering)
    layers, layer_widths = _fill_layers(sequence, leaving, entering, widths, limit)
    # A box with more arrows to below than from above moves down, which shortens the arrows.
    for box in reversed(sequence):
        if len(leaving[box]) <= len(entering[box]):
            continue
        lowest = min(layers[end] for end in leaving[box]) - 1
        for layer in range(lowest, layers[box], -1):
            if layer_widths[layer] + widths[box] <= limit:
                layer_widths[layers[box]] -= widths[box]
                layer_widths[layer] += widths[box]
                layers[box] = layer
                break
    # Moving the only box of a layer leaves the layer empty.
    numbers = {layer: number for number, layer in enumerate(sorted({*layers}))}
    return [numbers[layer] for layer in layers]


def _sort_topologically(leaving: Sequence[Sequence[int]], entering: Sequence[Sequence[int]]) -> list[int]:
    """Return the boxes in an order in which each box comes after all boxes that lead to it."""
    waiting = [len(starts) for starts in entering]
    sequence = [box for box, count in enumerate(waiting) if not count]
    for box in sequence:
        for end in leaving[box]:
            waiting[end] -= 1
            if not waiting[end]:
                sequence.append(end)
    return sequence


def _fill_layers(
    sequence: Sequence[int],
    leaving: Sequence[Sequence[int]],
    entering: Sequence[Sequence[int]],
    widths: Sequence[float],
    limit: float,
) -> tuple[list[int], list[float]]:
    """Return the layer of each box and the width of each layer. A box without room waits for the next layer.

    Boxes with the longest way to the end of the flow are placed first, so mostly boxes that end a call wait.
    """
    priority = [0] * len(widths)
    for box in reversed(sequence):
        priority[box] = max((priority[end] + 1 for end in leaving[box]), default=0)
    layers = [0] * len(widths)
    unplaced = [len(starts) for starts in entering]
    ready = [box for box in sequence if not unplaced[box]]
    layer_widths: list[float] = []
    while ready:
        ready.sort(key=lambda box: (-priority[box], box))
        placed: list[int] = []
        postponed: list[int] = []
        width = 0.0
        for box in ready:
            if placed and width + widths[box] > limit:
                postponed.append(box)
                priority[box] += _POSTPONED_BONUS
            else:
                placed.append(box)
                width += widths[box]
                layers[box] = len(layer_widths)
        layer_widths.append(width)
        ready = postponed
        for end in itertools.chain.from_iterable(leaving[box] for box in placed):
            unplaced[end] -= 1
            if not unplaced[end]:
                ready.append(end)
    return layers, layer_widths


_PASSING_SIZE: Final = LayoutSize(1.0, 1.0, 0.0)


def _add_passing_spots(
    spots: list[LayoutSpot], passing: dict[tuple[int, bool, int], int], upper: int, lower: int, *, leads_back: bool
) -> list[int]:
    """Add a spot in each row of boxes between two boxes; return the numbers from the upper to the lower box.

    Arrows to the same box share their spots (``passing``: target, direction and row to spot), so that they join.
    """
    target = upper if leads_back else lower
    chain = [upper]
    for row in range(spots[upper].row + 2, spots[lower].row, 2):
        number = passing.setdefault((target, leads_back, row), len(spots))
        if number == len(spots):
            spots.append(LayoutSpot(_PASSING_SIZE, row))
        chain.append(number)
    return [*chain, lower]


# Order within rows


class _RowOrder:
    """The order of spots within the rows of boxes, and the search for an order with few crossings."""

    def __init__(self, spots: Sequence[LayoutSpot], chains: Sequence[Sequence[int]]) -> None:
        self.above: list[list[int]] = [[] for _ in spots]
        self.below: list[list[int]] = [[] for _ in spots]
        links = itertools.chain.from_iterable(map(itertools.pairwise, chains))
        for upper, lower in dict.fromkeys(links):
            self.below[upper].append(lower)
            self.above[lower].append(upper)
        self.rows: list[list[int]] = [[] for _ in range(1 + max(spot.row for spot in spots) // 2)]
        self.position = [0] * len(spots)
        self._fill_rows(spots)

    def _fill_rows(self, spots: Sequence[LayoutSpot]) -> None:
        """Begin with the order of a depth-first search, which already keeps branches apart."""
        seen = [False] * len(spots)
        for root in sorted(range(len(spots)), key=lambda number: (spots[number].row, number)):
            stack = [root]
            while stack:
                number = stack.pop()
                if not seen[number]:
                    seen[number] = True
                    self.rows[spots[number].row // 2].append(number)
                    stack += reversed(self.below[number])
        for row in self.rows:
            self._number(row)

    def _number(self, row: Sequence[int]) -> None:
        for place, number in enumerate(row):
            self.position[number] = place

    def restore(self, rows: Sequence[Sequence[int]]) -> None:
        """Return to an earlier order."""
        self.rows = [[*row] for row in rows]
        for row in self.rows:
            self._number(row)

    def sweep(self, *, downwards: bool, ties_reversed: bool) -> None:
        """Sort each row by the mean position of the neighbours in the row before (barycenter method)."""
        neighbours = self.above if downwards else self.below
        position = self.position
        for row in self.rows if downwards else reversed(self.rows):
            means = {
                number: sum(position[other] for other in neighbours[number]) / len(neighbours[number])
                if neighbours[number]
                else float(position[number])
                for number in row
            }
            if ties_reversed:
                row.reverse()
            row.sort(key=means.__getitem__)
            self._number(row)

    def transpose(self) -> None:
        """Exchange neighbours in a row as long as that removes crossings."""
        position = self.position
        for _ in range(_MAX_TRANSPOSE_ROUNDS):
            improved = False
            for row in self.rows:
                for place in range(len(row) - 1):
                    left, right = row[place], row[place + 1]
                    gain = 0
                    for neighbours in (self.above, self.below):
                        for a in neighbours[left]:
                            for b in neighbours[right]:
                                gain += (position[a] > position[b]) - (position[a] < position[b])
                    if gain > 0:
                        row[place], row[place + 1] = right, left
                        position[left], position[right] = place + 1, place
                        improved = True
            if not improved:
                return

    def count_crossings(self) -> int:
        count = 0
        for row in self.rows:
            passed: list[int] = []
            for number in row:
                ends = sorted(self.position[other] for other in self.below[number])
                count += sum(len(passed) - bisect.bisect_right(passed, end) for end in ends)
                for end in ends:
                    bisect.insort(passed, end)
        return count


def _order_rows(spots: Sequence[LayoutSpot], chains: Sequence[Sequence[int]]) -> tuple[list[list[int]], int]:
    """Return the spots of each row of boxes in an order with few crossings, and the number of crossings."""
    order = _RowOrder(spots, chains)
    best, fewest = [[*row] for row in order.rows], order.count_crossings()
    fruitless = 0
    sweeps = _MAX_ORDER_SWEEPS if len(spots) <= _MANY_PLACES else 4
    for sweep in range(sweeps):
        if fruitless == _FRUITLESS_SWEEPS or not fewest:
            break
        order.sweep(downwards=sweep % 2 == 0, ties_reversed=sweep % 4 >= 2)  # noqa: PLR2004 - two of four sweeps
        order.transpose()
        crossings = order.count_crossings()
        fruitless += 1
        if crossings < fewest:
            best, fewest, fruitless = [[*row] for row in order.rows], crossings, 0
    return best, fewest


def _insert_label_rows(
    spots: list[LayoutSpot], order: Sequence[Sequence[int]], chains: Sequence[Sequence[int]], back: Sequence[bool]
) -> tuple[list[list[int]], list[list[int]]]:
    """Add a spot between two rows of boxes for each arrow there. Return all rows, and the spots of each arrow.

    The part of an arrow that begins at its box has a spot of its own, for the label. Joined parts share one.
    """
    position = [0] * len(spots)
    for row in order:
        for place, number in enumerate(row):
            position[number] = place
    label_rows: list[list[tuple[int, int, int]]] = [[] for _ in order]
    shared: dict[tuple[int, int], int] = {}
    paths = []
    for chain, turned in zip(chains, back, strict=True):
        path = [chain[0]]
        links = [*itertools.pairwise(chain)]
        own_link = links[-1 if turned else 0]
        for upper, lower in links:
            number = len(spots) if (upper, lower) == own_link else shared.setdefault((upper, lower), len(spots))
            if number == len(spots):
                # Sorted by the upper end first, all arrows leave a box without a crossing and cross below the labels.
                label_rows[spots[upper].row // 2].append((position[upper], position[lower], number))
                spots.append(LayoutSpot(_PASSING_SIZE, spots[upper].row + 1))
            path += [number, lower]
        paths.append(path)
    rows: list[list[int]] = []
    for row, label_row in zip(order, label_rows, strict=True):
        rows += [[*row], [number for _, _, number in sorted(label_row)]]
    return rows[:-1], paths


# Horizontal positions


def _place_spots(spots: Sequence[LayoutSpot], rows: Sequence[Sequence[int]], paths: Sequence[Sequence[int]]) -> None:
    """Set ``x`` of each spot: near the neighbours above and below, without overlaps."""
    above: list[list[LayoutSpot]] = [[] for _ in spots]
    below: list[list[LayoutSpot]] = [[] for _ in spots]
    links = itertools.chain.from_iterable(map(itertools.pairwise, paths))
    for upper, lower in dict.fromkeys(links):
        above[lower].append(spots[upper])
        below[upper].append(spots[lower])
    placed_rows = [_PlacedRow([spots[number] for number in row]) for row in rows]
    # Rows stay within the width of the widest row. Otherwise a deep flow drifts sideways from row to row.
    band = max(row.width for row in placed_rows) * _BAND_SLACK
    near_above = [[above[number] for number in row] for row in rows]
    near_below = [[below[number] for number in row] for row in rows]
    numbers = range(len(rows))
    for sweep in range(_PLACEMENT_SWEEPS if len(spots) <= _MANY_PLACES else 8):
        near = near_above if sweep % 2 else near_below
        for row_number in numbers if sweep % 2 else reversed(numbers):
            placed_rows[row_number].settle(near[row_number], band)
    for row_number in numbers:
        both = [[*a, *b] for a, b in zip(near_above[row_number], near_below[row_number], strict=True)]
        placed_rows[row_number].settle(both, band)
    row_spots = [row.spots for row in placed_rows]
    _straighten_arrows(row_spots, near_above)
    _straighten_arrows(row_spots[::-1], near_below[::-1])


def _straighten_arrows(rows: Sequence[Sequence[LayoutSpot]], neighbours: Sequence[Sequence[Sequence[LayoutSpot]]]) -> None:
    """Move each passing arrow straight below (or above) its last spot if there is room."""
    for row, row_neighbours in zip(rows, neighbours, strict=True):
        for place, (spot, others) in enumerate(zip(row, row_neighbours, strict=True)):
            if spot.is_box or not others or all(other.is_box for other in others):
                continue
            x = min((other.x for other in others if not other.is_box), key=lambda x: abs(x - spot.x))
            before, after = row[place - 1] if place else None, row[place + 1] if place + 1 < len(row) else None
            if before and x - spot.size.left - spot.margin < before.right + before.margin:
                continue
            if after and x + spot.size.right + spot.margin > after.left - after.margin:
                continue
            spot.x = x


class _PlacedRow:
    """A row of spots; ``offsets`` are the positions of the spots if the row is packed as tightly as possible."""

    def __init__(self, spots: list[LayoutSpot]) -> None:
        self.spots = spots
        self.offsets = [0.0]
        for left, right in itertools.pairwise(spots):
            distance = left.size.right + left.margin + right.margin + right.size.left
            self.offsets.append(self.offsets[-1] + distance)
        first, last = spots[0], spots[-1]
        self.width = first.size.left + self.offsets[-1] + last.size.right
        for spot, offset in zip(spots, self.offsets, strict=True):
            spot.x = first.size.left + offset - self.width / 2

    def settle(self, neighbours: Sequence[Sequence[LayoutSpot]], band: float) -> None:
        """Move each spot as close as possible to the mean position of its neighbours, within ``band`` around 0."""
        targets = []
        for spot, others, offset in zip(self.spots, neighbours, self.offsets, strict=True):
            if others:
                middle = sum([other.x for other in others]) / len(others)
                bends = not spot.is_box and any(not other.is_box for other in others)
                targets.append((middle - offset, 1.0 + _STRAIGHT_ARROW_WEIGHT * bends))
            else:
                targets.append((spot.x - offset, 0.1))
        lowest = self.spots[0].size.left - band / 2
        highest = lowest + band - self.width
        for spot, offset, x in zip(self.spots, self.offsets, _fit_rising_numbers(targets), strict=True):
            spot.x = min(max(x, lowest), highest) + offset


def _fit_rising_numbers(weighted_targets: Iterable[tuple[float, float]]) -> list[float]:
    """Return the rising sequence closest to the targets (number, weight): isotonic regression by pooling."""
    pools: list[tuple[float, float, int]] = []
    for number, weight in weighted_targets:
        pool = (number, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            value, pool_weight, count = pools.pop()
            total = pool_weight + pool[1]
            pool = ((value * pool_weight + pool[0] * pool[1]) / total, total, count + pool[2])
        pools.append(pool)
    return [value for value, _, count in pools for _ in range(count)]


# Vertical positions and routes


def _route_edges(
    spots: Sequence[LayoutSpot],
    rows: Sequence[Sequence[int]],
    paths: Sequence[Sequence[int]],
    back: Sequence[bool],
    label_spots: Sequence[LayoutSpot],
    page_height: float | None,
) -> list[list[VerticalSegment]]:
    """Set ``y`` of each spot, and return the vertical segments of each arrow in its own direction."""
    labels: dict[int, list[LayoutSpot]] = collections.defaultdict(list)
    for label_spot in label_spots:
        if label_spot.size.height:
            labels[label_spot.row].append(label_spot)
    stops = [
        _drop_needless_stops([(spots[number], spots[number].x) for number in path], ports, labels)
        for path, ports in zip(paths, _assign_ports(spots, paths), strict=True)
    ]
    gaps = [_MIN_ROW_GAP] * len(rows)
    for (upper, upper_x), (lower, lower_x) in itertools.chain.from_iterable(map(itertools.pairwise, stops)):
        between = range(upper.row, lower.row)
        for row in between:
            gaps[row] = max(gaps[row], _ROW_GAP_PER_STEP * abs(upper_x - lower_x) / len(between))
    bounds = []
    y = 0.0
    for row_numbers, gap in zip(rows, gaps, strict=True):
        row_height = max((spots[number].size.height for number in row_numbers), default=0.0)
        if page_height:
            y = _avoid_page_break(y, row_height, page_height)
        bottom = y + row_height
        bounds.append((y, bottom))
        for number in row_numbers:
            spots[number].y = y
        y = bottom + min(gap, _MAX_ROW_GAP)
    routes = []
    for route_stops, turned in zip(stops, back, strict=True):
        (first, first_x), *inner, (last, last_x) = route_stops
        first_bottom = first.y + first.size.height
        # An arrowhead needs room below the box if the arrow leads up to the box.
        leave = max(bounds[first.row][1], first_bottom + ARROWHEAD_LENGTH) if turned else bounds[first.row][1]
        enter = last.y if turned else last.y - ARROWHEAD_LENGTH
        segments = [
            VerticalSegment(first_x, first_bottom, leave),
            *(VerticalSegment(x, *bounds[spot.row]) for spot, x in inner),
            VerticalSegment(last_x, enter, last.y),
        ]
        routes.append([VerticalSegment(x, low, high) for x, high, low in reversed(segments)] if turned else segments)
    return routes


def _avoid_page_break(y: float, height: float, page_height: float) -> float:
    """Return ``y``, or the top of the next page if the row would lie across the end of a page."""
    top = PICTURE_MARGIN + TITLE_HEIGHT
    page_end = (math.floor((y + top) / page_height) + 1) * page_height - top
    fits = y + height + _PAGE_BREAK_MARGIN <= page_end or height > page_height / 2
    return y if fits else page_end + _PAGE_BREAK_MARGIN


def _assign_ports(spots: Sequence[LayoutSpot], paths: Sequence[Sequence[int]]) -> list[tuple[float, float]]:
    """Return ``x`` of both ends of each arrow. The ends at one side of a box are spread in the order of the arrows."""
    sides: dict[tuple[int, bool], set[tuple[float, float, int]]] = collections.defaultdict(set)
    for path in paths:
        for box, is_bottom, near, far in ((path[0], True, path[1], path[2]), (path[-1], False, path[-2], path[-3])):
            sides[box, is_bottom].add((spots[near].x, spots[far].x, near))
    ports: dict[tuple[int, int], float] = {}
    for (box, _), ends in sides.items():
        half = min(spots[box].size.left, spots[box].size.right)
        distance = min(_MAX_PORT_DISTANCE, 1.7 * half / len(ends))
        for place, (_, _, near) in enumerate(sorted(ends)):
            ports[box, near] = spots[box].x + (place - (len(ends) - 1) / 2) * distance
    return [(ports[path[0], path[1]], ports[path[-1], path[-2]]) for path in paths]


def _drop_needless_stops(
    stops: Sequence[tuple[LayoutSpot, float]],
    ports: tuple[float, float],
    labels: dict[int, list[LayoutSpot]],
) -> list[tuple[LayoutSpot, float]]:
    """Remove the stops in rows of labels that an arrow can cross in one curve without touching a label."""
    ends = [(stops[0][0], ports[0]), *stops[1:-1], (stops[-1][0], ports[1])]
    needed_stops = [ends[0]]
    for (spot, x), (_, next_x) in itertools.pairwise(ends[1:]):
        if spot.row % 2 and not spot.size.height:
            left, right = sorted((needed_stops[-1][1], next_x))
            margin = _LABEL_MARGIN
            if all(label.right < left - margin or label.left > right + margin for label in labels.get(spot.row, ())):
                continue
        needed_stops.append((spot, x))
    return [*needed_stops, ends[-1]]
