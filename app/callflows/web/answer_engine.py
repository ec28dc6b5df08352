"""Answers calls: request fields in, document out. Every error inside still results in a valid document."""

from __future__ import annotations

import dataclasses
import json
import time
import traceback
import uuid
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

import structlog

from callflows.errors import (
    AuthorCodeError,
    CallLimitError,
    ExpiredTicketError,
    ForgedTicketError,
    NodeGoneError,
    OpentactError,
    SandboxTimeoutError,
    TooManyJobsError,
    TwimlError,
    ValueTooLongError,
)
from callflows.flows.entry_points import FIRST_ENTRY, START_NODE, NodeEntry, find_root_node
from callflows.flows.flow import render_apology
from callflows.flows.tickets import ANSWERS_ITSELF_FIELD, read_node_entry
from callflows.journal.redaction import list_secret_texts, mask_secrets
from callflows.sandbox.deferred_jobs import NeedsResult
from callflows.sandbox.job_runner import run_until_resolved
from callflows.telephony.calls import CALL_BEGAN_FIELD
from callflows.telephony.events import ANSWERED_BY_FLOW, AnsweredRequest, AnswerOutcome
from callflows.telephony.ports import LookupRequest
from callflows.telephony.turn import Turn, Variables
from callflows.web.line_check_calls import LINE_CHECK_PREFIX, answer_line_check_lookup, is_line_check_call
from callflows.web.repeated_calls import CallsWithoutId
from callflows.web.request_fields import parse_posted_call

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from callflows.flows.caller_lists.call_counter import CallCounter
    from callflows.flows.flow import Flow
    from callflows.flows.loader.flow_versions import FlowVersions
    from callflows.flows.tickets import TicketSigner
    from callflows.language import Dialect
    from callflows.sandbox.deferred_jobs import DeferredJob
    from callflows.sandbox.job_runner import JobRunner
    from callflows.telephony.ports import EffectSender
    from callflows.web.answer_metrics import AnswerMetrics
    from callflows.web.call_limits import CallLimits

    GetBaseUrl = Callable[[], str]


STATUS_OK: Final = 200
_MAX_ERROR_CHARACTERS: Final = 300
"""Maximum length of a logged error message."""
_EXPECTED_ERRORS: Final = (
    *(CallLimitError, ExpiredTicketError, NodeGoneError, OpentactError, TwimlError),
    *(SandboxTimeoutError, TooManyJobsError, TimeoutError, ValueTooLongError),
)
"""Errors whose place is known without a stack trace."""
CallReply: TypeAlias = "tuple[int, bytes, AnswerOutcome, Turn | None]"
"""Status, document, outcome, and the turn if a flow was asked."""


class DeferredTurn(NamedTuple):
    """A turn that waits for a result: of a lookup or sandbox job, or for calls to be counted by all processes."""

    flow: Flow
    node: str
    turn: Turn
    entry: NodeEntry
    waits_for: NeedsResult | Literal["counts"]


class AnswerEngine:
    """Answers calls from the loaded flows."""

    def __init__(  # noqa: PLR0913 - all are keyword arguments
        self,
        *,
        flow_versions: FlowVersions,
        signer: TicketSigner,
        answer_metrics: AnswerMetrics,
        apology: str,
        dialect: Dialect,
        deadline: float,
        job_runner: JobRunner,
        effect_sender: EffectSender,
        caller_counts: CallCounter,
        clock: Callable[[], datetime] | None = None,
        record_answer: Callable[[AnsweredRequest], None] | None = None,
        call_limits: CallLimits | None = None,
    ) -> None:
        """Accept ``record_answer`` as a callback for every sent answer; the callback never waits and never raises."""
        self.deadline = deadline
        self.apology = render_apology(apology, dialect)
        self._flow_versions = flow_versions
        self._signer = signer
        self._answer_metrics = answer_metrics
        self._job_runner = job_runner
        self._effect_sender = effect_sender
        self._caller_counts = caller_counts
        self._calls_without_id = CallsWithoutId()
        self._clock = clock
        self._record_answer = record_answer
        self._call_limits = call_limits if call_limits is not None and call_limits.are_set else None

    def queue_effects(self, fields: Mapping[str, str], reply: CallReply) -> None:
        """Queue the effects of an answer that is about to be sent. Never raises."""
        # Before the answer, since a server may be killed right after it: the caller has heard that a text was sent.
        _, _, outcome, turn = reply
        if not outcome.effects or (turn is not None and turn.is_line_check):
            return
        call = fields.get("call", "")
        for effect in outcome.effects:
            self._effect_sender.queue_effect(effect if effect.call or not call else dataclasses.replace(effect, call=call))

    def record(self, began: float, request: tuple[str, str, bytes], fields: dict[str, str], reply: CallReply) -> None:
        """Record a sent answer in metrics and journal.

        ``began`` is a value of ``time.perf_counter``, ``request`` contains method, path and query.
        """
        status, document, outcome, turn = reply
        if turn is not None and turn.is_line_check:
            return
        get_field = fields.get
        number = get_field("to") or get_field("tn", "")
        took, now = time.perf_counter() - began, time.time()
        call = get_field("call", "")
        began_at = get_field(CALL_BEGAN_FIELD, "")
        self._answer_metrics.add((now, took, outcome, get_field("from", ""), number, call, began_at, request[1]))
        if self._record_answer is not None:
            parts = turn.document_parts if turn is not None and outcome.is_by_flow else (document.decode(),)
            self._record_answer(AnsweredRequest(now - took, took, *request, fields, status, parts, outcome, turn))

    def mark_undelivered(self, reply: CallReply, error: Exception) -> CallReply:
        """Turn a reply into a fallback outcome, so that no effect is queued."""
        status, document, outcome, turn = reply
        return status, document, _build_fallback_outcome(outcome.flow, outcome.node, error), turn

    def answer_with_apology(self, error: Exception) -> CallReply:
        """Return the apology after an error of the engine itself."""
        return STATUS_OK, self.apology, _build_fallback_outcome("", "", error), None

    def start_call(self, fields: dict[str, str], body: bytes, get_base_url: GetBaseUrl) -> CallReply | DeferredTurn:
        """Answer the first request of a call."""
        turn = self._build_turn(fields, body, get_base_url)
        if "call" not in fields:
            fields[CALL_BEGAN_FIELD] = f"{time.time():.6f}"
        flow = self._flow_versions.book.find_answering_flow(turn.number)
        if flow is None:
            unknown = AnswerOutcome("unknown-number", cause="no flow has this number", detail=turn.number)
            return STATUS_OK, self.apology, unknown, turn
        if self._call_limits is not None and not turn.is_line_check:
            try:
                self._call_limits.count_call(turn.caller.number, turn.number, fields.get("call", ""))
            except CallLimitError as error:
                return self._answer_with_fallback(flow.name, START_NODE, error, turn)
        if flow.needs.calls_today or (self._call_limits is not None and self._call_limits.are_shared):
            return DeferredTurn(flow, START_NODE, turn, FIRST_ENTRY, "counts")
        return self._answer_from_flow(flow, START_NODE, turn, FIRST_ENTRY)

    async def _count_shared_call(self, flow: Flow, turn: Turn) -> None:
        """Count a call among those of all processes. Raises CallLimitError beyond a limit."""
        if self._call_limits is not None and not turn.is_line_check:
            # An id of our own, too, so that the call is one for both limits.
            call = turn.request_fields.get("call") or uuid.uuid4().hex
            await self._call_limits.count_shared_call(turn.caller.number, turn.number, call, int(time.time() // 60))
        if flow.needs.calls_today:
            await self._count_caller(flow, turn)

    async def _count_caller(self, flow: Flow, turn: Turn) -> None:
        """Add the caller's number of calls today, including this one, to the turn."""
        turn.zone = flow.zone
        if turn.is_line_check:
            turn.add_field("calls", "1")
            return
        call = turn.request_fields.get("call", "") or self._calls_without_id.identify_call(
            turn.caller.number, turn.number, turn.timestamp
        )
        calls = await self._caller_counts.count_call(flow.name, turn.caller.number, turn.now.moment.date(), call)
        turn.add_field("calls", str(calls))

    def _answer_from_flow(self, flow: Flow, node: str, turn: Turn, entry: NodeEntry) -> CallReply | DeferredTurn:
        """Return the flow's answer, or a deferred turn if a result is missing."""
        try:
            document = flow.answer(node, turn, entry)
        except NeedsResult as needed:
            return DeferredTurn(flow, node, turn, entry, needed)
        except Exception as error:  # noqa: BLE001 - every error leads to the flow's fallback
            return self._answer_with_fallback(flow.name, node, error, turn)
        return STATUS_OK, document, _build_answered_outcome(flow, node, turn), turn

    async def resume(self, deferred_turn: DeferredTurn, waited_seconds: float = 0.0) -> CallReply:
        """Run the jobs of a deferred turn until the answer is complete; serve the fallback on error or timeout.

        ``waited_seconds`` of the deadline were needed for the body of the request.
        """
        flow, node, turn, entry, waits_for = deferred_turn
        began = self._job_runner.get_time()
        structlog.contextvars.bind_contextvars(call=turn.request_fields.get("call", ""))
        try:
            if waits_for == "counts":
                await self._count_shared_call(flow, turn)
            document = await run_until_resolved(
                partial(flow.answer, node, turn, entry),
                turn,
                self._run_line_check_job if turn.is_line_check else self._job_runner.run_job,
                flow.name,
                deadline_seconds=self.deadline - waited_seconds - (self._job_runner.get_time() - began),
                needed_first=waits_for if isinstance(waits_for, NeedsResult) else None,
                get_time=self._job_runner.get_time,
            )
        except Exception as error:  # noqa: BLE001 - every error leads to the flow's fallback
            return self._answer_with_fallback(flow.name, node, error, turn)
        return STATUS_OK, document, _build_answered_outcome(flow, node, turn), turn

    async def _run_line_check_job(self, job: DeferredJob, deadline: float, lane: str) -> Any:  # noqa: ANN401 - as run_job
        if isinstance(job, LookupRequest):
            return answer_line_check_lookup(job)
        return await self._job_runner.run_job(job, deadline, lane)

    def continue_call(
        self, fields: dict[str, str], body: bytes, get_base_url: GetBaseUrl, name: str, node: str
    ) -> CallReply | DeferredTurn:
        """Continue a call at the node and state of its ticket."""
        try:
            state = self._signer.read_ticket(f"{name}/{node}", fields.get("ticket", ""))
        except ForgedTicketError as error:
            return refuse_request(str(error))
        except ExpiredTicketError as error:
            return self._answer_with_fallback(name, node, error)
        carried = state.get("t", {})
        fields.update({key: value for key, value in carried.items() if key != ANSWERS_ITSELF_FIELD})
        turn = self._build_turn(fields, body, get_base_url)
        turn.earlier_values = Variables(state.get("s", {}))
        turn.reset_progress()
        if ANSWERS_ITSELF_FIELD in carried:
            turn.auto_answer = bool(carried[ANSWERS_ITSELF_FIELD])
        remembered = self._flow_versions.find_version(name, state.get("v", ""))
        flow = remembered or self._flow_versions.book.flows.get(name)
        if remembered is None:
            node = find_root_node(node)  # branch numbers may differ between versions
        if flow is None or node not in flow.fragments_by_node:
            message = f"the flow {name} has no node {node} any more"
            if flow is not None and flow.problems:
                message = f"the flow {name} has mistakes, and no good version of it is in use"
            return self._answer_with_fallback(name, node, NodeGoneError(message), turn)
        entry = read_node_entry(state, is_same_version=remembered is not None)
        return self._answer_from_flow(flow, node, turn, entry)

    def _build_turn(self, fields: dict[str, str], body: bytes, get_base_url: GetBaseUrl) -> Turn:
        answers_itself = None
        if body:
            more, answers_itself = parse_posted_call(body)
            fields.update({name: value for name, value in more.items() if not fields.get(name)})
        turn = Turn(fields, get_base_url=get_base_url, auto_answer=answers_itself, clock=self._clock)
        book = self._flow_versions.book
        turn.owns_number, turn.claims_number = book.has_exact_claim, book.has_claim
        call = fields.get("call")
        if call is not None and call.startswith(LINE_CHECK_PREFIX):
            turn.is_line_check = is_line_check_call(call, self._signer)
        return turn

    def _answer_with_fallback(self, name: str, node: str, error: Exception, turn: Turn | None = None) -> CallReply:
        flow = self._flow_versions.find_newest(name)
        document = flow.fallback if flow is not None else self.apology
        return STATUS_OK, document, _build_fallback_outcome(name, node, error, turn), turn


def _build_fallback_outcome(flow: str, node: str, error: Exception, turn: Turn | None = None) -> AnswerOutcome:
    """Build the outcome of a served fallback; expected errors get no stack trace, and secrets of the call are masked."""
    trace = "" if isinstance(error, _EXPECTED_ERRORS) else "".join(traceback.format_exception(error))
    cause = type(error).__name__
    if isinstance(error, AuthorCodeError):
        cause, trace = error.error_type, error.trace
    secrets = list_secret_texts(turn, digits_allowed=False)
    detail = mask_secrets(", ".join([str(error), *getattr(error, "__notes__", ())]), secrets)
    return AnswerOutcome(
        "fallback",
        flow,
        node,
        cause=cause,
        detail=detail[:_MAX_ERROR_CHARACTERS],
        trace=mask_secrets(trace, secrets)[-_MAX_ERROR_CHARACTERS * 20 :],
    )


def _build_answered_outcome(flow: Flow, node: str, turn: Turn) -> AnswerOutcome:
    fine = _get_answered_outcome(flow.name, flow.version, node)
    return fine._replace(effects=(*turn.effects,)) if turn.effects else fine


@lru_cache(maxsize=4096)
def _get_answered_outcome(flow: str, version: str, node: str) -> AnswerOutcome:
    return AnswerOutcome(ANSWERED_BY_FLOW, flow, node, version=version)


def refuse_request(reason: str) -> CallReply:
    """Return status 403 with problem details."""
    problem = {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": reason}
    return 403, json.dumps(problem).encode(), AnswerOutcome("refused", cause=reason), None
