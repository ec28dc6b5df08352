"""What no scenario reached: nodes, and the ways on from their steps, by flow and in all."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from callflows.flows.coverage_points import NODE_ENTERED_POINT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from callflows.flows.coverage_points import CoveragePoint
    from callflows.flows.flow import Flow
    from callflows.rehearsal.transcript import Transcript


class FlowCoverage(NamedTuple):
    """A flow's coverage: how many of its nodes and branches were reached, and which were not."""

    flow: str
    file: str
    reached_count: int
    missing_points: tuple[CoveragePoint, ...]

    @property
    def total_count(self) -> int:
        """All that could be reached."""
        return self.reached_count + len(self.missing_points)


def measure_coverage(flows: Iterable[Flow], calls: Iterable[Transcript]) -> list[FlowCoverage]:
    """The coverage of flows by calls."""
    of_flow: dict[str, list[Transcript]] = {}
    for call in calls:
        of_flow.setdefault(call.flow, []).append(call)
    return [_measure_flow(flow, of_flow.get(flow.name, ())) for flow in flows]


def _measure_flow(flow: Flow, calls: Sequence[Transcript]) -> FlowCoverage:
    """What documents do not say of their place stands where their node begins."""
    begins = {spot.node: spot for spot in flow.coverage_points if spot.what == NODE_ENTERED_POINT}

    def add_place(point: CoveragePoint) -> CoveragePoint:
        node = begins.get(point.node)
        return point if point.line or node is None else point._replace(line=node.line, column=node.column)

    came = {add_place(spot) for call in calls for spot in call.covered_points}
    spots = dict.fromkeys([*flow.coverage_points, *(add_place(spot) for call in calls for spot in call.possible_points)])
    missing = tuple(spot for spot in spots if spot not in came)
    return FlowCoverage(flow.name, flow.file, len(spots) - len(missing), missing)


def format_coverage(coverage: Sequence[FlowCoverage]) -> Iterator[str]:
    """Coverage in words: a line a flow, and below it where nobody came by."""
    width = max((len(one.file) for one in coverage), default=0)
    for one in coverage:
        percent = _format_percent(one.reached_count, one.total_count)
        yield f"{one.file:<{width}}  {one.reached_count:>4} of {one.total_count:<4} {percent}"
        for spot in sorted(one.missing_points, key=lambda spot: (spot.line, spot.column)):
            yield f"  {one.file}:{spot.line}:{spot.column}: {describe_coverage_point(spot)}"
    if len(coverage) > 1:
        reached, total = sum(one.reached_count for one in coverage), sum(one.total_count for one in coverage)
        yield f"{'in all':<{width}}  {reached:>4} of {total:<4} {_format_percent(reached, total)}"


def describe_coverage_point(point: CoveragePoint) -> str:
    """A spot in words."""
    return f"the node {point.node}" if point.what == NODE_ENTERED_POINT else f"{point.node}: {point.what}"


def _format_percent(part: int, whole: int) -> str:
    """Rounded down: what is not whole is not 100 %."""
    return f"{part * 100 // whole if whole else 100} %"
