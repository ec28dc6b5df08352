"""Undocumented."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import date  # noqa: TC003 - a Protocol of public use
from typing import Protocol

# How often somebody has rung


class CallCounter(Protocol):
    """Counts the calls of each caller to each flow by day."""

    def count_call(self, flow: str, caller: str, day: date) -> int:
        """Count a call, and give how many the caller (E.164) made to the flow that day, this one included.

        ``day`` is the date on the flow's wall clock. 0 for a caller who withholds the number: nobody can be counted.
        """


class InMemoryCallCounter:
    """Counts of this process alone: forgotten with it, and after their day. ``most`` callers are kept."""

    def __init__(self, max_callers: int = 200_000) -> None:
        self._max_callers = max_callers
        self._lock = threading.Lock()
        self._counts: OrderedDict[tuple[str, str], tuple[date, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def count_call(self, flow: str, caller: str, day: date) -> int:
        """As ``Counts`` says; from any thread."""
        if not caller:
            return 0
        key = (flow, caller)
        with self._lock:
            known, calls = self._counts.get(key, (day, 0))
            calls = calls + 1 if known == day else 1
            self._counts[key] = (day, calls)
            self._counts.move_to_end(key)
            self._forget_old_counts(day)
        return calls

    def _forget_old_counts(self, today: date) -> None:
        """Let go of what is too much, and of what is from before yesterday: zones are never further apart."""
        while self._counts:
            day, _ = next(iter(self._counts.values()))
            if len(self._counts) <= self._max_callers and (today - day).days <= 1:
                return
            self._counts.popitem(last=False)
