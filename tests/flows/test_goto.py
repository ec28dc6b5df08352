"""Nodes lead to nodes: within one document if possible, otherwise by signed URLs."""

from __future__ import annotations

import json

import pytest
from flow_harness import (
    answer_as_xml,
    compile_text,
    compile_valid_flow,
    find_signed_targets,
    iterate_documents,
    make_flow_text,
    make_turn,
    request_document,
    spoken_texts,
)
from hypothesis import given
from hypothesis import strategies as st

from callflows.flows.entry_points import FIRST_ENTRY
from callflows.language import from_xml
from each_case import each_case


def chain(nodes: int, end: str = "say: End.") -> str:
    links = "".join(f"  n{i}:\n    - say: '{i}'\n    - goto: n{i + 1}\n" for i in range(nodes))
    return f"numbers: rest\nnodes:\n  start: [goto: n0]\n{links}  n{nodes}: [{end}]\n"


def test_a_node_that_is_led_to_is_written_in_place():
    assert request_document(compile_valid_flow(chain(3))) == (
        "<Answer/><Say>0</Say><Say>1</Say><Say>2</Say><Say>End.</Say><Hangup/>"
    )


@pytest.mark.parametrize("nodes", [19, 20, 21, 100, 1000])
def test_a_chain_of_nodes_is_walked_to_its_end_however_long(nodes):
    flow = compile_valid_flow(chain(nodes))
    heard: list[str] = []
    node, entry, documents = "start", FIRST_ENTRY, 0
    while node:
        xml = answer_as_xml(flow, node, make_turn(), entry)
        heard += [text for text in spoken_texts(xml) if text != "We are sorry."]
        node, entry = (find_signed_targets(xml) or [("", FIRST_ENTRY)])[0]
        documents += 1
    assert heard == [*map(str, range(nodes)), "End."]
    assert documents <= nodes / 15 + 2


def test_a_loop_comes_back_by_a_signed_url():
    flow = compile_valid_flow(
        "nodes:\n  start: [say: A, goto: b]\n  b: [say: B, goto: start]\n".replace("[say: A, goto", "[{say: A}, {goto")
        .replace("[say: B, goto", "[{say: B}, {goto")
        .replace("b]", "b}]")
        .replace("start]", "start}]")
    )
    xml = request_document(flow)
    assert spoken_texts(xml)[:2] == ["A", "B"]
    assert [node for node, _ in find_signed_targets(xml)] == ["start"]


def test_every_document_of_a_web_of_nodes_is_valid_and_small():
    nodes = "".join(
        f"  n{i}: [menu: {{prompt: '{i}', keys: {{"
        + ", ".join(f"{d}: n{(i * 7 + d * 13) % 60}" for d in range(10))
        + "}}]\n"
        for i in range(60)
    )
    found = [*iterate_documents(compile_valid_flow(make_flow_text("- goto: n0") + nodes))]
    assert {node for node, _, _ in found} >= {f"n{i}" for i in range(60)}
    assert max(len(xml) for _, _, xml in found) < 130_000


@pytest.mark.parametrize(
    "nodes",
    [
        "start: [goto: start]",
        "start: [goto: a]\n  a: [goto: b]\n  b: [goto: a]",
        "start: [{when: caller.anonymous, say: Hi}, {goto: start}]",
    ],
)
def test_a_loop_in_which_nothing_is_said_or_awaited_is_pointed_out(nodes):
    made = compile_text(f"nodes:\n  {nodes}\n")
    assert [problem for problem in made.problems if "silen" in problem.message or "loop" in problem.message]


def test_a_node_that_nothing_leads_to_is_a_warning():
    made = compile_text(make_flow_text("- hangup") + "  lost: [hangup]\n  found: [goto: lost]\n")
    assert [(problem.rule, problem.severity, problem.line) for problem in made.problems] == [
        ("unreachable-node", "warning", 6),
        ("unreachable-node", "warning", 7),
    ]


def test_a_flow_begins_at_start():
    made = compile_text("numbers: rest\nnodes:\n  begin: [hangup]\n")
    assert made.rules == ["no-start"]
    assert made.problems[0].line == 2


@each_case("name", ["a b", "a/b", "ä", "", "-a", "a?b", "a.b", "x" * 65])
def test_a_node_is_named_so_that_it_can_stand_in_a_url(name):
    made = compile_text(f"nodes:\n  start: [hangup]\n  '{name}': [hangup]\n")
    assert "node-name" in made.rules
    assert made.problems[0].line == 3


def test_every_node_with_a_wrong_name_is_named():
    made = compile_text("nodes:\n  start: [hangpu]\n  a b: [hangup]\n  c d: [hangup]\n")
    assert sorted({*made.rules}) == ["node-name", "unknown-step", "unreachable-node"]
    assert [problem.line for problem in made.problems if problem.rule == "node-name"] == [3, 4]


# Any flow at all

_texts = st.sampled_from(["Hello.", "{{ caller.name }}", "{{ number | upper }}", "x" * 2000, "<b> & 'q' \"d\""])
_conditions = st.sampled_from(["caller.anonymous", "now.hour < 12", "caller.name == 'Ann'", "not caller.name"])
_names = st.integers(0, 6).map(lambda index: f"n{index}")


def _steps(depth: int) -> st.SearchStrategy[list]:
    simple = st.one_of(
        st.fixed_dictionaries({"say": _texts}),
        st.fixed_dictionaries({"pause": st.just("1s")}),
        st.fixed_dictionaries({"voicemail": _texts}),
        st.fixed_dictionaries({"dial": st.just("+12015550188")}),
        st.fixed_dictionaries(
            {
                "dial": st.fixed_dictionaries(
                    {"to": st.just(["a@b", "c@d"]), "ring": st.just("in-turn"), "no_answer": _names}
                )
            }
        ),
        st.fixed_dictionaries(
            {
                "menu": st.fixed_dictionaries(
                    {"prompt": _texts, "keys": st.dictionaries(st.sampled_from("0123456789"), _names, min_size=1)},
                    optional={"attempts": st.sampled_from(["1", "2", "5"]), "no_match": _texts, "no_input": _texts},
                )
            }
        ),
    )
    if depth:
        inner = _steps(depth - 1)
        simple |= st.one_of(
            st.fixed_dictionaries(
                {"gather": st.fixed_dictionaries({"dtmf": st.dictionaries(st.sampled_from("12"), inner)})}
            ),
            st.fixed_dictionaries({"record": st.fixed_dictionaries({"do": inner})}),
            st.fixed_dictionaries({"dial": st.fixed_dictionaries({"to": st.just("a@b"), "error": inner})}),
        )
    conditional = st.tuples(_conditions, simple | st.fixed_dictionaries({"goto": _names})).map(
        lambda x: {"when": x[0], **x[1]}
    )
    return st.lists(simple | conditional, max_size=4)


def _flow(nodes: dict[str, list], ends: dict[str, str]) -> str:
    whole = {f"n{i}": [{"say": f"Node {i}."}, *nodes.get(f"n{i}", []), {"goto": ends[f"n{i}"]}] for i in range(7)}
    return json.dumps({"numbers": "rest", "timezone": "UTC", "nodes": {"start": [{"goto": "n0"}], **whole}})


@given(
    st.dictionaries(_names, _steps(1)),
    st.fixed_dictionaries({f"n{i}": _names for i in range(7)}),
    st.sampled_from(["", "anonymous", "+12015550999"]),
)
def test_every_document_of_any_flow_is_valid(nodes, ends, caller):
    text = _flow(nodes, ends)
    made = compile_text(text)
    if "silent-loop" in made.rules:
        return
    flow = compile_valid_flow(text)
    for index, (_, _, xml) in enumerate(iterate_documents(flow, from_=caller, name="Ann")):
        from_xml(f"<Response>{xml}</Response>".encode())
        assert xml.endswith(("<Hangup/>", "</Callback>")), xml[-200:]
        if index > 40:
            break
