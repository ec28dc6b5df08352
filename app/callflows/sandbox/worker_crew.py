"""How many workers there are, and which one takes a request.

At rest there is one worker and its spares. One that is stuck does not count, so that another is started while it still
runs. A lane (a flow) may be in half of all workers at most, and while it has one stuck it leaves the last free one to
others.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from typing import TYPE_CHECKING, Final

from callflows.errors import SandboxCrashError, SandboxError
from callflows.sandbox.worker_process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from callflows.sandbox.worker_process import WorkerOwner


MAX_REQUESTS_PER_WORKER: Final = 200
"""Requests that a worker has at once."""


HEALTHY_DELAY_SECONDS: Final = 0.005
"""Seconds within which a worker that is well looks at what is new."""


WORKER_START_TIMEOUT_SECONDS: Final = 15.0
"""Seconds for a worker to import and to prepare."""


_IDLE_SECONDS: Final = 30.0


_RESTART_DELAYS: Final = (0.1, 30.0)


_STOP_TIMEOUT_SECONDS: Final = 5.0


@dataclasses.dataclass(frozen=True, slots=True)
class CrewSize:
    """How many workers there are at most, how many beyond the first at rest, when one is slow (s), and memory (bytes)."""

    max_workers: int
    spare_workers: int
    slow_seconds: float
    memory_bytes: int


class WorkerCrew:
    """The workers. ``trouble`` is why none could be started, until one could; ``failed`` is told of it."""

    def __init__(
        self,
        entry_point: str,
        prepare: bytes,
        size: CrewSize,
        owner: WorkerOwner,
        on_failure: Callable[[SandboxError], None],
    ) -> None:
        self.workers: list[WorkerProcess] = []
        self.start_error: SandboxError | None = None
        self.startup_finished = asyncio.Event()
        self._entry_point = entry_point
        self._prepare = prepare
        self._size = size
        self._owner = owner
        self._on_failure = on_failure
        self._failure_count = 0
        self._not_before = 0.0
        self._ending_workers: set[WorkerProcess] = set()
        self._attach_tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[object, asyncio.TimerHandle] = {}
        self._worker_gone = asyncio.Event()
        self._is_stopped = False

    def find_stuck_workers(self, now: float) -> list[WorkerProcess]:
        """Those that are slow to look at what is new."""
        return [
            worker for worker in self.workers if worker.is_ready and worker.measure_delay(now) >= self._size.slow_seconds
        ]

    def choose_worker(self, lane: str, now: float) -> WorkerProcess | None:
        """The worker for a request of a lane: where the lane is already, as long as that one is well, else the emptiest."""
        behind = {
            w: w.measure_delay(now)
            for w in self.workers
            if w.is_ready and not w.is_retired and len(w.requests) < MAX_REQUESTS_PER_WORKER
        }
        own = [
            worker for worker, seconds in behind.items() if lane in worker.lane_counts and seconds < HEALTHY_DELAY_SECONDS
        ]
        if own:
            return min(own, key=lambda worker: len(worker.requests))
        free = [worker for worker, seconds in behind.items() if seconds < self._size.slow_seconds]
        others = [worker for worker in free if lane not in worker.lane_counts]
        if not self._may_use_another_worker(lane, others, now):
            free = [worker for worker in free if lane in worker.lane_counts]
        return min(free, key=lambda worker: (behind[worker] >= HEALTHY_DELAY_SECONDS, len(worker.requests)), default=None)

    def _may_use_another_worker(self, lane: str, others: list[WorkerProcess], now: float) -> bool:
        """Whether a lane may be in one worker more."""
        stuck = self.find_stuck_workers(now)
        held = [w for w in self.workers if lane in w.lane_counts and (w not in stuck or w.may_be_blocked_by(lane))]
        if len(held) >= max(1, self._size.max_workers // 2):
            return False
        return len(others) > 1 or not any(worker in stuck for worker in held)

    def start_missing_workers(self, now: float, *, requests_waiting: bool) -> None:
        """Start workers until enough are well; one more where requests wait."""
        if self._is_stopped or now < self._not_before:
            return
        stuck = self.find_stuck_workers(now)
        well = sum(not worker.is_retired and worker not in stuck for worker in self.workers)
        room = self._size.max_workers - len(self.workers) - len(self._ending_workers)
        for _ in range(min(1 + self._size.spare_workers + requests_waiting - well, room)):
            if not self._start_worker():
                return

    def _start_worker(self) -> bool:
        worker = WorkerProcess(self._owner)
        try:
            wire = worker.start_process(self._entry_point, self._size.memory_bytes)
        except OSError as error:
            self._record_start_error(SandboxCrashError(f"no worker can be started: {error}"))
            return False
        self.workers.append(worker)
        task = asyncio.get_running_loop().create_task(worker.connect(wire, self._prepare))
        self._attach_tasks.add(task)
        task.add_done_callback(self._attach_tasks.discard)
        self._schedule(worker, WORKER_START_TIMEOUT_SECONDS, lambda: self._handle_start_timeout(worker))
        return True

    def _handle_start_timeout(self, worker: WorkerProcess) -> None:
        worker.failure = SandboxCrashError(f"a worker was not ready within {WORKER_START_TIMEOUT_SECONDS:g} seconds")
        self._owner.handle_worker_lost(worker)

    def handle_worker_ready(self, worker: WorkerProcess) -> None:
        """A worker takes requests: whatever was wrong with starting is over."""
        self._cancel_timer(worker)
        self.start_error = None
        self.startup_finished.set()
        self._schedule("idle", _IDLE_SECONDS, self._remove_idle_workers)

    def reset_failures(self) -> None:
        """A worker has answered: they do start."""
        self._failure_count = 0

    def remove_worker(self, worker: WorkerProcess, on_end: Callable[[str], None]) -> None:
        """Kill a worker; ``gone`` is told how it ended."""
        self._cancel_timer(worker)
        self.workers.remove(worker)
        self._ending_workers.add(worker)

        def handle_end(status: str) -> None:
            self._ending_workers.discard(worker)
            self._worker_gone.set()
            if not worker.is_ready and not self._is_stopped:
                self._record_start_error(
                    worker.failure or SandboxCrashError(f"a worker ended before it was ready: {status}")
                )
            on_end(status)

        worker.kill(handle_end)

    def _record_start_error(self, error: SandboxError) -> None:
        self.delay_next_start()
        self.start_error = error
        self.startup_finished.set()
        self._on_failure(error)

    def delay_next_start(self) -> None:
        """Workers end for no reason of a request: start the next ones later, and later each time."""
        shortest, longest = _RESTART_DELAYS
        pause = min(shortest * 2**self._failure_count, longest)
        self._failure_count = min(self._failure_count + 1, 30)
        self._not_before = time.monotonic() + pause
        self._schedule("pause", pause, lambda: self.start_missing_workers(time.monotonic(), requests_waiting=False))

    def _remove_idle_workers(self) -> None:
        """Let those go that are not needed any more."""
        idle = [worker for worker in self.workers if worker.is_ready and not worker.requests]
        for worker in idle[: max(0, len(self.workers) - 1 - self._size.spare_workers)]:
            self.remove_worker(worker, lambda _: None)
        self._schedule("idle", _IDLE_SECONDS, self._remove_idle_workers)

    def _schedule(self, key: object, delay: float, callback: Callable[[], None]) -> None:
        self._cancel_timer(key)
        self._timers[key] = asyncio.get_running_loop().call_later(delay, callback)

    def _cancel_timer(self, key: object) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    async def stop(self) -> None:
        """Kill all, and wait until nothing of them is left."""
        self._is_stopped = True
        self.startup_finished.set()
        await asyncio.gather(*self._attach_tasks, return_exceptions=True)
        for worker in list(self.workers):
            self.remove_worker(worker, lambda _: None)
        for timer in self._timers.values():
            timer.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_TIMEOUT_SECONDS):
                while self._ending_workers:
                    self._worker_gone.clear()
                    await self._worker_gone.wait()
