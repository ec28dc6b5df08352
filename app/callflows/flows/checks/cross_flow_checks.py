"""Finds probable mistakes between flows. Runs when flows are checked and when flows are served."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from callflows.errors import Problem
from callflows.flows.country_code_check import MISSING_COUNTRY_CODE_MESSAGE, suggest_country_code, suggest_home_number
from callflows.telephony.phone_numbers import is_impossible_number, lacks_country_code, parse_e164

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from callflows.flows.entry_points import NumberClaim, SilentWay
    from callflows.flows.flow import Flow
    from callflows.flows.flow_book import FlowBook


_NUMBERS_PROBLEM: Final = re.compile("^numbers:|'numbers'|^the file ")
"""Matches problems of flows with unreadable numbers, or with an unreadable file."""


def check_across_flows(book: FlowBook) -> list[Problem]:
    """Report probable mistakes between flows, and doubtful numbers. Slow if flows dial literal numbers."""
    return _check_flows(book.flows.values(), book)


def check_changed_flows(previous_book: FlowBook, book: FlowBook) -> list[Problem]:
    """Report the problems between flows that are new since the previous book.

    Only changed flows are checked. If changed flows claim new numbers, the dialed numbers of
    unchanged flows are checked too.
    """
    stayed = [flow for name, flow in book.flows.items() if previous_book.flows.get(name) is flow]
    fresh = [flow for name, flow in book.flows.items() if previous_book.flows.get(name) is not flow]
    old = [previous_book.flows[flow.name] for flow in fresh if flow.name in previous_book.flows]
    known = {*_check_flows(old, previous_book)}
    found = _check_flows(fresh, book)
    if {claim.number for flow in fresh for claim in flow.claims} - {claim.number for flow in old for claim in flow.claims}:
        found += [
            problem
            for flow in stayed
            for dialled in flow.literal_targets
            for problem in _check_own_number(dialled, flow, book)
            if problem not in _check_own_number(dialled, flow, previous_book)
        ]
    return [problem for problem in found if problem not in known]


def _check_flows(flows: Iterable[Flow], book: FlowBook) -> list[Problem]:
    flows = [*flows]
    found: list[Problem] = []
    for flow in flows:
        if (
            not flow.claims
            and not flow.entered_nodes
            and not any(_NUMBERS_PROBLEM.search(f"{problem.message} {problem.fix}") for problem in flow.problems)
        ):
            fix = "as numbers: +12015550123; rest answers all that no other file does"
            found.append(Problem(flow.file, 1, 1, "warning", "no-numbers", "it has no numbers: no call comes to it", fix))
        for dialled in flow.literal_targets:
            found += _check_dialed_number(dialled, flow, book)
        for forward in flow.message_rules.forward_claims if flow.message_rules is not None else ():
            found += _check_forward_number(forward, flow, book)
    return [*found, *_find_silent_loops(flows, book)]


def _find_silent_loops(flows: Iterable[Flow], book: FlowBook) -> Iterable[Problem]:
    """Report nodes that lead round to themselves through other flows without a word."""
    ways = {
        (flow.name, node): [way for way in flow.silent_ways if way.node == node]
        for flow in book.flows.values()
        for node in {way.node for way in flow.silent_ways}
    }
    for flow in flows:
        for way in flow.silent_ways:
            if "/" in way.target and _leads_back(way, flow.name, ways):
                message = f"the node {way.node!r} leads round to itself through {way.target}, and the caller hears silence"
                fix = "say or ask something on the way round"
                yield Problem(way.file, way.line, way.column, "error", "silent-loop", message, fix)


def _leads_back(way: SilentWay, flow_name: str, ways: Mapping[tuple[str, str], Sequence[SilentWay]]) -> bool:
    seen: set[tuple[str, str]] = set()
    left = [_resolve_target(way, flow_name)]
    while left:
        place = left.pop()
        if place == (flow_name, way.node):
            return True
        if place not in seen:
            seen.add(place)
            left += [_resolve_target(further, place[0]) for further in ways.get(place, ())]
    return False


def _resolve_target(way: SilentWay, flow_name: str) -> tuple[str, str]:
    """Return flow and node of the target of a way of a flow."""
    other, separator, node = way.target.partition("/")
    return (other, node) if separator else (flow_name, way.target)


def _check_dialed_number(dialed: NumberClaim, flow: Flow, book: FlowBook) -> list[Problem]:
    """Report doubts about a literal number."""
    doubt, fix = _find_doubt(dialed.number, [claim.number for claim in flow.claims])
    if doubt:
        return [Problem(dialed.file, dialed.line, dialed.column, "warning", "dial-doubtful", doubt, fix)]
    return _check_own_number(dialed, flow, book)


def _check_own_number(dialed: NumberClaim, flow: Flow, book: FlowBook) -> list[Problem]:
    """Report a dialed number that these flows answer themselves."""
    number = parse_e164(dialed.number)
    answering = book.find_claiming_flow(number) if number else None
    if answering is None:
        return []
    whose = "this flow itself" if answering is flow else f"the flow {answering.name!r}"
    message = f"{number} is answered by {whose}"
    fix = "name the number of a person, or go on at a node: a call or text to it is paid for, and may go round"
    return [Problem(dialed.file, dialed.line, dialed.column, "warning", "dial-own", message, fix)]


def _check_forward_number(forward: NumberClaim, flow: Flow, book: FlowBook) -> list[Problem]:
    """Report doubts about a forward target. A target answered by these flows is an error: texts would loop."""
    number = parse_e164(forward.number)
    if not book.has_exact_claim(number):
        return _check_dialed_number(forward, flow, book)
    message = f"forward: {number} is answered by these flows themselves: texts would go in circles, and are not sent"
    fix = "name the number of a person"
    return [Problem(forward.file, forward.line, forward.column, "error", "message-loop", message, fix)]


def _find_doubt(text: str, own_numbers: Sequence[str]) -> tuple[str, str]:
    if lacks_country_code(text):
        return MISSING_COUNTRY_CODE_MESSAGE.format(text), suggest_country_code(text, own_numbers)
    if is_impossible_number(text):
        return f"{text} is no number that exists in any country: it can never be rung", "write all of its digits"
    from callflows.flows.dial_policy.target_policy import find_number_doubt  # noqa: PLC0415 - a heavy import

    why = find_number_doubt(text)
    known = parse_e164(text) or why == "is an emergency number"
    if not why or not known:
        return "", ""
    home = suggest_home_number(text, own_numbers) if not text.startswith(("+", "00", "1")) else ""
    return f"{text} {why}", home or "make sure that it is meant"
