"""Opening hours, compared with an oracle that asks the wall clock minute by minute; and the problems of wrong hours."""

from __future__ import annotations

import importlib.util
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from flow_harness import compile_text
from hypothesis import given
from hypothesis import strategies as st

from callflows.flows.hours.hours_reader import read_opening_hours
from callflows.flows.hours.overrides import HoursOverride
from callflows.flows.source.positions import ProblemReport
from callflows.flows.source.yaml_source import read_yaml
from each_case import each_case
from waiting import run_process

if TYPE_CHECKING:
    from callflows.flows.hours.opening_hours import OpeningHours, OpeningState

_SPEC = importlib.util.spec_from_file_location("oracle", Path(__file__).parents[1] / "oracles" / "hours_oracle.py")
assert _SPEC
assert _SPEC.loader
oracle: Any = importlib.util.module_from_spec(_SPEC)
sys.modules["oracle"] = oracle
_SPEC.loader.exec_module(oracle)

NEW_YORK, BERLIN, LORD_HOWE = ZoneInfo("America/New_York"), ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe")
HAVANA, APIA = ZoneInfo("America/Havana"), ZoneInfo("Pacific/Apia")
MINUTE = timedelta(minutes=1)


def read(text: str, **more: Any) -> tuple[OpeningHours | None, list[Any]]:
    """Hours of this text, and what is said about them."""
    report = ProblemReport("acme.yaml")
    found = read_yaml(text.encode(), report)
    return read_opening_hours("office", found, (), report, **more), report.problems


def hours(text: str) -> OpeningHours:
    """Hours of this text, of which nothing is said."""
    found, problems = read(text)
    assert problems == []
    assert found is not None
    return found


def at(text: str, when: str, zone: ZoneInfo | None = NEW_YORK, overrides: tuple[HoursOverride, ...] = ()) -> OpeningState:
    """Hours of this text at a moment, on the clock of the zone unless it carries an offset."""
    moment = datetime.fromisoformat(when)
    return hours(text).at_moment(moment if moment.tzinfo else moment.replace(tzinfo=zone or UTC), zone, overrides)


def shown(moment: datetime | None) -> str:
    return moment.isoformat(" ", "minutes") if moment else ""


OFFICE = """
mon-fri: 09:00-12:30, 13:30-18:00
sat: 10:00-14:00
holidays: US-NJ
closed: [2026-12-24]
open: {2026-12-19: 10:00-16:00, 2026-12-25: 08:00-09:00}
"""


# The week


@each_case(
    ("when", "is_open"),
    [
        ("2026-11-23 08:59:59.999999", False),
        ("2026-11-23 09:00", True),
        ("2026-11-23 12:29:59.999999", True),
        ("2026-11-23 12:30", False),
        ("2026-11-23 13:30", True),
        ("2026-11-23 18:00", False),
        ("2026-11-28 10:00", True),
        ("2026-11-29 10:00", False),
    ],
)
def test_a_window_is_open_from_its_begin_until_just_before_its_end(when, is_open):
    assert at(OFFICE, when).open is is_open


def test_what_is_next_is_told_in_the_zone():
    found = at(OFFICE, "2026-11-23 10:00")
    assert shown(found.next_closing) == "2026-11-23 12:30-05:00"
    assert shown(found.next_opening) == "2026-11-23 13:30-05:00"
    found = at(OFFICE, "2026-11-28 14:00")
    assert shown(found.next_opening) == "2026-11-30 09:00-05:00"
    assert shown(found.next_closing) == "2026-11-30 12:30-05:00"
    assert found.next_opening is not None
    assert found.next_opening.tzinfo is NEW_YORK


def test_at_the_moment_of_opening_the_next_opening_is_a_later_one():
    assert shown(at("daily: 09:00-17:00", "2026-11-23 09:00").next_opening) == "2026-11-24 09:00-05:00"
    assert shown(at("daily: 09:00-17:00", "2026-11-23 17:00").next_closing) == "2026-11-24 17:00-05:00"


def test_the_moment_may_come_with_any_offset_and_the_zone_decides():
    assert at("mon: 09:00-10:00", "2026-11-23 14:30+00:00").open
    assert at("mon: 09:00-10:00", "2026-11-23 23:30+09:00").open
    assert not at("mon: 09:00-10:00", "2026-11-23 09:30+00:00").open


def test_without_a_zone_the_clock_is_that_of_utc():
    found = at("mon: 09:00-10:00", "2026-11-23 04:30-05:00", None)
    assert (found.open, shown(found.next_closing)) == (True, "2026-11-23 10:00+00:00")


def test_a_moment_without_an_offset_is_refused_since_the_clock_of_the_server_is_nobodys():
    with pytest.raises(ValueError, match="offset"):
        hours(OFFICE).at_moment(datetime(2026, 11, 23, 10), NEW_YORK)  # noqa: DTZ001 - it is what is refused


@each_case(
    ("key", "days"),
    [
        ("mon", "0"),
        ("mon-fri", "01234"),
        ("sat,sun", "56"),
        ("sat-mon", "560"),
        ("fri - sun, Wed", "4562"),
        ("Monday", "0"),
        ("TUESDAY-thurs", "123"),
        ("daily", "0123456"),
        ("every-day", "0123456"),
        ("weekdays", "01234"),
        ("weekend", "56"),
        ("sun-sat", "0123456"),
        ("wed-wed", "2"),
    ],
)
def test_days_are_named_as_people_name_them(key, days):
    found = hours(f"{key}: 09:00-10:00")
    assert {day for day in range(7) if found.weekly_windows[day]} == {int(day) for day in days}


@pytest.mark.parametrize(
    "windows",
    [
        "09:00-12:30, 13:30-18:00",
        "[09:00-12:30, 13:30-18:00]",
        "9:00 - 12:30,13:30\u201318:00",
        "['13:30-18:00', '9:00-12:30']",
    ],
)
def test_windows_are_written_as_people_write_them(windows):
    assert [str(window) for window in hours(f"mon: {windows}").weekly_windows[0]] == ["09:00-12:30", "13:30-18:00"]


@each_case(
    ("written", "daytime"),
    [
        ("8:30-5:30", "08:30-17:30"),
        ("9:00-5:00", "09:00-17:00"),
        ("08:00-6:00", "08:00-18:00"),
        ("10:00 - 08:00", "10:00-20:00"),
        ("11:30-2:30", "11:30-14:30"),
        ("12:30-05:30", "12:30-17:30"),
    ],
)
def test_a_window_that_begins_in_the_morning_and_ends_before_it_begins_is_refused_with_both_readings(written, daytime):
    found, (problem,) = read(f"mon: {written}\ntue: 09:00-10:00")
    assert (problem.severity, problem.rule) == ("error", "hours-window")
    assert f"did you mean {daytime}?" in problem.fix
    assert f"{daytime.partition('-')[0]}-24:00" in problem.fix
    assert found is not None
    assert found.weekly_windows[0] == ()


@each_case("written", ["22:00-06:00", "21:00-08:00", "17:00-1:00", "13:00-03:00", "12:00-02:00", "08:00-00:00"])
def test_a_window_that_begins_in_the_afternoon_may_go_on_into_the_night(written):
    assert len(hours(f"mon: {written}").weekly_windows[0]) == 1


@pytest.mark.parametrize(
    ("written", "afternoon"),
    [
        ("09:00-12:00, 01:00-05:00", "13:00-17:00"),
        ("[8:00-12:00, 1:00-5:30]", "13:00-17:30"),
        ("7:00-11:00, 03:00-07:00", "15:00-19:00"),
    ],
)
def test_an_afternoon_on_a_clock_of_12_hours_is_refused_after_a_morning(written, afternoon):
    for text in (f"mon: {written}", f"open: {{2026-12-24: '{written.strip('[]')}'}}"):
        found, problems = read(text)
        assert [(problem.severity, problem.rule) for problem in problems if problem.rule != "hours-never"] == [
            ("error", "hours-window")
        ]
        assert f"did you mean {afternoon}?" in problems[0].fix
        assert found is not None
    assert len(found.dated_windows[0].windows) == 1


def test_an_early_morning_before_a_later_window_is_taken_as_written():
    found = hours("mon: 01:00-05:00, 09:00-12:00\ntue: 13:00-17:00, 09:00-12:00")
    assert [len(windows) for windows in found.weekly_windows[:2]] == [2, 2]


def test_an_afternoon_alone_without_zeros_is_warned_of_and_zeros_say_that_the_night_is_meant():
    _, (problem,) = read("sun: 1:00-5:00")
    assert (problem.severity, problem.rule) == ("warning", "hours-night")
    assert problem.fix.startswith("did you mean 13:00-17:00?")
    hours("sun: 01:00-05:00")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("12:00-4:00", "12:00-16:00"),
        ("12:30 \u2013 2:30", "12:30-14:30"),
        ("13:00-5:00", "13:00-17:00"),
        ("08:00-12:00, 13:00-5:30", "13:00-17:30"),
        ("15:30-7:00", "15:30-19:00"),
    ],
)
def test_an_afternoon_until_an_hour_without_a_zero_is_warned_of(written, meant):
    _, (problem,) = read(f"sun: {written}")
    assert (problem.severity, problem.rule) == ("warning", "hours-night")
    assert problem.fix.startswith(f"did you mean {meant}?")
    hours("sun: 12:00-02:00")
    hours("sun: 13:00-1:00")
    hours("sun: 13:00-05:00")
    hours("sun: 17:00-9:00")


@each_case(
    ("written", "likely"),
    [
        ("9-5", "09:00-17:00"),
        ("from 9 to 5", "09:00-17:00"),
        ("9 Uhr - 17 Uhr", "09:00-17:00"),
        ("9:00 \u00e0 17:00", "09:00-17:00"),
        ("9:00-17:00 hrs", "09:00-17:00"),
        ("9:00-17:00h", "09:00-17:00"),
        ("9:00-17:00 ET", "09:00-17:00"),
        ("9:00~17:00", "09:00-17:00"),
        ("09:00:00-17:00:00", "09:00-17:00"),
        ("9a-5:30p", "09:00-17:30"),
        ("9-17", "09:00-17:00"),
        ("9 to 5:30", "09:00-17:30"),
        ("8.30-5.30", "08:30-17:30"),
        ("0830-0530", "08:30-17:30"),
        ("9am-5", "09:00-17:00"),
        ("9-5pm", "09:00-17:00"),
        ("1-5pm", "13:00-17:00"),
        ("10-12pm", "10:00-12:00"),
        ("9 a.m. - 5 p.m.", "09:00-17:00"),
        ("9pm-2", "21:00-02:00"),
        ("22-6", "22:00-06:00"),
        ("12-6", "12:00-18:00"),
        ("8-8", "08:00-20:00"),
        ("1-5", "13:00-17:00, or 01:00-05:00"),
        ("9:00-midnight", "09:00-00:00, or 21:00-00:00"),
        ("9-12am", "09:00-00:00, or 21:00-00:00"),
        ("5 to midnight", "17:00-00:00, or 05:00-00:00"),
        ("09:00-midnight", "09:00-00:00"),
        ("9pm-midnight", "21:00-00:00"),
        ("noon-midnight", "12:00-00:00"),
    ],
)
def test_times_in_short_are_fixed_to_the_hours_of_a_business_and_never_to_a_night(written, likely):
    _, (problem,) = read(f"mon: {written}")
    assert problem.fix == f"did you mean {likely}?"


@each_case(
    ("written", "fix"),
    [
        ("mon: 12am-12am", "the whole day is 00:00-24:00"),
        ("mon/wed: 09:00-10:00", "did you mean 'mon,wed'?"),
        ("saturday and sunday: 09:00-10:00", "did you mean 'saturday,sunday'?"),
        ("mon thru thu; sat: 09:00-10:00", "did you mean 'mon-thu,sat'?"),
        ("lun-ven: 09:00-10:00", "did you mean 'mon-fri'?"),
        ("lunes a viernes: 09:00-10:00", "did you mean 'mon-fri'?"),
        ("Montag bis Freitag: 09:00-10:00", "did you mean 'mon-fri'?"),
        ("Di+Do: 09:00-10:00", "did you mean 'tue,thu'?"),
        ("every day: 09:00-10:00", "did you mean 'daily'?"),
        ("mon, wed & fri: 09:00-10:00", "did you mean 'mon,wed,fri'?"),
        ("mon wed fri: 09:00-10:00", "did you mean 'mon,wed,fri'?"),
        ("mon fri: 09:00-10:00", "did you mean 'mon-fri', or 'mon,fri'?"),
        ("mon,weds & friday: 09:00-10:00", "did you mean 'mon,wed,friday'?"),
        ("mon,tuesdays: 09:00-10:00", "did you mean 'mon,tuesday'?"),
        ("sat,snu: 09:00-10:00", "did you mean 'sat,sun'?"),
        ("mon,holiday: 09:00-10:00", "days are mon, mon-fri, sat,sun or daily"),
        ("mon, someday: 09:00-10:00", "days are mon, mon-fri, sat,sun or daily"),
        ("2026-12-24: 09:00-10:00", "dates stand under open or closed, as open: {2026-12-24: 10:00-14:00}"),
        ("dec 24: closed", "dates stand under open or closed"),
        ("lunch: 12:00-13:00", "a break is the time between two windows"),
        ("holidays: 10:00-14:00", "write holidays: US, and the hours of single days under open"),
        ("holidays: NJ", "did you mean US-NJ?"),
        ("holidays: New Jersey", "did you mean US-NJ?"),
        ("holidays: England", "did you mean GB-ENG?"),
        ("holidays: Bayern", "did you mean DE-BY?"),
        ("holidays: US NJ", "did you mean US-NJ?"),
        ("holidays: Germny", "did you mean DE?"),
        ("closed: [12-24]", "write it with its year, as YYYY-12-24"),
        ("closed: ['*-12-25']", "write it with its year, as YYYY-12-25"),
        ("closed: [24.12.]", "write it with its year, as YYYY-12-24"),
        ("closed: [3/4]", "write it with its year, as YYYY-03-04 or YYYY-04-03"),
        ("closed: {2026-12-24: Christmas Eve}", "write closed: [2026-12-24]"),
    ],
)
def test_days_and_dates_in_another_notation_are_fixed_to_what_is_meant(written, fix):
    problem = read(written)[1][0]
    assert problem.severity == "error"
    assert fix in problem.fix


def test_a_day_may_be_closed_in_words():
    assert hours("mon-sat: 09:00-10:00\nsun: closed").weekly_windows[6] == ()


# Midnight


def test_a_window_over_midnight_belongs_to_the_day_it_begins_on():
    text = "fri: 22:00-02:00\nclosed: 2026-11-28"
    assert at(text, "2026-11-28 01:59").open
    assert not at(text, "2026-11-28 02:00").open
    assert not at(text, "2026-11-28 22:00").open
    assert not at(text, "2026-11-27 01:00").open
    assert at(text, "2026-11-28 01:00").reason == "fri 22:00-02:00"


def test_a_window_over_midnight_is_not_cut_by_a_holiday_and_does_not_begin_on_one():
    text = "daily: 22:00-02:00\nholidays: US"
    assert at(text, "2026-12-25 01:00").open
    assert not at(text, "2026-12-25 23:00").open
    assert not at(text, "2026-12-26 01:00").open


def test_sunday_night_goes_on_into_monday_and_into_the_new_year():
    assert at("sun: 22:00-02:00", "2026-11-23 01:00").open
    assert at("thu: 22:00-02:00", "2027-01-01 01:59").open


@pytest.mark.parametrize("end", ["24:00", "00:00", "0:00"])
def test_a_day_may_end_at_midnight_by_either_name(end):
    text = f"mon: 22:00-{end}"
    assert at(text, "2026-11-23 23:59:59").open
    assert not at(text, "2026-11-24 00:00").open


@pytest.mark.parametrize(
    "text", ["mon: 12:00-13:00, 13:00-14:00", "mon: 12:00-24:00\ntue: 00:00-14:00", "daily: 00:00-24:00"]
)
def test_windows_that_touch_leave_no_hole_of_a_second(text):
    start = datetime(2026, 11, 23, 12, tzinfo=NEW_YORK)
    found = hours(text)
    assert all(found.at_moment(start + timedelta(seconds=second), NEW_YORK).open for second in range(7200))


def test_windows_that_touch_are_one_opening():
    found = at("mon: 12:00-24:00\ntue: 00:00-14:00", "2026-11-23 13:00")
    assert shown(found.next_closing) == "2026-11-24 14:00-05:00"
    assert shown(found.next_opening) == "2026-11-30 12:00-05:00"


def test_hours_that_never_close_have_nothing_next():
    found = at("daily: 00:00-24:00", "2026-11-23 13:00")
    assert (found.open, found.next_opening, found.next_closing) == (True, None, None)


def test_what_opens_only_in_two_years_has_nothing_next():
    found = at("open: {2029-01-01: 09:00-10:00}", "2026-11-23 13:00")
    assert (found.open, found.next_opening, found.next_closing) == (False, None, None)


def test_what_opens_in_a_year_is_found():
    assert shown(at("open: {2027-12-01: 09:00-10:00}", "2026-11-23 13:00").next_opening) == "2027-12-01 09:00-05:00"


# Which rule decides


@each_case(
    ("when", "is_open", "reason"),
    [
        ("2026-11-23 09:00", True, "mon 09:00-12:30"),
        ("2026-11-23 13:00", False, "mon outside 09:00-12:30, 13:30-18:00"),
        ("2026-11-29 13:00", False, "sun closed"),
        ("2026-12-24 10:00", False, "closed 2026-12-24"),
        ("2026-11-26 10:00", False, "holiday Thanksgiving Day"),
        ("2026-12-19 15:00", True, "open 2026-12-19 10:00-16:00"),
        ("2026-12-19 16:00", False, "open 2026-12-19 outside 10:00-16:00"),
        ("2026-12-25 08:30", True, "open 2026-12-25 08:00-09:00"),
    ],
)
def test_the_rule_that_decides_is_told(when, is_open, reason):
    found = at(OFFICE, when)
    assert (found.open, found.reason) == (is_open, reason)


def test_closed_dates_may_be_a_range_that_includes_its_end():
    for closed in (
        "2026-12-24 - 2027-01-02",
        "[2026-12-24..2027-01-02]",
        "2026-12-24 to 2027-01-02",
        "2026-12-24/2027-01-02",
    ):
        text = f"daily: 09:00-10:00\nclosed: {closed}"
        assert at(text, "2026-12-23 09:30").open
        assert not at(text, "2026-12-24 09:30").open
        assert not at(text, "2027-01-02 09:30").open
        assert at(text, "2027-01-03 09:30").open
        assert shown(at(text, "2026-12-25 09:30").next_opening) == "2027-01-03 09:00-05:00"


def test_open_beats_closed_around_it_and_may_be_a_range():
    text = "closed: 2026-12-20 - 2027-01-02\nopen: {2026-12-28 - 2026-12-29: [09:00-10:00, 11:00-12:00]}"
    assert at(text, "2026-12-29 11:30").open
    assert not at(text, "2026-12-30 11:30").open


def test_holidays_of_several_places_hold_together():
    text = "daily: 09:00-10:00\nholidays: [US-NJ, de-by]"
    assert at(text, "2026-10-03 09:30").reason == "holiday German Unity Day"
    assert at(text, "2026-07-03 09:30").reason == "holiday Independence Day (observed)"


@each_case("place", ["US", "USA", "us-nj", "US-New Jersey", "GB-SCT", "UK", "DE-Bayern", "NO"])
def test_places_are_known_by_their_names(place):
    assert not at(f"daily: 00:00-24:00\nholidays: {place}", "2026-12-25 12:00").open


@pytest.mark.parametrize("year", [1970, 2038, 2100])
def test_holidays_and_hours_are_known_in_any_year(year):
    text = "daily: 09:00-10:00\nholidays: US"
    assert at(text, f"{year}-12-25 09:30").reason == "holiday Christmas Day"
    assert at(text, f"{year}-07-22 09:59").open
    assert shown(at(text, f"{year}-07-22 10:00").next_opening) == f"{year}-07-23 09:00-04:00"


# Overrides


def override(state: str, until: str, begins: str | None = None) -> HoursOverride:
    return HoursOverride(
        "acme", "office", state == "open", begins and datetime.fromisoformat(begins), datetime.fromisoformat(until)
    )


def test_an_override_beats_everything_and_ends_by_itself():
    shut = (override("closed", "2026-12-25 08:30-05:00"),)
    assert not at(OFFICE, "2026-12-25 08:29:59", overrides=shut).open
    assert at(OFFICE, "2026-12-25 08:30", overrides=shut).open
    assert shown(at(OFFICE, "2026-12-25 08:00", overrides=shut).next_opening) == "2026-12-25 08:30-05:00"
    assert not at("fri: 22:00-02:00", "2026-11-28 01:00", overrides=(override("closed", "2026-11-28 01:30-05:00"),)).open


def test_an_override_opens_where_the_week_is_closed():
    found = at(OFFICE, "2026-11-29 10:00", overrides=(override("open", "2026-11-29 12:00-05:00"),))
    assert found.open
    assert found.reason == "override open until 2026-11-29 12:00-05:00"
    assert shown(found.next_closing) == "2026-11-29 12:00-05:00"
    assert shown(found.next_opening) == "2026-11-30 09:00-05:00"


def test_an_override_that_begins_later_is_next():
    later = (override("closed", "2026-11-23 11:30-05:00", "2026-11-23 10:30-05:00"),)
    found = at(OFFICE, "2026-11-23 10:00", overrides=later)
    assert (shown(found.next_closing), shown(found.next_opening)) == ("2026-11-23 10:30-05:00", "2026-11-23 11:30-05:00")


def test_of_several_overrides_the_last_one_wins_while_it_holds():
    both = (override("closed", "2026-11-27 00:00-05:00"), override("open", "2026-11-23 11:00-05:00"))
    assert at(OFFICE, "2026-11-23 10:00", overrides=both).open
    assert not at(OFFICE, "2026-11-23 11:00", overrides=both).open


def test_what_is_next_is_told_anew_when_the_overrides_have_changed():
    found = hours(OFFICE)
    now = datetime(2026, 11, 23, 10, tzinfo=NEW_YORK)
    shut = (override("closed", "2026-11-23 11:00-05:00"),)
    answers = [shown(found.at_moment(now, NEW_YORK, overrides).next_opening) for overrides in ((), shut, (), list(shut))]
    assert answers == ["2026-11-23 13:30-05:00", "2026-11-23 11:00-05:00"] * 2
    assert shown(found.at_moment(now, NEW_YORK).next_closing) == "2026-11-23 12:30-05:00"
    assert shown(found.at_moment(now, BERLIN).next_closing) == "2026-11-23 18:00+01:00"


def test_what_is_next_does_not_depend_on_what_was_asked_before():
    found = hours(OFFICE)
    start = datetime(2026, 12, 18, tzinfo=UTC)
    times = [start + 17 * n * MINUTE for n in range(800)]
    fresh = [
        (now.next_opening, now.next_closing) for now in (hours(OFFICE).at_moment(time, NEW_YORK) for time in times[::40])
    ]
    for some in (times, times[::-1]):
        told = {time: (now.next_opening, now.next_closing) for time in some for now in [found.at_moment(time, NEW_YORK)]}
        assert [told[time] for time in times[::40]] == fresh


# The days on which the clock is put forward or back


def test_new_york_8_march_2026_a_window_in_the_hour_that_is_missing_does_not_open():
    found = at("sun: 02:00-03:00", "2026-03-08 01:59")
    assert shown(found.next_opening) == "2026-03-15 02:00-04:00"
    assert not at("sun: 02:00-03:00", "2026-03-08 07:00+00:00").open


def test_new_york_8_march_2026_a_window_that_begins_in_the_missing_hour_opens_when_the_clock_has_jumped():
    found = at("sun: 02:30-04:00", "2026-03-08 06:59:59+00:00")
    assert not found.open
    assert shown(found.next_opening) == "2026-03-08 03:00-04:00"
    assert at("sun: 02:30-04:00", "2026-03-08 07:00+00:00").open


def test_new_york_8_march_2026_a_window_that_ends_in_the_missing_hour_closes_when_the_clock_jumps():
    assert shown(at("sat: 22:00-02:30", "2026-03-08 00:00").next_closing) == "2026-03-08 03:00-04:00"


def test_new_york_1_november_2026_what_the_clock_shows_twice_is_open_twice():
    text = "sun: 01:00-01:30"
    opened = [
        at(text, f"2026-11-01 {time}+00:00").open
        for time in ("04:59", "05:00", "05:29", "05:30", "06:00", "06:29", "06:30")
    ]
    assert opened == [False, True, True, False, True, True, False]
    found = at(text, "2026-11-01 05:10+00:00")
    assert (shown(found.next_closing), shown(found.next_opening)) == ("2026-11-01 01:30-04:00", "2026-11-01 01:00-05:00")


def test_new_york_1_november_2026_a_window_around_the_hour_lasts_an_hour_longer():
    found = at("sun: 00:30-02:00", "2026-11-01 00:30")
    assert found.next_closing is not None
    assert found.next_closing.astimezone(UTC) == datetime(2026, 11, 1, 7, tzinfo=UTC)


def test_berlin_28_march_and_31_october_2027():
    assert shown(at("sun: 02:30-04:00", "2027-03-28 00:00", BERLIN).next_opening) == "2027-03-28 03:00+02:00"
    assert shown(at("sun: 02:15-02:45", "2027-10-31 00:40+00:00", BERLIN).next_closing) == "2027-10-31 02:45+02:00"
    assert shown(at("sun: 02:15-02:45", "2027-10-31 00:50+00:00", BERLIN).next_opening) == "2027-10-31 02:15+01:00"


def test_lord_howe_5_april_2026_is_put_back_by_half_an_hour():
    text = "sun: 01:45-02:00"
    opened = [
        at(text, f"2026-04-04 {time}+00:00", LORD_HOWE).open
        for time in ("14:44", "14:45", "14:59", "15:00", "15:15", "15:30")
    ]
    assert opened == [False, True, True, False, True, False]


def test_havana_1_november_2026_shows_the_first_hour_of_the_day_twice():
    text = "sat: 22:00-24:00\nsun: 00:15-00:45"
    found = at(text, "2026-10-31 23:00", HAVANA)
    assert shown(found.next_closing) == "2026-11-01 00:00-04:00"
    assert shown(found.next_opening) == "2026-11-01 00:15-04:00"
    assert at(text, "2026-11-01 05:30+00:00", HAVANA).open


def test_apia_had_no_30_december_2011():
    found = at("fri: 09:00-10:00\nsat: 09:00-10:00", "2011-12-29 12:00", APIA)
    assert shown(found.next_opening) == "2011-12-31 09:00+14:00"


# The oracle


def told(found: OpeningState) -> tuple[bool, datetime | None, datetime | None]:
    """What is told, in UTC: Python calls moments of two zones unequal where a clock shows a time twice."""
    nexts = [moment and moment.astimezone(UTC) for moment in (found.next_opening, found.next_closing)]
    return found.open, nexts[0], nexts[1]


def compare(schedule: Any, zone: ZoneInfo, first: datetime, days: int, every: int) -> None:
    """A stretch beside the oracle: around every edge and the clock's changes, and at samples."""
    last = first + timedelta(days=days)
    plain = oracle.HoursOracle(schedule, zone, first, last + timedelta(days=15))
    report = ProblemReport("")
    found = read_opening_hours("it", schedule.to_flow_file(), (), report)
    assert [problem for problem in report.problems if problem.severity == "error"] == []
    assert found is not None
    overrides = tuple(HoursOverride("acme", "it", *exception) for exception in schedule.exceptions)
    minutes = {edge + by for edge in plain.edges for by in (-1, 0, 1)} | {*range(0, days * 1440, every)}
    for minute in sorted(minutes):
        if 0 <= minute < days * 1440:
            now = found.at_moment(plain.moment_at(minute), zone, overrides)
            assert now.open is plain.is_open[minute], plain.moment_at(minute)
            opening, closing = plain.find_next_edges(minute)
            if opening and closing:
                assert told(now) == (plain.is_open[minute], opening, closing), plain.moment_at(minute)


CLOCK_CHANGES = (datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 10, 22, tzinfo=UTC))
DAYS_OF_SEASON = (5, 12)  # to the change of America; to those of Europe and America
EDGE_ZONES = [*oracle.ZONE_NAMES, "America/Havana", "Asia/Beirut", "Africa/Cairo", "Africa/Casablanca"]


@pytest.mark.parametrize("zone", EDGE_ZONES)
@pytest.mark.parametrize("schedule", oracle.SCHEDULES)
def test_around_every_edge_it_agrees_with_the_oracle(zone, schedule):
    # Each zone has some schedules in spring and the others in autumn.
    season = (EDGE_ZONES.index(zone) + [*oracle.SCHEDULES].index(schedule)) % 2
    compare(oracle.SCHEDULES[schedule], ZoneInfo(zone), CLOCK_CHANGES[season], DAYS_OF_SEASON[season], 191)


MINUTES = st.integers(0, 1439).map(lambda minute: minute - minute % 5)


@st.composite
def windows_of_a_day(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Windows that do not overlap and end by midnight."""
    edges = sorted(draw(st.lists(MINUTES, unique=True, max_size=6)))
    texts = [f"{edge // 60:02}:{edge % 60:02}" for edge in edges[: len(edges) // 2 * 2]]
    return [*zip(texts[::2], texts[1::2], strict=True)]


@given(
    st.dictionaries(st.sampled_from(oracle.WEEKDAY_NAMES), windows_of_a_day(), min_size=1),
    st.sampled_from(
        [
            (datetime(year, month, day, tzinfo=UTC))
            for year in (1975, 2026, 2099)
            for month, day in ((3, 6), (3, 26), (10, 28), (4, 2), (9, 30))
        ]
    ),
    st.sampled_from([NEW_YORK, BERLIN, LORD_HOWE, HAVANA, ZoneInfo("America/Sao_Paulo"), ZoneInfo("Asia/Kolkata")]),
    st.sets(st.integers(0, 9), max_size=2),
    st.dictionaries(st.integers(0, 9), windows_of_a_day().filter(bool), max_size=2),
    st.lists(st.tuples(st.booleans(), st.none() | st.integers(0, 14000), st.integers(1, 3000)), max_size=3),
)
def test_any_hours_agree_with_the_oracle(week, first, zone, closed, opened, exceptions):
    day = first.date()
    schedule = oracle.HoursSchedule(
        week,
        {day + timedelta(days=n) for n in closed},
        {day + timedelta(days=n): windows for n, windows in opened.items()},
        ("US-NJ",),
        [
            (state, None if begins is None else first + begins * MINUTE, first + ((begins or 0) + length) * MINUTE)
            for state, begins, length in exceptions
        ],
    )
    compare(schedule, zone, first, 10, 307)


# What is wrong

BAD = [
    ("mon: 9-17", "hours-window", (1, 6), "mon: '9-17' are no opening hours"),
    ("mon: 09:00", "hours-window", (1, 6), "mon: '09:00' are no opening hours"),
    ("mon: 09:00-25:00", "hours-window", (1, 6), "mon: '09:00-25:00' are no opening hours"),
    ("mon: 24:00-02:00", "hours-window", (1, 6), "mon: '24:00-02:00' are no opening hours"),
    ("mon: 09:60-10:00", "hours-window", (1, 6), "mon: '09:60-10:00' are no opening hours"),
    ("mon: 9am-5pm", "hours-window", (1, 6), "mon: '9am-5pm' are no opening hours"),
    ("mon: \u0660\u0669:00-10:00", "hours-window", (1, 6), "mon: '\u0660\u0669:00-10:00' are no opening hours"),
    ("mon:", "hours-window", (1, 5), "mon: has no hours"),
    ("mon: 09:00-10:00, closed", "hours-window", (1, 6), "mon: 'closed' are no opening hours"),
    ("mon: [09:00-10:00, 11:00-]", "hours-window", (1, 20), "mon: '11:00-' are no opening hours"),
    ("mon: 09:00-09:00", "hours-window", (1, 6), "mon: 09:00-09:00 never opens, since it ends where it begins"),
    ("mon: 00:00-00:00", "hours-window", (1, 6), "mon: 00:00-00:00 never opens, since it ends where it begins"),
    ("mon: [[09:00-10:00]]", "shape", (1, 7), "mon: must be a text"),
    ("mon: {a: b}", "shape", (1, 6), "mon: must be a text or a list"),
    ("mon: 09:00-12:00, 11:59-13:00", "hours-overlap", (1, 6), "mon: 11:59-13:00 overlaps 09:00-12:00"),
    ("mon: [09:00-12:00, 09:00-12:00]", "hours-overlap", (1, 20), "mon: 09:00-12:00 overlaps 09:00-12:00"),
    (
        "daily: 22:00-02:00, 01:00-03:00",
        "hours-overlap",
        (1, 8),
        "daily: 01:00-03:00 overlaps 22:00-02:00 of daily, which goes on past midnight",
    ),
    (
        "sun: 22:00-02:00\nmon: 01:30-03:00",
        "hours-overlap",
        (2, 6),
        "mon: 01:30-03:00 overlaps 22:00-02:00 of sun, which goes on past midnight",
    ),
    ("mno: 09:00-10:00", "hours-day", (1, 1), "'mno' is no day"),
    ("mon-fri-sat: 09:00-10:00", "hours-day", (1, 1), "'mon-fri-sat' is no day"),
    ("holiday: US", "hours-day", (1, 1), "'holiday' is no day"),
    ("2026-12-24: 09:00-10:00", "hours-day", (1, 1), "'2026-12-24' is no day"),
    (
        "{mon: 09:00-10:00, 11:00-12:00}",
        "yaml",
        (1, 20),
        "the comma ends the text of 'mon', and '11:00-12:00' is taken for a key",
    ),
    ("mon-fri: 09:00-10:00\nfri,sat: 09:00-11:00", "hours-twice", (2, 1), "fri,sat: fri is in 'mon-fri' already"),
    ("mon,mon: 09:00-10:00", "hours-twice", (1, 1), "mon,mon: mon is in 'mon,mon' already"),
    ("closed: 2026-02-30", "hours-date", (1, 9), "'2026-02-30' is no date"),
    ("closed: [2026-12-24, 24.12.2026]", "hours-date", (1, 22), "'24.12.2026' is no date"),
    ("closed: 2027-01-02 - 2026-12-24", "hours-date", (1, 9), "2027-01-02 - 2026-12-24 ends before it begins"),
    (
        "closed: {2026-12-24: 09:00-10:00}",
        "hours-date",
        (1, 10),
        "closed: 2026-12-24 has windows, and a closed day has none",
    ),
    ("open: {12/24/2026: 09:00-10:00}", "hours-date", (1, 8), "'12/24/2026' is no date"),
    ("open: {2026-12-24: closed}", "hours-date", (1, 20), "open: 2026-12-24 is closed"),
    (
        "open: {2026-12-24: 09:00-10:00, 11:00-12:00}",
        "yaml",
        (1, 33),
        "the comma ends the text of '2026-12-24', and '11:00-12:00' is taken for a key",
    ),
    ("open: {2026-12-24: 10}", "hours-window", (1, 20), "2026-12-24: '10' are no opening hours"),
    ("open: 2026-12-24", "shape", (1, 7), "open: must be a mapping of dates and windows"),
    (
        "open: {2026-12-24: 09:00-10:00, 2026-12-20 - 2026-12-24: 09:00-11:00}",
        "hours-twice",
        (1, 8),
        "open: 2026-12-24 is given twice",
    ),
    ("holidays: XX", "hours-holidays", (1, 11), "holidays: there is no country 'XX'"),
    ("holidays: Germany", "hours-holidays", (1, 11), "holidays: there is no country 'Germany'"),
    ("holidays: US-XX", "hours-holidays", (1, 11), "holidays: US has no part 'XX'"),
    ("holidays: [US, no]", "hours-holidays", (1, 16), "holidays: no is Norway here"),
    ("daily: 09:00-10:00\nholidays:", "hours-holidays", (2, 10), "holidays: there is no country ''"),
]


@each_case(("text", "rule", "place", "message"), BAD, ids=[case[0] for case in BAD])
def test_what_is_wrong_is_said_with_its_place(text, rule, place, message):
    _, problems = read(text)
    (problem,) = problems
    assert (problem.rule, problem.line, problem.column, problem.message) == (rule, *place, message)
    assert problem.severity == "error"
    assert problem.fix or rule == "shape"


@each_case(
    ("text", "fix"),
    [
        ("mno: 09:00-10:00", "did you mean 'mon'?"),
        ("holiday: US", "did you mean 'holidays'?"),
        ("holidays: Germany", "did you mean DE?"),
        ("holidays: Germani", "did you mean DE?"),
        ("holidays: US-NK", "there are "),
        ("holidays: DE-Bayren", "did you mean DE-BY?"),
        ("holidays: US-NYC", "did you mean US-NY?"),
        ("holidays: US-New York City", "did you mean US-NY?"),
        ("holidays: EN", "as US, US-NJ, DE-BY"),
        ("holidays: TX", "did you mean US-TX?"),
        ("holidays: 'US,'", "take the comma away: US"),
        ("holidays: {country: US}", "as holidays: US"),
        ("closed: '2026-12-24,'", "take the comma away: 2026-12-24"),
        ("mon: '09:00-17:00,'", "take the comma away: 09:00-17:00"),
        ("mon: ['09:00-12:00, ,13:00-17:00']", "take the comma away: 09:00-12:00, 13:00-17:00"),
        ("mon: {from: 09:00, to: 17:00}", "write mon: 09:00-17:00"),
        ("mon: [{open: 09:00, close: 12:00}, {open: 13:00, close: 17:00}]", "write mon: 09:00-12:00, 13:00-17:00"),
        ("mon: {09:00: 17:00}", "write mon: 09:00-17:00"),
        ("mon: {from: 9, to: 17}", "as mon: 09:00-12:30"),
        ("sat-sun: 24:00-06:00", "did you mean 00:00-06:00?"),
        ("mon: 9am-11:59pm", "did you mean 09:00-24:00?"),
        ("mon: 00:00-23:59:59", "did you mean 00:00-24:00?"),
        ("mon: 00:00-00:00", "00:00-24:00 is the whole day"),
        ("{mon: 09:00-10:00, 11:00-12:00}", "several are a list: mon: […, 11:00-12:00]"),
        ("daily: 24/7", "the whole day is 00:00-24:00"),
        ("daily: all day", "the whole day is 00:00-24:00"),
        ("mon: 09:00-12:00 13:00-17:00", "several windows have a comma between them: 09:00-12:00, 13:00-17:00"),
        ("mon: 09:00-12:00 and 13:00-17:00", "several windows have a comma between them: 09:00-12:00, 13:00-17:00"),
        ("2026-12-24: 09:00-10:00", "dates stand under open or closed"),
    ],
)
def test_the_fix_is_the_one_that_was_probably_meant(text, fix):
    _, problems = read(text)
    assert problems[0].fix.startswith(fix)


@each_case("word", ["no", "off", "none", "never", "false", "Closed.", "we are closed", "'-'", "[off]", "geschlossen"])
def test_a_word_for_a_closed_day_is_answered_with_the_right_one(word):
    _, (problem,) = read(f"sat: {word}\nmon: 09:00-17:00")
    assert (problem.severity, problem.fix) == ("error", "did you mean 'closed'?")


@each_case(
    ("text", "meant"),
    [
        ("mon-fri: 00:00-23:59", "00:00-24:00"),
        ("mon: 08:00-23:59", "08:00-24:00"),
        ("mon: 22:00-23:59\ntue: 00:00-06:00", "22:00-24:00"),
        ("open: {2026-12-24: 10:00-23:59}", "10:00-24:00"),
        ("mon: 00:01-24:00", "00:00-24:00"),
        ("mon: 00:01-00:00", "00:00-24:00"),
        ("mon: 00:01-23:59", "00:00-24:00"),
        ("mon: 09:00-12:59, 13:00-17:00", "09:00-13:00"),
    ],
)
def test_a_minute_that_is_left_out_is_a_warning(text, meant):
    _, (problem,) = read(text)
    assert (problem.severity, problem.rule, problem.fix) == ("warning", "hours-window", f"did you mean {meant}?")


@each_case("text", ["mon: 08:00-23:58", "mon: 09:00-12:58, 13:00-17:00", "mon: 00:02-23:00", "mon: 23:00-00:01"])
def test_other_minutes_are_taken_as_they_are(text):
    assert read(text)[1] == []


@each_case(
    ("place", "countries", "fix"),
    [
        ("GA", {"US"}, "did you mean US-GA? GAB says that Gabon is meant"),
        ("ca", {"US"}, "did you mean US-CA? CAN says that Canada is meant"),
        ("NL", {"CA"}, "did you mean CA-NL? NLD says that Netherlands is meant"),
        ("BE", {"DE", "AT"}, "did you mean DE-BE? BEL says that Belgium is meant"),
    ],
)
def test_a_country_with_the_code_of_a_part_of_the_own_country_is_a_warning(place, countries, fix):
    text = f"mon: 09:00-17:00\nholidays: [{place}]"
    _, (problem,) = read(text, find_countries=lambda: countries)
    assert (problem.severity, problem.rule, problem.line, problem.column) == ("warning", "hours-holidays", 2, 12)
    assert problem.fix == fix
    assert read(text)[1] == []


@each_case(
    ("place", "countries"),
    [
        ("CAN", {"US"}),
        ("CA", {"CA"}),
        ("CA", {"US", "CA"}),
        ("GB", {"US"}),
        ("PR", {"US"}),
        ("US-GA", {"US"}),
        ("NO", {"XX"}),
    ],
)
def test_a_country_that_can_be_meant_is_taken_as_it_is(place, countries):
    assert read(f"mon: 09:00-17:00\nholidays: {place}", find_countries=lambda: countries)[1] == []


@each_case(
    ("head", "is_doubtful"),
    [
        ("numbers: +12015550123", True),
        ("numbers: rest\ntimezone: America/Chicago", True),
        ("numbers: rest\ntimezone: US/Eastern", True),
        ("numbers: [+12015550123, +14165550123]", False),
        ("numbers: +12015550123\ntimezone: America/Toronto", False),
        ("numbers: rest", False),
    ],
)
def test_the_country_of_a_flow_is_that_of_its_numbers_and_its_zone(head, is_doubtful):
    hours_text = "hours: {office: {mon: 09:00-17:00, holidays: CA}}"
    made = compile_text(f"{head}\n{hours_text}\nnodes: {{start: [{{when: hours.office.open, say: Hello.}}, hangup]}}\n")
    assert ("hours-holidays" in {problem.rule for problem in made.problems}) is is_doubtful


def test_what_is_right_stays_beside_what_is_wrong():
    found, problems = read("mon: 09:00-10:00, x\ntue: 09:00-10:00\nclosed: [x, 2026-12-24]\nholidays: [US, XX]")
    assert found is not None
    assert [problem.rule for problem in problems] == ["hours-window", "hours-holidays", "hours-date"]
    assert found.weekly_windows[0]
    assert found.weekly_windows[1]
    assert found.holiday_places == ("US",)
    assert len(found.closed_dates) == 1


@pytest.mark.parametrize("text", ["09:00-17:00", "[mon, tue]", "''"])
def test_hours_without_days_are_refused(text):
    found, (problem,) = read(text)
    assert found is None
    assert (problem.rule, problem.fix) == ("shape", "as daily: 09:00-17:00")


@pytest.mark.parametrize("text", ["{}", "sun: closed", "closed: 2026-12-24", "holidays: US"])
def test_hours_that_never_open_are_a_warning(text):
    _, (problem,) = read(text)
    assert (problem.severity, problem.rule, problem.message) == ("warning", "hours-never", "office: never opens")


def test_hours_of_which_something_is_wrong_are_not_said_to_never_open_too():
    assert [problem.rule for problem in read("mon: 9-17")[1]] == ["hours-window"]


@pytest.mark.parametrize("opened", ["2026-12-24", "2026-12-20 - 2026-12-31"])
def test_a_date_that_is_closed_and_open_is_a_warning_and_open_wins(opened):
    found, (problem,) = read(f"closed: [2026-12-23 - 2027-01-03, 2026-12-24]\nopen: {{{opened}: 09:00-10:00}}")
    assert (problem.severity, problem.rule, problem.line, problem.column) == ("warning", "hours-contradiction", 1, 35)
    assert found is not None
    assert found.at_moment(datetime(2026, 12, 24, 9, tzinfo=UTC), None).open


def test_holidays_that_end_soon_are_a_warning():
    text = "daily: 09:00-10:00\nholidays: US"
    _, (problem,) = read(text, today=date(2101, 1, 1))
    assert (problem.severity, problem.rule, problem.line, problem.column) == ("warning", "hours-holidays", 2, 11)
    assert read(text, today=date(2026, 1, 1))[1] == []


@given(
    st.recursive(
        st.none() | st.text(max_size=12),
        lambda some: (
            st.lists(some, max_size=3)
            | st.dictionaries(
                st.text(max_size=12) | st.sampled_from(["mon", "open", "closed", "holidays", "2026-12-24"]),
                some,
                max_size=3,
            )
        ),
    )
)
def test_anything_is_read_or_refused(given_):
    found = read_opening_hours("x", given_, ("hours", "x"), ProblemReport(""))
    if found is not None:
        assert found.at_moment(datetime(2026, 12, 24, 9, tzinfo=UTC), None).open in (True, False)


def test_the_package_of_holidays_is_imported_by_the_first_hours_that_ask_for_it():
    code = (
        "import sys; from callflows.flows.source.positions import ProblemReport; "
        "from callflows.flows.hours.hours_reader import read_opening_hours; "
        "read_opening_hours('x', {'mon': '09:00-10:00'}, (), ProblemReport('')); first = 'holidays' in sys.modules; "
        "read_opening_hours('x', {'holidays': 'US'}, (), ProblemReport('')); print(first, 'holidays' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    root = Path(__file__).parents[2]
    ran = run_process(command, check=True, cwd=root)
    assert ran.stdout.split() == ["False", "True"]
