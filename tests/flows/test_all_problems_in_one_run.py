"""One run reports all problems of a file, and no consequences of other problems."""

from __future__ import annotations

import re

import pytest
from flow_harness import compile_text

from each_case import each_case
from shipped_flows import TEMPLATE_FILES

WORD = re.compile("[A-Za-z_]{3,}")
SHARE = 3
"""Of each template every third line is misspelt, of each a different third: all lines of all take minutes."""
RENAMED = {
    *("unknown-node", "node-as-text", "comment-in-text", "no-way-out", "number-values"),
    *("expression", "template", "dial-target", "number", "no-start"),
}
"""Rules on what leads to a name that was spelt otherwise where it is given."""


ELSEWHERE = {"number-values", "unused", "sound-missing", "list-missing"}
"""Rules on other lines with the same name, and on files beside the flow, which are not there in these tests."""


def misspelt(line: str) -> list[str]:
    """A line with one of its words misspelt, in every way."""
    code = line.partition(" #")[0]
    if code.strip().startswith("#"):
        return []
    return [f"{line[: at.start()]}{at[0][:2]}q{at[0][2:]}{line[at.end() :]}" for at in WORD.finditer(code)]


def share_of_lines(file, lines):
    """The lines that a template is tried with, and their indexes."""
    return [*enumerate(lines)][TEMPLATE_FILES.index(file) % SHARE :: SHARE]


@pytest.mark.parametrize("file", TEMPLATE_FILES, ids=lambda file: file.stem)
def test_of_mistakes_in_every_line_at_once_each_is_said(file):
    lines = file.read_text(encoding="utf-8").partition("\ntests:")[0].splitlines()
    wrong = [*lines]
    expected = set()
    for index, line in share_of_lines(file, lines):
        for written in misspelt(line)[:1]:
            alone = compile_text("\n".join([*lines[:index], written, *lines[index + 1 :]])).problems
            here = {(problem.line, problem.rule) for problem in alone if problem.line == index + 1}
            here = {(line_number, rule) for line_number, rule in here if rule not in ELSEWHERE}
            if any(problem.severity == "error" and problem.line == index + 1 for problem in alone):
                wrong[index] = written
                expected |= here
    said = {(problem.line, problem.rule) for problem in compile_text("\n".join(wrong)).problems}
    assert len(expected) > 3
    assert expected - said == set()


@pytest.mark.parametrize("file", TEMPLATE_FILES, ids=lambda file: file.stem)
def test_a_mistake_in_one_line_has_nothing_said_of_another(file):
    lines = file.read_text(encoding="utf-8").partition("\ntests:")[0].splitlines()
    known = {str(problem) for problem in compile_text("\n".join(lines)).problems}
    for index, line in share_of_lines(file, lines):
        # One word of a line, here the first and there another.
        words = misspelt(line)
        for written in words[index % len(words) :][:1] if words else []:
            problems = compile_text("\n".join([*lines[:index], written, *lines[index + 1 :]])).problems
            if any(problem.severity == "error" for problem in problems):
                elsewhere = [one for one in problems if one.line != index + 1 and str(one) not in known]
                assert {one.rule for one in elsewhere} <= RENAMED | ELSEWHERE, (written, [*map(str, elsewhere)])


@each_case(
    ("text", "rules"),
    [
        ("nodes: {start: [{say: Hello., goto: other}], other: [say: Hello.]}", ["shape"]),
        ("nodes: {start: [{saay: Hello.}, {goto: start}]}", ["unknown-step"]),
        ("nodes: {start: [{jump: other}], other: [say: Hello.]}", ["unknown-step"]),
        ("nodes: {start: [{menu: {prompt: Press 1., keys: {x: other}}}], other: [say: Hello.]}", ["value"]),
        ("nodes: {start: [{say: Hello.}, {goto: othre}], other: [say: Hello.]}", ["unknown-node"]),
        ("nodes: {start: {say: Hello., goto: other}, other: [say: Hello.]}", ["shape"]),
        (
            "nodes: {start: [{collect: {inot: code, digits: 4, prompt: Code., otherwise: start}}, {say: '{{ code }}'}]}",
            ["unknown-key"],
        ),
        (
            "hours: {office: {mon: 5pm}}\nnodes: {start: [{when: hours.ofice, say: Hello.}]}",
            ["expression", "hours-window"],
        ),
        ("groups: {sales: {too: +12015550188}}\nnodes: {start: [{say: Hello.}, {dial: sales}]}", ["unknown-key"]),
        ("timezone: [UTC]\nnodes: {start: [{say: '{{ now.hour }}'}]}", ["shape"]),
        ("messages: [{replly: Hello.}]\nnodes: {start: [say: Hello.]}", ["unknown-key"]),
        ("nodez: {start: [say: Hello.]}", ["unknown-key"]),
        ("nodes: {start: [goto: other, say: Hello.], other: [say: Hello.]}", ["after-the-end"]),
        ("nodes: {start: [say: Hello.], start: [goto: other], other: [say: Hello.]}", ["key-twice"]),
        ("nodes: {start: [say: Hello., goto: elsewhere], sales: [say: Hello.]}", ["unknown-node"]),
        ("nodes: {start: [say: Hello., gotoif: elsewhere], sales: [say: Hello.]}", ["unknown-step"]),
        ("nodes: {start: [set: {name: Ann}, say: '{{ name }}']}", ["expression"]),
        (
            "nodes: {start: [choose: [{if: caller.anonymous, goto: other}, {goto: other}]], other: [say: Hello.]}",
            ["unknown-key"],
        ),
        ("nodes: {start: [when: caller.anonymous, goto: other, say: Hello.], other: [say: Hello.]}", ["shape"]),
        (
            "nodes: {start: [menu: {prompt: Press 1., keys: {1: other}, on_timeout: other}], other: [say: Hello.]}",
            ["unknown-key"],
        ),
        ("nodes: {start: [menu: {prompt: For us, press 1, for help, press 2, keys: {1: start}}]}", ["yaml"]),
    ],
)
def test_what_only_comes_of_a_mistake_is_not_said(text, rules):
    made = compile_text(f"numbers: rest\n{text}\n")
    assert sorted(made.rules) == rules


@each_case(
    ("wrong", "right"),
    [
        ("timezone: America/NewYork", "America/New_York"),
        ("timezone: Berlin", "Europe/Berlin"),
        ("voice: {gender: female}", "FEMALE"),
        ("voice: {lang: en_GB}", "en-GB"),
        ("dialect: Classic", "classic"),
        ("auto_answer: always\ndialects: classic", "dialect"),
        ("hours: {office: {mon-fry: 09:00-17:00}}", "mon-fri"),
        ("hours: {office: {mon: 09:00-17:00, holidays: Germny}}", "DE"),
        ("dial_policy: {regions: [USB]}", "US"),
        ("dial_policy: {types: [Mobile]}", "mobile"),
        ("groups: {sales: {to: +12015550188, ring: in turn}}", "in-turn"),
    ],
)
def test_of_a_word_of_a_few_the_right_one_is_said(wrong, right):
    said = "\n".join(map(str, compile_text(f"numbers: rest\n{wrong}\nnodes: {{start: [say: Hello.]}}\n").problems))
    assert re.search(f"did you mean '?{re.escape(right)}'?[?]", said), said


@pytest.mark.parametrize(
    ("wrong", "right"), [("Sayy: Hello.", "say"), ("GOTO: start", "goto"), ("Record-Start: {}", "record_start")]
)
def test_of_a_step_in_another_case_the_right_one_is_said(wrong, right):
    (said,) = [
        problem.fix
        for problem in compile_text(f"nodes: {{start: [{{{wrong}}}]}}").problems
        if problem.rule == "unknown-step"
    ]
    assert said == f"did you mean {right!r}?"
