"""How many calls are remembered at a given rate: written at once, spooled first, or lost.

Run as ``python tests/benchmarks/recording.py [CALLS_A_SECOND …]`` (default: 300 600 1500); needs two cores. The first is
for ``callflows serve``. After the calls the program waits until the spool is written to the database, and counts the turns
there. PostgreSQL too, where it is there. Loopback only; ends by itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from sqlalchemy import create_engine

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "journal"))
from temporary_databases import DATABASE_KINDS, create_database, explain_unreachable

from callflows.benchmark.measured_server import run_measured_server
from callflows.journal.sql_store import parse_database_url
from waiting import run_bounded

RATES = (300, 600, 1500)
SECONDS, CONNECTIONS = 5, 16
MAX_DRAIN_SECONDS = 120


async def ask_calls(port: int, rate: int) -> int:
    """Ask at a rate, as far as the server keeps up; the number of calls that were answered."""
    began = time.monotonic()
    numbers = iter(range(rate * SECONDS))
    answered = 0

    async def ask_on_one_connection() -> None:
        nonlocal answered
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            if (ahead := began + number / rate - time.monotonic()) > 0:
                await asyncio.sleep(ahead)
            if time.monotonic() > began + 2 * SECONDS:
                break
            query = f"token=benchmark&from=%2B1201{number:07}&to=12015550123&call=call-{number}"
            writer.write(f"GET /call?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(re.search(rb"content-length: (\d+)", head)[1]))
            answered += head.startswith(b"HTTP/1.1 200")
        writer.close()

    await asyncio.gather(*(ask_on_one_connection() for _ in range(CONNECTIONS)))
    return answered


def read_journal(port: int) -> dict[str, int]:
    """The journal's status and counters."""
    status = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz"))["journal"]
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics?token=benchmark").read().decode()
    counts = re.findall(r'^callflows_journal_entries_total\{result="(\w+)"\} ([0-9.]+)', text, re.MULTILINE)
    return {**status, **{name: int(float(count)) for name, count in counts}}


def count_turns(url: str) -> int:
    """The turns in the database."""
    engine = create_engine(parse_database_url(url))
    with engine.connect() as connection:
        count = connection.exec_driver_sql("SELECT count(DISTINCT call) FROM turns").scalar_one()
    engine.dispose()
    return count


def measure_recording(kind: str, rate: int) -> None:
    """Print the figures of a rate."""
    with tempfile.TemporaryDirectory() as folder, create_database(kind, Path(folder)) as url:
        command = ["callflows", "serve", "--port", "PORT"]
        with run_measured_server(command, Path(folder), DATABASE_URL=url) as (_pid, port):
            began = time.monotonic()
            answered = run_bounded(ask_calls(port, rate), 60)
            took = time.monotonic() - began
            journal = read_journal(port)
            for _ in range(5 * MAX_DRAIN_SECONDS):
                if not (journal["waiting"] or journal["spooled_bytes"]):
                    break
                time.sleep(0.2)
                journal = read_journal(port)
            drained = time.monotonic() - began - took
            remembered = count_turns(url)
    print(
        f"{kind}, {rate} calls a second: asked {rate * SECONDS:,}, "
        f"answered {answered:,} ({answered / took:,.0f} a second), "
        f"remembered {remembered:,} (spooled first {journal['spooled']:,}), lost {answered - remembered:,}; "
        f"everything was in the database after {drained:.1f} s",
        flush=True,
    )


def main() -> None:
    """Measure."""
    why = explain_unreachable()
    for kind in DATABASE_KINDS[: 1 if why else 2]:
        for rate in [*map(int, sys.argv[1:])] or RATES:
            measure_recording(kind, rate)
    if why:
        print(why)
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
