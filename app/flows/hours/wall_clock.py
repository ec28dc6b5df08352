"""Times on a wall clock, and the moments at which a clock shows them.

Where a clock is put forward some times never come; where it is put back some come twice.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo
    from zoneinfo import ZoneInfo

DAY: Final = 24 * 60
"""Minutes of a day on the clock."""
_DATE: Final = re.compile("([0-9]{4})-([0-9]{2})-([0-9]{2})")
_TIME: Final = re.compile("([0-9]{1,2}):([0-9]{2})")
_HOUR: Final = 60
_MOMENT: Final = re.compile(
    r"([0-9-]{10})[ T]([0-9]{1,2}:[0-9]{2})(?::([0-5][0-9]))?(?: ?(Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9]))?"
)
_FROM_NOW: Final = re.compile(r"(?:([0-9]{1,4}) ?w)? ?(?:([0-9]{1,4}) ?d)? ?(?:([0-9]{1,5}) ?h)? ?(?:([0-9]{1,6}) ?m)?")
_EARLIEST: Final = 1900
_LATEST: Final = 2200
_UNTIL: Final = "as 18:00, 2h, 30m, 2026-12-24 or 2026-12-24 18:00"


def minute_of(written: str) -> int | None:
    """``09:30`` as minutes of the day, up to 1440 for ``24:00``; None where it is no time."""
    found = _TIME.fullmatch(written)
    if not found or int(found[2]) >= _HOUR:
        return None
    minute = int(found[1]) * _HOUR + int(found[2])
    return minute if minute <= DAY else None


def time_of(minute: int) -> str:
    """Minutes of a day as ``09:30``; those of the next day, too, as its clock shows them."""
    shown = minute if minute <= DAY else minute - DAY
    return f"{shown // _HOUR:02}:{shown % _HOUR:02}"


def date_of(written: str) -> date | None:
    """``2026-12-24`` as a date; None where it is none."""
    found = _DATE.fullmatch(written)
    try:
        return date(int(found[1]), int(found[2]), int(found[3])) if found else None
    except ValueError:
        return None


def wall(day: date, minute: int) -> datetime:
    """What the clock shows at a minute of a day; the minutes may go on into the next day."""
    return datetime(day.year, day.month, day.day) + timedelta(minutes=minute)  # noqa: DTZ001 - what a clock shows


def moments(shown: datetime, zone: tzinfo) -> list[datetime]:
    """When (in UTC) the clock of a zone shows this: never, once or twice."""
    found: list[datetime] = []
    for fold in (0, 1):
        moment = shown.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        if moment not in found and moment.astimezone(zone).replace(tzinfo=None) == shown:
            found.append(moment)
    return found


def reached(shown: datetime, zone: tzinfo) -> datetime:
    """When (in UTC) the clock of a zone first shows this; where it never does, when it jumps past it."""
    found = moments(shown, zone)
    if found:
        return found[0]
    near = shown.replace(tzinfo=zone).astimezone(UTC)
    return next(changes(near - timedelta(days=2), near + timedelta(days=2), zone), near)


def changes(first: datetime, last: datetime, zone: tzinfo) -> Iterator[datetime]:
    """When (in UTC), after ``first`` and up to ``last``, the clock of a zone is put forward or back.

    Looks once a day: no zone has changed twice within days since 1970.
    """
    step = timedelta(days=1)
    while first < last:
        ahead = min(first + step, last)
        if _offset(first, zone) != _offset(ahead, zone):
            yield _change(first, ahead, zone)
        first = ahead


def _change(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The first second at which the clock is another than before."""
    old = _offset(before, zone)
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        same = _offset(datetime.fromtimestamp(middle, UTC), zone) == old
        low, high = (middle, high) if same else (low, middle)
    return datetime.fromtimestamp(high, UTC)


def _offset(moment: datetime, zone: tzinfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()


def moment_of(written: str, zone: tzinfo) -> datetime | None:
    """``2026-12-24 18:00``, with seconds and an offset where it has them, as a moment in UTC."""
    found = _MOMENT.fullmatch(written)
    day = _day_of(found[1]) if found else None
    minute = minute_of(found[2]) if found else None
    if found is None or day is None or minute is None:
        return None
    shown = wall(day, minute) + timedelta(seconds=int(found[3] or 0))
    if not found[4]:
        return reached(shown, zone)
    return shown.replace(tzinfo=_offset_of(found[4])).astimezone(UTC)


def begin_of(written: str, zone: tzinfo) -> datetime | None:
    """As ``moment_of``; a date alone is its first moment."""
    day = _day_of(written)
    return moment_of(written, zone) if day is None else reached(wall(day, 0), zone)


def end_of(written: str, zone: tzinfo) -> datetime | None:
    """As ``moment_of``; a date alone is the first moment of the next."""
    day = _day_of(written)
    return moment_of(written, zone) if day is None else reached(wall(day, DAY), zone)


def _day_of(written: str) -> date | None:
    day = date_of(written)
    return day if day is not None and _EARLIEST < day.year < _LATEST else None


def _offset_of(written: str) -> tzinfo:
    if written == "Z":
        return UTC
    span = timedelta(hours=int(written[1:3]), minutes=int(written[-2:]))
    return timezone(-span if written[0] == "-" else span)


def until_of(text: str, now: datetime, zone: ZoneInfo | None) -> datetime:
    """The end that a person names, in the zone (UTC without).

    ``18:00`` is the next such time; ``2h``, ``30m``, ``1h 30m`` count from now, ``2d`` and ``1w`` on the clock; a date is
    the end of that day; ``2026-12-24 18:00`` is on the clock of the zone unless it carries an offset. Raises ValueError
    with the mend.
    """
    place = zone or UTC
    written = text.strip()
    try:
        until = _next_time(written, now, place) or _from_now(written, now, place) or end_of(written, place)
    except OverflowError:
        until = None
    if until is None or until.year >= _LATEST:
        raise ValueError(f"{text!r} is no time to end at: write it {_UNTIL}")
    until = until.astimezone(place)
    if until <= now.astimezone(UTC):
        shown = now.astimezone(place).isoformat(" ", "minutes")
        raise ValueError(f"{until.isoformat(' ', 'minutes')} is over, it is {shown}: name a later time")
    return until


def _next_time(written: str, now: datetime, zone: tzinfo) -> datetime | None:
    minute = minute_of(written)
    if minute is None:
        return None
    today = now.astimezone(zone).date()
    shown = [wall(today + timedelta(days=ahead), minute) for ahead in range(-1, 3)]
    ends = [end for time in shown for end in moments(time, zone) or [reached(time, zone)]]
    return min(end for end in ends if end > now)


def _from_now(written: str, now: datetime, zone: tzinfo) -> datetime | None:
    found = _FROM_NOW.fullmatch(written.lower())
    if not found or not any(found.groups()):
        return None
    weeks, days, hours, minutes = (int(part or 0) for part in found.groups())
    start = now.astimezone(zone).replace(microsecond=0)
    if weeks or days:
        start = reached(start.replace(tzinfo=None) + timedelta(weeks=weeks, days=days), zone)
    return start.astimezone(UTC) + timedelta(hours=hours, minutes=minutes)
