"""Where the nodes of a flow lead and what they look at, noted while they are compiled."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from callflows.flows.compiler.ticket_links import StoredValueEstimate
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
"""What a later request may not tell again, by the names that look at it."""


class StepEdge(NamedTuple):
    """At a node's step the call may go on at another step; in a document of its own where it is ``fetched``."""

    from_step: int
    target_node: str
    target_step: int
    is_fetched: bool


class FlowGraph:
    """By node: ``uses`` are the names it looks at, ``edges`` the nodes it leads to.

    ``silent`` are those to which it leads while nothing is said, ``unasked`` while nobody is waited for.
    """

    def __init__(self, nodes: Iterable[str], stored_names: frozenset[str]) -> None:
        """``kept`` are the names of what is set, collected or looked up."""
        names = [*nodes]
        self._stored_names = stored_names
        self.used_names: Mapping[str, set[str]] = _make_node_sets(names)
        self.edges: Mapping[str, set[str]] = _make_node_sets(names)
        self.silent_edges: Mapping[str, set[str]] = _make_node_sets(names)
        self.nonwaiting_edges: Mapping[str, set[str]] = _make_node_sets(names)
        self.is_incomplete = False
        """Whether it is not known of all that leads on where it leads."""
        self.step_edges: Mapping[str, set[StepEdge]] = collections.defaultdict(set)
        """By node, where it leads from which of its steps."""
        self.store_steps: Mapping[str, set[tuple[str, int]]] = collections.defaultdict(set)
        """By name, the nodes and steps at which it gets another value, whichever way the call goes."""
        self.menu_targets: dict[SourcePath, str] = {}
        """The nodes to which keys of menus lead, by where that is written."""
        self.first_time_use: SourcePath | None = None
        """Where the time is asked for first."""
        self.first_attestation_use: SourcePath | None = None
        """Where the caller's attestation is asked for first."""

    def record_used_names(self, node: str, names: Iterable[str], path: SourcePath) -> None:
        """Note what a node looks at; no node is what stands around them."""
        asked = {*names}
        if self.first_time_use is None and any(name.partition(".")[0] in ("now", "hours") for name in asked):
            self.first_time_use = path
        if self.first_attestation_use is None and "call.attestation" in asked:
            self.first_attestation_use = path
        if node:
            self.used_names[node].update(asked)

    def add_edge(self, node: str, edge: StepEdge) -> None:
        """Note where a node leads."""
        self.edges[node].add(edge.target_node)
        self.step_edges[node].add(edge)

    def find_nodes_with_value(self, stored_value: StoredValueEstimate) -> set[str]:
        """The nodes that are fetched by a call that has got a value, while it has that value."""
        fetched: set[str] = set()
        seen = {(stored_value.node, stored_value.first_carrying_step, stored_value.stored_at_step + 1)}
        left = [*seen]
        while left:
            here, entry, first = left.pop()
            ends = min(
                (at for node, at in self.store_steps[stored_value.name] if node == here and at >= first), default=None
            )
            for lead in self.step_edges[here]:
                if lead.from_step < entry or (ends is not None and lead.from_step > ends):
                    continue
                fetched |= {lead.target_node} if lead.is_fetched else set()
                on = (lead.target_node, lead.target_step, lead.target_step)
                if on not in seen:
                    seen.add(on)
                    left.append(on)
        return fetched

    def _find_names_used_from(self, node: str) -> set[str]:
        """The names that a node, and all that it leads to, may look at."""
        return {name for other in (node, *_find_reachable_nodes(self.edges, node)) for name in self.used_names[other]}

    def find_carried_fields(self, node: str) -> tuple[str, ...]:
        """The fields of the request that a node, and all that it leads to, may look at."""
        return tuple(sorted({field for name in self._find_names_used_from(node) for field in _fields_of_name(name)}))

    def find_carried_values(self, node: str) -> dict[str, tuple[str, ...]]:
        """What was set that a node, and all that it leads to, may look at: by name its fields, none where it is all."""
        names: dict[str, set[str]] = {}
        whole = set()
        for name in self._find_names_used_from(node):
            root, _, rest = name.partition(".")
            if root in self._stored_names:
                names.setdefault(root, set()).add(rest)
                whole |= set() if rest else {root}
        return {name: () if name in whole else tuple(sorted(fields)) for name, fields in sorted(names.items())}

    def find_unreachable_nodes(self, start: str) -> list[str]:
        """The nodes that nothing leads to."""
        reached = {start, *_find_reachable_nodes(self.edges, start)}
        return [node for node in [*self.edges] if node not in reached]

    def find_silent_loops(self) -> list[str]:
        """The nodes that lead round to themselves while nothing is said and nobody is waited for."""
        return [node for node in [*self.silent_edges] if node in _find_reachable_nodes(self.silent_edges, node)]

    def find_nonwaiting_loops(self) -> list[str]:
        """The nodes that lead round to themselves while nobody is waited for."""
        return [node for node in [*self.nonwaiting_edges] if node in _find_reachable_nodes(self.nonwaiting_edges, node)]


def _make_node_sets(names: Iterable[str]) -> dict[str, set[str]]:
    return collections.defaultdict(set, {name: set() for name in names})


def _find_reachable_nodes(edges: Mapping[str, set[str]], node: str) -> set[str]:
    """Where a node leads, by one step or more."""
    reached: set[str] = set()
    left = [node]
    while left:
        new = edges[left.pop()] - reached
        reached |= new
        left += new
    return reached


def _fields_of_name(name: str) -> Iterable[str]:
    """The fields to carry for a name that is looked at: those of all its fields, where it is looked at as a whole."""
    if name in REQUEST_FIELDS_BY_NAME:
        return [REQUEST_FIELDS_BY_NAME[name]]
    return [field for known, field in REQUEST_FIELDS_BY_NAME.items() if known.startswith(f"{name}.")]
