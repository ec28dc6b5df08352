"""The steps of a flow after the end of a call: text messages for missed callers, notifications of voicemail."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from flow_harness import Conversation, compile_text, compile_valid_flow, make_flow_text

from callflows.flows.decisions import describe_decisions
from callflows.telephony.call_record import (
    CONVERSATION_TAG,
    CallRecord,
    ReportedLeg,
    ReportedRecording,
    complete_voicemail_effect,
)
from waiting import run_bounded

DAY = datetime(2026, 11, 23, 15, tzinfo=UTC).timestamp()
NIGHT = datetime(2026, 11, 24, 3, tzinfo=UTC).timestamp()
HEAD = "numbers: [+12015550123]\ntimezone: America/New_York\nnodes: {start: [{dial: +12015550188}, hangup]}\n"
ME = "+12015550999"
RANG = (ReportedLeg("+12015550188", was_answered=False),)


def ended(**given):
    return CallRecord(
        **{
            "uuid": "call-1",
            "from_": ME,
            "to": "12015550123",
            "ended_at": DAY,
            "duration_seconds": 20,
            "legs": RANG,
            **given,
        }
    )


def turn_after(steps, call=None, more=""):
    """What these steps under missed cause after a call."""
    flow = compile_valid_flow(f"{HEAD}{more}missed:\n" + "\n".join(f"  {line}" for line in steps.splitlines()) + "\n")

    async def do(job, _end, _flow):
        return job.run()

    return run_bounded(flow.run_missed_call_steps(call or ended(), do))


def texts(*args, **given):
    turn = turn_after(*args, **given)
    return [] if turn is None else [effect.payload["text"] for effect in turn.effects]


# Who was missed


@pytest.mark.parametrize(
    ("call", "missed"),
    [
        (ended(), True),
        (ended(legs=()), True),
        (ended(legs=(*RANG, ReportedLeg("ann@acme.sip.opentact.org", was_answered=True))), False),
        (ended(tags=("voicemail",)), False),
        (ended(recordings=(ReportedRecording("https://a.example/r.mp3"),)), False),
        (ended(recordings=(ReportedRecording(tag=CONVERSATION_TAG),)), True),
        (ended(tags=("beep",)), True),
    ],
)
def test_a_call_is_missed_that_neither_a_person_nor_a_voicemail_took(call, missed):
    assert call.was_missed is missed
    assert texts("- sms: Sorry.", call) == ["Sorry."] * missed


def test_a_missed_caller_is_written_to_from_the_number_called():
    (effect,) = turn_after("- sms: Sorry.").effects
    assert dict(effect.payload) == {"to": ME, "from": "+12015550123", "text": "Sorry."}


def test_what_is_caused_has_the_same_key_however_often_the_end_is_reported():
    keys = [[effect.key for effect in turn_after("- sms: A.\n- sms: B.").effects] for _ in range(2)]
    assert keys[0] == keys[1]
    assert len({*keys[0]}) == 2
    other = turn_after("- sms: A.", ended(uuid="call-2")).effects
    assert other[0].key not in keys[0]


def test_every_step_is_done_that_holds_and_conditions_see_how_the_call_ended():
    steps = (
        "- when: ended.rang and ended.seconds > 10\n  sms: A.\n- when: '\"spam\" in ended.tags'\n  sms: B.\n"
        "- when: caller.calls_today <= 1\n  sms: C."
    )
    assert texts(steps) == ["A.", "C."]
    assert texts(steps, ended(legs=(), tags=("spam",), calls_today=2)) == ["B."]
    assert texts(steps, ended(duration_seconds=5, calls_today=1)) == ["C."]


def test_hours_and_variables_are_seen_at_the_moment_of_the_end():
    more = "hours: {night: {daily: 21:00-08:00}}\nvariables: {name: Acme}\n"
    steps = "- when: not hours.night.open\n  sms: 'This is {{ variables.name }}, {{ caller.national }}, {{ now.time }}.'"
    assert texts(steps, more=more) == ["This is Acme, (201) 555-0999, 10:00."]
    assert texts(steps, ended(ended_at=NIGHT), more=more) == []


def test_a_rare_form_is_worked_out_apart():
    assert texts("- sms: '{{ caller.name | title }}!'", ended(caller_name="ann lee")) == ["Ann Lee!"]


def test_nobody_is_written_to_who_withholds_the_number_and_the_trail_says_so():
    turn = turn_after("- sms: Sorry.\n- notify: https://a.example/x", ended(from_="anonymous"))
    assert [effect.kind for effect in turn.effects] == ["notify"]
    trail = describe_decisions(turn)
    json.dumps(trail)
    assert [(entry["node"], entry["step"], entry["outcome"]) for entry in trail] == [
        ("missed:", 0, "refused"),
        ("missed:", 1, "caused"),
    ]


def test_a_webhook_tells_of_the_call():
    (effect,) = turn_after("- notify: {url: 'https://a.example/x', payload: {rang: '{{ ended.rang }}'}}").effects
    assert effect.payload["body"]["call"] == {"id": "call-1", "from": ME, "to": "+12015550123"}
    assert effect.payload["body"]["node"] == "missed:"


def test_a_node_named_missed_is_another_thing():
    text = (
        make_flow_text("- sms: Hello.\n- goto: missed", "missed:\n  - sms: Sorry.\n") + "  missed: [{sms: Hi.}, hangup]\n"
    )
    flow = compile_valid_flow(text)
    during = Conversation(flow, call="call-1").effects

    async def do(job, _end, _flow):
        return job.run()

    afterwards = run_bounded(flow.run_missed_call_steps(ended(), do)).effects
    assert [effect.payload["text"] for effect in (*during, *afterwards)] == ["Hello.", "Hi.", "Sorry."]
    assert len({effect.key for effect in (*during, *afterwards)}) == 3


def test_a_flow_that_asks_for_the_calls_of_today_has_them_counted():
    steps = "missed:\n  - when: caller.calls_today <= 1\n    sms: Sorry.\n"
    assert compile_valid_flow(HEAD + steps).uses_calls_today
    assert not compile_valid_flow(HEAD + "missed:\n  - sms: Sorry.\n").uses_calls_today


def test_what_the_call_kept_is_gone_when_it_has_ended():
    for name in ("digits", "account"):
        assert compile_text(HEAD + f"missed:\n  - when: {name}\n    sms: A.\n").rules == ["expression"], name


# A message


def test_a_message_is_told_of_with_what_was_recorded():
    flow = compile_valid_flow(
        make_flow_text("- voicemail: {greeting: G., notify: {url: 'https://a.example/x', payload: {a: b}}}")
    )
    (effect,) = Conversation(flow, call="call-1").effects
    recording = ReportedRecording("https://a.example/r.mp3", "Call me.", 7, "voicemail")
    whole = complete_voicemail_effect(effect, ended(recordings=(recording,)))
    assert (whole.key, whole.payload["url"]) == (effect.key, "https://a.example/x")
    assert whole.payload["body"]["recordings"] == [
        {"url": "https://a.example/r.mp3", "transcript": "Call me.", "seconds": 7, "tag": "voicemail"}
    ]
    assert whole.payload["body"]["data"] == {"a": "b"}
    assert complete_voicemail_effect(effect, ended()).payload["body"]["recordings"] == []
    assert "recordings" not in effect.payload["body"]


def test_other_effects_wait_for_no_recording():
    (effect,) = turn_after("- sms: Sorry.").effects
    assert complete_voicemail_effect(effect, ended(recordings=(ReportedRecording("x"),))) is effect
