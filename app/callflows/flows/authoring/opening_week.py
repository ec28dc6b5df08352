"""Describes in words when a flow is open in the coming seven days, for ``callflows show``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from callflows.flows.hours.hours_reader import read_opening_hours
from callflows.flows.hours.spoken_times import format_english_clock_time
from callflows.flows.hours.wall_clock import MINUTES_PER_DAY
from callflows.flows.source.time_zones import find_timezone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date, datetime

    from callflows.flows.hours.opening_hours import OpeningHours, OpeningWindow
    from callflows.flows.source.positions import ProblemReport


def describe_opening_week(document: Mapping[str, object], now: datetime, report: ProblemReport) -> Iterator[str]:
    """Yield the lines of each opening hours of a flow file, with the seven days from ``now`` on.

    Overrides are left out: they change without the file. Problems of the hours are added to ``report``.
    """
    named_hours = document.get("hours")
    timezone = document.get("timezone")
    zone = find_timezone(timezone, ("timezone",), report) if isinstance(timezone, str) else None
    today = (now.astimezone(zone) if zone is not None else now).date()
    for name, written in named_hours.items() if isinstance(named_hours, dict) else ():
        hours = read_opening_hours(name, written, ("hours", name), report, today=today)
        if hours is not None:
            yield ""
            yield f"hours {name} in the coming week, on the clock of {zone.key if zone is not None else 'UTC'}"
            yield from (f"  {line}" for line in _describe_days(hours, today))


def _describe_days(hours: OpeningHours, today: date) -> Iterator[str]:
    for ahead in range(7):
        day = today + timedelta(days=ahead)
        windows, rule = hours.find_rule_of_day(day)
        described_windows = " and ".join(map(_describe_window, windows)) if windows else "closed"
        special = f" ({rule})" if rule.startswith(("holiday", "closed", "open")) else ""
        yield f"{day:%A}, {day:%B} {day.day}: {'open ' if windows else ''}{described_windows}{special}"


def _describe_window(window: OpeningWindow) -> str:
    begins, ends = window
    if (begins, ends) == (0, MINUTES_PER_DAY):
        return "all day"
    night = ", through the night," if ends > MINUTES_PER_DAY else ""
    last = "midnight" if ends == MINUTES_PER_DAY else format_english_clock_time(ends % MINUTES_PER_DAY)
    following = " of the day after" if ends > MINUTES_PER_DAY else ""
    return f"from {format_english_clock_time(begins)}{night} to {last}{following}"
