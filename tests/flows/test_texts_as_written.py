"""Texts that would be heard as they are written: sentences cut at a comma, values in single braces, words of flow files."""

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


OTHER_NODE = "  other: [say: Goodbye.]"


def spoken_steps_of(steps, more=""):
    text = f"{make_flow_text(steps, more)}{OTHER_NODE}\n"
    return [problem for problem in compile_text(text).problems if problem.rule in ("step-as-text", "node-as-text")]


def menu_with(written):
    return f"- menu: {{prompt: Press 1., {written}, keys: {{1: other}}, otherwise: other}}"


@each_case(
    ("written", "fix"),
    [
        ("no_input: hangup", "no_input: NODE"),
        ("no_match: HANGUP", "no_match: NODE"),
        ("no_match: '- hangup'", "no_match: NODE"),
        ("no_match: goto other", "no_match: other"),
        ("no_match: 'goto: other'", "no_match: other"),
        ("no_match: Go to other", "no_match: other"),
        ("no_input: repeat", "as often as attempts says"),
        ("no_match: operator", "otherwise: NODE"),
        ("no_match: front-desk", "otherwise: NODE"),
        ("no_input: 5s", "{pause: 5s}"),
        ("no_input: 10 seconds", "{pause: 10s}"),
        ("no_input: 500", "{pause: 500ms}"),
        ("no_match: 3", "attempts: 3"),
    ],
)
def test_a_step_or_a_duration_in_the_place_of_a_prompt_is_a_warning_that_says_where_it_belongs(written, fix):
    (problem,) = spoken_steps_of(menu_with(written))
    assert (problem.severity, fix in problem.fix) == ("warning", True), problem


@each_case(
    ("step", "fix"),
    [
        ("- voicemail: hangup", "- hangup"),
        ("- voicemail: {thanks: 2s}", "thanks: {pause: 2s}"),
        ("- voicemail: {thanks: other}", "goto: other"),
        ("- dial: {to: +12015550188, rounds: 3, between: 10s, no_answer: other}", "between: {pause: 10s}"),
        ("- dial: {to: +12015550188, rounds: 3, between: other, no_answer: other}", "goto: other"),
        ("- collect: {into: pin, digits: 4, prompt: other, otherwise: other}", "otherwise: other"),
        ("- say: goto other", "goto: other"),
        ("- say: 2s", "pause: 2s"),
    ],
)
def test_a_step_in_the_place_of_any_text_is_one_warning(step, fix):
    (problem,) = spoken_steps_of(step)
    assert fix in problem.fix


def test_a_step_that_is_heard_in_one_language_is_a_warning_at_its_place():
    languages = "languages: {en: en-US, es: es-US}"
    (problem,) = spoken_steps_of("- voicemail: {thanks: {en: Thank you., es: hangup}}", languages)
    assert "'hangup'" in problem.message


@pytest.mark.parametrize(
    "written",
    [
        "no_input: Sorry.",
        "no_input: sorry",
        "no_input: other",
        "no_input: {pause: 5s}",
        "no_match: Go to the menu.",
        "no_match: Goodbye",
        "no_match: bye-bye",
        "no_match: '{{ caller.name }}'",
    ],
)
def test_words_for_people_and_nodes_where_they_may_stand_are_taken_without_a_word(written):
    assert spoken_steps_of(menu_with(written)) == []


def test_a_part_of_a_sentence_may_be_a_time_or_a_number():
    assert spoken_steps_of("- say: [say: Your call waits, say: 10 minutes, say: '5']") == []


@each_case("said", ["null", "~", "...", "?!", "😀", "TODO", "None"])
def test_a_text_without_words_for_the_caller_is_a_warning(said):
    (problem,) = problems_of(f"- say: {said}" if said != "?!" else "- say: '?!'", "empty-text")
    assert problem.severity == "warning"


@pytest.mark.parametrize("said", ["5", "你好。", "Привет", "{{ caller.name }}!", "&"])
def test_a_text_that_is_spoken_is_not_empty(said):
    assert problems_of(f"- say: '{said}'", "empty-text") == []


@each_case(
    "step", ["- say: {}", "- voicemail: {{greeting: {}}}", "- sms: {{text: {}}}", "- mail: {{to: a@acme.com, text: {}}}"]
)
def test_a_backslash_for_the_end_of_a_line_is_a_warning_in_all_texts_for_people(step):
    single, double = (step.format(text) for text in ("'One\\nTwo'", '"One\\nTwo"'))
    assert len(problems_of(f"{single}\n- say: Bye.", "escape-in-text")) == 1
    assert problems_of(f"{double}\n- say: Bye.", "escape-in-text") == []


@each_case(
    ("said", "name"),
    [
        ("Hello $caller.", "caller.name"),
        ("Hello <name>.", "caller.name"),
        ("Hello [your name].", "caller.name"),
        ("Hello %name%.", "caller.name"),
        ("Hello %(name)s.", "caller.name"),
        ("Hello {name}.", "caller.name"),
        ("Hello {caller.nmae}.", "caller.name"),
        ("Hello {cller.name}.", "caller.name"),
        ("You called ${EXTEN}.", "call.to"),
        ("Your account is {account}.", "account"),
        ("Thank you for calling [Company Name].", ""),
        ("Hello %s.", ""),
        ("Hello {customer}.", ""),
    ],
)
def test_the_fix_of_a_placeholder_names_a_value_of_the_flow_or_says_which_there_are(said, name):
    steps = f"- set: {{account: caller.number}}\n- say: '{said}'\n- say: '{{{{ account }}}}.'"
    (problem,) = problems_of(steps, "single-braces")
    assert problem.fix.endswith(f": {{{{ {name} }}}}") if name else "as {{ caller.name }} or" in problem.fix


@pytest.mark.parametrize(
    "said", ["It costs $5 or $USD 6.", "I am [sic] here.", "5 < 6 and 7 > 3", "100 % sure, 5 %s", "Say (name) now."]
)
def test_signs_that_are_no_placeholder_are_taken_without_a_word(said):
    assert problems_of(f"- say: '{said}'", "single-braces") == []


@each_case(
    "prompt", ["[For sales press 1., For support press 2.]", "[[say: For sales press 1.], [say: For support press 2.]]"]
)
def test_choices_that_are_divided_among_the_attempts_are_a_warning(prompt):
    choices = f"- menu: {{prompt: {prompt}, keys: {{1: start, 2: start}}, otherwise: start}}"
    (problem,) = problems_of(choices, "text-cut")
    assert "callers hear of 1 only" in problem.message


@pytest.mark.parametrize(
    "prompt",
    [
        "[For sales press 1. For support press 2., Please press 1 or 2.]",
        "[say: For sales press 1., say: For support press 2.]",
        "[For sales press 1. For support press 2., We did not hear you.]",
    ],
)
def test_attempts_that_name_all_choices_are_taken_without_a_word(prompt):
    assert problems_of(f"- menu: {{prompt: {prompt}, keys: {{1: start, 2: start}}, otherwise: start}}", "text-cut") == []
