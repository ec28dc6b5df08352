"""Undocumented."""

from __future__ import annotations

import dataclasses
from typing import Final, NamedTuple

UNCLAIMED_NUMBERS: Final = "rest"
"""Claims every number that nobody else claims."""


START_NODE: Final = "start"
"""The node with which every flow begins."""


class NodeEntry(NamedTuple):
    """Where a node is entered: at a step, at an attempt of its menu, with the line answered or not, with digits given."""

    step: int = 0
    attempt: int = 0
    line_answered: bool = False
    has_digits: bool = False


FIRST_ENTRY: Final = NodeEntry()


@dataclasses.dataclass(frozen=True, slots=True)
class NumberClaim:
    """A number in a flow file, with its place: that it answers (E.164, ``+1201*`` or ``rest``), or that it rings."""

    number: str
    file: str
    line: int
    column: int
