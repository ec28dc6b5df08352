"""What answers calls, whoever asks: a request's fields in, a document out, whatever breaks."""

from __future__ import annotations

import json
import time
import traceback
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from app.answered import Answered, Outcome
from app.calls import BEGAN, Turn
from app.errors import ForgedTicket, OpentactError, Overdue, StaleTicket, WorkFailed
from app.flows.apart import Pending
from app.flows.book import FIRST, START, Entry, apology_of
from app.kept import Values
from app.web.requests import entity

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.flows.apart import Job
    from app.flows.book import Flow
    from app.flows.screening.callers import Counts
    from app.flows.shelf import Shelf
    from app.flows.tickets import Signer
    from app.flows.workshop import Workshop
    from app.language import Dialect
    from app.outside import Effects
    from app.web.tally import Tally

    Base = Callable[[], str]

OK: Final = 200
MOST_JOBS: Final = 100
"""Things that may be looked up or worked out apart for one turn."""
_LONGEST: Final = 300
"""Characters of an error's message that are logged."""


Reply: TypeAlias = "tuple[int, bytes, Outcome, Turn | None]"
"""Status, document, what became of the request, and the turn that a flow was asked about."""


class Going(NamedTuple):
    """A turn that cannot be answered at once: something is to be looked up, or worked out apart, first."""

    flow: Flow
    node: str
    turn: Turn
    entry: Entry
    job: Job


class Engine:
    """Answers calls from the flows that are open. ``base`` gives the URL under which Opentact reaches the server."""

    def __init__(  # noqa: PLR0913 - what the server puts together, each by its name
        self,
        *,
        shelf: Shelf,
        signer: Signer,
        tally: Tally,
        apology: str,
        dialect: Dialect,
        deadline: float,
        workshop: Workshop,
        outside: Effects,
        counts: Counts,
        clock: Callable[[], datetime] | None = None,
        remember: Callable[[Answered], None] | None = None,
    ) -> None:
        """``remember`` is told of every answer once it is on its way; it never waits and never raises."""
        self.deadline = deadline
        self.apology = apology_of(apology, dialect)
        self._shelf = shelf
        self._signer = signer
        self._tally = tally
        self._workshop = workshop
        self._outside = outside
        self._counts = counts
        self._clock = clock
        self._remember = remember

    def over(self, began: float, asked: tuple[str, str, bytes], fields: dict[str, str], reply: Reply) -> None:
        """Count, remember and cause what there is to, once an answer is on its way.

        ``began`` is as ``time.perf_counter`` counts, ``asked`` the request's method, path and query.
        """
        status, document, outcome, turn = reply
        told = fields.get
        number = told("to") or told("tn", "")
        took, now = time.perf_counter() - began, time.time()
        self._tally.add((now, took, outcome, told("from", ""), number, told("call", "")))
        if self._remember is not None:
            self._remember(Answered(now - took, took, *asked, fields, status, document, outcome, turn))
        for effect in outcome.effects:
            self._outside.cause(effect)

    def undelivered(self, reply: Reply, error: Exception) -> Reply:
        """An answer that did not reach its call: nothing of it is caused."""
        status, document, outcome, turn = reply
        return status, document, _fallen(outcome.flow, outcome.node, error), turn

    def broken(self, error: Exception) -> Reply:
        """The answer where the engine itself broke."""
        return OK, self.apology, _fallen("", "", error), None

    def first(self, fields: dict[str, str], body: bytes, base: Base) -> Reply | Going:
        """A call arrives."""
        turn = self._turn(fields, body, base) if body else Turn(fields, base=base, clock=self._clock)
        if "call" not in fields:
            fields[BEGAN] = f"{time.time():.6f}"
        flow = self._shelf.book.answering(turn.number)
        if flow is None:
            unknown = Outcome("unknown-number", cause="no flow has this number", detail=turn.number)
            return OK, self.apology, unknown, turn
        if flow.counts:
            self._count(flow, turn)
        return self._answer(flow, START, turn, FIRST)

    def _count(self, flow: Flow, turn: Turn) -> None:
        """Tell a turn how often its caller rang today, this call included."""
        turn.zone = flow.zone
        calls = self._counts.count(flow.name, turn.caller.number, turn.now.at.date())
        turn.tell("calls", str(calls))

    def _answer(self, flow: Flow, node: str, turn: Turn, entry: Entry) -> Reply | Going:
        """What a flow answers, or what it needs for that."""
        try:
            document = flow.answer(node, turn, entry)
        except Pending as pending:
            return Going(flow, node, turn, entry, pending.job)
        except Exception as error:  # noqa: BLE001 - the flow's own fallback, whatever broke
            return self._fallback(flow.name, node, error, turn)
        return OK, document, _fine(flow, node, turn), turn

    async def gone_on(self, going: Going) -> Reply:
        """Do what an answer needs, as far as that can be done in time; the fallback where it cannot."""
        flow, node, turn, entry, job = going
        end = time.monotonic() + self.deadline
        for _ in range(MOST_JOBS):
            try:
                turn.results.append(await self._workshop.do(job, end, flow.name))
            except Exception as error:  # noqa: BLE001 - as above
                return self._fallback(flow.name, node, error, turn)
            turn.begin()
            reply = self._answer(flow, node, turn, entry)
            if not isinstance(reply, Going):
                return reply
            job = reply.job
        return self._fallback(flow.name, node, Overdue(f"a turn needs more than {MOST_JOBS} things done"), turn)

    def further(self, fields: dict[str, str], body: bytes, base: Base, name: str, node: str) -> Reply | Going:
        """A call goes on where a ticket says."""
        try:
            state = self._signer.read(f"{name}/{node}", fields.get("ticket", ""))
        except ForgedTicket as error:
            return refused(str(error))
        except StaleTicket as error:
            return self._fallback(name, node, error)
        carried = state.get("t", {})
        fields.update({key: value for key, value in carried.items() if key != "itself"})
        turn = self._turn(fields, body, base)
        turn.kept = Values(state.get("s", {}))
        turn.begin()
        if "itself" in carried:
            turn.answers_itself = bool(carried["itself"])
        remembered = self._shelf.flow(name, state.get("v", ""))
        flow = remembered or self._shelf.book.flows.get(name)
        if remembered is None:
            node = node.partition(".")[0]  # a branch of another version may be another branch
        if flow is None or node not in flow.documents:
            return self._fallback(name, node, LookupError(f"there is no node {node} in a flow {name} any more"), turn)
        step, attempt, answered, *given = state.get("e", (0, 0, 1))
        entry = Entry(step, attempt, bool(answered), bool(given)) if remembered else Entry(answered=bool(answered))
        return self._answer(flow, node, turn, entry)

    def _turn(self, fields: dict[str, str], body: bytes, base: Base) -> Turn:
        answers_itself = None
        if body:
            more, answers_itself = entity(body)
            fields.update({name: value for name, value in more.items() if not fields.get(name)})
        return Turn(fields, base=base, answers_itself=answers_itself, clock=self._clock)

    def _fallback(self, name: str, node: str, error: Exception, turn: Turn | None = None) -> Reply:
        flow = self._shelf.newest(name)
        document = flow.fallback if flow is not None else self.apology
        return OK, document, _fallen(name, node, error), turn


def _fallen(flow: str, node: str, error: Exception) -> Outcome:
    """Why a fallback was served, for the log."""
    quiet = isinstance(error, StaleTicket | LookupError | Overdue | OpentactError | TimeoutError)
    trace = "" if quiet else "".join(traceback.format_exception(error))
    cause = type(error).__name__
    if isinstance(error, WorkFailed):
        cause, trace = error.kind, error.trace
    return Outcome("fallback", flow, node, cause=cause, detail=str(error)[:_LONGEST], trace=trace[-_LONGEST * 20 :])


def _fine(flow: Flow, node: str, turn: Turn) -> Outcome:
    fine = _answered(flow.name, flow.version, node)
    return fine._replace(effects=(*turn.effects,)) if turn.effects else fine


@lru_cache(maxsize=4096)
def _answered(flow: str, version: str, node: str) -> Outcome:
    return Outcome("answered", flow, node, version=version)


def refused(reason: str) -> Reply:
    """The answer to a stranger: problem details, and why."""
    problem = {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": reason}
    return 403, json.dumps(problem).encode(), Outcome("refused", cause=reason), None
