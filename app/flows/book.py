"""Which flow answers which number, and how a node answers a turn. A book never changes: it is swapped whole.

A node is a function of a Turn. What it writes was made when the flow was loaded, as pieces: texts that never change, holes
that
are filled for each call, and choices between runs of pieces.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, NamedTuple

from app.errors import FlowError, LanguageError, Problem
from app.flows.pieces import EPILOGUE, PROLOGUE, prepared, run
from app.language.markup import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from zoneinfo import ZoneInfo

    from app.calls import Turn
    from app.flows.pieces import Piece
    from app.language.rows import Dialect

REST: Final = "rest"
"""Claims every number that nobody else claims."""
START: Final = "start"
"""The node with which every flow begins."""


class Entry(NamedTuple):
    """Where a node is entered: at a step, at an attempt of its menu, with the line answered or not, with digits given."""

    step: int = 0
    attempt: int = 0
    answered: bool = False
    given: bool = False


FIRST: Final = Entry()


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """A number that a flow answers: E.164, a prefix (``+1201*``) or ``rest``; with the place where it says so."""

    number: str
    file: str
    line: int
    column: int


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """A flow, ready to answer. ``documents`` has what stands in the Response for each node's entries."""

    name: str
    file: str
    version: str
    dialect: Dialect
    zone: ZoneInfo | None
    claims: tuple[Claim, ...]
    documents: Mapping[str, Mapping[Entry, tuple[Piece, ...]]]
    fallback: bytes
    problems: tuple[Problem, ...] = ()
    """Why a flow is broken; such a one answers with its fallback only."""
    sight: Callable[[str, Turn], object] | None = None
    """Gives what the flow knows beside a call: its hours, lists and variables."""
    hours: tuple[str, ...] = ()
    """The names of its opening hours."""
    counts: bool = False
    """Whether it asks how often somebody called today."""
    _ready: dict[tuple[str, Entry], tuple[Piece, ...]] = dataclasses.field(default_factory=dict, repr=False)

    def answer(self, node: str, turn: Turn, entry: Entry = FIRST) -> bytes:
        """The document of a node for a turn; an entry that this version lacks is the node's start.

        Raises Pending where something must be looked up first, KeyError where there is no such node, and whatever a text
        or a condition raises.
        """
        pieces = self._ready.get((node, entry)) or self._prepare(node, entry)
        turn.zone, turn.sight = self.zone, self.sight
        out: list[str] = []
        run(pieces, turn, out)
        document = f"{PROLOGUE}{''.join(out)}{EPILOGUE}".encode()
        if len(document) > MAX_BYTES:
            raise LanguageError(f"the document has {len(document)} bytes, more than {MAX_BYTES}")
        return document

    def _prepare(self, node: str, entry: Entry) -> tuple[Piece, ...]:
        """A document's pieces, prepared when it is first asked for: most of a flow's are never."""
        if self.problems:
            raise FlowError(self.problems)
        entries = self.documents[node]
        pieces = entries[entry] if entry in entries else entries[Entry(answered=entry.answered)]
        self._ready[node, entry] = ready = prepared(pieces)
        return ready


class FlowBook:
    """All flows of an installation. Look-up takes the same time for a thousand numbers and a million."""

    __slots__ = ("_exact", "_lengths", "_prefixes", "_rest", "flows")

    def __init__(self, flows: Iterable[Flow] = ()) -> None:
        """Flows whose claims do not clash; of those that do (see ``clashes``), the first has the number."""
        self.flows: Mapping[str, Flow] = {flow.name: flow for flow in flows}
        self._exact: dict[str, Flow] = {}
        self._prefixes: dict[str, Flow] = {}
        self._rest: Flow | None = None
        for flow in self.flows.values():
            for claim in flow.claims:
                self._claim(claim.number, flow)
        self._lengths = sorted({len(prefix) for prefix in self._prefixes}, reverse=True)

    def _claim(self, number: str, flow: Flow) -> None:
        if number == REST:
            self._rest = self._rest or flow
        elif number.endswith("*"):
            self._prefixes.setdefault(number[:-1], flow)
        else:
            self._exact.setdefault(number, flow)

    def answering(self, number: str) -> Flow | None:
        """The flow that answers a number (E.164): exact beats the longest prefix beats ``rest``."""
        flow = self._exact.get(number)
        if flow is not None:
            return flow
        for length in self._lengths:
            flow = self._prefixes.get(number[:length])
            if flow is not None:
                return flow
        return self._rest


def clashes(claims: Iterable[Claim]) -> list[Problem]:
    """Numbers that are claimed twice, in one file or in two."""
    first: dict[str, Claim] = {}
    problems = []
    for claim in claims:
        other = first.setdefault(claim.number, claim)
        if other is not claim:
            where = f"{other.file}:{other.line}:{other.column}"
            problems.append(
                Problem(
                    claim.file,
                    claim.line,
                    claim.column,
                    "error",
                    "number-claimed-twice",
                    f"numbers: {claim.number} is claimed already, at {where}",
                    "a number has one flow: take one of the two out",
                )
            )
    return problems
