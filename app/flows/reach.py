"""Where the nodes of a flow lead and what they look at, noted while they are compiled."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.flows.links import Known
    from app.flows.places import Path

CARRIED: Final = {
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


class Lead(NamedTuple):
    """At a node's step the call may go on at another step; in a document of its own where it is ``fetched``."""

    at: int
    node: str
    step: int
    fetched: bool


class Reach:
    """By node: ``uses`` are the names it looks at, ``edges`` the nodes it leads to.

    ``silent`` are those to which it leads while nothing is said, ``unasked`` while nobody is waited for.
    """

    def __init__(self, nodes: Iterable[str], kept: frozenset[str]) -> None:
        """``kept`` are the names of what is set, collected or looked up."""
        names = [*nodes]
        self._kept = kept
        self.uses: Mapping[str, set[str]] = _sets(names)
        self.edges: Mapping[str, set[str]] = _sets(names)
        self.silent: Mapping[str, set[str]] = _sets(names)
        self.unasked: Mapping[str, set[str]] = _sets(names)
        self.lost = False
        """Whether it is not known of all that leads on where it leads."""
        self.leads: Mapping[str, set[Lead]] = collections.defaultdict(set)
        """By node, where it leads from which of its steps."""
        self.kept_at: Mapping[str, set[tuple[str, int]]] = collections.defaultdict(set)
        """By name, the nodes and steps at which it gets another value, whichever way the call goes."""
        self.chosen: dict[Path, str] = {}
        """The nodes to which keys of menus lead, by where that is written."""
        self.time_asked: Path | None = None
        """Where the time is asked for first."""
        self.attestation_asked: Path | None = None
        """Where the caller's attestation is asked for first."""

    def look(self, node: str, names: Iterable[str], path: Path) -> None:
        """Note what a node looks at; no node is what stands around them."""
        asked = {*names}
        if self.time_asked is None and any(name.partition(".")[0] in ("now", "hours") for name in asked):
            self.time_asked = path
        if self.attestation_asked is None and "call.attestation" in asked:
            self.attestation_asked = path
        if node:
            self.uses[node].update(asked)

    def lead(self, node: str, lead: Lead) -> None:
        """Note where a node leads."""
        self.edges[node].add(lead.node)
        self.leads[node].add(lead)

    def after(self, known: Known) -> set[str]:
        """The nodes that are fetched by a call that has got a value, while it has that value."""
        fetched: set[str] = set()
        seen = {(known.node, known.step, known.at + 1)}
        left = [*seen]
        while left:
            here, entry, first = left.pop()
            ends = min((at for node, at in self.kept_at[known.name] if node == here and at >= first), default=None)
            for lead in self.leads[here]:
                if lead.at < entry or (ends is not None and lead.at > ends):
                    continue
                fetched |= {lead.node} if lead.fetched else set()
                on = (lead.node, lead.step, lead.step)
                if on not in seen:
                    seen.add(on)
                    left.append(on)
        return fetched

    def _looked_at(self, node: str) -> set[str]:
        """The names that a node, and all that it leads to, may look at."""
        return {name for other in (node, *_reached(self.edges, node)) for name in self.uses[other]}

    def carried(self, node: str) -> tuple[str, ...]:
        """The fields of the request that a node, and all that it leads to, may look at."""
        return tuple(sorted({field for name in self._looked_at(node) for field in _fields(name)}))

    def kept(self, node: str) -> dict[str, tuple[str, ...]]:
        """What was set that a node, and all that it leads to, may look at: by name its fields, none where it is all."""
        names: dict[str, set[str]] = {}
        whole = set()
        for name in self._looked_at(node):
            root, _, rest = name.partition(".")
            if root in self._kept:
                names.setdefault(root, set()).add(rest)
                whole |= set() if rest else {root}
        return {name: () if name in whole else tuple(sorted(fields)) for name, fields in sorted(names.items())}

    def unreached(self, start: str) -> list[str]:
        """The nodes that nothing leads to."""
        reached = {start, *_reached(self.edges, start)}
        return [node for node in [*self.edges] if node not in reached]

    def silent_loops(self) -> list[str]:
        """The nodes that lead round to themselves while nothing is said and nobody is waited for."""
        return [node for node in [*self.silent] if node in _reached(self.silent, node)]

    def unasked_loops(self) -> list[str]:
        """The nodes that lead round to themselves while nobody is waited for."""
        return [node for node in [*self.unasked] if node in _reached(self.unasked, node)]


def _sets(names: Iterable[str]) -> dict[str, set[str]]:
    return collections.defaultdict(set, {name: set() for name in names})


def _reached(edges: Mapping[str, set[str]], node: str) -> set[str]:
    """Where a node leads, by one step or more."""
    reached: set[str] = set()
    left = [node]
    while left:
        new = edges[left.pop()] - reached
        reached |= new
        left += new
    return reached


def _fields(name: str) -> Iterable[str]:
    """The fields to carry for a name that is looked at: those of all its fields, where it is looked at as a whole."""
    if name in CARRIED:
        return [CARRIED[name]]
    return [field for known, field in CARRIED.items() if known.startswith(f"{name}.")]
