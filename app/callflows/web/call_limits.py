"""Limits of calls per caller and per number. A call beyond a limit gets the flow's fallback, which costs almost nothing.

Nobody hears silence: a flood of calls, from one caller or to one number, starts no lookups, programs, texts and webhooks,
and other callers are answered as before. Each process counts by itself, and forgets its counts every minute.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from callflows.errors import CallLimitError

if TYPE_CHECKING:
    from collections.abc import Callable


_WINDOW_SECONDS: Final = 60.0
MAX_COUNTED_CALLERS: Final = 100_000
"""Maximum number of callers and numbers counted within a minute; the limits of others begin with the next minute."""


class CallLimits:
    """Counts the calls of this minute. A limit of None counts nothing."""

    def __init__(
        self,
        calls_per_caller: int | None,
        calls_per_number: int | None,
        get_time: Callable[[], float] = time.monotonic,
    ) -> None:
        self.are_set = calls_per_caller is not None or calls_per_number is not None
        self._limits = (("caller", calls_per_caller), ("number", calls_per_number))
        self._get_time = get_time
        self._window_end = 0.0
        self._counts: dict[tuple[str, str], int] = {}

    def count_call(self, caller: str, number: str) -> None:
        """Count a call; an anonymous caller, whose number is empty, has no limit. Raises CallLimitError beyond a limit."""
        now = self._get_time()
        if now >= self._window_end:
            self._window_end = now + _WINDOW_SECONDS
            self._counts.clear()
        for (kind, limit), value in zip(self._limits, (caller, number), strict=True):
            if limit is None or not value:
                continue
            key = (kind, value)
            count = self._counts.get(key, 0) + 1
            if count == 1 and len(self._counts) >= MAX_COUNTED_CALLERS:
                continue
            self._counts[key] = count
            if count > limit:
                raise CallLimitError(f"more than {limit} calls of one {kind} within a minute")
