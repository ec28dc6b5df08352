"""A turn waits for a job no longer than its deadline."""

from __future__ import annotations

import asyncio
import time

import pytest

from callflows.errors import SandboxTimeoutError, TooManyJobsError
from callflows.flows.expressions.jinja_rendering import JinjaRenderJob
from callflows.sandbox import sandbox_pool
from callflows.sandbox.deferred_jobs import DeferredJob, NeedsResult, get_job_result
from callflows.sandbox.job_runner import MAX_JOBS_PER_TURN, JobRunner, run_until_resolved
from callflows.sandbox.sandbox_pool import SandboxPool
from callflows.telephony.ports import Effect, LookupRequest, LookupResult
from callflows.telephony.turn import Turn
from each_case import each_case
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


def resolve(jobs_needed: int, *, first_job_is_known: bool = False) -> tuple[list[int], Turn]:
    """What a turn returns that needs so many jobs, each of which answers with its number."""
    turn = Turn({}, get_base_url=lambda: "https://flows.example.com")
    numbers = iter(range(1, 1_000))

    def add_results() -> list[int]:
        return [get_job_result(turn, JOB) for _ in range(jobs_needed)]

    async def answer_job(_job: DeferredJob, deadline: float, flow: str) -> int:
        assert deadline > time.monotonic()
        assert flow == "acme"
        return next(numbers)

    pending = None
    if first_job_is_known:
        with pytest.raises(NeedsResult) as stopped:
            add_results()
        pending = stopped.value
    return run_bounded(run_until_resolved(add_results, turn, answer_job, "acme", needed_first=pending)), turn


@each_case("first_job_is_known", [False, True])
@each_case("count", [1, 3, MAX_JOBS_PER_TURN])
def test_a_turn_goes_on_after_each_job_with_all_results_in_order(count, first_job_is_known):
    results, turn = resolve(count, first_job_is_known=first_job_is_known)
    assert results == turn.deferred_results == [*range(1, count + 1)]


@pytest.mark.parametrize("first_job_is_known", [False, True])
def test_a_turn_that_needs_more_jobs_than_a_call_may_have_is_given_up(first_job_is_known):
    with pytest.raises(TooManyJobsError, match=f"more than {MAX_JOBS_PER_TURN} jobs"):
        resolve(MAX_JOBS_PER_TURN + 1, first_job_is_known=first_job_is_known)


def test_a_turn_without_jobs_answers_at_once():
    assert resolve(0)[0] == []


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

    assert run_bounded(two()) == "['42', '42']"
