"""Gives up a file whose compilation takes too long, so that no file can stop the check or the reload of the others.

A thread watches the CPU time of compilations and raises an exception in a thread that uses too much.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import math
import threading
import time
from typing import TYPE_CHECKING, Final

from callflows.errors import CompileTimeExceededError

if TYPE_CHECKING:
    from collections.abc import Iterator


COMPILE_SECONDS: Final = 20.0
"""CPU time after which the compilation of a file is given up. The largest real flows take less than one second."""
_LOOK_SECONDS: Final = 0.2
_IDLE_SECONDS: Final = 5.0
_NEXT_SECONDS: Final = 1.0
"""CPU time from one exception to the next in the same thread."""
_ROUNDS_TO_ARRIVE: Final = 3
"""Rounds of a loop in which a pending exception is raised: Python looks for one at the end of each."""


@dataclasses.dataclass(slots=True)
class _WatchedThread:
    clock: int | None
    """The thread's CPU clock; None: wall time, where a platform has no such clocks."""
    deadline: float

    def read_clock(self) -> float:
        return time.monotonic() if self.clock is None else time.clock_gettime(self.clock)


class CompileTimeLimit:
    """Watches the compilations of all threads. The watching thread ends when there is nothing to watch."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched_threads: dict[int, _WatchedThread] = {}
        self._watcher: threading.Thread | None = None
        self._work = threading.Event()

    def start(self, seconds: float) -> None:
        """Raise CompileTimeExceededError in the calling thread after so much CPU time, until ``cancel``."""
        thread = threading.get_ident()
        find_clock = getattr(time, "pthread_getcpuclockid", None)
        watched = _WatchedThread(find_clock(thread) if find_clock is not None else None, 0.0)
        watched.deadline = watched.read_clock() + seconds
        with self._lock:
            self._watched_threads[thread] = watched
            self._work.set()
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="compile-time", daemon=True)
                self._watcher.start()

    def cancel(self) -> None:
        """End the limit of the calling thread. No exception arrives afterwards."""
        thread, is_cancelled = threading.get_ident(), False
        while not is_cancelled:
            # An exception that is on its way arrives here. It is not taken back: Python 3.11 would wait for it for ever,
            # so that everything is slower, and a profiler hangs.
            with contextlib.suppress(CompileTimeExceededError):
                with self._lock:
                    self._watched_threads.pop(thread, None)
                for _ in range(_ROUNDS_TO_ARRIVE):
                    pass
                is_cancelled = True

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """Do not count the time of work that has bounds of its own."""
        watched = self._watched_threads.get(threading.get_ident())
        if watched is None:
            yield
            return
        left, watched.deadline = watched.deadline - watched.read_clock(), math.inf
        try:
            yield
        finally:
            watched.deadline = watched.read_clock() + left

    def _watch(self) -> None:
        while True:
            if not self._work.wait(_IDLE_SECONDS):
                with self._lock:
                    if not self._watched_threads:
                        self._watcher = None
                        return
            time.sleep(_LOOK_SECONDS)
            with self._lock:
                if not self._watched_threads:
                    self._work.clear()
                for thread, watched in self._watched_threads.items():
                    now = watched.read_clock()
                    if now > watched.deadline:
                        # Code that catches every exception gets another one.
                        watched.deadline = now + _NEXT_SECONDS
                        raised = ctypes.py_object(CompileTimeExceededError)
                        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)


COMPILE_TIME_LIMIT: Final = CompileTimeLimit()
"""The limit of this process, in which every compilation of a flow file runs."""
