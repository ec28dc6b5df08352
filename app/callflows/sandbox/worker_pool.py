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

from callflows.errors import AuthorCodeError, SandboxCrashError, SandboxError, SandboxTimeoutError
from callflows.sandbox.worker_crew import HEALTHY_DELAY_SECONDS, CrewSize, WorkerCrew
from callflows.sandbox.worker_process import WorkerProcess, WorkerRequest
from callflows.sandbox.worker_protocol import FRAME_ANSWER, FRAME_CANCELLED, FRAME_FAILED, MAX_FRAME_BYTES, decode_error

DEFAULT_WORKER_MEMORY_BYTES: Final = 1024**3


_MAX_STUCK_SECONDS: Final = 0.5


_CANCEL_GRACE_SECONDS: Final = 0.1


_MAX_RUNS: Final = 2


class WorkerPool:
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
        memory: int = DEFAULT_WORKER_MEMORY_BYTES,
    ) -> None:
        self._entry = entry
        self._prepare = prepare
        self._size = CrewSize(max(1, most), max(0, spare), start_by, memory)
        self._crew: WorkerCrew | None = None
        self._queues: dict[str, collections.deque[WorkerRequest]] = {}
        self._check_timer: asyncio.TimerHandle | None = None
        self._last_request_id = 0
        self._counts = collections.Counter(asked=0, overdue=0, died=0, replaced=0, running=0)

    @property
    def counts(self) -> dict[str, int]:
        """For metrics. ``asked``, ``overdue``; workers that ``died`` by themselves or were ``replaced`` because what they
        ran could not be stopped; requests that are ``running``; ``workers`` there are now, and how many are ``stuck``.
        """  # noqa: D205 - one list
        members = self._crew.workers if self._crew else []
        stuck = self._crew.find_stuck_workers(time.monotonic()) if self._crew else []
        return {**self._counts, "workers": len(members), "stuck": len(stuck)}

    async def start(self) -> None:
        """Start the workers; back when one is ready, or none can be (every ask is told why)."""
        if self._crew is None:
            self._crew = WorkerCrew(self._entry, self._prepare, self._size, self, self._fail_queued_requests)
            self._crew.start_missing_workers(time.monotonic(), requests_waiting=False)
            await self._crew.startup_finished.wait()

    async def stop(self) -> None:
        """End the workers; whoever still waits is told WorkerDied."""
        crew, self._crew = self._crew, None
        if crew is None:
            return
        if self._check_timer is not None:
            self._check_timer.cancel()
            self._check_timer = None
        stopped = SandboxCrashError("the workers were stopped")
        for worker in crew.workers:
            for asked in worker.requests.values():
                asked.timer.cancel()
                asked.resolve(copy.copy(stopped))
        self._fail_queued_requests(stopped)
        await crew.stop()

    async def run_request(self, request: bytes, deadline: float, lane: str) -> bytes:
        """The reply to a request. ``deadline`` is a moment as ``time.monotonic`` counts, ``lane`` whose work it is.

        Raises Overdue, WorkerDied, or WorkFailed with the error that the work raised.
        """
        self._counts["asked"] += 1
        crew, now = self._crew, time.monotonic()
        if crew is None:
            raise SandboxCrashError("the workers are not running")
        if len(request) > MAX_FRAME_BYTES:
            raise AuthorCodeError("ValueError", f"the request has {len(request)} bytes, more than {MAX_FRAME_BYTES}")
        if crew.start_error is not None and not any(worker.is_ready for worker in crew.workers):
            raise copy.copy(crew.start_error)
        loop = asyncio.get_running_loop()
        asked = WorkerRequest(request, deadline, lane, loop.create_future())
        asked.timer = loop.call_later(max(0.0, deadline - now), self._handle_deadline, asked)
        self._counts["running"] += 1
        self._enqueue_request(asked)
        self._dispatch_lane(now, lane)
        try:
            return await asked.reply
        finally:
            self._counts["running"] -= 1
            self._abandon_request(asked)

    def _enqueue_request(self, request: WorkerRequest, *, first: bool = False) -> None:
        if request.is_queued or request.reply.done():
            return
        request.is_queued = True
        queue = self._queues.setdefault(request.lane, collections.deque())
        (queue.appendleft if first else queue.append)(request)
        self._schedule_check()

    def _dispatch_lane(self, now: float, lane: str) -> None:
        """Give a lane's requests to workers, as far as there are some for it."""
        queue = self._queues.get(lane)
        crew = self._crew
        while queue and crew is not None:
            asked = queue[0]
            late = asked.reply.done() or asked.deadline - now < HEALTHY_DELAY_SECONDS  # it would only hold a worker up
            worker = None if late else crew.choose_worker(lane, now)
            if worker is None and not late:
                return
            queue.popleft()
            asked.is_queued = False
            if worker is not None and worker not in asked.ids_by_worker:
                self._last_request_id += 1
                worker.send_request(self._last_request_id, asked, now)
        self._queues.pop(lane, None)

    def _dispatch_all_lanes(self) -> None:
        now = time.monotonic()
        for lane in list(self._queues):
            self._dispatch_lane(now, lane)

    def _fail_queued_requests(self, error: SandboxError) -> None:
        """No worker can be started: nobody shall wait for one, unless another one works."""
        if self._crew is not None and any(worker.is_ready for worker in self._crew.workers):
            return
        for queue in self._queues.values():
            for asked in queue:
                asked.resolve(copy.copy(error))
        self._queues.clear()

    # What happens in time

    def _schedule_check(self) -> None:
        if self._check_timer is None:
            self._check_timer = asyncio.get_running_loop().call_later(self._size.slow_seconds / 2, self._check_workers)

    def _check_workers(self) -> None:
        """Look after workers for as long as they have something to do."""
        self._check_timer = None
        if self._crew is None:
            return
        now = time.monotonic()
        stuck = self._crew.find_stuck_workers(now)
        for worker in stuck:
            self._rescue_requests(worker, now)
        self._crew.start_missing_workers(now, requests_waiting=bool(self._queues))
        self._dispatch_all_lanes()
        if stuck or self._queues or any(worker.requests for worker in self._crew.workers):
            self._schedule_check()

    def _rescue_requests(self, worker: WorkerProcess, now: float) -> None:
        """A worker is stuck: what it has not begun goes to others at once, what it cannot go on with after a while."""
        for asked in reversed(worker.take_back_requests()):
            self._enqueue_request(asked, first=True)
        if worker.measure_delay(now) < _MAX_STUCK_SECONDS:
            return
        holder = worker.get_blocking_request_id()
        for number, asked in list(worker.requests.items()):
            if number != holder and asked.run_count < _MAX_RUNS:
                self._enqueue_request(asked)
        if holder and holder not in worker.requests:
            self._replace_worker(worker)  # a task that outlived its request

    def _handle_deadline(self, request: WorkerRequest) -> None:
        """A deadline has passed."""
        if request.resolve(SandboxTimeoutError("there was no answer in time")):
            self._counts["overdue"] += 1
        for worker, number in list(request.ids_by_worker.items()):
            if (
                worker.get_blocking_request_id() == number
                and worker.measure_delay(time.monotonic()) >= self._size.slow_seconds
            ):
                self._replace_worker(worker)
            else:
                worker.cancel_request(number)
                self._schedule_end_check(worker, number)

    def _schedule_end_check(self, worker: WorkerProcess, request_id: int) -> None:
        """See to it that a request that was cancelled ends, with its worker if it must be."""
        asyncio.get_running_loop().call_later(_CANCEL_GRACE_SECONDS, self._replace_if_running, worker, request_id)

    def _replace_if_running(self, worker: WorkerProcess, request_id: int) -> None:
        if self._crew is None or worker not in self._crew.workers or request_id not in worker.requests:
            return
        holder = worker.get_blocking_request_id()
        other = worker.requests.get(holder) if holder != request_id else None
        if other is not None and other.deadline > time.monotonic():
            self._schedule_end_check(worker, request_id)  # it cannot be heard before that one lets go
        else:
            self._replace_worker(worker)

    def _abandon_request(self, request: WorkerRequest) -> None:
        """Nobody waits for a request any more: stop it wherever it still runs. What does not stop meets its deadline."""
        for worker, number in request.ids_by_worker.items():
            worker.cancel_request(number)
        if not request.ids_by_worker:
            request.timer.cancel()

    # What workers tell

    def handle_worker_ready(self, worker: WorkerProcess) -> None:
        """A worker takes requests."""
        if self._crew is not None:
            self._crew.handle_worker_ready(worker)
            self._dispatch_all_lanes()

    def handle_worker_reply(self, worker: WorkerProcess, kind: int, request_id: int, body: bytes) -> None:
        """A worker has done with a request. Raises ValueError where it makes no sense."""
        asked = worker.remove_request(request_id)
        if asked is None:
            return
        if self._crew is not None:
            self._crew.reset_failures()
        if kind == FRAME_ANSWER:
            asked.resolve(body)
        elif kind == FRAME_FAILED:
            error = AuthorCodeError(*decode_error(body))
            asked.resolve(error)
            worker.is_retired |= error.error_type == "MemoryError"
        elif kind == FRAME_CANCELLED:
            worker.is_retired |= body != b"\0"  # a thread may go on for ever
            self._enqueue_request(asked)
        if asked.reply.done():
            self._abandon_request(asked)
        if worker.is_retired and not worker.requests:
            self._replace_worker(worker)
        self._dispatch_all_lanes()

    def handle_worker_lost(self, worker: WorkerProcess) -> None:
        """A worker is gone, by itself."""
        if self._crew is not None and worker in self._crew.workers:
            self._counts["died"] += worker.is_ready
            if worker.is_ready and not worker.requests:
                self._crew.delay_next_start()
            self._remove_worker(worker)

    def _replace_worker(self, worker: WorkerProcess) -> None:
        """Kill a worker because what it runs cannot be stopped."""
        if self._crew is not None and worker in self._crew.workers:
            self._counts["replaced"] += 1
            self._remove_worker(worker)

    def _remove_worker(self, worker: WorkerProcess) -> None:
        """What a worker had goes to others, but for what it died of."""
        crew, holder = self._crew, worker.get_blocking_request_id()
        if crew is None:
            return
        for asked in reversed(worker.take_back_requests()):
            self._enqueue_request(asked, first=True)
        guilty = []
        for number, asked in list(worker.requests.items()):
            worker.remove_request(number)
            if asked.reply.done() or asked.ids_by_worker:
                continue
            if number == holder or asked.run_count >= _MAX_RUNS:
                guilty.append(asked)
            else:
                self._enqueue_request(asked)
        crew.remove_worker(worker, lambda status: _fail_requests(guilty, worker, status))
        crew.start_missing_workers(time.monotonic(), requests_waiting=bool(self._queues))
        self._dispatch_all_lanes()


def _fail_requests(requests: list[WorkerRequest], worker: WorkerProcess, status: str) -> None:
    for asked in requests:
        asked.resolve(copy.copy(worker.failure) or SandboxCrashError(f"the worker ended: {status}"))
