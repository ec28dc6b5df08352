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
from app.language import Answer, Hangup, Response, Say, to_xml
from app.language.markup import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from zoneinfo import ZoneInfo

    from app.calls import Turn
    from app.flows.messages.rules import Messages
    from app.flows.missed import Missed
    from app.flows.pieces import Piece
    from app.language.rows import Dialect
    from app.spots import Spot

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
    """A number in a flow file, with its place: that it answers (E.164, ``+1201*`` or ``rest``), or that it rings."""

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
    outside: bool = False
    """Whether it asks or tells other servers."""
    apart: bool = False
    """Whether something of it is worked out by workers."""
    dials: tuple[Claim, ...] = ()
    """The numbers that its author wrote out to be rung or written to, with their places."""
    counts: bool = False
    """Whether it asks how often somebody called today."""
    messages: Messages | None = None
    """What it does with texts that come in; a program and a broken flow have no rules."""
    missed: Missed | None = None
    """What it does when a call has ended that nobody took."""
    spots: tuple[Spot, ...] = ()
    """All that calls can come by, where its documents are made for rehearsals."""
    beside: Mapping[tuple[str, int, str, object], Spot] = dataclasses.field(default_factory=dict)
    """Those of the spots that the trail tells: node, step, word and outcome of what is decided about texts and ends."""
    timed: bool = False
    """Whether it asks what time it is."""
    _ready: dict[tuple[str, Entry], tuple[Piece, ...]] = dataclasses.field(default_factory=dict, repr=False)

    def answer(self, node: str, turn: Turn, entry: Entry = FIRST) -> bytes:
        """The document of a node for a turn; an entry that this version lacks is the node's start.

        Raises Pending where something must be looked up first, KeyError where there is no such node, and whatever a text
        or a condition raises.
        """
        pieces = self._ready.get((node, entry)) or self._prepare(node, entry)
        turn.zone, turn.sight = self.zone, self.sight
        out = [PROLOGUE]
        run(pieces, turn, out)
        out.append(EPILOGUE)
        document = "".join(out).encode()
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


def apology_of(text: str, dialect: Dialect) -> bytes:
    """The document that says a sentence and hangs up."""
    answer = [Answer()] if dialect == "reference" else []
    return to_xml(Response(*answer, Say(text), Hangup()), dialect)


class FlowBook:
    """All flows of an installation. Look-up takes the same time for a thousand numbers and a million.

    Of flows that claim the same number, the one that claimed it first has it; a broken flow gives way to one that is right.
    """

    __slots__ = ("_contested", "_exact", "_lengths", "_prefixes", "_rest", "flows")

    def __init__(self, flows: Iterable[Flow] = ()) -> None:
        self.flows: Mapping[str, Flow] = {}
        self._exact: dict[str, Flow] = {}
        self._prefixes: dict[str, Flow] = {}
        self._lengths: list[int] = []
        self._rest: Flow | None = None
        self._contested: dict[str, tuple[Flow, ...]] = {}
        self._change({flow.name: flow for flow in flows})

    def changed(self, flows: Mapping[str, Flow | None]) -> FlowBook:
        """A book with other flows under these names (None: with none); what stays is copied whole, not gone through."""
        book = FlowBook()
        book.flows, book._rest, book._contested = self.flows, self._rest, self._contested.copy()
        book._exact, book._prefixes = self._exact.copy(), self._prefixes.copy()
        book._change(flows)
        return book

    def _change(self, flows: Mapping[str, Flow | None]) -> None:
        """First all give up what they claim no more, then all claim what is new: numbers may go from one to the other."""
        more: list[tuple[Flow, set[str]]] = []
        for name, new in flows.items():
            old = self.flows.get(name)
            before, after = (_numbers(flow) for flow in (old, new))
            for number in before:
                kept = [new] if new is not None and number in after else []
                self._hold(number, [flow for held in self.claimants(number) for flow in (kept if held is old else [held])])
            if new is not None:
                more.append((new, after - before if before else after))
        for flow, numbers in more:
            for number in numbers:
                self._hold(number, [*self.claimants(number), flow])
        self.flows = {name: flow for name, flow in {**self.flows, **flows}.items() if flow is not None}
        self._lengths = sorted({len(prefix) for prefix in self._prefixes}, reverse=True)

    def _hold(self, number: str, claimants: list[Flow]) -> None:
        """Give a number to the first of these, as far as none is better."""
        if len(claimants) > 1:
            claimants.sort(key=lambda flow: bool(flow.problems))
            self._contested[number] = tuple(claimants)
        else:
            self._contested.pop(number, None)
        holder = claimants[0] if claimants else None
        if number == REST:
            self._rest = holder
            return
        held, key = (self._prefixes, number[:-1]) if number[-1] == "*" else (self._exact, number)
        if holder is None:
            del held[key]
        else:
            held[key] = holder

    def claimants(self, number: str) -> tuple[Flow, ...]:
        """The flows that claim a number (or ``+1201*``, or ``rest``) in these words; the first has it."""
        several = self._contested.get(number)
        if several is not None:
            return several
        if number == REST:
            holder = self._rest
        else:
            holder = self._prefixes.get(number[:-1]) if number[-1] == "*" else self._exact.get(number)
        return () if holder is None else (holder,)

    def answering(self, number: str) -> Flow | None:
        """The flow that answers a number (E.164): exact beats the longest prefix beats ``rest``."""
        return self.claiming(number) or self._rest

    def claiming(self, number: str) -> Flow | None:
        """The flow that claims a number (E.164) itself, or by a prefix."""
        flow = self._exact.get(number)
        if flow is not None:
            return flow
        for length in self._lengths:
            flow = self._prefixes.get(number[:length])
            if flow is not None:
                return flow
        return None

    def owns(self, number: str) -> bool:
        """Whether a flow claims this very number (E.164); what only begins as a prefix may be anybody's."""
        return number in self._exact

    def clashes(self) -> list[Problem]:
        """What is wrong with numbers that several flows claim: each but the one that has it is told so."""
        places: dict[str, dict[str, Claim]] = {}
        for flow in {id(flow): flow for several in self._contested.values() for flow in several}.values():
            places[flow.name] = {claim.number: claim for claim in reversed(flow.claims)}
        return [
            clash(places[flow.name][number], places[first.name][number])
            for number, (first, *others) in self._contested.items()
            for flow in others
        ]


def _numbers(flow: Flow | None) -> set[str]:
    return set() if flow is None else {claim.number for claim in flow.claims}


def clashes(claims: Iterable[Claim]) -> list[Problem]:
    """Numbers that are claimed twice, in one file or in two."""
    first: dict[str, Claim] = {}
    return [clash(claim, other) for claim in claims if (other := first.setdefault(claim.number, claim)) is not claim]


def clash(claim: Claim, other: Claim) -> Problem:
    """A number that is claimed already."""
    said = f"numbers: {claim.number} is claimed already, at {other.file}:{other.line}:{other.column}"
    mend = "a number has one flow: take one of the two out"
    return Problem(claim.file, claim.line, claim.column, "error", "number-claimed-twice", said, mend)
