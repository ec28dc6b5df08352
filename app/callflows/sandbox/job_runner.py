"""Runs deferred jobs before a deadline: lookups in the server, everything else in the sandbox."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import pickle
import time
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from callflows.errors import SandboxTimeoutError, TooManyJobsError
from callflows.sandbox.deferred_jobs import NeedsResult
from callflows.telephony.ports import LookupRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from callflows.sandbox.deferred_jobs import DeferredJob
    from callflows.telephony.ports import EffectSender
    from callflows.telephony.turn import Turn

    RunJob = Callable[[DeferredJob, float, str], Awaitable[Any]]
    """``JobRunner.run_job``: a job, its deadline, and the name of its flow."""


_ResultT = TypeVar("_ResultT")
BACKGROUND_DEADLINE_SECONDS: Final = 10.0
"""Seconds for all jobs of a turn that no caller waits for: text messages, and calls that have ended."""
MAX_JOBS_PER_TURN: Final = 100
"""Maximum number of lookups and worker jobs for one turn."""


async def run_until_resolved(
    action: Callable[[], _ResultT],
    turn: Turn,
    run_job: RunJob,
    flow_name: str,
    *,
    deadline_seconds: float = BACKGROUND_DEADLINE_SECONDS,
    needed_first: NeedsResult | None = None,
    get_time: Callable[[], float] = time.monotonic,
) -> _ResultT:
    """Return the result of ``action``, which is repeated after each job that it needs.

    ``needed_first`` names the job for which ``action`` stopped before. ``get_time`` is the clock of ``run_job``. Raises
    TooManyJobsError, and all errors of ``action`` and ``run_job``.
    """
    deadline = get_time() + deadline_seconds
    needed = needed_first
    while True:
        if needed is not None:
            if len(turn.deferred_results) == MAX_JOBS_PER_TURN:
                raise TooManyJobsError(f"a turn needs more than {MAX_JOBS_PER_TURN} jobs")
            try:
                turn.deferred_results.append(await run_job(needed.job, deadline, flow_name))
            except Exception as error:
                needed.add_notes_to(error)
                raise
            turn.reset_progress()
        try:
            return action()
        except NeedsResult as error:
            needed = error


class JobProcesses(Protocol):
    """The part of ``SandboxPool`` that a JobRunner uses."""

    @property
    def counts(self) -> dict[str, int]:
        """Counters for metrics."""

    async def start(self, lane_count: int = 1) -> None:
        """Start processes for this number of flows, unless enough are running."""

    async def stop(self) -> None:
        """Kill the processes."""

    async def wait_while_starting(self) -> None:
        """Return when a process can take a job, or none is starting."""

    async def run_request(self, request: bytes, deadline: float, lane: str) -> bytes:
        """Return the reply to a request of a flow."""


class JobRunner:
    """Runs jobs before their deadlines.

    ``counts_starts`` is false for rehearsals: the clock of the deadlines stands still while a process starts, because a
    live server has started its processes before the first call.
    """

    def __init__(self, effect_sender: EffectSender, workers: JobProcesses, *, counts_starts: bool = True) -> None:
        self._effect_sender = effect_sender
        self._workers = workers
        self._counts_starts = counts_starts
        self._uncounted_seconds = 0.0

    def get_time(self) -> float:
        """Return the moment now on the clock of the deadlines, in seconds."""
        return time.monotonic() - self._uncounted_seconds

    def worker_counts(self) -> Mapping[str, int]:
        """Return the counters of the sandbox, for metrics."""
        return self._workers.counts

    async def start(self, flow_count: int = 1) -> None:
        """Start processes for this number of flows before the first call, so that no caller waits for one."""
        await self._workers.start(flow_count)

    async def stop(self) -> None:
        await self._workers.stop()

    async def run_job(self, job: DeferredJob, deadline: float, lane: str) -> Any:  # noqa: ANN401 - JSON or LookupResult
        """Return a job's result; ``deadline`` is a moment of ``get_time``, ``lane`` the flow.

        Raises SandboxTimeoutError, SandboxCrashError, and AuthorCodeError with the error that the job raised.
        """
        seconds_left = deadline - self.get_time()
        if seconds_left <= 0:
            raise SandboxTimeoutError("there is no time left")
        if isinstance(job, LookupRequest):
            left_ms = max(1, int(seconds_left * 1000))
            lookup = dataclasses.replace(job, left_ms=left_ms) if left_ms < job.timeout_ms else job
            return await self._effect_sender.run_lookup(lookup)
        if not self._counts_starts:
            await self._wait_uncounted()
        try:
            async with asyncio.timeout(seconds_left):
                await self._workers.start()
        except TimeoutError:
            raise SandboxTimeoutError("the sandbox was not ready in time") from None
        end = time.monotonic() + deadline - self.get_time()
        return json.loads(await self._workers.run_request(pickle.dumps(job), end, lane))["result"]

    async def _wait_uncounted(self) -> None:
        """Wait until processes have started, on a clock that stands still. Calls that wait at once share the time."""
        began, uncounted = time.monotonic(), self._uncounted_seconds
        await self._workers.start()
        await self._workers.wait_while_starting()
        self._uncounted_seconds = max(self._uncounted_seconds, uncounted + time.monotonic() - began)


async def run_pickled_job(request: bytes) -> bytes:
    """Run a job in a sandbox process."""
    result = pickle.loads(request).run()  # noqa: S301 - the server pickled it
    if hasattr(result, "__await__"):
        result = await result
    return json.dumps({"result": result}, ensure_ascii=False).encode("utf-8", "replace")
