"""What answers calls, whoever asks: a request's fields in, a document out, whatever breaks."""

from __future__ import annotations

import json
import time
import traceback
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from callflows.errors import AuthorCodeError, ExpiredTicketError, ForgedTicketError, OpentactError, SandboxTimeoutError
from callflows.flows.entry_points import FIRST_ENTRY, START_NODE, NodeEntry
from callflows.flows.flow import render_apology
from callflows.sandbox.deferred_jobs import NeedsResult
from callflows.telephony.calls import CALL_BEGAN_FIELD
from callflows.telephony.events import AnsweredRequest, AnswerOutcome
from callflows.telephony.turn import Turn, Variables
from callflows.web.request_fields import parse_posted_call

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from callflows.flows.caller_lists.call_counter import CallCounter
    from callflows.flows.flow import Flow
    from callflows.flows.loader.flow_versions import FlowVersions
    from callflows.flows.tickets import TicketSigner
    from callflows.language import Dialect
    from callflows.sandbox.deferred_jobs import DeferredJob
    from callflows.sandbox.job_runner import JobRunner
    from callflows.telephony.ports import EffectHandler
    from callflows.web.answer_metrics import AnswerMetrics

    GetBaseUrl = Callable[[], str]


STATUS_OK: Final = 200


MAX_JOBS_PER_TURN: Final = 100
"""Things that may be looked up or worked out apart for one turn."""


_MAX_ERROR_CHARACTERS: Final = 300
"""Characters of an error's message that are logged."""


CallReply: TypeAlias = "tuple[int, bytes, AnswerOutcome, Turn | None]"
"""Status, document, what became of the request, and the turn that a flow was asked about."""


class DeferredTurn(NamedTuple):
    """A turn that cannot be answered at once: something is to be looked up, or worked out apart, first."""

    flow: Flow
    node: str
    turn: Turn
    entry: NodeEntry
    job: DeferredJob


class AnswerEngine:
    """Answers calls from the flows that are open. ``base`` gives the URL under which Opentact reaches the server."""

    def __init__(  # noqa: PLR0913 - what the server puts together, each by its name
        self,
        *,
        flow_versions: FlowVersions,
        signer: TicketSigner,
        answer_metrics: AnswerMetrics,
        apology: str,
        dialect: Dialect,
        deadline: float,
        job_runner: JobRunner,
        effect_handler: EffectHandler,
        caller_counts: CallCounter,
        clock: Callable[[], datetime] | None = None,
        record_answer: Callable[[AnsweredRequest], None] | None = None,
    ) -> None:
        """``remember`` is told of every answer once it is on its way; it never waits and never raises."""
        self.deadline = deadline
        self.apology = render_apology(apology, dialect)
        self._flow_versions = flow_versions
        self._signer = signer
        self._answer_metrics = answer_metrics
        self._job_runner = job_runner
        self._effect_handler = effect_handler
        self._caller_counts = caller_counts
        self._clock = clock
        self._record_answer = record_answer

    def record(self, began: float, request: tuple[str, str, bytes], fields: dict[str, str], reply: CallReply) -> None:
        """Count, remember and cause what there is to, once an answer is on its way.

        ``began`` is as ``time.perf_counter`` counts, ``asked`` the request's method, path and query.
        """
        status, document, outcome, turn = reply
        told = fields.get
        number = told("to") or told("tn", "")
        took, now = time.perf_counter() - began, time.time()
        self._answer_metrics.add((now, took, outcome, told("from", ""), number, told("call", "")))
        if self._record_answer is not None:
            self._record_answer(AnsweredRequest(now - took, took, *request, fields, status, document, outcome, turn))
        for effect in outcome.effects:
            self._effect_handler.queue_effect(effect)

    def mark_undelivered(self, reply: CallReply, error: Exception) -> CallReply:
        """An answer that did not reach its call: nothing of it is caused."""
        status, document, outcome, turn = reply
        return status, document, _build_fallback_outcome(outcome.flow, outcome.node, error), turn

    def answer_with_apology(self, error: Exception) -> CallReply:
        """The answer where the engine itself broke."""
        return STATUS_OK, self.apology, _build_fallback_outcome("", "", error), None

    def start_call(self, fields: dict[str, str], body: bytes, get_base_url: GetBaseUrl) -> CallReply | DeferredTurn:
        """A call arrives."""
        turn = (
            self._build_turn(fields, body, get_base_url)
            if body
            else Turn(fields, get_base_url=get_base_url, clock=self._clock)
        )
        if "call" not in fields:
            fields[CALL_BEGAN_FIELD] = f"{time.time():.6f}"
        flow = self._flow_versions.book.find_answering_flow(turn.number)
        if flow is None:
            unknown = AnswerOutcome("unknown-number", cause="no flow has this number", detail=turn.number)
            return STATUS_OK, self.apology, unknown, turn
        if flow.uses_calls_today:
            self._count_caller(flow, turn)
        return self._answer_from_flow(flow, START_NODE, turn, FIRST_ENTRY)

    def _count_caller(self, flow: Flow, turn: Turn) -> None:
        """Tell a turn how often its caller rang today, this call included."""
        turn.zone = flow.zone
        calls = self._caller_counts.count_call(flow.name, turn.caller.number, turn.now.moment.date())
        turn.add_field("calls", str(calls))

    def _answer_from_flow(self, flow: Flow, node: str, turn: Turn, entry: NodeEntry) -> CallReply | DeferredTurn:
        """What a flow answers, or what it needs for that."""
        try:
            document = flow.answer(node, turn, entry)
        except NeedsResult as pending:
            return DeferredTurn(flow, node, turn, entry, pending.job)
        except Exception as error:  # noqa: BLE001 - the flow's own fallback, whatever broke
            return self._answer_with_fallback(flow.name, node, error, turn)
        return STATUS_OK, document, _build_answered_outcome(flow, node, turn), turn

    async def resume(self, deferred_turn: DeferredTurn) -> CallReply:
        """Do what an answer needs, as far as that can be done in time; the fallback where it cannot."""
        flow, node, turn, entry, job = deferred_turn
        end = time.monotonic() + self.deadline
        for _ in range(MAX_JOBS_PER_TURN):
            try:
                turn.deferred_results.append(await self._job_runner.run_job(job, end, flow.name))
            except Exception as error:  # noqa: BLE001 - as above
                return self._answer_with_fallback(flow.name, node, error, turn)
            turn.reset_progress()
            reply = self._answer_from_flow(flow, node, turn, entry)
            if not isinstance(reply, DeferredTurn):
                return reply
            job = reply.job
        return self._answer_with_fallback(
            flow.name, node, SandboxTimeoutError(f"a turn needs more than {MAX_JOBS_PER_TURN} things done"), turn
        )

    def continue_call(
        self, fields: dict[str, str], body: bytes, get_base_url: GetBaseUrl, name: str, node: str
    ) -> CallReply | DeferredTurn:
        """A call goes on where a ticket says."""
        try:
            state = self._signer.read_ticket(f"{name}/{node}", fields.get("ticket", ""))
        except ForgedTicketError as error:
            return refuse_request(str(error))
        except ExpiredTicketError as error:
            return self._answer_with_fallback(name, node, error)
        carried = state.get("t", {})
        fields.update({key: value for key, value in carried.items() if key != "itself"})
        turn = self._build_turn(fields, body, get_base_url)
        turn.earlier_values = Variables(state.get("s", {}))
        turn.reset_progress()
        if "itself" in carried:
            turn.auto_answer = bool(carried["itself"])
        remembered = self._flow_versions.find_version(name, state.get("v", ""))
        flow = remembered or self._flow_versions.book.flows.get(name)
        if remembered is None:
            node = node.partition(".")[0]  # a branch of another version may be another branch
        if flow is None or node not in flow.documents:
            return self._answer_with_fallback(
                name, node, LookupError(f"there is no node {node} in a flow {name} any more"), turn
            )
        step, attempt, answered, *given = state.get("e", (0, 0, 1))
        entry = (
            NodeEntry(step, attempt, bool(answered), bool(given)) if remembered else NodeEntry(line_answered=bool(answered))
        )
        return self._answer_from_flow(flow, node, turn, entry)

    def _build_turn(self, fields: dict[str, str], body: bytes, get_base_url: GetBaseUrl) -> Turn:
        answers_itself = None
        if body:
            more, answers_itself = parse_posted_call(body)
            fields.update({name: value for name, value in more.items() if not fields.get(name)})
        return Turn(fields, get_base_url=get_base_url, auto_answer=answers_itself, clock=self._clock)

    def _answer_with_fallback(self, name: str, node: str, error: Exception, turn: Turn | None = None) -> CallReply:
        flow = self._flow_versions.find_newest(name)
        document = flow.fallback if flow is not None else self.apology
        return STATUS_OK, document, _build_fallback_outcome(name, node, error), turn


def _build_fallback_outcome(flow: str, node: str, error: Exception) -> AnswerOutcome:
    """Why a fallback was served, for the log."""
    quiet = isinstance(error, ExpiredTicketError | LookupError | SandboxTimeoutError | OpentactError | TimeoutError)
    trace = "" if quiet else "".join(traceback.format_exception(error))
    cause = type(error).__name__
    if isinstance(error, AuthorCodeError):
        cause, trace = error.error_type, error.trace
    return AnswerOutcome(
        "fallback",
        flow,
        node,
        cause=cause,
        detail=str(error)[:_MAX_ERROR_CHARACTERS],
        trace=trace[-_MAX_ERROR_CHARACTERS * 20 :],
    )


def _build_answered_outcome(flow: Flow, node: str, turn: Turn) -> AnswerOutcome:
    fine = _get_answered_outcome(flow.name, flow.version, node)
    return fine._replace(effects=(*turn.effects,)) if turn.effects else fine


@lru_cache(maxsize=4096)
def _get_answered_outcome(flow: str, version: str, node: str) -> AnswerOutcome:
    return AnswerOutcome("answered", flow, node, version=version)


def refuse_request(reason: str) -> CallReply:
    """The answer to a stranger: problem details, and why."""
    problem = {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": reason}
    return 403, json.dumps(problem).encode(), AnswerOutcome("refused", cause=reason), None
