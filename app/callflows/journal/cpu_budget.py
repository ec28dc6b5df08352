"""What of a processor who writes things down may take beside who answers: all that is left, or a share of it."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


BUSY_CHECK_SECONDS: Final = 0.1
"""Seconds over which it is seen how busy the answering thread is."""


class CpuBudget:
    """While the thread that made this is busy, ``share`` of a processor and ``burst`` seconds of it at once; else all.

    It is busy when more than ``busy`` of the time is its own. What is done ``with`` the share counts.
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
        """Whether there is anything left of it now."""
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
    """Gives the seconds of a processor that the thread which asks now has had so far, whoever calls it."""
    if sys.platform != "linux":  # elsewhere nobody tells it, and nobody is taken for busy
        return lambda: 0.0
    clock = time.pthread_getcpuclockid(threading.get_ident())

    def read_thread_seconds() -> float:
        try:
            return time.clock_gettime(clock)
        except OSError:  # the thread has ended
            return 0.0

    return read_thread_seconds
