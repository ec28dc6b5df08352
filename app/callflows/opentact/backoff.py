"""Delays between attempts. Tests replace the clock, the sleep and the randomness of ``BackoffClock``."""

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
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = get_utc_now
    random_fraction: Callable[[], float] = random.random

    def backoff_seconds(self, attempt: int) -> float:
        """Return the delay before another attempt: 0.5, 1, 2, … 60 seconds, minus up to half at random.

        The random part spreads clients that failed at the same moment.
        """
        whole = min(MAX_BACKOFF_SECONDS, _FIRST_DELAY_SECONDS * 2.0 ** min(attempt, _MAX_DOUBLINGS))
        return whole * (1 - self.random_fraction() / 2)

    def parse_retry_after(self, retry_after: str) -> float | None:
        """Return the seconds of a ``Retry-After`` header (a number or a date), or None if the header is invalid."""
        said = retry_after.strip()
        if said.isascii() and said.isdigit():
            return float(said)
        try:
            until = parsedate_to_datetime(said)
        except (ValueError, TypeError):
            return None
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return max(0.0, (until - self.now()).total_seconds())
