"""Undocumented."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callflows.errors import Problem
from callflows.flows.entry_points import UNCLAIMED_NUMBERS, NumberClaim
from callflows.flows.flow import Flow  # noqa: TC001 - public fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


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
