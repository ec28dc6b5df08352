"""What the journal costs: durable ingest beside a bare insert loop, and the call log with a million events in it.

``python tests/benchmarks/journal.py`` measures reports a second, of the journal and of a loop that only puts the same
batches as JSON into one table with a unique key, each batch durable when it is over; the two run in turn, and what counts
is the median of the ratios.

``python tests/benchmarks/journal.py log [EVENTS]`` (default: 1000000) fills a database and says how long ``callflows log``
takes, as a process of its own, beside the same command on an empty journal. PostgreSQL too, where it is there.
"""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

sys.path.insert(0, str(Path(__file__).parents[1] / "journal"))
from sample_events import generate_platform_events
from temporary_databases import DATABASE_KINDS, create_database, explain_unreachable

from callflows.journal.journal_rows import build_journal_entries
from callflows.journal.sql_store import SqlStore
from callflows.journal.stored_rows import CallFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from callflows.telephony.events import PlatformEvent

ROUNDS = 9
REPORTS = 4_000
BATCHES = (100, 500)
TABLE = (
    "CREATE TABLE bare (key text PRIMARY KEY, kind text, call text, at {}, state text, message text, source text, raw text)"
)
QUESTIONS = (
    ("the newest", ()),
    ("of a caller", ("--from", "+12015550042")),
    ("of a number that nobody rang", ("--number", "+12015550188")),
    ("that fell back", ("--outcome", "fallback")),
    ("of an hour", ("--since", "2026-02-25T16:00:00Z", "--until", "2026-02-25T17:00:00Z")),
)
NOBODY = CallFilter(number="+12015550188", limit=50)


def make_bare_rows(reports: Sequence[PlatformEvent]) -> list[tuple[Any, ...]]:
    """Rows of the bare table."""
    return [(h.key, h.kind, h.call_uuid, h.occurred_at, h.state, h.message, h.source, json.dumps(h.raw)) for h in reports]


def open_bare_sqlite(file: str) -> Callable[[Sequence[PlatformEvent]], None]:
    """A loop that only inserts, as durable as the journal."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(TABLE.format("real"))

    def insert(reports: Sequence[PlatformEvent]) -> None:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO bare VALUES (?, ?, ?, ?, ?, ?, ?, ?)", make_bare_rows(reports))
        connection.execute("COMMIT")

    return insert


def open_bare_postgresql(url: str) -> Callable[[Sequence[PlatformEvent]], None]:
    """As above."""
    connection = psycopg.connect(url)
    connection.execute(TABLE.format("float8"))
    connection.commit()

    def insert(reports: Sequence[PlatformEvent]) -> None:
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO bare VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", make_bare_rows(reports))
        connection.commit()

    return insert


def open_journal(url: str) -> Callable[[Sequence[PlatformEvent]], None]:
    """What the journal's thread does with a batch."""
    store = SqlStore(url)
    store.open()
    return lambda reports: store.write_entries([entry for report in reports for entry in build_journal_entries(report)])


def measure_rate(write: Callable[[Sequence[PlatformEvent]], None], reports: Sequence[PlatformEvent], batch: int) -> float:
    """Reports a second."""
    began = time.perf_counter()
    for some in itertools.batched(reports, batch) if sys.version_info >= (3, 12) else _split_batches(reports, batch):
        write(some)
    return len(reports) / (time.perf_counter() - began)


def _split_batches(reports: Sequence[PlatformEvent], batch: int) -> list[Sequence[PlatformEvent]]:
    return [reports[start : start + batch] for start in range(0, len(reports), batch)]


def measure_ingest(kind: str) -> None:
    """Print the ratios of a database."""
    for batch in BATCHES:
        with tempfile.TemporaryDirectory() as folder, create_database(kind, Path(folder)) as url:
            ours = open_journal(url)
            bare = open_bare_sqlite(f"{folder}/bare.db") if kind == "sqlite" else open_bare_postgresql(url)
            measured = []
            for turn in range(ROUNDS):
                reports = [*generate_platform_events(REPORTS, turn * REPORTS)]
                measured.append((measure_rate(bare, reports, batch), measure_rate(ours, reports, batch)))
        ratios = sorted(mine / loop for loop, mine in measured)
        loop, mine = (statistics.median(column) for column in zip(*measured, strict=True))
        summary = f"{statistics.median(ratios):.2f} of a bare loop ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"{kind}, batches of {batch}: {summary}; {mine:,.0f} beside {loop:,.0f} reports a second", flush=True)


def measure_call_log(kind: str, events: int) -> None:
    """Print how long the call log takes, beside an empty one, in turn."""
    with tempfile.TemporaryDirectory() as folder, create_database(kind, Path(folder)) as url:
        write, began = open_journal(url), time.perf_counter()
        reports = generate_platform_events(events)
        while some := [*itertools.islice(reports, 1000)]:
            write(some)
        print(f"{kind}: {events:,} events written in {time.perf_counter() - began:.0f} s", flush=True)
        SqlStore(f"sqlite:///{folder}/empty.db").open()
        questions = (*QUESTIONS, ("the story of one", ("call-7",)))
        for says, question in questions:
            both = [(time_command(f"sqlite:///{folder}/empty.db"), time_command(url, *question)) for _ in range(5)]
            empty, full = (statistics.median(column) for column in zip(*both, strict=True))
            print(f"  calls {says}: {full:.2f} s, of an empty journal {empty:.2f} s", flush=True)
        store = SqlStore(url)
        for says, call_filter in (("the newest", CallFilter(limit=50)), ("of a number that nobody rang", NOBODY)):
            began = time.perf_counter()
            row_count = len([*store.list_calls(call_filter)])
            print(
                f"  the question alone, {says}: {row_count} calls in {(time.perf_counter() - began) * 1000:.1f} ms",
                flush=True,
            )
        store.close()


def time_command(url: str, *arguments: str) -> float:
    """Seconds that a whole command takes."""
    command = [sys.executable, "-m", "callflows.cli", "log", *arguments]
    began = time.perf_counter()
    environment = {**os.environ, "CALLFLOWS_DATABASE_URL": url}
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=600)
    return time.perf_counter() - began


def main() -> None:
    """Measure."""
    why = explain_unreachable()
    for kind in DATABASE_KINDS[: 1 if why else 2]:
        if "log" in sys.argv[1:2]:
            measure_call_log(kind, int(sys.argv[2]) if sys.argv[2:] else 1_000_000)
        else:
            measure_ingest(kind)
    if why:
        print(why)


if __name__ == "__main__":
    main()
