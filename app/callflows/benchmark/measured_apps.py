"""The servers that ``callflows bench`` measures beside ``callflows serve``.

Run as ``python -m callflows.benchmark.measured_apps NAME PORT``.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fastapi import FastAPI
    from starlette.requests import Request

    from callflows.web.call_endpoint import CallEndpoint


_CONSTANT_DOCUMENT: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Response><Say>Welcome to Acme.</Say><Hangup/></Response>'
)


def create_constant_app() -> Starlette:
    """Create the route that does the least: it answers every request with the same short document."""

    async def answer_constant(_request: Request) -> Response:
        return Response(_CONSTANT_DOCUMENT, media_type="application/xml")

    return Starlette(routes=[Route("/call", answer_constant)])


def create_twilio_app() -> FastAPI:
    """Create an app as authors of Twilio apps write it: a menu of three keys, built for every request."""
    from fastapi import FastAPI  # noqa: PLC0415 - each server loads its own libraries alone
    from twilio.twiml import voice_response  # type: ignore[import-untyped]  # noqa: PLC0415 - as above

    app = FastAPI()

    @app.get("/call")
    async def answer_menu(to: str, token: str = "") -> Response:
        response = voice_response.VoiceResponse()
        if token != "benchmark" or not to:  # noqa: S105 - no secret: the load generator sends it
            response.reject()
        response.say("Welcome to Acme.", language="en-US")
        gather = voice_response.Gather(num_digits=1, action="https://calls.example.com/call/menu")
        gather.say("For sales press 1. For support press 2. To leave a message press 0.", language="en-US")
        response.append(gather)
        response.say("I did not hear a key.", language="en-US")
        response.redirect("https://calls.example.com/call/menu?again=1")
        response.hangup()
        return Response(str(response), media_type="application/xml")

    return app


def create_journal_free_app() -> CallEndpoint:
    """Create the engine of ``callflows serve`` with metrics and log lines, and without a journal."""
    from callflows.flows.loader.flow_versions import FlowVersions  # noqa: PLC0415 - as above
    from callflows.installation_parts import (  # noqa: PLC0415 - as above
        create_sandbox_pool,
        create_ticket_signer,
        load_flow_library,
    )
    from callflows.rehearsal.simulated_outside import SimulatedOutside  # noqa: PLC0415 - as above
    from callflows.sandbox.job_runner import JobRunner  # noqa: PLC0415 - as above
    from callflows.settings import load_settings  # noqa: PLC0415 - as above
    from callflows.web.answer_engine import AnswerEngine  # noqa: PLC0415 - as above
    from callflows.web.answer_metrics import AnswerMetrics  # noqa: PLC0415 - as above
    from callflows.web.answering_thread import tune_interpreter  # noqa: PLC0415 - as above
    from callflows.web.call_endpoint import CallEndpoint  # noqa: PLC0415 - as above
    from callflows.web.log_lines import create_line_renderer  # noqa: PLC0415 - as above
    from callflows.web.request_trust import RequestTrust  # noqa: PLC0415 - as above

    settings = load_settings()
    outside = SimulatedOutside()
    metrics = AnswerMetrics(create_line_renderer("json"), sys.stderr)
    engine = AnswerEngine(
        flow_versions=FlowVersions(load_flow_library(settings).loaded_flows.book),
        signer=create_ticket_signer(settings),
        answer_metrics=metrics,
        apology=settings.apology,
        dialect=settings.dialect,
        deadline=settings.deadline_ms / 1000,
        job_runner=JobRunner(outside, create_sandbox_pool(settings)),
        effect_sender=outside,
        caller_counts=outside,
    )

    @contextlib.asynccontextmanager
    async def run_lifespan(_app: Starlette) -> AsyncIterator[None]:
        metrics.start()
        tune_interpreter()
        try:
            yield
        finally:
            metrics.stop()

    return CallEndpoint(Starlette(lifespan=run_lifespan), engine, RequestTrust(settings))


def create_plain_asgi_app() -> CallEndpoint:
    """Create the whole server, for uvicorn's own HTTP protocol."""
    from callflows.server import create_app  # noqa: PLC0415 - as above

    return create_app()


def serve_measured_app(name: str, port: int) -> None:
    """Serve one of the apps until SIGTERM."""
    apps: dict[str, tuple[Callable[[], Any], str]] = {
        "constant": (create_constant_app, ""),
        "twilio": (create_twilio_app, ""),
        "asgi": (create_plain_asgi_app, ""),
        "journal-free": (create_journal_free_app, "callflows.web.call_protocol:CallHttpProtocol"),
    }
    create, http = apps[name]
    options: dict[str, Any] = {"http": http} if http else {}
    # As callflows serve has it. Around an app, uvicorn's reader of proxy headers would hide the endpoint from the protocol.
    options |= {"access_log": False, "log_config": None, "server_header": False, "proxy_headers": False}
    uvicorn.run(create(), port=port, **options)


if __name__ == "__main__":
    serve_measured_app(sys.argv[1], int(sys.argv[2]))
