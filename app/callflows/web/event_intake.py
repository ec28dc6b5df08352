"""Takes Opentact's events from websocket and webhooks: stores each event, and runs the handlers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from callflows.errors import JournalError
from callflows.log import get_logger
from callflows.recent_keys import RecentKeys

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from callflows.journal.journal import Journal
    from callflows.telephony.events import PlatformEvent

    EventHandler = Callable[[PlatformEvent], Awaitable[None]]


_LOG: Final = get_logger("events")
HANDLER_RETRY_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, *[60.0] * 240)
"""Delays in seconds between attempts of a handler while the database is unavailable: four hours."""
MAX_EVENTS_IN_PROGRESS: Final = 1_000
"""Maximum number of events handled at once; further events of webhooks are only stored."""
MAX_STREAM_EVENTS_IN_PROGRESS: Final = 64
"""Number of events in progress at which events of the websocket wait, and with them the connection."""
_ROOM_CHECK_SECONDS: Final = 0.5
"""Interval of looks for room, because an event that waits for the database gives its room up."""
MAX_EVENTS_AWAITING_RETRY: Final = 10_000
"""Maximum number of events waiting for the database; not counted in ``MAX_EVENTS_IN_PROGRESS``."""


class EventIntake:
    """Takes events and runs each handler once per event in this process, but for ``first_handlers``.

    A handler that must run only once among all replicas claims a key in the journal first. After a crash, claimed but
    unfinished work (a document to push, a reply) is therefore lost and never repeated.

    ``first_handlers`` run before a webhook is acknowledged, and again for a repeated webhook, so they must recognise an
    event themselves. If the database fails them, the webhook gets an error although its event may be stored.
    Opentact does not document retries, so the handlers are retried here as well.
    """

    def __init__(
        self, journal: Journal, handlers: Sequence[EventHandler], first_handlers: Sequence[EventHandler] = ()
    ) -> None:
        self._journal = journal
        self._handlers = handlers
        self._first_handlers = first_handlers
        self._recent_keys = RecentKeys()
        self._handler_tasks: dict[asyncio.Task[Any], float] = {}
        self._retrying_count = 0
        self._unhandled_count = 0
        self._waiting_since: float | None = None
        """Moment of the websocket's event that waits for room."""

    async def take_from_webhook(self, *platform_events: PlatformEvent) -> None:
        """Store events durably, then run the first handlers; start the others.

        Raises JournalError if an event is not stored, or if a first handler cannot reach the database.
        """
        await self._journal.record_now(*platform_events)
        gone: JournalError | None = None
        for report in platform_events:
            try:
                await self._run_first_handlers(report)
            except JournalError as error:
                gone = gone or error
        if gone is not None:
            raise gone

    async def take_from_stream(self, platform_event: PlatformEvent) -> None:
        """Run handlers as soon as there is room; the event is stored soon."""
        self._journal.record_soon(platform_event)
        self._waiting_since = min(platform_event.occurred_at, time.time())
        try:
            while self._count_tasks_in_progress() >= MAX_STREAM_EVENTS_IN_PROGRESS:
                await asyncio.wait([*self._handler_tasks], timeout=_ROOM_CHECK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting_since = None
        self._start_handlers(platform_event, [*self._first_handlers, *self._handlers])

    async def _run_first_handlers(self, platform_event: PlatformEvent) -> None:
        for place, act in enumerate(self._first_handlers):
            try:
                await act(platform_event)
            except JournalError:
                self._start_handlers(platform_event, [*self._first_handlers[place:], *self._handlers])
                raise
            except Exception as error:  # noqa: BLE001 - the other handlers must run
                _log_handler_failure(platform_event, error)
        self._start_handlers(platform_event, self._handlers)

    def find_oldest_unfinished(self) -> float | None:
        """Return the earliest moment (seconds since 1970) of an event in progress; None if all are handled."""
        waiting = [] if self._waiting_since is None else [self._waiting_since]
        return min([*self._handler_tasks.values(), *waiting], default=None)

    def _count_tasks_in_progress(self) -> int:
        return len(self._handler_tasks) - self._retrying_count

    def _start_handlers(self, platform_event: PlatformEvent, handlers: Sequence[EventHandler]) -> None:
        if not handlers or platform_event.key in self._recent_keys:
            return
        if self._count_tasks_in_progress() >= MAX_EVENTS_IN_PROGRESS:
            self._unhandled_count += 1
            if self._unhandled_count & (self._unhandled_count - 1) == 0:  # the first, second, fourth, eighth, …
                _LOG.error("too many events at once: events are stored without actions", count=self._unhandled_count)
            return
        self._recent_keys.add(platform_event.key)
        task = asyncio.create_task(self._run_handlers(platform_event, handlers))
        self._handler_tasks[task] = min(platform_event.occurred_at, time.time())
        task.add_done_callback(self._handler_tasks.pop)

    async def _run_handlers(self, platform_event: PlatformEvent, handlers: Sequence[EventHandler]) -> None:
        for act in handlers:
            try:
                await self._handle_with_retries(act, platform_event)
            except Exception as error:  # noqa: BLE001 - other handlers must run
                _log_handler_failure(platform_event, error)

    async def _handle_with_retries(self, handler: EventHandler, platform_event: PlatformEvent) -> None:
        """Run a handler, with retries while the database is unavailable: a STOP must not be lost."""
        for wait in HANDLER_RETRY_SECONDS:
            try:
                await handler(platform_event)
            except JournalError:
                if self._retrying_count >= MAX_EVENTS_AWAITING_RETRY:
                    raise
                await self._wait_for_retry(wait)
            else:
                return
        await handler(platform_event)

    async def _wait_for_retry(self, seconds: float) -> None:
        self._retrying_count += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._retrying_count -= 1

    async def stop(self, grace_seconds: float) -> None:
        """Finish running handlers within ``grace_seconds``, and cancel the rest.

        The listener stops first, with a mark before the cancelled events (see ``find_oldest_unfinished``), so these events
        are fetched again after a restart.
        """
        if self._handler_tasks:
            await asyncio.wait([*self._handler_tasks], timeout=grace_seconds)
        for task in [*self._handler_tasks]:
            task.cancel()


def _log_handler_failure(platform_event: PlatformEvent, error: Exception) -> None:
    _LOG.error("an event was stored but not handled", kind=platform_event.kind, error=type(error).__name__, exc_info=error)
