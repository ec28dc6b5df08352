"""The only place where things are put together: settings in, an ASGI app out."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import json
import logging
import math
import struct
import sys
import wave
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TextIO

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from app.effects import Live
from app.flows.checks.across import across, since
from app.flows.compiler import Options
from app.flows.library import Library
from app.flows.screening.callers import CountsInMemory
from app.flows.shelf import Shelf
from app.flows.tickets import Signer, kept_key
from app.flows.watcher import Watcher
from app.flows.words.recording import BEEP_PATH
from app.flows.workers import Workers
from app.flows.workshop import Workshop
from app.settings import Settings, unknown
from app.settings import load as load_settings
from app.web.answering import Answering
from app.web.log import Log
from app.web.requests import Trust, header
from app.web.tally import Tally

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from app.flows.book import FlowBook
    from app.flows.loader import Loaded, Progress


GRACE: Final = 5.0
"""Seconds that effects have to be done when the server ends."""


def create_app(settings: Settings | None = None, library: Library | None = None) -> Answering:
    """The server as an ASGI app. Raises SettingsError; flows that are wrong are said, and keep no other from answering.

    ``library`` is that of ``library_of``, where it is made already.
    """
    settings = settings or load_settings()
    log = Log()
    log_to(log, settings.log_format)
    signer = signer_of(settings)
    library = library or library_of(settings)
    said(library.loaded, workers=settings.workers)
    trust, shelf = Trust(settings), Shelf(library.loaded.book)
    tally = Tally(line_of(settings.log_format), log, lambda: library.loaded.states)
    for strange in unknown():
        structlog.get_logger("callflows").warning(strange)
    if not settings.token:
        structlog.get_logger("callflows").warning("no CALLFLOWS_TOKEN is set: only this machine is answered")
    outside = Live(settings.private_lookups, [key.get_secret_value() for key in settings.notify_key])
    workshop = Workshop(outside, Workers("app.flows.workshop:work"))
    tally.also("callflows_effects", "Effects and lookups, by what became of them", ["kind", "result"], outside.counts)
    tally.also("callflows_workers", "What workers were asked, and what became of them", ["state"], workshop.counts)
    return Answering(
        _framework(shelf, library, trust, tally, log, workshop, outside, settings.workers),
        shelf=shelf,
        signer=signer,
        trust=trust,
        tally=tally,
        apology=settings.apology,
        dialect=settings.dialect,
        deadline=settings.deadline_ms / 1000,
        workshop=workshop,
        outside=outside,
        counts=CountsInMemory(),
    )


def signer_of(settings: Settings) -> Signer:
    """What signs tickets: the keys of the settings, or one that is kept. Raises SettingsError."""
    return Signer([key.get_secret_value().encode() for key in settings.secret_keys] or [kept_key(settings.data)])


def library_of(settings: Settings, on_progress: Progress | None = None) -> Library:
    """The flows of an installation, loaded. Raises SettingsError."""
    regions = frozenset(settings.dial_regions) or None
    options = Options(signer_of(settings), settings.apology, settings.dialect, dial_regions=regions)
    return Library(settings.flows, options, on_progress=on_progress)


def said(loaded: Loaded, before: Loaded | None = None, workers: int = 1) -> None:
    """Say in the log what is wrong with the flows; of a reload, what was not wrong ``before``."""
    log = structlog.get_logger("callflows.flows")
    known = set(before.problems) if before else set()
    between = since(before.book, loaded.book, workers) if before else across(loaded.book, workers)
    for problem in (*loaded.problems, *between):
        if problem not in known:
            (log.error if problem.severity == "error" else log.warning)(str(problem))
    for name in loaded.stale:
        if before and loaded.stale[name] != before.stale.get(name):
            log.error("the last good version of a flow goes on", flow=name, version=loaded.book.flows[name].version)
    states = loaded.states
    flows = states["live"] + states["stale"]
    log.info("flows loaded", flows=flows, stale=states["stale"], problems=len(loaded.problems))


def _framework(
    shelf: Shelf, library: Library, trust: Trust, tally: Tally, log: Log, workshop: Workshop, outside: Live, workers: int
) -> FastAPI:
    """Everything that is not the way of a call."""

    async def ready(book: FlowBook) -> None:
        """Have what its flows need, so that no caller waits for it."""
        if any(flow.apart for flow in book.flows.values()):
            await workshop.start()
        if any(flow.outside for flow in book.flows.values()):
            await outside.ready()

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        log.start()
        tally.start()
        await outside.start()
        await ready(shelf.book)
        loop = asyncio.get_running_loop()

        def changed(before: Loaded, loaded: Loaded) -> None:
            shelf.open(loaded.book)
            asyncio.run_coroutine_threadsafe(ready(loaded.book), loop)
            said(loaded, before, workers)

        watcher = Watcher(library, changed)
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 50, 100)  # answers leave nothing in circles behind; looking for them costs 4 %
        watcher.start()
        yield
        watcher.stop()
        await workshop.stop()
        await outside.stop(GRACE)
        tally.stop()
        log.stop()

    app = FastAPI(title="callflows", lifespan=lifespan, description="Answers the calls of numbers on Opentact.")

    _say_errors(app)
    _say_how_it_is(app, library, trust, tally)
    return app


def _say_how_it_is(app: FastAPI, library: Library, trust: Trust, tally: Tally) -> None:
    """What people and programs ask about the server, and the sounds of its own."""

    @app.get("/healthz", summary="Alive")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", summary="Can answer calls")
    async def readyz() -> Response:
        loaded = library.loaded
        broken = [flow.name for flow in loaded.book.flows.values() if flow.problems]
        flows = len(loaded.book.flows) - len(broken)
        status = "ok" if flows else "no flow is loaded"
        body = {"status": status, "flows": flows, "broken": broken, "stale": [*loaded.stale]}
        return JSONResponse(body, status_code=200 if flows else 503)

    @app.get("/metrics", summary="Prometheus")
    async def metrics(request: Request) -> Response:
        bearer = header(request.scope, b"authorization").removeprefix("Bearer ")
        refusal = trust.refusal(request.scope, request.query_params.get("token") or bearer)
        if refusal and not trust.local(request.scope):
            return _problem(403, refusal)
        return Response(tally.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    sound = beep()

    @app.get(BEEP_PATH, summary="A beep, for a dialect without a tone")
    async def media_beep() -> Response:
        return Response(sound, media_type="audio/wav", headers={"cache-control": "public, max-age=86400"})


def _say_errors(app: FastAPI) -> None:
    """Every error to people and programs is problem details."""

    @app.exception_handler(StarletteHTTPException)
    async def wrong(_request: Request, error: StarletteHTTPException) -> Response:
        return _problem(error.status_code, str(error.detail))

    @app.exception_handler(Exception)
    async def broken(_request: Request, _error: Exception) -> Response:
        return _problem(500, "Something broke; the log says what.")


def _problem(status: int, detail: str) -> Response:
    """Problem details (RFC 9457), for programs and people."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


def beep(hz: int = 1000, seconds: float = 0.4, rate: int = 8000) -> bytes:
    """A wav file of a tone, fading in and out within 10 ms so that it does not click."""
    samples, fade = int(seconds * rate), rate // 100
    levels = (min(1.0, i / fade, (samples - 1 - i) / fade) * 0.4 for i in range(samples))
    wave_form = [int(32767 * level * math.sin(2 * math.pi * hz * i / rate)) for i, level in enumerate(levels)]
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(struct.pack(f"<{samples}h", *wave_form))
    return file.getvalue()


def line_of(form: str) -> Callable[[Mapping[str, Any]], str]:
    """How a line of the call log is made of its fields."""
    if form == "json":
        return json.JSONEncoder(separators=(", ", ": ")).encode
    render = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return lambda fields: str(render(None, "", dict(fields)))


def log_to(out: Log | TextIO, form: str) -> None:
    """Structured log lines to ``out``."""
    json_lines: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    people: list[Any] = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(json_lines if form == "json" else people),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(out),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
