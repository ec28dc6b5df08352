"""Opening hours as an author writes them. What they mean is in ``opening``."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from app.errors import suggestion
from app.flows.hours.opening import WEEKDAYS, Dated, Hours, Span, Window
from app.flows.hours.public_holidays import last_year, place_of
from app.flows.hours.wall_clock import DAY, date_of, minute_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from app.flows.places import Path, Report

KEYS: Final = ("holidays", "closed", "open")
"""What stands beside the days."""
_WHOLE_WEEK: Final = (0, 1, 2, 3, 4, 5, 6)
GROUPS: Final = {
    "daily": _WHOLE_WEEK,
    "every-day": _WHOLE_WEEK,
    "weekdays": _WHOLE_WEEK[:5],
    "weekend": _WHOLE_WEEK[5:],
    "weekends": _WHOLE_WEEK[5:],
}
"""Words for several days."""
NAMES: Final = {
    **{name: day for day, name in enumerate(WEEKDAYS)},
    **{
        name: day for day, name in enumerate(["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"])
    },
    "tues": 1,
    "weds": 2,
    "thur": 3,
    "thurs": 3,
}
"""Words for a day, which a dash makes a range of."""
_DASH: Final = re.compile(r"\s*[-\u2013\u2014]\s*")
_BETWEEN: Final = re.compile(r"\s*(?:[-\u2013\u2014/]|\.\.|\bto\b)\s*(?=[0-9]{4}-)")
_DAYS_MEND: Final = "days are mon, mon-fri, sat,sun or daily; beside them stand holidays, closed and open"
_WINDOW_MEND: Final = "as 09:00-12:30, 13:30-18:00, on a clock of 24 hours"
_DATE_MEND: Final = "as 2026-12-24, or 2026-12-24 - 2027-01-02"


class _Placed(NamedTuple):
    """A window, with its place and the key that it stands under."""

    window: Window
    path: Path
    key: str


class _Days(NamedTuple):
    """Dates, with the place and the text of them."""

    span: Span
    path: Path
    written: str


def read_hours(name: str, given: object, path: Path, report: Report, *, today: date | None = None) -> Hours | None:
    """Opening hours from dicts, lists and texts; what is wrong is said in ``report`` and left out.

    None where nothing can be read. ``today`` is the date from which holidays must be known.
    """
    if not isinstance(given, dict):
        if given is not None:
            report.error(path, "shape", f"{name}: must be a mapping of days and windows", "as daily: 09:00-17:00")
        return None
    known = len(report.problems)
    week = _week({key: value for key, value in given.items() if key not in KEYS}, path, report)
    holidays = _holidays(given.get("holidays"), (*path, "holidays"), report, today or datetime.now(UTC).date())
    closed = [*_spans(given.get("closed"), (*path, "closed"), report)]
    opened = _opened(given.get("open"), (*path, "open"), report)
    _look_at_closed(closed, [dated.days for dated in opened], report)
    if not any(week) and not opened and len(report.problems) == known:
        mend = "name the days and their windows, as mon-fri: 09:00-17:00"
        report.warning(path, "hours-never", f"{name}: never opens", mend, key=True)
    return Hours(name, week, holidays, tuple(days.span for days in closed), tuple(opened))


# The week


def _week(given: dict[str, object], path: Path, report: Report) -> tuple[tuple[Window, ...], ...]:
    """The windows of mon … sun."""
    week: list[list[_Placed]] = [[] for _ in WEEKDAYS]
    first: dict[int, str] = {}
    for key, value in given.items():
        where = (*path, key)
        days = _days(key, where, report)
        windows = _windows(value, where, report) if days else []
        for day in days:
            other = first.setdefault(day, key)
            if other is not key or days.count(day) > 1:
                report.error(
                    where, "hours-twice", f"{key}: {WEEKDAYS[day]} is in {other!r} already", "a day stands once", key=True
                )
                break
            week[day] = windows
    for day, windows in enumerate(week):
        _look_over_midnight(week[day - 1], windows, report)
    return tuple(tuple(sorted(placed.window for placed in windows)) for windows in week)


def _days(key: str, path: Path, report: Report) -> list[int]:
    """The days that a key names, from 0 for Monday; none where it is wrong."""
    days: list[int] = []
    for part in key.lower().split(","):
        found = _days_of(part.strip())
        if found is None:
            report.error(path, "hours-day", f"{key!r} is no day", _day_mend(key, part.strip()), key=True)
            return []
        days += found
    return days


def _days_of(written: str) -> Iterable[int] | None:
    if written in GROUPS:
        return GROUPS[written]
    ends = [NAMES.get(name) for name in _DASH.split(written)]
    if len(ends) > 2 or None in ends:  # noqa: PLR2004 - a range has two
        return None
    first, last = ends[0] or 0, ends[-1] or 0
    return [day % 7 for day in range(first, (last if last >= first else last + 7) + 1)]


def _day_mend(key: str, part: str) -> str:
    if _window_of(key) is not None:
        return "in braces a comma ends the value: give the windows as a list, [09:00-12:30, 13:30-18:00]"
    if date_of(key) is not None:
        return "dates stand under open or closed"
    return suggestion(part, [*WEEKDAYS, *GROUPS, *KEYS, "mon-fri"]) or _DAYS_MEND


def _look_over_midnight(before: list[_Placed], windows: list[_Placed], report: Report) -> None:
    """A window that goes on past midnight must not meet one of the next day."""
    for early in before:
        for late in windows:
            if late.window.begins < early.window.ends - DAY:
                message = f"{late.key}: {late.window} overlaps {early.window} of {early.key}, which goes on past midnight"
                report.error(late.path, "hours-overlap", message, "let it begin where the other ends")


# Windows


def _windows(value: object, path: Path, report: Report) -> list[_Placed]:
    """The windows of a day, none where it is closed; what is wrong is said and left out."""
    key = str(path[-1])
    if isinstance(value, str) and value.strip().lower() == "closed":
        return []
    placed: list[_Placed] = []
    for text, where in _texts(value, path, report):
        window = _window(text, key, where, report)
        if window is not None:
            placed.append(_Placed(window, where, key))
    placed.sort(key=lambda one: one.window)
    for early, late in itertools.pairwise(placed):
        if late.window.begins < early.window.ends:
            message = f"{key}: {late.window} overlaps {early.window}"
            report.error(late.path, "hours-overlap", message, "make one window of the two, or let the second begin later")
    return placed


def _window(text: str, key: str, path: Path, report: Report) -> Window | None:
    found = _window_of(text)
    if found is None:
        mend = "write closed, alone" if text.lower() == "closed" else _window_near(text) or _WINDOW_MEND
        report.error(path, "hours-window", f"{key}: {text!r} is no window", mend)
        return None
    begins, ends = found
    if begins == ends:
        message = f"{key}: {text} never opens, since it ends where it begins"
        report.error(path, "hours-window", message, "00:00-24:00 is the whole day")
        return None
    return Window(begins, ends if ends > begins else ends + DAY)


def _window_of(text: str) -> tuple[int, int] | None:
    times = [minute_of(time) for time in _DASH.split(text.strip())]
    if len(times) != 2 or times[0] is None or times[1] is None or times[0] == DAY:  # noqa: PLR2004 - a begin and an end
        return None
    return times[0], times[1]


def _window_near(text: str) -> str:
    """What window is probably meant by one that is written otherwise, as 9-17, 0900-1700, 9am-5pm."""
    times = []
    for written in _DASH.split(text.strip().lower()):
        found = _TIME.fullmatch(written)
        if found is None or (found[3] and not 1 <= int(found[1]) <= 12):  # noqa: PLR2004 - a clock of twelve hours
            return ""
        hour = int(found[1]) % 12 + 12 * (found[3] == "pm") if found[3] else int(found[1])
        times.append(f"{hour:02}:{found[2] or '00'}")
    window = "-".join(times)
    return f"did you mean {window}?" if _window_of(window) is not None else ""


_TIME: Final = re.compile(r"([0-9]{1,2}?)(?:[.:h]?([0-9]{2}))?\s*(am|pm)?")


def _texts(value: object, path: Path, report: Report) -> Iterator[tuple[str, Path]]:
    """The parts of a text with commas, or of a list of such, each with its place."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, str):
                yield from _texts(item, (*path, index), report)
            elif item is not None:
                report.error((*path, index), "shape", f"{path[-1]}: must be a text")
    elif isinstance(value, str):
        for part in value.split(","):
            yield part.strip(), path
    elif value is not None:
        report.error(path, "shape", f"{path[-1]}: must be a text or a list")


# Dates


def _holidays(value: object, path: Path, report: Report, today: date) -> tuple[str, ...]:
    places: dict[str, None] = {}
    for text, where in _texts(value, path, report):
        try:
            place = place_of(text)
        except ValueError as error:
            message, mend = error.args
            report.error(where, "hours-holidays", f"holidays: {message}", mend)
            continue
        places[place] = None
        last = last_year(place)
        if last <= today.year:
            message = f"holidays: those of {place} are known up to {last} only"
            report.warning(where, "hours-holidays", message, "name the days under closed, or update the package holidays")
    return tuple(places)


def _spans(value: object, path: Path, report: Report) -> Iterator[_Days]:
    """The dates that are closed."""
    for key in value if isinstance(value, dict) else ():
        message = f"closed: {key} has windows, and a closed day has none"
        report.error((*path, key), "hours-date", message, "closed takes dates; open takes dates with windows", key=True)
    for text, where in () if isinstance(value, dict) else _texts(value, path, report):
        span = _span(text, where, report, key=False)
        if span is not None:
            yield _Days(span, where, text)


def _span(text: str, path: Path, report: Report, *, key: bool) -> Span | None:
    """``2026-12-24``, or two such with a dash between."""
    ends = [date_of(part) for part in _BETWEEN.split(text.strip())]
    if len(ends) > 2 or ends[0] is None or ends[-1] is None:  # noqa: PLR2004 - a first and a last
        mend = _DATE_MEND
        if key and _window_of(text) is not None:
            mend = "in braces a comma ends the value: give the windows as a list, [09:00-12:30, 13:30-18:00]"
        report.error(path, "hours-date", f"{text!r} is no date", mend, key=key)
        return None
    if ends[-1] < ends[0]:
        report.error(path, "hours-date", f"{text} ends before it begins", "the earlier date comes first", key=key)
        return None
    return Span(ends[0], ends[-1])


def _opened(value: object, path: Path, report: Report) -> list[Dated]:
    """The dates whose windows replace those of the week."""
    if value is not None and not isinstance(value, dict):
        report.error(path, "shape", "open: must be a mapping of dates and windows", "as open: {2026-12-19: 10:00-16:00}")
    opened: list[tuple[Dated, Path]] = []
    for key, written in value.items() if isinstance(value, dict) else ():
        where = (*path, key)
        span = _span(key, where, report, key=True)
        windows = _windows(written, where, report) if span is not None or written else []
        if span is not None and windows:
            opened.append((Dated(span, tuple(placed.window for placed in windows)), where))
        elif isinstance(written, str) and written.strip().lower() == "closed":
            report.error(where, "hours-date", f"open: {key} is closed", "a closed date stands under closed")
    opened.sort(key=lambda one: one[0].days)
    for (early, _), (late, where) in itertools.pairwise(opened):
        if late.days.first <= early.days.last:
            report.error(where, "hours-twice", f"open: {late.days.first} is given twice", "a date stands once", key=True)
    return [dated for dated, _ in opened]


def _look_at_closed(closed: list[_Days], opened: list[Span], report: Report) -> None:
    """A closed date that ``open`` names too is open."""
    for days in closed:
        if any(days.span.first in span and days.span.last in span for span in opened):
            message = f"closed: {days.written} is under open too, which wins"
            report.warning(days.path, "hours-contradiction", message, "take it out of one of the two")
