"""Nodes, keys, conditions and failures that no scenario reached."""

from __future__ import annotations

import pytest
from scenario_folders import TEST_OPTIONS, find_missing_points, run_scenario_file

from callflows.testing import rehearse
from callflows.testing.flow_coverage import describe_coverage_point, measure_coverage
from callflows.testing.scenario_report import format_failed_scenario
from callflows.testing.scenario_runner import load_scenario_folders

HEAD = "numbers: +12015550123\ndial_policy: {regions: [US]}\nnodes:\n  start:\n"
OTHER = "  other:\n    - say: Other.\n"


def scenarios(*said: str) -> str:
    return "tests:\n" + "".join(f"  - {{name: number {index}, {one}}}\n" for index, one in enumerate(said))


@pytest.mark.parametrize(
    ("steps", "scenario", "left"),
    [
        (
            "    - menu: {prompt: Press 1., keys: {1: other}, no_input: Well?, no_match: No., otherwise: other}\n",
            "keys: 1",
            ["start: no-input", "start: no-match", "start: otherwise"],
        ),
        (
            "    - menu: {prompt: Press 1., keys: {1: other}, no_input: Well?, no_match: No., otherwise: other}\n",
            "keys: '9,,'",
            ["start: key 1"],
        ),
        (
            "    - when: caller.anonymous\n      say: Who?\n    - goto: other\n",
            "from: anonymous",
            ["start: does not hold"],
        ),
        (
            "    - when: caller.anonymous\n      goto: other\n    - say: You.\n",
            "keys: 1",
            ["start: holds", "the node other"],
        ),
        (
            "    - choose: [{when: caller.anonymous, goto: other}]\n    - say: You.\n    - goto: other\n",
            "from: anonymous",
            ["start: no way"],
        ),
        (
            "    - choose: [{when: caller.anonymous, goto: other}, {goto: other}]\n",
            "keys: 1",
            ["start: way to other"],
        ),
        (
            "    - dial: {to: +12015550188, no_answer: other}\n",
            "callee: answer",
            ["start: nobody answers", "the node other"],
        ),
        ("    - dial: {to: +12015550188}\n    - goto: other\n", "callee: busy", ["start: answered"]),
        (
            "    - dial: {to: [+12015550188, +12015550189], ring: in-turn, no_answer: other}\n",
            "callee: [busy, answer]",
            ["start: nobody answers", "the node other"],
        ),
        ("    - dial: {to: +12015550188, record: true}\n    - goto: other\n", "callee: answer", ["start: nobody answers"]),
        (
            "    - dial: {to: '{{ caller.number }}', no_answer: other}\n",
            "callee: answer",
            ["start: nobody answers", "start: refused", "the node other"],
        ),
        (
            "    - dial: {to: '{{ caller.number }}', no_answer: other}\n",
            "from: +18765550142",
            ["start: answered", "start: nobody answers"],
        ),
        (
            "    - lookup: {url: 'https://crm.example.com/x', into: found, otherwise: other}\n    - goto: other\n",
            "lookups: {found: 1}",
            ["start: fails"],
        ),
        (
            "    - lookup: {url: 'https://crm.example.com/x', into: found}\n    - goto: other\n",
            "lookups: {found: fails}",
            ["start: found"],
        ),
        (
            "    - collect: {into: pin, digits: 4, prompt: PIN., no_input: Well?, otherwise: other}\n    - goto: other\n",
            "keys: '1234'",
            ["start: no-input", "start: otherwise", "start: no-match"],
        ),
        (
            "    - gather: {dtmf_length: 1, dtmf: {1: [goto: other], 2: []}, default: [say: No.], error: [say: Well?]}\n",
            "keys: 2",
            ["start: key 1", "start: no-match", "start: no-input", "the node other"],
        ),
        ("    - geo: {states: NJ, do: [say: Hi.]}\n    - goto: other\n", "from: +12015550999", ["start: does not hold"]),
        ("    - say: Hello.\n", "keys: 1", ["the node other"]),
    ],
)
def test_what_a_scenario_does_not_reach_is_missing(steps, scenario, left, tmp_path):
    assert sorted(find_missing_points(tmp_path, HEAD + steps + OTHER + scenarios(scenario))) == sorted(left)


def test_a_branch_that_is_written_into_a_document_and_not_taken_is_missing(tmp_path):
    """The document has the whole flow in it; only one key is pressed."""
    steps = "    - menu: {prompt: Press., keys: {1: other, 2: third}}\n"
    third = "  third:\n    - when: caller.anonymous\n      hangup\n    - dial: +12015550188\n".replace(
        "hangup\n", "hangup:\n"
    )
    assert find_missing_points(tmp_path, HEAD + steps + OTHER + third + scenarios("keys: 1")) == [
        "start: key 2",
        "the node third",
        "third: holds",
        "third: does not hold",
        "third: answered",
        "third: nobody answers",
    ]


@pytest.mark.parametrize("dialect", ["reference", "classic"])
def test_a_caller_who_hangs_up_did_not_come_by_what_follows(dialect, tmp_path):
    steps = "    - say: Hello.\n    - pause: {length: 5s, dtmf_stop: '#'}\n"
    steps += "    - when: caller.anonymous\n      say: You.\n    - goto: other\n"
    text = f"dialect: {dialect}\n" + HEAD + steps + OTHER + scenarios("keys: hangup")
    assert find_missing_points(tmp_path, text) == ["start: holds", "start: does not hold", "the node other"]


def test_coming_back_to_a_node_is_no_new_visit(tmp_path):
    steps = "    - collect: {into: pin, digits: 2, prompt: PIN.}\n    - goto: other\n"
    text = HEAD + steps + OTHER + "tests: [{name: a, keys: '12', expect: [nodes: [start, other]]}]\n"
    assert find_missing_points(tmp_path, text) == ["start: no-match"]


FALLBACK = """\
fallback:
  - say: We are sorry.
  - dial: +12015550188
  - say: Nobody.
"""


def test_steps_of_the_fallback_are_reached_where_a_scenario_has_a_node_break(tmp_path):
    steps = "    - say: Hello.\n    - goto: other\n  other:\n    - notify: https://crm.example.com/x\n    - say: Other.\n"
    text = HEAD + steps + FALLBACK
    assert find_missing_points(tmp_path, text + scenarios("expect: [say: Other.]")) == [
        "fallback: is served",
        "fallback: answered",
        "fallback: nobody answers",
    ]
    broken = scenarios(
        "breaks: other, expect: [say: Hello., say: We are sorry., dial: {node: fallback}, not: [say: Other.]]",
        "breaks: [start, other], callee: busy, expect: [say: We are sorry., say: Nobody., not: [say: Hello.]]",
        "expect: [say: Hello., say: Other.]",
    )
    done = run_scenario_file(tmp_path, text + broken)
    assert [one.has_passed for one in done] == [True] * 3, "\n".join(
        line for one in done for line in format_failed_scenario(one)
    )
    assert find_missing_points(tmp_path, text + broken) == []


def test_where_nothing_broke_a_scenario_that_says_so_fails(tmp_path):
    (one,) = run_scenario_file(tmp_path, HEAD + "    - goto: other\n" + OTHER + scenarios("breaks: other"))
    assert (
        one.failure == "breaks: the call never requested a document of other (a node inside another document cannot break)"
    )


def test_what_breaks_by_itself_is_not_what_a_scenario_has_broken(tmp_path):
    other = "  other:\n    - notify: https://crm.example.com/x\n    - say: Other {{ 1 // 0 }}.\n"
    steps = f"    - goto: other\n{other}  third:\n    - say: Third.\n"
    (one,) = run_scenario_file(tmp_path, HEAD + steps + FALLBACK + scenarios("breaks: third"))
    assert "ZeroDivisionError" in one.failure


PROGRAM = """\
from callflows import DTMF, Default, Dial, Error, Gather, Geo, Hangup, Response, Say, Turn, flow

acme = flow("acme", numbers=["+12015550123"])


@acme.node
async def start(turn: Turn) -> Response:
    menu = Gather(DTMF("1", Dial("+12015550188", Error(Say("Nobody.")))), DTMF("2"), Default(Say("No.")), dtmf_length=1)
    return Response(Say("Press."), menu, Geo(Say("Jersey."), states="NJ"), Hangup())


@acme.node
async def other(turn: Turn) -> Response:
    return Response(Say("Other."))
"""

ROUNDS = (("1", "+12015550999"), ("2", "+12125550999"))


def test_branches_of_a_program_are_those_of_the_documents_that_it_gave(tmp_path):
    (tmp_path / "acme.py").write_text(PROGRAM)
    (folder,) = load_scenario_folders([tmp_path], TEST_OPTIONS)
    calls = [rehearse(tmp_path, "+12015550123", keys=keys, from_=who) for keys, who in ROUNDS]
    (one,) = measure_coverage(folder.tested_flows, [call.transcript for call in calls])
    assert [(spot.line, describe_coverage_point(spot)) for spot in one.missing_points] == [
        (12, "the node other"),
        (6, "start: nobody answers of Gather[2].DTMF[0].Dial[0]"),
        (6, "start: no-match of Gather[2]"),
    ]


def test_branches_of_a_template_are_those_of_its_documents(tmp_path):
    branches = '<DTMF value="1"><Say>One.</Say></DTMF><Error><Say>None.</Say></Error>'
    (tmp_path / "acme.xml.j2").write_text(f'<Response><Gather dtmf_length="1">{branches}</Gather></Response>')
    assert find_missing_points(tmp_path, "numbers: +12015550123\ntemplate: acme.xml.j2\n" + scenarios("keys: 1")) == [
        "start: no-input of Gather[1]"
    ]
