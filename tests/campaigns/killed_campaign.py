"""Runs a campaign in a process that is killed while it asks for a call."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from campaign_harness import make_runner, prepare_campaign

from callflows.journal.sql_store import SqlStore
from waiting import run_bounded

if TYPE_CHECKING:
    from pathlib import Path


def run_killed_campaign(database: str, killed_number: str, numbers_file: Path) -> None:
    """Append each number that is called to a file, and kill this process at one of them."""
    store = SqlStore(database)
    store.open()

    async def call_number(number: str, _document: bytes) -> str:
        with numbers_file.open("a", encoding="utf-8") as opened:
            opened.write(f"{number}\n")
        if number == killed_number:
            os.kill(os.getpid(), signal.SIGKILL)
        return "batch"

    campaign = prepare_campaign(store, "reminder", ["+12015550901", "+12015550902", "+12015550903"])
    run_bounded(make_runner(store, campaign, call_number).run())
