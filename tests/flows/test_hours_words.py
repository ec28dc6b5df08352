"""The recorded states of opening hours, in words."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from callflows.flows.hours.hours_words import describe_hours_value
from callflows.flows.hours.opening_hours import DatedWindows, DateRange, OpeningHours, OpeningWindow
from callflows.flows.hours.overrides import HoursOverride
from each_case import each_case

ZONE = ZoneInfo("America/New_York")
MORNING = (OpeningWindow(600, 780),)
CHRISTMAS_EVE = datetime(2026, 12, 24).date()  # noqa: DTZ001 - a date
HOURS = OpeningHours(
    "office",
    ((OpeningWindow(540, 720), OpeningWindow(780, 1020)), *(MORNING,) * 5, ()),
    ("US-NJ",),
    (DateRange(CHRISTMAS_EVE, CHRISTMAS_EVE),),
    (DatedWindows(DateRange(datetime(2026, 12, 31).date(), datetime(2026, 12, 31).date()), MORNING),),  # noqa: DTZ001 - as above
)
OVERRIDE = HoursOverride("desk", "office", False, None, datetime(2026, 11, 27, 18, 0, tzinfo=ZONE))  # noqa: FBT003 - closed


@each_case(
    ("moment", "overrides", "words"),
    [
        ("2026-12-05 14:00", (), "office was closed: on Saturday it is open 10:00-13:00"),
        ("2026-12-06 14:00", (), "office was closed: it is closed all Sunday"),
        ("2026-12-07 12:30", (), "office was closed: on Monday it is open 09:00-12:00, 13:00-17:00"),
        ("2026-12-07 10:00", (), "office was open: on Monday it is open 09:00-12:00"),
        ("2026-12-24 11:00", (), "office was closed: it is closed on 24 December 2026"),
        ("2026-12-25 11:00", (), "office was closed: it was a holiday, Christmas Day"),
        ("2026-12-31 14:00", (), "office was closed: on 31 December 2026 it is open 10:00-13:00"),
        ("2026-11-27 11:00", (OVERRIDE,), "office was closed by hand until Fri 27 November, 18:00"),
    ],
)
def test_every_state_of_hours_is_told_in_words(moment, overrides, words):
    at = datetime.fromisoformat(moment).replace(tzinfo=ZONE)
    state = HOURS.at_moment(at, ZONE, overrides)
    assert describe_hours_value("office", f"{'open' if state.open else 'closed'}: {state.reason}") == words
