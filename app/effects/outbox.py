"""What waits to be done outside: a bounded number of effects, each done by a task of its own, and none of them twice."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import structlog

from app.errors import OutsideError
from app.happened import Settled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from app.outside import Effect

CAPACITY: Final = 1_000
"""Effects that may wait, be under way or be tried again; half of them for one host, so that none has the others dropped."""
REMEMBERED: Final = 10_000
"""Keys of effects that were caused already …"""
MEMORY: Final = 600.0
"""… and the seconds for which they are remembered."""
_SAID_AGAIN: Final = 10.0
"""Seconds between two lines that say what had to be dropped."""


class Outbox:
    """Takes effects from any thread, and has ``do`` do them in the loop; ``do`` raises where it could not."""

    def __init__(
        self,
        do: Callable[[Effect], Awaitable[None]],
        sleep: Callable[[float], Awaitable[None]],
        settled: Callable[[Settled], None] | None = None,
    ) -> None:
        """``settled`` is told what became of each effect that was taken."""
        self._settled = settled
        self._do = do
        self._sleep = sleep
        self._lock = threading.Lock()
        self._waiting: collections.deque[Effect] = collections.deque()
        self._hosts: collections.Counter[str] = collections.Counter()
        self._seen: dict[tuple[str, str], float] = {}
        self._counts: collections.Counter[tuple[str, str]] = collections.Counter()
        self._dropped = 0
        self._said = float("-inf")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: dict[asyncio.Task[tuple[str, str]], Effect] = {}
        self._stopping = asyncio.Event()
        self._closed = False

    def cause(self, effect: Effect) -> None:
        """Take an effect, or drop it; never waits, never raises."""
        with self._lock:
            outcome = self._refusal(effect)
            if outcome:
                self._counts[effect.kind, outcome] += 1
                self._dropped += outcome == "dropped"
            else:
                self._hosts[_host(effect)] += 1
                self._waiting.append(effect)
        if outcome == "dropped":
            self._say_dropped()
        elif not outcome and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # a loop that has ended; what waits is said by stop
                self._loop.call_soon_threadsafe(self._begin)

    def _refusal(self, effect: Effect) -> str:
        """What becomes of an effect that is not taken, or nothing. A key is remembered only where it is taken."""
        now = time.monotonic()
        key = (effect.kind, effect.key)
        if now - self._seen.get(key, float("-inf")) < MEMORY:
            return "repeated"
        host = self._hosts[_host(effect)]
        if self._closed or self._hosts.total() >= CAPACITY or host >= CAPACITY // 2:
            return "dropped"
        self._seen.pop(key, None)
        self._seen[key] = now
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return ""

    def _say_dropped(self) -> None:
        now = time.monotonic()
        with self._lock:
            if now - self._said < _SAID_AGAIN:
                return
            self._said = now
            lost, self._dropped = self._dropped, 0
        _log().error("effects dropped: too many wait", count=lost)

    def start(self) -> None:
        """Begin, in the running loop."""
        self._loop = asyncio.get_running_loop()
        self._begin()

    def _begin(self) -> None:
        while self._waiting:
            effect = self._waiting.popleft()
            task = asyncio.create_task(self._done(effect))
            self._tasks[task] = effect
            task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[tuple[str, str]]) -> None:
        """Count an effect and give its room free, both at once."""
        effect = self._tasks.pop(task)
        with self._lock:
            host = _host(effect)
            self._hosts[host] -= 1
            if not self._hosts[host]:
                del self._hosts[host]
            result, reason = ("dropped", "the server stopped") if task.cancelled() else task.result()
            self._counts[effect.kind, result] += 1
        if self._settled is not None:
            self._settled(Settled(effect.kind, effect.key, time.time(), result, reason, payload=effect.payload))

    async def _done(self, effect: Effect) -> tuple[str, str]:
        """What became of an effect, and why; never raises but when it is cancelled."""
        began = time.monotonic()
        reason = ""
        try:
            await self._do(effect)
        except OutsideError as error:
            reason = str(error)
        except TimeoutError:
            reason = "it was not done in time"
        except Exception as error:  # noqa: BLE001 - others wait, whatever it is
            reason = f"it broke: {type(error).__name__}"
        seconds = round(time.monotonic() - began, 3)
        if reason:
            _log().error(f"{effect.kind} failed", host=_host(effect), reason=reason, seconds=seconds)
            return "failed", reason
        _log().info(f"{effect.kind} sent", host=_host(effect), seconds=seconds)
        return "sent", ""

    async def pause(self, seconds: float) -> bool:
        """Wait before another attempt; whether there is one. Who waits when the end comes has one more, at once."""
        if self._stopping.is_set():
            return False
        waits = [asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._stopping.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return True

    async def stop(self, grace: float) -> None:
        """Take nothing more; do what waits within ``grace`` seconds, and drop the rest."""
        with self._lock:
            self._closed = True
        self._begin()
        self._stopping.set()
        if self._tasks:
            await asyncio.wait([*self._tasks], timeout=grace)
        lost = [*self._tasks]
        for task in lost:
            task.cancel()
        await asyncio.gather(*lost, return_exceptions=True)
        if lost:
            _log().error("effects dropped: the server stops", count=len(lost))

    def counts(self) -> Mapping[tuple[str, str], int]:
        """How many of which kind were ``sent``, ``failed``, ``dropped`` or ``repeated``."""
        with self._lock:
            return dict(self._counts)


def _host(effect: Effect) -> str:
    """Where an effect goes to, as far as a log may tell: a path or a query may be a secret."""
    try:
        return urlsplit(str(effect.payload.get("url", ""))).hostname or effect.kind
    except ValueError:
        return effect.kind


def _log() -> structlog.typing.FilteringBoundLogger:
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("callflows.effects")
    return log
