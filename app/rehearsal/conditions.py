"""The native conditions: Call, Geo and Schedule."""

from __future__ import annotations

from datetime import UTC, time
from typing import TYPE_CHECKING

from app.language.values import typed
from app.numbers import Number, e164

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from app.language import Call, Geo, Schedule
    from app.rehearsal.ringing import Ringing

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def field_is(ringing: Ringing, call: Call) -> bool:
    """Whether the call's field is the value; numbers are the same with a plus and without. reference: Call."""
    found = ringing.field(str(call.attributes["field"]))
    wanted = typed(str(call.attributes["value"]))
    if wanted is None or found is None:
        return wanted is found
    return str(found).lstrip("+").lower() == str(call.attributes["value"]).strip().lstrip("+").lower()


def caller_is_in(ringing: Ringing, geo: Geo) -> bool:
    """Whether the caller's area code is of one of the states; a county never matches. reference: Geo."""
    states, county = geo.attributes.get("states"), geo.attributes.get("county")
    if not states and not county:
        return True
    if county:
        return False
    return Number(e164(ringing.from_)).state in str(states).split(",")


def is_scheduled(now: datetime, zone: ZoneInfo | None, schedule: Schedule) -> bool:
    """Whether now is within the days and times, both ends inside. reference: Schedule."""
    here = now.astimezone(zone or UTC)
    days, window = schedule.attributes.get("dow"), schedule.attributes.get("time")
    if days and _DAYS[here.weekday()] not in str(days).split(","):
        return False
    if not window:
        return True
    first, last = (time.fromisoformat(part) for part in str(window).split("-"))
    at = here.time().replace(microsecond=0)
    return first <= at <= last if first <= last else at >= first or at <= last
