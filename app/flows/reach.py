"""Where the nodes of a flow lead and what they look at, noted while they are compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CARRIED: Final = {
    "caller.number": "from",
    "caller.national": "from",
    "caller.anonymous": "from",
    "caller.region": "from",
    "caller.name": "name",
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


class Reach:
    """By node: ``uses`` are the names it looks at, ``edges`` the nodes it leads to, ``silent`` those it does in silence."""

    def __init__(self, nodes: Iterable[str]) -> None:
        names = [*nodes]
        self.uses: Mapping[str, set[str]] = {node: set() for node in names}
        self.edges: Mapping[str, set[str]] = {node: set() for node in names}
        self.silent: Mapping[str, set[str]] = {node: set() for node in names}

    def carried(self, node: str) -> tuple[str, ...]:
        """The fields of the request that a node, and all that it leads to, may look at."""
        names = {name for other in (node, *_reached(self.edges, node)) for name in self.uses[other]}
        return tuple(sorted({field for name in names for field in _fields(name)}))

    def unreached(self, start: str) -> list[str]:
        """The nodes that nothing leads to."""
        reached = {start, *_reached(self.edges, start)}
        return [node for node in self.edges if node not in reached]

    def silent_loops(self) -> list[str]:
        """The nodes that lead round to themselves while nothing is said and nobody is waited for."""
        return [node for node in self.silent if node in _reached(self.silent, node)]


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
