"""What a rehearsal supposes of a flow, whatever its file and the clock say. Live calls suppose nothing."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from app.flows.hours.overrides import Override
from app.flows.screening.callers import ANONYMOUS, CallerList, Row
from app.numbers import e164

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from zoneinfo import ZoneInfo

    from app.calls import Turn
    from app.flows.book import Flow
    from app.language import Dialect

_REASON: Final = "supposed"
_LONGEST_PREFIX: Final = 15


@dataclasses.dataclass(frozen=True, slots=True)
class Supposed:
    """``hours`` are names with whether they are open on the day of the call, ``lists`` names with who is in them.

    ``breaks`` are nodes that break when a call comes to ask for them.
    """

    dialect: Dialect | None = None
    hours: tuple[tuple[str, bool], ...] = ()
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()
    breaks: tuple[str, ...] = ()

    def overrides(self, flow: str, name: str, at: datetime, zone: ZoneInfo | None) -> tuple[Override, ...]:
        """The override of hours at a moment: until the end of its day, so that there is a next opening."""
        is_open = dict(self.hours).get(name)
        if is_open is None:
            return ()
        here = at.astimezone(zone or UTC)
        until = datetime.combine(here.date() + timedelta(days=1), time(), here.tzinfo)
        return (Override(flow, name, is_open, None, until),)

    def breaking(self, flow: Flow) -> Flow:
        """A flow in which nodes break: whoever asks for one gets what the engine answers then."""
        if not self.breaks:
            return flow
        broken = {
            node: dict.fromkeys(entries, (_break,)) if node.partition(".")[0] in self.breaks else entries
            for node, entries in flow.documents.items()
        }
        return dataclasses.replace(flow, documents=broken, _ready={})

    def listed(self, made: CallerList) -> CallerList:
        """A list with those who are supposed to be in it."""
        more = [entry_of(written) for written in dict(self.lists).get(made.name, ())]
        if not more:
            return made
        row = Row(_REASON)
        return CallerList(
            made.name,
            {**made.numbers, **{int(entry[1:]): row for entry in more if entry[:1] == "+" and entry[-1] != "*"}},
            {**made.prefixes, **{entry[1:-1]: row for entry in more if entry[-1:] == "*"}},
            row if ANONYMOUS in more else made.anonymous,
        )


class SupposedToBreak(Exception):
    """A node breaks since a scenario says so."""


def _break(_turn: Turn) -> str:
    raise SupposedToBreak("the scenario says that it breaks")


def entry_of(written: str) -> str:
    """Who is in a list, as a row says it: ``+12015550123``, ``+1201*``, ``anonymous``; nothing where it is none of them."""
    text = written.strip()
    if text.lower() == ANONYMOUS:
        return ANONYMOUS
    digits = text.removesuffix("*").lstrip("+")
    if text.endswith("*"):
        return f"+{digits}*" if digits.isascii() and digits.isdecimal() and len(digits) <= _LONGEST_PREFIX else ""
    return e164(text)


NOTHING: Final = Supposed()


def overriding(
    supposed: Supposed, flow: str, real: Callable[[str], tuple[Override, ...]]
) -> Callable[[str, datetime, ZoneInfo | None], Sequence[Override]]:
    """The overrides of a flow's hours by name at a moment: the real ones, and above them what is supposed."""
    if not supposed.hours:
        return lambda name, _at, _zone: real(name)
    return lambda name, at, zone: (*real(name), *supposed.overrides(flow, name, at, zone))
