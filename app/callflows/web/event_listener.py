"""Runs the event websocket in the server.

A lease in the database selects the one process of an installation that listens.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from callflows.boot_clock import EARLIEST_MOMENT
from callflows.errors import JournalError
from callflows.log import get_logger
from callflows.opentact import EventStream
from callflows.web.work_lease import LEASE_SECONDS, WorkLease

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from callflows.journal.journal import Journal
    from callflows.opentact import Opentact
    from callflows.settings import Settings
    from callflows.telephony.events import PlatformEvent


_LOG: Final = get_logger("events")
EVENT_LEASE: Final = "events"
_DATABASE_RETRY_SECONDS: Final = 1.0
"""Seconds between attempts to load the mark: a new database is made while the listener begins."""
_MAX_CLOCK_DIFFERENCE_SECONDS: Final = 60.0
"""Difference between the clocks of servers that is no sign of a wrong clock."""
MAX_MARK_LAG_SECONDS: Final = 86_400.0
"""Maximum lag of the mark, in seconds, behind the present because of unfinished events."""


class EventListener:
    """Listens to events while this process holds the lease.

    The lease's mark is the moment up to which all events are known and handled; ``find_oldest_unfinished`` returns the
    moment of the oldest unhandled event. The next listener searches for events since the mark, and the mark advances after
    the search.

    During an outage of the database every process listens: duplicate events are recognized, missed events would be lost.
    """

    def __init__(
        self,
        settings: Settings,
        opentact: Opentact,
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
        self._lease = WorkLease(journal, EVENT_LEASE)
        self._event_stream: EventStream | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start in the running loop."""
        self._task = asyncio.create_task(self._run_listener())

    async def stop(self) -> None:
        """Stop, and release the lease, so that another process can listen at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._lease.release(self._compute_mark())

    def get_status(self) -> dict[str, Any]:
        """Return the connection's health; without the lease, a status that names another listener."""
        if self._event_stream is None:
            return {"connected": False, "problem": "another process of this installation receives the events"}
        return self._event_stream.health.as_json()

    async def _run_listener(self) -> None:
        while True:
            try:
                if await self._hold_lease():
                    if await self._listen_while_leased():
                        continue
                else:
                    self._complete_until = None
            except Exception as error:  # noqa: BLE001 - every error leads to a new attempt
                _LOG.exception("the event listener failed", error=type(error).__name__)
            await asyncio.sleep(LEASE_SECONDS / 3)

    async def _hold_lease(self) -> bool:
        try:
            return await self._lease.hold(LEASE_SECONDS, self._compute_mark())
        except JournalError:
            return True  # duplicate events are recognized, missed events would be lost

    async def _listen_while_leased(self) -> bool:
        """Listen until the lease is lost, or until the mark can be loaded after an outage of the database.

        Return True if the listener should listen again at once, now from the mark.
        """
        known, types = await self._load_complete_until(), self._settings.event_types
        last = self._complete_until or datetime.now(UTC)
        self._event_stream = events = EventStream(
            self._opentact, self._settings.opentact_events_url, types=types, complete_until=last
        )
        listening = asyncio.create_task(events.run(self._handle_event))
        try:
            while ours := await self._hold_lease():
                if listening.done() or (not known and await self._load_complete_until()):
                    return not listening.done()
                if known:
                    self._complete_until = events.complete_until
                pause = LEASE_SECONDS / 3
                await asyncio.wait([listening], timeout=pause if known else min(pause, _DATABASE_RETRY_SECONDS))
        finally:
            self._event_stream = None
            listening.cancel()
            # To await the task itself could not tell its end from a stop of this listener, which would go on then.
            await asyncio.wait([listening])
            if known:
                self._complete_until = events.complete_until
            if not listening.cancelled():
                listening.result()
        if not ours:
            _LOG.info("another process receives the events now")
        return False

    async def _load_complete_until(self) -> bool:
        """Load the mark unless this process knows the mark. Return False if the database is unavailable."""
        if self._complete_until is None:
            try:
                lease = await self._journal.load_lease(EVENT_LEASE)
            except JournalError:
                return False
            at, now = (lease.mark if lease is not None else None), time.time()
            if at is not None and not EARLIEST_MOMENT <= at <= now + _MAX_CLOCK_DIFFERENCE_SECONDS:
                at = now - MAX_MARK_LAG_SECONDS  # the clock was wrong when it was stored: nobody knows when that was
            self._complete_until = datetime.fromtimestamp(min(at or now, now), UTC)
        return True

    def _compute_mark(self) -> float | None:
        """Return the moment up to which all events are known, handled and stored; None if this is uncertain."""
        if self._complete_until is None or self._journal.get_status()["database"] != "ok":
            return None
        now, unfinished = time.time(), self._find_oldest_unfinished()
        return min(
            self._complete_until.timestamp(),
            now,
            max(unfinished, now - MAX_MARK_LAG_SECONDS) if unfinished is not None else now,
        )
