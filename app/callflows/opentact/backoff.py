"""Delays between attempts. Tests replace the clock, the sleep and the randomness of ``BackoffClock``."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from callflows.boot_clock import read_boot_seconds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


MAX_BACKOFF_SECONDS: Final = 60.0
"""Longest delay between two attempts."""
_FIRST_DELAY_SECONDS: Final = 0.5
_MAX_DOUBLINGS: Final = 10
"""Limit of the exponent, far beyond the longest delay, so that the power cannot overflow."""


def get_utc_now() -> datetime:
    return datetime.now(UTC)


@dataclasses.dataclass(frozen=True, slots=True)
class BackoffClock:
    """Time source: sleeping, monotonic seconds, UTC time, and a random fraction between 0 and 1."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    monotonic: Callable[[], float] = read_boot_seconds
    now: Callable[[], datetime] = get_utc_now
    random_fraction: Callable[[], float] = random.random

    def backoff_seconds(self, attempt: int) -> float:
        """Return the delay before another attempt: 0.5, 1, 2, … 60 seconds, minus up to half at random.

        The random part spreads clients that failed at the same moment.
        """
        whole = min(MAX_BACKOFF_SECONDS, _FIRST_DELAY_SECONDS * 2.0 ** min(attempt, _MAX_DOUBLINGS))
        return whole * (1 - self.random_fraction() / 2)
