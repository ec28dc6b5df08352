"""Effects happen when the call reaches their step, once, and never before."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flow_harness import Conversation, compile_text, compile_valid_flow, find_signed_targets, make_flow_text, make_turn

from each_case import each_case

EFFECTS = {
    "sms": "sms: Hello.",
    "notify": "notify: https://a.example/x",
    "voicemail": "voicemail: {greeting: G., notify: {url: 'https://a.example/x'}}",
}
BRANCHES = {
    "gather": "gather: {dtmf_length: 1, dtmf: {1: [%s]}}",
    "default": "gather: {dtmf_length: 1, default: [%s]}",
    "error": "gather: {dtmf_length: 1, error: [%s]}",
    "say": "say: {text: Hi., error: [%s]}",
    "record": "record: {do: [%s, pause: 1s]}",
    "schedule": "schedule: {dow: mon, do: [%s]}",
    "dial": "dial: {to: a@b, error: [%s]}",
    "deep": "gather: {dtmf_length: 1, dtmf: {1: [record: {do: [say: {text: Hi., error: [%s]}]}]}}",
}


@pytest.mark.parametrize("effect", EFFECTS.values(), ids=EFFECTS)
@pytest.mark.parametrize("branch", BRANCHES.values(), ids=BRANCHES)
@pytest.mark.parametrize("dialect", ["reference", "classic"])
def test_an_effect_in_a_branch_waits_until_the_call_is_there_and_what_follows_still_runs(branch, effect, dialect):
    text = make_flow_text(f"- {branch % effect}\n- say: After.")
    if dialect == "classic" and compile_text(text, dialect).flow is None:
        pytest.skip("the classic dialect has no such verb")
    call = Conversation(compile_valid_flow(text, dialect), dialect)
    assert call.effects == []
    call.follow_callback()
    assert len(call.effects) == 1
    heard = call.heard_texts
    assert heard[-1] == "After."
    assert len(call.effects) == 1


@each_case("effect", EFFECTS.values(), ids=EFFECTS)
@each_case(
    "steps",
    [
        "- menu: {prompt: P., keys: {1: there}}",
        "- menu: {prompt: P., keys: {1: x}, otherwise: there}",
        "- dial: {to: a@b, no_answer: there}",
        "- say: First.\n- goto: there",
        "- menu: {prompt: P., keys: {1: x}, attempts: 1}\n- choose: [{when: not caller.anonymous, goto: there}, {goto: x}]",
        "- dial: {to: [a@b, c@d], ring: in-turn, no_answer: there}",
        "- goto: between",
    ],
)
def test_an_effect_in_a_node_that_is_led_to_waits_until_the_call_is_there(steps, effect):
    nodes = f"  there: [{effect}]\n  x: [say: X.]\n  between: [say: B., goto: there]\n"
    call = Conversation(compile_valid_flow(make_flow_text(steps) + nodes))
    assert call.effects == []
    assert "there" in [node for node, _ in find_signed_targets(call.xml)]
    at = [node for node, _ in find_signed_targets(call.xml)].index("there")
    call.follow_ticket(*_links(call)[at])
    assert len(call.effects) == 1


def _links(call: Conversation) -> list[tuple[str, str]]:
    return [tuple(url.partition("/call/acme/")[2].split("?ticket=")) for url in call.urls]


def test_an_effect_at_the_beginning_needs_no_second_request():
    call = Conversation(
        compile_valid_flow(
            make_flow_text("- sms: Hello.\n- goto: there") + "  there: [notify: 'https://a.example/x', say: Hi.]\n"
        )
    )
    assert [effect.kind for effect in call.effects] == ["sms", "notify"]
    assert call.urls == []


def test_an_effect_under_a_condition_is_caused_where_it_holds():
    flow = compile_valid_flow(
        make_flow_text("- when: caller.anonymous\n  sms: {text: Hello., to: '+12015550188'}\n- say: Hi.")
    )
    assert Conversation(flow).effects == []
    assert len(Conversation(flow, from_="").effects) == 1


def test_nobody_is_written_to_who_has_no_number():
    call = Conversation(compile_valid_flow(make_flow_text("- sms: Hello.\n- say: Hi.")), from_="anonymous")
    assert call.effects == []
    assert call.trail[0]["outcome"] == "refused"


def test_a_key_is_the_same_when_a_document_is_asked_for_twice():
    flow = compile_valid_flow(make_flow_text("- sms: Hello."))
    assert Conversation(flow).effects[0].key == Conversation(flow).effects[0].key


def test_a_text_is_sent_once_a_call_step_and_target_however_often_a_call_comes_by():
    flow = compile_valid_flow(make_flow_text("- sms: Hello.\n- notify: https://a.example/x"))
    keys = []
    for ticket in ("t.first", "t.second", "t.first"):
        turn = make_turn(call="call-1", ticket=ticket)
        flow.answer("start", turn)
        keys.append([effect.key for effect in turn.effects])
    sms, notify = zip(*keys, strict=True)
    assert len({*sms}) == 1
    assert notify[0] == notify[2] != notify[1]


def test_a_text_to_another_number_is_another():
    steps = "- collect: {into: phone, digits: 10, prompt: P.}\n- sms: {to: '1{{ phone }}', text: Hello.}\n- hangup"
    flow = compile_valid_flow(make_flow_text(steps, "dial_policy: {regions: [US]}"))
    typed = ("2015550142", "2015550143", "2015550142")
    keys = [Conversation(flow, call="c").press_keys(digits).effects[0].key for digits in typed]
    assert keys[0] == keys[2] != keys[1]


def test_without_a_call_id_calls_of_the_same_numbers_are_told_apart_by_the_minute():
    flow = compile_valid_flow(make_flow_text("- sms: Hello."))

    def effect(second, **told):
        turn = make_turn(lambda: datetime.fromtimestamp(1_800_000_000 + second, UTC), **told)
        flow.answer("start", turn)
        return turn.effects[0]

    first, same, next_, later = (effect(second) for second in (0, 59, 60, 120))
    assert first.key == same.key != next_.key
    assert next_.previous_key == first.key
    assert later.previous_key == next_.key
    assert effect(0, from_="+12015550998").key != first.key
    known = effect(0, call="call-1")
    assert (known.key, known.previous_key) == (effect(90, call="call-1").key, "")


def test_what_is_set_in_a_branch_holds_after_it_where_the_call_went_there_only():
    branch = "gather: {dtmf_length: 1, dtmf: {1: [set: {x: \"'B'\", y: \"'C'\"}]}}"
    text = f"- set: {{x: \"'A'\"}}\n- {branch}\n- say: '{{{{ x }}}}{{{{ y }}}}'"
    call = Conversation(compile_valid_flow(make_flow_text(text)))
    assert call.spoken_texts == ["A"]
    assert call.follow_callback().heard_texts == ["BC"]


def test_values_that_only_later_steps_look_at_come_through_a_branch():
    text = "- set: {x: \"'A'\"}\n- dial: {to: a@b, error: [set: {y: \"'B'\"}]}\n- say: '{{ x }}{{ y }}'"
    assert Conversation(compile_valid_flow(make_flow_text(text))).follow_callback().heard_texts == ["AB"]


def test_a_line_that_was_answered_under_a_condition_is_not_answered_again_after_a_fetch():
    flow = compile_valid_flow(make_flow_text("- when: caller.anonymous\n  say: Hi.\n- set: {x: 1}\n- say: 'Bye {{ x }}.'"))
    assert Conversation(flow).xml.startswith("<Callback")
    withheld = Conversation(flow, from_="")
    assert withheld.xml.startswith("<Answer/><Say>Hi.</Say>")
    assert withheld.xml.count("<Answer/>") == 1
    assert "<Answer/>" not in withheld.follow_callback().xml
    known = Conversation(flow)
    assert known.follow_callback().xml.startswith("<Answer/><Say>Bye 1.")


def test_a_condition_is_decided_once_whatever_is_set_afterwards():
    flow = compile_valid_flow(make_flow_text("- when: not x\n  answer: {}\n- set: {x: 1}\n- say: Hi."))
    assert Conversation(flow).xml.count("<Answer/>") == 1


def test_no_target_can_be_taken_for_a_mark_of_ours():
    assert compile_text(make_flow_text("- dial: place0@targets.invalid")).rules == ["dial-target"]


SENDER_STEPS = "- collect: {into: phone, digits: 11, prompt: P.}\n- sms: {from: 'SENDER', text: Hello.}\n- hangup"
SENDERS = "variables: {desk: +12015550144, team: [+12015550145, ann]}"


def send_with(sender: str, keys: str) -> tuple[str, str]:
    """The sender of a text whose step computes one, and the doubt about it."""
    flow = compile_valid_flow(make_flow_text(SENDER_STEPS.replace("SENDER", sender), SENDERS))
    call = Conversation(flow, to="12015550123", owns=["+12015550124"])
    call.press_keys(keys)
    (effect,) = call.effects
    return effect.payload["from"], next(one["detail"].get("doubt", "") for one in call.trail if one["rule"] == "Hello.")


@pytest.mark.parametrize(
    ("sender", "keys", "number"),
    [
        ("+{{ phone }}", "12015550124", "+12015550124"),
        ("{{ number }}", "12015550999", "+12015550123"),
        ("{{ variables.desk }}", "12015550999", "+12015550144"),
        ("{% if phone %}{{ variables.team[0] }}{% endif %}", "12015550999", "+12015550145"),
    ],
)
def test_a_text_comes_from_a_computed_number_of_ours_or_of_the_author(sender, keys, number):
    assert send_with(sender, keys) == (number, "")


@pytest.mark.parametrize(
    "sender", ["+{{ phone }}", "{{ caller.number }}", "{{ phone[:3] }}", "{{ caller.name }}", "+1900{{ phone }}"]
)
def test_a_text_never_comes_from_a_number_that_a_caller_chose(sender):
    number, doubt = send_with(sender, "12015550177")
    assert number == "+12015550123"
    assert "no number of ours" in doubt
