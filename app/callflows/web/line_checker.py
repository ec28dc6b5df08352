"""Rings every flow through the public URL, so that the operator knows before a caller does.

One process of an installation rings, selected by a lease. A caller who would hear the fallback, or nothing, is reported by
a log line, a metric, ``/readyz`` and a webhook.

During an outage of the database the process that rang goes on. If the outage lasts, it may have ended meanwhile: then
every process rings, since an operator who is told twice is better off than one who is not told.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from callflows.atomic_files import replace_file_text
from callflows.errors import JournalError
from callflows.log import get_logger
from callflows.telephony.ports import Effect
from callflows.web.call_endpoint import CALL_PATH
from callflows.web.line_check_calls import make_line_check_call, read_outcome_comment
from callflows.web.work_lease import LEASE_SECONDS, WorkLease

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from callflows.flows.flow import Flow
    from callflows.flows.flow_book import FlowBook
    from callflows.flows.tickets import TicketSigner
    from callflows.journal.journal import Journal
    from callflows.rehearsal.platform_network import NetworkReply, PlatformNetwork
    from callflows.settings import Settings

_LOG: Final = get_logger("lines")
LINE_CHECK_LEASE: Final = "line checks"
STATUS_FILE_NAME: Final = "line-checks.json"
"""File in the data folder with the result, for the other workers of the server."""
_MAX_CALL_SECONDS: Final = 30.0
_FIRST_CHECK_SECONDS: Final = 5.0
"""Delay of the first check after the start."""
_SECOND_TRY_SECONDS: Final = 1.0
"""A call that fails is repeated once: a lost packet is no reason to wake anybody."""
_PAUSE_SECONDS: Final = 0.05
"""Pause between two flows, for callers."""
OUTAGE_TAKEOVER_SECONDS: Final = 300.0
"""Outage of the database after which a process rings without the lease; longer than a restart of a database."""
_REPORT_SECONDS: Final = 10.0
_MAX_REPORTED_FLOWS: Final = 100
_STATUS_OK: Final = 200
_ELSEWHERE: Final = b'<?xml version="1.0" encoding="UTF-8"?><Response><Hangup/></Response>'
"""Document that stands for those of other servers, to which a flow may lead."""


class LineProblem(NamedTuple):
    """Reason why callers of a flow do not hear it: they hear ``fallback`` or ``nothing``."""

    flow: str
    number: str
    hears: str
    reason: str


class LineChecker:
    """Rings the flows of a book every ``line_check_seconds`` of the settings. ``send_alert`` queues a webhook."""

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        signer: TicketSigner,
        get_book: Callable[[], FlowBook],
        send_alert: Callable[[Effect], None],
        open_network: Callable[[], AbstractAsyncContextManager[PlatformNetwork]] | None = None,
    ) -> None:
        """``open_network`` opens the way to the public URL; the default is the real network."""
        self._open_network = open_network or self._open_public_network
        self._settings = settings
        self._signer = signer
        self._get_book = get_book
        self._send_alert = send_alert
        self._lease = WorkLease(journal, LINE_CHECK_LEASE)
        self._is_holder = False
        self._outage_began_at: float | None = None
        self._status_file = settings.data / STATUS_FILE_NAME
        self._checked_at = 0.0
        self._states: dict[str, LineProblem | None] = {}
        """The flows that were rung, each with its problem or None."""
        self._reported: dict[str, LineProblem] = {}
        self._result_counts = {"ok": 0, "fallback": 0, "nothing": 0}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start in the running loop, if there is a public URL to ring."""
        if self._settings.public_url and self._settings.line_check_seconds:
            self._task = asyncio.create_task(self._check_repeatedly())

    async def stop(self) -> None:
        """Stop, and let another process ring."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._lease.release()

    def get_status(self) -> dict[str, Any]:
        """Return when lines were checked, how many, and those whose callers would not hear their flow."""
        if not self._is_holder:
            return load_line_status(self._status_file)
        down = [problem._asdict() for problem in self._states.values() if problem is not None]
        at = datetime.fromtimestamp(self._checked_at, UTC).isoformat(timespec="seconds") if self._checked_at else None
        return {"checked_at": at, "lines": len(self._states), "down": down[:_MAX_REPORTED_FLOWS]}

    def read_line_states(self) -> Mapping[str, int]:
        """Return 1 for each flow that callers hear, else 0; nothing in a process that does not ring."""
        return {flow: int(problem is None) for flow, problem in self._states.items()} if self._is_holder else {}

    def read_check_time(self) -> Mapping[tuple[str, ...], float]:
        """Return the time of the last check in seconds since 1970; nothing in a process that does not ring."""
        return {(): self._checked_at} if self._is_holder and self._checked_at else {}

    def count_results(self) -> Mapping[str, int]:
        """Count the calls by what a caller would have heard: ``ok``, ``fallback`` or ``nothing``."""
        return self._result_counts

    async def _check_repeatedly(self) -> None:
        due = time.monotonic() + _FIRST_CHECK_SECONDS
        while True:
            try:
                if await self.take_lease() and time.monotonic() >= due:
                    due = time.monotonic() + self._settings.line_check_seconds
                    await self.check_lines()
            except Exception as error:  # noqa: BLE001 - every error leads to a new attempt
                _LOG.exception("the lines could not be checked", error=type(error).__name__)
            await asyncio.sleep(LEASE_SECONDS / 3)

    async def take_lease(self) -> bool:
        """Return True if this process has the lease, and rings; also if nobody may have it in an outage that lasts."""
        now = time.monotonic()
        try:
            is_holder = await self._lease.hold(LEASE_SECONDS)
            self._outage_began_at = None
        except JournalError:
            if self._outage_began_at is None:
                self._outage_began_at = now
            is_holder = self._is_holder or now - self._outage_began_at >= OUTAGE_TAKEOVER_SECONDS
        if is_holder and not self._is_holder:
            earlier = load_line_status(self._status_file)["down"]
            self._reported = {problem["flow"]: LineProblem(**problem) for problem in earlier}
        elif self._is_holder and not is_holder:
            self._states = {}
        self._is_holder = is_holder
        return is_holder

    async def check_lines(self) -> None:
        """Ring each flow once; a flow that fails, twice."""
        book = self._get_book()
        numbers = {flow.name: number for flow in book.flows.values() if (number := find_check_number(book, flow))}
        self._states = {flow: problem for flow, problem in self._states.items() if flow in numbers}
        reported_at = renewed_at = time.monotonic()
        async with self._open_network() as network:
            for name, number in numbers.items():
                await self._check_line(network, name, number)
                now = time.monotonic()
                if now - reported_at > _REPORT_SECONDS:
                    reported_at = now
                    self._report_changes()
                if now - renewed_at > LEASE_SECONDS / 3:
                    renewed_at = now
                    if not await self.take_lease():
                        return
                await asyncio.sleep(_PAUSE_SECONDS)
        self._checked_at = time.time()
        self._report_changes()
        with contextlib.suppress(OSError):
            replace_file_text(self._status_file, json.dumps(self.get_status()))

    async def _check_line(self, network: PlatformNetwork, flow: str, number: str) -> None:
        try:
            problem = await self._ring(network, flow, number)
            if problem is not None:
                await asyncio.sleep(_SECOND_TRY_SECONDS)
                problem = await self._ring(network, flow, number)
        except Exception as error:  # noqa: BLE001 - a fault of ours at one line keeps no other line from its check
            _LOG.exception("the line could not be checked", flow=flow, error=type(error).__name__)
            return
        self._result_counts[problem.hears if problem is not None else "ok"] += 1
        self._states[flow] = problem

    def _open_public_network(self) -> AbstractAsyncContextManager[PlatformNetwork]:
        from callflows.rehearsal.platform_network import HttpNetwork  # noqa: PLC0415 - heavy, and needs a public URL

        return HttpNetwork(base_url=self._settings.public_url)

    async def _ring(self, network: PlatformNetwork, flow: str, number: str) -> LineProblem | None:
        """Play a call to a number, whose caller presses no key. Return the problem of the line."""
        from callflows.rehearsal.rehearsed_call import Rehearsal  # noqa: PLC0415 - as above

        url = self._settings.public_url
        token = f"?token={quote(self._settings.token[0].get_secret_value())}" if self._settings.token else ""
        watched = _WatchedNetwork(network, url)
        call = Rehearsal(number=number, url=f"{url}{CALL_PATH}{token}", call_id=make_line_check_call(self._signer))
        try:
            async with asyncio.timeout(_MAX_CALL_SECONDS):
                await call.run(watched)
        except TimeoutError:
            if watched.problem is None:
                watched.problem = ("nothing", f"the call took more than {_MAX_CALL_SECONDS:g} s")
        return LineProblem(flow, number, *watched.problem) if watched.problem is not None else None

    def _report_changes(self) -> None:
        """Log, and send to the operator, which lines went down and which are up again."""
        down = {name: problem for name, problem in self._states.items() if problem is not None}
        new = [problem for name, problem in down.items() if name not in self._reported]
        up = [problem for name, problem in self._reported.items() if name not in down]
        self._reported = down
        for problem in new:
            _LOG.error("callers do not hear the flow", **problem._asdict())
        for problem in up:
            _LOG.info("callers hear the flow again", flow=problem.flow, number=problem.number)
        for kind, problems in (("lines.down", new), ("lines.up", up)):
            alert = build_alert(self._settings, kind, [problem._asdict() for problem in problems[:_MAX_REPORTED_FLOWS]])
            if problems and alert is not None:
                self._send_alert(alert)


class _WatchedNetwork:
    """The network of a call to ``public_url``. ``problem`` is what the caller hears instead of the flow, and why."""

    def __init__(self, network: PlatformNetwork, public_url: str) -> None:
        self._network = network
        self._public_url = public_url
        self.problem: tuple[str, str] | None = None

    async def send_request(self, method: str, url: str, body: bytes | None, timeout_seconds: float) -> NetworkReply:
        """See ``PlatformNetwork``."""
        from callflows.rehearsal.platform_network import NETWORK_DISABLED_ERROR, NetworkReply  # noqa: PLC0415 - heavy

        if not url.startswith(f"{self._public_url}/"):
            return NetworkReply(_STATUS_OK, _ELSEWHERE, 0.0, url=url)
        reply = await self._network.send_request(method, url, body, timeout_seconds)
        outcome = read_outcome_comment(reply.body)
        problem = None
        if reply.error == NETWORK_DISABLED_ERROR:
            problem = ("nothing", "CALLFLOWS_PUBLIC_URL redirects to another server")
        elif reply.status != _STATUS_OK:
            problem = ("nothing", reply.error or f"the status is {reply.status}")
        elif outcome is None:
            problem = ("nothing", "the answer is not of this server, or of one with another CALLFLOWS_SECRET_KEYS")
        elif outcome.kind != "answered":
            problem = ("fallback", outcome.cause)
        self.problem = self.problem or problem
        return reply


def find_check_number(book: FlowBook, flow: Flow) -> str:
    """Return a number that the flow answers; empty if there is none, as for a flow that others lead to."""
    for claim in flow.claims:
        prefix = claim.number.removesuffix("*") if claim.number != "rest" else "+1999555"
        if book.find_answering_flow(number := prefix if prefix == claim.number else f"{prefix:0<12}") is flow:
            return number
    return ""


def load_line_status(status_file: Path) -> dict[str, Any]:
    """Return the status that another process of this server wrote; an empty one if the file cannot be read."""
    try:
        status: dict[str, Any] = json.loads(status_file.read_bytes())
        down = [LineProblem(**problem)._asdict() for problem in status["down"]]
        return {"checked_at": status["checked_at"], "lines": int(status["lines"]), "down": down}
    except (OSError, ValueError, KeyError, TypeError):
        return {"checked_at": None, "lines": 0, "down": []}


def build_alert(settings: Settings, kind: str, lines: list[dict[str, Any]]) -> Effect | None:
    """Build the webhook for the operator, as Standard Webhooks recommends; None without an address."""
    url = settings.alert_url.get_secret_value()
    if not url:
        return None
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = {"public_url": settings.public_url, "lines": lines}
    body = {"type": kind, "timestamp": at, "data": data}
    return Effect("notify", f"{kind}/{at}", {"url": url, "body": body})
