"""Whoever waits for work to be done waits no longer than the turn has."""

from __future__ import annotations

import asyncio
import time

import pytest

from app.errors import Overdue
from app.flows.apart import Rendering
from app.flows.workers import Workers
from app.flows.workshop import Workshop
from app.outside import Effect, Found, Lookup


class Nobody:
    """Reaches nothing."""

    async def lookup(self, asked: Lookup) -> Found:
        return Found(asked.url, ok=False)

    def cause(self, effect: Effect) -> None:
        raise AssertionError(effect)


class Slow(Workers):
    """Workers that are long in coming."""

    async def start(self) -> None:
        await asyncio.sleep(60)


JOB = Rendering("text", "{{ 6 * 7 }}", {})


def test_the_first_job_waits_for_workers_no_longer_than_the_turn():
    workshop = Workshop(Nobody(), Slow("app.flows.workshop:work"))

    async def first() -> None:
        await workshop.do(JOB, time.monotonic() + 0.05, "acme")

    with pytest.raises(Overdue, match="not ready in time"):
        asyncio.run(asyncio.wait_for(first(), 20))


def test_workers_that_were_late_for_one_are_there_for_the_next():
    async def two() -> str:
        workshop = Workshop(Nobody(), Workers("app.flows.workshop:work"))
        try:
            with pytest.raises(Overdue):
                await workshop.do(JOB, time.monotonic() + 0.000_001, "acme")
            await workshop.start()
            return str(await workshop.do(JOB, time.monotonic() + 20, "acme"))
        finally:
            await workshop.stop()

    assert asyncio.run(two()) == "42"
