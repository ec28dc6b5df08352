"""Dated exceptions of opening hours: their file, which people also edit, and their ends."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflows.flows.hours.overrides import (
    HoursOverride,
    OverridableFlow,
    add_override,
    cancel_overrides,
    read_overrides,
    select_overrides,
)
from callflows.flows.hours.wall_clock import parse_call_moment, parse_override_end
from callflows.flows.source.positions import ProblemReport
from each_case import each_case
from waiting import kill_process, wait_until

NEW_YORK = ZoneInfo("America/New_York")
HAVANA = ZoneInfo("America/Havana")
NOW = datetime(2026, 11, 23, 10, tzinfo=NEW_YORK)
FLOWS = {"acme": OverridableFlow(NEW_YORK, ["office", "shop"]), "clinic": OverridableFlow(None, ["office"])}


def read(
    text: str, flows: dict[str, OverridableFlow] | None = FLOWS
) -> tuple[list[HoursOverride], list[tuple[str, int, int, str]]]:
    report = ProblemReport("overrides.yaml")
    found = read_overrides(text.encode(), report, flows)
    return found, [(problem.rule, problem.line, problem.column, problem.message) for problem in report.problems]


def closing(until: str, flow: str = "acme", begins: str | None = None) -> HoursOverride:
    return HoursOverride(flow, "office", False, begins and datetime.fromisoformat(begins), datetime.fromisoformat(until))  # type: ignore[arg-type] # noqa: FBT003 - its field


# Reading


def test_the_file_is_read_with_times_on_the_clock_of_each_flow():
    found, problems = read("""
# Christmas
- {flow: acme, hours: office, state: closed, until: 2026-12-24 18:00}
- flow: clinic
  hours: office
  state: Open
  from: 2026-12-24
  until: 2026-12-24
- {flow: acme, hours: shop, state: open, from: 2026-12-24T12:00:30Z, until: "2026-12-24 18:00 +0530"}
""")
    assert problems == []
    assert [(one.flow, one.hours, one.open) for one in found] == [
        ("acme", "office", False),
        ("clinic", "office", True),
        ("acme", "shop", True),
    ]
    assert found[0].start is None
    assert found[0].until.isoformat() == "2026-12-24T18:00:00-05:00"
    assert found[1].start == datetime(2026, 12, 24, tzinfo=UTC)
    assert found[1].until == datetime(2026, 12, 25, tzinfo=UTC)
    assert found[2].start == datetime(2026, 12, 24, 12, 0, 30, tzinfo=UTC)
    assert found[2].until == datetime(2026, 12, 24, 12, 30, tzinfo=UTC)
    assert select_overrides(found, "acme", "office") == (found[0],)


@pytest.mark.parametrize("text", ["", "\n", "# nothing now\n", "---\n# nothing\n", "[]"])
def test_a_file_without_overrides_is_fine(text):
    assert read(text) == ([], [])


RIGHT = "- {flow: acme, hours: office, state: closed, until: 2026-12-24 18:00}\n"


@each_case(
    ("entry", "problem"),
    [
        ("- {flow: amce, hours: office, state: open, until: 2026-12-24}", ("override", 2, 10, "there is no flow 'amce'")),
        ("- {flow: acme, hours: ofice, state: open, until: 2026-12-24}", ("override", 2, 23, "acme has no hours 'ofice'")),
        (
            "- {flow: acme, hours: office, state: shut, until: 2026-12-24}",
            ("override", 2, 38, "state: must be open or closed, not 'shut'"),
        ),
        (
            "- {flow: acme, hours: office, state: open, until: 18:00}",
            ("override", 2, 51, "until: '18:00' is no date and time"),
        ),
        (
            "- {flow: acme, hours: office, state: open, until: 2026-12-24 18:00+25:00}",
            ("override", 2, 51, "until: '2026-12-24 18:00+25:00' is no date and time"),
        ),
        (
            "- {flow: acme, hours: office, state: open, until: 9999-12-31}",
            ("override", 2, 51, "until: '9999-12-31' is no date and time"),
        ),
        (
            "- {flow: acme, hours: office, state: open, from: soon, until: 2026-12-24}",
            ("override", 2, 50, "from: 'soon' is no date and time"),
        ),
        (
            "- {flow: acme, hours: office, state: open, from: 2026-12-25, until: 2026-12-24}",
            ("override", 2, 69, "until: it ends before it begins"),
        ),
        ("- {flow: acme, hours: office, state: open}", ("missing-key", 2, 3, "until is missing")),
        (
            "- {flow: acme, hours: office, state: open, untill: 1, until: 2026-12-24}",
            ("unknown-key", 2, 44, "there is no key 'untill' here"),
        ),
        ("- {flow: [acme], hours: office, state: open, until: 2026-12-24}", ("shape", 2, 10, "flow: must be a text")),
        ("- acme", ("shape", 2, 3, "an override is a mapping")),
    ],
)
def test_a_wrong_entry_is_said_with_its_place_and_takes_no_right_one_with_it(entry, problem):
    found, problems = read(f"{RIGHT}{entry}\n{RIGHT}")
    assert problems == [problem]
    assert len(found) == 2


def test_a_file_that_is_no_list_is_an_error():
    assert read("acme: closed")[1] == [("shape", 1, 1, "overrides.yaml is a list")]
    assert read("- {a: b")[1][0][0] == "yaml"


def test_without_the_flows_nothing_is_said_of_names_and_times_are_utc():
    found, problems = read(RIGHT, None)
    assert problems == []
    assert found[0].until == datetime(2026, 12, 24, 18, tzinfo=UTC)


# Writing


names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"]), min_size=1, max_size=12)
moments = st.datetimes(datetime(2027, 1, 1), datetime(2100, 1, 1), timezones=st.sampled_from([UTC, NEW_YORK])).map(  # noqa: DTZ001 - bounds
    lambda moment: moment.replace(microsecond=0)
)


@given(st.lists(st.builds(HoursOverride, names, names, st.booleans(), st.none() | st.just(NOW), moments), max_size=4))
def test_what_is_written_is_read_again(overrides):
    with tempfile.TemporaryDirectory() as folder:
        for override in overrides:
            add_override(Path(folder), override, NOW)
        file = Path(folder, "overrides.yaml")
        found, problems = read(file.read_text() if overrides else "", None)
    assert problems == []
    assert [(one.flow, one.hours, one.open) for one in found] == [(one.flow, one.hours, one.open) for one in overrides]
    assert [one.until.timestamp() for one in found] == [one.until.timestamp() for one in overrides]


def test_the_first_one_that_is_added_makes_the_file(tmp_path):
    add_override(tmp_path, closing("2026-12-24 18:00-05:00"), NOW)
    found, problems = read((tmp_path / "overrides.yaml").read_text())
    assert (found, problems) == ([closing("2026-12-24 18:00-05:00")], [])
    assert (tmp_path / "overrides.yaml").stat().st_mode & 0o444 == 0o444, "the server may run as another user"


PEOPLES = """\
# Ask Ann before you change this.
- {flow: acme, hours: office, state: closed, until: 2026-11-22}   # over
- flow: acme
  hours: shop
  state: open
  until: 2026-12-01 18:00   # stays
  note: "Ann's idea: \\"late\\" #1"
# a typo, which is not ours to take away:
- {flow: acme, hours: office, state: shut, until: 2026-12-24, who: [ann, bob]}
-
  flow: acme
  hours: office
  state: closed
  until: 2026-11-01

- {flow: clinic, hours: office, state: closed,
   until: 2026-11-30}"""


def test_a_new_override_is_written_with_all_that_are_not_over_and_comments_go(tmp_path):
    file = tmp_path / "overrides.yaml"
    file.write_text(PEOPLES)
    assert [problem[0] for problem in read(PEOPLES)[1]] == ["unknown-key", "override"]
    add_override(tmp_path, closing("2026-12-24 18:00-05:00"), NOW)
    text = file.read_text()
    assert (
        text
        == """\
# Dated exceptions to opening hours; each ends by itself, and the last that holds wins.
# callflows writes this file whole: a comment goes, a note: stays.
- {flow: acme, hours: shop, state: open, until: '2026-12-01 18:00', note: 'Ann''s idea: "late" #1'}
- flow: acme
  hours: office
  state: shut
  until: '2026-12-24'
  who: [ann, bob]
- {flow: clinic, hours: office, state: closed, until: '2026-11-30'}
- {flow: acme, hours: office, state: closed, until: '2026-12-24 18:00-05:00'}
"""
    )
    assert len(read(text)[0]) == 3


def test_an_override_may_have_a_note_which_must_be_a_text():
    assert read(RIGHT.replace("}", ", note: Christmas Eve}")) == read(RIGHT)
    assert read(RIGHT.replace("}", ", note: [Christmas]}"))[1] == [("shape", 1, 77, "note: must be a text")]


def test_one_without_an_offset_goes_when_it_is_over_everywhere(tmp_path):
    file = tmp_path / "overrides.yaml"
    file.write_text("- {flow: acme, hours: office, state: closed, until: 2026-11-23 12:00}\n")
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    add_override(tmp_path, closing("2026-12-24 18:00-05:00"), noon + timedelta(hours=11))
    assert "2026-11-23" in file.read_text()
    add_override(tmp_path, closing("2026-12-24 18:00-05:00"), noon + timedelta(hours=12))
    assert "2026-11-23" not in file.read_text()


@pytest.mark.parametrize("text", [f"  {RIGHT}", f"[{RIGHT[2:-1]}]", f"---\n{RIGHT}", f"\ufeff{RIGHT}"])
def test_a_list_in_another_form_is_a_list_too(tmp_path, text):
    (tmp_path / "overrides.yaml").write_text(text)
    add_override(tmp_path, closing("2026-12-25 18:00-05:00"), NOW)
    found, problems = read((tmp_path / "overrides.yaml").read_text())
    assert ([one.until.day for one in found], problems) == ([24, 25], [])


@pytest.mark.parametrize("text", ["- {a: b", "acme: x\n", "- a\n", "- - a\n", "- {flow: a, flow: b}\n", "\tx"])
def test_a_file_that_cannot_be_read_is_left_alone_with_a_word(tmp_path, text):
    file = tmp_path / "overrides.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"overrides\.yaml"):
        add_override(tmp_path, closing("2026-12-24 18:00-05:00"), NOW)
    assert file.read_text() == text
    assert [one.name for one in tmp_path.iterdir() if one.name.endswith(".yaml")] == ["overrides.yaml"]


def test_a_file_elsewhere_to_which_a_link_leads_is_changed_there(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "overrides.yaml").write_text("")
    (tmp_path / "overrides.yaml").symlink_to(tmp_path / "kept" / "overrides.yaml")
    add_override(tmp_path, closing("2026-12-24 18:00-05:00"), NOW)
    assert (tmp_path / "overrides.yaml").is_symlink()
    assert len(read((tmp_path / "kept" / "overrides.yaml").read_text())[0]) == 1


def test_the_rights_of_the_file_stay(tmp_path):
    file = tmp_path / "overrides.yaml"
    file.write_text("")
    file.chmod(0o660)
    add_override(tmp_path, closing("2026-12-24 18:00-05:00"), NOW)
    assert file.stat().st_mode & 0o777 == 0o660


def test_many_commands_at_once_lose_nothing_and_a_reader_never_sees_half(tmp_path):
    code = (
        "import sys; from pathlib import Path; from datetime import datetime\n"
        "from callflows.flows.hours.overrides import add_override\n"
        "from callflows.flows.hours.overrides import HoursOverride\n"
        "folder, flow, now = Path(sys.argv[1]), f'flow{sys.argv[2]}', datetime.fromisoformat(sys.argv[3])\n"
        "until = datetime.fromisoformat('2026-12-24 18:00-05:00')\n"
        "for n in range(10):\n"
        "    add_override(folder, HoursOverride(flow, f'h{n}', True, None, until), now)\n"
    )
    root = Path(__file__).parents[2]
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(one), NOW.isoformat()], cwd=root)  # noqa: S603 - ours
        for one in range(4)
    ]

    def have_all_ended() -> bool:
        if (tmp_path / "overrides.yaml").exists():
            assert read((tmp_path / "overrides.yaml").read_text(), None)[1] == []
        return all(process.poll() is not None for process in started)

    try:
        wait_until(have_all_ended, "the end of four processes")
    finally:
        for process in started:
            kill_process(process)
    assert [process.returncode for process in started] == [0] * 4
    found, _ = read((tmp_path / "overrides.yaml").read_text(), None)
    assert {(one.flow, one.hours) for one in found} == {(f"flow{one}", f"h{n}") for one in range(4) for n in range(10)}
    assert len(found) == 40


def test_overrides_of_hours_can_be_taken_back(tmp_path):
    for flow in ("acme", "clinic", "acme"):
        add_override(tmp_path, closing("2026-12-24 18:00-05:00", flow), NOW)
    assert cancel_overrides(tmp_path, "acme", "office", NOW) == 2
    assert [one.flow for one in read((tmp_path / "overrides.yaml").read_text())[0]] == ["clinic"]
    assert cancel_overrides(tmp_path, "acme", "office", NOW) == 0
    assert cancel_overrides(tmp_path, "clinic", "office", NOW) == 1
    assert not (tmp_path / "overrides.yaml").exists()


def test_an_override_holds_from_its_begin_until_just_before_its_end():
    one = closing("2026-11-23 12:00-05:00", begins="2026-11-23 11:00-05:00")
    times = ["10:59:59", "11:00:00", "11:59:59", "12:00:00"]
    assert [one.applies_at(datetime.fromisoformat(f"2026-11-23 {time}-05:00")) for time in times] == [
        False,
        True,
        True,
        False,
    ]


# The end that people name


@each_case(
    ("text", "until"),
    [
        ("18:00", "2026-11-23 18:00-05:00"),
        ("9:00", "2026-11-24 09:00-05:00"),
        ("10:00", "2026-11-24 10:00-05:00"),
        ("24:00", "2026-11-24 00:00-05:00"),
        ("0:00", "2026-11-24 00:00-05:00"),
        ("2h", "2026-11-23 12:00-05:00"),
        (" 30m ", "2026-11-23 10:30-05:00"),
        ("1h30m", "2026-11-23 11:30-05:00"),
        ("1h 30M", "2026-11-23 11:30-05:00"),
        ("2d", "2026-11-25 10:00-05:00"),
        ("1w", "2026-11-30 10:00-05:00"),
        ("120d", "2027-03-23 10:00-04:00"),
        ("2026-11-23", "2026-11-24 00:00-05:00"),
        ("2026-12-24", "2026-12-25 00:00-05:00"),
        ("2026-12-24 18:00", "2026-12-24 18:00-05:00"),
        ("2026-12-24T18:00", "2026-12-24 18:00-05:00"),
        ("2026-12-24 18:00Z", "2026-12-24 13:00-05:00"),
        ("2026-12-24 18:00+01:00", "2026-12-24 12:00-05:00"),
        ("2027-07-01 18:00", "2027-07-01 18:00-04:00"),
    ],
)
def test_an_end_is_named_as_people_name_it(text, until):
    found = parse_override_end(text, NOW, NEW_YORK)
    assert found.isoformat(" ", "minutes") == until
    assert found.tzinfo is NEW_YORK


@each_case(
    "text",
    [
        "",
        "soon",
        "2",
        "-2h",
        "2h ago",
        "25:00",
        "18:60",
        "tomorrow",
        "2026-02-30",
        "2026-12-24 25:00",
        "9999-12-31",
        "9999w",
        "24.12.2026",
    ],
)
def test_what_is_no_end_is_refused_with_the_fix(text):
    with pytest.raises(ValueError, match=r"18:00, 2h, 30m, 2026-12-24 or 2026-12-24 18:00"):
        parse_override_end(text, NOW, NEW_YORK)


@pytest.mark.parametrize("text", ["2026-11-22", "2026-11-23 10:00", "2026-11-23 09:59", "0m", "2026-11-23 15:00Z"])
def test_an_end_that_is_over_is_refused(text):
    with pytest.raises(ValueError, match="it is 2026-11-23 10:00-05:00: name a later time"):
        parse_override_end(text, NOW, NEW_YORK)


def test_without_a_zone_an_end_is_on_the_clock_of_utc():
    assert parse_override_end("18:00", NOW, None) == datetime(2026, 11, 23, 18, tzinfo=UTC)


@each_case(
    ("now", "text", "until", "zone"),
    [
        ("2026-03-08 01:00-05:00", "02:30", "2026-03-08 03:00-04:00", NEW_YORK),
        ("2026-03-07 12:00-05:00", "1d", "2026-03-08 12:00-04:00", NEW_YORK),
        ("2026-03-08 01:30-05:00", "1h", "2026-03-08 03:30-04:00", NEW_YORK),
        ("2026-11-01 01:15-04:00", "01:30", "2026-11-01 01:30-04:00", NEW_YORK),
        ("2026-11-01 01:45-04:00", "01:30", "2026-11-01 01:30-05:00", NEW_YORK),
        ("2026-11-01 01:45-05:00", "01:30", "2026-11-02 01:30-05:00", NEW_YORK),
        ("2026-03-07 12:00-05:00", "2026-03-07", "2026-03-08 01:00-04:00", HAVANA),
        ("2026-03-07 12:00-05:00", "24:00", "2026-03-08 01:00-04:00", HAVANA),
    ],
)
def test_on_the_days_of_change_an_end_is_the_next_time_that_the_clock_shows_it(now, text, until, zone):
    assert parse_override_end(text, datetime.fromisoformat(now), zone).isoformat(" ", "minutes") == until


@each_case(
    ("text", "moment"),
    [
        ("Sat 11:00", "2026-11-28 11:00"),
        ("saturday at 9 am", "2026-11-28 09:00"),
        ("Monday 12:30 pm", "2026-11-23 12:30"),
        ("mon 9", "2026-11-30 09:00"),
        ("tomorrow, 12 am", "2026-11-24 00:00"),
        ("today 23:59", "2026-11-23 23:59"),
        ("2026-12-24 18:00", "2026-12-24 18:00"),
    ],
)
def test_the_time_of_a_call_may_be_a_weekday(text, moment):
    found = parse_call_moment(text, NOW, NEW_YORK)
    assert found is not None
    assert f"{found.astimezone(NEW_YORK):%Y-%m-%d %H:%M}" == moment


@each_case("text", ["soon", "Sat", "Sat 25:00", "Sat 13 pm", "Sat 0 am", "Caturday 11:00"])
def test_a_time_that_no_clock_shows_is_no_time_of_a_call(text):
    assert parse_call_moment(text, NOW, NEW_YORK) is None
