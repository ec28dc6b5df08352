"""Rules on opening hours, and on the clock on which they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.flows.checks.rules.rule import CheckRule

if TYPE_CHECKING:
    from collections.abc import Mapping

HOURS_RULES: Final[Mapping[str, CheckRule]] = {
    "hours-contradiction": CheckRule(
        "A date is closed and open at once; open wins, and callers are let in on a day off.",
        "Take the date out of one of the two.",
    ),
    "hours-date": CheckRule(
        "A date cannot be read: the exception would not hold, and callers get the hours of the week.",
        'Write closed: [2026-12-24], or open: {2026-12-19: "10:00-16:00"}.',
    ),
    "hours-day": CheckRule(
        "A day cannot be read: its hours would not hold.",
        "Write mon-fri: 09:00-17:00; days are mon, tue, wed, thu, fri, sat, sun and daily.",
    ),
    "hours-holidays": CheckRule(
        "The holidays of this place are not known, or not for long: callers are let in on a day off.",
        "Write a country or a part of one: holidays: US-NJ; or name the days under closed.",
    ),
    "hours-never": CheckRule(
        "These hours have no window at all: every caller is told that it is closed.",
        "Name days and windows: mon-fri: 09:00-17:00.",
    ),
    "hours-not-asked": CheckRule(
        "Hours are spoken of, but nothing asks whether it is open: who calls at night fares as who calls at noon.",
        "Send callers elsewhere when it is closed: - {when: not hours.office.open, goto: closed}.",
    ),
    "hours-overlap": CheckRule(
        "Two windows of one day overlap: one of them is probably not what was meant.",
        "Let the second begin where the first ends: mon: 09:00-12:30, 13:30-18:00.",
    ),
    "hours-twice": CheckRule(
        "A day or a date stands twice: it is not clear which of its windows hold.",
        "Let each day stand once: mon-thu: 09:00-17:00 and fri: 09:00-14:00.",
    ),
    "hours-window": CheckRule(
        "A window cannot be read or never opens: callers would be told that it is closed.",
        "Write 09:00-12:30, 13:30-18:00 on a clock of 24 hours; 22:00-02:00 goes over midnight.",
    ),
    "no-timezone": CheckRule(
        "A flow asks for the time and names no zone: it is UTC, and the flow closes hours too early or too late.",
        "Name the zone: timezone: America/New_York.",
    ),
    "timezone": CheckRule(
        "There is no such zone: opening hours could not be told.",
        "Write one of the IANA names: timezone: America/New_York, Europe/Berlin.",
    ),
}
