"""Opentact's events, as long as there is anybody to read them: connected, subscribed, and filled in after each gap.

Nothing is queued at Opentact: what happens while nobody is connected is lost there. So a connection that ends is opened
again at once, then after growing waits, and what was missed is searched for.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import structlog

from app.errors import OpentactError, SettingsError
from app.numbers import masked_in
from app.opentact.connection import Beat, Lost, Refused, accepted, frame_of, opened, why
from app.opentact.event import Event, Malformed, events_of
from app.opentact.filling import Filling
from app.opentact.pace import Pace
from app.opentact.subscriptions import Wanted
from app.settings import encrypted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime

    from websockets.asyncio.client import ClientConnection

    from app.opentact.api import Opentact
    from app.opentact.tokens import Token

    Fill: TypeAlias = Callable[[datetime, datetime], AsyncIterator[Event]]
    _Queue: TypeAlias = asyncio.Queue[Event | asyncio.Event]
    """Events, and marks that are set when all before them is taken."""

URL: Final = "wss://api.opentact.org/wss"
TYPES: Final = ("call_record",)
"""Besides ``auth`` the only type that is known as a subscription; ``call_state``, ``call_flow``, ``sms`` come unasked."""
OVERLAP: Final = timedelta(seconds=60)
"""By how much more than a gap is searched: clocks differ, and events come late."""
CHECK_EVERY: Final = 3600.0
"""Seconds between two looks at the subscriptions."""
STABLE: Final = 10.0
"""Seconds after which a connection was a good one, so that the next is opened at once."""
_CAPACITY: Final = 1000
"""Events that wait to be taken; then the connection waits."""


@dataclasses.dataclass(slots=True)
class Health:
    """How it is: connected or not ``since`` then; the last event; how often the connection was lost and opened again.

    ``missing_since``: what happened from then on is not known yet. ``refused``: types that cannot be subscribed to, and
    why. ``problem``: why there is no connection.
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
        """For a page that says how the server is."""
        said = dataclasses.asdict(self)
        return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in said.items()}


class Events:
    """The events of an account: ``async for event in Events(opentact)``, or ``await Events(opentact).run(on_event)``.

    ``types`` are subscribed to. ``last``: up to when all that happened is known already; what came since is filled in.
    ``fill`` gives the events of a time. The same event may come twice, and in any order: ``key`` tells.
    """

    def __init__(
        self,
        opentact: Opentact,
        url: str = URL,
        *,
        types: Sequence[str] = TYPES,
        last: datetime | None = None,
        fill: Fill | None = None,
        pace: Pace | None = None,
        beat: Beat | None = None,
    ) -> None:
        try:
            self._url = encrypted(url, "wss", "ws")
        except ValueError as error:
            raise SettingsError(f"CALLFLOWS_OPENTACT_EVENTS_URL: {error}") from None
        self._opentact = opentact
        self._wanted = Wanted(opentact.subscriptions, types)
        self._fill: Fill = fill or Filling(opentact)
        self._pace = pace or Pace()
        self._beat = beat or Beat()
        self._heard: datetime | None = None
        self._opened_at = 0.0
        self._sessions = 0
        self.health = Health(missing_since=last, gaps=1 if last is not None else 0)

    async def run(self, on_event: Callable[[Event], Awaitable[None]]) -> None:
        """Hand over every event, for ever. What ``on_event`` raises is logged, and the next event is handed over."""
        async with contextlib.aclosing(aiter(self)) as events:
            async for event in events:
                try:
                    await on_event(event)
                except Exception as error:  # noqa: BLE001 - the next event is not to blame
                    _log().error("an event was not taken", type=event.type, key=event.key, error=type(error).__name__)

    @property
    def complete(self) -> datetime | None:
        """Up to when all that happened is handed over; None before the first connection, where no ``last`` was given."""
        return self.health.missing_since or self._heard

    async def __aiter__(self) -> AsyncGenerator[Event, None]:
        """Every event, for ever; raises where connecting itself broke, which no platform can cause."""
        queue: _Queue = asyncio.Queue(_CAPACITY)
        connecting = asyncio.create_task(self._connect(queue))
        try:
            while True:
                found = await _next_of(queue, connecting)
                if isinstance(found, Event):
                    yield found
                else:
                    found.set()
        finally:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)

    async def _connect(self, queue: _Queue) -> None:
        """One session after the other: at once after a good one, then after growing waits."""
        attempt = 0
        while True:
            self._opened_at = float("inf")
            try:
                await self._session(queue)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
                self._lost(error)
            good = self._pace.clock() - self._opened_at >= STABLE
            wait = 0.0 if good or (attempt == 0 and self._opened_at < float("inf")) else self._pace.before(attempt)
            attempt = 0 if good else attempt + 1
            await self._pace.sleep(wait)

    async def _session(self, queue: _Queue) -> None:
        """From one connection to its end; where the token is refused and can be renewed, once more with another."""
        token = await self._opentact.token()
        try:
            await self._listen(token, queue)
        except Refused:
            another = await self._opentact.another_token(token)
            if another is None:
                raise
            await self._listen(another, queue)

    async def _listen(self, token: Token, queue: _Queue) -> None:
        """Raises Refused, Lost, and whatever connecting raises."""
        async with opened(self._url, token, self._beat) as socket:
            await self._welcomed(socket, queue)
            self._opened()
            try:
                async with asyncio.TaskGroup() as group:
                    beside = [group.create_task(self._keep_subscribed())]
                    if self.health.missing_since is not None:
                        beside.append(group.create_task(self._fill_in(queue)))
                    reason = await self._read(socket, queue)
                    for task in beside:
                        task.cancel()
            finally:
                self._closed()
            raise Lost(reason)

    async def _welcomed(self, socket: ClientConnection, queue: _Queue) -> None:
        """Wait until the token is accepted; what else comes is kept. Raises Refused."""
        try:
            async with asyncio.timeout(self._beat.auth_within):
                while True:
                    for event in await self._next(socket):
                        await queue.put(event)
                        if event.type == "auth":
                            if accepted(event):
                                return
                            raise Refused(event.text or "the token is not accepted")
        except TimeoutError:
            raise Refused(f"no answer to the token within {self._beat.auth_within:g} s") from None
        except Lost as lost:
            raise Refused(f"{lost}, after it was shown the token") from None

    async def _read(self, socket: ClientConnection, queue: _Queue) -> str:
        """Read until the connection ends; the reason."""
        try:
            while True:
                for event in await self._next(socket):
                    await queue.put(event)
        except Lost as lost:
            return str(lost)

    async def _next(self, socket: ClientConnection) -> list[Event]:
        """The events of the next frame; none where it is malformed, which is counted and logged. Raises Lost."""
        frame = await frame_of(socket)
        self._heard = self._pace.now()
        try:
            events = events_of(frame, self._heard)
        except Malformed as error:
            self.health.malformed += 1
            if self.health.malformed & (self.health.malformed - 1) == 0:  # the first, second, fourth, eighth, …
                _log().warning("frames are no events", count=self.health.malformed, size=len(frame), reason=str(error))
            return []
        self.health.events += len(events)
        self.health.last_event = self._heard
        return events

    async def _keep_subscribed(self) -> None:
        """See to it that the wanted types are delivered, now and while this goes on."""
        attempt = 0
        while True:
            wait = CHECK_EVERY
            try:
                ensured = await self._wanted.ensure(self._pace.now())
            except OpentactError as error:
                wait = self._pace.before(attempt)
                attempt += 1
                _log().warning("subscriptions cannot be looked at", reason=str(error))
            else:
                attempt = 0
                for kind in {*ensured.refused} - {*self.health.refused}:
                    _log().warning("events cannot be subscribed to", type=kind, reason=ensured.refused[kind])
                self.health.refused = {kind: masked_in(said) for kind, said in ensured.refused.items()}
            await self._pace.sleep(wait)

    async def _fill_in(self, queue: _Queue) -> None:
        """Find what was missed, until it is found."""
        attempt = 0
        while (since := self.health.missing_since) is not None:
            try:
                async for event in self._fill(since - OVERLAP, self._pace.now() + OVERLAP):
                    self.health.found += 1
                    await queue.put(event)
                await _taken(queue)
                self.health.missing_since = None
            except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
                _log().warning("what was missed cannot be found yet", reason=self._reason(error))
                await self._pace.sleep(self._pace.before(attempt))
                attempt += 1

    def _opened(self) -> None:
        now = self._pace.now()
        self._opened_at = self._pace.clock()
        self._sessions += 1
        self._heard = now
        health = self.health
        health.connected, health.since, health.problem = True, now, ""
        health.reconnects = self._sessions - 1
        _log().info("connected to Opentact's events", reconnects=health.reconnects)

    def _closed(self) -> None:
        health = self.health
        health.connected, health.since = False, self._pace.now()
        if health.missing_since is None:
            health.missing_since = self._heard
            health.gaps += 1

    def _lost(self, error: Exception) -> None:
        reason = self._reason(error)
        problem = masked_in(reason)
        if problem != self.health.problem:
            _log().warning("no connection to Opentact's events", reason=reason)
        self.health.problem = problem
        self.health.since = self.health.since or self._pace.now()

    def _reason(self, error: BaseException) -> str:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        said = str(error) if isinstance(error, OpentactError) else why(error)
        if isinstance(error, Refused):
            said = f"{said}; see whether CALLFLOWS_OPENTACT_TOKEN, or email and password, are valid"
        return "".join(sign if sign.isprintable() else " " for sign in self._opentact.hide(said))[:500]


async def _next_of(queue: _Queue, connecting: asyncio.Task[None]) -> Event | asyncio.Event:
    """What comes next. Raises Lost where the task that fills the queue has ended."""
    if queue.empty():
        getting = asyncio.create_task(queue.get())
        try:
            await asyncio.wait([getting, connecting], return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                return getting.result()
        finally:
            getting.cancel()
        raise Lost("the task that connects ended") from (None if connecting.cancelled() else connecting.exception())
    return queue.get_nowait()


async def _taken(queue: _Queue) -> None:
    """Wait until all that is in a queue is taken, and done with."""
    mark = asyncio.Event()
    await queue.put(mark)
    await mark.wait()


def _log() -> structlog.typing.FilteringBoundLogger:
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("callflows.opentact")
    return log
