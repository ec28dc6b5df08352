"""Erases stored data in time: a call when its days are over, a number when somebody asks for it."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Final

from callflows.errors import JournalError
from callflows.journal.erasure import compile_mention_pattern, mask_mentions
from callflows.log import get_logger
from callflows.telephony.phone_numbers import parse_caller_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from callflows.journal.spool import Spool
    from callflows.journal.sql_store import SqlStore
    from callflows.journal.stored_rows import JournalEntry


_LOG: Final = get_logger("journal")
FIRST_ERASURE_SECONDS: Final = 10.0
"""Delay of the first erasure after the start, in seconds."""
ERASURE_INTERVAL_SECONDS: Final = 3600.0
"""Interval between erasures, in seconds."""
_ERASURE_PAUSE_SECONDS: Final = 0.05
_CALLS_PER_TRANSACTION: Final = 500
"""Maximum number of calls per transaction."""
_SECONDS_PER_DAY: Final = 86_400.0


class Retention:
    """Erases calls older than a number of days, in a daemon thread."""

    # No BackgroundThread: a stop must not begin another erasure, and ends the pauses within one.
    def __init__(self, store: SqlStore, days: int) -> None:
        self._store = store
        self._days = days
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run_erasure, name="retention", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop after the running transaction; wait at most 5 seconds."""
        self._stopping.set()
        if self._thread.is_alive():  # not if another part of the server could not start
            self._thread.join(timeout=5)

    def _run_erasure(self) -> None:
        pause = FIRST_ERASURE_SECONDS
        while not self._stopping.wait(pause):
            pause = ERASURE_INTERVAL_SECONDS
            erased = 0
            with contextlib.suppress(JournalError):  # the writer logs the outage of the database
                while some := self._store.erase_rows_before(
                    time.time() - self._days * _SECONDS_PER_DAY, _CALLS_PER_TRANSACTION
                ):
                    erased += some
                    if self._stopping.wait(_ERASURE_PAUSE_SECONDS):
                        break
            if erased:
                _LOG.info("what was too old is erased", rows=erased, days=self._days)


def forget_number(store: SqlStore, spool: Spool, number: str, on_progress: Callable[[int], None]) -> Mapping[str, int]:
    """Forget a phone number or the login name of a SIP user. Return the number of erased or changed rows per table.

    The key ``spool`` counts the entries in spool files. Raises JournalUnavailableError.
    """
    number = parse_caller_number(number) or number
    mentioned = compile_mention_pattern(number)

    def forget_in_entry(entry: JournalEntry) -> JournalEntry | None:
        table, row = entry
        mine = table in ("calls", "messages") and number in (
            row.get(name) for name in ("caller", "number", "sender", "recipient")
        )
        return None if mine else (table, {**row, **mask_mentions(row, mentioned)})

    waiting = spool.rewrite_entries(forget_in_entry)
    found = {**store.forget_number(number, mentioned, on_progress)}
    return found | ({"spool": waiting} if waiting else {})
