"""What happened is written behind, durably and in order, and what was acknowledged is not lost."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from typing import TYPE_CHECKING

import pytest
from gone import breakable
from kept import answered, ids, nothing_decided, rows
from reports import CALL, START, many, report, sample

from app.errors import JournalError, StoreGone
from app.journal import journal as journal_module
from app.journal.journal import Journal
from app.journal.spool import Spool
from app.journal.sql import SqlStore
from app.journal.store import Filter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never became so"
        time.sleep(0.01)


@pytest.fixture
def away(url, tmp_path):
    with breakable(url, tmp_path) as found:
        yield found


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


@pytest.fixture
def journal(away, spool) -> Iterator[Journal]:
    made = Journal(SqlStore(away.url), spool, nothing_decided)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def there(away):
    """Another look at the same database, while it is there."""
    store = SqlStore(away.url)
    yield store
    store.close()


def written(journal: Journal, count: int) -> None:
    until(lambda: journal.counts()["written"] + journal.counts()["spooled"] >= count)


def test_what_is_remembered_is_written_soon(journal, there):
    journal.remember(answered(START, call="a"))
    for happened in many(10):
        journal.remember(happened)
    written(journal, 11)
    assert set(ids(there)) == {"a", "call-0", "call-1"}


def test_what_is_recorded_is_there_when_that_returns(journal, there):
    async def record():
        await journal.record_now(*many(5))

    asyncio.run(record())
    assert ids(there) == ["call-0"]


def test_many_who_record_at_once_share_a_transaction(journal, there):
    async def record():
        await asyncio.gather(*(journal.record_now(happened) for happened in many(500)))

    asyncio.run(record())
    assert len(ids(there)) == 100


def test_calls_and_stories_are_asked_for_without_waiting_in_the_loop(journal):
    async def ask():
        await journal.record_now(report(sample("event-2024-call-live")))
        listed = await journal.calls(Filter())
        return listed, await journal.story(CALL), await journal.story("none")

    listed, story, none = asyncio.run(ask())
    assert [row["id"] for row in listed] == [CALL]
    assert story["call"]["state"] == "live"
    assert none is None


def test_something_is_done_once_and_leases_are_held(journal):
    async def ask():
        await journal.record_now()
        first = [await journal.once("sms", "key"), await journal.once("sms", "key")]
        return first, [await journal.hold("events", name, 60.0) for name in ("one", "two")]

    until(lambda: journal.state()["database"] == "ok")
    assert asyncio.run(ask()) == ([True, False], [True, False])


def test_with_the_database_gone_what_happens_waits_in_files_and_is_written_in_order_when_it_is_back(
    journal, away, there, spool
):
    journal.remember(answered(START, call="before"))
    written(journal, 1)
    away.go()
    for number in range(50):
        journal.remember(answered(START + number, call=f"during-{number}"))
        asyncio.run(journal.record_now(report({**sample("event-2024-call-init"), "uuid": f"event-{number}"})))
    written(journal, 101)
    assert journal.counts()["spooled"] > 0
    assert journal.state()["database"] != "ok"
    assert spool.bytes > 0
    away.come()
    until(lambda: journal.state()["database"] == "ok" and not spool.bytes)
    assert len(ids(there)) == 52
    assert len(there.told(CALL).events) == 50
    assert journal.counts()["dropped"] == 0


def test_a_database_that_never_answers_is_gone_and_nobody_waits_for_it_twice(away, journal, spool, there, monkeypatch):
    if away.url.startswith("sqlite"):
        pytest.skip("a file answers")
    monkeypatch.setattr("app.journal.patience.QUICK", 0.5)
    until(lambda: journal.state()["database"] == "ok")
    away.hang()
    first, *more = many(20)

    async def record():
        await journal.record_now(first)
        for happened in more:
            await asyncio.wait_for(journal.record_now(happened), 0.5)
        with pytest.raises(StoreGone):
            await journal.once("sms", "key")

    asyncio.run(record())
    assert (journal.state()["database"], spool.bytes > 0, journal.counts()["spooled"]) == ("gone", True, 20)
    away.come()
    until(lambda: journal.state()["database"] == "ok" and not spool.bytes)
    assert len(ids(there)) == 4


def test_with_no_database_at_the_start_calls_are_remembered_all_the_same(away, spool):
    away.go()
    journal = Journal(SqlStore(away.url), spool, nothing_decided)
    journal.start()
    asyncio.run(journal.record_now(*many(5)))
    journal.stop()
    away.come()
    again = Journal(SqlStore(away.url), spool, nothing_decided)
    again.start()
    until(lambda: not spool.bytes)
    again.stop()
    store = SqlStore(away.url)
    assert ids(store) == ["call-0"]
    store.close()


def test_what_the_disk_refuses_is_not_acknowledged_and_waits_in_memory_until_there_is_room(away, tmp_path):
    away.go()
    folder = tmp_path / "full"
    folder.mkdir()
    full = folder / "journal-0.spool"
    full.symlink_to("/dev/full")
    journal = Journal(SqlStore(away.url), Spool(folder), nothing_decided)
    journal.start()
    journal.remember(answered(START, call="waits"))
    with pytest.raises(JournalError, match="No space left"):
        asyncio.run(journal.record_now(*many(1)))
    assert journal.state()["waiting"] == 1
    full.unlink()
    written(journal, 1)
    journal.stop()
    assert len(Spool(folder).segments()) == 1


def test_what_does_not_fit_is_dropped_counted_and_said(away, tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "CAPACITY", 10)
    away.go()
    journal = Journal(SqlStore(away.url), Spool(tmp_path / "spool", most=100), nothing_decided)
    for happened in many(25):
        journal.remember(happened)
    assert journal.state()["dropped"] == 15
    journal.start()
    until(lambda: journal.counts()["dropped"])
    assert journal.counts() == {"written": 0, "spooled": 0, "refused": 0, "dropped": 15}
    assert journal.state()["waiting"] == 10
    with pytest.raises(JournalError, match="more than 100 bytes"):
        asyncio.run(journal.record_now(*many(1)))
    journal.stop()


def test_a_journal_that_was_not_started_acknowledges_nothing(away, spool):
    journal = Journal(SqlStore(away.url), spool, nothing_decided)
    with pytest.raises(JournalError):
        asyncio.run(journal.record_now(*many(1)))


def test_one_thing_that_cannot_be_kept_keeps_nothing_else_from_it(journal, there):
    fine, broken = many(2)
    journal.remember(fine)
    with pytest.raises(JournalError):
        asyncio.run(journal.record_now(broken._replace(at=None)))
    with pytest.raises(JournalError):
        asyncio.run(journal.record_now(broken._replace(raw=lambda: None, call=5)))
    written(journal, 1)
    assert ids(there) == ["call-0"]
    assert journal.counts()["refused"] == 2


def test_what_waited_when_a_process_ended_is_written_by_the_next(away, spool):
    journal = Journal(SqlStore(away.url), spool, nothing_decided)
    journal.start()
    for happened in many(50):
        journal.remember(happened)
    journal.stop()
    store = SqlStore(away.url)
    assert len(rows(store)) == 10
    store.close()


def test_a_line_that_was_cut_off_when_a_process_was_killed_is_left_out(tmp_path):
    spool = Spool(tmp_path)
    spool.append([("calls", {"id": "whole"})])
    (segment,) = spool.segments()
    with segment.open("ab") as file:
        file.write(b'["calls",{"id":"ha')
    found = []
    assert spool.drain(found.extend) == 0
    assert found == [("calls", {"id": "whole"})]
    assert spool.segments() == []


def test_a_segment_stays_where_it_could_not_be_written(tmp_path):
    spool = Spool(tmp_path)
    spool.append([("calls", {"id": "a"})])

    def gone(_entries):
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - this one
        spool.drain(gone)
    assert spool.bytes


def test_a_long_wait_makes_many_segments_which_come_back_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr("app.journal.spool.SEGMENT", 100)
    spool = Spool(tmp_path)
    for number in range(30):
        spool.append([("calls", {"id": f"{number:02}", "document": b"\x00\xff"})])
    assert len(spool.segments()) > 5
    found = []
    while spool.drain(found.extend):
        pass
    assert found == [("calls", {"id": f"{number:02}", "document": b"\x00\xff"}) for number in range(30)]


def test_what_is_too_old_is_erased_in_the_background(away, spool, monkeypatch):
    monkeypatch.setattr("app.journal.retention.FIRST", 0.05)
    monkeypatch.setattr("app.journal.retention.AGAIN", 0.05)
    store = SqlStore(away.url)
    store.open()
    journal = Journal(store, spool, nothing_decided, retention_days=30)
    journal.start()
    now = time.time()
    asyncio.run(journal.record_now(*many(5)))
    journal.remember(answered(now, call="young"))
    until(lambda: ids(store) == ["young"])
    journal.stop()


def test_sqlite_waits_for_whoever_else_writes(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path}/journal.db")
    store.open()
    other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()
    store.close()
