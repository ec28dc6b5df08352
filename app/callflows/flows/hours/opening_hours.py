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

from callflows.flows.hours.public_holidays import find_public_holidays
from callflows.flows.hours.wall_clock import (
    MINUTES_PER_DAY,
    find_clock_changes,
    find_moments_of_wall_time,
    format_clock_time,
    make_wall_time,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo
    from zoneinfo import ZoneInfo

    from callflows.flows.hours.overrides import HoursOverride


OPENING_HORIZON: Final = timedelta(days=400)
"""An opening or closing further away than this is not looked for."""


WEEKDAY_NAMES: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


_FIRST_SEARCH_SPAN: Final = timedelta(days=1)


_MAX_SEARCH_SPAN: Final = timedelta(days=64)


_MAX_CACHED_DAYS: Final = 4096


class OpeningWindow(NamedTuple):
    """From a minute of a day up to another, which is beyond 1440 where it is over midnight."""

    start_minute: int
    end_minute: int

    def __str__(self) -> str:
        return f"{format_clock_time(self.start_minute)}-{format_clock_time(self.end_minute)}"


class DateRange(NamedTuple):
    """From a date to another, which is in it."""

    first: date
    last: date

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last


class DatedWindows(NamedTuple):
    """The windows of certain days."""

    date_range: DateRange
    windows: tuple[OpeningWindow, ...]


class _DayWindows(NamedTuple):
    """What a date is: its own windows, those that may be open on it with what is said of each, and what is said else."""

    starting_windows: tuple[OpeningWindow, ...]
    open_minutes: tuple[tuple[int, int, str], ...]
    closed_reason: str


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class OpeningHours:
    """Opening hours, by the keys of a flow file: ``week`` has the windows of mon … sun, ``holidays`` places as US-NJ."""

    name: str
    weekly_windows: tuple[tuple[OpeningWindow, ...], ...]
    holiday_places: tuple[str, ...] = ()
    closed_dates: tuple[DateRange, ...] = ()
    dated_windows: tuple[DatedWindows, ...] = ()
    _day_cache: dict[date, _DayWindows] = dataclasses.field(default_factory=dict, repr=False)
    _next_changes_cache: list[_CachedChanges] = dataclasses.field(default_factory=list, repr=False)

    def at_moment(self, moment: datetime, zone: ZoneInfo | None, overrides: Sequence[HoursOverride] = ()) -> OpeningState:
        """Whether it is open at a moment, on the clock of ``zone`` (UTC without); ``overrides`` are those of these hours.

        Raises ValueError for a moment without an offset: the clock of this machine is nobody's.
        """
        if moment.tzinfo is None:
            raise ValueError("a moment needs its offset")
        return OpeningState(self, moment.astimezone(UTC), zone or UTC, tuple(overrides))

    def is_open_with_reason(self, moment: datetime, zone: tzinfo, overrides: tuple[HoursOverride, ...]) -> tuple[bool, str]:
        """Whether it is open at a moment in UTC, and the rule that says so."""
        for override in reversed(overrides):
            if override.applies_at(moment):
                return override.open, override.describe(zone)
        shown = moment.astimezone(zone)
        day = self._get_day(shown.date())
        minute = shown.hour * 60 + shown.minute
        for begins, ends, said in day.open_minutes:
            if begins <= minute < ends:
                return True, said
        return False, day.closed_reason

    def iterate_changes(self, moment: datetime, zone: tzinfo, overrides: tuple[HoursOverride, ...]) -> Iterator[datetime]:
        """The moments (in UTC) after this one at which it opens or closes, in turns, within the horizon."""
        is_open, _ = self.is_open_with_reason(moment, zone, overrides)
        last = moment + OPENING_HORIZON
        look = _FIRST_SEARCH_SPAN
        while moment < last:
            ahead = min(moment + look, last)
            for edge in self._find_possible_changes(moment, ahead, zone, overrides):
                if self.is_open_with_reason(edge, zone, overrides)[0] is not is_open:
                    is_open = not is_open
                    yield edge
            moment, look = ahead, min(look * 4, _MAX_SEARCH_SPAN)

    def find_next_changes(self, moment: datetime, zone: tzinfo, overrides: tuple[HoursOverride, ...]) -> Sequence[datetime]:
        """The first two of ``changes``, as far as there are."""
        for known in self._next_changes_cache:
            if known.first <= moment < known.last and known.zone is zone and known.overrides is overrides:
                return known.changes
        both = tuple(itertools.islice(self.iterate_changes(moment, zone, overrides), 2))
        last = both[0] if len(both) > 1 else moment + timedelta(days=1)
        self._next_changes_cache[:] = [_CachedChanges(moment, min((last, *both)), zone, overrides, both)]
        return both

    def _find_possible_changes(
        self, first: datetime, last: datetime, zone: tzinfo, overrides: tuple[HoursOverride, ...]
    ) -> Sequence[datetime]:
        """When it may open or close, after ``first`` and up to ``last``."""
        found = {*find_clock_changes(first, last, zone)}
        for override in overrides:
            found.update(edge.astimezone(UTC) for edge in (override.start, override.until) if edge is not None)
        day = first.astimezone(zone).date() - timedelta(days=2)
        end = last.astimezone(zone).date() + timedelta(days=1)
        while day <= end:
            for window in self._get_day(day).starting_windows:
                for minute in window:
                    found.update(find_moments_of_wall_time(make_wall_time(day, minute), zone))
            day += timedelta(days=1)
        return sorted(edge for edge in found if first < edge <= last)

    def _get_day(self, day: date) -> _DayWindows:
        """A date; made when it is first asked for."""
        found = self._day_cache.get(day)
        if found is None:
            if len(self._day_cache) >= _MAX_CACHED_DAYS:
                self._day_cache.clear()
            found = self._day_cache[day] = self._build_day(day)
        return found

    def _build_day(self, day: date) -> _DayWindows:
        yesterday = day - timedelta(days=1)
        before, said_before = self._find_rule(yesterday)
        own, said = self._find_rule(day)
        windows = [(window.start_minute, window.end_minute, f"{said} {window}") for window in own]
        windows += [
            (0, ends - MINUTES_PER_DAY, f"{said_before} {OpeningWindow(begins, ends)}")
            for begins, ends in before
            if ends > MINUTES_PER_DAY
        ]
        outside = f"{said} outside {', '.join(map(str, own))}" if own else said
        return _DayWindows(own, tuple(windows), outside)

    def _find_rule(self, day: date) -> tuple[tuple[OpeningWindow, ...], str]:
        """The windows that begin on a date, and the rule that says so."""
        for dated in self.dated_windows:
            if day in dated.date_range:
                return dated.windows, f"open {day}"
        if any(day in span for span in self.closed_dates):
            return (), f"closed {day}"
        for place in self.holiday_places:
            holiday = find_public_holidays(place, day.year).get(day)
            if holiday is not None:
                return (), f"holiday {holiday}"
        windows = self.weekly_windows[day.weekday()]
        return windows, WEEKDAY_NAMES[day.weekday()] if windows else f"{WEEKDAY_NAMES[day.weekday()]} closed"


class _CachedChanges(NamedTuple):
    """What is next, for every moment of a stretch in which nothing changes."""

    first: datetime
    last: datetime
    zone: tzinfo
    overrides: tuple[HoursOverride, ...]
    changes: Sequence[datetime]


class OpeningState:
    """Hours at a moment, as plain values. What is next is looked for when it is first asked for."""

    __slots__ = ("_hours", "_moment", "_overrides", "_zone", "open", "reason")
    FIELDS: ClassVar[frozenset[str]] = frozenset({"open", "next_opening", "next_closing"})

    open: bool
    """Whether it is open."""
    reason: str
    """The rule that says so: ``mon 09:00-12:30``, ``holiday Christmas Day``, ``closed 2026-12-24``."""

    def __init__(self, hours: OpeningHours, moment: datetime, zone: tzinfo, overrides: tuple[HoursOverride, ...]) -> None:
        """Hours at a moment in UTC."""
        self._hours, self._moment, self._zone, self._overrides = hours, moment, zone, overrides
        self.open, self.reason = hours.is_open_with_reason(moment, zone, overrides)

    @property
    def next_opening(self) -> datetime | None:
        """When it next goes from closed to open, in the zone; None where it does not within the horizon."""
        return self._find_change(1 if self.open else 0)

    @property
    def next_closing(self) -> datetime | None:
        """When it next goes from open to closed, in the zone; None where it does not within the horizon."""
        return self._find_change(0 if self.open else 1)

    def _find_change(self, index: int) -> datetime | None:
        found = self._hours.find_next_changes(self._moment, self._zone, self._overrides)
        return found[index].astimezone(self._zone) if index < len(found) else None
