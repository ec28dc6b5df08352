"""When it is open: what opening hours mean at a moment.

**The wall clock decides.** It is open at a moment when the clock of the zone then shows a time inside a window. A window
is half open: at 12:30 the window 09:00-12:30 is over, and 12:30-14:00 has begun, so that windows that touch leave no
hole. Where the clock is put forward, a window that lies in the missing hour does not open, and one that begins in it
opens when the clock has jumped. Where it is put back, what the clock shows twice is open twice: 01:00-01:30 opens, closes,
and opens again an hour after it first did. ``next_opening`` and ``next_closing`` are exact for this: each edge of a window
is turned into the moments at which the clock shows it.

**Which rule decides.** An override beats ``open``, which replaces the day; that beats ``closed``, that the holidays, and
those the week. A window belongs to the day on which it begins: Friday's 22:00-02:00 is open on Saturday at 01:00, whatever
Saturday is. Of several overrides that hold, the last one written wins.
"""

from __future__ import annotations

import dataclasses
import itertools
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from app.flows.hours.public_holidays import holidays_of
from app.flows.hours.wall_clock import DAY, changes, moments, time_of, wall

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo
    from zoneinfo import ZoneInfo

    from app.flows.hours.overrides import Override

HORIZON: Final = timedelta(days=400)
"""An opening or closing further away than this is not looked for."""
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FIRST_LOOK: Final = timedelta(days=1)
_LONGEST_LOOK: Final = timedelta(days=64)
_MOST_DAYS: Final = 4096


class Window(NamedTuple):
    """From a minute of a day up to another, which is beyond 1440 where it is over midnight."""

    begins: int
    ends: int

    def __str__(self) -> str:
        return f"{time_of(self.begins)}-{time_of(self.ends)}"


class Span(NamedTuple):
    """From a date to another, which is in it."""

    first: date
    last: date

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last


class Dated(NamedTuple):
    """The windows of certain days."""

    days: Span
    windows: tuple[Window, ...]


class _Day(NamedTuple):
    """What a date is: its own windows, those that may be open on it with what is said of each, and what is said else."""

    own: tuple[Window, ...]
    windows: tuple[tuple[int, int, str], ...]
    closed: str


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Hours:
    """Opening hours, by the keys of a flow file: ``week`` has the windows of mon … sun, ``holidays`` places as US-NJ."""

    name: str
    week: tuple[tuple[Window, ...], ...]
    holidays: tuple[str, ...] = ()
    closed: tuple[Span, ...] = ()
    opened: tuple[Dated, ...] = ()
    _days: dict[date, _Day] = dataclasses.field(default_factory=dict, repr=False)
    _known: list[_Known] = dataclasses.field(default_factory=list, repr=False)

    def at(self, moment: datetime, zone: ZoneInfo | None, overrides: Sequence[Override] = ()) -> Opening:
        """Whether it is open at a moment, on the clock of ``zone`` (UTC without); ``overrides`` are those of these hours.

        Raises ValueError for a moment without an offset: the clock of this machine is nobody's.
        """
        if moment.tzinfo is None:
            raise ValueError("a moment needs its offset")
        return Opening(self, moment.astimezone(UTC), zone or UTC, tuple(overrides))

    def decided(self, moment: datetime, zone: tzinfo, overrides: tuple[Override, ...]) -> tuple[bool, str]:
        """Whether it is open at a moment in UTC, and the rule that says so."""
        for override in reversed(overrides):
            if override.holds(moment):
                return override.open, override.said(zone)
        shown = moment.astimezone(zone)
        day = self._day(shown.date())
        minute = shown.hour * 60 + shown.minute
        for begins, ends, said in day.windows:
            if begins <= minute < ends:
                return True, said
        return False, day.closed

    def changes(self, moment: datetime, zone: tzinfo, overrides: tuple[Override, ...]) -> Iterator[datetime]:
        """The moments (in UTC) after this one at which it opens or closes, in turns, within the horizon."""
        is_open, _ = self.decided(moment, zone, overrides)
        last = moment + HORIZON
        look = _FIRST_LOOK
        while moment < last:
            ahead = min(moment + look, last)
            for edge in self._edges(moment, ahead, zone, overrides):
                if self.decided(edge, zone, overrides)[0] is not is_open:
                    is_open = not is_open
                    yield edge
            moment, look = ahead, min(look * 4, _LONGEST_LOOK)

    def next_changes(self, moment: datetime, zone: tzinfo, overrides: tuple[Override, ...]) -> Sequence[datetime]:
        """The first two of ``changes``, as far as there are."""
        for known in self._known:
            if known.first <= moment < known.last and known.zone is zone and known.overrides is overrides:
                return known.changes
        both = tuple(itertools.islice(self.changes(moment, zone, overrides), 2))
        last = both[0] if len(both) > 1 else moment + timedelta(days=1)
        self._known[:] = [_Known(moment, min((last, *both)), zone, overrides, both)]
        return both

    def _edges(self, first: datetime, last: datetime, zone: tzinfo, overrides: tuple[Override, ...]) -> Sequence[datetime]:
        """When it may open or close, after ``first`` and up to ``last``."""
        found = {*changes(first, last, zone)}
        for override in overrides:
            found.update(edge.astimezone(UTC) for edge in (override.begins, override.until) if edge is not None)
        day = first.astimezone(zone).date() - timedelta(days=2)
        end = last.astimezone(zone).date() + timedelta(days=1)
        while day <= end:
            for window in self._day(day).own:
                for minute in window:
                    found.update(moments(wall(day, minute), zone))
            day += timedelta(days=1)
        return sorted(edge for edge in found if first < edge <= last)

    def _day(self, day: date) -> _Day:
        """A date; made when it is first asked for."""
        found = self._days.get(day)
        if found is None:
            if len(self._days) >= _MOST_DAYS:
                self._days.clear()
            found = self._days[day] = self._made(day)
        return found

    def _made(self, day: date) -> _Day:
        yesterday = day - timedelta(days=1)
        before, said_before = self._rule(yesterday)
        own, said = self._rule(day)
        windows = [(window.begins, window.ends, f"{said} {window}") for window in own]
        windows += [(0, ends - DAY, f"{said_before} {Window(begins, ends)}") for begins, ends in before if ends > DAY]
        outside = f"{said} outside {', '.join(map(str, own))}" if own else said
        return _Day(own, tuple(windows), outside)

    def _rule(self, day: date) -> tuple[tuple[Window, ...], str]:
        """The windows that begin on a date, and the rule that says so."""
        for dated in self.opened:
            if day in dated.days:
                return dated.windows, f"open {day}"
        if any(day in span for span in self.closed):
            return (), f"closed {day}"
        for place in self.holidays:
            holiday = holidays_of(place, day.year).get(day)
            if holiday is not None:
                return (), f"holiday {holiday}"
        windows = self.week[day.weekday()]
        return windows, WEEKDAYS[day.weekday()] if windows else f"{WEEKDAYS[day.weekday()]} closed"


class _Known(NamedTuple):
    """What is next, for every moment of a stretch in which nothing changes."""

    first: datetime
    last: datetime
    zone: tzinfo
    overrides: tuple[Override, ...]
    changes: Sequence[datetime]


class Opening:
    """Hours at a moment, as plain values. What is next is looked for when it is first asked for."""

    __slots__ = ("_hours", "_moment", "_overrides", "_zone", "open", "reason")
    FIELDS: ClassVar[frozenset[str]] = frozenset({"open", "next_opening", "next_closing"})

    open: bool
    """Whether it is open."""
    reason: str
    """The rule that says so: ``mon 09:00-12:30``, ``holiday Christmas Day``, ``closed 2026-12-24``."""

    def __init__(self, hours: Hours, moment: datetime, zone: tzinfo, overrides: tuple[Override, ...]) -> None:
        """Hours at a moment in UTC."""
        self._hours, self._moment, self._zone, self._overrides = hours, moment, zone, overrides
        self.open, self.reason = hours.decided(moment, zone, overrides)

    @property
    def next_opening(self) -> datetime | None:
        """When it next goes from closed to open, in the zone; None where it does not within the horizon."""
        return self._next(1 if self.open else 0)

    @property
    def next_closing(self) -> datetime | None:
        """When it next goes from open to closed, in the zone; None where it does not within the horizon."""
        return self._next(0 if self.open else 1)

    def _next(self, index: int) -> datetime | None:
        found = self._hours.next_changes(self._moment, self._zone, self._overrides)
        return found[index].astimezone(self._zone) if index < len(found) else None
