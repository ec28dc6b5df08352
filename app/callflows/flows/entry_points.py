"""Entry points of flows: the start node, the entries of a node, and the numbers in a flow file."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from callflows.flows.source.positions import SourcePath


UNCLAIMED_NUMBERS: Final = "rest"
"""Claims every number that no other flow claims."""
FLOW_SUFFIXES: Final = (".yaml", ".yml", ".py")
"""Endings of flow files."""
START_NODE: Final = "start"
"""The node with which every flow begins."""
BRANCH_NAME_SEPARATOR: Final = "."
"""Stands in the name of a branch that became a node, between the name of its node and a number."""
ENDED_NODE: Final = "ended:"
"""Node name of the steps after a call in the decision trail. The colon prevents a clash with real nodes."""


def find_root_node(node: str) -> str:
    """Return the node of the flow file in which a node stands: ``menu`` for its branch ``menu.2``, else the node itself."""
    return node.partition(BRANCH_NAME_SEPARATOR)[0]


class NodeEntry(NamedTuple):
    """Entry of a node: step index, attempt of a menu, line answered or not, digits received or not."""

    step: int = 0
    attempt: int = 0
    line_answered: bool = False
    has_digits: bool = False


FIRST_ENTRY: Final = NodeEntry()


@dataclasses.dataclass(frozen=True, slots=True)
class NumberClaim:
    """A number in a flow file with its position.

    The flow answers the number (E.164, ``+1201*`` or ``rest``), or rings or writes to the number.
    """

    number: str
    file: str
    line: int
    column: int


class SilentWay(NamedTuple):
    """A way from a node to another (``other-flow/node`` in another flow) without a word, with the node's position."""

    node: str
    target: str
    file: str
    line: int
    column: int


class SilentEnd(NamedTuple):
    """A step after which a call may end without a word, with the message and the fix of the warning."""

    path: SourcePath
    message: str
    fix: str


class SilentArrival(NamedTuple):
    """The beginning of a document. The silence of the ways that lead there goes on until the caller hears something."""

    node: str
    entry: NodeEntry


Silence: TypeAlias = SilentEnd | SilentArrival
"""A point after which the caller has heard nothing yet."""


def hash_flow_version(*parts: object) -> str:
    """Return the version of a flow made of these parts: its file, and whatever else changes its documents."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part if isinstance(part, bytes) else repr(part).encode())
    return whole.hexdigest()[:12]
