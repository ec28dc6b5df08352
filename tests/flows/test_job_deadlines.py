"""A turn waits for a job no longer than its deadline."""

from __future__ import annotations

import asyncio
import time

import pytest

from callflows.errors import SandboxTimeoutError
from callflows.flows.expressions.jinja_rendering import JinjaRenderJob
from callflows.sandbox.job_runner import JobRunner
from callflows.sandbox.sandbox_pool import SandboxPool
from callflows.telephony.ports import Effect, LookupRequest, LookupResult
from waiting import run_bounded


class Nobody:
    """Reaches nothing."""

    async def run_lookup(self, asked: LookupRequest) -> LookupResult:
        return LookupResult(asked.url, ok=False)

    def queue_effect(self, effect: Effect) -> None:
        raise AssertionError(effect)


class Slow(SandboxPool):
    """Workers that are long in coming."""

    async def start(self, lane_count: int = 1) -> None:  # noqa: ARG002 - as SandboxPool has it
        await asyncio.sleep(60)


JOB = JinjaRenderJob("text", "{{ 6 * 7 }}", {})


def test_the_first_job_waits_for_workers_no_longer_than_the_turn():
    workshop = JobRunner(Nobody(), Slow("callflows.sandbox.job_runner:run_pickled_job"))

    async def first() -> None:
        await workshop.run_job(JOB, time.monotonic() + 0.05, "acme")

    with pytest.raises(SandboxTimeoutError, match="not ready in time"):
        run_bounded(asyncio.wait_for(first(), 20))


def test_workers_that_were_late_for_one_are_there_for_the_next():
    async def two() -> str:
        workshop = JobRunner(Nobody(), SandboxPool("callflows.sandbox.job_runner:run_pickled_job"))
        try:
            with pytest.raises(SandboxTimeoutError):
                await workshop.run_job(JOB, time.monotonic() + 0.000_001, "acme")
            await workshop.start()
            return str(await workshop.run_job(JOB, time.monotonic() + 20, "acme"))
        finally:
            await workshop.stop()

    assert run_bounded(two()) == "42"
