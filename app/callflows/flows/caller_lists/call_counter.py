"""Counts calls per caller, flow and day.

The counter of this module is in memory; a server has the count of all processes in the database.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import date  # noqa: TC003 - annotations of a public Protocol
from typing import Final, Protocol

MAX_RECENT_CALLS: Final = 20_000
"""Calls whose repeated first request is recognized."""


class CallCounter(Protocol):
    """Counts the calls of each caller to each flow by day."""

    async def count_call(self, flow: str, caller: str, day: date, call: str = "") -> int:
        """Count a call, and return the caller's calls to the flow on this day, including this call.

        ``caller`` is in E.164, or empty for an anonymous caller, whose count is always 0. ``day`` is the date on the wall
        clock of the flow. A repeated ``call``, an id of Opentact, is counted once and has its number again.
        """


class InMemoryCallCounter:
    """Counts in the memory of this process, for at most ``max_callers`` pairs of flow and caller. Thread-safe."""

    def __init__(self, max_callers: int = 200_000) -> None:
        self._max_callers = max_callers
        self._lock = threading.Lock()
        self._counts: OrderedDict[tuple[str, str], tuple[date, int]] = OrderedDict()
        self._recent_calls: OrderedDict[tuple[str, str], int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    async def count_call(self, flow: str, caller: str, day: date, call: str = "") -> int:
        """See ``CallCounter``."""
        return self.count_in_memory(flow, caller, day, call)

    def count_in_memory(self, flow: str, caller: str, day: date, call: str = "") -> int:
        """Count like ``count_call``, without a wait."""
        if not caller:
            return 0
        key = (flow, caller)
        with self._lock:
            if call and (flow, call) in self._recent_calls:
                return self._recent_calls[flow, call]
            known, calls = self._counts.get(key, (day, 0))
            calls = calls + 1 if known == day else 1
            self._counts[key] = (day, calls)
            self._counts.move_to_end(key)
            self._forget_old_counts(day)
            if call:
                self._recent_calls[flow, call] = calls
                if len(self._recent_calls) > MAX_RECENT_CALLS:
                    self._recent_calls.popitem(last=False)
        return calls

    def correct_count(self, flow: str, caller: str, day: date, call: str, calls: int) -> None:
        """Take over the number of a call that was counted here, as other processes count."""
        with self._lock:
            known, here = self._counts.get((flow, caller), (day, 0))
            if known == day:
                self._counts[flow, caller] = day, max(here, calls)
            if call and (flow, call) in self._recent_calls:
                self._recent_calls[flow, call] = calls

    def _forget_old_counts(self, today: date) -> None:
        """Remove excess counts and old ones. Dates of flows differ by at most one day between time zones."""
        while self._counts:
            day, _ = next(iter(self._counts.values()))
            if len(self._counts) <= self._max_callers and (today - day).days <= 1:
                return
            self._counts.popitem(last=False)
