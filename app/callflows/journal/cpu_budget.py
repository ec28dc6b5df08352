"""Limits the CPU time of the journal's writer while the answering thread is busy."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


BUSY_CHECK_SECONDS: Final = 0.1
"""Interval, in seconds, at which the load of the answering thread is measured."""


class CpuBudget:
    """Limits CPU time while the thread that created the budget is busy; otherwise there is no limit.

    ``share`` is the fraction of one processor in the long run, ``burst_seconds`` the CPU time that may be used at once. The
    thread is busy if it uses more than the fraction ``busy_share`` of the elapsed time. Code in a ``with`` block of the
    budget is charged to the budget.
    """

    def __init__(
        self,
        share: float,
        burst_seconds: float,
        busy_share: float,
        clock: Callable[[], float] = time.monotonic,
        read_used_seconds: Callable[[], float] = time.thread_time,
        read_answering_seconds: Callable[[], float] | None = None,
    ) -> None:
        self._share = share
        self._burst_seconds = burst_seconds
        self._busy_share = busy_share
        self._clock = clock
        self._read_used_seconds = read_used_seconds
        self._read_answering_seconds = read_answering_seconds or _create_thread_clock()
        self._remaining_seconds = burst_seconds
        self._refilled_at = self._checked_at = clock()
        self._answering_seconds = self._read_answering_seconds()
        self._start_seconds = 0.0
        self.is_busy = False

    def has_budget(self) -> bool:
        """Report whether more CPU time may be used now."""
        now = self._clock()
        since = now - self._checked_at
        if since >= BUSY_CHECK_SECONDS:
            answered = self._read_answering_seconds()
            self.is_busy = answered - self._answering_seconds > self._busy_share * since
            self._checked_at, self._answering_seconds = now, answered
        self._remaining_seconds = min(
            self._burst_seconds, self._remaining_seconds + (now - self._refilled_at) * self._share
        )
        self._refilled_at = now
        return self._remaining_seconds > 0 or not self.is_busy

    def __enter__(self) -> None:
        self._start_seconds = self._read_used_seconds()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._remaining_seconds = max(
            self._remaining_seconds - (self._read_used_seconds() - self._start_seconds), -self._burst_seconds
        )


def _create_thread_clock() -> Callable[[], float]:
    """Return a function that reads the CPU seconds of the current thread, from any thread."""
    if sys.platform != "linux":  # other systems have no such clock, so the thread never counts as busy
        return lambda: 0.0
    clock = time.pthread_getcpuclockid(threading.get_ident())

    def read_thread_seconds() -> float:
        try:
            return time.clock_gettime(clock)
        except OSError:  # the thread has ended
            return 0.0

    return read_thread_seconds
