"""The graph of a flow: the edges between nodes and the names used by nodes, recorded during compilation."""

from __future__ import annotations

import bisect
import collections
import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from callflows.flows.source.positions import SourcePath


REQUEST_FIELDS_BY_NAME: Final = {
    "caller.number": "from",
    "caller.national": "from",
    "caller.anonymous": "from",
    "caller.region": "from",
    "caller.state": "from",
    "caller.name": "name",
    "caller.calls_today": "calls",
    "call.from_": "from",
    "call.id": "call",
    "call.app": "sca",
    "call.started": "started",
    "call.attestation": "attestation",
    "call.to": "to",
    "number": "to",
    "number.national": "to",
    "number.region": "to",
}
"""Request fields that a later request may not repeat, by the name that uses the field."""


@dataclasses.dataclass(frozen=True, slots=True)
class StoredValueEstimate:
    """Estimate of a stored value. ``json_text`` is sample JSON, not longer than the value may be.

    The step ``stored_at_step`` of a node stores the value; ``first_carrying_step`` is the first step that may carry the
    value.
    """

    name: str
    json_text: str
    node: str
    stored_at_step: int
    first_carrying_step: int
    path: SourcePath

    @property
    def value(self) -> Any:  # noqa: ANN401 - plain data
        return json.loads(self.json_text)


class StepEdge(NamedTuple):
    """An edge from a step to a step of another node. ``is_fetched``: the target is a separate document."""

    from_step: int
    target_node: str
    target_step: int
    is_fetched: bool


class FlowGraph:
    """Used names and edges of each node.

    ``silent_edges`` are edges without any audio before, ``nonwaiting_edges`` are edges without any waiting before.
    """

    def __init__(self, nodes: Iterable[str], stored_names: frozenset[str]) -> None:
        """``stored_names`` are the names of values that are set, collected or looked up."""
        names = [*nodes]
        self._stored_names = stored_names
        self.used_names: Mapping[str, set[str]] = _make_node_sets(names)
        self.edges: Mapping[str, set[str]] = _make_node_sets(names)
        self.silent_edges: Mapping[str, set[str]] = _make_node_sets(names)
        self.nonwaiting_edges: Mapping[str, set[str]] = _make_node_sets(names)
        self.other_nodes: set[str] = set()
        """Nodes of other flows, as ``other-flow/node``."""
        self.is_incomplete = False
        """True if the target of some edge is unknown."""
        self.step_edges: Mapping[str, set[StepEdge]] = collections.defaultdict(set)
        """Edges between steps, by node."""
        self._store_steps: dict[tuple[str, str], list[int]] = {}
        """Ordered steps that replace a value on every path, by the value's name and the node."""
        self.first_time_use: SourcePath | None = None
        """Path of the first use of the time."""
        self.first_attestation_use: SourcePath | None = None
        """Path of the first use of the caller's attestation."""

    def record_used_names(self, node: str, names: Iterable[str], path: SourcePath) -> None:
        """Record the names used by a node. An empty ``node`` stands for a use outside the nodes."""
        asked = {*names}
        if self.first_time_use is None and any(name.partition(".")[0] in ("now", "hours") for name in asked):
            self.first_time_use = path
        if self.first_attestation_use is None and "call.attestation" in asked:
            self.first_attestation_use = path
        if node:
            self.used_names[node].update(asked)

    def add_other_node(self, node: str, names: Iterable[str]) -> None:
        """Record a node of another flow, and the names of everything that a call takes along."""
        self.other_nodes.add(node)
        self.used_names[node].update(names)

    def add_edge(self, node: str, edge: StepEdge) -> None:
        self.edges[node].add(edge.target_node)
        self.step_edges[node].add(edge)

    def record_store(self, name: str, node: str, step: int) -> None:
        """Record a step that replaces a value on every path."""
        steps = self._store_steps.setdefault((name, node), [])
        at = bisect.bisect_left(steps, step)
        if steps[at : at + 1] != [step]:
            steps.insert(at, step)

    def find_nodes_with_value(self, stored_value: StoredValueEstimate) -> set[str]:
        """Return the nodes that a call fetches while the call has the stored value. Follows every edge at most once."""
        fetched: set[str] = set()
        remaining: dict[str, _RemainingEdges] = {}
        seen = {(stored_value.node, stored_value.first_carrying_step, stored_value.stored_at_step + 1)}
        left = [*seen]
        while left:
            here, entry, first = left.pop()
            if here not in remaining:
                remaining[here] = _RemainingEdges(self.step_edges.get(here, ()))
            stores = self._store_steps.get((stored_value.name, here), [])
            next_store = bisect.bisect_left(stores, first)
            last = stores[next_store] if next_store < len(stores) else None
            for lead in remaining[here].take_edges(entry, last):
                fetched |= {lead.target_node} if lead.is_fetched else set()
                on = (lead.target_node, lead.target_step, lead.target_step)
                if on not in seen:
                    seen.add(on)
                    left.append(on)
        return fetched

    def find_steps_after(self, steps: Iterable[tuple[str, int]]) -> dict[str, int]:
        """Return the first step of each node that a call may come to after one of these steps."""
        first: dict[str, int] = {}
        left = [(node, step + 1) for node, step in steps]
        while left:
            node, step = left.pop()
            if step >= first.get(node, step + 1):
                continue
            before, first[node] = first.get(node), step
            left += [
                (edge.target_node, edge.target_step)
                for edge in self.step_edges.get(node, ())
                if edge.from_step >= step - 1 and (before is None or edge.from_step < before)
            ]
        return first

    def find_names_used_from(self, nodes: Iterable[str]) -> dict[str, frozenset[str]]:
        """Return the names used by each node or by any node reachable from there."""
        names_of_group: list[frozenset[str]] = []
        group_of_node: dict[str, int] = {}
        for group in _find_connected_groups(self.edges):
            names = {name for node in group for name in self.used_names.get(node, ())}
            after = {group_of_node[other] for node in group for other in self.edges.get(node, ()) if other in group_of_node}
            # One object for equal sets keeps a long chain of nodes small.
            whole = names.union(*(names_of_group[index] for index in after))
            same = next((names_of_group[index] for index in after if len(names_of_group[index]) == len(whole)), None)
            group_of_node.update(dict.fromkeys(group, len(names_of_group)))
            names_of_group.append(frozenset(whole) if same is None else same)
        return {
            node: names_of_group[group_of_node[node]] if node in group_of_node else frozenset(self.used_names.get(node, ()))
            for node in nodes
        }

    def select_stored_values(self, used_names: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the stored values among used names: the used fields by name.

        No fields means the whole value.
        """
        names: dict[str, set[str]] = {}
        whole = set()
        for name in used_names:
            root, _, rest = name.partition(".")
            if root in self._stored_names:
                names.setdefault(root, set()).add(rest)
                whole |= set() if rest else {root}
        return {name: () if name in whole else tuple(sorted(fields)) for name, fields in sorted(names.items())}

    def find_unreachable_nodes(self, *starts: str) -> list[str]:
        """Return the nodes to which nothing leads from any of these nodes."""
        reached = {*starts}.union(*(_find_reachable_nodes(self.edges, start) for start in starts))
        return [node for node in [*self.edges] if node not in reached]

    def find_silent_loops(self) -> list[str]:
        """Return the nodes in loops without audio and without waiting."""
        return _find_nodes_in_loops(self.silent_edges)

    def find_nonwaiting_loops(self) -> list[str]:
        """Return the nodes in loops without waiting."""
        return _find_nodes_in_loops(self.nonwaiting_edges)


class _RemainingEdges:
    """The edges of a node in the order of their steps, each of which is taken once."""

    def __init__(self, edges: Iterable[StepEdge]) -> None:
        self._edges = sorted(edges)
        self._next = [*range(len(self._edges) + 1)]
        """By index: an index from which on the next remaining edge is found."""

    def take_edges(self, first_step: int, last_step: int | None) -> Iterator[StepEdge]:
        """Yield the remaining edges from ``first_step`` to ``last_step`` (None: to the end)."""
        at = self._find_remaining(bisect.bisect_left(self._edges, first_step, key=lambda edge: edge.from_step))
        while at < len(self._edges) and (last_step is None or self._edges[at].from_step <= last_step):
            yield self._edges[at]
            self._next[at] = at + 1
            at = self._find_remaining(at)

    def _find_remaining(self, index: int) -> int:
        root = index
        while self._next[root] != root:
            root = self._next[root]
        while self._next[index] != root:
            self._next[index], index = root, self._next[index]
        return root


def _make_node_sets(names: Iterable[str]) -> dict[str, set[str]]:
    return collections.defaultdict(set, {name: set() for name in names})


def _find_reachable_nodes(edges: Mapping[str, set[str]], node: str) -> set[str]:
    """Return the nodes reachable over one or more edges."""
    reached: set[str] = set()
    left = [node]
    while left:
        new = edges[left.pop()] - reached
        reached |= new
        left += new
    return reached


def _find_nodes_in_loops(edges: Mapping[str, set[str]]) -> list[str]:
    """Return the nodes that lead round to themselves, in the order of the file."""
    groups = _find_connected_groups(edges)
    looped = {node for group in groups for node in group if len(group) > 1 or node in edges.get(node, ())}
    return [node for node in [*edges] if node in looped]


def _find_connected_groups(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of nodes that reach each other, each after all groups that it leads to (Tarjan's algorithm).

    Works without recursion, because a chain of nodes may be long.
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    groups: list[list[str]] = []
    stack: list[str] = []
    on_stack: set[str] = set()
    for start in [*edges]:
        work = [(start, iter(sorted(edges.get(start, ()))))] if start not in index else []
        if work:
            index[start] = low[start] = len(index)
            stack.append(start)
            on_stack.add(start)
        while work:
            node, targets = work[-1]
            target = next(targets, None)
            if target is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    group = [stack.pop()]
                    while group[-1] != node:
                        group.append(stack.pop())
                    on_stack.difference_update(group)
                    groups.append(group)
            elif target not in index:
                index[target] = low[target] = len(index)
                stack.append(target)
                on_stack.add(target)
                work.append((target, iter(sorted(edges.get(target, ())))))
            elif target in on_stack:
                low[node] = min(low[node], index[target])
    return groups


def find_request_fields(used_names: Iterable[str]) -> set[str]:
    """Return the request fields that used names need."""
    return {field for name in used_names for field in _fields_of_name(name)}


def _fields_of_name(name: str) -> Iterable[str]:
    """Return the request fields for a name. A name used as a whole needs the request fields of all parts."""
    if name in REQUEST_FIELDS_BY_NAME:
        return [REQUEST_FIELDS_BY_NAME[name]]
    return [field for known, field in REQUEST_FIELDS_BY_NAME.items() if known.startswith(f"{name}.")]
