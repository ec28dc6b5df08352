"""Lists of people to call, and the hours in which they may be called."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from callflows.campaigns.calling_hours import find_number_zones, parse_calling_hours
from callflows.campaigns.contact_list import read_contact_list
from callflows.errors import CampaignError
from each_case import each_case

NEW_YORK, LOS_ANGELES, LONDON, TOLL_FREE = "+12125550901", "+12135550902", "+442079460000", "+18005550000"


@pytest.fixture
def read(tmp_path):
    def read_text(text, column=""):
        file = tmp_path / "people.csv"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_contact_list(file, column)

    return read_text


@pytest.mark.parametrize(
    "text",
    [
        "First Name,Phone\nAnn,+12125550901\n\nBen,1 (213) 555-0902\n",
        "First Name;Phone\r\nAnn;+12125550901\r\nBen;+12135550902\r\n",
        "\ufeffFirst Name\tPhone\nAnn\t+12125550901\nBen\t+12135550902",
    ],
)
def test_a_table_of_people_is_read_with_its_columns(read, text):
    found = read(text)
    assert [(contact.number, dict(contact.values)) for contact in found.contacts] == [
        (NEW_YORK, {"first_name": "Ann"}), (LOS_ANGELES, {"first_name": "Ben"})
    ]  # fmt: skip
    assert (found.columns, found.problems) == (("first_name",), ())


def test_numbers_alone_need_no_headings_and_nobody_is_called_twice(read):
    found = read(f"{NEW_YORK}\n212-555-0903\n0044 20 7946 0000\n{NEW_YORK}\n")
    assert [contact.number for contact in found.contacts] == [NEW_YORK, LONDON]
    written, repeated = (problem.partition("people.csv:")[2] for problem in found.problems)
    assert written.startswith("2: '212-555-0903' is not a number (write +12125550903 if it is North American")
    assert repeated == "4: +12125550901 stands in line 1 already, and is called once"


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("name,town\nAnn,Paris\n", "", "no column is named number or phone or phone_number"),
        ("name,town\nAnn,Paris\n", "Cell", "no column is named cell"),
        ("name,name,phone\n", "", "two columns are named 'name'"),
        ("2nd,phone\n", "", "'2nd' cannot be the name of a value"),
        (f"Ann,{NEW_YORK}\n", "", "the first row has a number: write headings above it"),
        ("\n", "", "it has no rows"),
        (b"phone\n\xff\n", "", ":2: it is not UTF-8"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(read, text, column, said):
    with pytest.raises(CampaignError) as error:
        read(text, column)
    assert said in str(error.value)


def moment(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@each_case(
    ("number", "now", "begins"),
    [
        (NEW_YORK, "2026-11-27T14:00", "2026-11-27T14:00"),  # Friday, 9 in New York
        (NEW_YORK, "2026-11-27T13:58", "2026-11-27T14:00"),
        (LOS_ANGELES, "2026-11-27T14:00", "2026-11-27T17:00"),
        (LONDON, "2026-11-27T20:00", "2026-11-28T09:00"),
        (NEW_YORK, "2026-11-29T01:00", "2026-11-30T14:00"),  # Saturday evening there, and Sunday is no day of calls
        (NEW_YORK, "2026-03-07T00:59", "2026-03-07T00:59"),  # the last minute of Friday evening
        (NEW_YORK, "2026-03-08T13:30", "2026-03-09T13:00"),  # summer time began: 9 is an hour earlier in UTC
    ],
)
def test_people_are_called_by_the_clock_of_where_they_are(number, now, begins):
    hours = parse_calling_hours("09:00-20:00", "mon-sat")
    assert hours.find_next_moment(number, moment(now)) == moment(begins)


def test_a_number_of_many_zones_waits_for_all_of_them_and_one_of_none_is_not_called():
    hours = parse_calling_hours("09:00-20:00", "mon-sun")
    assert len(find_number_zones(TOLL_FREE)) > 1
    assert hours.find_next_moment("+999123456789", 0.0) is None
    assert hours._replace(zone="UTC").find_next_moment("+999123456789", 0.0) == 9 * 3600
    short = parse_calling_hours("09:00-10:00", "mon-sun")
    assert short.find_next_moment(TOLL_FREE, 0.0) is None  # never nine everywhere


@pytest.mark.parametrize(
    ("window", "days"), [("20:00-09:00", "mon"), ("9-20", "mon"), ("09:00-20:00", "mon-fry"), ("", "")]
)
def test_hours_that_nobody_understands_are_refused(window, days):
    with pytest.raises(CampaignError):
        parse_calling_hours(window, days)
