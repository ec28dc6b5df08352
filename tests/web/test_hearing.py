"""What Opentact reports is remembered, and acted on once, whichever way it comes."""

from __future__ import annotations

import asyncio

import pytest

from app.errors import JournalError
from app.happened import Happened
from app.web.hearing import Hearing


class Memory:
    """A journal that takes what it is given, or cannot."""

    def __init__(self):
        self.remembered = []
        self.broken = False

    def remember(self, report):
        self.remembered.append(report)

    async def record_now(self, *reports):
        if self.broken:
            raise JournalError("the database is gone")
        self.remembered += reports


def report(key):
    return Happened("call_state", key, 0.0, {})


def heard(*acts, ways):
    """What becomes of reports that come by these ways: (written or heard, key)."""
    memory = Memory()
    hearing = Hearing(memory, acts)

    async def run():
        for way, key in ways:
            await getattr(hearing, way)(report(key))
        await hearing.stop(5)

    asyncio.run(run())
    return memory


def test_a_report_that_comes_by_webhook_and_websocket_is_remembered_twice_and_acted_on_once():
    acted = []

    async def act(report):
        acted.append(report.key)

    memory = heard(act, ways=[("written", "a"), ("heard", "a"), ("heard", "b"), ("written", "b")])
    assert acted == ["a", "b"]
    assert len(memory.remembered) == 4


def test_what_breaks_keeps_nothing_else_from_being_done():
    acted = []

    async def breaks(_report):
        raise ValueError("no")

    async def act(report):
        acted.append(report.key)

    heard(breaks, act, ways=[("heard", "a"), ("heard", "b")])
    assert acted == ["a", "b"]


def test_what_is_not_written_is_not_acted_on_so_that_it_is_when_it_comes_again():
    acted = []

    async def act(report):
        acted.append(report.key)

    memory = Memory()
    hearing = Hearing(memory, [act])

    async def run():
        memory.broken = True
        with pytest.raises(JournalError):
            await hearing.written(report("a"))
        memory.broken = False
        await hearing.written(report("a"))
        await hearing.stop(5)

    asyncio.run(run())
    assert acted == ["a"]
