"""The flow book: maps each number to the flow that answers.

A published book never changes. A reload builds a new book and replaces the whole book.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from callflows.errors import Problem
from callflows.flows.entry_points import UNCLAIMED_NUMBERS, NumberClaim
from callflows.flows.flow import Flow  # noqa: TC001 - public fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class FlowBook:
    """All flows of an installation. A lookup takes the same time for a thousand numbers and for a million.

    If several flows claim one number, the first claim wins. A flow without errors wins over a broken flow.
    """

    __slots__ = (
        "_contested_numbers",
        "_flows_by_number",
        "_flows_by_prefix",
        "_preferred_holders",
        "_prefix_lengths",
        "_rest_flow",
        "flows",
    )

    def __init__(self, flows: Iterable[Flow] = (), preferred_holders: Mapping[str, str] = MappingProxyType({})) -> None:
        """``preferred_holders`` has the flow that wins a contested number, by number; it may change later."""
        self._preferred_holders = preferred_holders
        self.flows: Mapping[str, Flow] = {}
        self._flows_by_number: dict[str, Flow] = {}
        self._flows_by_prefix: dict[str, Flow] = {}
        self._prefix_lengths: list[int] = []
        self._rest_flow: Flow | None = None
        self._contested_numbers: dict[str, tuple[Flow, ...]] = {}
        self._apply_changes({flow.name: flow for flow in flows})

    def with_flows(self, flows: Mapping[str, Flow | None]) -> FlowBook:
        """Return a new book with these flows replaced (None removes a flow).

        The other claims are copied without being examined.
        """
        book = FlowBook(preferred_holders=self._preferred_holders)
        book.flows, book._rest_flow, book._contested_numbers = self.flows, self._rest_flow, self._contested_numbers.copy()
        book._flows_by_number, book._flows_by_prefix = self._flows_by_number.copy(), self._flows_by_prefix.copy()
        book._apply_changes(flows)
        return book

    def _apply_changes(self, flows: Mapping[str, Flow | None]) -> None:
        """Release all dropped claims, then add the new claims, so that a number can move from one flow to another."""
        more: list[tuple[Flow, set[str]]] = []
        for name, new in flows.items():
            old = self.flows.get(name)
            before, after = (_claimed_numbers(flow) for flow in (old, new))
            for number in before:
                replacement = [new] if new is not None and number in after else []
                self._assign_number(
                    number,
                    [flow for held in self.find_claimants(number) for flow in (replacement if held is old else [held])],
                )
            if new is not None:
                more.append((new, after - before if before else after))
        for flow, numbers in more:
            for number in numbers:
                self._assign_number(number, [*self.find_claimants(number), flow])
        self.flows = {name: flow for name, flow in {**self.flows, **flows}.items() if flow is not None}
        self._prefix_lengths = sorted({len(prefix) for prefix in self._flows_by_prefix}, reverse=True)

    def _assign_number(self, number: str, claimants: list[Flow]) -> None:
        """Assign a number to the first claimant without errors, or to the first claimant if all are broken."""
        if len(claimants) > 1:
            preferred = self._preferred_holders.get(number)
            claimants.sort(key=lambda flow: (bool(flow.problems), preferred is not None and flow.name != preferred))
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
        """Return the flows with exactly this claim (E.164, ``+1201*`` or ``rest``), the winner first."""
        several = self._contested_numbers.get(number)
        if several is not None:
            return several
        if number == UNCLAIMED_NUMBERS:
            holder = self._rest_flow
        else:
            holder = self._flows_by_prefix.get(number[:-1]) if number[-1] == "*" else self._flows_by_number.get(number)
        return () if holder is None else (holder,)

    def find_answering_flow(self, number: str) -> Flow | None:
        """Return the flow that answers a number (E.164).

        Exact claims win over the longest prefix, prefixes over ``rest``.
        """
        return self.find_claiming_flow(number) or self._rest_flow

    def find_claiming_flow(self, number: str) -> Flow | None:
        """Return the flow with an exact claim or a prefix claim to a number (E.164)."""
        flow = self._flows_by_number.get(number)
        if flow is not None:
            return flow
        for length in self._prefix_lengths:
            flow = self._flows_by_prefix.get(number[:length])
            if flow is not None:
                return flow
        return None

    def has_exact_claim(self, number: str) -> bool:
        """Return True for an exact claim (E.164). A number that only matches a prefix may belong to anybody."""
        return number in self._flows_by_number

    def has_claim(self, number: str) -> bool:
        """Return True for an exact claim or a prefix claim (E.164). ``rest`` claims no number: it answers any."""
        return self.find_claiming_flow(number) is not None

    def list_contested_holders(self) -> dict[str, str]:
        """Return the name of the flow that answers, for each number that several flows claim."""
        return {number: claimants[0].name for number, claimants in self._contested_numbers.items()}

    def find_conflicts(self) -> list[Problem]:
        """Return a problem for every claim that lost to the claim of another flow."""
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
    """Return a problem for every repeated claim, in one file or in several."""
    first: dict[str, NumberClaim] = {}
    return [
        describe_claim_conflict(claim, other)
        for claim in claims
        if (other := first.setdefault(claim.number, claim)) is not claim
    ]


def describe_claim_conflict(claim: NumberClaim, other: NumberClaim) -> Problem:
    """Build the problem for ``claim``, a number already claimed by ``other``."""
    message = f"numbers: {claim.number} is claimed already, at {other.file}:{other.line}:{other.column}"
    fix = "a number has one flow: take one of the two out"
    return Problem(claim.file, claim.line, claim.column, "error", "number-claimed-twice", message, fix)
