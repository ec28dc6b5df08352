"""Asking for digits, and going on with them."""

from __future__ import annotations

import re

import pytest
from flow_harness import (
    BASE_URL,
    Conversation,
    compile_text,
    compile_valid_flow,
    iterate_documents,
    make_flow_text,
    request_document,
)

from callflows.flows.decisions import MASKED_VALUE
from each_case import each_case

BOTH = pytest.mark.parametrize("dialect", ["reference", "classic"])
ASK = """
- collect:
    into: account
    digits: 6
    prompt: [Your account., Once more.]
    no_input: I heard nothing.
    no_match: That is not six digits.
    attempts: 3
    otherwise: last
- say: You have {{ account }}.
"""
NODES = "  last: [say: 'Goodbye {{ digits }}.']\n"


def asking(steps: str = ASK, dialect: str = "reference", nodes: str = NODES, **told) -> Conversation:
    return Conversation(compile_valid_flow(make_flow_text(steps) + nodes, dialect), dialect, **told)


@BOTH
def test_digits_are_kept_under_a_name(dialect):
    assert asking(dialect=dialect).press_keys("123456").spoken_texts == ["You have 123456."]


@BOTH
def test_zeros_at_the_beginning_are_not_lost_where_the_length_is_fixed(dialect):
    assert asking(dialect=dialect).press_keys("000042").spoken_texts == ["You have 000042."]
    assert asking(dialect=dialect).press_keys("000000").spoken_texts == ["You have 000000."]


@BOTH
def test_silence_asks_again_as_often_as_there_are_attempts(dialect):
    call = asking(dialect=dialect)
    assert call.spoken_texts.count("Your account.") == 1
    assert call.spoken_texts.count("Once more.") == 2
    assert call.spoken_texts[-1] == "Goodbye ."


@BOTH
def test_what_is_no_match_asks_again_with_the_next_prompt_and_in_the_end_goes_elsewhere(dialect):
    call = asking(dialect=dialect).press_keys("1234567")
    assert call.spoken_texts[:2] == ["That is not six digits.", "Once more."]
    assert call.press_keys("12#4").spoken_texts[:2] == ["That is not six digits.", "Once more."]
    assert call.press_keys("1234567").spoken_texts == ["That is not six digits.", "Goodbye ."]


def test_too_few_digits_are_no_match():
    assert asking().press_keys("12").spoken_texts[0] == "That is not six digits."


def test_a_gather_that_ended_with_nothing_is_silence_where_it_asks_us():
    assert asking().press_keys("").spoken_texts[:2] == ["I heard nothing.", "Once more."]


def test_the_last_attempt_of_many_may_still_be_right():
    assert asking().press_keys("1").press_keys("2").press_keys("654321").spoken_texts == ["You have 654321."]


@BOTH
def test_without_otherwise_the_steps_go_on_and_the_value_is_empty(dialect):
    steps = (
        "- collect: {into: a, digits: 2, prompt: Two., attempts: 1}\n- say: Got {{ a }}{% if not a %}nothing{% endif %}."
    )
    call = asking(steps, dialect)
    assert call.spoken_texts == ["Two.", "Got nothing."]
    assert call.press_keys("*").heard_texts == ["Got nothing."]


def test_a_value_of_an_earlier_round_is_gone_when_the_caller_is_asked_again():
    steps = "- collect: {into: a, digits: 2, prompt: Two., attempts: 1}\n- say: Got {{ a }}{{ digits }}.\n- goto: start"
    call = asking(steps).press_keys("12")
    assert call.spoken_texts[0] == "Got 1212."
    call.follow_callback()
    assert call.spoken_texts == ["Two.", "Got ."]
    assert call.press_keys("9").heard_texts[0] == "Got ."


@BOTH
def test_the_digits_of_one_question_never_answer_the_next(dialect):
    steps = """
- collect: {into: a, digits: 2, prompt: One., attempts: 1, otherwise: last}
- collect: {into: b, digits: 2, prompt: Two., attempts: 1, otherwise: last}
- say: a {{ a }} b {{ b }} digits {{ digits }}
"""
    call = asking(steps, dialect, "  last: [hangup]\n").press_keys("12")
    assert call.spoken_texts == ["Two."]
    assert call.press_keys("34").spoken_texts == ["a 12 b 34 digits 34"]


def test_a_menu_after_a_question_is_not_answered_by_its_digits():
    steps = "- collect: {into: a, digits: 1, prompt: One., otherwise: last}\n- menu: {prompt: Menu., keys: {1: last}}"
    assert asking(steps).press_keys("1").spoken_texts[0] == "Menu."


def test_a_range_takes_what_lies_in_it():
    steps = "- collect: {into: a, digits: 4-8, prompt: P., no_match: No., attempts: 2, otherwise: last}\n- say: Got {{ a }}"
    assert 'dtmf_length="8" dtmf_stop="#"' in asking(steps).xml
    for digits, heard in (("1234", "Got 1234"), ("12345678", "Got 12345678"), ("123", "No."), ("123456789", "No.")):
        assert asking(steps).press_keys(digits).spoken_texts[0] == heard


def test_a_range_in_classic_is_warned_of():
    made = compile_text(make_flow_text(ASK.replace("digits: 6", "digits: 4-8")) + NODES, "classic")
    assert made.rules == ["leading-zeros"]


def test_a_stop_key_that_comes_along_is_no_digit():
    steps = "- collect: {into: a, digits: 1-8, prompt: P., stop: star, otherwise: last}\n- say: Got {{ a }}"
    assert asking(steps).press_keys("12*").spoken_texts == ["Got 12"]


@BOTH
def test_a_pattern_must_match_all_of_it(dialect):
    steps = (
        "- collect: {into: a, digits: 4, match: '0[1-9].*', prompt: P., no_match: No., otherwise: last}\n- say: Got {{ a }}"
    )
    assert asking(steps, dialect).press_keys("0123").spoken_texts == ["Got 0123"]
    assert asking(steps, dialect).press_keys("1023").spoken_texts[0] == "No."


@each_case("given", ["٣٤٥٦٧٨", "123 45", "12345\n", "¹²³456", "1234567890" * 20, "<Say/>"])
def test_what_is_no_digits_is_no_match_and_never_markup(given):
    call = asking().press_keys(given)
    assert call.spoken_texts[0] == "That is not six digits."
    assert given not in call.xml


def test_a_question_under_a_condition_is_asked_where_it_holds_and_goes_on_after_it():
    steps = "- when: not caller.anonymous\n  collect: {into: a, digits: 1, prompt: P., attempts: 1}\n- say: After {{ a }}."
    call = asking(steps)
    assert call.spoken_texts == ["P.", "After ."]
    assert call.press_keys("7").spoken_texts == ["After 7."]
    assert asking(steps, from_="").spoken_texts == ["After ."]


@BOTH
def test_a_question_in_a_gathers_branch_goes_on_after_the_gather(dialect):
    steps = """
- gather:
    dtmf_length: 1
    dtmf: {1: [collect: {into: a, digits: 2, prompt: Inner., otherwise: last}, say: 'In {{ a }}.']}
- say: After {{ a }}.
"""
    call = asking(steps, dialect)
    assert call.spoken_texts == ["Inner."] * 3 + ["Goodbye .", "After ."]
    assert call.press_keys("42").heard_texts == ["In 42.", "After 42."]


@pytest.mark.parametrize(
    "verb", ["say: {text: Hi., error: [%s]}", "dial: {to: a@b, error: [%s]}", "call: {field: to, value: x, do: [%s]}"]
)
def test_a_question_in_any_branch_is_one_of_its_own(verb):
    inner = "collect: {into: a, digits: 2, prompt: Inner., otherwise: last}, say: 'In {{ a }}.'"
    call = asking(f"- {verb % inner}\n- say: After {{{{ a }}}}.")
    assert call.press_keys("42").heard_texts == ["In 42.", "After 42."]


@BOTH
def test_the_line_is_answered_once_and_before_it_is_asked(dialect):
    call = asking(dialect=dialect)
    assert call.xml.count("<Answer/>") == (1 if dialect == "reference" else 0)
    assert "<Answer/>" not in call.press_keys("1234567").xml
    assert "<Answer/>" not in call.press_keys("123456").xml


def test_where_each_attempt_is_asked_of_us_the_document_says_so_for_each():
    urls = re.findall(r"<Gather[^>]*>", request_document(compile_valid_flow(make_flow_text(ASK) + NODES)))
    assert len(urls) == 3
    assert all(f'url="{BASE_URL}/call/acme/start?ticket=' in url for url in urls)


def test_every_document_of_a_question_is_valid():
    for dialect in ("reference", "classic"):
        assert len([*iterate_documents(compile_valid_flow(make_flow_text(ASK) + NODES, dialect))]) >= 4


# Patterns that take for ever


@each_case(
    "pattern",
    [
        "(1+)+2",
        "(1*)*2",
        "(1|1)*2",
        "(1|11)*2",
        "(1?){40}1{40}",
        "1*1*1*1*1*1*1*2",
        r"(1+)\1+2",
        "(?=(1+)+2)1*",
        "(1|1)" * 30 + "2",
    ],
)
def test_no_pattern_stops_the_server(pattern):
    """Either it is refused, or it is done in time, or it is worked out apart, where it can be stopped."""
    steps = f"- collect: {{into: a, digits: 40, match: '{pattern}', prompt: P., otherwise: last}}\n- say: Got {{{{ a }}}}"
    made = compile_text(make_flow_text(steps) + NODES)
    if made.flow is None:
        return
    call = Conversation(made.flow)
    jobs = call.find_needed_jobs("1" * 40)
    assert jobs in ([], ["DigitMatchJob"])


def test_a_pattern_that_is_worked_out_apart_is_as_good():
    steps = (
        "- collect: {into: a, digits: 4, match: '(12|34)+', prompt: P., no_match: No., otherwise: last}\n- say: Got {{ a }}"
    )
    assert asking(steps).press_keys("1234").spoken_texts == ["Got 1234"]
    assert asking(steps).press_keys("1243").spoken_texts[0] == "No."


# What is wrong with questions


@each_case(
    ("text", "said"),
    [
        ("digits: 6, prompt: P", "into is missing"),
        ("into: a, prompt: P", "digits is missing"),
        ("into: a, digits: 6", "prompt is missing"),
        ("into: a, digits: 0, prompt: P", "number of digits"),
        ("into: a, digits: 8-4, prompt: P", "number of digits"),
        ("into: a, digits: 41, prompt: P", "number of digits"),
        ("into: a, digits: '{{ n }}', prompt: P", "number of digits"),
        ("into: caller, digits: 6, prompt: P", "have already"),
        ("into: digits, digits: 6, prompt: P", "have already"),
        ("into: _a, digits: 6, prompt: P", "must be a name"),
        ("into: a, digits: 6, prompt: P, match: '('", "regular expression"),
        ("into: a, digits: 6, prompt: P, match: '[[1]'", "regular expression"),
        ("into: a, digits: 6, prompt: P, otherwise: lsat", "did you mean 'last'?"),
        ("into: a, digits: 6, prompt: P, secret: maybe", "secret"),
        ("into: a, digits: 6, prompt: P, attempts: 0", "attempts"),
        ("into: a, digits: 6, prompt: 'Your {{ b }}'", "there is no 'b'"),
    ],
)
def test_a_wrong_question_is_an_error_that_says_what_is_wrong(text, said):
    made = compile_text(make_flow_text(f"- collect: {{{text}}}") + "  last: [hangup]\n")
    assert made.flow is None
    assert said in "\n".join(map(str, made.problems))
    assert made.problems[0].line == 5


def test_a_question_without_a_way_out_is_warned_of():
    assert "no-way-out" in compile_text(make_flow_text("- collect: {into: a, digits: 1, prompt: P}")).rules


# The trail


def test_the_trail_says_what_came_and_what_was_made_of_it():
    call = asking().press_keys("12").press_keys("").press_keys("123456")
    told = [(line["outcome"], line.get("detail")) for line in call.trail if line["step_key"] == "collect"]
    assert told == [("no-match", {"digits": "12"}), ("no-input", None), ("fine", {"digits": "123456"})]


def test_the_trail_masks_what_is_secret():
    call = asking(ASK.replace("attempts: 3", "attempts: 3\n    secret: true")).press_keys("12").press_keys("123456")
    assert [line.get("detail") for line in call.trail if line["step_key"] == "collect"] == [{"digits": MASKED_VALUE}] * 2


@each_case(
    ("written", "fix"),
    [
        ("6-4", "did you mean 4-6?"),
        ("10-4", "did you mean 4-10?"),
        ("four to 6", "did you mean 4-6?"),
        ("4 digits", "did you mean 4?"),
        ("'4,5,6'", "did you mean 4-6?"),
        ("1234", 'write how many there are, as digits: 4; only this one is taken by match: "1234"'),
        ("50", ""),
    ],
)
def test_a_wrong_number_of_digits_gets_the_one_that_is_meant(written, fix):
    steps = f"- collect: {{prompt: P., into: pin, digits: {written}, otherwise: start}}"
    (problem,) = compile_text(make_flow_text(steps)).problems
    assert problem.fix == fix


@each_case(("more", "count"), [("", 1), (", match: '[1-9]{4}'", 0), (", match: '[0-4]{4}'", 1), (", keys: {1: start}", 1)])
def test_a_digit_that_ends_the_input_is_a_warning_if_numbers_may_have_it(more, count):
    steps = f"- collect: {{prompt: P., into: pin, digits: 4, stop: 0, otherwise: start{more}}}"
    problems = compile_text(make_flow_text(steps)).problems
    assert len([problem for problem in problems if problem.message.startswith("stop: 0")]) == count


def test_a_pattern_with_digits_is_never_told_to_take_all_digits():
    steps = "- collect: {prompt: P., into: pin, digits: 4, match: 1000-1999, otherwise: start}"
    (problem,) = [one for one in compile_text(make_flow_text(steps)).problems if one.rule == "digits-never-match"]
    assert "[0-9]{4}" not in problem.fix
