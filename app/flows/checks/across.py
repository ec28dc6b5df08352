"""What is probably not meant between flows; looked at when they are checked, and when they are served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.errors import Problem
from app.flows.checks.country import TAKEN, lacks_country, meant
from app.numbers import e164

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.flows.book import Claim, Flow, FlowBook


def across(book: FlowBook, workers: int = 1) -> list[Problem]:
    """What is probably not meant between flows, and what numbers are doubtful; heavy where there are numbers to be rung."""
    found = counted_apart(book.flows.values(), workers)
    for flow in book.flows.values():
        if not flow.problems and not flow.claims:
            mend = "as numbers: +12015550123; rest answers all that no other file does"
            found.append(Problem(flow.file, 1, 1, "warning", "no-numbers", "it has no numbers: no call comes to it", mend))
        for dialled in flow.dials:
            found += _rung(dialled, flow, book)
        for forward in flow.messages.forwards if flow.messages is not None else ():
            found += _texted(forward, flow, book)
    return found


def _rung(dialled: Claim, flow: Flow, book: FlowBook) -> Iterator[Problem]:
    """What is doubtful about a number that an author wrote out."""
    file, line, column = dialled.file, dialled.line, dialled.column
    doubt, mend = _doubt(dialled.number)
    if doubt:
        yield Problem(file, line, column, "warning", "dial-doubtful", doubt, mend)
        return
    number = e164(dialled.number)
    answering = book.claiming(number) if number else None
    if answering is not None:
        whose = "this flow itself" if answering is flow else f"the flow {answering.name!r}"
        mend = "ring somebody, or go on at a node: a call to it is paid for, and may go round"
        yield Problem(file, line, column, "warning", "dial-own", f"{number} is answered by {whose}", mend)


def _texted(forward: Claim, flow: Flow, book: FlowBook) -> Iterator[Problem]:
    """What is doubtful about a number to which texts are sent on; to one that flows answer, none is."""
    number = e164(forward.number)
    if not book.owns(number):
        yield from _rung(forward, flow, book)
        return
    said = f"forward: {number} is answered by these flows themselves: texts would go in circles, and are not sent"
    yield Problem(forward.file, forward.line, forward.column, "error", "message-loop", said, "name the number of a person")


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
