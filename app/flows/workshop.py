"""Where jobs are done that an answer waits for: lookups by whoever reaches the outside, all else by workers."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import pickle
import time
from typing import TYPE_CHECKING, Any, Protocol

from app.errors import SandboxTimeoutError
from app.outside import LookupRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.flows.apart import DeferredJob
    from app.outside import EffectHandler


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
