"""Converts between times on a wall clock and moments in UTC.

Some wall times never occur because the clock is put forward; some occur twice because the clock is put back.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo
    from zoneinfo import ZoneInfo


MINUTES_PER_DAY: Final = 24 * 60
_ISO_DATE: Final = re.compile("([0-9]{4})-([0-9]{2})-([0-9]{2})")
_CLOCK_TIME: Final = re.compile("([0-9]{1,2}):([0-9]{2})")
_MINUTES_PER_HOUR: Final = 60
_DATE_AND_TIME: Final = re.compile(
    r"([0-9-]{10})[ T]([0-9]{1,2}:[0-9]{2})(?::([0-5][0-9]))?(?: ?(Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9]))?"
)
_TIME_SPAN: Final = re.compile(r"(?:([0-9]{1,4}) ?w)? ?(?:([0-9]{1,4}) ?d)? ?(?:([0-9]{1,5}) ?h)? ?(?:([0-9]{1,6}) ?m)?")
_DAY_AND_TIME: Final = re.compile(
    r"(?:(today|tomorrow)|(mon|tue|wed|thu|fri|sat|sun)[a-z]*),? (?:at )?([0-9]{1,2})(?::([0-5][0-9]))?(?: ?(am|pm))?",
    re.IGNORECASE,
)
_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS_OF_HALF_DAY: Final = 12
_DAYS_PER_WEEK: Final = 7
_MIN_YEAR: Final = 1900
_MAX_YEAR: Final = 2200
_UNTIL_EXAMPLES: Final = "as 18:00, 2h, 30m, 2026-12-24 or 2026-12-24 18:00"


def parse_clock_time(text: str) -> int | None:
    """Parse ``09:30`` to minutes of the day, up to 1440 for ``24:00``; None if invalid."""
    found = _CLOCK_TIME.fullmatch(text)
    if not found or int(found[2]) >= _MINUTES_PER_HOUR:
        return None
    minute = int(found[1]) * _MINUTES_PER_HOUR + int(found[2])
    return minute if minute <= MINUTES_PER_DAY else None


def format_clock_time(minute: int) -> str:
    """Format minutes of a day as ``09:30``; minutes beyond 24:00 as the time of the next day."""
    shown = minute if minute <= MINUTES_PER_DAY else minute - MINUTES_PER_DAY
    return f"{shown // _MINUTES_PER_HOUR:02}:{shown % _MINUTES_PER_HOUR:02}"


def parse_iso_date(text: str) -> date | None:
    """Parse ``2026-12-24``; None if invalid."""
    found = _ISO_DATE.fullmatch(text)
    try:
        return date(int(found[1]), int(found[2]), int(found[3])) if found else None
    except ValueError:
        return None


def suggest_date(text: str) -> str:
    """Suggest the date that is meant by another notation, as ``24 Dec 2026``, ``12/24/2026``; both readings if unclear."""
    numbers = _NUMERIC_DATE.fullmatch(text.strip())
    yearless = _YEARLESS_DATE.fullmatch(text.strip())
    if yearless:
        first, second = int(yearless["a"]), int(yearless["b"])
        days = dict.fromkeys(
            f"YYYY-{month:02}-{day:02}"
            for month, day in ((first, second), (second, first))
            if parse_iso_date(f"2024-{month:02}-{day:02}") is not None
        )
        return f"write it with its year, as {' or '.join(days)}" if days else ""
    if numbers:
        year = int(numbers["y"] or numbers["y2"] or numbers["y3"])
        if numbers["y2"]:
            first, second = int(numbers["a"]), int(numbers["b"])
            readings = [(first, second), (second, first)]  # month and day, day and month
        else:
            readings = [(int(numbers["m"] or numbers["m3"]), int(numbers["d"] or numbers["d3"]))]
    else:
        worded = _WORDED_DATE.fullmatch(text.strip().lower())
        if worded is None or (worded["month"] or worded["month2"])[:3] not in _MONTHS:
            return ""
        month = _MONTHS.index((worded["month"] or worded["month2"])[:3]) + 1
        day = int(worded["day"] or worded["day2"])
        if not worded["year"]:
            return f"write it with its year, as YYYY-{month:02}-{day:02}"
        year, readings = int(worded["year"]), [(month, day)]
    written = dict.fromkeys(f"{year:04}-{month:02}-{day:02}" for month, day in readings)
    valid = [one for one in written if parse_iso_date(one) is not None]
    return f"did you mean {' or '.join(valid)}?" if valid else "the month has no such day, or the year no such month"


_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NUMERIC_DATE: Final = re.compile(
    r"(?P<y>[0-9]{4})[-/. ](?P<m>[0-9]{1,2})[-/. ](?P<d>[0-9]{1,2})"
    r"|(?P<a>[0-9]{1,2})[-/. ](?P<b>[0-9]{1,2})[-/. ](?P<y2>[0-9]{4})"
    r"|(?P<y3>20[0-9]{2})(?P<m3>[01][0-9])(?P<d3>[0-3][0-9])"
)
_YEARLESS_DATE: Final = re.compile(r"(?:(?:\*|[yY]{4}|-)-)?(?P<a>[0-9]{1,2})[-/.](?P<b>[0-9]{1,2})\.?")
_WORDED_DATE: Final = re.compile(
    r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?,?\s+)?"
    r"(?:(?P<day>[0-9]{1,2})(?:st|nd|rd|th|\.)?\s+(?:of\s+)?(?P<month>[a-z]{3,9})\.?"
    r"|(?P<month2>[a-z]{3,9})\.?\s+(?P<day2>[0-9]{1,2})(?:st|nd|rd|th)?),?(?:\s+(?P<year>[0-9]{4}))?"
)


def make_wall_time(day: date, minute: int) -> datetime:
    """Return the naive wall time of a minute of a day; the minutes may exceed the day."""
    return datetime(day.year, day.month, day.day) + timedelta(minutes=minute)  # noqa: DTZ001 - wall time has no zone


def find_moments_of_wall_time(wall_time: datetime, zone: tzinfo) -> list[datetime]:
    """Return the moments (in UTC) at which the clock of a zone shows a wall time: none, one or two."""
    found: list[datetime] = []
    for fold in (0, 1):
        moment = wall_time.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        if moment not in found and moment.astimezone(zone).replace(tzinfo=None) == wall_time:
            found.append(moment)
    return found


def find_first_moment_of_wall_time(wall_time: datetime, zone: tzinfo) -> datetime:
    """Return the first moment (in UTC) at which the clock of a zone shows a wall time.

    For a missing wall time, return the moment of the jump.
    """
    found = find_moments_of_wall_time(wall_time, zone)
    if found:
        return found[0]
    near = wall_time.replace(tzinfo=zone).astimezone(UTC)
    return next(find_clock_changes(near - timedelta(days=2), near + timedelta(days=2), zone), near)


def find_clock_changes(first: datetime, last: datetime, zone: tzinfo) -> Iterator[datetime]:
    """Yield the clock changes of a zone (in UTC) after ``first`` and up to ``last``.

    The search compares offsets once a day: no zone has changed twice within days since 1970.
    """
    step = timedelta(days=1)
    while first < last:
        ahead = min(first + step, last)
        if _utc_offset(first, zone) != _utc_offset(ahead, zone):
            yield _find_clock_change(first, ahead, zone)
        first = ahead


def _find_clock_change(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """Return the first second with the new offset."""
    old = _utc_offset(before, zone)
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        same = _utc_offset(datetime.fromtimestamp(middle, UTC), zone) == old
        low, high = (middle, high) if same else (low, middle)
    return datetime.fromtimestamp(high, UTC)


def _utc_offset(moment: datetime, zone: tzinfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()


def parse_wall_moment(text: str, zone: tzinfo) -> datetime | None:
    """Parse ``2026-12-24 18:00``, with optional seconds and offset, to a moment in UTC; None if invalid."""
    found = _DATE_AND_TIME.fullmatch(text)
    day = _parse_bounded_date(found[1]) if found else None
    minute = parse_clock_time(found[2]) if found else None
    if found is None or day is None or minute is None:
        return None
    shown = make_wall_time(day, minute) + timedelta(seconds=int(found[3] or 0))
    if not found[4]:
        return find_first_moment_of_wall_time(shown, zone)
    return shown.replace(tzinfo=_parse_utc_offset(found[4])).astimezone(UTC)


def parse_start_moment(text: str, zone: tzinfo) -> datetime | None:
    """Parse as ``parse_wall_moment`` does; a date alone means the beginning of the day."""
    day = _parse_bounded_date(text)
    return parse_wall_moment(text, zone) if day is None else find_first_moment_of_wall_time(make_wall_time(day, 0), zone)


def parse_call_moment(text: str, now: datetime, zone: tzinfo) -> datetime | None:
    """Parse the time of a call: as ``parse_start_moment`` does, or as ``Sat 11:00`` or ``tomorrow 9 am``.

    A weekday is its next such time.
    """
    found = _DAY_AND_TIME.fullmatch(text.strip())
    if found is None:
        return parse_start_moment(text.strip(), zone)
    word, weekday, hour, minutes, half = (part.lower() if part else "" for part in found.groups())
    minute = _read_half_day_hour(int(hour), half) * _MINUTES_PER_HOUR + int(minutes or 0)
    if minute >= MINUTES_PER_DAY:
        return None
    today = now.astimezone(zone).date()
    ahead = (_WEEKDAYS.index(weekday) - today.weekday()) % _DAYS_PER_WEEK if weekday else int(word == "tomorrow")
    moment = find_first_moment_of_wall_time(make_wall_time(today + timedelta(days=ahead), minute), zone)
    if weekday and moment <= now:
        ahead += _DAYS_PER_WEEK
        moment = find_first_moment_of_wall_time(make_wall_time(today + timedelta(days=ahead), minute), zone)
    return moment


def _read_half_day_hour(hour: int, half: str) -> int:
    """Return an hour of the day; more than a day has for one that a half of a day does not have."""
    if not half:
        return hour
    if not 1 <= hour <= _HOURS_OF_HALF_DAY:
        return 2 * _HOURS_OF_HALF_DAY
    return hour % _HOURS_OF_HALF_DAY + (_HOURS_OF_HALF_DAY if half == "pm" else 0)


def parse_end_moment(text: str, zone: tzinfo) -> datetime | None:
    """Parse as ``parse_wall_moment`` does; a date alone means the end of the day."""
    day = _parse_bounded_date(text)
    return (
        parse_wall_moment(text, zone)
        if day is None
        else find_first_moment_of_wall_time(make_wall_time(day, MINUTES_PER_DAY), zone)
    )


def _parse_bounded_date(text: str) -> date | None:
    day = parse_iso_date(text)
    return day if day is not None and _MIN_YEAR < day.year < _MAX_YEAR else None


def _parse_utc_offset(text: str) -> tzinfo:
    if text == "Z":
        return UTC
    span = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-span if text[0] == "-" else span)


def parse_override_end(text: str, now: datetime, zone: ZoneInfo | None) -> datetime:
    """Parse the end of an override, in the zone (default UTC).

    ``18:00`` is the next such time. ``2h``, ``30m``, ``1h 30m`` count from now; ``2d`` and ``1w`` count on the wall clock.
    A date means the end of the day. ``2026-12-24 18:00`` is in the zone unless an offset follows. Raises ValueError with
    the fix.
    """
    place = zone or UTC
    written = text.strip()
    try:
        until = (
            _find_next_clock_time(written, now, place)
            or _parse_end_from_now(written, now, place)
            or parse_end_moment(written, place)
        )
    except OverflowError:
        until = None
    if until is None or until.year >= _MAX_YEAR:
        raise ValueError(f"{text!r} is no time to end at: write it {_UNTIL_EXAMPLES}")
    until = until.astimezone(place)
    if until <= now.astimezone(UTC):
        shown = now.astimezone(place).isoformat(" ", "minutes")
        raise ValueError(f"{until.isoformat(' ', 'minutes')} is over, it is {shown}: name a later time")
    return until


def _find_next_clock_time(text: str, now: datetime, zone: tzinfo) -> datetime | None:
    minute = parse_clock_time(text)
    if minute is None:
        return None
    today = now.astimezone(zone).date()
    shown = [make_wall_time(today + timedelta(days=ahead), minute) for ahead in range(-1, 3)]
    ends = [
        end
        for time in shown
        for end in find_moments_of_wall_time(time, zone) or [find_first_moment_of_wall_time(time, zone)]
    ]
    return min(end for end in ends if end > now)


def _parse_end_from_now(text: str, now: datetime, zone: tzinfo) -> datetime | None:
    found = _TIME_SPAN.fullmatch(text.lower())
    if not found or not any(found.groups()):
        return None
    weeks, days, hours, minutes = (int(part or 0) for part in found.groups())
    start = now.astimezone(zone).replace(microsecond=0)
    if weeks or days:
        start = find_first_moment_of_wall_time(start.replace(tzinfo=None) + timedelta(weeks=weeks, days=days), zone)
    return start.astimezone(UTC) + timedelta(hours=hours, minutes=minutes)
