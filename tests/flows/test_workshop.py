"""Whoever waits for work to be done waits no longer than the turn has."""

from __future__ import annotations

import asyncio
import time

import pytest

from callflows.errors import SandboxTimeoutError
from callflows.flows.expressions.jinja_rendering import JinjaRenderJob
from callflows.sandbox import sandbox_pool
from callflows.sandbox.job_runner import JobRunner
from callflows.sandbox.sandbox_pool import SandboxPool
from callflows.telephony.ports import Effect, LookupRequest, LookupResult


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
        asyncio.run(asyncio.wait_for(first(), 20))


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

    assert asyncio.run(two()) == "42"


def test_in_a_rehearsal_the_start_of_a_process_does_not_count_and_an_endless_job_does(monkeypatch):
    command = sandbox_pool.make_sandbox_command
    monkeypatch.setattr(sandbox_pool, "make_sandbox_command", lambda code: command(f"import time; time.sleep(3); {code}"))
    loops = "{% for a in x %}" * 3 + "{% endfor %}" * 3
    endless = JinjaRenderJob("text", loops, {"x": [0] * 2000})

    async def two() -> str:
        rehearsed = JobRunner(Nobody(), SandboxPool("callflows.sandbox.job_runner:run_pickled_job"), counts_starts=False)
        try:
            end = rehearsed.get_time() + 2.5
            said = [await rehearsed.run_job(JOB, end, "acme") for _ in range(2)]
            with pytest.raises(SandboxTimeoutError):
                await rehearsed.run_job(endless, end, "acme")
            return str(said)
        finally:
            await rehearsed.stop()

    assert asyncio.run(asyncio.wait_for(two(), 60)) == "['42', '42']"
