"""How long is waited before something is tried again; what passes time can be put in its place by a test."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


MAX_BACKOFF_SECONDS: Final = 60.0
"""Seconds at most between two attempts."""


_FIRST_DELAY_SECONDS: Final = 0.5


_MAX_DOUBLINGS: Final = 10
"""Doublings, far beyond the longest wait."""


def get_utc_now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


@dataclasses.dataclass(frozen=True, slots=True)
class BackoffClock:
    """Waiting, the seconds of a clock that only goes forward, the time of day, and chance between 0 and 1."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = get_utc_now
    random_fraction: Callable[[], float] = random.random

    def backoff_seconds(self, attempt: int) -> float:
        """Seconds before another attempt: 0.5, 1, 2, … 60, of which chance takes up to a half, so that many spread."""
        whole = min(MAX_BACKOFF_SECONDS, _FIRST_DELAY_SECONDS * 2.0 ** min(attempt, _MAX_DOUBLINGS))
        return whole * (1 - self.random_fraction() / 2)

    def parse_retry_after(self, retry_after: str) -> float | None:
        """The seconds that ``Retry-After`` names: a number of them, or a date; None where it says neither."""
        said = retry_after.strip()
        if said.isascii() and said.isdigit():
            return float(said)
        try:
            until = parsedate_to_datetime(said)
        except (ValueError, TypeError):
            return None
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return max(0.0, (until - self.now()).total_seconds())
