"""Kill -9 in the midst of 2,000 reports a second, start again, and count: what was sent, acknowledged, found.

``python tests/journal/kill.py [SECONDS]`` does so on SQLite and on PostgreSQL, where it is there, and prints the figures.
Of what was acknowledged (as a webhook is) nothing may be missing; of what was only remembered (as the websocket's), what
came within the last moments before the kill may be, and is filled in by a search.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
from databases import KINDS, database, unreachable
from reports import many, report, sample
from sqlalchemy import create_engine

from app.journal.journal import Journal
from app.journal.spool import Spool
from app.journal.sql import SqlStore, url_of

RATE = 2_000
"""Reports a second that are remembered …"""
RECORDED = 100
"""… and those a second that are recorded, each acknowledged by a line."""

FIRST = 20
"""Reports that are acknowledged before the time begins after which the sender is killed."""


class Counted(NamedTuple):
    """What became of the reports that were sent."""

    remembered: int
    found: int
    late: float
    """Seconds before the kill from which on the first that is missing was remembered; 0 where none is."""
    acknowledged: int
    missing: int
    """Of those that were acknowledged."""


async def send(url: str, folder: str) -> None:
    """In the process that is killed: remember and record, and say of each when it was."""
    journal = Journal(SqlStore(url), Spool(Path(folder)), lambda _turn: [])
    journal.start()
    say = os.fdopen(os.dup(1), "w", buffering=1)
    init = sample("event-2024-call-init")

    async def record() -> None:
        number = 0
        while True:
            await journal.record_now(report({**init, "uuid": f"recorded-{number}"}))
            say.write(f"recorded-{number} {time.time()}\n")
            number += 1
            await asyncio.sleep(1 / RECORDED)

    recording = asyncio.create_task(record())
    began = time.monotonic()
    for count, happened in enumerate(many(RATE * 600), 1):
        journal.remember(happened)
        say.write(f"{happened.key} {time.time()}\n")
        ahead = count / RATE - (time.monotonic() - began)
        if ahead > 0:
            await asyncio.sleep(ahead)
    await recording


def killed(url: str, folder: Path, seconds: float) -> Counted:
    """Start a sender, kill it, start again, and count."""
    command = [sys.executable, __file__, "--send", url, str(folder)]
    said = folder / "said"
    with said.open("w") as out:
        sender = subprocess.Popen(command, stdout=out)  # noqa: S603 - this file
        while said.read_text().count("recorded") < FIRST:
            time.sleep(0.05)
        time.sleep(seconds)
        sender.send_signal(signal.SIGKILL)
        ended = time.time()
        sender.wait()
    again = Journal(SqlStore(url), Spool(folder), lambda _turn: [])
    again.start()
    while again.state()["database"] != "ok" or again.state()["spooled_bytes"]:
        time.sleep(0.01)
    again.stop()
    return _counted(said, _keys(url), ended)


def _keys(url: str) -> set[str]:
    engine = create_engine(url_of(url))
    with engine.connect() as connection:
        found = {key for (key,) in connection.exec_driver_sql("SELECT key FROM events")}
    engine.dispose()
    return found


def _counted(said: Path, found: set[str], ended: float) -> Counted:
    sent = [line.split() for line in said.read_text().splitlines() if line.count(" ") == 1]
    recorded = [key for key, _ in sent if key.startswith("recorded")]
    remembered = [(key, float(at)) for key, at in sent if not key.startswith("recorded")]
    lost = [at for key, at in remembered if key not in found]
    return Counted(
        len(remembered),
        sum(key in found for key, _ in remembered),
        ended - min(lost) if lost else 0.0,
        len(recorded),
        sum(key not in found for key in recorded),
    )


def main() -> None:
    """Print the figures of each database."""
    if sys.argv[1:2] == ["--send"]:
        asyncio.run(send(*sys.argv[2:4]))
        return
    seconds = float(sys.argv[1]) if sys.argv[1:] else 5.0
    why = unreachable()
    for kind in KINDS[: 1 if why else 2]:
        with tempfile.TemporaryDirectory() as folder, database(kind, Path(folder)) as url:
            counted = killed(url, Path(folder), seconds)
        said = (
            f"remembered {counted.remembered:,}, found {counted.found:,} (the first missing was {counted.late:.3f} s old)"
        )
        print(f"{kind}: {said}; acknowledged {counted.acknowledged:,}, of them missing {counted.missing}", flush=True)  # noqa: T201
    if why:
        print(why)  # noqa: T201 - a command


if __name__ == "__main__":
    main()
