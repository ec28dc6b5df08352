"""Random callers find problems, by the shortest way, and the same problems with the same seed."""

from __future__ import annotations

import pytest
import yaml
from scenario_folders import TEST_SETTINGS, get_only, run_folder, write_scenario_folder

from callflows.flows.steps.dial_step import ComputedTarget
from callflows.testing.exploration import explore_flows

HEAD = "numbers: +12015550123\nnodes:\n  start:\n"
MENU = (
    "    - menu: {prompt: Press 1 or 2., keys: {1: fine, 2: other}, attempts: 1, otherwise: fine}\n  fine: [say: Fine.]\n"
)


def fault(path, text: str, **more):
    folder = write_scenario_folder(path, acme=text)
    found = explore_flows([folder], TEST_SETTINGS, examples=more.get("examples", 200), seconds=60, seed=more.get("seed", 1))
    return found[0].fault


@pytest.mark.parametrize(
    ("text", "wrong", "keys"),
    [
        ("numbers: +12015550123\nnodes:\n  start:\n    - when: caller.anonymous\n      say: Who?\n", "dead air", None),
        (
            f"{HEAD}{MENU}  other:\n    - set: {{x: '1'}}\n    - say: '{{{{ 1 / (x | int - 1) }}}}'\n",
            "the caller got the fallback",
            ["2"],
        ),
        (
            f"{HEAD}{MENU}  other:\n    - say: Round.\n    - set: {{x: '1'}}\n    - say: And.\n    - goto: other\n",
            "the call never ends",
            ["2"],
        ),
        (
            "auto_answer: auto\n" + HEAD + "    - dial: {to: +12015550188, no_answer: out}\n  out: [hangup: {tag: x}]\n",
            None,
            None,
        ),
    ],
)
def test_what_is_wrong_is_found_by_the_shortest_way(text, wrong, keys, tmp_path):
    found = fault(tmp_path, text, examples=200 if wrong else 50)
    assert (found is None) if wrong is None else found.wrong.startswith(wrong), found
    if found is not None and keys is not None:
        assert get_only(yaml.safe_load(found.scenario))["keys"] == keys


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}{MENU}  other:\n    - set: {{x: '1'}}\n    - say: '{{{{ 1 / (x | int - 1) }}}}'\n",
        f"{HEAD}    - when: caller.anonymous\n      say: Who?\n",
        f"{HEAD}    - when: caller.anonymous\n      say: Who?\n".replace("+12015550123", "rest"),
        "template: acme.xml.j2\nnumbers: +12015550123\n",
    ],
)
def test_the_scenario_that_is_printed_fails_as_long_as_the_flow_is_wrong(text, tmp_path):
    (tmp_path / "acme.xml.j2").write_text("<Response><Say>{{ 1 / (caller.name | length) }}.</Say><Hangup/></Response>")
    found = fault(tmp_path, text)
    folder = write_scenario_folder(tmp_path, acme=f"{text}tests:\n{found.scenario}")
    assert not folder.errors
    assert not get_only(run_folder(folder)).has_passed


def test_a_flow_that_answers_what_is_left_over_is_rung_at_a_number_of_its_own(tmp_path):
    rest = HEAD.replace("+12015550123", "rest") + "    - when: caller.anonymous\n      say: Who?\n"
    other = "numbers: +12015550100\nnodes: {start: [say: Hello.]}\n"
    found = explore_flows(
        [write_scenario_folder(tmp_path, acme=rest, other=other)], TEST_SETTINGS, examples=50, seconds=60, seed=1
    )
    assert [(one.flow, one.fault and one.fault.wrong.partition(":")[0]) for one in found] == [
        ("acme", "dead air"),
        ("other", None),
    ]
    assert found[0].caller_count >= 1
    assert found[1].caller_count == 50


@pytest.mark.parametrize("answer", ["", "<Answer/>"])
def test_no_caller_of_a_template_has_dead_air_whether_it_answers_the_line_or_not(answer, tmp_path):
    (tmp_path / "acme.xml.j2").write_text(f"<Response>{answer}<Say>Hello.</Say><Hangup/></Response>")
    assert fault(tmp_path, "numbers: +12015550123\ntemplate: acme.xml.j2\n", examples=10) is None


def test_times_at_the_edges_of_hours_are_tried(tmp_path):
    text = (
        "timezone: America/New_York\nhours: {office: {mon: 09:00-17:30}}\n"
        f"{HEAD}    - when: now.weekday == 'mon' and now.time == '17:30'\n      hangup:\n    - say: Hello.\n"
    )
    assert fault(tmp_path, text, examples=50) is None, "a hangup that is written is meant"
    found = fault(tmp_path, text.replace("hangup:", "say: '{{ 1 / (now.minute - 30) }}'"), examples=800)
    assert "at: 2026-11-23 17:30" in found.scenario


def test_the_same_seed_finds_the_same(tmp_path):
    other = "  other:\n    - when: caller.anonymous\n      say: '{{ 1 / (caller.calls_today - 1) }}'\n    - say: Bye.\n"
    text = f"{HEAD}{MENU}{other}"
    assert fault(tmp_path, text, seed=7) == fault(tmp_path, text, seed=7)


def test_a_lookup_of_another_shape_than_meant_is_tried(tmp_path):
    text = (
        f"{HEAD}    - say: Hello.\n    - lookup: {{url: 'https://crm.example.com/x', into: who}}\n"
        "    - when: who and who.age + 1 > 18\n      say: Grown up.\n    - say: Goodbye.\n"
    )
    found = fault(tmp_path, text)
    meant = text.replace("who}", "who, default: {age: 1}}")
    assert fault(tmp_path, meant.replace("who and ", ""), examples=80) is None, (
        "another shape than the default is a failed lookup"
    )
    assert found is not None
    assert "the caller got the fallback" in found.wrong
    assert "lookups" in found.scenario


def test_a_dial_that_the_policy_refuses_is_found_even_if_the_engine_would_dial_it(tmp_path, monkeypatch):
    def careless(self, turn):
        turn.step_results[self] = self._text(turn)

    monkeypatch.setattr(ComputedTarget, "decide_target", careless)
    text = f"dial_policy: {{regions: [US]}}\n{HEAD}    - dial: '{{{{ caller.number }}}}'\n    - say: Bye.\n"
    found = fault(tmp_path, text)
    assert found.wrong.startswith("a forbidden dial")
    assert not get_only(run_folder(write_scenario_folder(tmp_path, acme=f"{text}tests:\n{found.scenario}"))).has_passed
    monkeypatch.undo()
    assert get_only(run_folder(write_scenario_folder(tmp_path, acme=f"{text}tests:\n{found.scenario}"))).has_passed
