"""How long the server takes for each page of the console with many calls: ``python tests/benchmarks/console_pages.py``."""

from __future__ import annotations

import contextlib
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "console")]

from console_world import ConsoleWorld, open_world  # noqa: E402 - stands in another folder

from callflows.web.console.console_sessions import SESSION_COOKIE  # noqa: E402 - as above

PAGES = (
    "/", "/calls", "/calls?q=555", "/calls?q=nobody", "/calls?outcome=voicemail&period=30d", "/calls?node=sales",
    "/calls/CALL", "/flows", "/flows/front-desk", "/inbox", "/inbox?box=texts", "/inbox?box=missed", "/numbers", "/health",
    "/phone?flow=front-desk&acts=1", "/flows/front-desk/edit",
)  # fmt: skip
WEEK_SECONDS = 7 * 86_400
ENDINGS = ("answered", "voicemail", "hung-up-in-menu", "nobody-answered")
REPETITIONS = 15


def insert_rows(database: sqlite3.Connection, table: str, rows: list[dict[str, object]]) -> None:
    names = [*rows[0]]
    marks = ", ".join("?" for _ in names)
    database.executemany(
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})",  # noqa: S608 - names of this file
        [tuple(row.values()) for row in rows],
    )


def fill_database(database: sqlite3.Connection, count: int) -> None:
    """Add calls of the last week, each with an ending and three visits; every tenth has a recording."""
    outcome, direction, version = database.execute(
        "SELECT calls.outcome, direction, version FROM calls JOIN turns ON turns.call = calls.id LIMIT 1"
    ).fetchone()
    now = time.time()
    calls = []
    for number in range(count):
        at = now - 60 - number * WEEK_SECONDS / count
        same = {"direction": direction, "number": "+12015550123", "flow": "front-desk", "outcome": outcome}
        ended = {"answer": at, "hangup": at + 40, "destroy": at + 40, "finished": at + 40, "seconds": 40}
        who = {"id": f"many-{number}", "caller": f"+1201555{number % 10_000:04}", "name": "", "started": at}
        calls.append({**same, **ended, **who, "state": "51 destroyed"})
    insert_rows(database, "calls", calls)
    same = {"party": "", "node": "menu"}
    endings = [
        {**same, "call": call["id"], "at": call["started"], "kind": ENDINGS[number % len(ENDINGS)]}
        for number, call in enumerate(calls)
    ]
    insert_rows(database, "endings", endings)
    same = {"flow": "front-desk", "version": version, "way": "", "line": 1}
    visits = [
        {**same, "id": f"{call['id']}/{step}", "call": call["id"], "at": call["started"], "number": step, "node": node}
        for call in calls
        for step, node in enumerate(("start", "menu", "sales"))
    ]
    insert_rows(database, "visits", visits)
    recordings = [
        {
            "id": f"{call['id']}/r",
            "call": call["id"],
            "at": call["started"],
            "url": "https://records.invalid/a",
            "raw": "{}",
        }
        for call in calls[::10]
    ]
    insert_rows(database, "recordings", recordings)
    database.execute("ANALYZE")
    database.commit()


def measure_pages(world: ConsoleWorld) -> None:
    with httpx.Client(base_url=world.url, cookies={SESSION_COOKIE: world.sign_cookie("ann")}, trust_env=False) as http:
        call = http.get("/api/v1/calls?q=Bo%20Chen").json()["items"][0]["id"]
        for page in PAGES:
            times = []
            for _ in range(REPETITIONS):
                began = time.perf_counter()
                size = len(http.get(f"/console{page.replace('CALL', call)}").raise_for_status().content)
                times.append(time.perf_counter() - began)
            times.sort()
            nearly_all = times[round(0.95 * (len(times) - 1))]
            print(
                f"{page:38} median {statistics.median(times) * 1000:5.0f} ms, 95 % {nearly_all * 1000:5.0f} ms, "
                f"{size / 1000:5.1f} kB"
            )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder, open_world(Path(folder)) as world:
        with contextlib.closing(sqlite3.connect(Path(folder) / "data" / "callflows.db")) as database:
            fill_database(database, count)
        measure_pages(world)


if __name__ == "__main__":
    main()
