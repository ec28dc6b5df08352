"""The calls of a caller are counted once for all processes and replicas, and no caller waits for the database."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from breakable_database import open_breakable_database
from temporary_databases import DATABASE_KINDS, create_database, explain_unreachable

from callflows.journal.call_count_store import CountedCall, count_calls, erase_counts_before
from callflows.journal.call_counting import COUNT_MEMORY_SECONDS, SharedCallCounter
from callflows.journal.journal_queries import JournalQueries
from callflows.journal.sql_store import SqlStore
from command_process import FORKING
from waiting import run_bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MONDAY = date(2026, 11, 23)
ME = "+12015550999"
PATIENCE_SECONDS = 1.5
"""Longest wait of a caller: so long that a pause of a busy machine is none of its multiples."""


@pytest.fixture(params=DATABASE_KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "postgresql" and (reason := explain_unreachable()):
        pytest.skip(reason)
    with create_database(request.param, tmp_path) as url:
        with contextlib.closing(SqlStore(url)) as store:
            store.open()
        yield url


class Counters:
    """Processes that count, as many as a test wants, with one database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.journals: list[JournalQueries] = []

    def add(self, timeout_seconds: float = 30.0) -> SharedCallCounter:
        self.journals.append(JournalQueries(SqlStore(self._url)))
        return SharedCallCounter(self.journals[-1], timeout_seconds)

    def close(self) -> None:
        for journal in self.journals:
            journal.close()


@pytest.fixture
def counters(database: str) -> Iterator[Counters]:
    with contextlib.closing(Counters(database)) as counters:
        yield counters


def test_two_processes_count_together_and_a_repeated_call_has_its_number_again(counters):
    async def ring() -> list[int]:
        one, two = counters.add(), counters.add()
        calls = [(one, "a"), (two, "b"), (one, "c"), (two, "a"), (one, "b"), (two, ""), (one, "")]
        return [await counter.count_call("acme", ME, MONDAY, call) for counter, call in calls]

    assert run_bounded(ring()) == [1, 2, 3, 1, 2, 4, 5]


def test_the_count_goes_on_after_a_restart_for_each_flow_caller_and_day(counters):
    async def ring() -> list[int]:
        one = counters.add()
        first = [await one.count_call("acme", ME, MONDAY, call) for call in "ab"]
        await one.stop(1.0)
        new = counters.add()
        others = [
            await new.count_call("other", ME, MONDAY, "c"),
            await new.count_call("acme", "+12015550998", MONDAY, "d"),
            await new.count_call("acme", ME, date(2026, 11, 24), "e"),
            await new.count_call("acme", "", MONDAY, "f"),
        ]
        return [*first, await new.count_call("acme", ME, MONDAY, "g"), *others]

    assert run_bounded(ring()) == [1, 2, 3, 1, 1, 1, 0]


def test_calls_of_one_moment_have_a_number_each(counters):
    async def ring() -> list[int]:
        processes = [counters.add() for _ in range(3)]
        calls = [processes[number % 3].count_call("acme", ME, MONDAY, f"{number}") for number in range(30)]
        return await asyncio.gather(*calls)

    assert sorted(run_bounded(ring())) == [*range(1, 31)]


def count_in_process(url: str, first: int, results: Any) -> None:
    """What a process of the next test does."""

    async def ring(counter: SharedCallCounter) -> list[int]:
        return [await counter.count_call("acme", ME, MONDAY, f"{number}") for number in range(first, first + 10)]

    with contextlib.closing(Counters(url)) as counters:
        results.put(run_bounded(ring(counters.add())))


def test_two_real_processes_with_one_database_give_no_number_twice(tmp_path):
    database = f"sqlite:///{tmp_path}/journal.db"
    with contextlib.closing(SqlStore(database)) as store:
        store.open()
    results = FORKING.Queue()
    processes = [
        FORKING.Process(target=count_in_process, args=(database, first, results), daemon=True) for first in (0, 10)
    ]
    for process in processes:
        process.start()
    numbers = [number for _ in processes for number in results.get(timeout=60)]
    for process in processes:
        process.join(30)
    assert sorted(numbers) == [*range(1, 21)]


def test_no_caller_waits_for_a_database_that_is_away_and_its_calls_are_counted_when_it_is_back(tmp_path):
    async def ring(there: Callable[[], None], counter: SharedCallCounter) -> tuple[list[int], float, int]:
        began = time.monotonic()
        away = [await counter.count_call("acme", ME, MONDAY, call) for call in ("b", "c", "b")]
        took = time.monotonic() - began
        there()
        await counter.stop(30.0)
        return away, took, await counter.count_call("acme", ME, MONDAY, "d")

    (tmp_path / "database").mkdir()
    with (
        open_breakable_database("sqlite:///", tmp_path / "database") as there,
        contextlib.closing(SqlStore(there.url)) as store,
        contextlib.closing(Counters(there.url)) as counters,
    ):
        store.open()
        there.take_away()
        away, took, after = run_bounded(ring(there.bring_back, counters.add(PATIENCE_SECONDS)))
    assert away == [1, 2, 1]
    assert took < 2 * PATIENCE_SECONDS
    assert after == 3


def test_a_slow_database_holds_up_one_caller_a_moment_and_no_other(counters, monkeypatch):
    async def never_count(_calls: object) -> list[int]:
        await asyncio.sleep(30)
        return []

    async def ring() -> tuple[list[int], float]:
        counter = counters.add(PATIENCE_SECONDS)
        monkeypatch.setattr(counters.journals[0], "count_calls", never_count)
        began = time.monotonic()
        numbers = [await counter.count_call("acme", ME, MONDAY, call) for call in "abcde"]
        took = time.monotonic() - began
        await counter.stop(0.0)
        return numbers, took

    numbers, took = run_bounded(ring())
    assert numbers == [1, 2, 3, 4, 5]
    assert PATIENCE_SECONDS <= took < 4 * PATIENCE_SECONDS  # five callers who wait would take five times as long


def test_counts_of_days_gone_by_are_erased(database):
    now = time.time()
    with contextlib.closing(SqlStore(database)) as store:
        store.run_writing(
            count_calls, [CountedCall("old", "a", now - COUNT_MEMORY_SECONDS - 60), CountedCall("new", "a", now)]
        )
        store.run_writing(erase_counts_before, now - COUNT_MEMORY_SECONDS)
        assert store.run_writing(count_calls, [CountedCall("old", "b", now), CountedCall("new", "b", now)]) == [1, 2]
