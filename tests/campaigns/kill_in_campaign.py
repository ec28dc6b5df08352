"""A process that runs a campaign, and is killed while it asks for a call. Arguments: database, number, file of calls."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from campaign_harness import make_runner, prepare_campaign

from callflows.journal.sql_store import SqlStore


def main() -> None:
    database, killed_number, calls = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    store = SqlStore(database)
    store.open()

    async def call_number(number: str, _document: bytes) -> str:
        _write_line(calls, number)
        if number == killed_number:
            os.kill(os.getpid(), signal.SIGKILL)
        return "batch"

    campaign = prepare_campaign(store, "reminder", ["+12015550901", "+12015550902", "+12015550903"])
    asyncio.run(make_runner(store, campaign, call_number).run())


def _write_line(file: Path, line: str) -> None:
    with file.open("a", encoding="utf-8") as opened:
        opened.write(f"{line}\n")


if __name__ == "__main__":
    main()
