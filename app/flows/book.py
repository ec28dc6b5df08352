"""Which flow answers which number, and how a node answers a turn. A book never changes: it is swapped whole.

A node is a function of a Turn. What it writes was made when the flow was loaded, as pieces: texts that never change, holes
that
are filled for each call, and choices between runs of pieces.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, NamedTuple

from app.errors import FlowFileError, LanguageError, Problem
from app.flows.pieces import DOCUMENT_EPILOGUE, DOCUMENT_PROLOGUE, prepare_fragments, render_fragments
from app.language import Answer, Hangup, Response, Say, to_xml
from app.language.markup import MAX_DOCUMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from zoneinfo import ZoneInfo

    from app.calls import Turn
    from app.flows.messages.rules import MessageRules
    from app.flows.missed import MissedCallSteps
    from app.flows.pieces import Fragment
    from app.language.rows import Dialect
    from app.spots import CoveragePoint

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


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """A flow, ready to answer. ``documents`` has what stands in the Response for each node's entries."""

    name: str
    file: str
    version: str
    dialect: Dialect
    zone: ZoneInfo | None
    claims: tuple[NumberClaim, ...]
    documents: Mapping[str, Mapping[NodeEntry, tuple[Fragment, ...]]]
    fallback: bytes
    problems: tuple[Problem, ...] = ()
    """Why a flow is broken; such a one answers with its fallback only."""
    resolve: Callable[[str, Turn], object] | None = None
    """Gives what the flow knows beside a call: its hours, lists and variables."""
    hours_names: tuple[str, ...] = ()
    """The names of its opening hours."""
    uses_network: bool = False
    """Whether it asks or tells other servers."""
    needs_worker: bool = False
    """Whether something of it is worked out by workers."""
    literal_targets: tuple[NumberClaim, ...] = ()
    """The numbers that its author wrote out to be rung or written to, with their places."""
    uses_calls_today: bool = False
    """Whether it asks how often somebody called today."""
    message_rules: MessageRules | None = None
    """What it does with texts that come in; a program and a broken flow have no rules."""
    missed_calls: MissedCallSteps | None = None
    """What it does when a call has ended that nobody took."""
    coverage_points: tuple[CoveragePoint, ...] = ()
    """All that calls can come by, where its documents are made for rehearsals."""
    decision_points: Mapping[tuple[str, int, str, object], CoveragePoint] = dataclasses.field(default_factory=dict)
    """Those of the spots that the trail tells: node, step, word and outcome of what is decided about texts and ends."""
    uses_current_time: bool = False
    """Whether it asks what time it is."""
    _prepared_fragments: dict[tuple[str, NodeEntry], tuple[Fragment, ...]] = dataclasses.field(
        default_factory=dict, repr=False
    )

    def answer(self, node: str, turn: Turn, entry: NodeEntry = FIRST_ENTRY) -> bytes:
        """The document of a node for a turn; an entry that this version lacks is the node's start.

        Raises Pending where something must be looked up first, KeyError where there is no such node, and whatever a text
        or a condition raises.
        """
        pieces = self._prepared_fragments.get((node, entry)) or self._prepare_fragments(node, entry)
        turn.zone, turn.resolve = self.zone, self.resolve
        out = [DOCUMENT_PROLOGUE]
        render_fragments(pieces, turn, out)
        out.append(DOCUMENT_EPILOGUE)
        document = "".join(out).encode()
        if len(document) > MAX_DOCUMENT_BYTES:
            raise LanguageError(f"the document has {len(document)} bytes, more than {MAX_DOCUMENT_BYTES}")
        return document

    def _prepare_fragments(self, node: str, entry: NodeEntry) -> tuple[Fragment, ...]:
        """A document's pieces, prepared when it is first asked for: most of a flow's are never."""
        if self.problems:
            raise FlowFileError(self.problems)
        entries = self.documents[node]
        pieces = entries[entry] if entry in entries else entries[NodeEntry(line_answered=entry.line_answered)]
        self._prepared_fragments[node, entry] = ready = prepare_fragments(pieces)
        return ready


def render_apology(text: str, dialect: Dialect) -> bytes:
    """The document that says a sentence and hangs up."""
    answer = [Answer()] if dialect == "reference" else []
    return to_xml(Response(*answer, Say(text), Hangup()), dialect)


class FlowBook:
    """All flows of an installation. Look-up takes the same time for a thousand numbers and a million.

    Of flows that claim the same number, the one that claimed it first has it; a broken flow gives way to one that is right.
    """

    __slots__ = ("_contested_numbers", "_flows_by_number", "_flows_by_prefix", "_prefix_lengths", "_rest_flow", "flows")

    def __init__(self, flows: Iterable[Flow] = ()) -> None:
        self.flows: Mapping[str, Flow] = {}
        self._flows_by_number: dict[str, Flow] = {}
        self._flows_by_prefix: dict[str, Flow] = {}
        self._prefix_lengths: list[int] = []
        self._rest_flow: Flow | None = None
        self._contested_numbers: dict[str, tuple[Flow, ...]] = {}
        self._apply_changes({flow.name: flow for flow in flows})

    def with_flows(self, flows: Mapping[str, Flow | None]) -> FlowBook:
        """A book with other flows under these names (None: with none); what stays is copied whole, not gone through."""
        book = FlowBook()
        book.flows, book._rest_flow, book._contested_numbers = self.flows, self._rest_flow, self._contested_numbers.copy()
        book._flows_by_number, book._flows_by_prefix = self._flows_by_number.copy(), self._flows_by_prefix.copy()
        book._apply_changes(flows)
        return book

    def _apply_changes(self, flows: Mapping[str, Flow | None]) -> None:
        """First all give up what they claim no more, then all claim what is new: numbers may go from one to the other."""
        more: list[tuple[Flow, set[str]]] = []
        for name, new in flows.items():
            old = self.flows.get(name)
            before, after = (_claimed_numbers(flow) for flow in (old, new))
            for number in before:
                kept = [new] if new is not None and number in after else []
                self._assign_number(
                    number, [flow for held in self.find_claimants(number) for flow in (kept if held is old else [held])]
                )
            if new is not None:
                more.append((new, after - before if before else after))
        for flow, numbers in more:
            for number in numbers:
                self._assign_number(number, [*self.find_claimants(number), flow])
        self.flows = {name: flow for name, flow in {**self.flows, **flows}.items() if flow is not None}
        self._prefix_lengths = sorted({len(prefix) for prefix in self._flows_by_prefix}, reverse=True)

    def _assign_number(self, number: str, claimants: list[Flow]) -> None:
        """Give a number to the first of these, as far as none is better."""
        if len(claimants) > 1:
            claimants.sort(key=lambda flow: bool(flow.problems))
            self._contested_numbers[number] = tuple(claimants)
        else:
            self._contested_numbers.pop(number, None)
        holder = claimants[0] if claimants else None
        if number == UNCLAIMED_NUMBERS:
            self._rest_flow = holder
            return
        held, key = (self._flows_by_prefix, number[:-1]) if number[-1] == "*" else (self._flows_by_number, number)
        if holder is None:
            del held[key]
        else:
            held[key] = holder

    def find_claimants(self, number: str) -> tuple[Flow, ...]:
        """The flows that claim a number (or ``+1201*``, or ``rest``) in these words; the first has it."""
        several = self._contested_numbers.get(number)
        if several is not None:
            return several
        if number == UNCLAIMED_NUMBERS:
            holder = self._rest_flow
        else:
            holder = self._flows_by_prefix.get(number[:-1]) if number[-1] == "*" else self._flows_by_number.get(number)
        return () if holder is None else (holder,)

    def find_answering_flow(self, number: str) -> Flow | None:
        """The flow that answers a number (E.164): exact beats the longest prefix beats ``rest``."""
        return self.find_claiming_flow(number) or self._rest_flow

    def find_claiming_flow(self, number: str) -> Flow | None:
        """The flow that claims a number (E.164) itself, or by a prefix."""
        flow = self._flows_by_number.get(number)
        if flow is not None:
            return flow
        for length in self._prefix_lengths:
            flow = self._flows_by_prefix.get(number[:length])
            if flow is not None:
                return flow
        return None

    def has_exact_claim(self, number: str) -> bool:
        """Whether a flow claims this very number (E.164); what only begins as a prefix may be anybody's."""
        return number in self._flows_by_number

    def find_conflicts(self) -> list[Problem]:
        """What is wrong with numbers that several flows claim: each but the one that has it is told so."""
        places: dict[str, dict[str, NumberClaim]] = {}
        for flow in {id(flow): flow for several in self._contested_numbers.values() for flow in several}.values():
            places[flow.name] = {claim.number: claim for claim in reversed(flow.claims)}
        return [
            describe_claim_conflict(places[flow.name][number], places[first.name][number])
            for number, (first, *others) in self._contested_numbers.items()
            for flow in others
        ]


def _claimed_numbers(flow: Flow | None) -> set[str]:
    return set() if flow is None else {claim.number for claim in flow.claims}


def find_claim_conflicts(claims: Iterable[NumberClaim]) -> list[Problem]:
    """Numbers that are claimed twice, in one file or in two."""
    first: dict[str, NumberClaim] = {}
    return [
        describe_claim_conflict(claim, other)
        for claim in claims
        if (other := first.setdefault(claim.number, claim)) is not claim
    ]


def describe_claim_conflict(claim: NumberClaim, other: NumberClaim) -> Problem:
    """A number that is claimed already."""
    said = f"numbers: {claim.number} is claimed already, at {other.file}:{other.line}:{other.column}"
    mend = "a number has one flow: take one of the two out"
    return Problem(claim.file, claim.line, claim.column, "error", "number-claimed-twice", said, mend)
