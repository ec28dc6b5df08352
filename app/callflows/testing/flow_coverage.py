"""Coverage of flows by rehearsed calls: reached and missing nodes and branches."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from callflows.flows.coverage_points import NODE_ENTERED_POINT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from callflows.flows.coverage_points import CoveragePoint
    from callflows.flows.flow import Flow
    from callflows.rehearsal.transcript import Transcript


class FlowCoverage(NamedTuple):
    """The coverage of one flow: the number of points reached, and the missing points."""

    flow: str
    file: str
    reached_count: int
    missing_points: tuple[CoveragePoint, ...]
    node_files: Mapping[str, str] = MappingProxyType({})

    @property
    def total_count(self) -> int:
        return self.reached_count + len(self.missing_points)


def measure_coverage(flows: Iterable[Flow], calls: Iterable[Transcript]) -> list[FlowCoverage]:
    """Measure the coverage of each flow. A call counts for every flow that it comes to."""
    covered: dict[str, list[CoveragePoint]] = {}
    possible: dict[str, list[CoveragePoint]] = {}
    for call in calls:
        for points, of_flow in ((call.covered_points, covered), (call.possible_points, possible)):
            for reached in points:
                of_flow.setdefault(reached.flow or call.flow, []).append(reached.point)
    return [_measure_flow(flow, covered.get(flow.name, ()), possible.get(flow.name, ())) for flow in flows]


def _measure_flow(flow: Flow, covered: Iterable[CoveragePoint], possible: Iterable[CoveragePoint]) -> FlowCoverage:
    """Measure one flow. A point without a line in its document counts at the beginning of its node."""
    begins = {spot.node: spot for spot in flow.coverage_points if spot.what == NODE_ENTERED_POINT}

    def add_place(point: CoveragePoint) -> CoveragePoint:
        node = begins.get(point.node)
        return point if point.line or node is None else point._replace(line=node.line, column=node.column)

    came = {add_place(spot) for spot in covered}
    spots = dict.fromkeys([*flow.coverage_points, *map(add_place, possible)])
    missing = tuple(spot for spot in spots if spot not in came)
    return FlowCoverage(flow.name, flow.file, len(spots) - len(missing), missing, flow.node_files)


def format_coverage(coverage: Sequence[FlowCoverage]) -> Iterator[str]:
    """Yield a line for each flow with its missing points below, and a total for several flows."""
    width = max((len(one.file) for one in coverage), default=0)
    for one in coverage:
        percent = _format_percent(one.reached_count, one.total_count)
        yield f"{one.file:<{width}}  {one.reached_count:>4} of {one.total_count:<4} {percent}"
        for spot in sorted(one.missing_points, key=lambda spot: (spot.line, spot.column)):
            file = one.node_files.get(spot.node, one.file)
            yield f"  {file}:{spot.line}:{spot.column}: {describe_coverage_point(spot)}"
    if len(coverage) > 1:
        reached, total = sum(one.reached_count for one in coverage), sum(one.total_count for one in coverage)
        yield f"{'in all':<{width}}  {reached:>4} of {total:<4} {_format_percent(reached, total)}"


def describe_coverage_point(point: CoveragePoint) -> str:
    return f"the node {point.node}" if point.what == NODE_ENTERED_POINT else f"{point.node}: {point.what}"


def _format_percent(part: int, whole: int) -> str:
    """Format a percentage, rounded down so that only full coverage is 100 %."""
    return f"{part * 100 // whole if whole else 100} %"
