"""What happened is written behind, durably and in order, and what was acknowledged is not lost."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from typing import TYPE_CHECKING

import pytest
from breakable_database import open_breakable_database
from sample_events import CALL, START, build_platform_event, generate_platform_events, load_sample
from store_helpers import build_answered_request, list_ids, list_log_rows

from callflows.errors import JournalError, JournalUnavailableError
from callflows.journal import cpu_budget, waiting_items
from callflows.journal.cpu_budget import TURNS_BEFORE_SPOOLING
from callflows.journal.journal import Journal
from callflows.journal.journal_writer import MAX_JOURNAL_BATCH
from callflows.journal.spool import Spool
from callflows.journal.sql_store import SqlStore
from waiting import run_bounded, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def until(true: Callable[[], object]) -> None:
    """Wait until something is so."""
    wait_until(true, "the journal")


@pytest.fixture
def away(url, tmp_path):
    with open_breakable_database(url, tmp_path) as found:
        yield found


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


@pytest.fixture
def journal(away, spool) -> Iterator[Journal]:
    made = Journal(SqlStore(away.url), spool)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def there(away):
    """Another look at the same database, while it is there."""
    store = SqlStore(away.url)
    yield store
    store.close()


def list_stored_ids(store: SqlStore) -> list[str]:
    """The ids of the calls that are stored; none while a busy machine has not created the tables yet."""
    try:
        return list_ids(store)
    except JournalUnavailableError:
        return []


def written(journal: Journal, count: int) -> None:
    until(lambda: journal.count_results()["written"] + journal.count_results()["spooled"] >= count)


def test_what_is_remembered_is_written_soon(journal, there):
    journal.record_soon(build_answered_request(START, call="a"))
    for happened in generate_platform_events(10):
        journal.record_soon(happened)
    written(journal, 11)
    until(lambda: set(list_stored_ids(there)) == {"a", "call-0", "call-1"})  # a busy machine writes to the disk first


def test_what_is_recorded_is_on_the_disk_when_that_returns(journal, there):
    async def record():
        await journal.record_now(*generate_platform_events(5))

    run_bounded(record())
    until(lambda: list_stored_ids(there) == ["call-0"])  # a busy machine acknowledges what is on the disk


def test_many_who_record_at_once_share_a_transaction(journal, there):
    async def record():
        await asyncio.gather(*(journal.record_now(happened) for happened in generate_platform_events(500)))

    run_bounded(record())
    until(lambda: len(list_stored_ids(there)) == 100)  # acknowledged on a slow machine is what waits on the disk


def test_a_finished_call_is_asked_for_without_waiting_in_the_loop(journal):
    async def ask():
        await journal.record_now(build_platform_event(load_sample("event-2024-call-destroyed")))
        return await journal.load_finished_call(CALL), await journal.load_finished_call("none")

    finished, none = run_bounded(ask())
    assert (finished.record.uuid, finished.record.duration_seconds) == (CALL, 10)
    assert none is None


def test_something_is_done_once_and_leases_are_held(journal):
    async def ask():
        await journal.record_now()
        first = [await journal.claim_key("sms", "key"), await journal.claim_key("sms", "key")]
        return first, [await journal.hold_lease("events", name, 60.0) for name in ("one", "two")]

    until(lambda: journal.get_status()["database"] == "ok")
    assert run_bounded(ask()) == ([True, False], [True, False])


def test_with_the_database_gone_what_happens_waits_in_files_and_is_written_in_order_when_it_is_back(
    journal, away, there, spool
):
    journal.record_soon(build_answered_request(START, call="before"))
    written(journal, 1)
    away.take_away()
    for number in range(50):
        journal.record_soon(build_answered_request(START + number, call=f"during-{number}"))
        run_bounded(
            journal.record_now(build_platform_event({**load_sample("event-2024-call-init"), "uuid": f"event-{number}"}))
        )
    written(journal, 101)
    assert journal.count_results()["spooled"] > 0
    assert journal.get_status()["database"] != "ok"
    assert spool.size_bytes > 0
    away.bring_back()
    until(lambda: journal.get_status()["database"] == "ok" and not spool.size_bytes)
    assert len(list_ids(there)) == 52
    assert len(there.load_call(CALL).events) == 50
    assert journal.count_results()["dropped"] == 0


def test_a_database_that_never_answers_is_gone_and_nobody_waits_for_it_twice(away, journal, spool, there, monkeypatch):
    if away.url.startswith("sqlite"):
        pytest.skip("a file answers")
    # Long enough that a busy machine takes less time for a record that waits for no database.
    monkeypatch.setattr("callflows.journal.postgres_timeouts.QUICK_TIMEOUT_SECONDS", 2.0)
    until(lambda: journal.get_status()["database"] == "ok")
    away.stop_responding()
    first, *more = generate_platform_events(20)

    async def record():
        await journal.record_now(first)
        for happened in more:
            await asyncio.wait_for(journal.record_now(happened), 1.5)
        with pytest.raises(JournalUnavailableError):
            await journal.claim_key("sms", "key")

    run_bounded(record())
    assert (journal.get_status()["database"], spool.size_bytes > 0, journal.count_results()["spooled"]) == (
        "gone",
        True,
        20,
    )
    away.bring_back()
    until(lambda: journal.get_status()["database"] == "ok" and not spool.size_bytes)
    assert len(list_ids(there)) == 4


def test_with_no_database_at_the_start_calls_are_remembered_all_the_same(away, spool):
    away.take_away()
    journal = Journal(SqlStore(away.url), spool)
    journal.start()
    run_bounded(journal.record_now(*generate_platform_events(5)))
    journal.stop()
    away.bring_back()
    again = Journal(SqlStore(away.url), spool)
    again.start()
    until(lambda: not spool.size_bytes)
    again.stop()
    store = SqlStore(away.url)
    assert list_ids(store) == ["call-0"]
    store.close()


def test_what_the_disk_refuses_is_not_acknowledged_and_waits_in_memory_until_there_is_room(away, tmp_path):
    away.take_away()
    folder = tmp_path / "full"
    folder.mkdir()
    full = folder / "journal-0.spool"
    full.symlink_to("/dev/full")
    journal = Journal(SqlStore(away.url), Spool(folder))
    journal.start()
    journal.record_soon(build_answered_request(START, call="waits"))
    with pytest.raises(JournalError, match="No space left"):
        run_bounded(journal.record_now(*generate_platform_events(1)))
    assert journal.get_status()["waiting"] == 1
    full.unlink()
    written(journal, 1)
    journal.stop()
    assert len(Spool(folder).list_segments()) == 1


def test_whoever_waits_for_a_write_hears_at_once_that_no_disk_takes_it_however_much_waits(away, tmp_path):
    away.take_away()
    journal = Journal(SqlStore(away.url), Spool(tmp_path / "spool", max_bytes=100))
    for number in range(3 * MAX_JOURNAL_BATCH):
        journal.record_soon(build_answered_request(START + number, call=f"waits-{number}"))
    journal.start()
    until(lambda: len(journal._writer.batch) == MAX_JOURNAL_BATCH)  # noqa: SLF001 - no other item would come into it
    with pytest.raises(JournalError, match="more than 100 bytes"):  # and not that the time is over
        run_bounded(journal.record_now(*generate_platform_events(1)))
    assert journal.get_status()["waiting"] == 3 * MAX_JOURNAL_BATCH
    journal.stop()


def test_what_does_not_fit_is_dropped_counted_and_said(away, tmp_path, monkeypatch):
    monkeypatch.setattr(waiting_items, "MAX_WAITING_EVENTS_IN_JOURNAL", 10)
    away.take_away()
    journal = Journal(SqlStore(away.url), Spool(tmp_path / "spool", max_bytes=100))
    for happened in generate_platform_events(25):
        journal.record_soon(happened)
    assert journal.get_status()["dropped"] == 15
    journal.start()
    until(lambda: journal.count_results()["dropped"])
    assert journal.count_results() == {"written": 0, "spooled": 0, "refused": 0, "dropped": 15}
    assert journal.get_status()["waiting"] == 10
    with pytest.raises(JournalError, match="more than 100 bytes"):
        run_bounded(journal.record_now(*generate_platform_events(1)))
    journal.stop()


def test_a_journal_that_was_not_started_acknowledges_nothing(away, spool):
    journal = Journal(SqlStore(away.url), spool)
    with pytest.raises(JournalError):
        run_bounded(journal.record_now(*generate_platform_events(1)))


def test_one_thing_that_cannot_be_kept_keeps_nothing_else_from_it(journal, there):
    fine, broken = generate_platform_events(2)
    journal.record_soon(fine)
    with pytest.raises(JournalError):
        run_bounded(journal.record_now(broken._replace(occurred_at=None)))
    with pytest.raises(JournalError):
        run_bounded(journal.record_now(broken._replace(raw=lambda: None, call=5)))
    written(journal, 1)
    until(lambda: list_stored_ids(there) == ["call-0"])
    assert journal.count_results()["refused"] == 2


def test_what_waited_when_a_process_ended_is_written_by_the_next(away, spool):
    journal = Journal(SqlStore(away.url), spool)
    journal.start()
    for happened in generate_platform_events(50):
        journal.record_soon(happened)
    journal.stop()
    store = SqlStore(away.url)
    assert len(list_log_rows(store)) == 10
    store.close()


def test_a_line_that_was_cut_off_when_a_process_was_killed_is_left_out(tmp_path):
    spool = Spool(tmp_path)
    spool.append([("calls", {"id": "whole"})])
    (segment,) = spool.list_segments()
    with segment.open("ab") as file:
        file.write(b'["calls",{"id":"ha')
    found = []
    assert spool.drain_oldest_entries(found.extend) == 0
    assert found == [("calls", {"id": "whole"})]
    assert spool.list_segments() == []


def test_a_segment_stays_where_it_could_not_be_written(tmp_path):
    spool = Spool(tmp_path)
    spool.append([("calls", {"id": "a"})])

    def gone(_entries):
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - this one
        spool.drain_oldest_entries(gone)
    assert spool.size_bytes


def test_a_long_wait_makes_many_segments_which_come_back_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr("callflows.journal.spool.SPOOL_SEGMENT_BYTES", 100)
    spool = Spool(tmp_path)
    for number in range(30):
        spool.append([("calls", {"id": f"{number:02}", "document": b"\x00\xff"})])
    assert len(spool.list_segments()) > 5
    found = []
    while spool.drain_oldest_entries(found.extend):
        pass
    assert found == [("calls", {"id": f"{number:02}", "document": b"\x00\xff"}) for number in range(30)]


def test_what_is_too_old_is_erased_in_the_background(away, spool, monkeypatch):
    monkeypatch.setattr("callflows.journal.retention.FIRST_ERASURE_SECONDS", 0.05)
    monkeypatch.setattr("callflows.journal.retention.ERASURE_INTERVAL_SECONDS", 0.05)
    store = SqlStore(away.url)
    store.open()
    journal = Journal(store, spool, retention_days=30)
    journal.start()
    now = time.time()
    run_bounded(journal.record_now(*generate_platform_events(5)))
    journal.record_soon(build_answered_request(now, call="young"))
    until(lambda: list_ids(store) == ["young"])
    journal.stop()


def test_sqlite_waits_for_whoever_else_writes(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path}/journal.db")
    store.open()
    other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()
    store.close()


def list_turn_counts(journal: Journal, file) -> tuple[int, int]:
    """The dropped items, and the turns in the database once nothing waits."""
    until(lambda: (status := journal.get_status())["waiting"] == 0 == status["spooled_bytes"])
    with sqlite3.connect(file) as database:
        (turns,) = database.execute("SELECT count(DISTINCT call) FROM turns").fetchone()
    database.close()
    return journal.get_status()["dropped"], turns


def test_while_sqlite_is_locked_calls_wait_on_the_disk_and_reports_are_acknowledged(tmp_path):
    file = tmp_path / "journal.db"
    journal = Journal(SqlStore(f"sqlite:///{file}"), Spool(tmp_path / "spool"))
    journal.start()
    until(lambda: journal.get_status()["database"] == "ok")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    journal.record_soon(build_answered_request(1.0, call="the first"))
    until(lambda: len(Spool(tmp_path / "spool").list_segments()) == 1)
    for n in range(1_200):
        journal.record_soon(build_answered_request(2.0 + n, call=f"call-{n}"))
    run_bounded(journal.record_now(*generate_platform_events(3)))
    until(lambda: journal.count_results()["spooled"] >= 1_200)
    assert journal.count_results()["written"] == 0
    other.execute("COMMIT")
    other.close()
    assert list_turn_counts(journal, file) == (0, 1_201)
    journal.stop()


def test_calls_for_which_a_busy_server_has_no_time_wait_on_the_disk_and_none_is_lost(tmp_path, monkeypatch):
    file = tmp_path / "journal.db"
    is_idle = []
    monkeypatch.setattr(cpu_budget.CpuBudget, "has_budget", lambda _budget: bool(is_idle))
    journal = Journal(SqlStore(f"sqlite:///{file}"), Spool(tmp_path / "spool"))
    journal.start()
    for n in range(3_000):
        journal.record_soon(build_answered_request(2.0 + n, call=f"call-{n}"))
    until(lambda: journal.count_results()["spooled"] >= 3_000 - TURNS_BEFORE_SPOOLING)
    is_idle.append(True)
    assert list_turn_counts(journal, file) == (0, 3_000)
    journal.stop()


def test_without_room_on_the_disk_calls_wait_in_memory_until_there_is_room(tmp_path, monkeypatch):
    file, full = tmp_path / "journal.db", [True]

    class FullSpool(Spool):
        def append(self, entries, packed_turns=()):
            if full:
                raise OSError(28, "No space left on device")
            super().append(entries, packed_turns)

    monkeypatch.setattr(cpu_budget.CpuBudget, "has_budget", lambda _budget: not full)
    journal = Journal(SqlStore(f"sqlite:///{file}"), FullSpool(tmp_path / "spool"))
    journal.start()
    for n in range(1_000):
        journal.record_soon(build_answered_request(2.0 + n, call=f"call-{n}"))
    time.sleep(0.3)
    assert (journal.get_status()["waiting"], journal.get_status()["dropped"]) == (1_000, 0)
    full.clear()
    assert list_turn_counts(journal, file) == (0, 1_000)
    journal.stop()


def test_every_call_is_remembered_at_1500_a_second_on_a_busy_processor(tmp_path):
    file = tmp_path / "journal.db"
    journal = Journal(SqlStore(f"sqlite:///{file}"), Spool(tmp_path / "spool"))
    journal.start()
    until(lambda: journal.get_status()["database"] == "ok")
    began = time.monotonic()
    for n in range(1_500):
        while time.monotonic() < began + n / 1_500:
            pass  # this thread, which answers, is busy all the time
        journal.record_soon(build_answered_request(2.0 + n, call=f"call-{n}"))
    assert journal.get_status()["dropped"] == 0
    assert list_turn_counts(journal, file) == (0, 1_500)
    journal.stop()


def test_it_is_said_when_calls_are_not_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr(waiting_items, "MAX_WAITING_TURNS", 100)
    journal = Journal(SqlStore(f"sqlite:///{tmp_path}/journal.db"), Spool(tmp_path / "spool"))
    for n in range(150):
        journal.record_soon(build_answered_request(2.0 + n, call=f"call-{n}"))
    assert journal.get_status()["dropped"] == 50
    journal.start()
    until(lambda: journal.count_results() == {"written": 100, "spooled": 0, "refused": 0, "dropped": 50})
    journal.stop()
