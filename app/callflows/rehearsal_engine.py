"""Composition of rehearsals: the engine that answers live calls, with a simulated outside.

Neither a database nor, as long as no text message comes, the web framework is imported: rehearsals start quickly.
"""

from __future__ import annotations

import contextlib
import io
from functools import cache, partial
from typing import TYPE_CHECKING

from callflows.flows.loader.flow_versions import FlowVersions
from callflows.flows.messages.message_inbox import MessageInbox
from callflows.installation_parts import create_automatic_replies, create_sandbox_pool, read_carrier_words
from callflows.rehearsal.simulated_outside import SimulatedOutside
from callflows.sandbox.job_runner import JobRunner
from callflows.telephony.ports import InMemoryIdempotencyStore, InMemoryOptOuts
from callflows.web.answer_engine import AnswerEngine
from callflows.web.answer_metrics import AnswerMetrics
from callflows.web.call_endpoint import CallEndpoint
from callflows.web.inbound_sms import InboundSms
from callflows.web.log_lines import create_line_renderer
from callflows.web.request_trust import RequestTrust

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

    from callflows.effects.live_effects import LiveEffects
    from callflows.flows.coverage_points import CoveragePoint
    from callflows.flows.flow_book import FlowBook
    from callflows.flows.tickets import TicketSigner
    from callflows.settings import Settings
    from callflows.telephony.call_record import CallRecord
    from callflows.telephony.turn import Turn
    from callflows.web.call_endpoint import AsgiReceive, AsgiScope, AsgiSend
    from callflows.web.event_intake import EventHandler


@contextlib.asynccontextmanager
async def open_rehearsal_engine(
    settings: Settings, book: FlowBook, signer: TicketSigner, live_effects: LiveEffects | None = None
) -> AsyncIterator[CallEndpoint]:
    """Open the live engine with a simulated outside: only ``live_effects`` reach the network, and no call is counted.

    ``signer`` must be the signer of the compiler that compiled the flows of ``book``.
    """

    async def complete_call(flow: str, call: CallRecord) -> Turn | None:
        return await book.flows[flow].run_ended_call_steps(call, job_runner.run_job, book.has_exact_claim)

    def create_event_handler() -> EventHandler:
        opt_outs, idempotency_keys, clock = (
            InMemoryOptOuts(),
            InMemoryIdempotencyStore(),
            lambda: simulated_outside.now().timestamp(),
        )
        inbox = MessageInbox(
            lambda: book,
            create_automatic_replies(settings),
            carrier_words=read_carrier_words(settings),
            optouts=opt_outs,
            deduplication=idempotency_keys,
            run_job=job_runner.run_job,
            clock=clock,
            quiet=True,
        )
        return InboundSms(inbox, lambda: book, simulated_outside, simulated_outside.record_text_result).handle_event

    @cache
    def create_webhook_app() -> FastAPI:
        from fastapi import FastAPI  # noqa: PLC0415 - heavy, and needed for text messages alone

        from callflows.web.webhook_routes import create_webhook_router  # noqa: PLC0415 - as above

        app = FastAPI(openapi_url=None)
        app.include_router(
            create_webhook_router(RequestTrust(here), simulated_outside.handle_events, settings.deadline_ms / 1000)
        )
        return app

    async def serve_webhook(scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        await create_webhook_app()(scope, receive, send)

    simulated_outside = SimulatedOutside(
        live_effects,
        complete_call,
        coverage_of_turn=partial(coverage_of_turn, book),
        make_text_handler=create_event_handler,
        shortest_message_seconds=settings.shortest_message_seconds,
    )
    job_runner = JobRunner(simulated_outside, create_sandbox_pool(settings), counts_starts=False)
    here = settings.model_copy(update={"token": (), "allowed_sources": (), "trusted_proxies": (), "public_url": ""})
    try:
        engine = AnswerEngine(
            flow_versions=FlowVersions(book),
            signer=signer,
            answer_metrics=AnswerMetrics(create_line_renderer("json"), io.StringIO()),
            apology=settings.apology,
            dialect=settings.dialect,
            deadline=settings.deadline_ms / 1000,
            job_runner=job_runner,
            effect_sender=simulated_outside,
            caller_counts=simulated_outside,
            clock=simulated_outside.now,
            record_answer=simulated_outside.record_answer,
        )
        if any(flow.needs.worker for flow in book.flows.values()):
            await job_runner.start()  # as in a live server: a rehearsed call must not wait for a process to start
        yield CallEndpoint(serve_webhook, engine, RequestTrust(here))
    finally:
        await job_runner.stop()


def coverage_of_turn(book: FlowBook, flow: str, turn: Turn) -> list[CoveragePoint]:
    """Return the coverage points, apart from nodes, that a turn passed."""
    spots = book.flows[flow].decision_points
    keys = [(origin.node, origin.step_index, origin.step_key, outcome) for origin, outcome, *_ in turn.trail]
    return [spots[key] for key in keys if key in spots]
