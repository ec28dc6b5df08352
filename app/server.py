"""The only place where things are put together: settings in, an ASGI app out."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog
from fastapi import FastAPI

from app.consent import OnceInMemory, OptOutsInMemory
from app.effects import Live
from app.flows import trail
from app.flows.checks.across import across, since
from app.flows.compiler import Options
from app.flows.library import Library
from app.flows.messages.inbox import Inbox
from app.flows.messages.rules import Sentences
from app.flows.missed import after
from app.flows.screening.callers import CountsInMemory
from app.flows.shelf import Shelf
from app.flows.tickets import Signer, kept_key
from app.flows.watcher import Watcher
from app.flows.words.recording import BEEP_PATH
from app.flows.workers import Workers
from app.flows.workshop import Workshop
from app.journal import Journal, journal_of
from app.numbers import Mask
from app.rehearsal.stage import Stage
from app.settings import Settings, unknown
from app.settings import load as load_settings
from app.web.answering import Answering
from app.web.ending import Ending
from app.web.engine import Engine
from app.web.hearing import Hearing
from app.web.log import Log, line_of, log_to
from app.web.problems import said_as_problems
from app.web.pushing import Pushing
from app.web.requests import Trust
from app.web.sounds import sounds
from app.web.state import state
from app.web.tally import Tally
from app.web.texting import Texting
from app.web.webhooks import webhooks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.calls import Turn
    from app.ended import Ended
    from app.flows.book import FlowBook
    from app.flows.loader import Loaded, Progress
    from app.opentact import Opentact
    from app.spots import Spot
    from app.web.hearing import Act
    from app.web.listening import Listening


GRACE: Final = 5.0
"""Seconds that effects have to be done when the server ends."""


def create_app(settings: Settings | None = None, library: Library | None = None) -> Answering:
    """The server as an ASGI app. Raises SettingsError; flows that are wrong are said, and keep no other from answering.

    ``library`` is that of ``library_of``, where it is made already.
    """
    settings = settings or load_settings()
    log = Log()
    mask = Mask(keys_of(settings)[0])
    log_to(log, settings.log_format, mask)
    house = House(settings, library or library_of(settings), log, mask)
    house.warn()
    app = FastAPI(title="callflows", lifespan=house.open, description="Answers the calls of numbers on Opentact.")
    said_as_problems(app)
    app.include_router(state(lambda: house.library.loaded, house.state, house.trust, house.tally))
    app.include_router(sounds(BEEP_PATH))
    app.include_router(webhooks(house.trust, house.hearing.written))
    return Answering(app, house.engine, house.trust)


class House:
    """All that one process of an installation has."""

    def __init__(self, settings: Settings, library: Library, log: Log, mask: Mask) -> None:
        self.settings = settings
        self.library = library
        self.trust = Trust(settings)
        self.journal = journal_of(settings, trail.told)
        self.opentact = opentact_of(settings)
        self.tally = Tally(line_of(settings.log_format), log, lambda: library.loaded.states, mask)
        self._log = log
        self._loop: asyncio.AbstractEventLoop | None = None
        self._shelf = Shelf(library.loaded.book)
        self._outside = outside_of(settings, self.opentact, self.journal)
        self._workshop = Workshop(self._outside, Workers("app.flows.workshop:work"))
        hears = self.opentact is not None
        self._ending = Ending(self._shelf, self.journal, self._workshop, self._outside, hears=hears)
        self._watcher = Watcher(library, self._changed)
        self.engine = Engine(
            shelf=self._shelf,
            signer=signer_of(settings),
            tally=self.tally,
            apology=settings.apology,
            dialect=settings.dialect,
            deadline=settings.deadline_ms / 1000,
            workshop=self._workshop,
            outside=self._ending,
            counts=CountsInMemory(),
            remember=self.journal.remember,
        )
        self.hearing = Hearing(self.journal, self._acts(), first=[self._texting().heard])
        self._listening = self._ear()
        self._count()

    def _ear(self) -> Listening | None:
        """What listens to events; None where the installation has no account."""
        if self.opentact is None:
            return None
        from app.web.listening import Listening  # noqa: PLC0415 - heavy, and an installation may do without

        return Listening(self.settings, self.opentact, self.journal, self.hearing.heard, self._unfinished)

    def _unfinished(self) -> float | None:
        """When the oldest happened that was reported and is not acted on yet."""
        waiting = (self.hearing.unfinished(), self._ending.unfinished())
        return min((at for at in waiting if at is not None), default=None)

    def _acts(self) -> list[Any]:
        """What is done when something is reported."""
        if self.opentact is None or self.settings.control != "push":
            return [self._ending.heard]
        push = Pushing(self.engine, self.opentact.calls.push, self.journal.once_or_here, self.settings.public_url)
        return [push.heard, self._ending.heard]

    def _texting(self) -> Texting:
        """What takes texts that come in."""
        journal, do = self.journal, self._workshop.do
        inbox = Inbox(lambda: self._shelf.book, sentences_of(self.settings), optouts=journal, done=journal, do=do)
        return Texting(inbox, lambda: self._shelf.book, self._outside)

    def _count(self) -> None:
        also = self.tally.also
        also("callflows_effects", "Effects and lookups, by what became of them", ["kind", "result"], self._outside.counts)
        also("callflows_workers", "What workers were asked, and what became of them", ["state"], self._workshop.counts)
        also("callflows_journal", "What happened, by what became of it in the journal", ["state"], self.journal.counts)

    def warn(self) -> None:
        """Say what is to be known of the settings and the flows."""
        log, settings = structlog.get_logger("callflows"), self.settings
        said(self.library.loaded, workers=settings.workers)
        for strange in unknown():
            log.warning(strange)
        if not settings.token:
            log.warning("no CALLFLOWS_TOKEN is set: only this machine is answered")
        if settings.control == "push" and (self.opentact is None or not settings.public_url):
            log.error("CALLFLOWS_CONTROL=push needs CALLFLOWS_PUBLIC_URL and a token of Opentact: no call is answered so")

    def state(self) -> dict[str, Any]:
        """How the journal and the platform are."""
        events = self._listening.state() if self._listening is not None else {"connected": False, "problem": "not set up"}
        return {"journal": self.journal.state(), "events": events}

    def _changed(self, before: Loaded, loaded: Loaded) -> None:
        """Another book is open; the watcher's thread says so."""
        self._shelf.open(loaded.book)
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self._ready(loaded.book), self._loop)
        said(loaded, before, self.settings.workers)

    async def _ready(self, book: FlowBook) -> None:
        """Have what its flows need, so that no caller waits for it."""
        if any(flow.apart for flow in book.flows.values()):
            await self._workshop.start()
        if any(flow.outside for flow in book.flows.values()):
            await self._outside.ready()

    @contextlib.asynccontextmanager
    async def open(self, _app: FastAPI) -> AsyncIterator[None]:
        """Everything runs, until it ends."""
        self._log.start()
        self.tally.start()
        self.journal.start()
        await self._outside.start()
        self._loop = asyncio.get_running_loop()
        await self._ready(self._shelf.book)
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 50, 100)  # answers leave nothing in circles behind; looking for them costs 4 %
        self._watcher.start()
        self._ending.start()
        if self._listening is not None:
            self._listening.start()
        yield
        self._watcher.stop()
        if self._listening is not None:
            await self._listening.stop()
        await self.hearing.stop(GRACE)
        await self._ending.stop()
        await self._workshop.stop()
        await self._outside.stop(GRACE)
        if self.opentact is not None:
            await self.opentact.close()
        await asyncio.to_thread(self.journal.stop)
        self.tally.stop()
        self._log.stop()


def opentact_of(settings: Settings) -> Opentact | None:
    """The platform as a client; None where the installation has no account. Raises SettingsError."""
    if not settings.opentact_token.get_secret_value() and not settings.opentact_email:
        return None
    from app.opentact import Opentact  # noqa: PLC0415 - heavy, and most rehearsals do without

    return Opentact.of(settings)


def outside_of(settings: Settings, opentact: Opentact | None = None, journal: Journal | None = None) -> Live:
    """The outside of an installation: lookups, webhooks and messages, done for real."""
    sms = None
    if opentact is not None:
        from app.opentact.messages import texting  # noqa: PLC0415 - as above

        sms = texting(opentact.messages)
    keys = [key.get_secret_value() for key in settings.notify_key]
    settled = journal.remember if journal is not None else None
    return Live(settings.private_lookups, keys, sms=sms, settled=settled, optouts=journal, done=journal)


@contextlib.asynccontextmanager
async def rehearsing(
    settings: Settings, book: FlowBook, signer: Signer, real: Live | None = None
) -> AsyncIterator[Answering]:
    """The engine that is live, put together for rehearsals: nothing outside happens but by ``real``, nothing is counted.

    ``signer`` is that for which the book's flows were compiled.
    """

    async def over(flow: str, call: Ended) -> Turn | None:
        return await after(book.flows[flow], call, workshop.do)

    def texting() -> Act:
        own, done, clock = OptOutsInMemory(), OnceInMemory(), lambda: stage.now().timestamp()
        inbox = Inbox(lambda: book, sentences_of(settings), optouts=own, done=done, do=workshop.do, clock=clock, quiet=True)
        return Texting(inbox, lambda: book, stage, stage.took).heard

    stage = Stage(trail.told, real, over, came=partial(came_by, book), texting=texting)
    workshop = Workshop(stage, Workers("app.flows.workshop:work"))
    here = settings.model_copy(update={"token": (), "allowed_sources": (), "trusted_proxies": (), "public_url": ""})
    try:
        engine = Engine(
            shelf=Shelf(book),
            signer=signer,
            tally=Tally(line_of("json"), io.StringIO()),
            apology=settings.apology,
            dialect=settings.dialect,
            deadline=settings.deadline_ms / 1000,
            workshop=workshop,
            outside=stage,
            counts=stage,
            clock=stage.now,
            remember=stage.remember,
        )
        rest = FastAPI(openapi_url=None)
        rest.include_router(webhooks(Trust(here), stage.heard))
        yield Answering(rest, engine, Trust(here))
    finally:
        await workshop.stop()


def sentences_of(settings: Settings) -> Sentences:
    """What an installation says by itself to who writes STOP, START and HELP."""
    return Sentences(settings.message_stopped, settings.message_started, settings.message_help)


def came_by(book: FlowBook, flow: str, turn: Turn) -> list[Spot]:
    """The places beside the nodes of a flow by which a turn came."""
    spots = book.flows[flow].beside
    keys = [(mark.node, mark.step, mark.word, outcome) for mark, outcome, *_ in turn.trail]
    return [spots[key] for key in keys if key in spots]


def keys_of(settings: Settings) -> list[bytes]:
    """The keys of an installation: those of the settings, or one that is kept. Raises SettingsError."""
    return [key.get_secret_value().encode() for key in settings.secret_keys] or [kept_key(settings.data)]


def signer_of(settings: Settings) -> Signer:
    """What signs tickets. Raises SettingsError."""
    return Signer(keys_of(settings))


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
    for found in (*loaded.problems, *between):
        if found not in known:
            (log.error if found.severity == "error" else log.warning)(str(found))
    for name in loaded.stale:
        if before and loaded.stale[name] != before.stale.get(name):
            log.error("the last good version of a flow goes on", flow=name, version=loaded.book.flows[name].version)
    states = loaded.states
    flows = states["live"] + states["stale"]
    log.info("flows loaded", flows=flows, stale=states["stale"], problems=len(loaded.problems))
