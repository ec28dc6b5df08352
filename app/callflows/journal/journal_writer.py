"""The first thread of the journal: it writes items and spooled entries to the database, and derives endings of calls."""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING, Final

from callflows.background_work import BackgroundThread
from callflows.disk_errors import describe_disk_error
from callflows.errors import JournalError, JournalRejectionError, JournalUnavailableError
from callflows.journal.cpu_budget import TurnRate
from callflows.journal.store_opener import StoreOpener
from callflows.log import get_logger

if TYPE_CHECKING:
    from callflows.journal.cpu_budget import CpuBudget
    from callflows.journal.journal_health import JournalHealth
    from callflows.journal.spool import Spool
    from callflows.journal.spool_drainer import SpoolDrainer
    from callflows.journal.sql_store import SqlStore
    from callflows.journal.stored_rows import JournalEntry
    from callflows.journal.waiting_items import PendingWrite, WaitingItems


_LOG: Final = get_logger("journal")
SLOW_WRITE_SECONDS: Final = 0.25
"""If the database has taken longer for a write, everything that waits goes to the spool."""
TURNS_PER_BATCH: Final = 100
JOURNAL_PAUSE_SECONDS: Final = 0.05
"""Interval of the writer in seconds; with a reachable database, an entry is written within twice this time."""
MAX_JOURNAL_BATCH: Final = 1_000
"""Maximum number of items per transaction."""
_ENTRIES_PER_TRANSACTION: Final = 100
"""Maximum number of spooled entries per transaction."""
_RETRY_SECONDS: Final = 1.0
"""Delay in seconds before an unavailable database is tried again."""
_MIN_DERIVE_SECONDS: Final = 0.5
_DERIVE_CPU_SHARE: Final = 0.04
_CALLS_PER_DERIVATION: Final = 100
"""Limits of deriving endings and paths: the minimum interval, the share of a processor, and the calls at once.

Reports may come by the thousand a second: then calls wait to be derived until there are fewer.
"""
_FORGOTTEN_CALLS_SECONDS: Final = 86_400.0
"""Age in seconds of ended calls that are derived at the start, because the last process was killed before."""
_OPEN_WAIT_SECONDS: Final = 0.2
"""Wait in seconds for the database to open before entries go to files."""
_FIRST_OPEN_WAIT_SECONDS: Final = 4.0
_LAST_OPEN_WAIT_SECONDS: Final = 1.0
"""The wait at shutdown. The wait at the start is longer, because the tables may have to be created."""


class JournalWriter(BackgroundThread):
    """Writes waiting items to the database, within a CPU budget; to the spool while the database is gone."""

    cpu_budget: CpuBudget
    """Set before the thread is started."""

    def __init__(
        self, items: WaitingItems, store: SqlStore, spool: Spool, health: JournalHealth, drainer: SpoolDrainer | None = None
    ) -> None:
        super().__init__("journal", self._write_waiting_items, JOURNAL_PAUSE_SECONDS)
        self._items = items
        self._store = store
        self._spool = spool
        self._health = health
        self._drainer = drainer
        self._turn_rate = TurnRate(lambda: items.turn_total)
        self.delegates_turns = False
        """True while another process writes the turns, out of the spool."""
        self.batch: list[PendingWrite] = []
        """Taken items that are not on a disk yet."""
        self.outage_reason = "it was not opened yet"
        """Reason why the database is unavailable; empty while it is available."""
        self._store_opener = StoreOpener(store)
        self._is_first_opening = True
        self._retry_at = 0.0
        self._derive_at = 0.0
        self._write_began_at = math.inf

    @property
    def is_write_slow(self) -> bool:
        """True while a write to the database takes longer than ``SLOW_WRITE_SECONDS``."""
        return time.monotonic() - self._write_began_at > SLOW_WRITE_SECONDS

    def _write_waiting_items(self) -> None:
        """Write all due items, as far as possible."""
        if self.is_stopping:
            self._retry_at = 0.0  # the last chance: the database is tried at once
        try:
            while self._write_step():
                pass
            self._derive_calls_within_budget()
            if self._drainer is not None:
                self._drainer.note_end()
        except Exception as error:  # noqa: BLE001 - the thread must survive every error
            _LOG.exception("the journal writer failed", error=type(error).__name__)
            self._discard_batch(error)
        finally:
            self._items.report_dropped_items()

    def _write_step(self) -> bool:
        """Write what is due, or some spooled entries if nothing is. Return False if there is no more to do now."""
        are_turns_due = self._are_turns_due()
        if are_turns_due or self._items.event_count or self.batch:
            with self.cpu_budget if are_turns_due else contextlib.nullcontext():
                self._fill_batch(TURNS_PER_BATCH if are_turns_due else 0)
                return not self.batch or self._write_batch()
        if not self._spool.may_have_entries or self.is_stopping or not self._is_store_reachable():
            return False
        if not self._may_write_turns():
            return False
        with self.cpu_budget:
            return self._drain_spool()

    def _discard_batch(self, error: Exception) -> None:
        """Discard the batch after an unexpected error."""
        # The batch may have caused the error: a retry would fail for ever.
        discarded, self.batch = self.batch, []
        self._health.add_results("refused", len(discarded))
        for pending in discarded:
            pending.settle(JournalError(f"it cannot be written: {type(error).__name__}"))

    def _are_turns_due(self) -> bool:
        """Return True if turns wait and may be written now, within the CPU budget."""
        return bool(self._items.turn_count) and (self.is_stopping or self._may_write_turns())

    def _may_write_turns(self) -> bool:
        """Return True if rows of turns may be written now: not if many come, and another process writes them."""
        has_budget = self.cpu_budget.has_budget()
        self.delegates_turns = self._turn_rate.is_high() and self._drainer is not None and self._drainer.ensure_running()
        return has_budget and not self.delegates_turns

    def _fill_batch(self, max_turns: int) -> None:
        """Fill the batch from the queues: events first, then up to ``max_turns`` turns."""
        room = MAX_JOURNAL_BATCH - len(self.batch)
        self.batch += self._items.take_writes(room, min(max_turns, room))

    def _write_batch(self) -> bool:
        """Write the batch to the database, otherwise to the spool. Return False if neither is possible."""
        entries = [entry for pending in self.batch for entry in pending.entries]
        if self._is_store_reachable():
            try:
                self._write_to_store(entries)
            except JournalUnavailableError as error:
                self._mark_store_gone(error)
            except JournalRejectionError:
                return self._write_batch_one_by_one()
            else:
                return self._finish_batch("written")
        try:
            self._spool.append(entries)
        except (OSError, JournalError) as error:
            return self._fail_waiting_callers(error)
        return self._finish_batch("spooled")

    def _write_to_store(self, entries: list[JournalEntry]) -> None:
        """Write entries to the database; ``is_write_slow`` measures how long this takes."""
        self._write_began_at = time.monotonic()
        try:
            self._store.write_entries(entries)
        finally:
            self._write_began_at = math.inf

    def _write_batch_one_by_one(self) -> bool:
        """Write the items of a rejected batch one by one; drop the rejected ones."""
        while self.batch:
            first = self.batch[0]
            try:
                self._write_to_store(first.entries)
            except JournalRejectionError as error:
                self._log_refusal(error)
                first.settle(error)
            except JournalUnavailableError as error:
                self._mark_store_gone(error)
                return True
            else:
                self._health.add_results("written")
                first.settle()
            del self.batch[0]
        return True

    def _finish_batch(self, result: str) -> bool:
        """Count the batch as done, and notify waiting callers."""
        finished, self.batch = self.batch, []
        self._health.add_results(result, len(finished))
        for pending in finished:
            pending.settle()
        return True

    def _fail_waiting_callers(self, error: Exception) -> bool:
        """Notify waiting callers that neither database nor disk works; keep the other items for a retry."""
        batch, self.batch = self.batch, [pending for pending in self.batch if pending.completion is None]
        reason = describe_disk_error(error)
        refusal = JournalError(f"neither the database nor the disk takes it: {reason}")
        for pending in batch:
            pending.settle(refusal)
        # The batch may be full of items that nobody waits for, so that no other would come into it.
        self._items.refuse_awaited_items(refusal)
        self._health.log_error(
            "nothing can be written: what happens waits in memory", reason=reason, waiting=self._items.event_count
        )
        return False

    def _log_refusal(self, error: Exception) -> None:
        self._health.add_results("refused")
        ours = error.__cause__ if isinstance(error.__cause__, (ValueError, TypeError, ArithmeticError)) else None
        _LOG.error("the database rejected a row; it is dropped", reason=str(error), exc_info=ours)

    def _is_store_reachable(self) -> bool:
        """Return True if the database is writable; after an outage it is opened again."""
        if not self.outage_reason:
            return True
        if time.monotonic() < self._retry_at:
            return False
        try:
            if not self._open_store():
                return False
            self._store.mark_underived_calls(time.time() - _FORGOTTEN_CALLS_SECONDS)
        except (JournalUnavailableError, OSError) as error:
            self._mark_store_gone(error)
            return False
        self.outage_reason = ""
        _LOG.info("the journal is written to its database")
        return True

    def _open_store(self) -> bool:
        """Open the database, within a time limit. Return True if the database is open."""
        is_first, self._is_first_opening = self._is_first_opening, False
        if is_first:
            return self._store_opener.ensure_open(_FIRST_OPEN_WAIT_SECONDS)
        return self._store_opener.ensure_open(_LAST_OPEN_WAIT_SECONDS if self.is_stopping else _OPEN_WAIT_SECONDS)

    def _drain_spool(self) -> bool:
        """Write some spooled entries to the database. Return True if others remain, and can be written."""
        try:
            return self._spool.drain_oldest_entries(self._replay_entries)
        except (JournalUnavailableError, OSError) as error:
            self._mark_store_gone(error)
            return False

    def _replay_entries(self, entries: list[JournalEntry]) -> None:
        """Write spooled entries in short transactions, since others wait behind each of them; skip rejected entries."""
        for start in range(0, len(entries), _ENTRIES_PER_TRANSACTION):
            some = entries[start : start + _ENTRIES_PER_TRANSACTION]
            try:
                self._write_to_store(some)
            except JournalRejectionError:
                for entry in some:
                    try:
                        self._write_to_store([entry])
                    except JournalRejectionError as error:
                        self._log_refusal(error)

    def _derive_calls_within_budget(self) -> None:
        """Derive endings and paths of some ended calls, with a small share of a processor."""
        is_due = time.monotonic() >= self._derive_at or self.is_stopping
        if not is_due or self.outage_reason or not self._store.has_underived_calls:
            return
        began = time.thread_time()
        if self.is_stopping or self.cpu_budget.has_budget():
            try:
                with self.cpu_budget:
                    self._store.derive_calls(_CALLS_PER_DERIVATION)
            except JournalUnavailableError as error:
                self._mark_store_gone(error)
        used = time.thread_time() - began
        self._derive_at = time.monotonic() + max(_MIN_DERIVE_SECONDS, used / _DERIVE_CPU_SHARE)

    def _mark_store_gone(self, error: Exception) -> None:
        """Log the outage once, and schedule the next attempt."""
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        if not self.outage_reason or not self._health.has_logged_error:
            self._health.log_error(
                "the database is gone: what happens waits in files, calls are answered", reason=describe_disk_error(error)
            )
        self.outage_reason = str(error) or type(error).__name__
