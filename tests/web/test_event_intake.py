"""Events of Opentact are stored and handled once, by webhook and by websocket."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from callflows.errors import JournalError
from callflows.telephony.events import PlatformEvent
from callflows.web.event_intake import MAX_STREAM_EVENTS_IN_PROGRESS, EventIntake
from waiting import run_bounded


class Memory:
    """A journal that takes what it is given, or cannot."""

    def __init__(self):
        self.remembered = []
        self.broken = False

    def record_soon(self, report):
        self.remembered.append(report)

    async def record_now(self, *reports):
        if self.broken:
            raise JournalError("the database is gone")
        self.remembered += reports


def report(key):
    return PlatformEvent("call_state", key, 0.0, {})


def heard(*acts, ways):
    """What becomes of reports that come by these ways: (take_from_webhook or take_from_stream, key)."""
    memory = Memory()
    hearing = EventIntake(memory, acts)

    async def run():
        for way, key in ways:
            await getattr(hearing, way)(report(key))
        await hearing.stop(5)

    run_bounded(run())
    return memory


def test_a_report_that_comes_by_webhook_and_websocket_is_remembered_twice_and_acted_on_once():
    acted = []

    async def act(report):
        acted.append(report.key)

    memory = heard(
        act,
        ways=[("take_from_webhook", "a"), ("take_from_stream", "a"), ("take_from_stream", "b"), ("take_from_webhook", "b")],
    )
    assert acted == ["a", "b"]
    assert len(memory.remembered) == 4


def test_a_flood_of_events_waits_for_room_and_each_is_acted_on():
    acted, at_once, most = [], 0, 0

    async def act(report):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.001)
        at_once -= 1
        acted.append(report.key)

    heard(act, ways=[("take_from_stream", f"{number}") for number in range(300)])
    assert sorted(acted, key=int) == [f"{number}" for number in range(300)]
    assert most == MAX_STREAM_EVENTS_IN_PROGRESS


def test_what_breaks_keeps_nothing_else_from_being_done():
    acted = []

    async def breaks(_report):
        raise ValueError("no")

    async def act(report):
        acted.append(report.key)

    heard(breaks, act, ways=[("take_from_stream", "a"), ("take_from_stream", "b")])
    assert acted == ["a", "b"]


def test_what_is_not_written_is_not_acted_on_so_that_it_is_when_it_comes_again():
    acted = []

    async def act(report):
        acted.append(report.key)

    memory = Memory()
    hearing = EventIntake(memory, [act])

    async def run():
        memory.broken = True
        with pytest.raises(JournalError):
            await hearing.take_from_webhook(report("a"))
        memory.broken = False
        await hearing.take_from_webhook(report("a"))
        await hearing.stop(5)

    run_bounded(run())
    assert acted == ["a"]


def test_where_texts_cannot_be_taken_now_that_is_said_and_they_are_taken_later_all_the_same(monkeypatch):
    monkeypatch.setattr("callflows.web.event_intake.HANDLER_RETRY_SECONDS", (0.0, 0.0, 0.0))
    tried, acted = [], []

    async def first(report):
        tried.append(report.key)
        if report.key == "a" and tried.count("a") < 4:
            raise JournalError("the database is gone")

    async def act(report):
        acted.append(report.key)

    hearing = EventIntake(Memory(), [act], first_handlers=[first])

    async def run():
        with pytest.raises(JournalError):
            await hearing.take_from_webhook(report("a"))
        await hearing.take_from_webhook(report("b"))
        await hearing.stop(5)

    run_bounded(run())
    assert tried.count("a") == 4
    assert sorted(acted) == ["a", "b"]


def test_what_breaks_first_is_acknowledged_and_said_and_keeps_nothing_else_from_being_done():
    acted = []

    async def breaks(_report):
        raise ValueError("no")

    async def act(report):
        acted.append(report.key)

    hearing = EventIntake(Memory(), [act], first_handlers=[breaks, act])

    async def run():
        await hearing.take_from_webhook(report("a"), report("b"))
        await hearing.stop(5)

    with structlog.testing.capture_logs() as lines:
        run_bounded(run())
    assert sorted(acted) == ["a", "a", "b", "b"]
    assert [(line["event"], line["error"]) for line in lines] == [("an event was stored but not handled", "ValueError")] * 2


def test_it_is_acted_on_again_while_the_database_is_gone_and_only_then(monkeypatch):
    monkeypatch.setattr("callflows.web.event_intake.HANDLER_RETRY_SECONDS", (0.0, 0.0, 0.0))
    tried = []

    def failing(error, times):
        async def act(_report):
            tried.append(error)
            if tried.count(error) <= times:
                raise error("no")

        return act

    heard(failing(JournalError, 3), failing(ValueError, 1), ways=[("take_from_stream", "a")])
    assert tried == [JournalError] * 4 + [ValueError]


def test_what_is_not_acted_on_when_it_ends_is_told_with_its_moment():
    async def never(_report):
        await asyncio.Event().wait()

    hearing = EventIntake(Memory(), [never])

    async def run():
        before = hearing.find_oldest_unfinished()
        await hearing.take_from_stream(report("a"))
        now = hearing.find_oldest_unfinished()
        await hearing.stop(0)
        return before, now

    assert run_bounded(run()) == (None, 0.0)


def test_of_reports_that_come_together_each_is_acted_on_though_one_cannot_be_now(monkeypatch):
    monkeypatch.setattr("callflows.web.event_intake.HANDLER_RETRY_SECONDS", (0.0,))
    acted = []

    async def first(report):
        if report.key == "a" and not acted:
            raise JournalError("the database is gone")

    async def act(report):
        acted.append(report.key)

    hearing = EventIntake(Memory(), [act], first_handlers=[first])

    async def run():
        with pytest.raises(JournalError):
            await hearing.take_from_webhook(report("a"), report("b"))
        await hearing.stop(5)

    run_bounded(run())
    assert sorted(acted) == ["a", "b"]


def test_texts_that_wait_for_the_database_keep_no_call_from_being_acted_on(monkeypatch):
    monkeypatch.setattr("callflows.web.event_intake.MAX_EVENTS_IN_PROGRESS", 5)
    acted = []

    async def act(report):
        if report.key.startswith("text"):
            raise JournalError("the database is gone")
        acted.append(report.key)

    hearing = EventIntake(Memory(), [act])

    async def run():
        for number in range(20):
            await hearing.take_from_stream(report(f"text-{number}"))
            await asyncio.sleep(0)
        await hearing.take_from_stream(report("call"))
        await hearing.stop(0.05)

    run_bounded(run())
    assert acted == ["call"]
