"""Reads opening hours from a flow file. The meaning of opening hours is defined in ``opening_hours``."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.flows.hours.opening_hours import DatedWindows, DateRange, OpeningHours, OpeningWindow
from callflows.flows.hours.public_holidays import find_last_holiday_year, parse_holiday_place
from callflows.flows.hours.spoken_times import ENGLISH_WEEKDAYS
from callflows.flows.hours.wall_clock import MINUTES_PER_DAY, parse_clock_time, parse_iso_date
from callflows.telephony.calls import WEEKDAY_NAMES
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from callflows.flows.source.positions import ProblemReport, SourcePath


SPECIAL_HOURS_KEYS: Final = ("holidays", "closed", "open")
"""Keys of opening hours beside the days."""
_WHOLE_WEEK: Final = (0, 1, 2, 3, 4, 5, 6)
DAY_GROUPS: Final = {
    "daily": _WHOLE_WEEK,
    "every-day": _WHOLE_WEEK,
    "weekdays": _WHOLE_WEEK[:5],
    "weekend": _WHOLE_WEEK[5:],
    "weekends": _WHOLE_WEEK[5:],
}
"""Words for several days."""
DAY_NUMBERS: Final = {
    **{name: day for day, name in enumerate(WEEKDAY_NAMES)},
    **{name.lower(): day for day, name in enumerate(ENGLISH_WEEKDAYS)},
    "tues": 1,
    "weds": 2,
    "thur": 3,
    "thurs": 3,
}
"""Words for one day, 0 for Monday; a dash between two words makes a range."""
_RANGE_DASH: Final = re.compile(r"\s*[-\u2013\u2014]\s*")
_DATE_RANGE_SEPARATOR: Final = re.compile(r"\s*(?:[-\u2013\u2014/]|\.\.|\bto\b)\s*(?=[0-9]{4}-)")
_DAYS_FIX: Final = "days are mon, mon-fri, sat,sun or daily; beside them stand holidays, closed and open"
_WINDOW_FIX: Final = "as 09:00-12:30, 13:30-18:00, on a clock of 24 hours"
_DATE_FIX: Final = "as 2026-12-24, or 2026-12-24 - 2027-01-02"


class _PlacedWindow(NamedTuple):
    """A window with its position and its key."""

    window: OpeningWindow
    path: SourcePath
    key: str


class _PlacedDateRange(NamedTuple):
    """A date range with its position and its text."""

    date_range: DateRange
    path: SourcePath
    text: str


def read_opening_hours(
    name: str, data: object, path: SourcePath, report: ProblemReport, *, today: date | None = None
) -> OpeningHours | None:
    """Read opening hours from dicts, lists and texts. Faulty parts are reported and left out.

    Returns None if no part can be read. Public holidays must be known beyond the year of ``today``; otherwise the report
    gets a warning.
    """
    if not isinstance(data, dict):
        if data is not None:
            report.error(path, "shape", f"{name}: must be a mapping of days and windows", "as daily: 09:00-17:00")
        return None
    known = len(report.problems)
    week = _read_week({key: value for key, value in data.items() if key not in SPECIAL_HOURS_KEYS}, path, report)
    holidays = _read_holiday_places(data.get("holidays"), (*path, "holidays"), report, today or datetime.now(UTC).date())
    closed = [*_read_closed_dates(data.get("closed"), (*path, "closed"), report)]
    opened = _read_dated_windows(data.get("open"), (*path, "open"), report)
    _check_closed_dates(closed, [dated.date_range for dated in opened], report)
    if not any(week) and not opened and len(report.problems) == known:
        fix = "name the days and their windows, as mon-fri: 09:00-17:00"
        report.warning(path, "hours-never", f"{name}: never opens", fix, key=True)
    return OpeningHours(name, week, holidays, tuple(days.date_range for days in closed), tuple(opened))


# The week


def _read_week(data: dict[str, object], path: SourcePath, report: ProblemReport) -> tuple[tuple[OpeningWindow, ...], ...]:
    """Read the windows of each day, from Monday to Sunday."""
    week: list[list[_PlacedWindow]] = [[] for _ in WEEKDAY_NAMES]
    first: dict[int, str] = {}
    for key, value in data.items():
        where = (*path, key)
        days = _read_days(key, where, report)
        windows = _read_windows(value, where, report) if days else []
        for day in days:
            other = first.setdefault(day, key)
            if other is not key or days.count(day) > 1:
                report.error(
                    where,
                    "hours-twice",
                    f"{key}: {WEEKDAY_NAMES[day]} is in {other!r} already",
                    "a day stands once",
                    key=True,
                )
                break
            week[day] = windows
    for day, windows in enumerate(week):
        _check_midnight_overlaps(week[day - 1], windows, report)
    return tuple(tuple(sorted(placed.window for placed in windows)) for windows in week)


def _read_days(key: str, path: SourcePath, report: ProblemReport) -> list[int]:
    """Return the days that a key names, from 0 for Monday; an empty list, with an error, for an invalid key."""
    days: list[int] = []
    for part in key.lower().split(","):
        found = _parse_days(part.strip())
        if found is None:
            report.error(path, "hours-day", f"{key!r} is no day", _suggest_day_fix(key, part.strip()), key=True)
            return []
        days += found
    return days


def _parse_days(text: str) -> Iterable[int] | None:
    if text in DAY_GROUPS:
        return DAY_GROUPS[text]
    ends = [DAY_NUMBERS.get(name) for name in _RANGE_DASH.split(text)]
    if len(ends) > 2 or None in ends:  # noqa: PLR2004 - a range has two
        return None
    first, last = ends[0] or 0, ends[-1] or 0
    return [day % 7 for day in range(first, (last if last >= first else last + 7) + 1)]


def _suggest_day_fix(key: str, part: str) -> str:
    if _parse_window(key) is not None:
        return "in braces a comma ends the value: give the windows as a list, [09:00-12:30, 13:30-18:00]"
    if parse_iso_date(key) is not None:
        return "dates stand under open or closed"
    return format_suggestion(part, [*WEEKDAY_NAMES, *DAY_GROUPS, *SPECIAL_HOURS_KEYS, "mon-fri"]) or _DAYS_FIX


def _check_midnight_overlaps(day_before: list[_PlacedWindow], windows: list[_PlacedWindow], report: ProblemReport) -> None:
    """Report windows that overlap a window of the day before, continued past midnight."""
    for early in day_before:
        for late in windows:
            if late.window.start_minute < early.window.end_minute - MINUTES_PER_DAY:
                message = f"{late.key}: {late.window} overlaps {early.window} of {early.key}, which goes on past midnight"
                report.error(late.path, "hours-overlap", message, "let it begin where the other ends")


# Windows


def _read_windows(value: object, path: SourcePath, report: ProblemReport) -> list[_PlacedWindow]:
    """Read the windows of a day, sorted; an empty list means closed. Faulty windows are reported and left out."""
    key = str(path[-1])
    if isinstance(value, str) and value.strip().lower() == "closed":
        return []
    placed: list[_PlacedWindow] = []
    for text, where in _split_texts(value, path, report):
        window = _read_window(text, key, where, report)
        if window is not None:
            placed.append(_PlacedWindow(window, where, key))
    placed.sort(key=lambda one: one.window)
    for early, late in itertools.pairwise(placed):
        if late.window.start_minute < early.window.end_minute:
            message = f"{key}: {late.window} overlaps {early.window}"
            report.error(late.path, "hours-overlap", message, "make one window of the two, or let the second begin later")
    return placed


def _read_window(text: str, key: str, path: SourcePath, report: ProblemReport) -> OpeningWindow | None:
    found = _parse_window(text)
    if found is None:
        fix = "write closed, alone" if text.lower() == "closed" else _suggest_window(text) or _WINDOW_FIX
        report.error(path, "hours-window", f"{key}: {text!r} is no window", fix)
        return None
    begins, ends = found
    if begins == ends:
        message = f"{key}: {text} never opens, since it ends where it begins"
        report.error(path, "hours-window", message, "00:00-24:00 is the whole day")
        return None
    return OpeningWindow(begins, ends if ends > begins else ends + MINUTES_PER_DAY)


def _parse_window(text: str) -> tuple[int, int] | None:
    times = [parse_clock_time(time) for time in _RANGE_DASH.split(text.strip())]
    if len(times) != 2 or times[0] is None or times[1] is None or times[0] == MINUTES_PER_DAY:  # noqa: PLR2004 - two ends
        return None
    return times[0], times[1]


def _suggest_window(text: str) -> str:
    """Suggest a window for an informal notation, as 9-17, 0900-1700, 9am-5pm; return "" if unclear."""
    times = []
    for written in _RANGE_DASH.split(text.strip().lower()):
        found = _INFORMAL_TIME.fullmatch(written)
        if found is None or (found[3] and not 1 <= int(found[1]) <= 12):  # noqa: PLR2004 - a 12-hour clock
            return ""
        hour = int(found[1]) % 12 + 12 * (found[3] == "pm") if found[3] else int(found[1])
        times.append(f"{hour:02}:{found[2] or '00'}")
    window = "-".join(times)
    return f"did you mean {window}?" if _parse_window(window) is not None else ""


_INFORMAL_TIME: Final = re.compile(r"([0-9]{1,2}?)(?:[.:h]?([0-9]{2}))?\s*(am|pm)?")


def _split_texts(value: object, path: SourcePath, report: ProblemReport) -> Iterator[tuple[str, SourcePath]]:
    """Split texts at commas, also inside a list, and return each part with its position."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, str):
                yield from _split_texts(item, (*path, index), report)
            elif item is not None:
                report.error((*path, index), "shape", f"{path[-1]}: must be a text")
    elif isinstance(value, str):
        for part in value.split(","):
            yield part.strip(), path
    elif value is not None:
        report.error(path, "shape", f"{path[-1]}: must be a text or a list")


# Dates


def _read_holiday_places(value: object, path: SourcePath, report: ProblemReport, today: date) -> tuple[str, ...]:
    places: dict[str, None] = {}
    for text, where in _split_texts(value, path, report):
        try:
            place = parse_holiday_place(text)
        except ValueError as error:
            message, fix = error.args
            report.error(where, "hours-holidays", f"holidays: {message}", fix)
            continue
        places[place] = None
        last = find_last_holiday_year(place)
        if last <= today.year:
            message = f"holidays: those of {place} are known up to {last} only"
            report.warning(where, "hours-holidays", message, "name the days under closed, or update the package holidays")
    return tuple(places)


def _read_closed_dates(value: object, path: SourcePath, report: ProblemReport) -> Iterator[_PlacedDateRange]:
    for key in value if isinstance(value, dict) else ():
        message = f"closed: {key} has windows, and a closed day has none"
        report.error((*path, key), "hours-date", message, "closed takes dates; open takes dates with windows", key=True)
    for text, where in () if isinstance(value, dict) else _split_texts(value, path, report):
        span = _read_date_range(text, where, report, key=False)
        if span is not None:
            yield _PlacedDateRange(span, where, text)


def _read_date_range(text: str, path: SourcePath, report: ProblemReport, *, key: bool) -> DateRange | None:
    """Read ``2026-12-24``, or two dates with a dash between; report an error and return None if invalid."""
    ends = [parse_iso_date(part) for part in _DATE_RANGE_SEPARATOR.split(text.strip())]
    if len(ends) > 2 or ends[0] is None or ends[-1] is None:  # noqa: PLR2004 - a first and a last
        fix = _DATE_FIX
        if key and _parse_window(text) is not None:
            fix = "in braces a comma ends the value: give the windows as a list, [09:00-12:30, 13:30-18:00]"
        report.error(path, "hours-date", f"{text!r} is no date", fix, key=key)
        return None
    if ends[-1] < ends[0]:
        report.error(path, "hours-date", f"{text} ends before it begins", "the earlier date comes first", key=key)
        return None
    return DateRange(ends[0], ends[-1])


def _read_dated_windows(value: object, path: SourcePath, report: ProblemReport) -> list[DatedWindows]:
    """Read the dates whose windows replace those of the week, sorted by date."""
    if value is not None and not isinstance(value, dict):
        report.error(path, "shape", "open: must be a mapping of dates and windows", "as open: {2026-12-19: 10:00-16:00}")
    opened: list[tuple[DatedWindows, SourcePath]] = []
    for key, written in value.items() if isinstance(value, dict) else ():
        where = (*path, key)
        span = _read_date_range(key, where, report, key=True)
        windows = _read_windows(written, where, report) if span is not None or written else []
        if span is not None and windows:
            opened.append((DatedWindows(span, tuple(placed.window for placed in windows)), where))
        elif isinstance(written, str) and written.strip().lower() == "closed":
            report.error(where, "hours-date", f"open: {key} is closed", "a closed date stands under closed")
    opened.sort(key=lambda one: one[0].date_range)
    for (early, _), (late, where) in itertools.pairwise(opened):
        if late.date_range.first <= early.date_range.last:
            report.error(
                where, "hours-twice", f"open: {late.date_range.first} is given twice", "a date stands once", key=True
            )
    return [dated for dated, _ in opened]


def _check_closed_dates(closed_dates: list[_PlacedDateRange], open_dates: list[DateRange], report: ProblemReport) -> None:
    """Warn about closed dates that ``open`` contains too: ``open`` wins."""
    for days in closed_dates:
        if any(days.date_range.first in span and days.date_range.last in span for span in open_dates):
            message = f"closed: {days.text} is under open too, which wins"
            report.warning(days.path, "hours-contradiction", message, "take it out of one of the two")
