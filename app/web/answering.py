"""The door for Opentact: ``/call`` and ``/call/{flow}/{node}``. It stands before the framework: a call's way is short.

Opentact always gets a valid document with status 200, whatever breaks inside; only strangers get 403.
"""

from __future__ import annotations

import asyncio
import json
import time
import traceback
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from app.answered import Answered, Outcome
from app.calls import Turn
from app.errors import ForgedTicket, Overdue, StaleTicket, WorkFailed
from app.flows.apart import Pending
from app.flows.book import FIRST, START, Entry, apology_of
from app.kept import Values
from app.web.requests import MAX_BODY, entity, query

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping
    from datetime import datetime

    from app.flows.apart import Job
    from app.flows.book import Flow
    from app.flows.screening.callers import Counts
    from app.flows.shelf import Shelf
    from app.flows.tickets import Signer
    from app.flows.workshop import Workshop
    from app.language import Dialect
    from app.outside import Effects
    from app.web.requests import Trust
    from app.web.tally import Tally

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

CALL: Final = "/call"
_FIRST: Final = (CALL, f"{CALL}/")
_XML: Final = (b"content-type", b"application/xml; charset=utf-8")
_OK: Final = 200
_NEVER_STORED: Final = (b"cache-control", b"no-store")
_PROBLEM: Final = (b"content-type", b"application/problem+json")
MOST_JOBS: Final = 100
"""Things that may be looked up or worked out apart for one turn."""
_LONGEST: Final = 300
"""Characters of an error's message that are logged."""
_PARTS: Final = 4
"""``/call/{flow}/{node}``, split at its slashes."""


Reply: TypeAlias = "tuple[int, bytes, Outcome, Turn | None]"
"""Status, document, what became of the request, and the turn that a flow was asked about."""


class Going(NamedTuple):
    """A turn that cannot be answered at once: something is to be looked up, or worked out apart, first."""

    flow: Flow
    node: str
    turn: Turn
    entry: Entry
    job: Job


class Answering:
    """An ASGI app: answers ``/call…``, and leaves everything else to ``rest``."""

    def __init__(  # noqa: PLR0913 - what the server puts together, each by its name
        self,
        rest: App,
        *,
        shelf: Shelf,
        signer: Signer,
        trust: Trust,
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
        self._rest = rest
        self._shelf = shelf
        self._signer = signer
        self._trust = trust
        self._tally = tally
        self._deadline = deadline
        self._workshop = workshop
        self._outside = outside
        self._counts = counts
        self._clock = clock
        self._remember = remember
        self.apology = apology_of(apology, dialect)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or not (scope["path"] == CALL or scope["path"].startswith(_FIRST[1])):
            await self._rest(scope, receive, send)
            return
        began = time.perf_counter()
        body = await self._body(receive) if scope["method"] not in ("GET", "HEAD") else b""
        fields: dict[str, str] = {}
        try:
            fields = query(scope["query_string"])
            reply = self.reply(scope, fields, body)
            status, document, outcome, turn = await self._going(reply) if isinstance(reply, Going) else reply
        except Exception as error:  # noqa: BLE001 - whatever breaks, the caller gets a document
            status, document, outcome, turn = 200, self.apology, _fallen("", "", error), None
        length = (b"content-length", b"%d" % len(document))
        headers = [_XML if status == _OK else _PROBLEM, length, _NEVER_STORED]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": document if scope["method"] != "HEAD" else b""})
        told = fields.get
        number = told("to") or told("tn", "")
        took, now = time.perf_counter() - began, time.time()
        self._tally.add((now, took, outcome, told("from", ""), number, told("call", "")))
        if self._remember is not None:
            path, asked = scope["path"], scope["query_string"]
            self._remember(
                Answered(now - took, took, scope["method"], path, asked, fields, status, document, outcome, turn)
            )
        for effect in outcome.effects:
            self._outside.cause(effect)

    async def _body(self, receive: Receive) -> bytes:
        """The body, as far as it comes in time and is not longer than any real one."""
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._deadline):
                while True:
                    message = await receive()
                    part = message.get("body", b"")
                    size += len(part)
                    if message["type"] != "http.request" or size > MAX_BODY:
                        return b""
                    parts.append(part)
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            return b""

    def reply(self, scope: Mapping[str, Any], fields: dict[str, str], body: bytes) -> Reply | Going:
        """The answer to a request. Raises what a bug raises, nothing else."""
        path = scope["path"]
        if path in _FIRST:
            refusal = self._trust.refusal(scope, fields.get("token", ""))
            if refusal:
                return _refused(refusal)
            return self._first(scope, fields, body)
        parts = path.split("/")
        refusal = self._trust.refusal(scope, None) or (
            "" if len(parts) == _PARTS and "ticket" in fields else "there is no ticket"
        )
        if refusal:
            return _refused(refusal)
        return self._further(scope, fields, body, parts[2], parts[3])

    def _first(self, scope: Mapping[str, Any], fields: dict[str, str], body: bytes) -> Reply | Going:
        """A call arrives."""
        turn = self._turn(scope, fields, body) if body else Turn(fields, base=self._trust.base(scope), clock=self._clock)
        flow = self._shelf.book.answering(turn.number)
        if flow is None:
            unknown = Outcome("unknown-number", cause="no flow has this number", detail=turn.number)
            return 200, self.apology, unknown, turn
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
        return 200, document, _fine(flow, node, turn), turn

    async def _going(self, going: Going) -> Reply:
        """Do what an answer needs, as far as that can be done in time; the fallback where it cannot."""
        flow, node, turn, entry, job = going
        end = time.monotonic() + self._deadline
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

    def _further(
        self, scope: Mapping[str, Any], fields: dict[str, str], body: bytes, name: str, node: str
    ) -> Reply | Going:
        """A call goes on where a ticket says."""
        try:
            state = self._signer.read(f"{name}/{node}", fields.get("ticket", ""))
        except ForgedTicket as error:
            return _refused(str(error))
        except StaleTicket as error:
            return self._fallback(name, node, error)
        carried = state.get("t", {})
        fields.update({key: value for key, value in carried.items() if key != "itself"})
        turn = self._turn(scope, fields, body)
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

    def _turn(self, scope: Mapping[str, Any], fields: dict[str, str], body: bytes) -> Turn:
        answers_itself = None
        if body:
            more, answers_itself = entity(body)
            fields.update({name: value for name, value in more.items() if not fields.get(name)})
        return Turn(fields, base=self._trust.base(scope), answers_itself=answers_itself, clock=self._clock)

    def _fallback(self, name: str, node: str, error: Exception, turn: Turn | None = None) -> Reply:
        flow = self._shelf.newest(name)
        document = flow.fallback if flow is not None else self.apology
        return 200, document, _fallen(name, node, error), turn


def _fallen(flow: str, node: str, error: Exception) -> Outcome:
    """Why a fallback was served, for the log."""
    quiet = isinstance(error, StaleTicket | LookupError | Overdue)
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


def _refused(reason: str) -> Reply:
    problem = {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": reason}
    return 403, json.dumps(problem).encode(), Outcome("refused", cause=reason), None
