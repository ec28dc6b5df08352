"""goto: other-flow/node: a call goes on in a node of another flow, with the values that the flow receives."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from flow_harness import APOLOGY, SIGNER, answer_as_xml, make_turn

sys.path.insert(0, str(Path(__file__).parents[1] / "testing"))
from scenario_folders import run_folder, write_scenario_folder

from callflows.flows.authoring.diagram import build_flow_diagram
from callflows.flows.authoring.diagram_text import render_outline
from callflows.flows.checks.cross_flow_checks import check_across_flows
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.loader.check_runner import check_paths
from callflows.flows.loader.flow_library import FlowLibrary
from callflows.flows.loader.folder_loader import load_flow_folder
from callflows.flows.source.positions import ProblemReport
from callflows.testing.flow_coverage import measure_coverage

OPTIONS = CompilerOptions(SIGNER, APOLOGY, "reference")
DESK = """\
numbers: +12015550123
nodes:
  start:
    - collect: {into: account, digits: 4, prompt: Your account., otherwise: gone}
    - set: {secretly: '"nobody gets this"'}
    - menu: {prompt: For billing press 1., keys: {1: billing/pay, 2: billing/key}, no_input: billing/pay, attempts: 1}
    - say: "{{ secretly }}"
  gone: [say: Goodbye.]
"""
BILLING = """\
receives: [account]
nodes:
  pay:
    - say: Account {{ account }} of {{ caller.national }}.
    - goto: again
  again:
    - menu: {prompt: Press 1., keys: {1: done}, attempts: 1}
    - say: Account {{ account }}, goodbye.
  key:
    - say: You pressed {{ digits }}.
  done:
    - say: Account {{ account }} is paid.
  start: [say: Nobody calls here.]
"""
BROUGHT = """\
tests:
  - name: a value goes along
    keys: "1234,1,1"
    expect:
      - say: Account 1234 of (201) 555-0999.
      - say: Account 1234 is paid.
      - nodes: [start, billing/pay, billing/again, billing/done]
  - name: a key is known there, and no input leads there too
    keys: "1234,2"
    expect: [say: You pressed 2.]
  - name: no input
    keys: "1234,"
    expect: [say: Account 1234 of]
"""


def load(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    loaded = load_flow_folder(folder, OPTIONS)
    return loaded, [*loaded.problems, *check_across_flows(loaded.book)]


def test_a_call_goes_on_in_another_flow_with_the_values_that_it_receives(tmp_path):
    folder = write_scenario_folder(tmp_path, desk=DESK + BROUGHT, billing=BILLING)
    results = run_folder(folder)
    assert [(one.failure, one.mismatch) for one in results] == [("", None)] * 3
    desk, billing = sorted(
        measure_coverage(folder.tested_flows, [one.transcript for one in results]), key=lambda one: one.flow != "desk"
    )
    assert {point.node for point in desk.missing_points} == {"gone", "start"}
    assert {point.node for point in billing.missing_points} == {"start"}


def test_a_ticket_to_another_flow_has_only_what_that_flow_receives_and_leads_to_its_newest_version(tmp_path):
    desk = """\
numbers: +12015550123
nodes:
  start:
    - set: {account: '"1234"', hidden: '"5678"'}
    - say: "{{ hidden }}"
    - goto: billing/pay
"""
    loaded, problems = load(tmp_path, desk=desk, billing=BILLING)
    assert [problem for problem in problems if problem.severity == "error"] == []
    document = answer_as_xml(loaded.book.flows["desk"], turn=make_turn(call="one"))
    (ticket,) = re.findall(r"/call/billing/pay[?]ticket=([^\"]+)", document)
    state = SIGNER.read_ticket("billing/pay", ticket)
    assert (state["v"], state["s"], state["t"]["call"]) == ("", {"account": "1234"}, "one")


def test_a_flow_that_others_go_on_in_needs_no_numbers_and_its_nodes_are_reached(tmp_path):
    _, problems = load(tmp_path, desk=DESK, billing=BILLING)
    assert [str(problem) for problem in problems] == []


@pytest.mark.parametrize(
    ("target", "message", "fix"),
    [
        ("biling/pay", "no flow is named 'biling'", "did you mean 'billing'?"),
        ("billing/payy", "the flow 'billing' has no node 'payy'", "did you mean 'pay'?"),
        ("desk/gone", "desk/gone is a node of this flow", "write gone"),
        (
            "billing",
            "no node is named 'billing'",
            "a flow beside this one has that name: write its node, too, as billing/start",
        ),
    ],
)
def test_a_flow_or_a_node_that_is_not_there_is_an_error_at_its_place(target, message, fix, tmp_path):
    _, problems = load(tmp_path, desk=DESK.replace("{1: billing/pay", f"{{1: {target}"), billing=BILLING)
    (problem,) = [problem for problem in problems if problem.severity == "error"]
    assert (problem.line, problem.rule, problem.message, problem.fix) == (6, "unknown-node", message, fix)


def test_a_secret_does_not_go_to_another_flow(tmp_path):
    _, problems = load(tmp_path, desk=DESK.replace("digits: 4", "digits: 4, secret: true"), billing=BILLING)
    assert "secret-handed-over" in {problem.rule for problem in problems}


def test_a_node_that_appears_or_goes_in_the_other_flow_is_noticed_at_once(tmp_path):
    (tmp_path / "desk.yaml").write_text(DESK, encoding="utf-8")
    library = FlowLibrary(tmp_path, OPTIONS, settle_seconds=0)
    assert library.loaded_flows.broken_flows == ["desk"]
    (tmp_path / "billing.yaml").write_text(BILLING, encoding="utf-8")
    assert library.refresh().broken_flows == []
    (tmp_path / "billing.yaml").write_text(BILLING.replace("pay:", "pays:"), encoding="utf-8")
    loaded = library.refresh()
    assert (loaded.broken_flows, [*loaded.stale_flows]) == ([], ["desk"])  # the last good version goes on


def test_flows_that_lead_to_each_other_without_a_word_are_an_error(tmp_path):
    there = "numbers: +12015550123\nnodes:\n  start: [goto: back/start]\n"
    back = "numbers: +12015550124\nnodes:\n  start:\n    - goto: desk/start\n"
    _, problems = load(tmp_path, desk=there, back=back)
    assert {(Path(problem.file).name, problem.rule) for problem in problems if problem.severity == "error"} == {
        ("desk.yaml", "silent-loop"),
        ("back.yaml", "silent-loop"),
    }
    _, problems = load(tmp_path, back=back.replace("- goto", "- say: Hello.\n    - goto"))
    assert "silent-loop" not in {problem.rule for problem in problems}


def test_a_picture_shows_the_way_to_the_other_flow(tmp_path):
    diagram = build_flow_diagram("desk", DESK.encode(), ProblemReport(str(tmp_path / "desk.yaml")))
    assert {edge.end for edge in diagram.edges} == {"billing/pay", "billing/key", "gone"}
    assert "not there" not in "\n".join(render_outline(diagram))


def test_a_flow_that_calls_of_other_flows_come_to_may_ask_for_their_numbers(tmp_path):
    asked = (
        "numbers: +12015550124\nnodes:\n  start:\n    - when: number == '+12015550123'\n      say: Hi.\n    - say: Bye.\n"
    )
    (tmp_path / "billing.yaml").write_text(asked)
    assert [problem.rule for problem in check_paths([tmp_path], OPTIONS)] == ["comparison"]
    (tmp_path / "desk.yaml").write_text("numbers: +12015550123\nnodes:\n  start:\n    - goto: billing/start\n")
    assert "comparison" not in [problem.rule for problem in check_paths([tmp_path], OPTIONS)]


def test_a_file_that_flows_share_may_ask_for_the_numbers_of_each(tmp_path):
    (tmp_path / "common").mkdir()
    shared = "nodes:\n  hi:\n    - when: number == '+12015550123'\n      say: Hi.\n    - say: Bye.\n"
    (tmp_path / "common" / "hi.yaml").write_text(shared)
    for name, number in (("one", "+12015550123"), ("two", "+12015550124")):
        text = f"include: common/hi.yaml\nnumbers: {number}\nnodes: {{start: [goto: hi]}}\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    assert check_paths([tmp_path], OPTIONS) == []
