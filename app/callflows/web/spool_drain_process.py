"""The process of a ``SpoolDrainer``: it writes what its server spools to the database.

Run as ``python -m callflows.web.spool_drain_process``, with ``DrainerOptions`` as a line of JSON on standard input,
which ends with the server.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Final

from callflows.journal.cpu_budget import CpuBudget
from callflows.journal.journal_health import JournalHealth
from callflows.journal.journal_writer import JournalWriter
from callflows.journal.spool import Spool
from callflows.journal.spool_drainer import DRAINED_BY_ANOTHER, DrainerOptions, lock_spool_folder
from callflows.journal.sql_store import SqlStore
from callflows.journal.waiting_items import WaitingItems
from callflows.web.log_lines import LogWriter, configure_logging

IDLE_SECONDS: Final = 30.0
"""Time without a spooled entry after which the process ends."""
_LOOK_SECONDS: Final = 0.05
"""Interval at which the process looks for spooled entries."""
_LAST_ENTRIES_SECONDS: Final = 2.0
"""Time that the process gets for what is spooled when its server ends; the rest stays in the spool."""
_LAST_TRANSACTION_SECONDS: Final = 1.0


def drain_until_idle(options: DrainerOptions, is_over: threading.Event) -> None:
    """Write spooled entries to the database until nothing was spooled for a while, or until ``is_over`` is set."""
    spool, health = Spool(Path(options.folder)), JournalHealth()
    store = SqlStore(options.journal_url, options.shortest_message_seconds)
    writer = JournalWriter(WaitingItems(None, health), store, spool, health)
    writer.cpu_budget = CpuBudget(read_answering_seconds=lambda: 0.0)
    writer.start()
    idle_since = time.monotonic()
    while not is_over.wait(_LOOK_SECONDS) and time.monotonic() - idle_since < IDLE_SECONDS:
        if spool.look_for_entries():
            idle_since = time.monotonic()
    end = time.monotonic() + _LAST_ENTRIES_SECONDS
    while spool.look_for_entries() and time.monotonic() < end:
        time.sleep(_LOOK_SECONDS)
    writer.stop(_LAST_TRANSACTION_SECONDS)
    store.close()


def run_drainer() -> int:
    """Run the process, and return its exit code. Its options are the first line of standard input."""
    is_over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: is_over.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal: the server ends this one
    server = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115 - without a buffer's lock
    line = server.readline()
    if not line:
        return 0  # the server has ended already
    options = DrainerOptions(*json.loads(line))

    def await_server_end() -> None:
        server.read()
        is_over.set()

    threading.Thread(target=await_server_end, name="server", daemon=True).start()
    log = LogWriter()
    configure_logging(log, options.log_format)
    log.start()
    try:
        with lock_spool_folder(Path(options.folder)):
            drain_until_idle(options, is_over)
    except BlockingIOError:
        return DRAINED_BY_ANOTHER
    finally:
        log.stop()
    return 0


if __name__ == "__main__":
    sys.exit(run_drainer())
