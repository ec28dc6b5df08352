"""What of a processor who writes things down may take beside who answers: all that is left, or a share of it."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

LOOK: Final = 0.1
"""Seconds over which it is seen how busy the answering thread is."""


class Share:
    """While the thread that made this is busy, ``share`` of a processor and ``burst`` seconds of it at once; else all.

    It is busy when more than ``busy`` of the time is its own. What is done ``with`` the share counts.
    """

    def __init__(
        self,
        share: float,
        burst: float,
        busy: float,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.thread_time,
        answering: Callable[[], float] | None = None,
    ) -> None:
        self._share = share
        self._burst = burst
        self._bound = busy
        self._clock = clock
        self._used = used
        self._answering = answering or _time_of_this_thread()
        self._left = burst
        self._filled = self._looked = clock()
        self._answered = self._answering()
        self._began = 0.0
        self.busy = False

    def left(self) -> bool:
        """Whether there is anything left of it now."""
        now = self._clock()
        since = now - self._looked
        if since >= LOOK:
            answered = self._answering()
            self.busy = answered - self._answered > self._bound * since
            self._looked, self._answered = now, answered
        self._left = min(self._burst, self._left + (now - self._filled) * self._share)
        self._filled = now
        return self._left > 0 or not self.busy

    def __enter__(self) -> None:
        self._began = self._used()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._left = max(self._left - (self._used() - self._began), -self._burst)


def _time_of_this_thread() -> Callable[[], float]:
    """Gives the seconds of a processor that the thread which asks now has had so far, whoever calls it."""
    if sys.platform != "linux":  # elsewhere nobody tells it, and nobody is taken for busy
        return lambda: 0.0
    clock = time.pthread_getcpuclockid(threading.get_ident())

    def used() -> float:
        try:
            return time.clock_gettime(clock)
        except OSError:  # the thread has ended
            return 0.0

    return used
