"""Callers who hang up at any moment: the place of the end, and the effects after it."""

from __future__ import annotations

import pytest
from scenario_folders import get_only, run_scenario_file, write_scenario_folder

from callflows.rehearsal.rehearsed_call import Rehearsal
from callflows.rehearsal.scenario_recorder import record_scenario
from callflows.rehearsal.transcript_text import format_transcript
from callflows.testing import rehearse
from callflows.testing.scenario_report import format_failed_scenario

FLOW = """\
numbers: +12015550123
nodes:
  start:
    - say: Welcome to Acme, where we take our time to greet every caller.
    - play: https://example.com/jingle.mp3
    - pause: 5s
    - gather: {dtmf_length: 1, do: [say: Press one.], dtmf: {1: [goto: ring]}, error: [goto: message]}
  ring:
    - dial: {to: +12015550188, timeout: 20s, no_answer: message}
  message:
    - voicemail: {greeting: Please leave a message., notify: {url: "https://ops.example.com/voicemail"}}
ended:
  - when: ended.missed
    sms: Sorry that we missed you.
tests:
"""
MISSED = "sms: {to: +12015550999, text: Sorry}"


def verdict(path, scenario: str):
    return get_only(run_scenario_file(path, f"{FLOW}  - {{name: a, callee: no-answer, {scenario}}}\n"))


@pytest.mark.parametrize(
    ("keys", "during", "seconds", "also"),
    [
        ("hangup 1s", "say", 1, MISSED),
        ("[{hangup: 4s}]", "play", 4, MISSED),
        ("hangup 14s", "say", 14, MISSED),
        ("hangup 15s", "gather", 15, MISSED),
        ("'1,hangup 3s'", "dial", 16.9, MISSED),
        ("[1, {wait: 3s}, hangup]", "dial", 16.9, MISSED),
        ("hangup 25s", "record", 25, "notify: {payload: {recordings: [{tag: voicemail}]}}"),
        ("hangup 20s", "say", 20, f"{MISSED}, not: [notify]"),
        ("hangup 21s", "tone", 21, f"{MISSED}, not: [notify]"),
        ("hangup 21.6s", "record", 21.6, f"{MISSED}, not: [notify]"),
    ],
)
def test_a_caller_hangs_up_at_any_moment_and_what_is_done_then_is_expected(keys, during, seconds, also, tmp_path):
    ran_ = verdict(tmp_path, f"keys: {keys}, expect: [outcome: {{is: caller-hung-up, during: {during}}}, {also}]")
    assert ran_.has_passed, "\n".join(format_failed_scenario(ran_))
    assert ran_.transcript.seconds == pytest.approx(seconds, abs=0.5)
    assert ran_.remaining_acts == ()


def test_where_it_ended_is_told_and_what_is_done_then_behind_it(tmp_path):
    ran_ = verdict(tmp_path, "keys: hangup 14s, expect: [outcome: {during: dial}]")
    told = [*format_transcript(ran_.transcript)]
    assert told[-2:] == [
        "   0:14  the caller hung up during say",
        "   then  text message to +1 201 555 0999 from +1 201 555 0123: “Sorry that we missed you.”",
    ]
    assert (ran_.transcript.to_json()["during"], ran_.transcript.to_json()["steps"][-1]["ended"]) == ("Say[4]", True)


def test_a_difference_is_marked_where_the_call_ended(tmp_path):
    shown = [*format_failed_scenario(verdict(tmp_path, "keys: hangup 1s, expect: [outcome: {during: dial}]"))]
    assert shown[1].endswith("expected outcome: {during: dial}: the outcome was caller-hung-up during say")
    assert [line.split()[0] for line in shown[-2:]] == ["->", "then"]


def test_a_voicemail_is_told_when_the_call_has_ended_with_what_was_recorded(tmp_path):
    ran_ = verdict(tmp_path, "keys: '', expect: [voicemail, notify: /voicemail/, not: [sms]]")
    assert ran_.has_passed, "\n".join(format_failed_scenario(ran_))
    told = get_only([step for step in ran_.transcript.steps if step["verb"] == "notify"])
    assert (told["ended"], told["payload"]["recordings"][0]["seconds"]) == (True, 120)


@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        ("keys: hangup soon", "hangup: must be a duration"),
        ("keys: [{hangup: 3}]", "did you mean 3s?"),
        ("expect: [outcome: {during: sey}]", "did you mean 'say'?"),
        ("expect: [outcome: {is: hung-up, during: say}]", "hung-up has no during"),
        ("expect: [outcome: {in: say}]", "there is no 'in'"),
    ],
)
def test_what_nobody_can_do_is_told(scenario, says, tmp_path):
    errors = write_scenario_folder(tmp_path, acme=f"{FLOW}  - {{name: a, {scenario}}}\n").errors
    assert any(says in str(problem) for problem in errors), errors


def test_a_hang_up_in_the_middle_of_a_prompt_is_recorded_as_it_was(tmp_path):
    write_scenario_folder(tmp_path, acme=FLOW)
    call = rehearse(tmp_path, "+12015550123", keys="1,hangup 3s")
    assert "    callee: no-answer\n" in record_scenario(call.transcript, Rehearsal(number="+12015550123"))
    call = rehearse(tmp_path, "+12015550123", keys="hangup 4s")
    assert "- hangup: 4000ms" in record_scenario(call.transcript, Rehearsal(number="+12015550123"))
    call.expects({"outcome": {"during": "play"}})


ENDED_FLOW = """\
numbers: +12015550123
nodes:
  start:
    - menu: {prompt: For sales press 1., keys: {1: sales}, attempts: 1, otherwise: sales}
  sales:
    - collect: {prompt: Your code?, digits: 4, into: code, secret: true, attempts: 1, otherwise: message}
    - goto: message
  message:
    - voicemail: {greeting: Please leave a message., transcribe: true}
ended:
  - notify: https://ops.example.com/ended
  - when: ended.message
    sms: {to: +12015550188, text: "{{ caller.national }} in {{ ended.node }}: {{ ended.transcript }} {{ ended.recording }}"}
tests:
"""


@pytest.mark.parametrize(
    ("scenario", "expects"),
    [
        (
            "keys: hangup 1s",
            "notify: {payload: {ended: {missed: true, message: false, node: start, keys: []}}}, not: [sms]",
        ),
        (
            "keys: '1,4711,hangup 9s', transcript: Call me.",
            (
                "notify: {payload: {ended: {node: message, keys: [1, ••••], message: true, transcript: Call me.}}},"
                ' sms: "in message: Call me. https://recordings.example/voicemail.wav"'
            ),
        ),
    ],
)
def test_steps_after_a_call_see_how_it_ended_and_secret_digits_stay_hidden(scenario, expects, tmp_path):
    text = f"{ENDED_FLOW}  - {{name: a, {scenario}, expect: [{expects}]}}\n"
    ran_ = get_only(run_scenario_file(tmp_path, text))
    assert ran_.has_passed, "\n".join(format_failed_scenario(ran_))
