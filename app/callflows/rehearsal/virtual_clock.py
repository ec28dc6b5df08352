"""Clocks of rehearsed calls. Virtual time passes instantly; the calls of a stand-in run in accelerated real time."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Protocol


class CallClock(Protocol):
    """The clock of a call."""

    def now(self) -> datetime:
        """Return the current time; aware."""

    async def sleep(self, seconds: float, wake: asyncio.Event | None = None) -> None:
        """Let time pass; return early if ``wake`` is set."""


class VirtualClock:
    """Starts at a given time; time passes only during ``sleep``."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime.now(UTC)

    def now(self) -> datetime:
        """Return the current time; aware."""
        return self._now

    async def sleep(self, seconds: float, wake: asyncio.Event | None = None) -> None:
        """Advance the clock at once; no time passes if ``wake`` is already set."""
        await asyncio.sleep(0)
        if wake is None or not wake.is_set():
            self._now += timedelta(seconds=seconds)


class RealTimeClock:
    """The real clock, accelerated by the factor ``pace``."""

    def __init__(self, pace: float = 1.0) -> None:
        self._pace = pace
        self._started_at = datetime.now(UTC)

    def now(self) -> datetime:
        """Return the current time; aware."""
        return self._started_at + (datetime.now(UTC) - self._started_at) * self._pace

    async def sleep(self, seconds: float, wake: asyncio.Event | None = None) -> None:
        """Wait in real time; return early if ``wake`` is set."""
        if wake is None:
            await asyncio.sleep(seconds / self._pace)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(wake.wait(), seconds / self._pace)
