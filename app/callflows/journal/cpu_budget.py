"""The rules by which the journal, and a replay of the journal's calls, share the processor with the answers to callers.

- A few turns a second are written to the database at once.
- From ``MANY_TURNS_PER_SECOND`` on, their rows would make callers wait for Python's lock: turns go to the spool, packed,
  and another process writes their rows (see ``SpoolDrainer``). The places of documents are looked for unless
  ``TURNS_BEFORE_SPOOLING`` turns wait.
- Answering is busy if it wants more than ``BUSY_ANSWERING_CPU_SHARE`` of a processor; waiting for the processor counts.
  Then, without that process, rows are built and written within ``WRITER_CPU_SHARE`` of a processor. Time that a write took
  too much is saved by the next ones.
- Spooling is not limited: it takes little, and a turn that is not taken in time is lost.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


WRITER_CPU_SHARE: Final = 0.03
WRITER_CPU_BURST_SECONDS: Final = 0.02
MAX_WRITER_CPU_DEBT_SECONDS: Final = 0.3
"""Processor time that is saved after long writes, at most: ten seconds without a write while answering is busy."""
BUSY_ANSWERING_CPU_SHARE: Final = 0.25
MANY_TURNS_PER_SECOND: Final = 100.0
RATE_CHECK_SECONDS: Final = 1.0
"""Time over which turns are counted. There are many after two such times, and until there are fewer than half as many."""
_CHECKS_UNTIL_HIGH: Final = 2
TURNS_BEFORE_SPOOLING: Final = 300
"""Number of waiting turns after which turns go to the spool."""
TURNS_BEFORE_SPOOLING_WHEN_BUSY: Final = 100
"""The number while answering is busy: turns that wait long push callers' data out of the CPU cache."""
BUSY_CHECK_SECONDS: Final = 0.1
"""Interval, in seconds, at which the load of the answering thread is measured."""


class CpuBudget:
    """Limits CPU time while the thread that created the budget is busy; otherwise there is no limit.

    ``share`` is the fraction of one processor in the long run, ``burst_seconds`` the CPU time that may be used at once, and
    ``debt_seconds`` the excess that is saved later. The thread is busy if it wants more than the fraction ``busy_share`` of
    the elapsed time. Code in a ``with`` block of the budget is charged to the budget.
    """

    def __init__(
        self,
        share: float = WRITER_CPU_SHARE,
        burst_seconds: float = WRITER_CPU_BURST_SECONDS,
        busy_share: float = BUSY_ANSWERING_CPU_SHARE,
        debt_seconds: float = MAX_WRITER_CPU_DEBT_SECONDS,
        *,
        clock: Callable[[], float] = time.monotonic,
        read_used_seconds: Callable[[], float] = time.thread_time,
        read_answering_seconds: Callable[[], float] | None = None,
    ) -> None:
        self._share = share
        self._burst_seconds = burst_seconds
        self._busy_share = busy_share
        self._debt_seconds = debt_seconds
        self._clock = clock
        self._read_used_seconds = read_used_seconds
        self._read_answering_seconds = read_answering_seconds or _create_thread_clock()
        self._remaining_seconds = burst_seconds
        self._refilled_at = self._checked_at = clock()
        self._answering_seconds = self._read_answering_seconds()
        self._start_seconds = 0.0
        self.is_busy = False

    @property
    def turns_before_spooling(self) -> int:
        """Number of waiting turns after which turns go to the spool now."""
        return TURNS_BEFORE_SPOOLING_WHEN_BUSY if self.is_busy else TURNS_BEFORE_SPOOLING

    def has_budget(self) -> bool:
        """Return True if more CPU time may be used now."""
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
            self._remaining_seconds - (self._read_used_seconds() - self._start_seconds), -self._debt_seconds
        )


class TurnRate:
    """Tells whether many turns come, for longer than a moment."""

    def __init__(self, count_turns: Callable[[], int], *, clock: Callable[[], float] = time.monotonic) -> None:
        """``count_turns`` returns the number of turns since any moment."""
        self._count_turns = count_turns
        self._clock = clock
        self._counted_at, self._count = clock(), count_turns()
        self._checks_in_a_row = 0

    def is_high(self) -> bool:
        """Return True if many turns come now."""
        now = self._clock()
        since = now - self._counted_at
        if since >= RATE_CHECK_SECONDS:
            count = self._count_turns()
            limit = MANY_TURNS_PER_SECOND / 2 if self._checks_in_a_row >= _CHECKS_UNTIL_HIGH else MANY_TURNS_PER_SECOND
            self._checks_in_a_row = self._checks_in_a_row + 1 if count - self._count > limit * since else 0
            self._counted_at, self._count = now, count
        return self._checks_in_a_row >= _CHECKS_UNTIL_HIGH


def _create_thread_clock() -> Callable[[], float]:
    """Return a function that reads, from any thread, for how long the current thread had or wanted a processor."""
    if sys.platform != "linux":  # other systems have no such clock, so the thread never counts as busy
        return lambda: 0.0
    clock = time.pthread_getcpuclockid(threading.get_ident())
    process_id, thread_id = os.getpid(), threading.get_native_id()

    def read_thread_seconds() -> float:
        with contextlib.suppress(OSError, ValueError):
            return _read_wanted_seconds(process_id, thread_id)
        try:
            return time.clock_gettime(clock)
        except OSError:  # the thread has ended
            return 0.0

    return read_thread_seconds


def read_main_thread_seconds(process_id: int) -> float:
    """Return for how long the main thread of a process had or wanted a processor; 0 if the system does not tell."""
    try:
        return _read_wanted_seconds(process_id, process_id)
    except (OSError, ValueError):
        return 0.0


def _read_wanted_seconds(process_id: int, thread_id: int) -> float:
    """Return the seconds on a processor, and of waiting for one because of other programs. Some kernels lack the file."""
    scheduled = Path(f"/proc/{process_id}/task/{thread_id}/schedstat")
    running, waiting, *_ = map(int, scheduled.read_bytes().split())
    return (running + waiting) / 1e9
