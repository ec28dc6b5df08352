"""The values in the URLs of a call are bounded, and the check reports flows with too many."""

from __future__ import annotations

import json

import pytest
from flow_harness import Conversation, compile_text, compile_valid_flow, make_flow_text

from callflows.errors import TicketError
from each_case import each_case

LONG = "x" * 2100
HALF = "y" * 1100
GO_ON = "- menu: {prompt: P., keys: {1: there}, otherwise: there}"
THERE = "  there: [{say: Hi.}, {set: {z: 1}}, {say: '{{ a }}{{ b }}{{ z }}'}]\n"


def said(steps: str, nodes: str = THERE) -> list[tuple[str, str]]:
    """What is said of tickets: severity, and the names."""
    problems = compile_text(make_flow_text(steps) + nodes).problems
    found = [problem for problem in problems if problem.rule == "ticket-too-big"]
    return [(problem.severity, problem.message.partition(":")[0]) for problem in found]


def setting(name: str, source: str) -> str:
    return f"- set: {{{name}: {json.dumps(source)}}}\n"


BOTH = setting("b", "1")
SET = setting("a", f"'{LONG}'")


@each_case(
    "source",
    [
        f"'{LONG}'",
        f"'{LONG}' ~ caller.name",
        f"caller.name ~ '{HALF}' ~ '{HALF}'",
        f"'{LONG}' if caller.anonymous else 'short'",
        f"caller.name or '{LONG}'",
        f"caller.name | default('{LONG}')",
        f"['{HALF}', '{HALF}']",
        f"'{'é' * 1050}'",
    ],
)
def test_a_value_that_no_ticket_can_carry_is_an_error_where_it_is_set(source):
    assert said(BOTH + setting("a", source) + GO_ON) == [("error", "a")]


def test_the_default_of_a_lookup_is_as_long_as_it_is_written_but_for_fields_that_nobody_asks_for():
    lookup = f"- lookup: {{url: 'https://a.example', into: a, default: {{x: {LONG}, y: 1}}}}\n"
    assert said(BOTH + lookup + GO_ON) == [("error", "a")]
    assert said(BOTH + lookup + GO_ON, THERE.replace("{{ a }}", "{{ a.y }}")) == []


@pytest.mark.parametrize(
    "steps",
    [
        f"{BOTH}{SET}- say: '{{{{ a }}}}'\n- hangup",
        f"{BOTH}{SET}- goto: there",
        f"- when: caller.anonymous\n  goto: there\n{BOTH}{SET}- say: '{{{{ a }}}}'\n- hangup",
        f"- say: Hi.\n{BOTH}{SET}- say: '{{{{ a }}}}'\n- hangup",
    ],
    ids=["said at once", "in one document", "on another way", "after a break"],
)
def test_what_need_not_be_carried_may_be_long(steps):
    nodes = "  there: [{say: '{{ a }}{{ b }}'}]\n"
    assert said(steps, nodes) == []


def test_values_that_are_too_long_only_together_are_a_warning():
    two = setting("a", f"'{HALF}'") + setting("b", f"'{HALF}'")
    assert [severity for severity, _ in said(two + GO_ON)] == ["warning"] * len(said(two + GO_ON))
    assert said(two + GO_ON)[0] == ("warning", "a, b")
    assert said(setting("a", f"'{HALF}'") + setting("a", f"'{HALF}'") + BOTH + GO_ON) == []


OTHER = setting("a", "1")


@pytest.mark.parametrize(
    ("steps", "nodes"),
    [
        (f"{BOTH}{SET}{OTHER}{GO_ON}", THERE),
        (f"{BOTH}{SET}- say: '{{{{ a }}}}'\n{OTHER}{GO_ON}", None),
        (f"{BOTH}{SET}- goto: mid", f"  mid:\n    - set: {{a: '1'}}\n    {GO_ON}\n{THERE}"),
    ],
    ids=["at once", "when it is carried already", "in another node"],
)
def test_a_value_counts_until_it_is_another(steps, nodes):
    assert said(steps, nodes or THERE) == ([] if nodes else [("error", "a")])


def test_a_value_that_may_stay_counts():
    assert said(f"{BOTH}{SET}- when: caller.anonymous\n  set: {{a: '1'}}\n{GO_ON}") == [("error", "a")]
    round_ = f"{BOTH}{OTHER}- menu: {{prompt: P., keys: {{1: there}}, otherwise: mid}}"
    mid = f"  mid:\n    {SET}    - menu: {{prompt: P., keys: {{1: start}}, otherwise: there}}\n"
    assert said(round_, mid + THERE) == [("error", "a")]


def test_digits_are_counted_as_sealed_where_they_are_secret():
    many = "".join(f"- collect: {{into: a{i}, digits: 40, attempts: 1, prompt: P.}}\n" for i in range(48))
    told = "- say: '" + "".join(f"{{{{ a{i} }}}}" for i in range(48)) + "'"
    assert [rule for rule in compile_text(make_flow_text(many + told)).rules if rule == "ticket-too-big"] != []
    few = many.replace("digits: 40", "digits: 24")
    assert "ticket-too-big" not in compile_text(make_flow_text(few + told)).rules
    assert "ticket-too-big" in compile_text(make_flow_text(few.replace("prompt", "secret: true, prompt") + told)).rules


def test_what_is_said_to_be_too_long_is_refused_when_a_call_is_there_and_what_is_not_is_carried():
    fits = "x" * 1900
    flow = compile_valid_flow(make_flow_text(f"{BOTH}{SET.replace(LONG, fits)}{GO_ON}") + THERE)
    assert Conversation(flow).follow_callback().spoken_texts == [f"{fits}11"]
    grows = compile_valid_flow(make_flow_text(f"{BOTH}{setting('a', 'caller.name ~ caller.name')}{GO_ON}") + THERE)
    with pytest.raises(TicketError):
        Conversation(grows, name="n" * 1100)
