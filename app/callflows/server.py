"""Composition root: builds the ASGI app from the settings.

Only this module and ``rehearsal_engine``, which builds the engine of rehearsals, connect the parts of the package.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import importlib.metadata
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI

from callflows.flows.checks.cross_flow_checks import check_across_flows, check_changed_flows
from callflows.flows.flow_book import FlowBook
from callflows.flows.loader.flow_versions import FlowVersions
from callflows.flows.loader.folder_watcher import FolderWatcher
from callflows.flows.loader.place_tracer import PlaceTracer
from callflows.flows.messages.message_inbox import MessageInbox
from callflows.flows.source.included_files import join_stored_source
from callflows.flows.source.positions import DATA_FILE_RULES
from callflows.flows.steps.voicemail_step import BEEP_URL_PATH
from callflows.installation_parts import (
    STOP_GRACE_SECONDS,
    create_automatic_replies,
    create_compiler_options,
    create_live_effects,
    create_opentact_client,
    create_sandbox_pool,
    create_ticket_signer,
    load_flow_library,
    load_secret_keys,
    read_carrier_words,
)
from callflows.journal.call_counting import SharedCallCounter
from callflows.journal.journal import create_journal
from callflows.log import get_logger
from callflows.sandbox.job_runner import JobRunner
from callflows.settings import Settings, check_token_of_public_server, find_unknown_settings, load_settings
from callflows.telephony.call_traces import create_call_traces
from callflows.telephony.events import LiveFlowVersion
from callflows.telephony.phone_numbers import NumberMask
from callflows.text import format_address
from callflows.web.answer_engine import AnswerEngine
from callflows.web.answer_metrics import AnswerMetrics
from callflows.web.answering_thread import tune_interpreter
from callflows.web.api_pages import create_api_router
from callflows.web.call_end_handler import CallEndHandler
from callflows.web.call_endpoint import CallEndpoint
from callflows.web.call_limits import CallLimits
from callflows.web.call_pushing import CallPusher
from callflows.web.command_process import CommandProcesses
from callflows.web.console.console_access import CONSOLE_PATH, ConsoleAccess
from callflows.web.console.console_accounts import ConsoleAccounts
from callflows.web.console.console_app import create_console_app, redirect_to_console
from callflows.web.console.console_frame import ConsoleSources
from callflows.web.console.console_sessions import SessionSigner
from callflows.web.console.outside_people import OutsidePeople
from callflows.web.console_listener import ConsoleListener
from callflows.web.event_intake import EventIntake
from callflows.web.flow_workshop import FlowWorkshop
from callflows.web.inbound_sms import InboundSms
from callflows.web.line_checker import LineChecker
from callflows.web.log_lines import LogWriter, configure_logging, create_line_renderer, log_uncaught_errors
from callflows.web.metric_table import ComponentMetric
from callflows.web.operator_api import create_operator_router
from callflows.web.override_sharing import OverrideSharing
from callflows.web.problem_details import install_problem_handlers
from callflows.web.recording_links import create_recording_router
from callflows.web.request_trust import RequestTrust
from callflows.web.server_status import create_status_router
from callflows.web.shared_counts import open_shared_counts
from callflows.web.sound_files import create_sound_router
from callflows.web.webhook_routes import create_webhook_router

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from fastapi import APIRouter
    from starlette.types import ASGIApp

    from callflows.flows.flow import Flow
    from callflows.flows.loader.flow_library import FlowLibrary
    from callflows.flows.loader.folder_loader import LoadedFlows
    from callflows.rehearsal.platform_network import PlatformNetwork
    from callflows.setup.doctor.doctor_runner import DoctorFinding, DoctorResult
    from callflows.web.event_listener import EventListener
    from callflows.web.execution_log_fetcher import ExecutionLogFetcher


_LOG: Final = get_logger("server")


def create_process_app() -> CallEndpoint:
    """Build the server in a process that does nothing else. Raises SettingsError."""
    return create_app(owns_process=True)


def create_app(
    settings: Settings | None = None, library: FlowLibrary | None = None, *, owns_process: bool = False
) -> CallEndpoint:
    """Build the server as an ASGI app. Raises SettingsError.

    Broken flows are logged and do not stop the other flows. ``library`` is the result of ``load_flow_library`` if the
    caller has loaded the flows already. If the server ``owns_process``, all warnings and uncaught errors of the process
    become log lines.
    """
    end_with_parent_process()
    settings = settings or load_settings()
    check_token_of_public_server(settings)
    log = LogWriter()
    mask = NumberMask(load_secret_keys(settings)[0])
    configure_logging(log, settings.log_format, mask)
    if owns_process:
        log_uncaught_errors()
        atexit.register(log.write_rest)
    installation = Installation(settings, library or load_flow_library(settings), log, mask)
    installation.log_warnings()
    app = FastAPI(
        title="callflows",
        lifespan=installation.run_lifespan,
        description="Answers the calls of numbers on Opentact.",
        openapi_url=None,
    )
    install_problem_handlers(app)
    _add_routes(app, create_api_router(app, installation.trust))
    _add_routes(
        app,
        create_status_router(
            lambda: installation.library.loaded_flows,
            installation.get_status,
            installation.trust,
            installation.answer_metrics,
        ),
    )
    _add_routes(
        app,
        create_operator_router(
            installation.journal,
            installation.trust,
            lambda: installation.library.loaded_flows,
            installation.get_status,
            installation.workshop,
            needs_token=bool(settings.token),
        ),
    )
    if settings.console_address is None:
        app.add_route(CONSOLE_PATH, redirect_to_console)
        app.mount(CONSOLE_PATH, installation.create_console())
    _add_routes(app, create_sound_router(settings.flows, BEEP_URL_PATH))
    _add_routes(app, create_recording_router(installation.journal, create_ticket_signer(settings)))
    take_webhook = installation.event_intake.take_from_webhook
    _add_routes(app, create_webhook_router(installation.trust, take_webhook, settings.deadline_ms / 1000))
    return CallEndpoint(app, installation.engine, installation.trust)


def _add_routes(app: FastAPI, router: APIRouter) -> None:
    """Add the routes of a router to an app."""
    # FastAPI's own include_router has each route analysed once more, while the first request waits.
    app.router.routes.extend(router.routes)


WORKER_END_SECONDS: Final = 30.0
"""Time in which a worker without a parent ends by itself: requests get ten seconds, what waits is written after them."""


def end_with_parent_process() -> None:
    """End a worker process when its parent has ended or was killed.

    Otherwise the workers would live on, and the next start would find the address in use.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def await_parent_end() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(WORKER_END_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)  # a worker that hangs would hold the address for ever

    threading.Thread(target=await_parent_end, name="parent", daemon=True).start()


class Installation:
    """All parts of one server process."""

    def __init__(self, settings: Settings, library: FlowLibrary, log_writer: LogWriter, mask: NumberMask) -> None:
        self.settings = settings
        self.library = library
        self.trust = RequestTrust(settings)
        signer = create_ticket_signer(settings)
        self._compile_for_rehearsal = functools.lru_cache(maxsize=32)(library.compile_for_rehearsal)
        self._flow_versions = FlowVersions(library.loaded_flows.book)
        tracer = PlaceTracer(self._flow_versions, signer)
        self.journal = create_journal(settings, tracer.trace_document)
        processes = CommandProcesses(settings)
        self.workshop = FlowWorkshop(
            settings.flows,
            create_compiler_options(settings),
            self.journal,
            processes,
            lambda: library.loaded_flows.book,
            lambda: library.refresh().book,
        )
        self.opentact = create_opentact_client(settings)
        self._traces = create_call_traces(importlib.metadata.version("callflows"))
        self.answer_metrics = AnswerMetrics(
            create_line_renderer(settings.log_format),
            log_writer,
            mask,
            open_shared_counts(settings.data),
            self._traces,
        )
        self._log_writer = log_writer
        self._loop: asyncio.AbstractEventLoop | None = None
        self._live_effects = create_live_effects(settings, self.opentact, self.journal, self._traces)
        pool = create_sandbox_pool(settings, log_author_output)
        self._job_runner = JobRunner(self._live_effects, pool)
        self._call_end_handler = CallEndHandler(
            self._flow_versions,
            self.journal,
            self._job_runner,
            self._live_effects,
            receives_events=self.opentact is not None,
        )
        self._call_counter = SharedCallCounter(self.journal)
        self._folder_watcher = FolderWatcher(library, self._open_flow_book)
        self.engine = AnswerEngine(
            flow_versions=self._flow_versions,
            signer=signer,
            answer_metrics=self.answer_metrics,
            apology=settings.apology,
            dialect=settings.dialect,
            deadline=settings.deadline_ms / 1000,
            job_runner=self._job_runner,
            effect_sender=self._call_end_handler,
            caller_counts=self._call_counter,
            record_answer=self.journal.record_soon,
            call_limits=CallLimits(
                settings.caller_calls_per_minute,
                settings.number_calls_per_minute,
                shared_counter=self._call_counter if settings.workers > 1 or settings.shares_database else None,
            ),
        )
        self._execution_logs = self._create_execution_log_fetcher()
        self.event_intake = EventIntake(
            self.journal, self._create_event_handlers(), first_handlers=[self._create_inbound_sms().handle_event]
        )
        self._event_listener = self._create_event_listener()
        self._override_sharing = OverrideSharing(settings.data, self.journal) if settings.shares_database else None
        self._line_checker = LineChecker(
            settings, self.journal, signer, lambda: self._flow_versions.book, self._live_effects.queue_effect
        )
        self._console_listener = self._create_console_listener()
        self._register_metrics()

    def create_console(self) -> ASGIApp:
        """Create the pages of the console."""
        accounts = ConsoleAccounts(self.settings.console_password.get_secret_value(), self.settings.console_users_file)
        trust = self.trust
        if self.settings.console_address is not None:
            # PUBLIC_URL is the callers' address: it says nothing about the console's.
            trust = RequestTrust(self.settings.model_copy(update={"public_url": ""}))
        signer = SessionSigner(load_secret_keys(self.settings))
        access = ConsoleAccess(self.journal, trust, accounts, signer, OutsidePeople(self.settings, trust))
        sources = ConsoleSources(
            journal=self.journal,
            get_loaded_flows=lambda: self.library.loaded_flows,
            get_status=self.get_status,
            flows_folder=self.settings.flows,
            data_folder=self.settings.data,
            private_networks=self.settings.private_lookups,
            send_effect=self._live_effects.queue_effect if self.opentact is not None else None,
            summarize_answers=self.answer_metrics.summarize,
            run_doctor=self._run_local_doctor,
            find_misrouted_numbers=self._find_misrouted_numbers if self.opentact is not None else None,
            open_rehearsal_network=self._open_rehearsal_network,
        )
        return create_console_app(sources, access, self.workshop)

    def _create_console_listener(self) -> ConsoleListener | None:
        """Create the server of the console's own address; None if the console is at the server's address."""
        address = self.settings.console_address
        return None if address is None else ConsoleListener(self.create_console(), *address)

    @contextlib.asynccontextmanager
    async def _open_rehearsal_network(self, flow: Flow) -> AsyncIterator[PlatformNetwork]:
        """Open the engine of rehearsals with a flow."""
        from callflows.rehearsal.platform_network import HttpNetwork  # noqa: PLC0415 - heavy, and only for a page
        from callflows.rehearsal_engine import open_rehearsal_engine  # noqa: PLC0415 - as above

        book = FlowBook([await asyncio.to_thread(self._compile_for_rehearsal, flow)])
        signer = create_ticket_signer(self.settings)
        async with open_rehearsal_engine(self.settings, book, signer) as engine, HttpNetwork(engine) as network:
            yield network

    async def _run_local_doctor(self) -> Sequence[DoctorResult]:
        """Run the checks of doctor that need no network, with the flows that are loaded."""
        from callflows.setup.doctor.account_checks import DoctorAccount  # noqa: PLC0415 - heavy, and only for a page
        from callflows.setup.doctor.doctor_checks import build_doctor_checks  # noqa: PLC0415 - as above
        from callflows.setup.doctor.doctor_runner import run_doctor_checks  # noqa: PLC0415 - as above

        account = DoctorAccount(self.settings, "")
        try:
            checks = build_doctor_checks(self.settings, account, lambda: self.library.loaded_flows)
            return await run_doctor_checks(checks, offline=True)
        finally:
            await account.close()

    async def _find_misrouted_numbers(self) -> Mapping[str, DoctorFinding]:
        """Ask Opentact which numbers of the flows do not come here. Raises OpentactError and SettingsError."""
        from callflows.setup.doctor.account_checks import DoctorAccount  # noqa: PLC0415 - heavy, and only for a page
        from callflows.setup.doctor.app_checks import find_misrouted_numbers  # noqa: PLC0415 - as above

        account = DoctorAccount(self.settings)
        try:
            return await find_misrouted_numbers(account, self.library.loaded_flows.book)
        finally:
            await account.close()

    def _create_event_listener(self) -> EventListener | None:
        """Create the listener for Opentact's events; None without an Opentact account."""
        if self.opentact is None:
            return None
        from callflows.web.event_listener import EventListener  # noqa: PLC0415 - heavy, and needs an account

        return EventListener(
            self.settings, self.opentact, self.journal, self.event_intake.take_from_stream, self._find_oldest_unfinished
        )

    def _find_oldest_unfinished(self) -> float | None:
        """Return the time of the oldest event that is not handled yet, in seconds since 1970; None if all are handled."""
        waiting = (self.event_intake.find_oldest_unfinished(), self._call_end_handler.find_oldest_unfinished())
        return min((at for at in waiting if at is not None), default=None)

    def _create_event_handlers(self) -> list[Any]:
        handlers: list[Any] = [self._call_end_handler.handle_event]
        if self._execution_logs is not None:
            handlers.append(self._execution_logs.handle_event)
        if self.opentact is not None and self.settings.control == "push":
            push = CallPusher(
                self.engine, self.opentact.calls.push_document, self.journal.claim_key_or_here, self.settings.public_url
            )
            handlers.insert(0, push.handle_event)
        return handlers

    def _create_execution_log_fetcher(self) -> ExecutionLogFetcher | None:
        """Create the fetcher of execution logs; None without an Opentact account, or if a setting turns it off."""
        if self.opentact is None or not self.settings.execution_log:
            return None
        from callflows.opentact.backfill import EventBackfill  # noqa: PLC0415 - heavy, and needs an account
        from callflows.web.execution_log_fetcher import ExecutionLogFetcher  # noqa: PLC0415 - as above

        return ExecutionLogFetcher(self.journal, EventBackfill(self.opentact))

    def _create_inbound_sms(self) -> InboundSms:
        journal = self.journal
        inbox = MessageInbox(
            lambda: self._flow_versions.book,
            create_automatic_replies(self.settings),
            carrier_words=read_carrier_words(self.settings),
            optouts=journal,
            deduplication=journal,
            run_job=self._job_runner.run_job,
            sent_texts=journal,
        )
        return InboundSms(inbox, lambda: self._flow_versions.book, self._live_effects)

    def _register_metrics(self) -> None:
        jobs, effects = self._job_runner, self._live_effects
        self.answer_metrics.add_metrics(
            ComponentMetric(
                "callflows_flows",
                "max",
                "Flows: live, broken, or stale (an earlier version is live)",
                lambda: self.library.loaded_flows.state_counts,
                ["state"],
            ),
            ComponentMetric(
                "callflows_effects",
                "counter",
                "Effects and lookups, by their result",
                effects.count_results,
                ["kind", "result"],
            ),
            ComponentMetric(
                "callflows_effects_pending", "sum", "Effects without a result", lambda: effects.get_status()["waiting"]
            ),
            ComponentMetric(
                "callflows_effects_oldest_pending_seconds",
                "max",
                "Age of the oldest effect without a result",
                lambda: effects.get_status()["oldest_seconds"],
            ),
            ComponentMetric(
                "callflows_sandbox_jobs", "counter", "Jobs for sandbox processes", lambda: jobs.worker_counts()["asked"]
            ),
            ComponentMetric(
                "callflows_sandbox_jobs_overdue",
                "counter",
                "Jobs that did not end in time",
                lambda: jobs.worker_counts()["overdue"],
            ),
            ComponentMetric(
                "callflows_sandbox_jobs_running",
                "sum",
                "Jobs in sandbox processes now",
                lambda: jobs.worker_counts()["running"],
            ),
            ComponentMetric(
                "callflows_sandbox_processes", "sum", "Sandbox processes now", lambda: jobs.worker_counts()["processes"]
            ),
            ComponentMetric(
                "callflows_sandbox_processes_ended",
                "counter",
                "Sandbox processes that died, or were killed and replaced because a job did not stop",
                lambda: {cause: jobs.worker_counts()[cause] for cause in ("died", "replaced")},
                ["cause"],
            ),
            ComponentMetric(
                "callflows_journal_entries",
                "counter",
                "Events and answers, by their result in the journal",
                self.journal.count_results,
                ["result"],
            ),
            ComponentMetric(
                "callflows_journal_database_up",
                "min",
                "1 if the database of the journal can be reached",
                lambda: self.journal.get_status()["database"] == "ok",
            ),
            ComponentMetric(
                "callflows_journal_spooled_bytes",
                "sum",
                "Bytes in files that wait for the database",
                lambda: self.journal.get_status()["spooled_bytes"],
            ),
            ComponentMetric(
                "callflows_watcher_last_look_seconds",
                "max",
                "Seconds since the flow files were looked at",
                lambda: self._folder_watcher.get_status()["last_look_seconds"],
            ),
            ComponentMetric(
                "callflows_watcher_stuck",
                "max",
                "1 if the look at the flow files is stuck",
                lambda: bool(self._folder_watcher.get_status()["problem"]),
            ),
            ComponentMetric(
                "callflows_build_info",
                "max",
                "1, with the version of the server",
                lambda: {importlib.metadata.version("callflows"): 1},
                ["version"],
            ),
        )
        lines = self._line_checker
        self.answer_metrics.add_metrics(
            ComponentMetric(
                "callflows_line_up",
                "min",
                "1 if a caller hears the flow, 0 if the fallback or nothing; by calls of our own through PUBLIC_URL",
                lines.read_line_states,
                ["flow"],
            ),
            ComponentMetric(
                "callflows_line_check_timestamp_seconds",
                "max",
                "When all flows were rung last, in seconds since 1970",
                lines.read_check_time,
            ),
            ComponentMetric(
                "callflows_line_checks",
                "counter",
                "Calls of our own, by what the caller hears",
                lines.count_results,
                ["hears"],
            ),
        )
        if self._event_listener is not None:
            listener = self._event_listener
            self.answer_metrics.add_metrics(
                ComponentMetric(
                    "callflows_events_connected",
                    "max",
                    "1 if a process of this server receives Opentact's events",
                    lambda: bool(listener.get_status()["connected"]),
                )
            )
        if self._console_listener is not None:
            console = self._console_listener
            self.answer_metrics.add_metrics(
                ComponentMetric(
                    "callflows_console_listening",
                    "min",
                    "1 if every process serves the console at its own address",
                    lambda: bool(console.get_status()["listening"]),
                )
            )

    def log_warnings(self) -> None:
        """Log problems of the settings and the flows."""
        settings = self.settings
        log_problems(self.library.loaded_flows)
        for strange in find_unknown_settings():
            _LOG.warning(strange)
        loaded = self.library.loaded_flows
        _LOG.info(
            "callflows serves",
            address=format_address(settings.host, settings.port),
            flows=sum(not flow.problems for flow in loaded.book.flows.values()),
            folder=str(settings.flows),
        )
        if not loaded.book.flows:
            _LOG.warning(
                "there is no flow yet: begin one with callflows new NAME --template front-desk", folder=str(settings.flows)
            )
        if not settings.token:
            _LOG.warning("CALLFLOWS_TOKEN is not set: the server answers only requests from this machine")
        mailing = sorted(flow.name for flow in loaded.book.flows.values() if flow.needs.mail)
        if mailing and not settings.smtp_url.get_secret_value():
            _LOG.warning("CALLFLOWS_SMTP_URL is not set: the mails of these flows are not sent", flows=mailing)
        if settings.control == "push" and (self.opentact is None or not settings.public_url):
            _LOG.error("CALLFLOWS_CONTROL=push needs CALLFLOWS_PUBLIC_URL and a token of Opentact: no call is answered now")

    def get_status(self) -> dict[str, Any]:
        """Return the status of each part, by its name; that of the console only if it has an address of its own."""
        events = (
            self._event_listener.get_status()
            if self._event_listener is not None
            else {"connected": False, "problem": "not set up"}
        )
        return {
            "journal": self.journal.get_status(),
            "events": events,
            "effects": self._live_effects.get_status(),
            "watcher": self._folder_watcher.get_status(),
            "lines": self._line_checker.get_status(),
            **({"console": self._console_listener.get_status()} if self._console_listener is not None else {}),
        }

    def _record_live_versions(self, book: FlowBook, before: FlowBook | None = None) -> None:
        """Record the versions of a book that were not in the book before, and the last moment of those that are gone."""
        now = time.time()
        flows = before.flows if before is not None else {}
        changed = [flow for flow in book.flows.values() if flow is not flows.get(flow.name)]
        gone = [flow for flow in flows.values() if flow is not book.flows.get(flow.name)]
        for flow in (flow for flow in (*changed, *gone) if not flow.problems):
            source = join_stored_source(flow.source, flow.included_files).decode("utf-8", "replace").replace("\0", "")
            live = LiveFlowVersion(flow.name, flow.version, Path(flow.file).name, source, now, now)
            self.journal.record_soon(live)

    def _open_flow_book(self, before: LoadedFlows, loaded: LoadedFlows) -> None:
        """Switch to a reloaded flow book; called from the watcher's thread."""
        self._flow_versions.replace_book(loaded.book)
        self._record_live_versions(loaded.book, before.book)
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self._prepare_flows(loaded.book), self._loop)
        log_problems(loaded, before)

    async def _prepare_flows(self, book: FlowBook) -> None:
        """Start the sandbox and load the HTTP clients if flows of the book need them, so that no caller waits."""
        sandbox_flows = sum(flow.needs.worker for flow in book.flows.values())
        if sandbox_flows:
            await self._job_runner.start(sandbox_flows)
        if any(flow.needs.network for flow in book.flows.values()):
            await self._live_effects.load_clients()

    @contextlib.asynccontextmanager
    async def run_lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        """Start all parts, then stop them when the server ends.

        If a part cannot be started, or the server fails, the parts that were started are stopped all the same; a part that
        cannot be stopped keeps no other part from its stop.
        """
        self._loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as started_parts:
            await self._start_parts(started_parts)
            yield

    async def _start_parts(self, started_parts: contextlib.AsyncExitStack) -> None:
        """Start all parts, each with its stop on the stack: parts that use another are started later and stop earlier."""
        on_stop, on_async_stop = started_parts.callback, started_parts.push_async_callback
        on_stop(self._log_writer.stop)
        self._log_writer.start()
        if self._traces is not None:
            on_async_stop(asyncio.to_thread, self._traces.stop)
        on_stop(self.answer_metrics.stop)
        self.answer_metrics.start()
        on_async_stop(asyncio.to_thread, self.journal.stop)
        self.journal.start()
        on_stop(lambda: self._record_live_versions(self._flow_versions.book))
        self._record_live_versions(self._flow_versions.book)
        if self.opentact is not None:
            on_async_stop(self.opentact.close)
        await self._live_effects.start()
        on_async_stop(self._live_effects.stop, STOP_GRACE_SECONDS)
        on_async_stop(self._job_runner.stop)
        await self._prepare_flows(self._flow_versions.book)
        tune_interpreter()
        self._call_counter.start()
        on_async_stop(self._call_counter.stop, STOP_GRACE_SECONDS)
        if self._execution_logs is not None:
            on_async_stop(self._execution_logs.stop)
        self._call_end_handler.start()
        on_async_stop(self._call_end_handler.stop)
        on_async_stop(self.event_intake.stop, STOP_GRACE_SECONDS)
        if self._event_listener is not None:
            self._event_listener.start()
            on_async_stop(self._event_listener.stop)
        self._folder_watcher.start()
        on_stop(self._folder_watcher.stop)
        if self._console_listener is not None:
            self._console_listener.start()
            on_async_stop(self._console_listener.stop)
        self._line_checker.start()
        on_async_stop(self._line_checker.stop)
        if self._override_sharing is not None:
            self._override_sharing.start()
            on_async_stop(self._override_sharing.stop)


def log_author_output(line: str) -> None:
    """Log a line that code of a flow printed."""
    _LOG.info("output of a flow", text=line)


def log_problems(loaded: LoadedFlows, before: LoadedFlows | None = None) -> None:
    """Log the problems of the flows; after a reload, only problems that are new since ``before``."""
    known = set(before.problems) if before else set()
    between = check_changed_flows(before.book, loaded.book) if before else check_across_flows(loaded.book)
    for problem in (*loaded.problems, *between):
        if problem not in known:
            breaks = problem.severity == "error" and problem.rule not in DATA_FILE_RULES
            (_LOG.error if breaks else _LOG.warning)(str(problem))
    for name, flow in before.book.flows.items() if before else ():
        if name not in loaded.book.flows:
            numbers = [claim.number for claim in flow.claims]
            _LOG.error("the file of a flow is gone: its numbers are given up", flow=name, numbers=numbers)
    for name in loaded.stale_flows:
        if before and loaded.stale_flows[name] != before.stale_flows.get(name):
            _LOG.error("the last good version of a flow stays in use", flow=name, version=loaded.book.flows[name].version)
    states = loaded.state_counts
    flows = states["live"] + states["stale"]
    _LOG.info("flows loaded", flows=flows, stale=states["stale"], problems=len(loaded.problems))
