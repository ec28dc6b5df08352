"""Texts that would be heard as they are written: sentences cut at a comma, values in single braces; numbers as numbers."""

from __future__ import annotations

import pytest
from flow_harness import answer_node, compile_text, compile_valid_flow, make_flow_text, make_turn

from each_case import each_case


def problems_of(steps, rule):
    return [problem for problem in compile_text(make_flow_text(steps)).problems if problem.rule == rule]


def menu(prompt, key="prompt"):
    more = "" if key == "prompt" else "prompt: Press 1., "
    return f"- menu: {{{more}{key}: {prompt}, keys: {{1: start}}, otherwise: start}}"


@each_case(
    "prompt",
    [
        "[Hello, for sales press 1.]",
        "[Welcome to Acme, Press 1 for sales.]",
        "[Good morning, 1 for sales or 2 for support.]",
        "[For sales press 1, for support press 2]",
        "[Hallo, für den Verkauf die 1.]",
    ],
)
@each_case("key", ["prompt", "no_input", "no_match"])
def test_a_sentence_that_a_comma_in_brackets_cut_is_a_warning_with_the_whole_sentence(prompt, key):
    (problem,) = problems_of(menu(prompt, key), "text-cut")
    assert problem.severity == "warning"
    assert f'{key}: "{prompt.strip("[]")}"' in problem.fix


def test_a_cut_prompt_of_a_collect_is_a_warning_too():
    steps = "- collect: {prompt: [Hello, please key in your PIN.], into: pin, digits: 4, otherwise: start}"
    assert problems_of(steps, "text-cut")


@pytest.mark.parametrize(
    "prompt",
    [
        "[Press 1 for sales., Please press 1.]",
        '["Hello, press 1.", "Once more: press 1."]',
        "[Hello {{ caller.name }}, press 1 now.]",
        "Hello",
        '["Press 1!", "press 1…"]',
    ],
)
def test_texts_for_several_attempts_are_taken_without_a_word(prompt):
    if "caller.name" in prompt:
        prompt = prompt.replace(", press", ".', 'Press").replace("[", "['").replace("]", "']")
    assert problems_of(menu(prompt), "text-cut") == []


@each_case(
    "said",
    [
        "Hello {caller.name}.",
        "Hello ${caller.name}.",
        "Hello ${ caller.name }.",
        "Hello #{caller.name}.",
        "Hello %{caller.name}.",
        "Hello $caller.name.",
        "Hello [caller.name].",
        "Hello <caller.name>.",
        "Hello {{ caller.name }} of {caller.name}.",
        "Hello {caller.name | title}.",
    ],
)
def test_a_value_in_single_braces_is_a_warning_with_two_braces_as_the_fix(said):
    for step in (f"- say: '{said}'", f"- voicemail: {{greeting: '{said}'}}", f"- sms: {{text: '{said}'}}\n- say: Bye."):
        (problem,) = problems_of(step, "single-braces")
        assert problem.severity == "warning"
        assert "{{ caller.name" in problem.fix


@pytest.mark.parametrize(
    "said",
    ["Hello {{ caller.name }}.", "Hello {% if caller.name %}you{% endif %}.", "It costs $5.", "{ }", "A {# note #} b."],
)
def test_other_braces_are_taken_without_a_word(said):
    assert problems_of(f"- say: '{said}'", "single-braces") == []


@each_case(
    "condition",
    [
        "caller.number == 2015550999",
        "2015550999 == caller.number",
        "caller.number == 5550999",
        "caller.number != 2015550999",
        "caller.number in [2015550999, '+12015550123']",
        "number == 2015550123",
        "call.to == 2015550123",
        "caller.national == 2015550999",
    ],
)
def test_a_telephone_number_that_is_compared_without_quotes_is_a_warning(condition):
    (problem,) = problems_of(f"- when: {condition}\n  say: Hi.\n- say: Bye.", "comparison")
    assert problem.severity == "warning"
    assert "in quotes" in problem.fix


@pytest.mark.parametrize(
    "condition",
    [
        "caller.number == 12015550999",
        "caller.number == +12015550999",
        "caller.number in [12015550999]",
        "caller.number in [+12015550999, 12015550998]",
    ],
)
def test_a_whole_telephone_number_holds_without_quotes_too(condition):
    flow = compile_valid_flow(make_flow_text(f"- when: {condition}\n  say: Hi Ann.\n- say: Bye."))
    assert problems_of(f"- when: {condition}\n  say: Hi Ann.\n- say: Bye.", "comparison") == []
    assert b"Hi Ann." in answer_node(flow, "start", make_turn())


def test_digits_are_still_compared_as_numbers():
    steps = "- collect: {prompt: PIN., into: pin, digits: 4}\n- when: pin == 1234\n  say: Hi.\n- say: Bye."
    assert problems_of(steps, "comparison") == []
