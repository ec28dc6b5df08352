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

from app.errors import WorkerDied, WorkError
from app.flows.workers.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.flows.workers.worker import Owner

FULL: Final = 200
"""Requests that a worker has at once."""
BRISK: Final = 0.005
"""Seconds within which a worker that is well looks at what is new."""
START_WITHIN: Final = 15.0
"""Seconds for a worker to import and to prepare."""
_IDLE: Final = 30.0
_PAUSES: Final = (0.1, 30.0)
_END_WITHIN: Final = 5.0


@dataclasses.dataclass(frozen=True, slots=True)
class Size:
    """How many workers there are at most, how many beyond the first at rest, when one is slow (s), and memory (bytes)."""

    most: int
    spare: int
    slow: float
    memory: int


class Crew:
    """The workers. ``trouble`` is why none could be started, until one could; ``failed`` is told of it."""

    def __init__(self, entry: str, prepare: bytes, size: Size, owner: Owner, failed: Callable[[WorkError], None]) -> None:
        self.members: list[Worker] = []
        self.trouble: WorkError | None = None
        self.settled = asyncio.Event()
        self._entry = entry
        self._prepare = prepare
        self._size = size
        self._owner = owner
        self._failed = failed
        self._failures = 0
        self._not_before = 0.0
        self._leaving: set[Worker] = set()
        self._attaching: set[asyncio.Task[None]] = set()
        self._timers: dict[object, asyncio.TimerHandle] = {}
        self._gone = asyncio.Event()
        self._stopped = False

    def stuck(self, now: float) -> list[Worker]:
        """Those that are slow to look at what is new."""
        return [worker for worker in self.members if worker.ready and worker.behind(now) >= self._size.slow]

    def choose(self, lane: str, now: float) -> Worker | None:
        """The worker for a request of a lane: where the lane is already, as long as that one is well, else the emptiest."""
        behind = {w: w.behind(now) for w in self.members if w.ready and not w.retired and len(w.running) < FULL}
        own = [worker for worker, seconds in behind.items() if lane in worker.lanes and seconds < BRISK]
        if own:
            return min(own, key=lambda worker: len(worker.running))
        free = [worker for worker, seconds in behind.items() if seconds < self._size.slow]
        others = [worker for worker in free if lane not in worker.lanes]
        if not self._may_have(lane, others, now):
            free = [worker for worker in free if lane in worker.lanes]
        return min(free, key=lambda worker: (behind[worker] >= BRISK, len(worker.running)), default=None)

    def _may_have(self, lane: str, others: list[Worker], now: float) -> bool:
        """Whether a lane may be in one worker more."""
        stuck = self.stuck(now)
        held = [w for w in self.members if lane in w.lanes and (w not in stuck or w.blamed(lane))]
        if len(held) >= max(1, self._size.most // 2):
            return False
        return len(others) > 1 or not any(worker in stuck for worker in held)

    def fill(self, now: float, *, waiting: bool) -> None:
        """Start workers until enough are well; one more where requests wait."""
        if self._stopped or now < self._not_before:
            return
        stuck = self.stuck(now)
        well = sum(not worker.retired and worker not in stuck for worker in self.members)
        room = self._size.most - len(self.members) - len(self._leaving)
        for _ in range(min(1 + self._size.spare + waiting - well, room)):
            if not self._start():
                return

    def _start(self) -> bool:
        worker = Worker(self._owner)
        try:
            wire = worker.launch(self._entry, self._size.memory)
        except OSError as error:
            self._troubled(WorkerDied(f"no worker can be started: {error}"))
            return False
        self.members.append(worker)
        task = asyncio.get_running_loop().create_task(worker.attach(wire, self._prepare))
        self._attaching.add(task)
        task.add_done_callback(self._attaching.discard)
        self._later(worker, START_WITHIN, lambda: self._too_slow(worker))
        return True

    def _too_slow(self, worker: Worker) -> None:
        worker.trouble = WorkerDied(f"a worker was not ready within {START_WITHIN:g} seconds")
        self._owner.lost(worker)

    def ready(self, worker: Worker) -> None:
        """A worker takes requests: whatever was wrong with starting is over."""
        self._cancel(worker)
        self.trouble = None
        self.settled.set()
        self._later("idle", _IDLE, self._shrink)

    def proved(self) -> None:
        """A worker has answered: they do start."""
        self._failures = 0

    def remove(self, worker: Worker, gone: Callable[[str], None]) -> None:
        """Kill a worker; ``gone`` is told how it ended."""
        self._cancel(worker)
        self.members.remove(worker)
        self._leaving.add(worker)

        def ended(status: str) -> None:
            self._leaving.discard(worker)
            self._gone.set()
            if not worker.ready and not self._stopped:
                self._troubled(worker.trouble or WorkerDied(f"a worker ended before it was ready: {status}"))
            gone(status)

        worker.kill(ended)

    def _troubled(self, error: WorkError) -> None:
        self.pause()
        self.trouble = error
        self.settled.set()
        self._failed(error)

    def pause(self) -> None:
        """Workers end for no reason of a request: start the next ones later, and later each time."""
        shortest, longest = _PAUSES
        pause = min(shortest * 2**self._failures, longest)
        self._failures = min(self._failures + 1, 30)
        self._not_before = time.monotonic() + pause
        self._later("pause", pause, lambda: self.fill(time.monotonic(), waiting=False))

    def _shrink(self) -> None:
        """Let those go that are not needed any more."""
        idle = [worker for worker in self.members if worker.ready and not worker.running]
        for worker in idle[: max(0, len(self.members) - 1 - self._size.spare)]:
            self.remove(worker, lambda _: None)
        self._later("idle", _IDLE, self._shrink)

    def _later(self, key: object, pause: float, call: Callable[[], None]) -> None:
        self._cancel(key)
        self._timers[key] = asyncio.get_running_loop().call_later(pause, call)

    def _cancel(self, key: object) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    async def stop(self) -> None:
        """Kill all, and wait until nothing of them is left."""
        self._stopped = True
        self.settled.set()
        await asyncio.gather(*self._attaching, return_exceptions=True)
        for worker in list(self.members):
            self.remove(worker, lambda _: None)
        for timer in self._timers.values():
            timer.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_WITHIN):
                while self._leaving:
                    self._gone.clear()
                    await self._gone.wait()
