"""The time zone of a flow: unknown names lead to the zone of the place, and zones without summer time are warned of."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from callflows.flows.source.positions import ProblemReport
from callflows.flows.source.time_zones import find_timezone
from each_case import each_case


def read(name):
    report = ProblemReport("acme.yaml")
    zone = find_timezone(name, ("timezone",), report)
    return zone, report.problems


@each_case("name", ["America/New_York", "Europe/Berlin", "UTC", "Etc/UTC", "HST", "US/Eastern", "EST5EDT", ""])
def test_the_zone_of_a_place_is_taken_without_a_word(name):
    assert read(name)[1] == []


@each_case(
    ("name", "city"),
    [
        ("GMT-5", "America/New_York"),
        ("UTC-5", "America/New_York"),
        ("UTC-08:00", "America/Los_Angeles"),
        ("-06:00", "America/Chicago"),
        ("GMT+1", "Europe/Berlin"),
        ("UTC+5:30", "Asia/Kolkata"),
        ("utc +10", "Australia/Sydney"),
    ],
)
def test_an_offset_leads_to_a_city_with_that_offset_and_never_to_the_opposite_one(name, city):
    zone, (problem,) = read(name)
    assert zone is None
    assert problem.fix.endswith(f"as {city}")


@each_case(
    ("name", "place"),
    [
        ("EST", "America/New_York"),
        ("MST", "America/Denver"),
        ("GMT", "Europe/London"),
        ("CET", "Europe/Berlin"),
        ("EET", "Europe/Athens"),
        ("WET", "Europe/Lisbon"),
        ("Etc/GMT+5", "America/New_York for UTC-5"),
        ("Etc/GMT-5", "America/New_York for UTC-5"),
        ("Etc/GMT-1", "Europe/Berlin for UTC+1"),
    ],
)
def test_a_zone_without_summer_time_is_warned_of_with_the_zone_of_a_city(name, place):
    zone, (problem,) = read(name)
    assert zone is not None
    assert (problem.severity, problem.rule) == ("warning", "timezone-fixed")
    assert place in problem.fix


def test_the_warning_about_a_turned_sign_names_the_offset_that_the_clock_has():
    zone, (problem,) = read("Etc/GMT-5")
    assert datetime(2026, 7, 1, tzinfo=UTC).astimezone(zone).strftime("%z") == "+0500"
    assert "Etc/GMT-5 is UTC+5" in problem.message


def test_a_word_that_is_no_place_and_a_country_of_several_zones_lead_to_no_single_city():
    assert read("auto")[1][0].fix == read("local")[1][0].fix == "as America/New_York"
    assert "America/Chicago" in read("USA")[1][0].fix


@each_case(
    ("name", "meant"),
    [
        ("America/NewJersey", "America/New_York"),
        ("Asia/Bombay", "Asia/Kolkata"),
        ("America/Indiana", "America/Indiana/Indianapolis"),
        ("Pacific Time (US & Canada)", "America/Los_Angeles"),
        ("(UTC-05:00) Eastern Time", "America/New_York"),
        ("NewJersey", "America/New_York"),
        ("America/Texas", "America/Chicago"),
        ("America/new_york", "America/New_York"),
        ("New York", "America/New_York"),
        ("America/Chicgo", "America/Chicago"),
        ("Amercia/New_York", "America/New_York"),
        ("US/New_York", "America/New_York"),
        ("Europe/Munich", "Europe/Berlin"),
        ("Asia/Mumbai", "Asia/Kolkata"),
        ("PST", "America/Los_Angeles"),
        ("EDT", "America/New_York"),
        ("Eastern Standard Time", "America/New_York"),
        ("CEST", "Europe/Berlin"),
    ],
)
def test_an_unknown_zone_leads_to_the_zone_of_the_place_that_is_meant(name, meant):
    zone, (problem,) = read(name)
    assert zone is None
    assert problem.fix == f"did you mean {meant!r}?"


@pytest.mark.parametrize("name", ["America/Gotham", "Mars/Olympus", "America/Jersy"])
def test_a_place_of_another_continent_that_sounds_alike_is_not_suggested(name):
    _, (problem,) = read(name)
    assert problem.fix == "as America/New_York"
