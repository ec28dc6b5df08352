"""The steps of a flow after the end of a call: text messages for missed callers, notifications of voicemail."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime

import pytest
from flow_harness import Conversation, compile_text, compile_valid_flow, make_flow_text

from callflows.flows.decisions import describe_decisions
from callflows.telephony.call_record import (
    CONVERSATION_TAG,
    CallRecord,
    ExecutedStep,
    ReportedLeg,
    ReportedRecording,
    complete_voicemail_effect,
    find_message_state,
)
from each_case import each_case
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
    """What these steps under ended cause after a call."""
    flow = compile_valid_flow(f"{HEAD}{more}ended:\n" + "\n".join(f"  {line}" for line in steps.splitlines()) + "\n")

    async def do(job, _end, _flow):
        return job.run()

    return run_bounded(flow.run_ended_call_steps(call or ended(), do))


def texts(*args, **given):
    turn = turn_after(*args, **given)
    return [] if turn is None else [effect.payload["text"] for effect in turn.effects]


# Who was missed

MESSAGE = ReportedRecording("https://a.example/r.mp3", tag="voicemail")
TONE = ExecutedStep("Tone", succeeded=True, tag="beep", at=DAY - 20)


@each_case(
    ("recordings", "steps", "message"),
    [
        ([MESSAGE], [], "left"),
        ([dataclasses.replace(MESSAGE, seconds=1.0)], [], "left"),
        ([dataclasses.replace(MESSAGE, seconds=0.9)], [], "none"),
        ([dataclasses.replace(MESSAGE, seconds=0.2), dataclasses.replace(MESSAGE, seconds=9)], [], "left"),
        ([ReportedRecording(tag=CONVERSATION_TAG, seconds=60)], [], "unknown"),
        ([ReportedRecording(tag=CONVERSATION_TAG, seconds=60)], [TONE._replace(at=DAY - 0.5)], "none"),
        ([], [TONE, ExecutedStep("Record", succeeded=True, tag="voicemail", at=DAY)], "left"),
        ([], [TONE], "left"),
        ([], [TONE._replace(at=DAY - 0.5)], "none"),
        ([], [TONE._replace(succeeded=False)], "none"),
        ([], [TONE._replace(name="Play", at=DAY - 0.5)], "none"),
        ([], [TONE._replace(tag="", at=DAY - 0.5)], "unknown"),
        ([], [TONE._replace(name="Say", tag="", at=DAY - 5)], "none"),
        ([], [], "unknown"),
    ],
)
def test_a_message_is_what_was_recorded_for_a_second_or_nobody_can_tell(recordings, steps, message):
    assert find_message_state(recordings, steps, DAY, 1.0) == message


def test_the_least_length_of_a_message_can_be_set():
    short = [dataclasses.replace(MESSAGE, seconds=2.5)]
    assert find_message_state(short, [], DAY, 3.0) == "none"
    assert find_message_state(short, [], DAY, 0.0) == "left"


@pytest.mark.parametrize(
    ("call", "missed"),
    [
        (ended(), True),
        (ended(legs=()), True),
        (ended(legs=(*RANG, ReportedLeg("ann@acme.sip.opentact.org", was_answered=True))), False),
        (ended(message="left"), False),
        (ended(message="none"), True),
    ],
)
def test_a_call_is_missed_that_neither_a_person_nor_a_voicemail_took(call, missed):
    assert call.was_missed is missed
    assert texts("- when: ended.missed\n  sms: Sorry.", call) == ["Sorry."] * missed


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
        ("ended:", 0, "refused"),
        ("ended:", 1, "caused"),
    ]


def test_a_webhook_tells_of_the_call():
    (effect,) = turn_after("- notify: {url: 'https://a.example/x', payload: {rang: '{{ ended.rang }}'}}").effects
    assert effect.payload["body"]["call"] == {"id": "call-1", "from": ME, "to": "+12015550123"}
    body = effect.payload["body"]
    assert (body["type"], body["node"], body["data"]) == ("ended", "", {"rang": "True"})
    assert (body["ended"]["missed"], body["ended"]["seconds"], body["ended"]["recordings"]) == (True, 20, [])


def test_a_node_named_ended_is_another_thing():
    text = make_flow_text("- sms: Hello.\n- goto: ended", "ended:\n  - sms: Sorry.\n") + "  ended: [{sms: Hi.}, hangup]\n"
    flow = compile_valid_flow(text)
    during = Conversation(flow, call="call-1").effects

    async def do(job, _end, _flow):
        return job.run()

    afterwards = run_bounded(flow.run_ended_call_steps(ended(), do)).effects
    assert [effect.payload["text"] for effect in (*during, *afterwards)] == ["Hello.", "Hi.", "Sorry."]
    assert len({effect.key for effect in (*during, *afterwards)}) == 3


def test_a_flow_that_asks_for_the_calls_of_today_has_them_counted():
    steps = "ended:\n  - when: caller.calls_today <= 1\n    sms: Sorry.\n"
    assert compile_valid_flow(HEAD + steps).needs.calls_today
    assert not compile_valid_flow(HEAD + "ended:\n  - sms: Sorry.\n").needs.calls_today


def test_what_the_call_kept_is_gone_when_it_has_ended():
    for name in ("digits", "account"):
        assert compile_text(HEAD + f"ended:\n  - when: {name}\n    sms: A.\n").rules == ["expression"], name


# A message


STEPS = "- voicemail: Please leave a message.\n"


@each_case(
    ("steps", "nodes", "is_warned_of"),
    [
        (f"{STEPS}- sms: Thank you.", "", True),
        (f"{STEPS}- say: Thank you.\n- notify: https://a.example/x", "", True),
        (f'{STEPS}- when: caller.region == "US"\n  sms: Thank you.', "", True),
        (f"{STEPS}- lookup: {{url: 'https://a.example/x', method: POST, into: done}}\n- say: '{{{{ done }}}}'", "", True),
        (f"{STEPS}- goto: there", "  there: [say: Bye., sms: Thank you.]\n", True),
        (f"{STEPS}- choose: [{{when: caller.anonymous, goto: there}}]", "  there: [sms: Thank you.]\n", True),
        ("- gather: {dtmf_length: 1, do: [say: Press one.], dtmf: {1: [voicemail: Speak.]}}\n- sms: Thank you.", "", True),
        (f"- sms: Thank you.\n{STEPS}- hangup", "", False),
        (f"{STEPS}- say: Thank you.\n- hangup", "", False),
        (f"{STEPS}- hangup\n", "  there: [sms: Thank you.]\n", False),
        (f"{STEPS}- menu: {{prompt: Press 1., keys: {{1: there}}}}", "  there: [sms: Thank you.]\n", False),
        ("- voicemail: {greeting: Speak., notify: 'https://a.example/x'}\n- hangup", "", False),
    ],
)
def test_a_step_after_a_message_that_a_caller_who_hangs_up_never_reaches_is_warned_of(steps, nodes, is_warned_of):
    made = compile_text(make_flow_text(steps) + nodes)
    assert made.flow is not None, made.problems
    assert ("after-a-message" in made.rules) is is_warned_of


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


# What is known of the end


def test_conditions_and_texts_see_who_answered_where_the_call_ended_what_was_recorded_and_pressed():
    call = ended(
        legs=(*RANG, ReportedLeg("ann@acme.sip.opentact.org", was_answered=True)),
        message="left",
        node="sales",
        keys=("1", "42"),
        recordings=(
            ReportedRecording("https://a.example/talk.mp3", "", 60, CONVERSATION_TAG),
            ReportedRecording("https://a.example/message.mp3", "Call me.", 6.2, "voicemail"),
        ),
    )
    steps = (
        "- when: ended.answered and ended.message and not ended.missed and '42' in ended.keys\n"
        '  sms: \'{{ ended.answered_by }} in {{ ended.node }}: {{ ended.keys | join(" ") }}, {{ ended.recording }},'
        " {{ ended.transcript }} {{ ended.recordings[1].seconds }}'"
    )
    assert texts(steps, call) == ["ann@acme.sip.opentact.org in sales: 1 42, https://a.example/message.mp3, Call me. 7"]


@pytest.mark.parametrize(
    ("condition", "rules"),
    [
        ('ended.node == "start"', []),
        ('ended.node != "strat"', ["ended-node"]),
        ('"start" == ended.node or ended.node in ["start", "sales"]', ["ended-node"]),
        ('ended.answered == "maybe"', ["comparison"]),
        ("ended.who", ["expression"]),
    ],
)
def test_a_condition_on_an_end_that_never_comes_is_doubted(condition, rules):
    assert compile_text(f"{HEAD}ended:\n  - when: {condition!r}\n    sms: A.\n").rules == rules
