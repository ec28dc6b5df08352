"""A failure during a call names the step that it comes from, for the log."""

from __future__ import annotations

import pytest
from flow_harness import answer_as_xml, compile_valid_flow, make_turn

from each_case import each_case

FLOW = """\
variables: {{zero: 0}}
nodes:
  start:
    - say: Hello.
    - goto: other
  other:
    - {step}
    - say: "Never {{{{ caller.number }}}}."
    - hangup
"""


@each_case(
    ("step", "place"),
    [
        ('say: "{{ 1 / variables.zero }} calls wait."', "step 1 (say) of node other"),
        ('say: "{{ caller.number }} {{ 1 / variables.zero }}"', "step 1 (say) of node other"),
        ("{say: Yes., when: 1 / variables.zero > 2}", "step 1 (when) of node other"),
        ("set: {calls: 1 / variables.zero}", "step 1 (set) of node other"),
        ("choose: [{when: 1 / variables.zero > 2, goto: start}]", "step 1 (choose) of node other"),
        ('dial: "+1{{ 1 / variables.zero }}"', "step 1 (dial) of node other"),
    ],
)
def test_a_failure_names_the_step_and_its_node(step, place):
    assert find_failing_step(step, "other") == [place]


def test_a_step_placed_in_the_document_of_another_node_is_named_by_its_own_node():
    assert find_failing_step('say: "{{ 1 / variables.zero }}"', "start") == ["step 1 (say) of node other"]


def find_failing_step(step: str, node: str) -> list[str]:
    """The notes of the error that a call meets at a node of FLOW."""
    flow = compile_valid_flow(FLOW.format(step=step))
    with pytest.raises(Exception) as failure:  # noqa: PT011 - any error of an author's expression
        answer_as_xml(flow, node, make_turn(**{"from": "12015550123"}))
    return failure.value.__notes__
