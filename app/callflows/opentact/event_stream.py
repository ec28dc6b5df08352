"""Opentact's events as an endless stream: connect, subscribe, and fill each gap after a reconnection.

Opentact queues nothing: events during a disconnection are lost. A lost connection is therefore reopened at once, then
with growing delays, and missed events are searched for by REST.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from callflows.errors import OpentactAuthenticationError, OpentactError, SettingsError
from callflows.log import get_logger
from callflows.opentact.backfill import EventBackfill
from callflows.opentact.backoff import BackoffClock
from callflows.opentact.event_connection import (
    ConnectionTimeouts,
    EventConnectionLostError,
    EventTokenRejectedError,
    describe_connection_error,
    is_token_accepted,
    open_event_connection,
    receive_frame,
)
from callflows.opentact.event_parser import MalformedFrameError, parse_frame
from callflows.opentact.subscriptions_api import SubscriptionKeeper
from callflows.settings import OPENTACT_EVENTS_URL, require_encrypted_url
from callflows.telephony.events import PlatformEvent
from callflows.telephony.phone_numbers import mask_numbers_in_text
from callflows.text import replace_unprintable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime

    from websockets.asyncio.client import ClientConnection

    from callflows.opentact.access_tokens import AccessToken
    from callflows.opentact.rest_api import Opentact

    BackfillFunction: TypeAlias = Callable[[datetime, datetime], AsyncIterator[PlatformEvent]]
    _EventQueue: TypeAlias = asyncio.Queue[PlatformEvent | asyncio.Event]
    """Events, and marks: a mark is set when all events before it are handled."""


_LOG: Final = get_logger("opentact")
DEFAULT_SUBSCRIPTION_TYPES: Final = ("call_record",)
"""The only known subscription type besides ``auth``; ``call_state``, ``call_flow``, ``sms`` arrive without one."""
BACKFILL_OVERLAP: Final = timedelta(seconds=60)
"""Extra time searched before and after a gap: clocks differ, and events arrive late."""
SUBSCRIPTION_CHECK_SECONDS: Final = 3600.0
"""Interval between two checks of the subscriptions."""
STABLE_CONNECTION_SECONDS: Final = 10.0
"""A connection of this duration counts as good: the next one is opened without delay."""
MAX_HALT_SECONDS: Final = 86_400.0
"""Longest time in which a halted machine counts as one that has missed events; a longer one is a clock that was set."""
_MAX_QUEUED_EVENTS: Final = 64
"""Events waiting for the consumer; at the limit the connection stops reading."""
_BYTES_BETWEEN_WAITS: Final = 40_000
_BYTES_PER_FRAME: Final = 5_000
"""Bytes read before the process lets waiting callers go first: eight short frames, or a part of a long one."""
_SHORTEST_WAIT_SECONDS: Final = 0.001
_LONGEST_WAIT_SECONDS: Final = 1.0
_TOLERATED_LATENESS_SECONDS: Final = 0.002
_SECONDS_PER_BYTE: Final = 1e-6
"""Pause for each byte of a long frame beyond the share: a megabyte a second."""


@dataclasses.dataclass(slots=True)
class EventStreamHealth:
    """State of the stream: connected or disconnected ``since``, time of the last event, counters.

    ``missing_since``: events after this moment may still be missing. ``refused``: types rejected as subscriptions, with the
    reason. ``problem``: why there is no connection.
    """

    connected: bool = False
    since: datetime | None = None
    last_event: datetime | None = None
    events: int = 0
    found: int = 0
    malformed: int = 0
    gaps: int = 0
    reconnects: int = 0
    missing_since: datetime | None = None
    refused: dict[str, str] = dataclasses.field(default_factory=dict)
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the fields for the status page."""
        fields = dataclasses.asdict(self)
        return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in fields.items()}


class EventStream:
    """The events of an account: ``async for event in EventStream(client)``, or ``await EventStream(client).run(on_event)``.

    ``types`` are subscribed to. ``complete_until``: all events before this moment are known; later ones are searched for.
    ``backfill`` returns the events of a period. An event may arrive twice and in any order: compare ``key``.
    ``retries_rejected_token`` false ends the stream if Opentact refuses the token: the iteration raises
    EventTokenRejectedError, or OpentactAuthenticationError for a wrong email or password.
    """

    def __init__(
        self,
        opentact: Opentact,
        url: str = OPENTACT_EVENTS_URL,
        *,
        types: Sequence[str] = DEFAULT_SUBSCRIPTION_TYPES,
        complete_until: datetime | None = None,
        backfill: BackfillFunction | None = None,
        clock: BackoffClock | None = None,
        timeouts: ConnectionTimeouts | None = None,
        retries_rejected_token: bool = True,
    ) -> None:
        self._retries_rejected_token = retries_rejected_token
        try:
            self._url = require_encrypted_url(url, "wss", "ws")
        except ValueError as error:
            raise SettingsError(f"CALLFLOWS_OPENTACT_EVENTS_URL: {error}") from None
        self._opentact = opentact
        self._subscription_keeper = SubscriptionKeeper(opentact.subscriptions, types)
        self._backfill: BackfillFunction = backfill or EventBackfill(opentact)
        self._clock = clock or BackoffClock()
        self._timeouts = timeouts or ConnectionTimeouts()
        self._last_frame_at: datetime | None = None
        self._last_frame_offset = self._missing_since_offset = self._read_clock_offset()
        self._opened_at = 0.0
        self._session_count = 0
        self._bytes_since_wait = 0
        self.health = EventStreamHealth(missing_since=complete_until, gaps=1 if complete_until is not None else 0)

    async def run(self, on_event: Callable[[PlatformEvent], Awaitable[None]]) -> None:
        """Pass every event to ``on_event``, forever. An exception of ``on_event`` is logged and does not end the stream."""
        async with contextlib.aclosing(aiter(self)) as events:
            async for event in events:
                try:
                    await on_event(event)
                except Exception as error:  # noqa: BLE001 - the next event must still be handled
                    _LOG.error("an event handler failed", type=event.kind, key=event.key, error=type(error).__name__)

    @property
    def complete_until(self) -> datetime | None:
        """The moment up to which all events were handled; None before the first connection without a start moment."""
        if self.health.missing_since is not None:
            return self._correct_moment(self.health.missing_since, self._missing_since_offset)
        if self._last_frame_at is not None:
            return self._correct_moment(self._last_frame_at, self._last_frame_offset)
        return None

    def _read_clock_offset(self) -> float:
        """Return the difference between the clock and the seconds since the start: it changes if the clock is set."""
        return self._clock.now().timestamp() - self._clock.monotonic()

    def _correct_moment(self, moment: datetime, offset: float) -> datetime:
        """Return a moment by the clock as it is now; ``offset`` is that of its reading."""
        step = self._read_clock_offset() - offset
        # Set back, nothing would be found in what is the future now; set forward by years, too much would be. A small step
        # forward may be the time in which the machine was halted.
        return moment + timedelta(seconds=step if step < 0 else max(0.0, step - MAX_HALT_SECONDS))

    async def __aiter__(self) -> AsyncGenerator[PlatformEvent, None]:
        """Iterate over events forever.

        Raises EventConnectionLostError if the connecting task ended, which Opentact cannot cause; see the class for errors
        of a refused token.
        """
        queue: _EventQueue = asyncio.Queue(_MAX_QUEUED_EVENTS)
        connecting = asyncio.create_task(self._run_sessions(queue))
        try:
            while True:
                found = await _take_event(queue, connecting)
                if isinstance(found, PlatformEvent):
                    yield found
                else:
                    found.set()
        finally:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)

    async def _run_sessions(self, queue: _EventQueue) -> None:
        """Run sessions one after another: at once after a good one, else after growing delays."""
        attempt = 0
        while True:
            self._opened_at = float("inf")
            try:
                await self._run_session(queue)
            except Exception as error:
                self._record_connection_problem(error)
                is_rejection = isinstance(error, (EventTokenRejectedError, OpentactAuthenticationError))
                if is_rejection and not self._retries_rejected_token:
                    raise
            was_open = self._opened_at < float("inf")
            was_stable = was_open and self._clock.monotonic() - self._opened_at >= STABLE_CONNECTION_SECONDS
            reconnects_at_once = was_stable or (was_open and attempt == 0)
            await self._clock.sleep(0.0 if reconnects_at_once else self._clock.backoff_seconds(attempt))
            attempt = 0 if was_stable else attempt + 1

    async def _run_session(self, queue: _EventQueue) -> None:
        """Run one connection until closed; retry once with a renewed token if the token was rejected."""
        token = await self._opentact.get_token()
        try:
            await self._receive_until_closed(token, queue)
        except EventTokenRejectedError:
            another = await self._opentact.replace_token(token)
            if another is None:
                raise
            await self._receive_until_closed(another, queue)

    async def _receive_until_closed(self, token: AccessToken, queue: _EventQueue) -> None:
        """Raises EventTokenRejectedError, EventConnectionLostError, and the errors of websockets."""
        async with open_event_connection(self._url, token, self._timeouts) as socket:
            await self._await_authentication(socket, queue)
            self._record_opened()
            try:
                async with asyncio.TaskGroup() as group:
                    beside = [group.create_task(self._keep_subscribed())]
                    if self.health.missing_since is not None:
                        beside.append(group.create_task(self._backfill_gap(queue)))
                    reason = await self._queue_events(socket, queue)
                    for task in beside:
                        task.cancel()
            finally:
                self._record_closed()
            raise EventConnectionLostError(reason)

    async def _await_authentication(self, socket: ClientConnection, queue: _EventQueue) -> None:
        """Wait for the accepted token; queue other events meanwhile. Raises EventTokenRejectedError."""
        try:
            async with asyncio.timeout(self._timeouts.auth_seconds):
                while True:
                    for event in await self._receive_events(socket):
                        await queue.put(event)
                        if event.kind == "auth":
                            if is_token_accepted(event):
                                return
                            raise EventTokenRejectedError(event.message or "the token is not accepted")
        except TimeoutError:
            raise EventTokenRejectedError(f"no answer to the token within {self._timeouts.auth_seconds:g} s") from None
        except EventConnectionLostError as lost:
            raise EventTokenRejectedError(f"{lost}, after it was shown the token") from None

    async def _queue_events(self, socket: ClientConnection, queue: _EventQueue) -> str:
        """Read until the connection ends; return the reason."""
        try:
            while True:
                for event in await self._receive_events(socket):
                    await queue.put(event)
        except EventConnectionLostError as lost:
            return str(lost)

    async def _receive_events(self, socket: ClientConnection) -> list[PlatformEvent]:
        """Return the events of the next frame. Raises EventConnectionLostError.

        A malformed frame is counted and logged, and returns no events.
        """
        frame = await receive_frame(socket)
        self._last_frame_at, self._last_frame_offset = self._clock.now(), self._read_clock_offset()
        await self._give_way(len(frame))
        try:
            events = parse_frame(frame, self._last_frame_at)
        except MalformedFrameError as error:
            self.health.malformed += 1
            if self.health.malformed & (self.health.malformed - 1) == 0:  # log only the 1st, 2nd, 4th, 8th, …
                _LOG.warning("frames are no events", count=self.health.malformed, size=len(frame), reason=str(error))
            return []
        self.health.events += len(events)
        self.health.last_event = self._last_frame_at
        return events

    async def _give_way(self, frame_bytes: int) -> None:
        """Let callers of this process go first: after some frames, wait, and longer if the event loop is behind."""
        self._bytes_since_wait += frame_bytes + _BYTES_PER_FRAME
        if self._bytes_since_wait < _BYTES_BETWEEN_WAITS:
            # Without this pause all frames that have arrived would be read in a row, before any caller is answered.
            await asyncio.sleep(0)
            return
        began = time.monotonic()
        await asyncio.sleep(_SHORTEST_WAIT_SECONDS)
        late = time.monotonic() - began - _SHORTEST_WAIT_SECONDS
        # Handling and storing an event, in other tasks and threads, costs a multiple of reading it.
        wait = _SECONDS_PER_BYTE * max(0, self._bytes_since_wait - _BYTES_BETWEEN_WAITS)
        if late > _TOLERATED_LATENESS_SECONDS:
            wait += 4 * late
        self._bytes_since_wait = 0
        await asyncio.sleep(min(_LONGEST_WAIT_SECONDS, wait))

    async def _keep_subscribed(self) -> None:
        """Renew the subscriptions now and periodically."""
        attempt = 0
        while True:
            wait = SUBSCRIPTION_CHECK_SECONDS
            try:
                refused = await self._subscription_keeper.ensure_subscriptions(self._clock.now())
            except OpentactError as error:
                wait = self._clock.backoff_seconds(attempt)
                attempt += 1
                _LOG.warning("subscriptions could not be checked", reason=str(error))
            else:
                attempt = 0
                for kind in {*refused} - {*self.health.refused}:
                    _LOG.warning("events cannot be subscribed to", type=kind, reason=refused[kind])
                self.health.refused = {kind: mask_numbers_in_text(reason) for kind, reason in refused.items()}
            await self._clock.sleep(wait)

    async def _backfill_gap(self, queue: _EventQueue) -> None:
        """Search for missed events until a search succeeds."""
        attempt = 0
        while self.health.missing_since is not None and (since := self.complete_until) is not None:
            try:
                async for event in self._backfill(since - BACKFILL_OVERLAP, self._clock.now() + BACKFILL_OVERLAP):
                    self.health.found += 1
                    await queue.put(event)
                await _wait_until_handled(queue)
                self.health.missing_since = None
            except Exception as error:  # noqa: BLE001 - every error is retried
                _LOG.warning("the search for missed events failed; trying again", reason=self._describe_error(error))
                await self._clock.sleep(self._clock.backoff_seconds(attempt))
                attempt += 1

    def _record_opened(self) -> None:
        now = self._clock.now()
        self._opened_at = self._clock.monotonic()
        self._session_count += 1
        self._last_frame_at, self._last_frame_offset = now, self._read_clock_offset()
        health = self.health
        health.connected, health.since, health.problem = True, now, ""
        health.reconnects = self._session_count - 1
        _LOG.info("connected to Opentact's events", reconnects=health.reconnects)

    def _record_closed(self) -> None:
        health = self.health
        health.connected, health.since = False, self._clock.now()
        if health.missing_since is None:
            health.missing_since, self._missing_since_offset = self._last_frame_at, self._last_frame_offset
            health.gaps += 1

    def _record_connection_problem(self, error: Exception) -> None:
        reason = self._describe_error(error)
        problem = mask_numbers_in_text(reason)
        if problem != self.health.problem:
            _LOG.warning("no connection to Opentact's events", reason=reason)
        self.health.problem = problem
        self.health.since = self.health.since or self._clock.now()

    def _describe_error(self, error: BaseException) -> str:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        message = str(error) if isinstance(error, OpentactError) else describe_connection_error(error)
        if isinstance(error, EventTokenRejectedError):
            message = f"{message}; see whether CALLFLOWS_OPENTACT_TOKEN, or email and password, are valid"
        return replace_unprintable(self._opentact.redact(message))[:500]


async def _take_event(queue: _EventQueue, connection_task: asyncio.Task[None]) -> PlatformEvent | asyncio.Event:
    """Return the next queue item. Raises EventConnectionLostError, or a refusal of the token, if the filling task ended."""
    if queue.empty():
        getting = asyncio.create_task(queue.get())
        try:
            await asyncio.wait([getting, connection_task], return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                return getting.result()
        finally:
            getting.cancel()
        ended_by = None if connection_task.cancelled() else connection_task.exception()
        if isinstance(ended_by, (EventTokenRejectedError, OpentactAuthenticationError)):
            raise ended_by
        raise EventConnectionLostError("the task that connects ended") from ended_by
    return queue.get_nowait()


async def _wait_until_handled(queue: _EventQueue) -> None:
    """Wait until the consumer has handled everything queued so far."""
    mark = asyncio.Event()
    await queue.put(mark)
    await mark.wait()
