"""A text that is empty in a call is left out, and never leaves the caller in silence."""

from __future__ import annotations

import pytest
from flow_harness import (
    answer_as_xml,
    compile_text,
    compile_valid_flow,
    make_flow_text,
    make_turn,
    spoken_texts,
)

from callflows.flows.compiler.silent_texts import SilentTextRemover
from callflows.flows.coverage_points import strip_coverage_comments
from callflows.flows.document_comments import read_element_places
from callflows.flows.entry_points import FIRST_ENTRY
from each_case import each_case

NAME = "'{{ caller.name }}'"
SORRY = "<Say>Sorry.</Say><Hangup/>"
KEYS = '<DTMF value="1"><Say>One.</Say></DTMF>'


def document(content: str) -> str:
    return f"<Response>{content}</Response>"


@each_case(
    ("content", "expected"),
    [
        ("<Answer/><Say>Hi.</Say><Say/><Hangup/>", "<Answer/><Say>Hi.</Say><Hangup/>"),
        ('<Answer/><Say lang="en-US"></Say><Hangup/>', f"<Answer/>{SORRY}<Hangup/>"),
        ("<Say>, .</Say>", SORRY),
        ("<Say> </Say><Say/>", SORRY),
        ("<Say/><Play>https://x.example.com/a.mp3</Play>", "<Play>https://x.example.com/a.mp3</Play>"),
        ("<Say/><Dial><To>a@b</To></Dial>", "<Dial><To>a@b</To></Dial>"),
        (f"<Say/><Gather>{KEYS}</Gather>", f"{SORRY}<Gather>{KEYS}</Gather>"),
        ("<Say/><Gather/>", f"{SORRY}<Gather/>"),
        (f"<Say>Hi.</Say><Say/><Gather>{KEYS}</Gather>", f"<Say>Hi.</Say><Gather>{KEYS}</Gather>"),
        (f"<Gather><Say/>{KEYS}</Gather>", f"{SORRY}<Gather>{KEYS}</Gather>"),
        (f"<Gather><Say/><Say>One?</Say>{KEYS}</Gather>", f"<Gather><Say>One?</Say>{KEYS}</Gather>"),
        (
            '<Gather><DTMF value="1"><Say/><Hangup/></DTMF><Default><Say/></Default></Gather><Say>Bye.</Say>',
            f'<Gather><DTMF value="1">{SORRY}<Hangup/></DTMF><Default></Default></Gather><Say>Bye.</Say>',
        ),
        ('<Say/><Callback url="https://x.example.com/"/>', '<Callback url="https://x.example.com/"/>'),
        ("<!-- <Say/> --><Say>Hi.</Say>", "<!-- <Say/> --><Say>Hi.</Say>"),
        ("<Say>1</Say><Say>&amp;</Say><Say>é</Say>", "<Say>1</Say><Say>&amp;</Say><Say>é</Say>"),
    ],
)
def test_an_empty_text_is_left_out_and_silence_becomes_the_fallback(content, expected):
    remover = SilentTextRemover(f"<Answer/>{SORRY}")
    assert remover.remove_silent_texts(document(content)) == document(expected)


@each_case("dialect", ["reference", "classic"])
@each_case(
    ("steps", "spoken"),
    [
        (f"- say: {NAME}", ["We are sorry."]),
        (f"- say: {NAME}\n- say: Hello.", ["Hello."]),
        (f"- menu: {{prompt: {NAME}, keys: {{1: other}}, attempts: 1, otherwise: other}}", ["We are sorry."]),
        (f"- voicemail: {{greeting: {NAME}, thanks: Thank you.}}", ["Thank you."]),
    ],
)
def test_a_caller_without_a_name_never_meets_silence(dialect, steps, spoken):
    flow = compile_valid_flow(make_flow_text(steps) + "  other: [say: Hello.]\n", dialect)
    assert spoken_texts(answer_as_xml(flow))[: len(spoken)] == spoken
    assert "Ann" in spoken_texts(answer_as_xml(flow, turn=make_turn(name="Ann")))


@each_case(
    ("more", "text"),
    [
        ("", "..."),
        ("", '"\\u200b"'),
        ("", '"\\u00a0"'),
        ("", '"\U0001f642"'),
        ('variables: {t: "\\u200b"}', "'{{ variables.t }}'"),
        ('variables: {t: "\\u00a0"}', "'{{ variables.t }}'"),
        ('variables: {t: "\U0001f642"}', "'{{ variables.t }}!'"),
    ],
)
def test_a_text_without_a_letter_or_a_digit_is_empty(more, text):
    flow = compile_valid_flow(make_flow_text(f"- say: {text}", more))
    assert spoken_texts(answer_as_xml(flow)) == ["We are sorry."]


@each_case(
    ("fallback", "spoken"),
    [("[say: ...]", ["We are sorry."]), ("[{say: ...}, {say: Later.}]", ["...", "Later."])],
)
def test_a_fallback_of_silent_texts_is_the_apology(fallback, spoken):
    flow = compile_valid_flow(make_flow_text("- say: Hello.", f"fallback: {fallback}"))
    assert spoken_texts(flow.fallback.decode().partition("<Response>")[2].removesuffix("</Response>")) == spoken


@pytest.mark.parametrize("name", ["", "Ann"])
def test_what_is_remembered_of_an_answer_is_what_was_sent(name):
    flow = compile_valid_flow(make_flow_text(f"- say: Hello.\n- say: {NAME}\n- say: Bye."))
    turn = make_turn(name=name)
    sent = flow.answer("start", turn).decode()
    assert "".join(turn.document_parts) == sent
    marked = flow.render_with_places("start", make_turn(name=name), FIRST_ENTRY)
    places = read_element_places(marked.encode())
    assert strip_coverage_comments(marked).count("<") == sent.count("<")
    assert [place.line for path, place in places.items() if path.startswith("Say")] == ([5, 6, 7] if name else [5, 7])


def test_a_flow_whose_texts_have_words_is_not_searched():
    flow = compile_valid_flow(make_flow_text("- say: Hello {{ caller.name }}.\n- say: '{{ now.time }}'", "timezone: UTC"))
    assert flow.silent_text_remover is None


@each_case(
    "text",
    [
        "{{ caller.name or 'you' }}",
        "{{ 'x' if caller.name else 'y' }}",
        "{{ now.time }}",
        "{{ number | digits }}",
        "{{ caller.calls_today }}",
        "{{ pin | digits }}",
        "{{ kind | upper }}",
        "{{ caller.name | length }}",
        "{{ '1' ~ caller.name }}",
    ],
)
def test_a_text_that_always_has_words_is_not_doubted(text):
    steps = "- collect: {into: pin, digits: 4, prompt: Your pin?, otherwise: start}\n- set: {kind: '\"a\"'}\n"
    made = compile_text(make_flow_text(f'{steps}- say: "{text}"', "timezone: UTC"))
    assert "text-may-be-empty" not in made.rules


@each_case(
    "text",
    [
        "{{ caller.name | upper }}",
        "{{ caller.number[-4:] | digits }}",
        "{{ 'x' if caller.name }}",
        "{{ data.text }}",
        "{{ data['text'] | trim }}.",
        "{{ kind }}",
        "{% for part in data.parts %}{{ part }}{% endfor %}",
        "{{ caller.name | default('') }}",
    ],
)
def test_a_text_of_values_only_is_doubted(text):
    steps = "- lookup: {url: 'https://x.example.com', into: data}\n- set: {kind: caller.name}\n"
    assert compile_text(make_flow_text(f'{steps}- say: "{text}"')).rules == ["text-may-be-empty"]


def test_an_empty_text_message_is_refused():
    flow = compile_valid_flow(make_flow_text(f"- sms: {NAME}\n- say: Hello."))
    for name, count in (("", 0), ("Ann", 1)):
        turn = make_turn(name=name)
        answer_as_xml(flow, turn=turn)
        assert len(turn.effects) == count
    assert compile_text(make_flow_text(f"- sms: {NAME}\n- say: Hello.")).rules == ["text-may-be-empty"]


def test_a_text_message_of_missing_values_after_a_call_is_doubted():
    more = f"ended:\n  - when: ended.rang\n    sms: {NAME}"
    assert "text-may-be-empty" in compile_text(make_flow_text("- say: Hello.", more)).rules
