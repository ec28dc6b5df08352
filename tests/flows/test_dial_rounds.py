"""dial with rounds: people are rung again and again, with music between, and the caller may leave by a key."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from flow_harness import compile_text, compile_valid_flow, request_document

from each_case import each_case

sys.path.insert(0, str(Path(__file__).parents[1] / "testing"))
from scenario_folders import find_missing_points, run_scenario_file

from callflows.flows.checks.rule_table import CHECK_RULES
from callflows.flows.source.platform_limits import find_platform_limit

FLOW = """\
numbers: +12015550123
groups: {team: {to: [+12015550188, +12015550189], ring: in-turn}}
nodes:
  start:
    - say: Welcome.
    - dial:
        to: team
        timeout: 20s
        rounds: 3
        between: [say: Please hold. Press 1 to leave a message., play: "https://example.com/music.mp3"]
        leave: {1: message}
        no_answer: message
    - say: Thank you for calling.
  message:
    - voicemail: Please leave a message.
tests:
"""
NOBODY = "no-answer"


def run(path, scenario):
    (result,) = run_scenario_file(path, f"{FLOW}  - {{name: one, {scenario}}}\n")
    return result


def test_each_round_rings_everybody_and_the_music_is_between(tmp_path):
    result = run(tmp_path, "callee: no-answer, keys: ',,', expect: [voicemail]")
    assert result.has_passed, result
    verbs = [step["verb"] for step in result.transcript.steps if step["verb"] in ("Dial", "Play", "Record")]
    assert verbs == ["Dial", "Dial", "Play", "Dial", "Dial", "Play", "Dial", "Dial", "Record"]


@pytest.mark.parametrize(
    "scenario",
    [
        "callee: [no-answer, no-answer, no-answer, answer], keys: ',', expect: [dial, say: Thank you, not: voicemail]",
        "callee: no-answer, keys: '1', expect: [play: /music/, say: Please leave a message., not: {say: Thank you}]",
        "callee: answer, expect: [dial: +12015550188, say: Thank you for calling., not: play]",
    ],
)
def test_whoever_is_answered_in_any_round_or_leaves_hears_what_comes_then(scenario, tmp_path):
    assert run(tmp_path, scenario).has_passed


def test_the_rounds_are_covered_as_one_dial(tmp_path):
    scenarios = "".join(
        f"  - {{name: {name}, {scenario}}}\n"
        for name, scenario in (
            ("a", "callee: no-answer, keys: ',,'"),
            ("b", "callee: no-answer, keys: '1'"),
            ("c", "callee: [no-answer, answer]"),
            ("d", "callee: answer"),
        )
    )
    assert find_missing_points(tmp_path, f"{FLOW}{scenarios}") == []


def test_without_a_key_to_leave_nothing_waits_for_one():
    text = FLOW.replace("        leave: {1: message}\n", "").replace("Press 1 to leave a message.", "")
    xml = request_document(compile_valid_flow(text.replace("tests:\n", "")))
    assert "<Gather" not in xml
    assert xml.count("<Dial") == 6
    assert xml.count("music.mp3") == 2


@each_case(
    ("keys", "message"),
    [
        ("between: Hold.", "between: there is one round, and nothing between"),
        ("rounds: 3, leave: {1: end}", "leave: the caller does not hear of the keys"),
        ("rounds: 0", "rounds: must be at least 1, not '0'"),
        ("rounds: many, between: Hold., leave: {1: end}", "rounds: must be a whole number, not 'many'"),
        ("rounds: 3, between: Press 1., leave: {1: endd}", "no node is named 'endd'"),
        (
            "screen: {say: A call for you., accept: 1}",
            "Opentact connects whoever answers: they can be told or asked nothing before",
        ),
    ],
)
def test_rounds_that_cannot_be_rung_are_an_error_said_once(keys, message):
    text = f"""\
numbers: rest
nodes:
  start:
    - dial: {{to: +12015550188, no_answer: end, {keys}}}
  end: [say: Goodbye.]
"""
    errors = [problem.message for problem in compile_text(text).problems if problem.severity == "error"]
    assert errors == [message]


@each_case("word", ["conference", "Call_Queue", "speech", "whisper", "pay", "amd", "warm transfer", "fax"])
def test_a_word_for_what_opentact_lacks_says_so_with_what_to_do_instead(word):
    limit = find_platform_limit(word)
    (problem,) = [
        problem
        for problem in compile_text(
            f"numbers: rest\nnodes:\n  start:\n    - say: Hello.\n    - {word}: {{a: b}}\n"
        ).problems
        if problem.severity == "error"
    ]
    assert (problem.rule, problem.message, problem.fix) == ("platform-lacks", limit.message, limit.fix)
    assert problem.rule in CHECK_RULES
