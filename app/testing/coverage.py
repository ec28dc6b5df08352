"""What no scenario reached: nodes, and the ways on from their steps, by flow and in all."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.spots import NODE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from app.flows.book import Flow
    from app.rehearsal.transcript import Transcript
    from app.spots import Spot


class Covered(NamedTuple):
    """A flow's coverage: how many of its nodes and branches were reached, and which were not."""

    flow: str
    file: str
    reached: int
    missing: tuple[Spot, ...]

    @property
    def total(self) -> int:
        """All that could be reached."""
        return self.reached + len(self.missing)


def covered(flows: Iterable[Flow], calls: Iterable[Transcript]) -> list[Covered]:
    """The coverage of flows by calls."""
    of_flow: dict[str, list[Transcript]] = {}
    for call in calls:
        of_flow.setdefault(call.flow, []).append(call)
    return [_covered(flow, of_flow.get(flow.name, ())) for flow in flows]


def _covered(flow: Flow, calls: Sequence[Transcript]) -> Covered:
    """What documents do not say of their place stands where their node begins."""
    begins = {spot.node: spot for spot in flow.spots if spot.what == NODE}

    def placed(spot: Spot) -> Spot:
        node = begins.get(spot.node)
        return spot if spot.line or node is None else spot._replace(line=node.line, column=node.column)

    came = {placed(spot) for call in calls for spot in call.came}
    spots = dict.fromkeys([*flow.spots, *(placed(spot) for call in calls for spot in call.offered)])
    missing = tuple(spot for spot in spots if spot not in came)
    return Covered(flow.name, flow.file, len(spots) - len(missing), missing)


def lines(coverage: Sequence[Covered]) -> Iterator[str]:
    """Coverage in words: a line a flow, and below it where nobody came by."""
    width = max((len(one.file) for one in coverage), default=0)
    for one in coverage:
        yield f"{one.file:<{width}}  {one.reached:>4} of {one.total:<4} {_percent(one.reached, one.total)}"
        for spot in sorted(one.missing, key=lambda spot: (spot.line, spot.column)):
            yield f"  {one.file}:{spot.line}:{spot.column}: {said(spot)}"
    if len(coverage) > 1:
        reached, total = sum(one.reached for one in coverage), sum(one.total for one in coverage)
        yield f"{'in all':<{width}}  {reached:>4} of {total:<4} {_percent(reached, total)}"


def said(spot: Spot) -> str:
    """A spot in words."""
    return f"the node {spot.node}" if spot.what == NODE else f"{spot.node}: {spot.what}"


def _percent(part: int, whole: int) -> str:
    """Rounded down: what is not whole is not 100 %."""
    return f"{part * 100 // whole if whole else 100} %"
