"""How long the server takes for each page of the console with many calls, and when Chromium paints it.

``python tests/benchmarks/console_pages.py [CALLS] [--database postgresql|sqlite] [--paint]`` measures the pages of a
server beside so many calls of one week (100,000), in SQLite or in a database of its own in PostgreSQL. With ``--paint``,
Chromium tells the first contentful paint of each page, too.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx
import sqlalchemy

sys.path[:0] = [str(Path(__file__).parents[1] / name) for name in ("", "console", "journal")]

from console_world import CHROMIUM_OPTIONS, ConsoleWorld, open_world  # noqa: E402 - as above
from temporary_databases import create_database  # noqa: E402 - as above

from callflows.journal.journal_tables import EVENTS_TABLE, TURNS_TABLE  # noqa: E402 - as above
from callflows.web.console.console_sessions import SESSION_COOKIE  # noqa: E402 - as above

PAGES = (
    "/", "/calls", "/calls?q=555", "/calls?q=nobody", "/calls?q=99999", "/calls?outcome=voicemail&period=30d",
    "/calls?node=sales", "/calls?node=closed", "/calls?q=nobody&node=sales", "/calls?flow=front-desk&outcome=refused",
    "/calls/CALL", "/flows", "/flows/front-desk", "/inbox", "/inbox?box=texts", "/inbox?box=missed", "/numbers", "/health",
    "/phone?flow=front-desk&acts=1", "/flows/front-desk/edit",
)  # fmt: skip
WEEK_SECONDS = 7 * 86_400
REPETITIONS = 15
INBOX_CALLS = 200
"""Number of the newest calls with a recording that have turns and events, too: those of a call that was made."""
PAINTS = 5
NUMBERS = "WITH RECURSIVE numbers(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers WHERE i + 1 < :count)"
STARTED = ":newest - i * :step"
ROWS = {
    "calls": {
        "id": "'many-' || i",
        "caller": "'+' || CAST(12015550000 + i % 10000 AS TEXT)",
        "name": "''",
        "number": "'+12015550123'",
        "flow": "'front-desk'",
        "direction": ":direction",
        "outcome": ":outcome",
        "state": "'51 destroyed'",
        "started": STARTED,
        "answer": STARTED,
        **dict.fromkeys(("hangup", "destroy", "finished"), f"{STARTED} + 40"),
        "seconds": "40",
    },
    "endings": {
        "call": "'many-' || i",
        "at": STARTED,
        "kind": "CASE i % 4 WHEN 0 THEN 'answered' WHEN 1 THEN 'voicemail' WHEN 2 THEN 'hung-up-in-menu' "
        "ELSE 'nobody-answered' END",
        "party": "''",
        "node": "'menu'",
    },
    "visits": {
        "id": "'many-' || i || '/' || step",
        "call": "'many-' || i",
        "at": STARTED,
        "number": "step",
        "node": "CASE step WHEN 0 THEN 'start' WHEN 1 THEN 'menu' ELSE 'sales' END",
        "flow": "'front-desk'",
        "version": ":version",
        "way": "''",
        "line": "1",
    },
    "recordings": {
        "id": "'many-' || i || '/r'",
        "call": "'many-' || i",
        "at": STARTED,
        "url": "'https://records.invalid/a'",
        "raw": "'{}'",
    },
}
"""Columns of the rows that are added, each as SQL of the number of the call."""
SOURCES = {
    "visits": "numbers, (SELECT 0 AS step UNION ALL SELECT 1 UNION ALL SELECT 2) AS steps",
    "recordings": "numbers WHERE i % 10 = 0",
}


def fill_database(url: str, count: int) -> None:
    """Add calls of the last week, each with an ending and three visits; every tenth has a recording."""
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as database:
        query = "SELECT calls.outcome, direction, version FROM calls JOIN turns ON turns.call = calls.id LIMIT 1"
        outcome, direction, version = database.execute(sqlalchemy.text(query)).one()
        given = {"outcome": outcome, "direction": direction, "version": version, "count": count}
        given |= {"newest": time.time() - 60, "step": WEEK_SECONDS / count}
        for table, columns in ROWS.items():
            source = SOURCES.get(table, "numbers")
            names, values = ", ".join(columns), ", ".join(columns.values())
            sql = f"INSERT INTO {table} ({names}) {NUMBERS} SELECT {values} FROM {source}"  # noqa: S608 - of this file
            used = {name: value for name, value in given.items() if f":{name}" in sql}
            database.execute(sqlalchemy.text(sql), used)
        for table, key in ((TURNS_TABLE, "id"), (EVENTS_TABLE, "key")):
            copied = {key: f"'many-' || i || '/' || {key}", "call": "'many-' || i"}
            names = ", ".join(column.name for column in table.c)
            values = ", ".join(copied.get(column.name, f"{table.name}.{column.name}") for column in table.c)
            sample = "SELECT call FROM recordings WHERE call NOT LIKE 'many-%' LIMIT 1"
            sql = f"INSERT INTO {table.name} ({names}) {NUMBERS} SELECT {values} FROM numbers, {table.name} "  # noqa: S608 - of this file
            rows = {"count": min(count, 10 * INBOX_CALLS)}
            database.execute(sqlalchemy.text(f"{sql} WHERE i % 10 = 0 AND {table.name}.call = ({sample})"), rows)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as database:
        database.execute(sqlalchemy.text("ANALYZE" if url.startswith("sqlite") else "VACUUM ANALYZE"))
    engine.dispose()


def measure_pages(world: ConsoleWorld) -> None:
    with httpx.Client(
        base_url=world.url, cookies={SESSION_COOKIE: world.sign_cookie("ann")}, timeout=60, trust_env=False
    ) as http:
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


def measure_paints(world: ConsoleWorld) -> None:
    """Print when Chromium paints something of each page: in a window that has no file of the console yet, and later."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only with a browser

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_OPTIONS)
        call = httpx.get(f"{world.url}/api/v1/calls?q=Bo%20Chen", trust_env=False).json()["items"][0]["id"]
        for path in PAGES:
            context = browser.new_context(base_url=world.url)
            context.add_cookies(
                [{"name": SESSION_COOKIE, "value": world.sign_cookie("ann"), "url": f"{world.url}/console/"}]
            )
            page, paints = context.new_page(), []
            for _ in range(PAINTS):
                page.goto(f"/console{path.replace('CALL', call)}")
                paints.append(page.evaluate(PAINT_SCRIPT))
            context.close()
            print(f"{path:38} first paint {paints[0]:5.0f} ms, later {statistics.median(paints[1:]):5.0f} ms (median)")
        browser.close()


PAINT_SCRIPT = """() => new Promise((resolve) => new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (entry.name === "first-contentful-paint") resolve(entry.startTime);
}).observe({type: "paint", buffered: true}))"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calls", nargs="?", type=int, default=100_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--paint", action="store_true")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        create_database(given.database, Path(folder)) as url,
        open_world(Path(folder), database_url=url) as world,
    ):
        began = time.perf_counter()
        fill_database(url.replace("postgresql:", "postgresql+psycopg:"), given.calls)
        print(f"{given.calls:,} calls in {given.database}, added in {time.perf_counter() - began:.0f} s")
        measure_pages(world)
        if given.paint:
            measure_paints(world)


if __name__ == "__main__":
    main()
