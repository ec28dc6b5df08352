"""Ways of menus and questions besides their keys: silence, other keys, keys beside digits, and digits behind a key."""

from __future__ import annotations

import pytest
from flow_harness import compile_text, make_flow_text

from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.tickets import TicketSigner
from callflows.settings import Settings
from callflows.testing.scenario_report import format_failed_scenario
from callflows.testing.scenario_runner import load_scenario_folders, run_scenarios
from each_case import each_case
from waiting import run_bounded

OPTIONS = CompilerOptions(TicketSigner([b"ways"]), "Sorry.")
NODES = """
  one: [say: One.]
  silent: [say: You pressed nothing.]
  wrong: [say: That was wrong.]
  pressed: [say: "You pressed {{ digits }}."]
  further: [goto: pressed]
  last: [say: Last.]
"""


def hear(tmp_path, step: str, keys: str, expect: list, *, dialect: str = "reference", nodes: str = NODES) -> None:
    """Ring the flow and compare what the caller hears after pressing ``keys``."""
    said = "".join(f"    {line}\n" for line in step.strip().splitlines())
    listed = "".join(f"\n      - {one}" for one in expect)
    text = f"""numbers: +12015550123
dialect: {dialect}
nodes:
  start:
{said}{nodes}
tests:
  - name: heard
    keys: "{keys}"
    expect:{listed}
"""
    file = tmp_path / "acme.yaml"
    file.write_text(text, encoding="utf-8")
    (folder,) = load_scenario_folders([file], OPTIONS)
    assert [str(problem) for problem in folder.errors] == []
    (ran,) = run_bounded(run_scenarios(folder, folder.cases, Settings()))
    assert ran.has_passed, "\n".join(format_failed_scenario(ran))


MENU = "- menu: {prompt: Press 1., keys: {1: one}, no_input: silent, no_match: [Not that one., wrong], otherwise: last}"
COLLECT = """- collect: {into: n, digits: 3, prompt: Number?, match: "[4-9].*", keys: {0: one, hash: pressed},
  no_input: [I heard nothing., silent], no_match: wrong, otherwise: last}
- say: "Number {{ n }}."
"""


@pytest.mark.parametrize("dialect", ["reference", "classic"])
@pytest.mark.parametrize(
    ("step", "keys", "expect"),
    [
        (MENU, "1", ["say: One."]),
        (MENU, "", ["say: Press 1.", "say: You pressed nothing.", "hangup"]),
        (MENU, "9,8", ["say: Press 1.", "say: Not that one.", "say: Press 1.", "say: That was wrong.", "hangup"]),
        (MENU, "9,", ["say: Not that one.", "say: You pressed nothing."]),
        ("- menu: {prompt: Press., keys: {1: pressed, 2: pressed}, otherwise: last}", "2", ["say: You pressed 2."]),
        ("- menu: {prompt: Press., keys: {1: further, hash: further}, otherwise: last}", "#", ["say: 'You pressed #.'"]),
        ("- menu: {prompt: Press., keys: {1: one}, any: one, otherwise: last}", "7", ["say: One."]),
        ("- menu: {prompt: Press., keys: {1: one}, any: pressed, otherwise: last}", "7", ["say: You pressed 7."]),
        ("- menu: {prompt: Press., keys: {1: one}, any: further, otherwise: last}", "*", ["say: You pressed *."]),
        (COLLECT, "412", ["say: Number 412."]),
        (COLLECT, "0", ["say: One."]),
        (COLLECT, "0*", ["say: One."]),
        (COLLECT, "#", ["say: 'You pressed #.'"]),
        (COLLECT, "41#", ["say: 'You pressed #.'"]),
        (COLLECT, "123", ["say: That was wrong."]),
        (COLLECT, "", ["say: I heard nothing.", "say: Number?", "say: You pressed nothing."]),
        (
            "- collect: {into: n, digits: 2, prompt: Number?, match: '4.', any: pressed}\n- say: Done.",
            "77",
            ["say: You pressed 77."],
        ),
    ],
)
def test_a_caller_goes_the_way_of_the_input(tmp_path, dialect, step, keys, expect):
    hear(tmp_path, step, keys, expect, dialect=dialect)


def test_a_node_in_a_list_ends_the_questions_at_its_attempt(tmp_path):
    step = (
        "- menu: {prompt: Press 1., keys: {1: one}, no_input: [Quiet., Again quiet., silent], attempts: 5, otherwise: last}"
    )
    hear(tmp_path, step, "", ["say: Quiet.", "say: Again quiet.", "say: You pressed nothing.", "not: [say: Last.]"])


def find_problems(step: str, nodes: str = NODES) -> list[str]:
    made = compile_text(make_flow_text(step) + nodes.lstrip("\n"))
    return [f"{problem.severity} {problem.rule}" for problem in made.problems if problem.rule != "unreachable-node"]


@each_case(
    ("step", "problems"),
    [
        ("- menu: {prompt: Press 1., keys: {1: one}, no_input: silent, no_match: wrong}", []),
        (
            "- menu: {prompt: Press 1., keys: {1: one}, no_input: silent, any: wrong, otherwise: last}",
            ["warning way-not-taken"],
        ),
        (
            "- menu: {prompt: Press 1., keys: {1: one}, no_input: [silent, Quiet.], otherwise: last}",
            ["warning way-not-taken"],
        ),
        ("- menu: {prompt: Press 1., keys: {1: one}, no_input: silnet, otherwise: last}", ["warning node-as-text"]),
        ("- menu: {prompt: Press 1., keys: {1: one}, any: wrong, no_match: No., otherwise: last}", ["error menu"]),
        ("- menu: {prompt: Press 1 or 2., keys: {1: one}, any: wrong}", ["warning no-way-out"]),
        ("- menu: {prompt: Press 1., keys: {1: one}, any: gone, otherwise: last}", ["error unknown-node"]),
        (
            "- menu: {prompt: Press 1., keys: {11: one}, any: pressed, otherwise: last}",
            ["warning prompt-key", "warning digits-empty"],
        ),
        (
            "- menu: {prompt: Press 1., keys: {1: one}, no_input: silent, any: wrong}\n- say: Never.",
            ["error after-the-end"],
        ),
        ("- menu: {prompt: Press 1., keys: {1: one}, no_input: silent}", ["warning no-way-out"]),
        (
            "- collect: {into: n, digits: 3, prompt: Number?, keys: {0: one}, otherwise: last}\n- say: Thank you.",
            ["warning key-shadowed"],
        ),
        (
            "- collect: {into: n, digits: 3, prompt: Number?, keys: {star: one}, stop: star, otherwise: last}",
            ["error menu"],
        ),
        ("- collect: {into: n, digits: 3, prompt: Number?, keys: {star: gone}, otherwise: last}", ["error unknown-node"]),
    ],
)
def test_ways_that_cannot_be_meant_are_told(step, problems):
    assert find_problems(step) == problems


def test_a_filter_named_digits_asks_for_no_key():
    step = "- menu: {prompt: Press 1., keys: {1: spelled}, otherwise: last}"
    made = compile_text(
        make_flow_text(step) + '  spelled: [say: "{{ caller.number | digits }} digits."]\n  last: [say: Last.]\n'
    )
    assert made.flow is not None
    assert "".join(str(part) for part in made.flow.fragments_by_node["start"].values()).count("set_digits") == 0
