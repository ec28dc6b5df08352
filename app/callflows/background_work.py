"""Work that no caller waits for: a bounded queue, a thread that empties it, and the priority of a process."""

from __future__ import annotations

import collections
import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from callflows.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable


_LOG: Final = get_logger("server")
LOWEST_PRIORITY: Final = 19
"""As of ``nice``; a server has 0. A process with this priority gets only what all others leave of a processor."""
_ItemT = TypeVar("_ItemT")


class BoundedQueue(Generic[_ItemT]):
    """Items of any thread that wait for one thread. If the queue is full, a new item is dropped and counted."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.dropped_count = 0
        self._items: collections.deque[_ItemT] = collections.deque()

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: _ItemT) -> bool:
        """Add an item; return whether there was room. Never waits."""
        # The way of a call: this is an append to a deque, and needs no lock.
        if len(self._items) < self.capacity:
            self._items.append(item)
            return True
        self.dropped_count += 1
        return False

    def take(self, max_count: int) -> list[_ItemT]:
        """Remove and return the oldest items. Only one thread at a time may call this."""
        return [self._items.popleft() for _ in range(min(len(self._items), max_count))]

    def take_dropped_count(self) -> int:
        """Return the number of items dropped since the last call."""
        count, self.dropped_count = self.dropped_count, 0
        return count


class BackgroundThread:
    """Calls ``action`` in a daemon thread: after every pause, when woken, and a last time when stopped."""

    def __init__(self, name: str, action: Callable[[], None], pause_seconds: float) -> None:
        self._name = name
        self._action = action
        self._pause_seconds = pause_seconds
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """True from the start until the stop begins."""
        return self._thread is not None and not self.is_stopping

    @property
    def is_stopping(self) -> bool:
        """True as soon as the stop begins; ``action`` finds it true in its last run."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Start the thread unless it is running."""
        # Not in __init__: a thread does not survive the fork of a server process.
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """End the pause."""
        self._wake.set()

    def stop(self, grace_seconds: float) -> None:
        """Run ``action`` a last time, and wait for its end, but no longer than ``grace_seconds``."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=grace_seconds)

    def _run(self) -> None:
        is_last_run = has_failed = False
        while not is_last_run:
            self._wake.wait(self._pause_seconds)
            self._wake.clear()
            is_last_run = self.is_stopping
            try:
                self._action()
                has_failed = False
            except Exception as error:  # noqa: BLE001 - a server without this thread would count or write nothing any more
                # Tried again after each pause: what fails for long is logged once.
                if not has_failed:
                    _LOG.exception(
                        "background work failed; it is tried again", thread=self._name, error=type(error).__name__
                    )
                has_failed = True


def lower_priority(process_id: int, priority: int) -> None:
    """Give a process a priority as of ``nice``, unless it has ended already, or the system forbids it."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process_id, priority)
        if priority == LOWEST_PRIORITY and sys.platform == "linux":
            # A process that is only nice keeps its processor until its slice is over, although a caller waits.
            os.sched_setscheduler(process_id, os.SCHED_IDLE, os.sched_param(0))
