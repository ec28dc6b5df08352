"""The graph of a flow: the edges between nodes and the names used by nodes, recorded during compilation."""

from __future__ import annotations

import collections
import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
        self.is_incomplete = False
        """True if the target of some edge is unknown."""
        self.step_edges: Mapping[str, set[StepEdge]] = collections.defaultdict(set)
        """Edges between steps, by node."""
        self.store_steps: Mapping[str, set[tuple[str, int]]] = collections.defaultdict(set)
        """Nodes and steps that replace a value on every path, by name."""
        self.menu_targets: dict[SourcePath, str] = {}
        """Target nodes of menu keys, by the key's path."""
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

    def add_edge(self, node: str, edge: StepEdge) -> None:
        self.edges[node].add(edge.target_node)
        self.step_edges[node].add(edge)

    def find_nodes_with_value(self, stored_value: StoredValueEstimate) -> set[str]:
        """Return the nodes that a call fetches while the call has the stored value."""
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
        """Return the names used by a node or by any node reachable from there."""
        return {name for other in (node, *_find_reachable_nodes(self.edges, node)) for name in self.used_names[other]}

    def find_carried_fields(self, node: str) -> tuple[str, ...]:
        """Return the request fields used by a node or by any reachable node."""
        return tuple(sorted({field for name in self._find_names_used_from(node) for field in _fields_of_name(name)}))

    def find_carried_values(self, node: str) -> dict[str, tuple[str, ...]]:
        """Return the stored values used by a node or by any reachable node: the used fields by name.

        No fields means the whole value.
        """
        names: dict[str, set[str]] = {}
        whole = set()
        for name in self._find_names_used_from(node):
            root, _, rest = name.partition(".")
            if root in self._stored_names:
                names.setdefault(root, set()).add(rest)
                whole |= set() if rest else {root}
        return {name: () if name in whole else tuple(sorted(fields)) for name, fields in sorted(names.items())}

    def find_unreachable_nodes(self, start: str) -> list[str]:
        reached = {start, *_find_reachable_nodes(self.edges, start)}
        return [node for node in [*self.edges] if node not in reached]

    def find_silent_loops(self) -> list[str]:
        """Return the nodes in loops without audio and without waiting."""
        return [node for node in [*self.silent_edges] if node in _find_reachable_nodes(self.silent_edges, node)]

    def find_nonwaiting_loops(self) -> list[str]:
        """Return the nodes in loops without waiting."""
        return [node for node in [*self.nonwaiting_edges] if node in _find_reachable_nodes(self.nonwaiting_edges, node)]


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


def _fields_of_name(name: str) -> Iterable[str]:
    """Return the request fields for a name. A name used as a whole needs the request fields of all parts."""
    if name in REQUEST_FIELDS_BY_NAME:
        return [REQUEST_FIELDS_BY_NAME[name]]
    return [field for known, field in REQUEST_FIELDS_BY_NAME.items() if known.startswith(f"{name}.")]
