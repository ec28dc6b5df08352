"""What is too old is erased while the server runs, a little at a time, so that nobody who writes waits long."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Final

import structlog

from app.errors import JournalError

if TYPE_CHECKING:
    from app.journal.store import JournalStore

FIRST_ERASURE_SECONDS: Final = 10.0
"""Seconds after the start until it is looked for the first time …"""
ERASURE_INTERVAL_SECONDS: Final = 3600.0
"""… and until it is looked for again."""
_ERASURE_PAUSE_SECONDS: Final = 0.05
_CALLS_PER_TRANSACTION: Final = 500
"""Calls that are erased in one transaction."""
_SECONDS_PER_DAY: Final = 86_400.0


class Retention:
    """Erases calls that are older than some days, and all that is of them; in a thread that ends with the process."""

    def __init__(self, store: JournalStore, days: int) -> None:
        self._store = store
        self._days = days
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run_erasure, name="retention", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, with what is being erased."""
        self._stopping.set()
        self._thread.join(timeout=5)

    def _run_erasure(self) -> None:
        pause = FIRST_ERASURE_SECONDS
        while not self._stopping.wait(pause):
            pause = ERASURE_INTERVAL_SECONDS
            erased = 0
            with contextlib.suppress(JournalError):  # whoever writes says that the database is gone
                while some := self._store.erase_rows_before(
                    time.time() - self._days * _SECONDS_PER_DAY, _CALLS_PER_TRANSACTION
                ):
                    erased += some
                    if self._stopping.wait(_ERASURE_PAUSE_SECONDS):
                        break
            if erased:
                structlog.get_logger("callflows.journal").info("what was too old is erased", rows=erased, days=self._days)
