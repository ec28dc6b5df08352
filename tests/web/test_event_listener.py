"""The event websocket of the server: events during a gap are found, however often the server restarted."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from pathlib import Path

import pytest

from callflows.errors import JournalError
from callflows.journal.journal import Journal
from callflows.journal.spool import Spool
from callflows.journal.sql_store import SqlStore
from callflows.opentact import Opentact
from callflows.settings import Settings
from callflows.telephony.events import PlatformEvent
from callflows.web import event_listener as listening_module
from callflows.web.event_intake import EventIntake
from callflows.web.event_listener import EVENT_LEASE, EventListener
from callflows.web.work_lease import WorkLease, identify_host

sys.path += [str(Path(__file__).parents[1] / name) for name in ("rehearsal", "journal")]
from breakable_database import open_breakable_database
from stand_in_harness import NUMBER, TOKEN, run_harness

from waiting import run_bounded, wait_until_async

CALLER = "+12015550999"


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    """The lease is looked at often, and the mark with it."""
    monkeypatch.setattr(listening_module, "LEASE_SECONDS", 0.3)


class Ours:
    """A process that listens to a stand-in, with the database of all that do."""

    def __init__(self, it, url, folder):
        self.store = SqlStore(url)
        self.journal = Journal(SqlStore(url), Spool(folder))
        self.acting = asyncio.Event()
        self.hearing = EventIntake(self.journal, [self._act])
        self.slow = False
        settings = Settings(_env_file=None, opentact_events_url=it.events_url)
        self.client = Opentact(TOKEN, url=it.server.rest_url, requests_per_second=1000)
        self.listening = EventListener(
            settings, self.client, self.journal, self.hearing.take_from_stream, self.hearing.find_oldest_unfinished
        )

    async def _act(self, _report):
        if self.slow:
            await self.acting.wait()

    @property
    def connected(self):
        return self.listening.get_status()["connected"]

    def texts(self):
        """What was written to us and is known, each as often as it is."""
        with self.store._open_read_connection() as connection:  # noqa: SLF001 - looked at
            return [text for (text,) in connection.exec_driver_sql("SELECT text FROM messages ORDER BY text")]

    def since(self):
        lease = self.store.load_lease(EVENT_LEASE)
        return time.time() - ((lease and lease.mark) or 0)


async def until(holds, seconds=30):
    async def does_hold():
        with contextlib.suppress(Exception):  # the database may be busy
            return await asyncio.to_thread(holds)

    await wait_until_async(does_hold, "the events", seconds=seconds, interval=0.02)


@contextlib.asynccontextmanager
async def ours(it, tmp_path, url=""):
    made = Ours(it, url or f"sqlite:///{tmp_path}/journal.db", tmp_path / "data")
    made.journal.start()
    made.listening.start()
    try:
        yield made
    finally:
        await made.listening.stop()
        await made.hearing.stop(0)
        await made.client.close()
        await asyncio.to_thread(made.journal.stop)
        made.store.close()


async def text(it, *messages):
    await asyncio.gather(
        *(it.request_control("POST", "/messages", {"from": CALLER, "to": NUMBER, "message": m}) for m in messages)
    )


def test_a_gap_that_could_not_be_filled_is_filled_after_a_restart_whatever_came_meanwhile(tmp_path):
    missed = [f"missed {number:03}" for number in range(130)]

    async def work():
        async with run_harness(pace=200) as it:
            async with ours(it, tmp_path) as first:
                await until(lambda: first.connected and not first.listening.get_status()["missing_since"])
                await it.inject_faults(lose_share=1.0)
                await text(it, *missed)
                await it.inject_faults(lose_share=0.0, fail_share=1.0, drop=True)
                await until(lambda: first.listening.get_status()["reconnects"])
                await text(it, "now")
                await until(lambda: "now" in first.texts())
                await asyncio.sleep(0.3)
                assert len(first.texts()) < len(missed)
            await it.inject_faults(fail_share=0.0, fail_next=3)
            async with ours(it, tmp_path) as second:
                await until(lambda: len(second.texts()) > 130)
                await until(lambda: not second.listening.get_status()["missing_since"])
                return second.texts()

    assert run_bounded(work()) == [*missed, "now"]


def test_what_was_not_acted_on_yet_holds_back_the_moment_from_which_a_restart_searches(tmp_path):
    async def work():
        async with run_harness(pace=200) as it, ours(it, tmp_path) as first:
            await until(lambda: first.connected and not first.listening.get_status()["missing_since"])
            first.slow = True
            old = time.time() - 600
            await first.hearing.take_from_stream(PlatformEvent("call_state", "old", old, {}))
            await until(lambda: first.since() > 599)
            first.acting.set()
            await until(lambda: first.since() < 60)

    run_bounded(work())


def test_where_the_database_is_gone_at_first_what_was_missed_is_found_when_it_is_back(tmp_path):
    async def work():
        (tmp_path / "there").mkdir()
        with open_breakable_database("sqlite:///", tmp_path / "there") as database:
            async with run_harness(pace=200) as it:
                async with ours(it, tmp_path, database.url) as first:
                    await until(lambda: first.connected and not first.listening.get_status()["missing_since"])
                await text(it, "missed")
                store = SqlStore(database.url)
                assert store.hold_lease(EVENT_LEASE, "who listened", time.time(), 0.0, time.time() - 3600)
                store.close()
                database.take_away()
                async with ours(it, tmp_path, database.url) as second:
                    await until(lambda: second.connected)
                    await text(it, "now")
                    database.bring_back()
                    await until(lambda: second.texts() == ["missed", "now"])
                    await until(lambda: second.since() < 60)

    run_bounded(work())


@pytest.mark.parametrize("days", [-20_000, 400])
def test_a_mark_of_a_wrong_clock_lets_a_restart_search_the_last_day(days, tmp_path):
    async def work():
        async with run_harness(pace=200) as it:
            await text(it, "missed")
            store = SqlStore(f"sqlite:///{tmp_path}/journal.db")
            store.open()
            assert store.hold_lease(EVENT_LEASE, "who listened", 1.0, 0.0, time.time() + days * 86_400)
            store.close()
            async with ours(it, tmp_path) as here:
                await until(lambda: here.texts() == ["missed"])
                await until(lambda: here.since() < 60)

    run_bounded(work())


def test_a_listener_that_began_before_its_database_was_made_listens_again_at_once(tmp_path, monkeypatch):
    async def work():
        async with run_harness(pace=200) as it, ours(it, tmp_path) as first:
            load_lease, failures = first.journal.load_lease, [JournalError("no such table")]

            async def load_lease_later(name):
                if failures:
                    raise failures.pop()
                return await load_lease(name)

            monkeypatch.setattr(first.journal, "load_lease", load_lease_later)
            await until(lambda: not failures and first.connected and first.listening._complete_until is not None, 15)  # noqa: SLF001 - looked at

    monkeypatch.setattr(listening_module, "LEASE_SECONDS", 120)
    run_bounded(work())


@pytest.mark.parametrize(("pid", "taken"), [(2**22 + 1, True), (1, False)], ids=["killed", "running"])
def test_the_lease_of_a_process_here_that_was_killed_is_taken_over_at_once(pid, taken, tmp_path):
    async def work():
        async with run_harness(pace=200) as it:
            store = SqlStore(f"sqlite:///{tmp_path}/journal.db")
            store.open()
            store.hold_lease(EVENT_LEASE, f"{identify_host()}/{pid}/0a1b2c3d", time.time(), 40.0)
            store.close()
            async with ours(it, tmp_path) as made:
                with contextlib.nullcontext() if taken else pytest.raises(AssertionError, match="waited up to 1 s"):
                    await until(lambda: made.connected, 10 if taken else 1)

    run_bounded(work())


def test_a_listener_that_is_stopped_while_its_connection_ends_does_not_go_on(tmp_path, monkeypatch):
    async def work():
        ending = asyncio.Event()

        class SlowlyEndingStream(listening_module.EventStream):
            async def run(self, handle):
                try:
                    await super().run(handle)
                finally:
                    ending.set()
                    await asyncio.sleep(0.3)

        monkeypatch.setattr(listening_module, "EventStream", SlowlyEndingStream)
        async with run_harness() as it, ours(it, tmp_path) as here:
            await until(lambda: here.connected)
            other = WorkLease(here.journal, EVENT_LEASE)
            is_taken = False
            while not is_taken:
                await here.listening._lease.release()  # noqa: SLF001 - the lease is lost
                with contextlib.suppress(JournalError):  # the database is being made
                    is_taken = await other.hold(60)
            await ending.wait()
            async with asyncio.timeout(5):
                await here.listening.stop()

    run_bounded(work())
