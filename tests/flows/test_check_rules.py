"""Every rule of the check has an explanation and a bad file, and reports nothing in good files."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flow_harness import APOLOGY, SIGNER, compile_text, make_flow_text
from test_bad_files import FILES, FOLDERS

import callflows
from callflows.errors import FlowFileError
from callflows.flows import flow_compilation
from callflows.flows.checks.cross_flow_checks import (
    check_across_flows,
    check_changed_flows,
)
from callflows.flows.checks.rule_table import CHECK_RULES, explain_rule
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.flow_book import FlowBook
from callflows.flows.flow_compilation import compile_flow
from callflows.flows.loader.check_runner import check_paths
from callflows.flows.loader.folder_loader import load_flow_folder
from callflows.flows.static_export import compile_static_document
from each_case import each_case

if TYPE_CHECKING:
    from callflows.flows.flow import Flow

OPTIONS = CompilerOptions(SIGNER, APOLOGY)
ROOT = Path(callflows.__file__).parent
ARGUMENT = {
    "error": 1,
    "warning": 1,
    "unknown_name": 1,
    "report_error": 1,
    "_report_expression_error": 2,
    "_report_problem": 1,
    "Problem": 4,
    "ConditionProblem": 1,
    "_refuse_sound": 0,
    "SoundProblem": 0,
    "AttributeDoubt": 1,
}
"""Which argument is the rule, by what is called."""
TESTS = {"test-name", "test-number", "test-script", "test-supposed", "test-text", "test-time"}
"""Rules of scenarios; each is broken in tests/testing."""
ELSEWHERE = {
    "defect",
    "file-gone",
    "list-awaited",
    "no-file",
    "no-folder",
    "not-static",
    "too-deep",
    "too-long",
    "too-slow",
    "unreadable",
} | TESTS
"""Rules that no file in the folder can break; each is broken below."""


def rules_in(file: Path) -> set[str]:
    """The rules that a file of ours gives to problems."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            at = ARGUMENT.get(called, 99)
            rule = node.args[at] if at < len(node.args) else None
            if isinstance(rule, ast.Constant) and isinstance(rule.value, str):
                found.add(rule.value)
    return found


def test_the_table_has_every_rule_of_the_code_and_no_other():
    used = {rule for file in ROOT.rglob("*.py") for rule in rules_in(file)}
    assert used == set(CHECK_RULES)


def test_every_rule_has_a_bad_file():
    messages = [file.read_text(encoding="utf-8") for file in FILES]
    messages += [(folder / "messages.txt").read_text(encoding="utf-8") for folder in FOLDERS]
    broken = set(re.findall(r": (?:error|warning|note): .* \[([a-z-]+)\]$", "\n".join(messages), re.MULTILINE))
    assert broken | ELSEWHERE == set(CHECK_RULES)
    assert not broken & ELSEWHERE


def test_a_page_is_two_lines_that_can_be_read():
    for name in CHECK_RULES:
        lines = explain_rule(name).splitlines()
        assert len(lines) == 2, name
        assert all(line.strip().endswith(".") for line in lines), name
        assert all(len(line) <= 150 for line in lines), name
    assert [*CHECK_RULES] == sorted(CHECK_RULES)


def test_of_a_rule_that_is_not_there_is_said_what_is_meant():
    with pytest.raises(LookupError, match="did you mean 'silent-loop'"):
        explain_rule("silent-lop")


# Rules that no file in the folder can break


def test_a_fault_of_ours_is_a_problem_of_the_file(monkeypatch):
    monkeypatch.setattr(flow_compilation, "read_flow_file", lambda _text, _report: 1 / 0)
    made = compile_flow("acme", b"", "acme.yaml", OPTIONS)
    assert [problem.rule for problem in made.problems] == ["defect"]


def test_what_cannot_be_read_or_is_not_there_is_said(tmp_path):
    (tmp_path / "acme.yaml").symlink_to("/proc/self/mem")
    (problem,) = check_paths([tmp_path / "acme.yaml"], OPTIONS)
    assert problem.rule == "unreadable"
    assert [problem.rule for problem in check_paths([tmp_path / "nowhere.yaml"], OPTIONS)] == ["no-file"]
    assert [problem.rule for problem in load_flow_folder(tmp_path / "nowhere", OPTIONS).problems] == ["no-folder"]


def test_a_document_that_is_too_long_is_an_error():
    text = make_flow_text("- say: Hello.") + f"fallback:\n  - say: &long {'word ' * 10_000}\n" + "  - say: *long\n" * 20
    assert "too-long" in compile_text(text).rules


def test_a_document_that_is_too_deep_is_an_error():
    targets = ", ".join(f"a{i}@b" for i in range(100))
    text = make_flow_text("- say: Hello.") + f"fallback:\n  - dial: {{ring: in-turn, to: [{targets}]}}\n"
    assert "too-deep" in compile_text(text).rules


_PLAIN_STEPS = """\
- set: {x: 1, y: caller.name}
- say: "{{ 1 + 1 }} {{ 2 }}"
- dial: {to: +12015550188, rounds: 3, goes_on: true}
- dial: {to: +12015550189, rounds: 4, between: [Please hold., {pause: 1s}], goes_on: true}
- say: Goodbye."""


def test_a_flow_that_is_no_static_document_is_told_why(tmp_path):
    file = tmp_path / "acme.yaml"
    file.write_text(make_flow_text("- say: Hello {{ caller.name }}.\n- goto: start"), encoding="utf-8")
    with pytest.raises(FlowFileError) as refused:
        compile_static_document(file, OPTIONS)
    assert [(problem.rule, problem.line, problem.message) for problem in refused.value.problems] == [
        ("not-static", 5, "the text asks for caller.name"),
        ("not-static", 6, "it goes on at 'start' in a document of its own"),
    ]
    steps = (
        "- collect: {into: pin, digits: 4, prompt: Enter it., otherwise: start}\n- sms: Hello.\n- say: You are {{ pin }}."
    )
    file.write_text(make_flow_text(steps), encoding="utf-8")
    with pytest.raises(FlowFileError) as refused:
        compile_static_document(file, OPTIONS)
    assert {"sms is an effect", "the text asks for pin"} <= {problem.message for problem in refused.value.problems}
    file.write_text(make_flow_text(_PLAIN_STEPS), encoding="utf-8")
    with pytest.raises(FlowFileError) as refused:
        compile_static_document(file, OPTIONS)
    assert [(problem.line, problem.message) for problem in refused.value.problems] == [
        (5, "'x' is set"),
        (5, "the value asks for caller.name"),
        (6, "the text is computed in each call"),
        (7, "the step goes on in a document of its own"),
        (8, "the step goes on in a document of its own"),
    ]
    file.write_text(make_flow_text("- say: Hello.\n- goto: bye\n").rstrip() + "\n  bye: [hangup]\n", encoding="utf-8")
    assert compile_static_document(file, OPTIONS).endswith(b"<Response><Answer/><Say>Hello.</Say><Hangup/></Response>")


# What must not be said


@each_case(
    "condition",
    [
        'now.weekday in ["sat", "sun"] or now.hour < 9 or now.hour >= 18',
        'now.time >= "09:00" and now.time < "17:00"',
        "now.hour >= 0 and now.hour < 9",
        "9 <= now.hour < 17",
        'now.date >= "2026-12-24" and now.date <= "2026-12-31"',
        'now.date == "2026-12-24"',
        "now.month == 12 and now.day > 23",
        "not (now.hour < 9 or now.hour >= 17)",
        "hours.office.open == true",
        "hours.office.next_opening and not hours.office.open",
        "hours.office.next_opening.hour < 9 or hours.office.open",
        "(caller in lists.spam or caller.number in lists.spam) and hours.office.open",
        'caller.state in ["NJ", "unknown"]',
        'caller.region != "US"',
        'call.attestation in ["C", "unknown"]',
        'caller.number == "+12015550199" or caller.number == "ann"',
        'number == "+12015550123"',
        "caller.calls_today > 3",
        "caller.anonymous or not caller.name",
        "now.minute % 2 == 0",
        'caller.name | lower == "ann"',
        '"a" in caller.name',
        "number",
    ],
)
def test_a_condition_that_says_what_it_means_is_not_doubted(condition):
    more = "timezone: America/New_York\nhours: {office: {daily: 09:00-17:00}}\nlists: {spam: spam.csv}"
    problems = compile_text(
        make_flow_text(f"- when: '{condition}'\n  goto: other\n- say: Hello.", more) + "  other: [say: Hello.]\n"
    ).problems
    assert {problem.rule for problem in problems} <= {"unused", "hours-not-asked", "list-missing"}


@each_case(
    "prompt",
    [
        "For sales press 1 or 2.",
        "Press 1, or press hash when you are done.",
        "Pressing the 2 key leads to support.",
        "Do not press 9.",
        "Press 2 times 3 to count.",
        "We pressed 9 records last year. Press one.",
        "Press any key.",
        "Press the button.",
        "Enter 5.",
    ],
)
def test_a_prompt_that_names_keys_that_there_are_is_fine(prompt):
    for dialect in ("reference", "classic"):
        menu = make_flow_text(f"- menu: {{prompt: '{prompt}', keys: {{1: other, 2: other}}, stop: hash, otherwise: other}}")
        assert compile_text(menu + "  other: [say: Hello.]\n", dialect).problems == ()


def test_a_prompt_in_another_language_is_nobodys_affair():
    menu = make_flow_text("- menu: {prompt: Press 9., keys: {1: other}, otherwise: other}", "voice: {lang: de-DE}")
    assert compile_text(menu + "  other: [say: Hallo.]\n").problems == ()


@each_case(
    "steps",
    [
        "- hangup",
        "- when: caller.anonymous\n  hangup:\n- say: Hello.",
        "- sms: We call you back.\n- hangup",
        "- dial: +12015550188\n- hangup",
        "- dial: {to: +12015550188, error: [say: Nobody is here.]}",
        "- play: https://example.com/hello.mp3",
        "- voicemail: {}",
        "- choose: [{when: caller.anonymous, goto: other}, {goto: other}]\n",
        "- gather: {dtmf: {1: [say: Hello.]}}\n- hangup",
        "- gather: {dtmf: {1: [say: Hello.]}, default: [hangup], error: [say: Bye.]}",
    ],
)
def test_a_call_that_ends_as_its_author_says_is_no_silence(steps):
    other = "  other: [say: Hello.]\n" if "other" in steps else ""
    assert compile_text(make_flow_text(steps) + other).problems == ()


_DIAL = "{dial: {to: +12015550188}}"
_WAYS = "default: [hangup], error: [hangup]"
_MENU = "menu: {prompt: Press 1., keys: {1: other}}"


@each_case(
    ("steps", "column"),
    [
        ("- dial: +12015550188", 7),
        ("- say: Hello.\n- dial: {to: +12015550188, timeout: 25s}", 7),
        (f"- gather: {{{_WAYS}, dtmf: {{1: [{_DIAL}]}}}}", 64),
        (f"- gather: {{{_WAYS}, dtmf: {{1: [{{sms: Hello.}}, {_DIAL}]}}}}\n- sms: Bye.", 79),
        (f"- dial: {{to: +12015550189, error: [{_DIAL}]}}", 41),
        (f"- say: Hello.\n- {{when: caller.name, {_DIAL[1:-1]}}}", 27),
        (f"- {_DIAL[1:-1]}\n- sms: Sorry that we missed you.", 7),
        (f"- {_DIAL[1:-1]}\n- {{when: caller.name, say: Sorry.}}", 7),
        (f"- {_MENU}\n- sms: Sorry that we missed you.", 7),
    ],
)
def test_a_dial_or_a_menu_after_which_nothing_is_heard_is_warned_of(steps, column):
    (problem,) = compile_text(make_flow_text(steps) + ("  other: [say: Hello.]\n" if "other" in steps else "")).problems
    assert (problem.severity, problem.rule, problem.column) == ("warning", "no-way-out", column)


@pytest.mark.parametrize(
    "steps",
    [
        f"- gather: {{dtmf: {{1: [{_DIAL}]}}}}\n- say: Good bye.",
        f"- gather: {{{_WAYS}, dtmf: {{1: [{_DIAL}, hangup]}}}}",
        f"- gather: {{dtmf: {{1: [{{sms: Hello.}}, {_DIAL}]}}}}\n- say: Good bye.",
        f"- {_DIAL[1:-1]}\n- sms: Sorry.\n- hangup",
        f"- {_DIAL[1:-1]}\n- sms: Sorry.\n- say: We write to you.",
    ],
)
def test_a_dial_after_which_something_is_heard_is_none_without_a_way_out(steps):
    assert compile_text(make_flow_text(steps)).problems == ()


def test_a_node_that_follows_something_said_may_end_without_a_word():
    assert (
        compile_text(
            make_flow_text("- say: Hello.\n- goto: other") + "  other:\n    - when: caller.anonymous\n      say: Hi.\n"
        ).problems
        == ()
    )


def test_what_a_template_asks_for_is_used(tmp_path):
    (tmp_path / "acme.xml.j2").write_text("<Response><Say>{{ variables.name }}{{ hours.office.open }}</Say></Response>")
    head = "numbers: rest\ntimezone: UTC\nvariables: {name: Acme, other: x}\nhours: {office: {daily: 09:00-17:00}}\n"
    (tmp_path / "acme.yaml").write_text(f"{head}template: acme.xml.j2\n")
    (problem,) = check_paths([tmp_path], OPTIONS)
    assert (problem.rule, problem.line) == ("unused", 3)
    assert "'other'" in problem.message


def test_overrides_of_flows_that_are_broken_are_not_doubted(tmp_path):
    (tmp_path / "acme.yaml").write_text("nodes: [")
    (tmp_path / "overrides.yaml").write_text("- {flow: acme, hours: office, state: closed, until: 2026-12-24}\n")
    assert {problem.rule for problem in check_paths([tmp_path], OPTIONS)} == {"yaml"}
    assert check_paths([tmp_path / "overrides.yaml"], OPTIONS) == []


def test_overrides_are_checked_where_they_are_named(tmp_path):
    (tmp_path / "acme.yaml").write_text("numbers: rest\nnodes: {start: [say: Hello.]}\n")
    (tmp_path / "overrides.yaml").write_text("- {flow: acme, hours: office, state: closed, until: 2026-12-24}\n")
    (problem,) = check_paths([tmp_path / "overrides.yaml"], OPTIONS)
    assert (problem.rule, problem.column) == ("override", 23)
    assert check_paths([tmp_path / "acme.yaml"], OPTIONS) == []


def flows_of(**texts: str) -> FlowBook:
    """A book of flows by their names; a flow of the same text is the same one."""
    return FlowBook([flow_of_text(name, text) for name, text in texts.items()])


@functools.cache
def flow_of_text(name: str, text: str) -> Flow:
    flow = compile_flow(name, text.encode(), f"{name}.yaml", OPTIONS).flow
    assert flow is not None
    return flow


def test_of_a_reload_is_said_what_is_new_between_flows_and_nothing_again():
    rings = "numbers: +12015550101\nnodes: {start: [dial: +12015550102]}\n"
    other = "numbers: +12015550103\nnodes: {start: [say: Hi.]}\n"
    claims = other.replace("0103", "0102")
    doubtful = other.replace("say: Hi.", "dial: '911'")
    before = flows_of(a=rings, b=other)
    assert check_across_flows(before) == check_changed_flows(before, before) == []
    assert [(one.file, one.rule) for one in check_changed_flows(before, flows_of(a=rings, b=claims))] == [
        ("a.yaml", "dial-own")
    ]
    assert check_changed_flows(flows_of(a=rings, b=claims), flows_of(a=rings, b=claims, c=other)) == []
    assert [(one.file, one.rule) for one in check_changed_flows(before, flows_of(a=rings, b=doubtful))] == [
        ("b.yaml", "dial-doubtful")
    ]
    assert (
        check_changed_flows(flows_of(a=rings, b=doubtful), flows_of(a=rings, b=doubtful + "fallback: [say: Sorry.]\n"))
        == []
    )
    assert check_changed_flows(flows_of(a=rings, b=claims), before) == []


def test_a_folder_with_overrides_is_read_once(tmp_path):
    hours = "hours: {office: {mon-fri: 09:00-17:00}}\ntimezone: UTC\nnumbers: rest\n"
    (tmp_path / "acme.yaml").write_text(hours + "nodes: {start: [{when: hours.office.open, say: Hi.}, say: Bye.]}\n")
    counter = "from pathlib import Path\nwith Path(__file__).with_name('count').open('a') as out:\n    out.write('.')\n"
    flow = "from callflows import Hangup, Response, Turn, flow\n\none = flow('one', numbers=['+12015550123'])\n"
    node = "@one.node\nasync def start(turn: Turn) -> Response:\n    return Response(Hangup())\n"
    (tmp_path / "one.py").write_text(f"{counter}{flow}{node}")
    assert check_paths([tmp_path], OPTIONS) == []
    once = (tmp_path / "count").read_text()
    entry = "- {flow: acme, hours: offic, state: closed, until: 2999-12-24 18:00}\n"
    (tmp_path / "overrides.yaml").write_text(entry)
    assert {problem.rule for problem in check_paths([tmp_path], OPTIONS)} == {"override"}
    assert (tmp_path / "count").read_text() == once * 2
    assert {problem.rule for problem in check_paths([tmp_path / "overrides.yaml"], OPTIONS)} == {"override"}


def test_an_export_names_errors_and_all_reasons_at_once(tmp_path):
    file = tmp_path / "acme.yaml"
    steps = "- say: Hello {{ caller.name }}.\n- sya: x\n- say: '{{ caller.number }}'\n- goto: nowhere"
    file.write_text(make_flow_text(steps), encoding="utf-8")
    with pytest.raises(FlowFileError) as refused:
        compile_static_document(file, OPTIONS)
    found = [(problem.rule, problem.line) for problem in refused.value.problems]
    assert found == [("not-static", 5), ("unknown-step", 6), ("not-static", 7), ("unknown-node", 8)]


@pytest.mark.parametrize(
    "document",
    [
        '<Response><Say voice="alice">Hi.</Say></Response>',
        '<Response><Gather numDigits="1" action="/menu"><Say>Press 1.</Say></Gather></Response>',
        '<Response><Dial callerId="+12015550123">+12015550188</Dial></Response>',
        "<Response><Enqueue>support</Enqueue></Response>",
        "<Response><Redirect>/voice</Redirect></Response>",
        "<Response><Dial>201-555-0188</Dial></Response>",
        '<Response><Reject reason="busy"/></Response>',
        '<Response><Say>Hi.</Say><Pause length="2"/></Response>',
        '<Response><Gather timeout="5" numDigits="1"><Say>Press 1.</Say></Gather></Response>',
    ],
)
def test_a_document_for_twilio_is_recognised(tmp_path, document):
    file = tmp_path / "acme.xml"
    file.write_text(document)
    first = check_paths([file], OPTIONS)[0]
    assert "TwiML" in first.message
    assert f"callflows import {file}" in first.fix


def test_a_document_for_twilio_is_recognised_by_what_is_in_it_not_by_its_name(tmp_path):
    files = {"acme.twiml": "this is TwiML", "menu.txt": "this is TwiML", "notes.txt": "neither a flow file"}
    for name in files:
        text = "Call Ann." if name == "notes.txt" else "<Response><Enqueue>support</Enqueue></Response>"
        (tmp_path / name).write_text(text)
    assert all(check_paths([tmp_path / name], OPTIONS)[0].message.startswith(said) for name, said in files.items())


def test_a_document_with_a_mistake_of_its_own_is_not_taken_for_another_language(tmp_path):
    file = tmp_path / "acme.xml"
    file.write_text('<Response><Say lnag="es">Hi.</Say><Dial><Number>+12015550188</Number></Dial></Response>')
    assert not any("TwiML" in problem.message for problem in check_paths([file], OPTIONS))
