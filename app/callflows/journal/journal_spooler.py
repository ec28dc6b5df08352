"""The second thread of the journal: it spools the items for which the writer is too slow."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from callflows.background_work import BackgroundThread
from callflows.disk_errors import describe_disk_error
from callflows.errors import JournalError
from callflows.journal.cpu_budget import TURNS_BEFORE_SPOOLING
from callflows.journal.journal_writer import JOURNAL_PAUSE_SECONDS, MAX_JOURNAL_BATCH
from callflows.log import get_logger

if TYPE_CHECKING:
    from callflows.journal.journal_health import JournalHealth
    from callflows.journal.journal_writer import JournalWriter
    from callflows.journal.spool import Spool
    from callflows.journal.waiting_items import PendingWrite, SpoolBatch, WaitingItems


_LOG: Final = get_logger("journal")
TURNS_PER_SPOOLER_BATCH: Final = 500
"""Maximum number of turns that are packed together, and written to a file at once."""


class JournalSpooler(BackgroundThread):
    """Spools turns if many come or more than may wait, and everything while a write to the database hangs."""

    def __init__(self, items: WaitingItems, spool: Spool, health: JournalHealth, writer: JournalWriter) -> None:
        super().__init__("journal-spooler", self._spool_excess, JOURNAL_PAUSE_SECONDS)
        self._items = items
        self._spool = spool
        self._health = health
        self._writer = writer
        self._batch: SpoolBatch | None = None
        self._batch_in_flight: list[PendingWrite] = []

    @property
    def item_count(self) -> int:
        """Number of taken items that no disk has accepted yet."""
        return self._batch.item_count if self._batch is not None else 0

    def _spool_excess(self) -> None:
        # Entries may be written twice and in any order, so the two threads need no more than separate items.
        try:
            is_first = True
            while self._batch is not None or self._has_excess(is_first=is_first):
                is_first = False
                if self._batch is None:
                    max_events = MAX_JOURNAL_BATCH if self._writer.is_write_slow else 0
                    self._batch = self._items.take_spool_batch(
                        max_events, TURNS_PER_SPOOLER_BATCH, traces_turns=self._items.turn_count < TURNS_BEFORE_SPOOLING
                    )
                if not self._spool_batch(self._batch):
                    return
            if self._writer.is_write_slow:
                self._spool_in_flight()
        except Exception as error:  # noqa: BLE001 - the thread must survive every error
            _LOG.exception("the journal's spool broke", error=type(error).__name__)

    def _has_excess(self, *, is_first: bool) -> bool:
        """Return True if a batch must be spooled now; ``is_first`` for the first one of a look."""
        if self._writer.is_write_slow:
            return bool(self._items.event_count or self._items.turn_count)
        if is_first and self._writer.delegates_turns:
            # At each look, so that batches are small: callers who come during a large one wait several times as long.
            return self._items.turn_count > 0
        return self._items.turn_count >= self._writer.cpu_budget.turns_before_spooling

    def _spool_batch(self, batch: SpoolBatch) -> bool:
        """Spool the batch. Return False if the disk does not accept it; then the batch waits."""
        try:
            self._spool.append([entry for pending in batch.pending for entry in pending.entries], batch.packed_turns)
        except (OSError, JournalError) as error:
            self._health.log_error("the spool cannot be written; entries stay in memory", reason=describe_disk_error(error))
            return False
        self._batch = None
        self._health.add_results("spooled", batch.item_count)
        for pending in batch.pending:
            pending.settle()
        return True

    def _spool_in_flight(self) -> None:
        """Spool the batch of the hanging write, too: the process may end before the database answers."""
        batch = self._writer.batch
        if batch is not self._batch_in_flight:
            with contextlib.suppress(OSError, JournalError):
                self._spool.append([entry for pending in [*batch] for entry in pending.entries])
                self._batch_in_flight = batch
