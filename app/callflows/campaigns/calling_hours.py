"""The hours in which people may be called, by the clock of where their numbers are from."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from callflows.errors import CampaignError
from callflows.flows.hours.wall_clock import parse_clock_time
from callflows.telephony.calls import WEEKDAY_NAMES

DEFAULT_CALLING_HOURS: Final = "09:00-20:00"
DEFAULT_CALLING_DAYS: Final = "mon-sat"
_UNKNOWN_ZONE: Final = "Etc/Unknown"
_STEP: Final = timedelta(minutes=5)
_DAYS_AHEAD: Final = 8


class CallingHours(NamedTuple):
    """A window of each day; ``first`` and ``end`` are minutes, ``end`` excluded. ``days`` count from Monday, 0.

    A number that may be from several zones is called only if the window is open in all of them. ``zone`` is that of
    numbers whose zone is unknown; without it they are not called.
    """

    first: int
    end: int
    days: frozenset[int]
    zone: str = ""

    def list_zones(self, number: str) -> tuple[str, ...]:
        """Return the zones that a number may be from; empty if nobody knows."""
        return find_number_zones(number) or ((self.zone,) if self.zone else ())

    def find_next_moment(self, number: str, now: float) -> float | None:
        """Return ``now`` if the number may be called, else the next moment in seconds since 1970; None if never."""
        zones = self.list_zones(number)
        if not zones:
            return None
        moment = datetime.fromtimestamp(now, UTC)
        if self._is_open(zones, moment):
            return now
        later = _find_next_step(self, zones, moment.replace(minute=moment.minute // 5 * 5, second=0, microsecond=0))
        return None if later is None else later.timestamp()

    def _is_open(self, zones: tuple[str, ...], moment: datetime) -> bool:
        for zone in zones:
            local_time = moment.astimezone(ZoneInfo(zone))
            minutes = local_time.hour * 60 + local_time.minute
            if local_time.weekday() not in self.days or not self.first <= minutes < self.end:
                return False
        return True


@lru_cache(maxsize=4096)
def _find_next_step(hours: CallingHours, zones: tuple[str, ...], begin: datetime) -> datetime | None:
    steps = int(timedelta(days=_DAYS_AHEAD) / _STEP)
    return next((at for step in range(1, steps) if hours._is_open(zones, at := begin + step * _STEP)), None)  # noqa: SLF001


@lru_cache(maxsize=65_536)
def find_number_zones(number: str) -> tuple[str, ...]:
    """Return the time zones that a number in E.164 may be from; empty if nobody knows."""
    import phonenumbers  # noqa: PLC0415 - heavy
    from phonenumbers import timezone  # noqa: PLC0415 - heavy

    try:
        zones = timezone.time_zones_for_number(phonenumbers.parse(number, None))
    except phonenumbers.NumberParseException:
        return ()
    return tuple(zone for zone in zones if zone != _UNKNOWN_ZONE)


def parse_calling_hours(window: str, days: str, zone: str = "") -> CallingHours:
    """Parse ``09:00-20:00`` and ``mon-fri,sat``. Raises CampaignError."""
    begin, _, end = window.replace(" ", "").partition("-")
    first, last = parse_clock_time(begin), parse_clock_time(end)
    if first is None or last is None or first >= last:
        raise CampaignError(f"--hours: {window!r} is no window of a day: write it as {DEFAULT_CALLING_HOURS}")
    return CallingHours(first, last, frozenset(_parse_days(days)), zone)


def _parse_days(text: str) -> set[int]:
    days: set[int] = set()
    for part in re.split("[ ,]+", text.strip().lower()):
        begin, _, end = part.partition("-")
        if begin not in WEEKDAY_NAMES or (end or begin) not in WEEKDAY_NAMES:
            raise CampaignError(f"--days: {part!r} is no day: write days as mon-fri, or mon,wed,sat")
        first, last = WEEKDAY_NAMES.index(begin), WEEKDAY_NAMES.index(end or begin)
        days |= {(first + step) % 7 for step in range((last - first) % 7 + 1)}
    return days
