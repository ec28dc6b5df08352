"""Reads opening hours from a flow file. The meaning of opening hours is defined in ``opening_hours``."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.flows.hours.opening_hours import DatedWindows, DateRange, OpeningHours, OpeningWindow
from callflows.flows.hours.public_holidays import explain_mistaken_country, find_last_holiday_year, parse_holiday_place
from callflows.flows.hours.spoken_times import ENGLISH_WEEKDAYS
from callflows.flows.hours.wall_clock import (
    MINUTES_PER_DAY,
    format_clock_time,
    parse_clock_time,
    parse_iso_date,
    suggest_date,
)
from callflows.telephony.calls import WEEKDAY_NAMES
from callflows.text import Suggestion, format_suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
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
_BLANKS_BEFORE: Final = r"(?:(?<!\s)\s++)?"
"""Blanks before a sign to split at: all of them or none, so that a long row of blanks is read once."""
_RANGE_DASH: Final = re.compile(rf"{_BLANKS_BEFORE}[-\u2013\u2014]\s*")
_DATE_RANGE_SEPARATOR: Final = re.compile(rf"{_BLANKS_BEFORE}(?:[-\u2013\u2014/]|\.\.|\bto\b)\s*(?=[0-9]{{4}}-)")
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
    name: str,
    data: object,
    path: SourcePath,
    report: ProblemReport,
    *,
    today: date | None = None,
    find_countries: Callable[[], Collection[str]] = tuple,
) -> OpeningHours | None:
    """Read opening hours from dicts, lists and texts. Faulty parts are reported and left out.

    Returns None if no part can be read. Public holidays must be known beyond the year of ``today``; otherwise the report
    gets a warning. ``find_countries`` returns the countries of the flow, as far as they are known: there, GA means Georgia
    and not Gabon.
    """
    if not isinstance(data, dict):
        if data is not None:
            report.error(path, "shape", f"{name}: must be a mapping of days and windows", "as daily: 09:00-17:00")
        return None
    known = len(report.problems)
    week = _read_week({key: value for key, value in data.items() if key not in SPECIAL_HOURS_KEYS}, path, report)
    holidays = _read_holiday_places(
        data.get("holidays"), (*path, "holidays"), report, today or datetime.now(UTC).date(), find_countries
    )
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
    if parse_iso_date(key) is not None or (suggest_date(key) and not re.fullmatch("[1-7]-[1-7]", key)):
        written = key if parse_iso_date(key) is not None else "2026-12-24"
        return f"dates stand under open or closed, as open: {{{written}: 10:00-14:00}}, or closed: [{written}, …]"
    if part == "timezone":
        return "the time zone of all hours stands at the top level of the file, beside hours"
    if part in ("lunch", "lunch break", "break", "breaks", "pause"):
        return "a break is the time between two windows, as mon-fri: 09:00-12:30, 13:30-18:00"
    parts = [one.strip() for one in key.lower().split(",")]
    words = [*WEEKDAY_NAMES, *DAY_GROUPS, "mon-fri", *(SPECIAL_HOURS_KEYS if len(parts) == 1 else ())]
    likely = [
        one if _parse_days(one) is not None else _suggest_days(one) or format_suggestion(one, words).word for one in parts
    ]
    if all(likely):
        two = part.split()
        is_pair = len(two) == len(("mon", "fri")) and all(day in DAY_NUMBERS for day in two)
        return f"did you mean {'-'.join(two)!r}, or {','.join(two)!r}?" if is_pair else Suggestion(",".join(likely))
    return _DAYS_FIX


def _suggest_days(text: str) -> str:
    """Return the days that another notation or another language means, as ``mon,wed`` for ``mon/wed``; "" if unclear."""
    if text.removesuffix("s") in DAY_NUMBERS:
        return text.removesuffix("s")
    if all(day in DAY_NUMBERS for day in text.split()):
        return ",".join(text.split())
    if text.replace(" ", "").replace("-", "") in _WORDS_FOR_EVERY_DAY:
        return "daily"
    parts = [_translate_days(part) for part in _DAY_SEPARATOR.split(text) if part]
    return ",".join(parts) if parts and all(_parse_days(part) is not None for part in parts) else ""


def _translate_days(text: str) -> str:
    ends = [_FOREIGN_DAYS.get(name, name) for name in _DAY_DASH.split(text.strip())]
    return "-".join(name.removesuffix("s") if name.removesuffix("s") in DAY_NUMBERS else name for name in ends)


_WORDS_FOR_EVERY_DAY: Final = frozenset({"all", "alldays", "alldaysweek", "any", "always", "everyday", "allweek", "7days"})
_DAY_SEPARATOR: Final = re.compile(rf"{_BLANKS_BEFORE}(?:[/&+;]|\b(?:and|und|et|y)\b)\s*")
_DAY_DASH: Final = re.compile(rf"{_BLANKS_BEFORE}(?:[-\u2013\u2014]|\b(?:to|till|until|through|thru|bis|au|a|\u00e0)\b)\s*")
_FOREIGN_DAYS: Final = {
    name: day
    for names in (
        "montag dienstag mittwoch donnerstag freitag samstag sonntag",
        "mo di mi do fr sa so",
        "lundi mardi mercredi jeudi vendredi samedi dimanche",
        "lunes martes mi\u00e9rcoles jueves viernes s\u00e1bado domingo",
        "lun mar mi\u00e9 jue vie s\u00e1b dom",
        "lun mar mer jeu ven sam dim",
    )
    for name, day in zip(names.split(), WEEKDAY_NAMES, strict=True)
}
"""Names of days in German, French and Spanish."""


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
    texts = [*_split_texts(value, path, report, "hours-window", _suggest_windows_of_mapping(key, value))]
    order = _WrittenOrder([text for text, _ in texts])
    for text, where in texts:
        window = _read_window(text, key, where, report, order)
        if window is not None:
            placed.append(_PlacedWindow(window, where, key))
    placed.sort(key=lambda one: one.window)
    for early, late in itertools.pairwise(placed):
        if late.window.start_minute < early.window.end_minute:
            message = f"{key}: {late.window} overlaps {early.window}"
            report.error(late.path, "hours-overlap", message, "make one window of the two, or let the second begin later")
        elif late.window.start_minute == early.window.end_minute + 1:
            message = f"{key}: callers between {early.window} and {late.window} hear for a minute that it is closed"
            fix = f"did you mean {OpeningWindow(early.window.start_minute, late.window.start_minute)}?"
            report.warning(early.path, "hours-window", message, fix)
    return placed


class _WrittenOrder:
    """The windows of a day in the order of the file: on a clock of 12 hours, the afternoon stands after the morning."""

    def __init__(self, texts: Iterable[str]) -> None:
        windows = [window for text in texts if (window := _parse_window(text)) is not None]
        self._is_12_hour_clock = all(max(one) < _ONE_PM for one in windows)
        self._earlier: tuple[int, int] | None = None

    def find_afternoon_after(self, window: tuple[int, int]) -> tuple[int, int] | None:
        """Return the afternoon window that ``window`` probably is, if it stands after a later one; else None."""
        earlier, self._earlier = self._earlier, window
        if earlier is None or not self._is_12_hour_clock or window[0] >= earlier[0] or window[1] <= window[0]:
            return None
        afternoon = (window[0] + _NOON, window[1] + _NOON)
        return afternoon if afternoon[0] >= earlier[1] and afternoon[1] <= MINUTES_PER_DAY else None


def _read_window(
    text: str, key: str, path: SourcePath, report: ProblemReport, order: _WrittenOrder
) -> OpeningWindow | None:
    found = _parse_window(text)
    if found is None:
        if not text.strip():
            fix = f'write {key}: 09:00-17:00, or {key}: closed; days with the same hours are one key: "mon,tue"'
            report.error(path, "hours-window", f"{key}: has no hours", fix)
            return None
        fix = "write closed, alone" if text.lower() == "closed" else _suggest_windows(text) or _WINDOW_FIX
        if _WORDS_FOR_CLOSED.fullmatch(text):
            fix = Suggestion("closed")
        report.error(path, "hours-window", f"{key}: {text!r} are no opening hours", fix)
        return None
    begins, ends = found
    afternoon = order.find_afternoon_after(found)
    if begins == ends:
        message = f"{key}: {text} never opens, since it ends where it begins"
        likely = f"; did you mean {OpeningWindow(begins, ends + _NOON)}?" if 0 < begins < _NOON else ""
        report.error(path, "hours-window", message, f"00:00-24:00 is the whole day{likely}")
        return None
    if _is_mistaken_night(begins, ends):
        daytime = OpeningWindow(begins, ends + _NOON)
        message = f"{key}: {text} ends before it begins"
        fix = (
            f"did you mean {daytime}? If it is open all night, write {format_clock_time(begins)}-24:00, "
            f"and 00:00-{format_clock_time(ends)} on the day after"
        )
        report.error(path, "hours-window", message, fix)
        return None
    if afternoon is not None:
        message = f"{key}: {text} is early in the morning, and stands after a later window"
        fix = f"did you mean {OpeningWindow(*afternoon)}? If the early morning is meant, write it first"
        report.error(path, "hours-window", message, fix)
        return None
    if _is_doubtful_night(text, begins, ends):
        message = f"{key}: {text} is at night, on a clock of 24 hours"
        night = f"{format_clock_time(begins)}-{format_clock_time(ends)}"
        fix = f"did you mean {OpeningWindow(begins + _NOON, ends + _NOON)}? {night} says that the night is meant"
        report.warning(path, "hours-night", message, fix)
    elif _NOON <= begins < _FIRST_EVENING_HOUR and begins - _NOON < ends < begins and not _is_written_with_zero(text):
        message = f"{key}: {text} is open until {format_clock_time(ends)} on the day after"
        night = f"{format_clock_time(begins)}-{format_clock_time(ends)}"
        fix = f"did you mean {OpeningWindow(begins, ends + _NOON)}? {night} says that the night is meant"
        report.warning(path, "hours-night", message, fix)
    _check_minutes_of_midnight(key, text, found, path, report)
    return OpeningWindow(begins, ends if ends > begins else ends + MINUTES_PER_DAY)


def _check_minutes_of_midnight(
    key: str, text: str, window: tuple[int, int], path: SourcePath, report: ProblemReport
) -> None:
    """Warn about a window that leaves out the last minute of a day, or the first one."""
    begins, ends = window
    is_late, is_early = begins == 1, ends == MINUTES_PER_DAY - 1
    if is_late or is_early:
        whole = OpeningWindow(0 if is_late else begins, MINUTES_PER_DAY if is_early or not ends else ends)
        minute = "the first and the last minute" if is_late and is_early else f"the {'first' if is_late else 'last'} minute"
        message = f"{key}: {text} is closed in {minute} of the day, and callers are told so"
        report.warning(path, "hours-window", message, f"did you mean {whole}?")


_WORDS_FOR_CLOSED: Final = re.compile(
    r"no|none|off|not? open|never|false|nil|n/?a|null|nothing|free|shut|day off|all day closed|closed all day"
    r"|(?:we are |is )?close[d.]{0,2}|geschlossen|zu|ruhetag|ferm\u00e9e?|cerrado|chiuso|[-\u2013\u2014x0]",
    re.IGNORECASE,
)


_NOON: Final = MINUTES_PER_DAY // 2
_MINUTES_PER_HOUR: Final = 60
_ONE_PM: Final = _NOON + _MINUTES_PER_HOUR
_FIRST_EVENING_HOUR: Final = 16 * _MINUTES_PER_HOUR
_LAST_NIGHT_HOUR: Final = 4 * _MINUTES_PER_HOUR
"""A place that opens at noon may close so late in the night, but no later."""
_FIRST_BUSINESS_HOUR: Final = 6 * _MINUTES_PER_HOUR
"""Windows that begin earlier, without a leading zero, are afternoons on a clock of 12 hours."""


def _is_mistaken_night(begins: int, ends: int) -> bool:
    """Return True if a window ends before it begins and cannot be a night, as 08:30-05:30.

    A night begins in the afternoon or later. A window that ends at midnight is no night: 08:00-00:00 is plain.
    """
    if ends == 0 or ends > begins:
        return False
    return begins < _NOON or (begins < _ONE_PM and ends > _LAST_NIGHT_HOUR)


def _is_doubtful_night(text: str, begins: int, ends: int) -> bool:
    """Return True if a window as 1:00-5:00 is at night, and written as on a clock of 12 hours."""
    return (
        _MINUTES_PER_HOUR <= begins < _FIRST_BUSINESS_HOUR and begins < ends <= _NOON and not text.strip().startswith("0")
    )


def _is_written_with_zero(text: str) -> bool:
    """Return True if the end of a window is written as on a clock of 24 hours, as in 12:00-02:00."""
    return _RANGE_DASH.split(text.strip())[1].startswith("0")


def _parse_window(text: str) -> tuple[int, int] | None:
    times = [parse_clock_time(time) for time in _RANGE_DASH.split(text.strip())]
    if len(times) != 2 or times[0] is None or times[1] is None or times[0] == MINUTES_PER_DAY:  # noqa: PLR2004 - two ends
        return None
    return times[0], times[1]


def _suggest_windows(text: str) -> str:
    """Suggest the windows that are meant by words for the whole day, or by several windows without a comma."""
    if re.sub("[^a-z0-9]", "", text.lower()) in _WORDS_FOR_WHOLE_DAY:
        return "the whole day is 00:00-24:00"
    parts = _MISSING_COMMA.split(text.strip())
    if len(parts) > 1 and all(_parse_window(part) for part in parts):
        return f"several windows have a comma between them: {', '.join(parts)}"
    return _suggest_window(text)


_WORDS_FOR_WHOLE_DAY: Final = frozenset(
    {"24h", "24hours", "247", "24hrs", "24", "allday", "always", "open", "wholeday", "day"}
)
_MISSING_COMMA: Final = re.compile(
    r"(?<=[0-9])(?=[\s;&/|+])\s*+(?:(?:[;&/|+]|\band\b|\bund\b|\by\b)\s*+)?(?=[0-9])", re.IGNORECASE
)


def _suggest_window(text: str) -> str:
    """Suggest a window for an informal notation, as 9-17, 0900-1700, 9-5, 9am to 5pm; return "" if unclear."""
    plain = _WORDS_BESIDE_TIMES.sub("", text.strip().lower()).strip()
    written = [_INFORMAL_TIME.fullmatch(_spell_time(part)) for part in _INFORMAL_DASH.split(plain)]
    if len(written) != 2 or written[0] is None or written[1] is None:  # noqa: PLR2004 - a begin and an end
        return ""
    begins, ends = _list_informal_readings(written[0]), _list_informal_readings(written[1])
    if not begins or not ends:
        return ""
    if len(begins) > 1 and ends == [0] and begins[0] < _NOON:
        # From nine to midnight is a day, from five to midnight an evening.
        is_day = begins[0] > _FIRST_BUSINESS_HOUR
        windows = [f"{format_clock_time(one)}-00:00" for one in (begins if is_day else reversed(begins))]
        return f"did you mean {', or '.join(windows)}?"
    if len(begins) > 1 and len(ends) == 1 and written[1][3]:
        # "1-5pm" is the afternoon, "9-5pm" the day: the half of the end holds for the begin if it then comes before
        begin = max((one for one in begins if one < (ends[0] or MINUTES_PER_DAY)), default=begins[0])
    else:
        begin = begins[0]
    end = min(ends, key=lambda one: (one - begin - 1) % MINUTES_PER_DAY)
    if begin == end:
        return "the whole day is 00:00-24:00"
    begin, end = begin % MINUTES_PER_DAY, MINUTES_PER_DAY if end == MINUTES_PER_DAY - 1 else end
    if _is_mistaken_night(begin, end):
        if written[1][3]:
            return ""
        end += _NOON
    likely = f"{format_clock_time(begin)}-{format_clock_time(end)}"
    if len(begins) > 1 and len(ends) > 1 and begin < _FIRST_BUSINESS_HOUR + _MINUTES_PER_HOUR and begin < end <= _NOON:
        return f"did you mean {OpeningWindow(begin + _NOON, end + _NOON)}, or {likely}?"
    return f"did you mean {likely}?"


def _spell_time(text: str) -> str:
    text = re.sub(r"(?<=:[0-9]{2}):[0-5][0-9]$", "", text.strip())
    text = re.sub(r"([ap])\.\s?m\.?|(?<![a-z])([ap])$", lambda found: f"{found[1] or found[2]}m", text)
    return {"noon": "12pm", "midnight": "12am", "midday": "12pm"}.get(text.strip(), text.strip())


def _list_informal_readings(written: re.Match[str]) -> list[int]:
    """Return the minutes of the day that an informal time can mean, the morning first; nothing for an invalid time.

    Only an hour from 1 to 12 without a leading zero is open between the halves of the day.
    """
    hour, minute, half = int(written[1]), int(written[2] or 0), written[3]
    if minute >= _MINUTES_PER_HOUR or (half and not 1 <= hour <= 12):  # noqa: PLR2004 - minutes, and a 12-hour clock
        return []
    if half:
        return [(hour % 12 + 12 * (half == "pm")) * _MINUTES_PER_HOUR + minute]
    if hour > 24 or (hour == 24 and minute):  # noqa: PLR2004 - hours of a day
        return []
    is_open = 1 <= hour <= 12 and not written[1].startswith("0")  # noqa: PLR2004 - a 12-hour clock
    if is_open and hour == 12:  # noqa: PLR2004 - noon before midnight
        return [_NOON + minute, minute]
    return (
        [hour * _MINUTES_PER_HOUR + minute, hour * _MINUTES_PER_HOUR + minute + _NOON]
        if is_open
        else [hour * _MINUTES_PER_HOUR + minute]
    )


_INFORMAL_DASH: Final = re.compile(
    rf"{_BLANKS_BEFORE}(?:[-\u2013\u2014\u2212~]|\b(?:to|until|till|through|thru|bis|hasta|al|au)\b)\s*"
    r"|(?<=[0-9hm]) (?:\u00e0|a) (?=[0-9])"
)
_WORDS_BESIDE_TIMES: Final = re.compile(
    rf"^(?:from|von|de|desde)\s+|{_BLANKS_BEFORE}\b(?:uhr|hrs?|hours|o'?clock|heures|horas)\b"
    rf"|(?<=:[0-9]{{2}})h\b|{_BLANKS_BEFORE}\b(?:[ecmp][sd]?t|gmt|utc|bst|cest)$"
)
"""Words that people write beside a time, and that say nothing more; also the zone, which stands elsewhere."""
_INFORMAL_TIME: Final = re.compile(r"([0-9]{1,2}?)(?:[.:h]?([0-9]{2})|h)?\s*(am|pm)?")


def _split_texts(
    value: object, path: SourcePath, report: ProblemReport, rule: str, example: str
) -> Iterator[tuple[str, SourcePath]]:
    """Split texts at commas, also inside a list, and return each part with its position.

    ``rule`` is that of a comma with nothing beside it; ``example`` is the fix for anything else than texts.
    """
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, str):
                yield from _split_texts(item, (*path, index), report, rule, example)
            elif item is not None:
                report.error((*path, index), "shape", f"{path[-1]}: must be a text", example)
    elif isinstance(value, str):
        parts = [part.strip() for part in value.split(",")]
        if any(parts) and not all(parts):
            key = next(part for part in reversed(path) if isinstance(part, str))
            fix = f"take the comma away: {', '.join(filter(None, parts))}"
            report.error(path, rule, f"{key}: there is nothing beside a comma", fix)
            parts = [part for part in parts if part]
        for part in parts:
            yield part, path
    elif value is not None:
        report.error(path, "shape", f"{path[-1]}: must be a text or a list", example)


def _suggest_windows_of_mapping(key: str, value: object) -> str:
    """Return the fix for hours that are a mapping, as {from: 09:00, to: 17:00}, also in a list."""
    mappings = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]
    windows = []
    for mapping in mappings:
        times = [*mapping.values()] if len(mapping) > 1 else [part for pair in mapping.items() for part in pair]
        text = "-".join(time for time in times if isinstance(time, str))
        window = _parse_window(text) if len(times) == 2 else None  # noqa: PLR2004 - a begin and an end
        windows.append(text if window is not None and window[0] < window[1] else "")
    return f"write {key}: {', '.join(windows)}" if windows and all(windows) else f"as {key}: 09:00-12:30, 13:30-18:00"


# Dates


def _read_holiday_places(
    value: object, path: SourcePath, report: ProblemReport, today: date, find_countries: Callable[[], Collection[str]]
) -> tuple[str, ...]:
    places: dict[str, None] = {}
    for text, where in _split_texts(value, path, report, "hours-holidays", "as holidays: US, US-NJ or DE-BY"):
        try:
            place = parse_holiday_place(text, find_countries)
        except ValueError as error:
            message, fix = error.args
            if _parse_window(text) is not None or _suggest_window(text):
                message = f"{text} are opening hours, and holidays names the country whose holidays are closed"
                fix = "write holidays: US, and the hours of single days under open, as open: {2026-12-24: 10:00-14:00}"
            report.error(where, "hours-holidays", f"holidays: {message}", fix)
            continue
        places[place] = None
        doubt, fix = explain_mistaken_country(text, find_countries)
        if doubt:
            report.warning(where, "hours-holidays", f"holidays: {doubt}", fix)
        last = find_last_holiday_year(place)
        if last <= today.year:
            message = f"holidays: those of {place} are known up to {last} only"
            report.warning(where, "hours-holidays", message, "name the days under closed, or update the package holidays")
    return tuple(places)


def _read_closed_dates(value: object, path: SourcePath, report: ProblemReport) -> Iterator[_PlacedDateRange]:
    for key, written in value.items() if isinstance(value, dict) else ():
        message = f"closed: {key} has windows, and a closed day has none"
        fix = "closed takes dates; open takes dates with windows"
        if isinstance(written, str) and _parse_window(written) is None and not _suggest_window(written):
            message = f"closed: {key} has a text, and closed is a list of dates"
            fix = f"write closed: [{key}]; what the day is, stands in a comment: # …"
        report.error((*path, key), "hours-date", message, fix, key=True)
    for text, where in (
        () if isinstance(value, dict) else _split_texts(value, path, report, "hours-date", "as closed: [2026-12-24]")
    ):
        span = _read_date_range(text, where, report, key=False)
        if span is not None:
            yield _PlacedDateRange(span, where, text)


def _read_date_range(text: str, path: SourcePath, report: ProblemReport, *, key: bool) -> DateRange | None:
    """Read ``2026-12-24``, or two dates with a dash between; report an error and return None if invalid."""
    ends = [parse_iso_date(part) for part in _DATE_RANGE_SEPARATOR.split(text.strip())]
    if len(ends) > 2 or ends[0] is None or ends[-1] is None:  # noqa: PLR2004 - a first and a last
        fix = suggest_date(text) or _DATE_FIX
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
