"""Text messages in scenarios, handled by the real inbox."""

from __future__ import annotations

import pytest
from scenario_folders import find_missing_points, get_only, run_scenario_file, write_scenario_folder

from callflows.testing import rehearse
from callflows.testing.scenario_report import format_failed_scenario

FLOW = """\
numbers: +12015550123
timezone: America/New_York
dial_policy: {regions: [US]}
hours:
  office: {mon-fri: 09:00-18:00}
lists: {vip: vip.csv}
groups:
  sales: {to: [+12015550188, +12015550189]}
nodes:
  start:
    - dial: {to: sales}
ended:
  - when: caller.calls_today > 1
    notify: https://ops.example.com/again
  - when: ended.missed
    sms: Sorry that we missed you.
messages:
  - keyword: [hours, open]
    reply: "{% if hours.office.open %}We are open.{% else %}We are closed.{% endif %}"
  - keyword: urgent
    when: not hours.office.open
    forward: sales
    notify: {url: "https://ops.example.com/pages", payload: {said: "{{ message.text }}"}}
  - when: caller in lists.vip
    forward: "{{ message.words | last }}"
  - keyword: spam
    ignore: true
  - forward: +12015550188
tests:
"""
AT = "at: 2026-11-23 10:00"


@pytest.fixture(autouse=True)
def lists(tmp_path):
    (tmp_path / "vip.csv").write_text("+12015550177\n")


def verdict(path, scenario: str):
    return get_only(run_scenario_file(path, f"{FLOW}  - {{name: a, {AT}, {scenario}}}\n"))


@pytest.mark.parametrize(
    "scenario",
    [
        "text: Hours, expect: [reply: We are open., not: [forward, notify]]",
        "text: Hours, hours: {office: closed}, expect: [reply: {to: +12015550999, from: +12015550123, text: /closed/}]",
        "text: Urgent!, hours: {office: closed}, expect: [forward: sales, notify: {payload: {said: Urgent!}}]",
        "text: urgent, expect: [forward: {to: +12015550188, text: '+12015550999: urgent'}, not: [notify, reply]]",
        "text: spam, expect: [ignored, not: [sms]]",
        "text: Hello, from: +12015550144, expect: [forward: {text: '+12015550144: Hello'}, not: [ignored]]",
        "text: call +12015550166, lists: {vip: +12015550999}, expect: [forward: +12015550166]",
        (
            "text: call +8821234567, lists: {vip: +12015550999}, "
            "expect: [ignored, refused: {step_key: forward}, not: [forward]]"
        ),
        "text: [STOP, hours, START, hours], expect: [ignored: hours, refused: STOP, text: {result: started}, reply: open]",
        "text: HELP, expect: [text: {text: HELP, result: helped}, reply]",
        "text: [hours, {text: hours, after: 10s}], expect: [reply, refused: less than 60 seconds ago]",
        "text: [hours, hours], expect: [reply, reply, not: [refused]]",
        "text: [hours, {text: hours, from: +12015550144}], expect: [reply: {to: +12015550999}, reply: {to: +12015550144}]",
        "text: hours, from: '72345', expect: [ignored, refused: short code, not: [sms]]",
    ],
)
def test_what_is_done_about_a_text_is_expected(scenario, tmp_path):
    ran_ = verdict(tmp_path, scenario)
    assert ran_.has_passed, "\n".join(format_failed_scenario(ran_))


@pytest.mark.parametrize(
    "scenario",
    [
        "callee: no-answer, opted_out: true, expect: [refused: {step_key: sms, reason: STOP}, not: [sms]]",
        "callee: no-answer, expect: [sms: Sorry, not: [refused]]",
        "callee: answer, opted_out: true, expect: [not: [refused, sms]]",
    ],
)
def test_who_said_stop_before_the_call_gets_no_text_of_it(scenario, tmp_path):
    ran_ = verdict(tmp_path, scenario)
    assert ran_.has_passed, "\n".join(format_failed_scenario(ran_))


def test_a_difference_is_marked_in_what_happened(tmp_path):
    shown = [*format_failed_scenario(verdict(tmp_path, "text: [STOP, hours], expect: [text: STOP, reply: We are open]"))]
    assert "expected reply: We are open: the next sms has text" in shown[1]
    assert shown[2].startswith("  ok   0:00  +1 201 555 0999 writes to +1 201 555 0123: “STOP” (stopped)")
    assert shown[3] == "  ->       expected after this: reply: We are open"
    assert shown[4].startswith("       0:00  reply to +1 201 555 0999: “")
    assert shown[5].startswith(
        "       1:00  +1 201 555 0999 writes to +1 201 555 0123: “hours” (matched, and no rule has an action)"
    )
    assert shown[6] == "       1:00  reply refused: the recipient sent STOP and gets no messages from this number"
    assert shown[7] == "       1:00  no more text messages"


def test_one_conversation_is_not_that_of_another_scenario(tmp_path):
    text = f"{FLOW}  - {{name: a, {AT}, text: STOP}}\n  - {{name: b, {AT}, text: hours, expect: [reply]}}\n"
    assert [one.has_passed for one in run_scenario_file(tmp_path, text)] == [True, True]


@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        ("keys: 1, text: hours", "keys: a text message has no such key"),
        ("text: hours, expect: [say: Hello]", "a text message has no say"),
        ("expect: [reply: Hello]", "reply is only for text messages, and this scenario is a call"),
        ("expect: [not: {reply: Hello}]", "reply is only for text messages, and this scenario is a call"),
        ("text: hours, expect: [not: [say: Hello]]", "a text message has no say"),
        ("text: []", "the text message is missing"),
        ("text: [{txt: hours}]", "did you mean 'text'?"),
        ("text: [{text: hours, after: 3}]", "did you mean 3s?"),
    ],
)
def test_what_fits_no_text_or_no_call_is_told(scenario, says, tmp_path):
    errors = write_scenario_folder(tmp_path, acme=f"{FLOW}  - {{name: a, {AT}, {scenario}}}\n").errors
    assert any(says in str(problem) for problem in errors), errors


def test_a_text_from_a_number_of_ours_is_taken_by_no_flow_and_says_so(tmp_path):
    assert verdict(tmp_path, "text: hours, from: +12015550123").failure == "no flow handled the text message: own-number"


def test_rules_of_texts_and_of_ended_calls_that_no_scenario_met_are_missing(tmp_path):
    scenarios = [
        "name: a, text: hours",
        "name: b, text: Hello, lists: {vip: +12015550999}",
        "name: c, callee: no-answer",
        "name: d",
    ]
    text = FLOW + "".join(f"  - {{{AT}, {one}}}\n" for one in scenarios)
    assert find_missing_points(tmp_path, text) == [
        "ended: holds",
        "messages: rule keyword urgent and when not hours.office.open",
        "messages: rule when caller in lists.vip does not hold",
        "messages: forward",
        "messages: rule keyword spam",
        "messages: rule else",
    ]


def test_a_text_that_meets_no_rule_and_a_number_that_the_policy_refuses_are_branches(tmp_path):
    text = "numbers: +12015550123\ndial_policy: {regions: [US]}\nnodes:\n  start:\n"
    text += "    - sms: {text: Hi., to: '{{ caller.number }}'}\n    - say: Bye.\n"
    text += "messages:\n  - {keyword: hi, forward: '{{ message.words | last }}'}\ntests:\n"
    first = text + "  - {name: a}\n  - {name: b, text: hi +12015550142}\n"
    assert find_missing_points(tmp_path, first) == ["start: refused", "messages: no rule", "messages: forward refused"]
    more = "  - {name: c, from: +18765550142}\n  - {name: d, text: hi +18765550142}\n  - {name: e, text: Hello}\n"
    assert find_missing_points(tmp_path, first + more) == []


def test_a_text_is_written_in_a_test_of_your_own(tmp_path):
    write_scenario_folder(tmp_path, acme=FLOW)
    call = rehearse(tmp_path, "+12015550123", at="2026-11-23 10:00", text=["hours", {"text": "spam", "after": "5s"}])
    call.expects({"reply": "We are open."}, "ignored")
    assert [message["as"] for message in call.sms_messages] == ["reply"]
