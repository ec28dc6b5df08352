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
from databases import KINDS, database, unreachable
from reports import many

from app.journal.entries import entries_of
from app.journal.sql import SqlStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.happened import Happened

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


def rows(reports: Sequence[Happened]) -> list[tuple[Any, ...]]:
    """Rows of the bare table."""
    return [(h.key, h.kind, h.call["uuid"], h.at, h.state, h.message, h.source, json.dumps(h.raw)) for h in reports]


def bare_sqlite(file: str) -> Callable[[Sequence[Happened]], None]:
    """A loop that only inserts, as durable as the journal."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(TABLE.format("real"))

    def insert(reports: Sequence[Happened]) -> None:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO bare VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows(reports))
        connection.execute("COMMIT")

    return insert


def bare_postgresql(url: str) -> Callable[[Sequence[Happened]], None]:
    """As above."""
    connection = psycopg.connect(url)
    connection.execute(TABLE.format("float8"))
    connection.commit()

    def insert(reports: Sequence[Happened]) -> None:
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO bare VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", rows(reports))
        connection.commit()

    return insert


def journal(url: str) -> Callable[[Sequence[Happened]], None]:
    """What the journal's thread does with a batch."""
    store = SqlStore(url)
    store.open()
    return lambda reports: store.write([entry for report in reports for entry in entries_of(report, lambda _turn: [])])


def rate(write: Callable[[Sequence[Happened]], None], reports: Sequence[Happened], batch: int) -> float:
    """Reports a second."""
    began = time.perf_counter()
    for some in itertools.batched(reports, batch) if sys.version_info >= (3, 12) else _batched(reports, batch):
        write(some)
    return len(reports) / (time.perf_counter() - began)


def _batched(reports: Sequence[Happened], batch: int) -> list[Sequence[Happened]]:
    return [reports[start : start + batch] for start in range(0, len(reports), batch)]


def ingest(kind: str) -> None:
    """Print the ratios of a database."""
    for batch in BATCHES:
        with tempfile.TemporaryDirectory() as folder, database(kind, Path(folder)) as url:
            ours = journal(url)
            bare = bare_sqlite(f"{folder}/bare.db") if kind == "sqlite" else bare_postgresql(url)
            measured = []
            for turn in range(ROUNDS):
                reports = [*many(REPORTS, turn * REPORTS)]
                measured.append((rate(bare, reports, batch), rate(ours, reports, batch)))
        ratios = sorted(mine / loop for loop, mine in measured)
        loop, mine = (statistics.median(column) for column in zip(*measured, strict=True))
        said = f"{statistics.median(ratios):.2f} of a bare loop ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"{kind}, batches of {batch}: {said}; {mine:,.0f} beside {loop:,.0f} reports a second", flush=True)


def log(kind: str, events: int) -> None:
    """Print how long the call log takes, beside an empty one, in turn."""
    with tempfile.TemporaryDirectory() as folder, database(kind, Path(folder)) as url:
        write, began = journal(url), time.perf_counter()
        reports = many(events)
        while some := [*itertools.islice(reports, 1000)]:
            write(some)
        print(f"{kind}: {events:,} events written in {time.perf_counter() - began:.0f} s", flush=True)
        SqlStore(f"sqlite:///{folder}/empty.db").open()
        questions = (*QUESTIONS, ("the story of one", ("call-7",)))
        for says, question in questions:
            both = [(asked(f"sqlite:///{folder}/empty.db"), asked(url, *question)) for _ in range(5)]
            empty, full = (statistics.median(column) for column in zip(*both, strict=True))
            print(f"  calls {says}: {full:.2f} s, of an empty journal {empty:.2f} s", flush=True)


def asked(url: str, *arguments: str) -> float:
    """Seconds that a whole command takes."""
    command = [sys.executable, "-m", "app.cli", "log", *arguments]
    began = time.perf_counter()
    subprocess.run(command, env={**os.environ, "CALLFLOWS_DATABASE_URL": url}, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Measure."""
    why = unreachable()
    for kind in KINDS[: 1 if why else 2]:
        if "log" in sys.argv[1:2]:
            log(kind, int(sys.argv[2]) if sys.argv[2:] else 1_000_000)
        else:
            ingest(kind)
    if why:
        print(why)


if __name__ == "__main__":
    main()
