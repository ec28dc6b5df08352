"""Plain sentences for the recorded reasons of opening hours, such as ``closed: sat outside 10:00-13:00``."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Final

from callflows.telephony.calls import WEEKDAY_NAMES
from callflows.text import format_date

_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAYS_BY_NAME: Final = dict(zip(WEEKDAY_NAMES, _WEEKDAYS, strict=True))
_HOURS_VALUE: Final = re.compile(
    r"(?P<state>open|closed): (?:"
    r"override (?:open|closed) until (?P<until>.+)"
    r"|holiday (?P<holiday>.+)"
    r"|(?P<day>[a-z]{3}) closed"
    r"|closed (?P<date>\d{4}-\d\d-\d\d)"
    r"|(?P<rule>[a-z]{3}|open \d{4}-\d\d-\d\d)(?: (?:outside )?(?P<windows>\d.*))?)"
)
"""What ``OpeningHours.is_open_with_reason`` writes, after the state."""


def describe_hours_value(name: str, value: str) -> str:
    """Return the recorded state of opening hours in words; ``name`` is that of the hours, as ``office``.

    A value of another form is returned as it is.
    """
    match = _HOURS_VALUE.fullmatch(value)
    if match is None:
        return f"{name} was {value}"
    begin = f"{name} was {match['state']}"
    if match["until"]:
        return f"{begin} by hand until {_describe_moment(match['until'])}"
    if match["holiday"]:
        return f"{begin}: it was a holiday, {match['holiday']}"
    if match["day"]:
        return f"{begin}: it is closed all {_DAYS_BY_NAME.get(match['day'], match['day'])}"
    if match["date"]:
        return f"{begin}: it is closed on {_describe_date(match['date'])}"
    day = match["rule"].removeprefix("open ")
    when = _DAYS_BY_NAME.get(day) or _describe_date(day)
    windows = match["windows"] or ""
    return f"{begin}: on {when} it is {'open' if windows else 'closed'} {windows}".rstrip()


def _describe_date(text: str) -> str:
    try:
        return format_date(date.fromisoformat(text), "{day} %B %Y")
    except ValueError:
        return text


def _describe_moment(text: str) -> str:
    try:
        return format_date(datetime.fromisoformat(text), "%a {day} %B, %H:%M")
    except ValueError:
        return text
