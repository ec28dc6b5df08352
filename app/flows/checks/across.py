"""What is probably not meant between flows; looked at when they are checked, and when they are served."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from app.errors import Problem
from app.flows.checks.country import TAKEN, lacks_country, meant
from app.numbers import e164

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.flows.book import Claim, Flow, FlowBook

_NUMBERS: Final = re.compile("^numbers:|'numbers'|^the file ")
"""In what is wrong with a flow: that its numbers could not be read, or nothing of it."""


def across(book: FlowBook, workers: int = 1) -> list[Problem]:
    """What is probably not meant between flows, and what numbers are doubtful; heavy where there are numbers to be rung."""
    return _of(book.flows.values(), book, workers)


def since(before: FlowBook, book: FlowBook, workers: int = 1) -> list[Problem]:
    """What is probably not meant between flows since another book: only flows that have changed are looked at.

    And where they claim other numbers, those that ring them.
    """
    stayed = [flow for name, flow in book.flows.items() if before.flows.get(name) is flow]
    fresh = [flow for name, flow in book.flows.items() if before.flows.get(name) is not flow]
    old = [before.flows[flow.name] for flow in fresh if flow.name in before.flows]
    known = {*_of(old, before, workers)}
    found = _of(fresh, book, workers)
    if {claim.number for flow in fresh for claim in flow.claims} - {claim.number for flow in old for claim in flow.claims}:
        found += [
            problem
            for flow in stayed
            for dialled in flow.dials
            for problem in _own(dialled, flow, book)
            if problem not in _own(dialled, flow, before)
        ]
    return [problem for problem in found if problem not in known]


def _of(flows: Iterable[Flow], book: FlowBook, workers: int) -> list[Problem]:
    flows = [*flows]
    found = counted_apart(flows, workers)
    for flow in flows:
        if not flow.claims and not any(_NUMBERS.search(f"{problem.message} {problem.mend}") for problem in flow.problems):
            mend = "as numbers: +12015550123; rest answers all that no other file does"
            found.append(Problem(flow.file, 1, 1, "warning", "no-numbers", "it has no numbers: no call comes to it", mend))
        for dialled in flow.dials:
            found += _rung(dialled, flow, book)
        for forward in flow.messages.forwards if flow.messages is not None else ():
            found += _texted(forward, flow, book)
    return found


def _rung(dialled: Claim, flow: Flow, book: FlowBook) -> list[Problem]:
    """What is doubtful about a number that an author wrote out."""
    doubt, mend = _doubt(dialled.number)
    if doubt:
        return [Problem(dialled.file, dialled.line, dialled.column, "warning", "dial-doubtful", doubt, mend)]
    return _own(dialled, flow, book)


def _own(dialled: Claim, flow: Flow, book: FlowBook) -> list[Problem]:
    """That a number is answered by ourselves."""
    number = e164(dialled.number)
    answering = book.claiming(number) if number else None
    if answering is None:
        return []
    whose = "this flow itself" if answering is flow else f"the flow {answering.name!r}"
    said = f"{number} is answered by {whose}"
    mend = "ring somebody, or go on at a node: a call to it is paid for, and may go round"
    return [Problem(dialled.file, dialled.line, dialled.column, "warning", "dial-own", said, mend)]


def _texted(forward: Claim, flow: Flow, book: FlowBook) -> list[Problem]:
    """What is doubtful about a number to which texts are sent on; to one that flows answer, none is."""
    number = e164(forward.number)
    if not book.owns(number):
        return _rung(forward, flow, book)
    said = f"forward: {number} is answered by these flows themselves: texts would go in circles, and are not sent"
    mend = "name the number of a person"
    return [Problem(forward.file, forward.line, forward.column, "error", "message-loop", said, mend)]


def _doubt(written: str) -> tuple[str, str]:
    if lacks_country(written):
        return TAKEN.format(written), meant(written)
    from app.flows.dialing.policy import doubts  # noqa: PLC0415 - heavy

    why = doubts(written)
    known = e164(written) or why == "is an emergency number"
    return (f"{written} {why}", "make sure that it is meant") if why and known else ("", "")


def counted_apart(flows: Iterable[Flow], workers: int) -> list[Problem]:
    """Flows that ask how often somebody called, where several processes count each for itself."""
    if workers <= 1:
        return []
    said = f"caller.calls_today is counted by each of {workers} workers alone, and is too low"
    mend = "serve with one worker, or ask for a smaller number"
    return [Problem(flow.file, 1, 1, "warning", "calls-today", said, mend) for flow in flows if flow.counts]
