"""Scenarios in flow files: their meaning, their problems, and the report of failures."""

from __future__ import annotations

import json
import pathlib
import sys
from xml.etree import ElementTree as ET

import pytest
from scenario_folders import get_only, run_folder, run_scenario_file, write_scenario_folder

from callflows.telephony.ports import LookupResult
from callflows.testing.scenario_report import build_result_data, format_failed_scenario, write_junit_report
from each_case import each_case

sys.path.append(str(pathlib.Path(__file__).parents[1] / "flows"))
from flow_harness import Conversation, compile_valid_flow

FLOW = """\
numbers: [+12015550123]
timezone: America/New_York
groups:
  sales: {to: [+12015550188, ann@acme.sip.opentact.org]}
  support: {to: [+12015550190, +12015550191], ring: in-turn}
hours:
  office: {mon-fri: 09:00-18:00}
nodes:
  start:
    - when: not hours.office.open
      goto: closed
    - say: Welcome   to Acme{% if caller.name %}, {{ caller.name }}{% endif %}.
    - menu: {prompt: Press 1 or 2., keys: {1: sales, 2: support}, no_input: I heard nothing., otherwise: message}
  sales:
    - lookup: {url: "https://crm.example.com/{{ caller.number }}", into: who, default: {vip: false}}
    - when: who.vip
      sms: {text: "A VIP is calling: {{ who.name }}", to: +12015550188}
    - dial: {to: sales, no_answer: message}
  support:
    - dial: {to: support, no_answer: message}
  closed:
    - say: We are closed.
    - hangup: {tag: closed}
  message:
    - notify: {url: "https://ops.example.com/x", payload: {who: "{{ caller.number }}", calls: "{{ caller.calls_today }}"}}
    - voicemail: {greeting: Leave a message.}
    - play: https://example.com/bye.mp3
"""
OPEN = "    at: 2026-11-23 10:00\n"


def file(*scenarios: str) -> str:
    return f"{FLOW}tests:\n" + "".join(f"  - name: number {index}\n{one}" for index, one in enumerate(scenarios))


def verdict(path, scenario: str):
    return get_only(run_scenario_file(path, file(scenario)))


@pytest.mark.parametrize(
    "scenario",
    [
        "    keys: 1\n    expect: [say: Welcome to Acme., dial: sales]",
        "    keys: 1\n    expect: [say: /^Welcome/, say: '/Press [12]/', dial: [ann@acme.sip.opentact.org, +12015550188]]",
        "    keys: 1\n    callee: busy\n    expect: [dial: {to: sip:ann@acme.sip.opentact.org}]\n#FAILS",
        "    keys: 1\n    caller_name: Ann\n    expect: [say: 'Acme, Ann.', nodes: [start, sales]]",
        "    keys: 1\n    callee: busy\n    expect: [dial: {to: sales, result: busy}, voicemail, hangup]",
        "    keys: 1\n    callee: {sales: no-answer}\n    expect: [voicemail, nodes: [start, sales, message]]",
        "    keys: 2\n    callee: [busy, answer]\n    expect: [dial: support, dial: {to: support, by: 12015550191}]",
        "    keys: 2\n    callee: {support: busy}\n    expect: [dial: +12015550190, dial: +12015550191, record: voicemail]",
        "    keys: 1\n    lookups: {who: {vip: true, name: Ann}}\n    expect: [lookup: who, sms: {text: Ann}]",
        "    keys: 1\n    lookups: {who: {vip: false}}\n    expect: [lookup: {into: who, result: found}, not: [sms]]",
        "    keys: 1\n    lookups: {who: fails}\n    expect: [lookup: {result: failed}, not: [sms]]",
        "    keys: ''\n    calls_today: 4\n    expect: [notify: {url: /ops/, payload: {calls: 4}}, play: https://example.com/bye.mp3]",
        "    keys: hangup\n    expect: [outcome: caller-hung-up, not: [dial, voicemail]]",
        "    keys: ['', {wait: 2s}, hangup]\n    expect: [say: I heard nothing., outcome: caller-hung-up]",
        "    keys: [{press: 1}]\n    from: anonymous\n    expect: [dial, outcome: hung-up]",
    ],
)
def test_what_is_expected_and_happens_is_fine(scenario, tmp_path):
    wanted = "#FAILS" not in scenario
    ran_ = verdict(tmp_path, OPEN + scenario.replace("#FAILS", "") + "\n")
    assert ran_.has_passed is wanted, "\n".join(format_failed_scenario(ran_))


@pytest.mark.parametrize(
    ("expected", "why"),
    [
        ("say: Welcome to Acne", "the next Say has text 'Welcome   to Acme.'"),
        ("say: /^to Acme/", "the next Say has text 'Welcome   to Acme.'"),
        ("dial: support", "the next Dial has to ['+12015550188', 'ann@acme.sip.opentact.org']"),
        ("dial: +12015550188", "the next Dial has to ['+12015550188', 'ann@acme.sip.opentact.org']"),
        ("voicemail", "there is no Record in the call"),
        ("outcome: caller-hung-up", "the outcome was hung-up"),
        ("nodes: [start, support]", "the nodes were start, sales"),
        ("not: [say: Press 1]", "the call has this step"),
        ("not: dial", "the call has this step"),
        ("hangup: done", "the next Hangup has tag None"),
    ],
)
def test_what_is_expected_and_does_not_happen_is_told_with_its_place_and_why(expected, why, tmp_path):
    text = file(f"{OPEN}    keys: 1\n    expect:\n      - {expected}\n")
    ran_ = get_only(run_scenario_file(tmp_path, text))
    assert not ran_.has_passed
    line = text.splitlines().index(f"      - {expected}") + 1
    assert ran_.mismatch is not None
    column = 9 + expected.startswith("not: ") * 5 + expected.startswith("not: [")
    assert (ran_.mismatch.line, ran_.mismatch.column, ran_.mismatch.reason) == (line, column, why)
    assert f"acme.yaml:{line}:{column}: expected" in "\n".join(format_failed_scenario(ran_))


def test_a_failure_shows_the_call_with_what_fitted_and_where_the_search_began(tmp_path):
    ran_ = verdict(tmp_path, f"{OPEN}    keys: '1,#'\n    expect: [say: Press 1, say: Goodbye, dial: sales]\n")
    lines = [*format_failed_scenario(ran_)]
    arrow = next(index for index, line in enumerate(lines) if line.startswith("  ->"))
    assert lines[arrow].endswith("expected after this: say: Goodbye")
    assert lines[arrow - 1].startswith("  ok")
    assert "“Press 1 or 2.”" in lines[arrow - 1]
    assert "pressed 1" in lines[arrow + 1]
    assert any("had no chance to: press #" in line for line in lines)


def test_order_matters_and_what_came_too_early_is_said(tmp_path):
    ran_ = verdict(tmp_path, f"{OPEN}    keys: 1\n    expect: [dial: sales, say: Welcome]\n")
    assert ran_.mismatch is not None
    assert ran_.mismatch.reason == "this step came before the expected step above it"


def test_the_clock_is_that_of_the_file_unless_it_carries_an_offset(tmp_path):
    closed = "    expect: [say: We are closed., hangup: closed]\n"
    text = file(
        f"    at: 2026-11-23 08:59\n{closed}",
        f"    at: 2026-11-23 13:59+00:00\n{closed}",
        f"    at: 2026-11-23 18:00\n{closed}",
        "    at: 2026-11-23 14:00Z\n    expect: [say: Welcome]\n",
    )
    assert [one.has_passed for one in run_scenario_file(tmp_path, text)] == [True] * 4


def test_without_a_moment_the_call_comes_on_a_wednesday_at_ten_and_check_says_so(tmp_path):
    folder = write_scenario_folder(tmp_path, acme=file("    keys: 1\n    expect: [say: Welcome]\n"))
    assert [problem.rule for problem in folder.problems] == ["test-time"]
    call = get_only(run_folder(folder)).transcript
    assert call.started_at.isoformat() == "2026-03-04T10:00:00-05:00"


def test_a_flow_that_does_not_ask_the_time_needs_no_moment(tmp_path):
    text = "numbers: +12015550123\nnodes: {start: [say: Hello.]}\ntests: [{name: it greets, expect: [say: Hello]}]\n"
    folder = write_scenario_folder(tmp_path, acme=text)
    assert folder.problems == ()
    assert get_only(run_folder(folder)).has_passed


@pytest.mark.parametrize(
    ("scenario", "rule", "says"),
    [
        ("    expects: []\n", "unknown-key", "did you mean 'expect'?"),
        ("    keys: 1x\n", "test-script", "'1x' are not keys"),
        ("    keys: [{wai: 2s}]\n", "test-script", "did you mean 'wait'?"),
        ("    callee: bussy\n", "test-script", "did you mean 'busy'?"),
        ("    callee: {bob: busy}\n", "test-script", "nobody is rung as 'bob'"),
        ("    callee: [answer, {(201) 555-0188: busy}]\n", "test-script", "nobody is rung as '(201) 555-0188'"),
        ("    callee: [answer, {sales: never}]\n", "test-script", "'never' is not an action of a callee"),
        ("    attestation: D\n", "value", "attestation"),
        ("    calls_today: 0\n", "value", "calls_today"),
        ("    to: sales\n", "number", "'sales' is not a number"),
        ("    at: tomorrow\n", "value", "'tomorrow' is not a time"),
        ("    expect: [sey: Hello]\n", "unknown-key", "did you mean 'say'?"),
        ("    expect: [hear: Hello]\n", "unknown-key", "did you mean 'say'?"),
        ("    expect: [transfer: sales]\n", "unknown-key", "did you mean 'dial'?"),
        ("    expect: [end]\n", "unknown-key", "did you mean 'hangup'?"),
        ("    expect: [voicemail: true]\n", "shape", "write voicemail alone"),
        ("    expect: [say: Hello, {say: a, dial: b}]\n", "shape", "an expectation is one word"),
        ("    expect: [say: {txt: Hello}]\n", "unknown-key", "did you mean 'text'?"),
        ("    expect: [say: /(/]\n", "value", "is not a regular expression"),
        ("    expect: [outcome: hangup]\n", "value", "did you mean 'hung-up'?"),
        ("    expect: [not: [outcome: ended]]\n", "unknown-key", "outcome is not a step"),
        ("    expect: Hello\n", "shape", "expect: must be a list"),
        ("    expect: [dial: slaes]\n", "dial-target", "did you mean 'sales'?"),
        ("    expect: [nodes: [start, mesage]]\n", "unknown-node", "did you mean 'message'?"),
        ("    lookups: {who: fail}\n", "test-script", "write fails for a server"),
        ("    lookups: {hwo: 1}\n", "unknown-key", "did you mean 'who'?"),
        ("    hours: {offise: open}\n", "unknown-key", "did you mean 'office'?"),
        ("    hours: {office: ajar}\n", "value", "must be 'open' or 'closed'"),
        ("    lists: {spam: +12015550142}\n", "unknown-key", "the file has no lists"),
        ("    breaks: mesage\n", "unknown-node", "did you mean 'message'?"),
        ("    breaks: [start, mesage]\n", "unknown-node", "did you mean 'message'?"),
        ("    dialect: classical\n", "value", "dialect"),
    ],
)
def test_what_is_wrong_with_a_scenario_is_said_with_its_place(scenario, rule, says, tmp_path):
    text = file(OPEN * ("at:" not in scenario) + scenario)
    folder = write_scenario_folder(tmp_path, acme=text)
    problem = get_only([one for one in folder.problems if one.severity == "error"])
    assert problem.rule == rule
    assert says in str(problem)
    assert problem.line == len(text.splitlines())
    assert not folder.tested_flows[0].problems, "a live call does not suffer from a scenario"


def test_two_scenarios_with_one_name_and_a_flow_without_a_number_are_told(tmp_path):
    text = "numbers: rest\nnodes: {start: [say: Hello.]}\ntests: [{name: a}, {name: a, to: +12015550123}]\n"
    folder = write_scenario_folder(tmp_path, acme=text)
    assert [problem.rule for problem in folder.errors] == ["test-number", "test-name"]


def test_a_flow_that_answers_a_prefix_is_rung_at_a_number_of_it(tmp_path):
    text = "numbers: +1201556*\nnodes: {start: [say: 'You rang {{ number }}.']}\n"
    text += "tests: [{name: a, expect: [say: +12015560100]}]\n"
    assert get_only(run_scenario_file(tmp_path, text)).has_passed


def test_another_flow_that_answers_is_a_failure(tmp_path):
    other = "numbers: +12015550124\nnodes: {start: [say: Hello.]}\n"
    acme = "numbers: rest\nnodes: {start: [say: Hello.]}\ntests: [{name: a, to: +12015550124, expect: [say: Hello]}]\n"
    ran_ = get_only(run_folder(write_scenario_folder(tmp_path, acme=acme, other=other)))
    assert not ran_.has_passed
    assert ran_.failure == "the call was answered by 'other'"


def test_a_fallback_fails_whatever_is_expected(tmp_path):
    text = """\
numbers: +12015550123
nodes:
  start:
    - say: "{{ 'x' * 2000000 }}"
fallback: [say: Sorry.]
tests: [{name: a, expect: [say: Sorry.]}]
"""
    ran_ = get_only(run_scenario_file(tmp_path, text))
    assert not ran_.has_passed
    assert "the caller got the fallback" in ran_.failure


def test_a_broken_flow_runs_no_scenarios_and_says_why(tmp_path):
    folder = write_scenario_folder(
        tmp_path, acme=FLOW.replace("keys: {1: sales", "keys: {1: slaes") + "tests: [{name: a}]\n"
    )
    assert [problem.rule for problem in folder.errors] == ["unknown-node"]
    assert folder.cases == ()


def test_an_override_of_today_changes_no_test(tmp_path):
    (tmp_path / "overrides.yaml").write_text(
        "- {flow: acme, hours: office, state: closed, from: 2020-01-01, until: 2199-01-01}\n"
    )
    ran_ = verdict(tmp_path, f"{OPEN}    keys: 1\n    expect: [say: Welcome]\n")
    assert ran_.has_passed


def test_results_are_data_and_junit(tmp_path):
    good, bad = run_scenario_file(tmp_path, file(f"{OPEN}    keys: 1\n", f"{OPEN}    keys: 1\n    expect: [voicemail]\n"))
    assert build_result_data(good)["passed"] is True
    told = json.loads(json.dumps(build_result_data(bad)))
    assert told["missed"]["expected"] == "voicemail"
    assert told["call"]["steps"][0]["verb"] == "Answer"
    write_junit_report([good, bad], tmp_path / "out.xml", ["x.yaml:1:1: error: wrong"])
    root = ET.parse(tmp_path / "out.xml").getroot()  # noqa: S314 - our own
    assert [(suite.get("name"), suite.get("tests"), suite.get("failures")) for suite in root] == [
        ("acme", "2", "1"),
        ("files", "1", None),
    ]
    failure = root.find("testsuite/testcase/failure")
    assert failure is not None
    assert "expected voicemail" in (failure.text or "")


@each_case(
    ("answer", "heard"),
    [
        ('{"price": "12.50"}', "12.50, 12, 12.5, text."),
        ('{"price": 12.50}', "12.5, 12, 12.5, number."),
        ('{"price": "12"}', "12, 12, 12, text."),
        ('{"price": "true"}', "true, 0, 0, text."),
        ('{"price": "null"}', "null, 0, 0, text."),
        ('{"price": null}', ", 0, 0, text."),
    ],
)
def test_a_scenario_hears_what_a_call_with_this_json_hears(tmp_path, answer, heard):
    say = "{{ c.price }}, {{ c.price | int }}, {{ c.price | float }}, {{ 'number' if c.price + 1 == 13.5 else 'text' }}."
    flow = f"""\
numbers: +12015550123
nodes:
  start:
    - lookup: {{url: "https://crm.example.com/", into: c}}
    - say: "{say}"
"""
    scenario = f"tests:\n  - name: price\n    lookups: {{c: {answer}}}\n    expect: [say: '{heard}']\n"
    call = Conversation(
        compile_valid_flow(flow),
        lookup_answers={"https://crm.example.com/": LookupResult(json.loads(answer), ok=True, status=200)},
    )
    assert call.spoken_texts == [heard]
    assert get_only(run_scenario_file(tmp_path, flow + scenario)).has_passed
