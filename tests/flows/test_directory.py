"""A directory of extensions: who is rung, under which name, and in both dialects."""

from __future__ import annotations

import pytest
from flow_harness import answer_as_xml, compile_text, compile_valid_flow, make_turn

from callflows.flows.entry_points import NodeEntry
from each_case import each_case

FLOW = """
numbers: +12015550123
directory:
  401: {to: "sip:ann&ben@acme.sip.opentact.org", name: "Ann & Ben"}
  402: [+12015550190, +12015550191]
  4: {to: +12015550192, name: "{{ caller.name }}"}
nodes:
  start:
    - collect: {into: extension, directory: true, prompt: Extension?, otherwise: bye}
    - goto: ring
  ring:
    - say: I ring {{ extension_name }}.
    - dial: {to: directory, no_answer: bye}
  bye: [say: Goodbye.]
"""
ENTRY = NodeEntry(0, 1, line_answered=True, has_digits=True)


def answer_digits(dtmf: str, dialect: str = "reference") -> str:
    flow = compile_valid_flow(FLOW, dialect)
    return answer_as_xml(flow, "start", make_turn(dtmf=dtmf), ENTRY)


@pytest.mark.parametrize(
    ("dtmf", "said", "targets"),
    [
        ("401", "Ann &amp; Ben", "<To>sip:ann&amp;ben@acme.sip.opentact.org</To>"),
        ("402", "4 0 2", "<To>+12015550190</To><To>+12015550191</To>"),
        ("4", "{{ caller.name }}", "<To>+12015550192</To>"),
    ],
)
def test_the_person_of_the_extension_is_named_and_rung(dtmf, said, targets):
    assert f"<Say>I ring {said}.</Say><Dial>{targets}<Error>" in answer_digits(dtmf)


def test_the_classic_dialect_tells_numbers_from_addresses():
    assert "<Sip>sip:ann&amp;ben@acme.sip.opentact.org</Sip>" in answer_digits("401", "classic")
    assert "<Number>+12015550190</Number>" in answer_digits("402", "classic")


@each_case("dtmf", ["403", "40", "4011", "", "*", "+1900"])
def test_what_is_no_extension_rings_nobody(dtmf):
    answered = answer_digits(dtmf)
    assert "<Dial>" not in answered
    assert "Extension?" in answered or "Goodbye." in answered


def test_a_target_of_the_directory_needs_no_dial_policy():
    problems = compile_text(FLOW.replace("+12015550192", "+4930123456")).problems
    assert [problem.message for problem in problems] == [
        "directory: whoever enters 4 may have begun 401, and is waited for"
    ]


def test_a_dial_of_the_directory_without_an_extension_goes_on_as_if_nobody_answered():
    flow = compile_valid_flow(FLOW.replace("- goto: ring", "- goto: bye"))
    answered = answer_as_xml(flow, "ring", make_turn())
    assert "<Dial>" not in answered
    assert "Goodbye." in answered


@pytest.mark.parametrize("target", ["'{{ extension }}'", "{to: ['{{extension}}', +12015550199], no_answer: bye}"])
def test_an_extension_that_is_rung_as_a_number_is_an_error_with_the_fix(target):
    problems = compile_text(FLOW.replace("{to: directory, no_answer: bye}", target)).problems
    (problem,) = (problem for problem in problems if problem.severity == "error")
    assert problem.rule == "dial-target"
    assert "extension is an extension of the directory" in problem.message
    assert "write directory" in problem.fix
