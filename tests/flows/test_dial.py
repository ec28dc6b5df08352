"""Ringing people, and taking a message when nobody can."""

from __future__ import annotations

import re

import pytest
from flow_harness import (
    Conversation,
    answer_as_xml,
    compile_steps,
    compile_text,
    compile_valid_flow,
    iterate_documents,
    make_flow_text,
    parse_response,
    request_document,
    spoken_texts,
)

from callflows.language import Meta
from callflows.language.element import walk_elements
from each_case import each_case

ANN, BOB, CAT = "ann@acme.sip.opentact.org", "+12015550188", "sip:cat@acme.sip.opentact.org"
LAST = "  last: [say: Nobody is here.]\n"


def dialled(text: str, dialect: str = "reference") -> str:
    return answer_as_xml(compile_valid_flow(make_flow_text(text) + LAST, dialect)).removesuffix("<Hangup/>")


def test_one_is_rung_in_one_word():
    assert dialled(f"- dial: {BOB}") == f"<Dial><To>{BOB}</To></Dial>"
    assert dialled(f"- dial: [{ANN}, {BOB}]") == f"<Dial><To>{ANN}</To><To>{BOB}</To></Dial>"


def test_all_are_rung_at_once():
    assert dialled(f"- dial: {{to: [{ANN}, {BOB}, {CAT}], timeout: 25s, tag: sales}}") == (
        f'<Dial timeout="25000" tag="sales"><To>{ANN}</To><To>{BOB}</To><To>{CAT}</To></Dial>'
    )


def test_in_turn_each_is_rung_when_the_one_before_did_not_answer():
    assert dialled(f"- dial: {{to: [{ANN}, {BOB}, {CAT}], ring: in-turn, timeout: 15s}}") == (
        f'<Dial timeout="15000"><To>{ANN}</To><Error>'
        f'<Dial timeout="15000"><To>{BOB}</To><Error>'
        f'<Dial timeout="15000"><To>{CAT}</To></Dial></Error></Dial></Error></Dial>'
    )


def test_a_classic_target_is_a_number_or_a_sip_address():
    assert dialled(f"- dial: [{BOB}, {ANN}]", "classic") == f"<Dial><Number>{BOB}</Number><Sip>{ANN}</Sip></Dial>"


def test_when_nobody_answers_the_call_goes_where_the_author_says_and_ends_there():
    assert dialled(f"- dial: {{to: {BOB}, no_answer: last}}\n- say: Goodbye.") == (
        f"<Dial><To>{BOB}</To><Error><Answer/><Say>Nobody is here.</Say><Hangup/></Error></Dial>"
        "<Answer/><Say>Goodbye.</Say>"
    )


def test_when_nobody_answers_in_turn_it_is_said_once_and_innermost():
    xml = dialled(f"- dial: {{to: [{ANN}, {BOB}], ring: in-turn, no_answer: last}}")
    assert xml.count("Nobody is here.") == 1
    assert xml.endswith("<Say>Nobody is here.</Say><Hangup/></Error></Dial></Error></Dial>")


def test_the_steps_of_an_error_run_when_nobody_answers():
    assert dialled(f"- dial: {{to: {BOB}, error: [pause: 1s, hangup: {{tag: none}}]}}") == (
        f'<Dial><To>{BOB}</To><Error><Pause length="1000"/><Hangup tag="none"/></Error></Dial>'
    )


def test_a_conversation_is_recorded_in_the_way_of_each_dialect():
    text = f"- dial: {{to: {BOB}, record: yes}}"
    assert dialled(text) == f'<Answer/><Record tag="conversation"><Dial><To>{BOB}</To></Dial></Record>'
    assert dialled(text, "classic") == f'<Dial record="record-from-answer"><Number>{BOB}</Number></Dial>'
    assert dialled(f"- dial: {{to: {BOB}, record: no}}") == f"<Dial><To>{BOB}</To></Dial>"


def test_recorded_conversations_in_turn_are_each_recorded():
    xml = dialled(f"- dial: {{to: [{ANN}, {BOB}], ring: in-turn, record: yes, no_answer: last}}")
    assert xml.count('<Record tag="conversation">') == 2
    assert xml.count("Nobody is here.") == 1


@pytest.mark.parametrize(
    ("value", "rung"),
    [
        ("ann@acme.sip.opentact.org", ["ann@acme.sip.opentact.org"]),
        ("+442079460018", ["+442079460018"]),
        ("[+12015550188, bob@acme.sip.opentact.org]", ["+12015550188", "bob@acme.sip.opentact.org"]),
    ],
)
def test_whom_a_variable_of_the_file_names_is_rung_as_if_it_stood_there(value, rung):
    steps = "- dial: {to: '{{ variables.desk }}', timeout: 20s, no_answer: start}"
    flow = compile_valid_flow(make_flow_text(steps, f"variables: {{desk: {value}}}"))
    assert re.findall("<To>(.*?)</To>", answer_as_xml(flow)) == rung


def test_a_dial_carries_variables():
    xml = dialled(f"- dial: {{to: {BOB}, meta: {{who: '{{{{ caller.national }}}}', n: 007}}}}")
    assert [meta.attributes["value"] for _, meta in walk_elements(parse_response(xml)) if isinstance(meta, Meta)] == [
        "(201) 555-0999",
        "007",
    ]


def test_a_dial_is_tagged_by_a_text_that_changes():
    assert 'tag="from +12015550999"' in dialled(f"- dial: {{to: {BOB}, tag: 'from {{{{ caller.number }}}}'}}")


def test_the_line_is_not_answered_before_a_dial():
    assert not dialled(f"- dial: {BOB}").startswith("<Answer/>")
    assert dialled(f"- say: One moment.\n- dial: {BOB}").startswith("<Answer/><Say>")


@pytest.mark.parametrize("targets", [30, 49, 60, 300])
def test_however_many_are_rung_in_turn_every_document_is_valid_and_everybody_is_rung(targets):
    to = ", ".join(f"a{index}@acme.sip.opentact.org" for index in range(targets))
    text = "- menu: {prompt: Press., keys: {1: ring}}\n- goto: ring"
    flow = compile_valid_flow(
        make_flow_text(text) + f"  ring: [dial: {{to: [{to}], ring: in-turn, no_answer: last}}]\n{LAST}"
    )
    documents = [xml for _, _, xml in iterate_documents(flow)]
    assert all(any(f"<To>a{index}@" in xml for xml in documents) for index in range(targets))


@each_case(
    ("text", "said"),
    [
        ("to: bob", "number or a SIP address"),
        ("to: ''", "number or a SIP address"),
        ("to: []", "to: "),
        ("to: [+12015550188, b ob]", "number or a SIP address"),
        ("to: {a: b}", "list"),
        ("to: [[+12015550188]]", "text"),
        ("timeout: 5s", "to is missing"),
        ("to: +12015550188, timeout: 25", "25s?"),
        ("to: +12015550188, timeout: 9999999h", "timeout"),
        ("to: +12015550188, ring: both", "at-once"),
        ("to: +12015550188, no_answer: lsat", "did you mean 'last'?"),
        ("to: +12015550188, no_answer: last, error: [hangup]", "give one"),
        ("to: +12015550188, record: maybe", "record"),
        ("to: +12015550188, callerId: '+12015550123'", "no key 'callerId'"),
        ("to: +12015550188, meta: {'': x}", "name"),
        ("to: +12015550188, meta: {a: [x]}", "text"),
        ("to: +12015550188, tag: 'a\\x01b'", ""),
        ('to: +12015550188, tag: "a\\x01b"', "U+0001"),
        ("to: +12015550188, error: hangup", "list"),
    ],
)
def test_a_wrong_dial_is_an_error_that_says_what_is_wrong(text, said):
    problems = compile_text(make_flow_text(f"- dial: {{{text}}}") + LAST).problems
    if said:
        assert [problem for problem in problems if problem.severity == "error"]
        assert said in "\n".join(map(str, problems))
        assert problems[0].line == 5


# Voicemail


def test_a_message_is_taken_after_a_greeting_and_a_tone():
    assert compile_steps("- voicemail: Please speak.") == (
        '<Say>Please speak.</Say><Tone hz="1000" don="500" loop="1" leg="aleg" tag="beep"/>'
        '<Record tag="voicemail"><Pause length="120000" dtmf_stop="#"/></Record>'
    )


def test_a_message_is_as_long_as_the_author_says_and_is_thanked_for():
    text = "- voicemail: {greeting: Speak., max: 30s, stop: star, transcribe: yes, thanks: Thank you.}"
    xml = compile_steps(text)
    assert '<Record tag="voicemail" asr="true"><Pause length="30000" dtmf_stop="*"/></Record>' in xml
    assert spoken_texts(xml) == ["Speak.", "Thank you."]


def test_a_classic_message_begins_after_a_beep_of_ours():
    flow = compile_valid_flow(make_flow_text("- voicemail: Speak."), "classic")
    assert request_document(flow) == (
        '<Say>Speak.</Say><Play tag="beep">https://flows.localhost/media/beep.wav</Play>'
        '<Record tag="voicemail"><Pause length="120000" dtmf_stop="#"/></Record><Hangup/>'
    )


def test_a_message_needs_no_greeting():
    assert compile_steps("- voicemail").startswith("<Tone")
    assert compile_steps("- voicemail:").startswith("<Tone")
    assert compile_steps("- voicemail: {max: 1m}").startswith("<Tone")


@each_case(
    ("text", "said"),
    [
        ("max: 120", "120s?"),
        ("max: 9999999h", "max"),
        ("stop: '12'", "one key"),
        ("stop: x", "not a key"),
        ("transcribe: perhaps", "transcribe"),
        ("greeting: [a, b]", "text"),
        ("greting: a", "did you mean 'greeting'?"),
        ("greeting: '{{ caller.nmae }}'", "did you mean 'name'?"),
    ],
)
def test_a_wrong_voicemail_is_an_error_that_says_what_is_wrong(text, said):
    problems = compile_text(make_flow_text(f"- voicemail: {{{text}}}")).problems
    assert said in "\n".join(map(str, problems))
    assert problems[0].severity == "error"
    assert problems[0].line == 5


@pytest.mark.parametrize(
    "following",
    [
        "goto: there",
        "choose: [goto: there]",
        "voicemail: Please leave a message.",
        "dial: {to: +12015550189, goes_on: true}",
    ],
)
def test_a_step_that_is_meant_after_a_conversation_too_is_not_warned_of(following):
    nodes = "  there: [say: Thank you for your call.]\n"
    for dial, rules in (("{to: +12015550188}", ["dial-then-goto"]), ("{to: +12015550188, goes_on: true}", [])):
        made = compile_text(make_flow_text(f"- dial: {dial}\n- {following}") + (nodes if "there" in following else ""))
        assert [rule for rule in made.rules if rule == "dial-then-goto"] == rules
        assert made.flow is not None


ENDS = "  talked: [say: Thank you.]\n  missed: [say: Sorry.]\n"


@pytest.mark.parametrize(
    "unanswered", ["no_answer: missed", "busy: missed", "failed: missed", "error: [say: Sorry., hangup]"]
)
def test_after_a_conversation_the_call_goes_where_answered_says_and_nobody_else_does(unanswered):
    text = make_flow_text(f"- dial: {{to: +12015550188, answered: talked, {unanswered}}}") + ENDS
    xml = answer_as_xml(compile_valid_flow(text))
    assert xml.replace("<Answer/>", "") == (
        "<Dial><To>+12015550188</To><Error><Say>Sorry.</Say><Hangup/></Error></Dial><Say>Thank you.</Say><Hangup/>"
    )


@each_case(
    ("ways", "rules"),
    [
        ("no_answer: missed, busy: missed, failed: missed, answered: talked", []),
        ("no_answer: missed, busy: talked", ["dial-outcome"]),
        ("failed: missed", ["dial-outcome"]),
        ("answered: talked, error: [say: Sorry.]", ["dial"]),
        ("answered: talked", ["dial"]),
        ("no_answer: missed, answered: gone", ["unknown-node"]),
    ],
)
def test_ways_that_opentact_does_not_tell_apart_are_told(ways, rules):
    found = compile_text(make_flow_text(f"- dial: {{to: +12015550188, {ways}}}") + ENDS).problems
    assert [problem.rule for problem in found if problem.rule != "unreachable-node"] == rules


def test_answered_is_the_way_of_a_target_that_rings_after_many_in_turn():
    targets = ", ".join(f"+120155501{number:02}" for number in range(30))
    ways = "ring: in-turn, answered: talked, no_answer: missed"
    flow = compile_valid_flow(make_flow_text(f"- dial: {{to: [{targets}], {ways}}}") + ENDS)
    documents = [xml for _, _, xml in iterate_documents(flow)]
    assert sum("<Say>Thank you.</Say>" in xml for xml in documents) >= 2


@pytest.mark.parametrize(
    ("steps", "keys"),
    [
        ("- record: {tag: talk, do: [{dial: {to: '+{{ asked }}'}}]}", "442079460018"),
        ('- record: {tag: talk, do: [{when: "asked[:2] == 44", dial: +12015550188}]}', "12015550188"),
        ("- record: {tag: talk, do: [{dial: {to: '+{{ asked }}'}}], error: [{say: Not recorded.}]}", "442079460018"),
        ("- record: {tag: talk, do: [{record: {do: [{dial: '+{{ asked }}'}]}}]}", "442079460018"),
    ],
)
@pytest.mark.parametrize("dialect", ["reference", "classic"])
def test_a_record_with_nobody_to_talk_to_does_not_record_the_caller(steps, keys, dialect):
    collect = "- collect: {into: asked, digits: 10-15, prompt: Whom?}\n"
    rest = "\n- say: After.\n- record: {timeout: 5s}"
    flow = compile_valid_flow(make_flow_text(collect + steps + rest, "dial_policy: {regions: [US]}"), dialect)
    document = Conversation(flow, dialect).press_keys(keys).xml
    assert document == '<Say>After.</Say><Record timeout="5000"/><Hangup/>'


def test_a_record_with_somebody_to_talk_to_records_the_conversation():
    steps = "- collect: {into: asked, digits: 10-15, prompt: Whom?}\n- record: {tag: talk, do: [{dial: '+{{ asked }}'}]}"
    flow = compile_valid_flow(make_flow_text(steps, "dial_policy: {regions: [US]}"))
    document = Conversation(flow).press_keys("12015550188").xml
    assert document == '<Record tag="talk"><Dial><To>+12015550188</To></Dial></Record><Hangup/>'
