"""Flows of hundreds of nodes: documents stay bounded, and a call reaches all nodes."""

from __future__ import annotations

import pytest
from flow_harness import Conversation, compile_valid_flow, find_signed_targets, iterate_documents, parse_response

from callflows.flows.compiler.flow_compiler import MAX_COMPILED_DOCUMENT_BYTES, MAX_COMPILED_DOCUMENT_DEPTH
from callflows.flows.entry_points import START_NODE
from callflows.language.element import walk_elements

DIALECTS = pytest.mark.parametrize("dialect", ["reference", "classic"])
HEAD = "numbers: rest\nfallback: [say: We are sorry.]\nnodes:\n"


def deep(xml: str) -> int:
    """Elements inside each other in a document."""
    return max(path.count(".") + 1 for path, _ in walk_elements(parse_response(xml)))


def chain(count: int, step: str = "say: Node {n}.") -> str:
    """Nodes that each lead to the next."""
    names = [START_NODE, *(f"n{n}" for n in range(1, count))]
    nodes = [
        f"  {name}:\n    - {step.format(n=n)}\n    - {'hangup' if n == count - 1 else f'goto: {names[n + 1]}'}\n"
        for n, name in enumerate(names)
    ]
    return HEAD + "".join(nodes)


@DIALECTS
def test_a_chain_of_nodes_is_heard_from_the_first_to_the_last(dialect):
    flow = compile_valid_flow(chain(300), dialect)
    call = Conversation(flow, dialect)
    spoken = call.spoken_texts
    for _ in range(300):
        if not call.xml.endswith("</Callback>"):
            break
        spoken += call.follow_callback(-1).spoken_texts
    assert spoken == [f"Node {n}." for n in range(300)]


@DIALECTS
def test_of_a_tree_of_menus_every_document_is_bounded_and_every_node_can_be_reached(dialect):
    nodes = 364
    menus = []
    for n in range(nodes):
        below = {key: 3 * n + key for key in (1, 2, 3) if 3 * n + key < nodes}
        keys = ", ".join(f"{key}: n{child}" for key, child in below.items())
        asks = f"menu: {{prompt: Node {n}., keys: {{{keys}}}, attempts: 2, otherwise: bye}}" if below else f"say: Leaf {n}."
        menus.append(f"  {f'n{n}' if n else START_NODE}:\n    - {asks}\n")
    flow = compile_valid_flow(HEAD + "".join(menus) + "  bye: [say: Bye.]\n", dialect)
    documents = [*iterate_documents(flow)]
    assert len(documents) > 1
    for _, _, xml in documents:
        assert len(xml.encode()) <= MAX_COMPILED_DOCUMENT_BYTES
        assert deep(xml) <= MAX_COMPILED_DOCUMENT_DEPTH
    said = "".join(xml for _, _, xml in documents)
    assert all(f">{'Node' if 3 * n + 1 < nodes else 'Leaf'} {n}.<" in said for n in range(nodes))


@DIALECTS
def test_hundreds_of_menus_in_a_row_stay_within_the_depth(dialect):
    step = "menu: {{prompt: Menu {n}., keys: {{1: last}}, attempts: 1, otherwise: last}}"
    names = [START_NODE, *(f"n{n}" for n in range(1, 200))]
    nodes = ""
    for n, name in enumerate(names):
        following = names[n + 1] if n + 1 < len(names) else "last"
        nodes += f"  {name}:\n    - {step.format(n=n).replace('1: last', f'1: {following}')}\n"
    flow = compile_valid_flow(f"{HEAD}{nodes}  last: [say: Last.]\n", dialect)
    documents = [*iterate_documents(flow)]
    assert max(deep(xml) for _, _, xml in documents) <= MAX_COMPILED_DOCUMENT_DEPTH
    assert all(any(f">Menu {n}.<" in xml for _, _, xml in documents) for n in range(200))


@DIALECTS
def test_a_node_of_many_long_steps_breaks_by_itself_and_goes_on_where_it_was(dialect):
    steps = "".join(f"    - say: {n} {'word ' * 200}\n" for n in range(300))
    flow = compile_valid_flow(f"{HEAD}  start:\n{steps}", dialect)
    call = Conversation(flow, dialect)
    assert [node for node, _ in find_signed_targets(call.xml)] == [START_NODE]
    numbers = [int(text.split()[0]) for text in call.spoken_texts]
    for _ in range(300):
        if not call.xml.endswith("</Callback>"):
            break
        numbers += [int(text.split()[0]) for text in call.follow_callback(-1).spoken_texts]
    assert numbers == [*range(300)]


@DIALECTS
def test_every_effect_of_a_long_flow_happens_once_and_in_order(dialect):
    flow = compile_valid_flow(chain(12, "notify: 'https://a.example/{n}'"), dialect)
    call = Conversation(flow, dialect)
    for _ in range(200):
        if not call.xml.endswith("</Callback>"):
            break
        call.follow_callback(-1)
    urls = [effect.payload["url"] for effect in call.effects]
    assert urls == [f"https://a.example/{n}" for n in range(12)]
    assert len({effect.key for effect in call.effects}) == 12
