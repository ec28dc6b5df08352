"""The asks: who waits, until when, and who is told what.

What was given to a worker may be given to a second one, once, where the first is blocked by another request for long or has
died: such a request is run at least once, not exactly once. The one that blocks a worker, or was at work when it died, is
not.
"""

from __future__ import annotations

import asyncio
import collections
import copy
import time
from typing import Final

from app.errors import Overdue, WorkerDied, WorkError, WorkFailed
from app.flows.workers.crew import BRISK, Crew, Size
from app.flows.workers.wire import ANSWER, CANCELLED, FAILED, LONGEST, error_told
from app.flows.workers.worker import Asked, Worker

MEMORY: Final = 1024**3
_PATIENCE: Final = 0.5
_GRACE: Final = 0.1
_RUNS: Final = 2


class Workers:
    """Processes that run ``entry``, and are killed where it does not end.

    ``entry`` is ``module:function``: an async function from a request to its reply, both bytes of at most 4 MB; or a plain
    function that is called with ``prepare`` when a worker starts, and gives such a function. There are at most ``most``
    workers, ``spare`` beyond the first are kept ready, each with ``memory`` bytes. A worker that does not look at what is
    new within ``start_by`` seconds counts as stuck: it gets nothing new, and what it has not begun goes to another one.
    """

    def __init__(
        self,
        entry: str,
        *,
        most: int = 8,
        spare: int = 1,
        start_by: float = 0.05,
        prepare: bytes = b"",
        memory: int = MEMORY,
    ) -> None:
        self._entry = entry
        self._prepare = prepare
        self._size = Size(max(1, most), max(0, spare), start_by, memory)
        self._crew: Crew | None = None
        self._waiting: dict[str, collections.deque[Asked]] = {}
        self._ticking: asyncio.TimerHandle | None = None
        self._last = 0
        self._counts = collections.Counter(asked=0, overdue=0, died=0, replaced=0, running=0)

    @property
    def counts(self) -> dict[str, int]:
        """For metrics. ``asked``, ``overdue``; workers that ``died`` by themselves or were ``replaced`` because what they
        ran could not be stopped; requests that are ``running``; ``workers`` there are now, and how many are ``stuck``.
        """  # noqa: D205 - one list
        members = self._crew.members if self._crew else []
        stuck = self._crew.stuck(time.monotonic()) if self._crew else []
        return {**self._counts, "workers": len(members), "stuck": len(stuck)}

    async def start(self) -> None:
        """Start the workers; back when one is ready, or none can be (every ask is told why)."""
        if self._crew is None:
            self._crew = Crew(self._entry, self._prepare, self._size, self, self._refuse_all)
            self._crew.fill(time.monotonic(), waiting=False)
            await self._crew.settled.wait()

    async def stop(self) -> None:
        """End the workers; whoever still waits is told WorkerDied."""
        crew, self._crew = self._crew, None
        if crew is None:
            return
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        stopped = WorkerDied("the workers were stopped")
        for worker in crew.members:
            for asked in worker.running.values():
                asked.timer.cancel()
                asked.settle(copy.copy(stopped))
        self._refuse_all(stopped)
        await crew.stop()

    async def ask(self, request: bytes, deadline: float, lane: str) -> bytes:
        """The reply to a request. ``deadline`` is a moment as ``time.monotonic`` counts, ``lane`` whose work it is.

        Raises Overdue, WorkerDied, or WorkFailed with the error that the work raised.
        """
        self._counts["asked"] += 1
        crew, now = self._crew, time.monotonic()
        if crew is None:
            raise WorkerDied("the workers are not running")
        if len(request) > LONGEST:
            raise WorkFailed("ValueError", f"the request has {len(request)} bytes, more than {LONGEST}")
        if crew.trouble is not None and not any(worker.ready for worker in crew.members):
            raise copy.copy(crew.trouble)
        loop = asyncio.get_running_loop()
        asked = Asked(request, deadline, lane, loop.create_future())
        asked.timer = loop.call_later(max(0.0, deadline - now), self._late, asked)
        self._counts["running"] += 1
        self._queue(asked)
        self._pump(now, lane)
        try:
            return await asked.reply
        finally:
            self._counts["running"] -= 1
            self._forget(asked)

    def _queue(self, asked: Asked, *, first: bool = False) -> None:
        if asked.waiting or asked.reply.done():
            return
        asked.waiting = True
        queue = self._waiting.setdefault(asked.lane, collections.deque())
        (queue.appendleft if first else queue.append)(asked)
        self._watch()

    def _pump(self, now: float, lane: str) -> None:
        """Give a lane's requests to workers, as far as there are some for it."""
        queue = self._waiting.get(lane)
        crew = self._crew
        while queue and crew is not None:
            asked = queue[0]
            late = asked.reply.done() or asked.deadline - now < BRISK  # it would only hold a worker up
            worker = None if late else crew.choose(lane, now)
            if worker is None and not late:
                return
            queue.popleft()
            asked.waiting = False
            if worker is not None and worker not in asked.places:
                self._last += 1
                worker.give(self._last, asked, now)
        self._waiting.pop(lane, None)

    def _pump_all(self) -> None:
        now = time.monotonic()
        for lane in list(self._waiting):
            self._pump(now, lane)

    def _refuse_all(self, error: WorkError) -> None:
        """No worker can be started: nobody shall wait for one, unless another one works."""
        if self._crew is not None and any(worker.ready for worker in self._crew.members):
            return
        for queue in self._waiting.values():
            for asked in queue:
                asked.settle(copy.copy(error))
        self._waiting.clear()

    # What happens in time

    def _watch(self) -> None:
        if self._ticking is None:
            self._ticking = asyncio.get_running_loop().call_later(self._size.slow / 2, self._tick)

    def _tick(self) -> None:
        """Look after workers for as long as they have something to do."""
        self._ticking = None
        if self._crew is None:
            return
        now = time.monotonic()
        stuck = self._crew.stuck(now)
        for worker in stuck:
            self._look_after(worker, now)
        self._crew.fill(now, waiting=bool(self._waiting))
        self._pump_all()
        if stuck or self._waiting or any(worker.running for worker in self._crew.members):
            self._watch()

    def _look_after(self, worker: Worker, now: float) -> None:
        """A worker is stuck: what it has not begun goes to others at once, what it cannot go on with after a while."""
        for asked in reversed(worker.take_back()):
            self._queue(asked, first=True)
        if worker.behind(now) < _PATIENCE:
            return
        holder = worker.holder()
        for number, asked in list(worker.running.items()):
            if number != holder and asked.runs < _RUNS:
                self._queue(asked)
        if holder and holder not in worker.running:
            self._replace(worker)  # a task that outlived its request

    def _late(self, asked: Asked) -> None:
        """A deadline has passed."""
        if asked.settle(Overdue("there was no answer in time")):
            self._counts["overdue"] += 1
        for worker, number in list(asked.places.items()):
            if worker.holder() == number and worker.behind(time.monotonic()) >= self._size.slow:
                self._replace(worker)
            else:
                worker.cancel(number)
                self._see_ended(worker, number)

    def _see_ended(self, worker: Worker, number: int) -> None:
        """See to it that a request that was cancelled ends, with its worker if it must be."""
        asyncio.get_running_loop().call_later(_GRACE, self._ended, worker, number)

    def _ended(self, worker: Worker, number: int) -> None:
        if self._crew is None or worker not in self._crew.members or number not in worker.running:
            return
        holder = worker.holder()
        other = worker.running.get(holder) if holder != number else None
        if other is not None and other.deadline > time.monotonic():
            self._see_ended(worker, number)  # it cannot be heard before that one lets go
        else:
            self._replace(worker)

    def _forget(self, asked: Asked) -> None:
        """Nobody waits for a request any more: stop it wherever it still runs. What does not stop meets its deadline."""
        for worker, number in asked.places.items():
            worker.cancel(number)
        if not asked.places:
            asked.timer.cancel()

    # What workers tell

    def ready(self, worker: Worker) -> None:
        """A worker takes requests."""
        if self._crew is not None:
            self._crew.ready(worker)
            self._pump_all()

    def answered(self, worker: Worker, kind: int, number: int, body: bytes) -> None:
        """A worker has done with a request. Raises ValueError where it makes no sense."""
        asked = worker.drop(number)
        if asked is None:
            return
        if self._crew is not None:
            self._crew.proved()
        if kind == ANSWER:
            asked.settle(body)
        elif kind == FAILED:
            error = WorkFailed(*error_told(body))
            asked.settle(error)
            worker.retired |= error.kind == "MemoryError"
        elif kind == CANCELLED:
            worker.retired |= body != b"\0"  # a thread may go on for ever
            self._queue(asked)
        if asked.reply.done():
            self._forget(asked)
        if worker.retired and not worker.running:
            self._replace(worker)
        self._pump_all()

    def lost(self, worker: Worker) -> None:
        """A worker is gone, by itself."""
        if self._crew is not None and worker in self._crew.members:
            self._counts["died"] += worker.ready
            if worker.ready and not worker.running:
                self._crew.pause()
            self._bury(worker)

    def _replace(self, worker: Worker) -> None:
        """Kill a worker because what it runs cannot be stopped."""
        if self._crew is not None and worker in self._crew.members:
            self._counts["replaced"] += 1
            self._bury(worker)

    def _bury(self, worker: Worker) -> None:
        """What a worker had goes to others, but for what it died of."""
        crew, holder = self._crew, worker.holder()
        if crew is None:
            return
        for asked in reversed(worker.take_back()):
            self._queue(asked, first=True)
        guilty = []
        for number, asked in list(worker.running.items()):
            worker.drop(number)
            if asked.reply.done() or asked.places:
                continue
            if number == holder or asked.runs >= _RUNS:
                guilty.append(asked)
            else:
                self._queue(asked)
        crew.remove(worker, lambda status: _blame(guilty, worker, status))
        crew.fill(time.monotonic(), waiting=bool(self._waiting))
        self._pump_all()


def _blame(guilty: list[Asked], worker: Worker, status: str) -> None:
    for asked in guilty:
        asked.settle(copy.copy(worker.trouble) or WorkerDied(f"the worker ended: {status}"))
