"""Finds values that are set within a loop and asked for after it: Jinja forgets them at the end of each round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import nodes

from callflows.flows.expressions.condition_values import ConditionProblem

if TYPE_CHECKING:
    from collections.abc import Iterator


def find_lost_values(tree: nodes.Node) -> Iterator[tuple[int, ConditionProblem]]:
    """Yield a warning, with its line, for each name that a loop sets and that has its old value after the loop."""
    order: list[nodes.Node] = []
    ends: dict[int, int] = {}
    _write_order(tree, order, ends)
    first_set, last_read = dict[str, int](), dict[str, int]()
    for at, name in enumerate(order):
        if isinstance(name, nodes.Name) and name.ctx == "load":
            last_read[name.name] = at
        elif isinstance(name, nodes.Name):
            first_set.setdefault(name.name, at)
    lost: dict[str, int] = {}
    for at, loop in enumerate(order):
        for name in _iterate_assigned_names(loop) if isinstance(loop, nodes.For) else ():
            if first_set[name.name] < at and last_read.get(name.name, 0) >= ends[id(loop)]:
                lost.setdefault(name.name, name.lineno)
    for word, line in lost.items():
        message = f"{word} is forgotten at the end of the loop, and has its value from before it there"
        fix = "ask the list itself, as {{ list | length }}, {{ list | sum }} or {{ list | join(', ') }}"
        yield line, ConditionProblem("warning", "template", message, fix)


def _write_order(node: nodes.Node, order: list[nodes.Node], ends: dict[int, int]) -> None:
    """Add a node and all that is within it to ``order``, as in the text, and the place after each loop to ``ends``."""
    order.append(node)
    for child in node.iter_child_nodes():
        _write_order(child, order, ends)
    if isinstance(node, nodes.For):
        ends[id(node)] = len(order)


def _iterate_assigned_names(loop: nodes.For) -> Iterator[nodes.Name]:
    """Yield the names that a loop sets itself; what a loop or a macro within it sets, is forgotten there."""
    waiting: list[nodes.Node] = [*loop.body]
    while waiting:
        part = waiting.pop()
        if isinstance(part, nodes.Assign | nodes.AssignBlock):
            yield from (name for name in [part.target, *part.target.find_all(nodes.Name)] if isinstance(name, nodes.Name))
        if not isinstance(part, nodes.For | nodes.Macro | nodes.CallBlock):
            waiting += part.iter_child_nodes()
