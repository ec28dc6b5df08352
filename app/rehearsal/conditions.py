"""The native conditions: Call, Geo and Schedule."""

from __future__ import annotations

from datetime import UTC, time
from typing import TYPE_CHECKING

from app.language.values import parse_loose_value
from app.numbers import PhoneNumber, parse_e164

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from app.language import Call, Geo, Schedule
    from app.rehearsal.ringing import PhoneCall

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def matches_call_field(phone_call: PhoneCall, condition: Call) -> bool:
    """Whether the call's field is the value; numbers are the same with a plus and without. reference: Call."""
    found = phone_call.get_field(str(condition.attributes["field"]))
    wanted = parse_loose_value(str(condition.attributes["value"]))
    if wanted is None or found is None:
        return wanted is found
    return str(found).lstrip("+").lower() == str(condition.attributes["value"]).strip().lstrip("+").lower()


def matches_caller_state(phone_call: PhoneCall, condition: Geo) -> bool:
    """Whether the caller's area code is of one of the states; a county never matches. reference: Geo."""
    states, county = condition.attributes.get("states"), condition.attributes.get("county")
    if not states and not county:
        return True
    if county:
        return False
    return PhoneNumber(parse_e164(phone_call.from_)).state in str(states).split(",")


def matches_schedule(now: datetime, zone: ZoneInfo | None, condition: Schedule) -> bool:
    """Whether now is within the days and times, both ends inside. reference: Schedule."""
    here = now.astimezone(zone or UTC)
    days, window = condition.attributes.get("dow"), condition.attributes.get("time")
    if days and _WEEKDAYS[here.weekday()] not in str(days).split(","):
        return False
    if not window:
        return True
    first, last = (time.fromisoformat(part) for part in str(window).split("-"))
    at = here.time().replace(microsecond=0)
    return first <= at <= last if first <= last else at >= first or at <= last
