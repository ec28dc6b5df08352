"""What is worked out apart where no caller waits: for texts, and for calls that have ended."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import pickle
import time
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from callflows.errors import SandboxTimeoutError
from callflows.sandbox.deferred_jobs import NeedsResult
from callflows.telephony.ports import LookupRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from callflows.sandbox.deferred_jobs import DeferredJob
    from callflows.telephony.ports import EffectHandler
    from callflows.telephony.turn import Turn

    RunJob = Callable[[DeferredJob, float, str], Awaitable[Any]]
    """As ``Workshop.do``: a job, the moment by which it must be done, and whose it is."""


_ResultT = TypeVar("_ResultT")


BACKGROUND_DEADLINE_SECONDS: Final = 10.0
"""Seconds for all that is worked out apart for one turn."""


MAX_BACKGROUND_JOBS: Final = 20
"""Things that may be worked out apart for one turn."""


async def run_until_resolved(action: Callable[[], _ResultT], turn: Turn, run_job: RunJob, flow_name: str) -> _ResultT:
    """What ``act`` gives for a turn, once all that it needs is done. Raises Overdue, and what ``act`` and ``do`` raise."""
    end = time.monotonic() + BACKGROUND_DEADLINE_SECONDS
    for _ in range(MAX_BACKGROUND_JOBS):
        try:
            return action()
        except NeedsResult as pending:
            turn.deferred_results.append(await run_job(pending.job, end, flow_name))
            turn.reset_progress()
    raise SandboxTimeoutError(f"it needs more than {MAX_BACKGROUND_JOBS} things done")


# Where jobs are done that an answer waits for: lookups by whoever reaches the outside, all else by workers.


class WorkerProcesses(Protocol):
    """Processes that work things out, and can be stopped."""

    @property
    def counts(self) -> dict[str, int]:
        """What became of what they were asked, by name."""

    async def start(self) -> None:
        """Start them, if they are not there yet."""

    async def stop(self) -> None:
        """End them."""

    async def run_request(self, request: bytes, deadline: float, lane: str) -> bytes:
        """The reply to a request; ``deadline`` is a moment as ``time.monotonic`` counts."""


class JobRunner:
    """Does jobs in time."""

    def __init__(self, effect_handler: EffectHandler, workers: WorkerProcesses) -> None:
        self._effect_handler = effect_handler
        self._workers = workers

    def worker_counts(self) -> Mapping[str, int]:
        """What workers were asked, and what became of them, by name."""
        return self._workers.counts

    async def start(self) -> None:
        """Have workers ready, so that no caller waits for the first."""
        await self._workers.start()

    async def stop(self) -> None:
        """End the workers."""
        await self._workers.stop()

    async def run_job(self, job: DeferredJob, deadline: float, lane: str) -> Any:  # noqa: ANN401 - as the job gives it
        """A job's result, before ``end`` (as ``time.monotonic`` counts).

        Raises Overdue where it is not there by then, and what a worker says went wrong.
        """
        left = deadline - time.monotonic()
        if left <= 0:
            raise SandboxTimeoutError("there is no time left")
        if isinstance(job, LookupRequest):
            within = dataclasses.replace(job, timeout_ms=min(job.timeout_ms, max(1, int(left * 1000))))
            return await self._effect_handler.run_lookup(within)
        try:
            async with asyncio.timeout(left):
                await self._workers.start()
        except TimeoutError:
            raise SandboxTimeoutError("the workers were not ready in time") from None
        done = json.loads(await self._workers.run_request(pickle.dumps(job), deadline, lane))
        return done["result"]


async def run_pickled_job(request: bytes) -> bytes:
    """In a worker: a job's result. What comes here was made by this program itself."""
    done = pickle.loads(request).run()  # noqa: S301 - it is this program that asks
    if hasattr(done, "__await__"):
        done = await done
    return json.dumps({"result": done}, ensure_ascii=False).encode("utf-8", "replace")
