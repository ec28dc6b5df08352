"""The event websocket in the server: one process of an installation listens, by a lease in the database."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import pathlib
import socket
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import structlog

from callflows.errors import JournalError
from callflows.opentact import EventStream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from callflows.journal.journal import Journal
    from callflows.opentact import OpentactClient
    from callflows.opentact.event_parser import OpentactEvent
    from callflows.settings import Settings
    from callflows.telephony.events import PlatformEvent


EVENT_LEASE: Final = "events"


EVENT_LEASE_SECONDS: Final = 15.0
"""How long a lease is good; whoever has it takes it again three times as often."""


MAX_MARK_LAG_SECONDS: Final = 86_400.0
"""Seconds by which the mark lies behind at most for what is not acted on yet."""


_HOLDERS_OF_PROCESS: Final[set[str]] = set()
"""The holders that this process has been."""


class EventListener:
    """Listens while the lease is this process's, and hands over what it hears.

    With the lease the moment is kept up to which all that happened is known and acted on (``unfinished`` gives when the
    oldest happened that is not): whoever listens next has searched for what came since, and it moves on when that is found.

    Where the database is gone, nobody can say who listens: then every process does, since what is heard twice is known, and
    what nobody hears is lost.
    """

    def __init__(
        self,
        settings: Settings,
        opentact: OpentactClient,
        journal: Journal,
        handle_event: Callable[[PlatformEvent], Awaitable[None]],
        find_oldest_unfinished: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._opentact = opentact
        self._journal = journal
        self._handle_event = handle_event
        self._find_oldest_unfinished = find_oldest_unfinished
        self._complete_until: datetime | None = None
        self._holder = f"{identify_host()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        _HOLDERS_OF_PROCESS.add(self._holder)
        self._event_stream: EventStream | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the running loop."""
        self._task = asyncio.create_task(self._run_listener())

    async def stop(self) -> None:
        """End; another process need not wait for the lease to run out."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            with contextlib.suppress(JournalError):
                await self._journal.hold_lease(EVENT_LEASE, self._holder, 0.0, self._compute_mark())

    def get_status(self) -> dict[str, Any]:
        """How the connection is; who listens elsewhere has none of its own."""
        if self._event_stream is None:
            return {"connected": False, "problem": "another process of this installation listens"}
        return self._event_stream.health.as_json()

    async def _run_listener(self) -> None:
        while True:
            try:
                if await self._hold_lease():
                    await self._listen_while_leased()
                else:
                    self._complete_until = None
            except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
                structlog.get_logger("callflows.events").exception("listening broke", error=type(error).__name__)
            await asyncio.sleep(EVENT_LEASE_SECONDS / 3)

    async def _hold_lease(self) -> bool:
        """Whether the lease is this process's for the next seconds."""
        try:
            ours = await self._journal.hold_lease(EVENT_LEASE, self._holder, EVENT_LEASE_SECONDS, self._compute_mark())
            if not ours and (lease := await self._journal.load_lease(EVENT_LEASE)) and self._is_dead_holder(lease.holder):
                await self._journal.hold_lease(EVENT_LEASE, lease.holder, 0.0)
                ours = await self._journal.hold_lease(EVENT_LEASE, self._holder, EVENT_LEASE_SECONDS, self._compute_mark())
        except JournalError:
            return True
        return ours

    @staticmethod
    def _is_dead_holder(holder: str) -> bool:
        """Whether a holder was a process here that was killed: nobody need wait until its lease runs out."""
        where, _, rest = holder.partition("/")
        if where != identify_host() or holder in _HOLDERS_OF_PROCESS:
            return False
        pid = int(rest.partition("/")[0])
        return pid == os.getpid() or not _is_process_running(pid)

    async def _listen_while_leased(self) -> None:
        """Listen as long as the lease is ours; where the database was gone at first, until it says what was missed."""
        known, types = await self._load_complete_until(), self._settings.event_types
        last = self._complete_until or datetime.now(UTC)
        self._event_stream = events = EventStream(
            self._opentact, self._settings.opentact_events_url, types=types, complete_until=last
        )
        listening = asyncio.create_task(events.run(self._on_event))
        try:
            while ours := await self._hold_lease():
                if listening.done() or (not known and await self._load_complete_until()):
                    break
                if known:
                    self._complete_until = events.complete_until
                await asyncio.wait([listening], timeout=EVENT_LEASE_SECONDS / 3)
        finally:
            self._event_stream = None
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
            if known:
                self._complete_until = events.complete_until
        if not ours:
            structlog.get_logger("callflows.events").info("another process listens to events now")

    async def _load_complete_until(self) -> bool:
        """Find out up to when all is known, unless this process knows itself; whether that could be found out."""
        if self._complete_until is None:
            try:
                lease = await self._journal.load_lease(EVENT_LEASE)
            except JournalError:
                return False
            at = lease.mark if lease is not None else None
            self._complete_until = datetime.fromtimestamp(min(at or time.time(), time.time()), UTC)
        return True

    def _compute_mark(self) -> float | None:
        """Up to when all is known, acted on, and on a disk; None where that is not known to have moved."""
        if self._complete_until is None or self._journal.get_status()["database"] != "ok":
            return None
        now, unfinished = time.time(), self._find_oldest_unfinished()
        return min(
            self._complete_until.timestamp(),
            now,
            max(unfinished, now - MAX_MARK_LAG_SECONDS) if unfinished is not None else now,
        )

    async def _on_event(self, event: OpentactEvent) -> None:
        await self._handle_event(event.to_platform_event())


def identify_host() -> str:
    """Where a process id means one process: this host, since it was started, and of its spaces of ids this one."""
    told = [socket.gethostname(), str(uuid.getnode())]
    with contextlib.suppress(OSError):
        told.append(pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        told.append(str(pathlib.Path("/proc/self/ns/pid").readlink()))
    return hashlib.blake2b("\0".join(told).encode(), digest_size=8).hexdigest()


def _is_process_running(pid: int) -> bool:
    """Whether there is a process of this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
