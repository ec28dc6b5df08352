"""Menus."""

from __future__ import annotations

from flow_harness import (
    answer_as_xml,
    compile_text,
    compile_valid_flow,
    find_signed_targets,
    iterate_documents,
    make_flow_text,
    make_turn,
    request_document,
    spoken_texts,
)

from callflows.flows.entry_points import NodeEntry
from each_case import each_case

MENU = """
- menu:
    prompt: Press 1 or 2.
    keys: {1: one, 2: two}
    no_input: I did not hear a key.
    no_match: That is not one of the choices.
    attempts: 2
    otherwise: last
"""
NODES = "  one: [say: One.]\n  two: [say: Two.]\n  last: [say: Last.]\n"


def menu(text: str = MENU, dialect: str = "reference", nodes: str = NODES) -> str:
    return answer_as_xml(compile_valid_flow(make_flow_text(text) + nodes, dialect))


def test_a_menu_is_one_document_with_all_its_attempts():
    attempt = (
        '<Say>Press 1 or 2.</Say><Gather dtmf_length="1">'
        '<DTMF value="1"><Say>One.</Say><Hangup/></DTMF><DTMF value="2"><Say>Two.</Say><Hangup/></DTMF>'
        "<Default><Say>That is not one of the choices.</Say></Default>"
        "<Error><Say>I did not hear a key.</Say></Error></Gather>"
    )
    assert menu() == f"<Answer/>{attempt}{attempt}<Say>Last.</Say><Hangup/>"


def test_a_classic_menu_asks_inside_the_gather_and_once():
    attempt = (
        '<Gather numDigits="1" attempts="1" finishOnKey="#"><Say>Press 1 or 2.</Say><Switch>'
        '<Case dtmf="1"><Say>One.</Say><Hangup/></Case><Case dtmf="2"><Say>Two.</Say><Hangup/></Case>'
        "<Default><Say>That is not one of the choices.</Say></Default><Error><Say>I did not hear a key.</Say></Error>"
        "</Switch></Gather>"
    )
    assert menu(dialect="classic") == f"{attempt}{attempt}<Say>Last.</Say><Hangup/>"


def test_a_menu_is_offered_three_times_where_nothing_is_said():
    assert spoken_texts(menu(MENU.replace("    attempts: 2\n", ""))).count("Press 1 or 2.") == 3


def test_texts_escalate_and_the_last_one_stays():
    text = """
- menu:
    prompt: [First., Second.]
    keys: {1: one}
    no_input: [Quiet 1., Quiet 2., Quiet 3., Quiet 4.]
    no_match: [Wrong 1., Wrong 2.]
    attempts: 3
"""
    assert " ".join(spoken_texts(menu(text, nodes="  one: [hangup]\n"))) == (
        "First. Wrong 1. Quiet 1. Second. Wrong 2. Quiet 2. Second. Wrong 2. Quiet 3."
    )


def test_the_steps_that_follow_run_when_nothing_was_chosen():
    text = "- menu: {prompt: Press 1., keys: {1: one}, attempts: 1}\n- say: Goodbye."
    assert spoken_texts(menu(text)) == ["Press 1.", "One.", "Goodbye."]


def test_a_step_after_a_menu_that_goes_elsewhere_is_an_error():
    assert "after-the-end" in compile_text(make_flow_text(f"{MENU}\n- say: Never.") + NODES).rules


def test_what_a_key_runs_never_runs_into_the_next_attempt():
    for chosen in ("One.</Say>", "Two.</Say>"):
        for part in menu().split(chosen)[1:]:
            assert part.startswith("<Hangup/>")


def test_star_hash_and_several_digits_are_choices():
    text = "- menu: {prompt: Press., keys: {star: one, hash: two, 42: last, 0: one}, attempts: 1}"
    xml = menu(text)
    for key in ('"*"', '"#"', '"42"', '"0"'):
        assert f"<DTMF value={key}>" in xml
    assert 'dtmf_length="2"' in xml


def test_a_classic_stop_key_is_none_of_the_choices():
    for keys, stop in (("1: one", "#"), ("hash: one", "*"), ("hash: one, star: two", "+")):
        xml = menu(f"- menu: {{prompt: Press., keys: {{{keys}}}, attempts: 1}}", "classic")
        assert f'finishOnKey="{stop}"' in xml


def test_a_stop_key_is_as_the_author_says():
    text = "- menu: {prompt: Press., keys: {1: one}, attempts: 1, stop: star}"
    assert 'dtmf_stop="*"' in menu(text)
    assert 'finishOnKey="*"' in menu(text, "classic")


def test_a_time_limit_is_for_the_dialect_that_has_one():
    text = "- menu: {prompt: Press., keys: {1: one}, attempts: 1, timeout: 7s}"
    assert 'timeout="7000"' in menu(text, "classic")
    made = compile_text(make_flow_text(text) + NODES)
    assert made.flow is not None
    (problem,) = [problem for problem in made.problems if problem.rule == "dialect"]
    assert (problem.severity, problem.line) == ("warning", 5)


def test_a_menu_answers_the_line_once_and_before_it_asks():
    assert menu().count("<Answer/>") == 1
    assert menu().startswith("<Answer/>")


def test_a_menu_under_a_condition_is_offered_to_whom_it_holds_for():
    text = MENU.replace("- menu:", "- when: not caller.anonymous\n  menu:") + "- say: Who are you?\n"
    flow = compile_valid_flow(make_flow_text(text) + NODES)
    assert spoken_texts(request_document(flow))[0] == "Press 1 or 2."
    assert "Who are you?" not in request_document(flow)
    assert spoken_texts(request_document(flow, from_="")) == ["Who are you?"]


# Loops


def test_a_key_that_leads_back_is_fetched_and_leads_back():
    flow = compile_valid_flow(
        make_flow_text("- say: Welcome.\n- goto: menu") + "  menu: [menu: {prompt: Press 1., keys: {1: menu}}]\n"
    )
    (node, entry), *_ = find_signed_targets(request_document(flow))
    assert node == "menu"
    assert spoken_texts(answer_as_xml(flow, node, make_turn(), entry))[0] == "Press 1."


def test_a_document_that_cannot_be_fetched_is_followed_by_the_fallback():
    fallback = "fallback: [say: Sorry., dial: +12015550199]\n"
    flow = compile_valid_flow(make_flow_text("- menu: {prompt: Press 1., keys: {1: start}}") + fallback)
    xml = request_document(flow)
    assert xml.count("<Error><Say>Sorry.</Say><Dial><To>+12015550199</To></Dial><Hangup/></Error></Callback>") == 3


def test_a_callback_of_ours_names_its_method_and_does_not_wait_for_ever():
    xml = request_document(compile_valid_flow(make_flow_text("- menu: {prompt: Press 1., keys: {1: start}}")))
    assert 'method="GET" timeout="5000"' in xml


# Menus too big for one document


def big(keys: int = 10, size: int = 3000, attempts: int = 3, more: str = "") -> str:
    choices = ", ".join(f"{key}: n{key}" for key in range(keys))
    nodes = "".join(f"  n{key}: [say: {key}{'x' * size}]\n" for key in range(keys))
    prompts = ", ".join(f"Attempt {attempt + 1}." for attempt in range(attempts))
    return (
        make_flow_text(f"- menu: {{prompt: [{prompts}], keys: {{{choices}}}, attempts: {attempts}{more}}}\n- say: Goodbye.")
        + nodes
    )


def test_each_attempt_of_a_big_menu_can_be_fetched():
    flow = compile_valid_flow(big())
    entry = NodeEntry()
    for attempt in (1, 2, 3):
        xml = answer_as_xml(flow, "start", make_turn(), entry)
        assert spoken_texts(xml)[0] == f"Attempt {attempt}."
        (where, entry), *none = find_signed_targets(xml)[-1:] or [(("", NodeEntry()))]
        assert none == []
        if attempt < 3:
            assert (where, entry) == ("start", NodeEntry(0, attempt + 1, line_answered=True))
    assert spoken_texts(xml)[-1] == "Goodbye."


def test_no_document_of_a_big_menu_is_too_big():
    for keys, size in ((10, 3000), (10, 11_000), (10, 60_000), (3, 90_000)):
        flow = compile_valid_flow(big(keys, size))
        for _, _, xml in iterate_documents(flow):
            assert len(xml) < 130_000


def test_every_choice_of_a_big_menu_is_reached():
    flow = compile_valid_flow(big(10, 11_000))
    heard = {text[:2] for _, _, xml in iterate_documents(flow) for text in spoken_texts(xml)}
    assert {f"{key}x" for key in range(10)} <= heard


def test_a_later_attempt_does_not_answer_the_line_again_nor_greet_again():
    flow = compile_valid_flow(big().replace("  start:\n", "  start:\n    - say: Welcome.\n"))
    xml = answer_as_xml(flow, "start", make_turn(), find_signed_targets(request_document(flow))[-1][1])
    assert spoken_texts(xml)[0] == "Attempt 2."
    assert "<Answer/>" not in xml


def test_a_condition_is_not_asked_again_for_a_later_attempt():
    flow = compile_valid_flow(big().replace("- menu:", "- when: caller.anonymous\n      menu:"))
    assert spoken_texts(request_document(flow)) == ["Goodbye."]
    xml = request_document(flow, from_="")
    assert spoken_texts(xml)[0] == "Attempt 1."
    node, entry = find_signed_targets(xml)[-1]
    assert spoken_texts(answer_as_xml(flow, node, make_turn(), entry))[0] == "Attempt 2."


def test_two_big_menus_in_a_node_go_on_each_in_its_own():
    text = big().replace(
        "- say: Goodbye.", "- menu: {prompt: [A., B.], keys: {1: n1, 2: n2, 3: n3, 4: n4, 5: n5, 6: n6}, attempts: 2}"
    )
    flow = compile_valid_flow(text)
    prompts = {spoken_texts(xml)[0] for _, _, xml in iterate_documents(flow)}
    assert prompts == {"Attempt 1.", "Attempt 2.", "Attempt 3.", "B."}


def test_a_menu_in_a_branch_stays_in_its_document():
    flow = compile_valid_flow(
        make_flow_text(
            "- gather: {dtmf: {1: [menu: {prompt: Inner., keys: {1: one, 2: start}, attempts: 2}]}}\n- say: After."
        )
        + NODES
    )
    xml = request_document(flow)
    assert spoken_texts(xml).count("Inner.") == 2
    assert spoken_texts(xml)[-1] == "After."


# What is wrong with menus


@each_case(
    ("text", "said"),
    [
        ("prompt: Press., keys: {}", "at least one key"),
        ("prompt: Press.", "keys is missing"),
        ("keys: {1: one}", "prompt is missing"),
        ("prompt: [], keys: {1: one}", "prompt"),
        ("prompt: Press., keys: {1: oen}", "did you mean 'one'?"),
        ("prompt: Press., keys: {1: one}, otherwise: lsat", "did you mean 'last'?"),
        ("prompt: Press., keys: {x: one}", "not a key"),
        ("prompt: Press., keys: {'': one}", "not a key"),
        ("prompt: Press., keys: [one, two]", "mapping"),
        ("prompt: Press., keys: {1: [one]}", "text"),
        ("prompt: Press., keys: {star: one, '*': two}", "*"),
        ("prompt: Press., keys: {1: one}, attempts: 0", "attempts"),
        ("prompt: Press., keys: {1: one}, attempts: 11", "attempts"),
        ("prompt: Press., keys: {1: one}, attempts: many", "attempts"),
        ("prompt: Press., keys: {1: one}, stop: 1", "one of the choices too"),
        ("prompt: Press., keys: {12: one}, stop: 1", "one of the choices too"),
        ("prompt: Press., keys: {1: one}, stop: '##'", "one key"),
        ("prompt: Press., keys: {1: one}, timeout: 5", "5s?"),
        ("prompt: Press., keys: {1: one}, no_match: {a: b}", "there are say, play, pause"),
        ("prompt: Press., keys: {1: one}, nomatch: What?", "did you mean 'no_match'?"),
    ],
)
@each_case("dialect", ["reference", "classic"])
def test_a_wrong_menu_is_an_error_that_says_what_is_wrong(text, said, dialect):
    problems = compile_text(make_flow_text(f"- menu: {{{text}}}") + NODES, dialect).problems
    assert [problem for problem in problems if problem.severity == "error"]
    assert said in "\n".join(map(str, problems))
    assert problems[0].line == 5


def test_a_time_limit_that_is_too_long_is_an_error():
    made = compile_text(make_flow_text("- menu: {prompt: Press., keys: {1: start}, timeout: 9999999h}"), "classic")
    assert made.problems[0].severity == "error"


def test_a_menu_is_no_word():
    assert compile_text(make_flow_text("- menu: start")).rules == ["shape"]
    assert compile_text(make_flow_text("- menu")).rules == ["shape"]


def test_a_key_points_at_its_place_in_the_file():
    made = compile_text(make_flow_text("- menu:\n    prompt: Press.\n    keys:\n      1: one\n      hash: tow") + NODES)
    problem = next(problem for problem in made.problems if problem.rule == "unknown-node")
    assert (problem.line, problem.column) == (9, 17)


@each_case(
    ("written", "fix"),
    [
        ("1-3", "{1: …, 2: …, 3: …}"),
        ("one to three", "{1: …, 2: …, 3: …}"),
        ("'[1-3]'", "{1: …, 2: …, 3: …}"),
        ("1..3", "{1: …, 2: …, 3: …}"),
        ("'1,3'", "{1: …, 3: …}"),
        ("0-9", "{0: …, 1: …, 2: …, 3: …, 4: …, 5: …, 6: …, 7: …, 8: …, 9: …}"),
        ("timeout", "no_input: NODE stands beside keys:"),
        ("no_input", "no_input: NODE stands beside keys:"),
        ("Invalid", "no_match: NODE stands beside keys:"),
        ("any", "any: NODE stands beside keys:"),
        ("default", "otherwise: NODE stands beside keys:"),
        ("else", "otherwise: NODE stands beside keys:"),
    ],
)
def test_several_keys_in_one_and_ways_besides_keys_get_a_fix_with_all_of_them(written, fix):
    (problem,) = compile_text(
        make_flow_text(f"- menu: {{prompt: P., keys: {{{written}: start}}, otherwise: start}}")
    ).problems
    assert fix in problem.fix


def test_the_keys_between_two_rounds_of_a_dial_have_no_ways_besides_them():
    dial = "dial: {to: +12015550188, rounds: 2, between: P., leave: {any: start}, no_answer: start}"
    problems = compile_text(make_flow_text(f"- {dial}")).problems
    assert [problem.fix for problem in problems if "is not a key" in problem.message] == [""]
