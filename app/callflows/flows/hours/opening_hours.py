"""Decides if opening hours are open at a moment, and finds the next opening and closing.

**The wall clock decides.** Hours are open at a moment if the clock of the zone shows a time inside a window. A window is
half open: at 12:30 the window 09:00-12:30 has ended and 12:30-14:00 has begun, so adjacent windows leave no gap. When the
clock is put forward, a window inside the missing hour does not open, and a window that begins in the missing hour opens
after the jump. When the clock is put back, repeated times are open twice: 01:00-01:30 opens, closes, and opens again an
hour after the first opening. ``next_opening`` and ``next_closing`` are exact: each edge of a window is converted to the
moments at which the clock shows the edge.

**Precedence of rules.** An override beats ``open``, ``open`` beats ``closed``, ``closed`` beats holidays, and holidays
beat the week. ``open`` replaces the windows of a day. A window belongs to the day on which the window begins: Friday's
22:00-02:00 is open on Saturday at 01:00, whatever the rule for Saturday. Of several active overrides, the last one wins.
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
from callflows.telephony.calls import WEEKDAY_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo
    from zoneinfo import ZoneInfo

    from callflows.flows.hours.overrides import HoursOverride


OPENING_HORIZON: Final = timedelta(days=400)
"""Openings and closings further away are not searched."""
_FIRST_SEARCH_SPAN: Final = timedelta(days=1)
_MAX_SEARCH_SPAN: Final = timedelta(days=64)
_MAX_CACHED_DAYS: Final = 4096


class OpeningWindow(NamedTuple):
    """A window from one minute of a day to another; ``end_minute`` exceeds 1440 if the window passes midnight."""

    start_minute: int
    end_minute: int

    def __str__(self) -> str:
        return f"{format_clock_time(self.start_minute)}-{format_clock_time(self.end_minute)}"


class DateRange(NamedTuple):
    """A range of dates; ``last`` is included."""

    first: date
    last: date

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last


class DatedWindows(NamedTuple):
    """The windows of certain dates."""

    date_range: DateRange
    windows: tuple[OpeningWindow, ...]


class _DayWindows(NamedTuple):
    """The compiled rules of one date.

    ``starting_windows`` are the windows that begin on the date. ``open_minutes`` are the open ranges of the date, including
    the rest of yesterday's windows: first minute, end minute, reason. ``closed_reason`` applies outside these ranges.
    """

    starting_windows: tuple[OpeningWindow, ...]
    open_minutes: tuple[tuple[int, int, str], ...]
    closed_reason: str


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class OpeningHours:
    """Opening hours from the keys of a flow file.

    ``weekly_windows`` contains the windows of Monday to Sunday, ``holiday_places`` places such as US-NJ.
    """

    name: str
    weekly_windows: tuple[tuple[OpeningWindow, ...], ...]
    holiday_places: tuple[str, ...] = ()
    closed_dates: tuple[DateRange, ...] = ()
    dated_windows: tuple[DatedWindows, ...] = ()
    _day_cache: dict[date, _DayWindows] = dataclasses.field(default_factory=dict, repr=False)
    _next_changes_cache: list[_CachedChanges] = dataclasses.field(default_factory=list, repr=False)

    def at_moment(self, moment: datetime, zone: ZoneInfo | None, overrides: Sequence[HoursOverride] = ()) -> OpeningState:
        """Return the state at a moment, on the clock of ``zone`` (default UTC).

        ``overrides`` must be the overrides of these hours. Raises ValueError for a moment without offset: the clock of the
        server is never meant.
        """
        if moment.tzinfo is None:
            raise ValueError("a moment needs its offset")
        return OpeningState(self, moment.astimezone(UTC), zone or UTC, tuple(overrides))

    def is_open_with_reason(self, moment: datetime, zone: tzinfo, overrides: tuple[HoursOverride, ...]) -> tuple[bool, str]:
        """Return if the hours are open at a moment in UTC, and the deciding rule in words."""
        for override in reversed(overrides):
            if override.applies_at(moment):
                return override.open, override.describe(zone)
        shown = moment.astimezone(zone)
        day = self._get_day(shown.date())
        minute = shown.hour * 60 + shown.minute
        for begins, ends, reason in day.open_minutes:
            if begins <= minute < ends:
                return True, reason
        return False, day.closed_reason

    def iterate_changes(self, moment: datetime, zone: tzinfo, overrides: tuple[HoursOverride, ...]) -> Iterator[datetime]:
        """Yield the alternating openings and closings (in UTC) after ``moment``, within the horizon."""
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
        """Return the first two results of ``iterate_changes``, or fewer. The latest result is cached."""
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
        """Return the moments of possible changes after ``first`` and up to ``last``, sorted."""
        found = {*find_clock_changes(first, last, zone)}
        for override in overrides:
            found.update(edge.astimezone(UTC) for edge in (override.start, override.until) if edge is not None)
        # Windows of earlier days may continue past midnight.
        day = first.astimezone(zone).date() - timedelta(days=2)
        end = last.astimezone(zone).date() + timedelta(days=1)
        while day <= end:
            for window in self._get_day(day).starting_windows:
                for minute in window:
                    found.update(find_moments_of_wall_time(make_wall_time(day, minute), zone))
            day += timedelta(days=1)
        return sorted(edge for edge in found if first < edge <= last)

    def _get_day(self, day: date) -> _DayWindows:
        """Return the rules of a date, cached."""
        found = self._day_cache.get(day)
        if found is None:
            if len(self._day_cache) >= _MAX_CACHED_DAYS:
                self._day_cache.clear()
            found = self._day_cache[day] = self._build_day(day)
        return found

    def _build_day(self, day: date) -> _DayWindows:
        yesterday = day - timedelta(days=1)
        before, said_before = self.find_rule_of_day(yesterday)
        own, rule = self.find_rule_of_day(day)
        windows = [(window.start_minute, window.end_minute, f"{rule} {window}") for window in own]
        windows += [
            (0, ends - MINUTES_PER_DAY, f"{said_before} {OpeningWindow(begins, ends)}")
            for begins, ends in before
            if ends > MINUTES_PER_DAY
        ]
        outside = f"{rule} outside {', '.join(map(str, own))}" if own else rule
        return _DayWindows(own, tuple(windows), outside)

    def find_rule_of_day(self, day: date) -> tuple[tuple[OpeningWindow, ...], str]:
        """Return the windows that begin on a date, and the deciding rule in words."""
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
    """The next changes, valid for every moment from ``first`` until ``last``."""

    first: datetime
    last: datetime
    zone: tzinfo
    overrides: tuple[HoursOverride, ...]
    changes: Sequence[datetime]


class OpeningState:
    """The state of opening hours at a moment, for expressions. The next changes are computed on first access."""

    __slots__ = ("_hours", "_moment", "_overrides", "_zone", "open", "reason")
    FIELDS: ClassVar[frozenset[str]] = frozenset({"open", "next_opening", "next_closing"})

    open: bool
    reason: str
    """The deciding rule: ``mon 09:00-12:30``, ``holiday Christmas Day``, ``closed 2026-12-24``."""

    def __init__(self, hours: OpeningHours, moment: datetime, zone: tzinfo, overrides: tuple[HoursOverride, ...]) -> None:
        """``moment`` must be in UTC."""
        self._hours, self._moment, self._zone, self._overrides = hours, moment, zone, overrides
        self.open, self.reason = hours.is_open_with_reason(moment, zone, overrides)

    @property
    def next_opening(self) -> datetime | None:
        """Return the next change from closed to open, in the zone; None if beyond the horizon."""
        return self._find_change(1 if self.open else 0)

    @property
    def next_closing(self) -> datetime | None:
        """Return the next change from open to closed, in the zone; None if beyond the horizon."""
        return self._find_change(0 if self.open else 1)

    @property
    def active_override(self) -> HoursOverride | None:
        """The override that decides at this moment; the last one in the files wins."""
        return next((one for one in reversed(self._overrides) if one.applies_at(self._moment)), None)

    def suppose_override(self, override: HoursOverride) -> OpeningState:
        """Return the state at the same moment if there were one more override."""
        return OpeningState(self._hours, self._moment, self._zone, (*self._overrides, override))

    def _find_change(self, index: int) -> datetime | None:
        found = self._hours.find_next_changes(self._moment, self._zone, self._overrides)
        return found[index].astimezone(self._zone) if index < len(found) else None
