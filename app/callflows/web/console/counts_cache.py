"""Counts of many calls for the pages: computed beside the requests, and shown as of a moment ago."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from starlette.exceptions import HTTPException

from callflows.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


_LOG = get_logger("console")
_CountsT = TypeVar("_CountsT")


_MAX_COMPUTING_SHARE: Final = 0.02
"""Share of the time in which a value is computed: counts of a long day take seconds, beside answers to callers."""
_MAX_EXTENDED_SECONDS: Final = 60.0
"""Longest time for which a value is fresh because it took long to compute: the database may have been slow for once."""


class CountsCache(Generic[_CountsT]):
    """Keeps counts by key. An old value is shown once more while a new one is computed; a very old one is not."""

    def __init__(self, fresh_seconds: float, shown_seconds: float) -> None:
        """A value that took long to compute is fresh for longer than ``fresh_seconds``, up to a minute."""
        self._fresh_seconds = fresh_seconds
        self._shown_seconds = shown_seconds
        self._values: dict[str, tuple[float, float, _CountsT]] = {}
        """By key: when it was computed, for how long it is fresh, and the value."""
        self._tasks: dict[str, asyncio.Task[_CountsT]] = {}
        """The computations by key whose values count; those that began before ``forget`` stand in ``_running`` alone."""
        self._running: set[asyncio.Task[_CountsT]] = set()

    async def get(self, key: str, compute: Callable[[], Awaitable[_CountsT]]) -> _CountsT:
        """Return the value of a key. Raises what ``compute`` raises, if there is no value that can be shown."""
        computed_at, fresh_seconds, value = self._values.get(key, (float("-inf"), 0.0, None))
        age = time.monotonic() - computed_at
        if value is not None and age <= fresh_seconds:
            return value
        task = self._tasks.get(key)
        if task is None:
            # Everybody who asks meanwhile gets the same.
            task = self._tasks[key] = asyncio.create_task(self._compute(key, compute))
            self._running.add(task)
            task.add_done_callback(lambda done: self._finish(key, done))
        return value if value is not None and age <= self._shown_seconds else await asyncio.shield(task)

    async def get_within(self, key: str, compute: Callable[[], Awaitable[_CountsT]], seconds: float) -> _CountsT | None:
        """Return the value of a key as ``get`` does; None if there is none after some seconds, and it is computed on.

        Only the one who asks first waits: whoever asks again meanwhile knows that it takes long.
        """
        if key in self._tasks and key not in self._values:
            return None
        try:
            async with asyncio.timeout(seconds):
                return await self.get(key, compute)
        except TimeoutError:
            return None

    async def _compute(self, key: str, compute: Callable[[], Awaitable[_CountsT]]) -> _CountsT:
        began = time.monotonic()
        value = await compute()
        now = time.monotonic()
        fresh_seconds = max(self._fresh_seconds, min((now - began) / _MAX_COMPUTING_SHARE, _MAX_EXTENDED_SECONDS))
        if self._tasks.get(key) is asyncio.current_task():
            self._values[key] = now, fresh_seconds, value
        return value

    def _finish(self, key: str, task: asyncio.Task[_CountsT]) -> None:
        self._running.discard(task)
        if self._tasks.get(key) is task:
            del self._tasks[key]
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, HTTPException):
            _LOG.error("counts for the console failed", error=type(error).__name__, exc_info=error)

    def forget(self) -> None:
        """Compute anew for the next page: what is being computed may not know of the change yet."""
        self._values.clear()
        self._tasks.clear()
