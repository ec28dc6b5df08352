"""Live parts of pages by Server-Sent Events: one look at the journal for all watchers of this process.

A look takes some milliseconds in which callers wait. A look a second is nothing while few call; while the process is busy,
a look every eight seconds delays less than one answer in a hundred. Watchers who come together, as after a restart, share a
look; and what a look found is sent to a few watchers at a time, so that callers are answered in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

from starlette.responses import StreamingResponse

from callflows.journal.cpu_budget import BUSY_ANSWERING_CPU_SHARE
from callflows.log import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.responses import Response


_LOG: Final = get_logger("console")
MAX_WATCHERS: Final = 50
"""Watchers of one process; further ones are told to come again."""
_LOOK_PAUSE_SECONDS: Final = 1.0
_BUSY_LOOK_PAUSE_SECONDS: Final = 8.0
_WATCHERS_AT_ONCE: Final = 5
"""Number of watchers to whom a change is sent before callers are answered again."""
_HEARTBEAT_SECONDS: Final = 15.0
_RECHECK_SECONDS: Final = 60.0
"""Seconds after which the session of a watcher is looked at again."""


_STREAM_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}


def choose_look_pause(look_seconds: float, cpu_share: float) -> float:
    """Return the seconds until the next look, after one that took some seconds in a process that uses so much CPU."""
    return max(_LOOK_PAUSE_SECONDS if cpu_share < BUSY_ANSWERING_CPU_SHARE else _BUSY_LOOK_PAUSE_SECONDS, 3 * look_seconds)


class LiveHub:
    """Renders a part of a page while somebody watches, and sends it to all watchers when it has changed."""

    def __init__(self, event: str, render: Callable[[], Awaitable[str]]) -> None:
        """``render`` returns the part as HTML, the same for every person."""
        self._event = event
        self._render = render
        self._queues: set[asyncio.Queue[bytes]] = set()
        self._task: asyncio.Task[None] | None = None
        self._last = b""
        """The newest part, as it is sent to every watcher."""
        self._looking = asyncio.Lock()
        self._looks_begun = 0
        """Number of looks so far, by which those who waited for a look know that it began after they came."""

    def watch(self, is_session_valid: Callable[[], Awaitable[bool]]) -> Response:
        """Answer with the stream of changes."""
        if len(self._queues) >= MAX_WATCHERS:
            return StreamingResponse(iter(["retry: 30000\n\n"]), media_type="text/event-stream", headers=_STREAM_HEADERS)
        return StreamingResponse(self._stream(is_session_valid), media_type="text/event-stream", headers=_STREAM_HEADERS)

    async def _stream(self, is_session_valid: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
        # A slow browser misses changes in between, and gets the newest.
        queue: asyncio.Queue[bytes] = asyncio.Queue(1)
        self._queues.add(queue)
        checked = time.monotonic()
        try:
            yield b"retry: 2000\n\n"
            if self._last:
                # The page may be newer than the last look, after an action of its person, or older.
                await self._look()
                if queue.empty():
                    queue.put_nowait(self._last)
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._look_while_watched())
            while True:
                try:
                    async with asyncio.timeout(_HEARTBEAT_SECONDS):
                        part = await queue.get()
                    yield part
                except TimeoutError:
                    yield b": still here\n\n"
                if time.monotonic() - checked > _RECHECK_SECONDS:
                    checked = time.monotonic()
                    if not await is_session_valid():
                        return
        finally:
            self._queues.discard(queue)

    async def _look_while_watched(self) -> None:
        began, used = time.monotonic(), time.process_time()
        cpu_share = 0.0
        while self._queues:
            look_began = time.monotonic()
            await self._look()
            await asyncio.sleep(choose_look_pause(time.monotonic() - look_began, cpu_share))
            now, used_now = time.monotonic(), time.process_time()
            cpu_share = (used_now - used) / (now - began)
            began, used = now, used_now
        self._last = b""

    async def _look(self) -> None:
        """Render the part, and send it to all watchers if it has changed. Looks asked for during a look are one."""
        looks_begun = self._looks_begun
        async with self._looking:
            if self._looks_begun > looks_begun:
                return  # a look that began later than this call has just ended
            self._looks_begun += 1
            try:
                part = _format_event(self._event, await self._render())
            except Exception as error:  # noqa: BLE001 - watchers wait until the database is back
                _LOG.warning("the live part of the console was not made", error=type(error).__name__)
                return
            if part != self._last:
                self._last = part
                await self._send_to_all(part)

    async def _send_to_all(self, part: bytes) -> None:
        for number, queue in enumerate([*self._queues], 1):
            with contextlib.suppress(asyncio.QueueEmpty):
                queue.get_nowait()
            queue.put_nowait(part)
            if number % _WATCHERS_AT_ONCE == 0:
                await asyncio.sleep(0)


def _format_event(name: str, data: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in data.splitlines())
    return f"event: {name}\n{lines}\n".encode()
