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
    came: dict[str, set[Spot]] = {}
    for call in calls:
        came.setdefault(call.flow, set()).update(call.came)
    made = []
    for flow in flows:
        missing = tuple(spot for spot in flow.spots if spot not in came.get(flow.name, ()))
        made.append(Covered(flow.name, flow.file, len(flow.spots) - len(missing), missing))
    return made


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
