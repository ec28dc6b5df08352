"""The suppositions of a scenario about its flow: a dialect, hours, lists."""

from __future__ import annotations

import pytest
from scenario_folders import get_only, run_folder, write_scenario_folder

from callflows.errors import ScenarioError
from callflows.testing import rehearse
from callflows.testing.scenario_report import format_failed_scenario

FLOW = """\
numbers: +12015550123
timezone: America/New_York
hours:
  office: {mon-fri: 09:00-18:00}
  night: {daily: 22:00-06:00}
lists: {vip: vip.csv}
nodes:
  start:
    - when: caller in lists.vip
      say: Hello, friend.
    - when: hours.night.open
      say: Good night.
    - when: not hours.office.open
      goto: closed
    - say: "We close at {{ hours.office.next_closing | spoken }}."
    - gather: {dtmf_length: 1, dtmf: {1: [say: One.]}}
    - hangup
  closed:
    - say: "We open {{ hours.office.next_opening | spoken }}."
tests:
"""
MONDAY, SUNDAY = "at: 2026-11-23 10:00", "at: 2026-11-22 10:00"


def folder(path, *scenarios):
    (path / "vip.csv").write_text("+12015550177\n")
    return write_scenario_folder(
        path, acme=FLOW + "".join(f"  - {{name: n{i}, {one}}}\n" for i, one in enumerate(scenarios))
    )


def test_hours_lists_and_dialect_are_as_each_scenario_has_them_and_as_they_are_for_the_others(tmp_path):
    made = folder(
        tmp_path,
        f"{MONDAY}, expect: [say: We close, not: [say: friend]]",
        f"{MONDAY}, hours: {{office: closed}}, expect: [say: tomorrow at 9, not: [say: friend]]",
        f"{SUNDAY}, hours: {{office: open}}, expect: [say: We close at]",
        f"{MONDAY}, lists: {{vip: +1 201 555 0999}}, expect: [say: friend, say: We close]",
        f"{MONDAY}, lists: {{vip: [+4930*, +1201*]}}, expect: [say: friend]",
        f"{MONDAY}, lists: {{vip: [+4930*, '+12015550188']}}, expect: [not: [say: friend]]",
        f"{MONDAY}, lists: {{vip: anonymous}}, from: anonymous, expect: [say: friend]",
        f"{MONDAY}, lists: {{vip: anonymous}}, from: +12015550177, expect: [say: friend]",
        f"{MONDAY}, dialect: classic, keys: 1, expect: [say: One., not: [answer]]",
    )
    assert made.problems == ()
    done = run_folder(made)
    assert [one.has_passed for one in done] == [True] * 9, "\n".join(
        line for one in done for line in format_failed_scenario(one)
    )
    assert ["<Switch>" in one.transcript.requests[0].document for one in done] == [False] * 8 + [True]


def test_hours_that_are_all_supposed_need_no_moment(tmp_path):
    made = folder(tmp_path, "hours: {office: open, night: closed}", "hours: {office: open}")
    assert [(problem.rule, problem.line) for problem in made.problems] == [("test-time", len(FLOW.splitlines()) + 2)]


def test_who_is_nobody_is_told_with_the_place(tmp_path):
    problem = get_only(folder(tmp_path, f"{MONDAY}, lists: {{vip: [+12015550188, bob]}}").errors)
    assert (problem.rule, problem.message) == ("number", "lists: 'bob' is not a caller")
    assert problem.column == len(f"  - {{name: n0, {MONDAY}, lists: {{vip: [+12015550188, ") + 1


def test_a_dialect_in_which_the_flow_cannot_be_is_told_at_the_scenario(tmp_path):
    text = "numbers: +12015550123\nnodes: {start: [say: Hi., geo: {states: NJ, do: [say: Jersey.]}]}\n"
    made = write_scenario_folder(
        tmp_path, acme=text + "tests:\n  - {name: a, expect: [say: Hi.]}\n  - {name: b, dialect: classic}\n"
    )
    problem = get_only(made.errors)
    assert (problem.rule, problem.line) == ("test-supposed", 5)
    assert [case.name for case in made.cases] == ["a"]


def test_the_texts_of_a_flow_are_not_what_one_scenario_supposes(tmp_path):
    """Two scenarios that suppose the same share what was made for it."""
    one = f"{MONDAY}, hours: {{office: closed}}"
    made = folder(tmp_path, one, one.replace("10:00", "11:00"), MONDAY)
    assert len(made.supposed_books) == 1


def test_a_call_of_a_test_of_your_own_supposes_too(tmp_path):
    folder(tmp_path)
    number = "+12015550123"
    rehearse(tmp_path, number, at="2026-11-23 10:00", hours={"office": "closed"}, lists={"vip": ["+12015550999"]}).says(
        "friend", "We open"
    )
    with pytest.raises(ScenarioError, match="there is no 'offise'"):
        rehearse(tmp_path, number, hours={"offise": "closed"})
