"""The time of a rehearsal: an hour of hold takes none, unless somebody plays along in real time."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Protocol


class CallClock(Protocol):
    """What tells the time, and lets it pass."""

    def now(self) -> datetime:
        """The moment; aware."""

    async def sleep(self, seconds: float, wake: asyncio.Event | None = None) -> None:
        """Let time pass, or less of it where ``wake`` is set before."""


class VirtualClock:
    """Begins at a moment; time passes when somebody sleeps."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime.now(UTC)

    def now(self) -> datetime:
        """The moment; aware."""
        return self._now

    async def sleep(self, seconds: float, wake: asyncio.Event | None = None) -> None:
        """Let time pass at once."""
        await asyncio.sleep(0)
        if wake is None or not wake.is_set():
            self._now += timedelta(seconds=seconds)


class RealTimeClock:
    """The time of day, ``pace`` times as quick."""

    def __init__(self, pace: float = 1.0) -> None:
        self._pace = pace
        self._started_at = datetime.now(UTC)

    def now(self) -> datetime:
        """The moment; aware."""
        return self._started_at + (datetime.now(UTC) - self._started_at) * self._pace

    async def sleep(self, seconds: float, wake: asyncio.Event | None = None) -> None:
        """Wait, or less where ``wake`` is set before."""
        if wake is None:
            await asyncio.sleep(seconds / self._pace)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(wake.wait(), seconds / self._pace)
