"""The journal of an installation: calls, turns, decisions, events, messages.

Answers never wait for the journal: a thread of its own writes to the database. During an outage of the database, entries
are spooled to files. An acknowledged event is on the disk, in the database or in a spool file.
"""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextlib
import math
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callflows.background_work import BackgroundThread, BoundedQueue
from callflows.errors import JournalError, JournalRejectionError, JournalUnavailableError
from callflows.journal.cpu_budget import TURNS_BEFORE_SPOOLING, TURNS_BEFORE_SPOOLING_WHEN_BUSY, CpuBudget
from callflows.journal.journal_queries import JournalQueries
from callflows.journal.journal_rows import build_journal_entries
from callflows.journal.redacted_turns import TurnRedactor, pack_turns
from callflows.journal.retention import Retention
from callflows.log import get_logger
from callflows.telephony.events import AnsweredRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from callflows.journal.journal_rows import JournalItem, TraceDocument
    from callflows.journal.redacted_turns import DescribeDecisions
    from callflows.journal.spool import Spool
    from callflows.journal.sql_store import SqlStore
    from callflows.journal.stored_rows import JournalEntry
    from callflows.settings import Settings
    from callflows.telephony.events import PlatformEvent


_LOG: Final = get_logger("journal")
__all__ = ["Journal", "create_journal"]


def create_journal(settings: Settings, describe_decisions: DescribeDecisions, trace_document: TraceDocument) -> Journal:
    """Create an installation's journal. Raises SettingsError.

    ``describe_decisions`` words a turn's decisions, ``trace_document`` finds the places of a document in its flow file.
    """
    from callflows.journal.spool import Spool  # noqa: PLC0415 - heavy, and most commands need no journal
    from callflows.journal.sql_store import SqlStore  # noqa: PLC0415 - as above

    store = SqlStore(settings.journal_url, settings.shortest_message_seconds)
    return Journal(store, Spool(settings.data), describe_decisions, settings.retention_days, trace_document)


MAX_WAITING_EVENTS_IN_JOURNAL: Final = 20_000
"""Maximum number of events and effect results that wait in memory."""
MAX_WAITING_TURNS: Final = 10_000
"""Maximum number of turns that wait in memory, each with its document. So many wait only if no disk takes them."""
SLOW_WRITE_SECONDS: Final = 0.25
"""If the database has taken longer for a write, everything that waits goes to the spool."""
TURNS_PER_BATCH: Final = 100
TURNS_PER_SPOOLER_BATCH: Final = 500
"""Maximum number of turns that are packed together, and written to a file at once."""
JOURNAL_PAUSE_SECONDS: Final = 0.05
"""Interval of the writer in seconds; with a reachable database, an entry is written within twice this time."""
MAX_JOURNAL_BATCH: Final = 1_000
"""Maximum number of items per transaction."""
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
_RECORD_TIMEOUT_SECONDS: Final = 10.0
"""Timeout of ``record_now`` in seconds."""
_LOG_INTERVAL_SECONDS: Final = 10.0
"""Minimum interval in seconds between log lines about errors and dropped items."""
_Completion = concurrent.futures.Future[None]


class _PendingWrite(NamedTuple):
    """Entries to write, and the future of the waiting caller, if any."""

    entries: list[JournalEntry]
    completion: _Completion | None


class _SpoolerBatch(NamedTuple):
    """Entries and packed turns to spool. ``item_count`` is the number of items that they come from."""

    pending: list[_PendingWrite]
    packed_turns: list[bytes]
    item_count: int


class Journal(JournalQueries):
    """Records items: ``record_soon`` never waits, ``record_now`` returns after the write is durable."""

    def __init__(
        self,
        store: SqlStore,
        spool: Spool,
        describe_decisions: DescribeDecisions,
        retention_days: int | None = None,
        trace_document: TraceDocument | None = None,
    ) -> None:
        """See ``build_journal_entries`` for the callables; without ``retention_days`` all calls are retained."""
        super().__init__(store)
        self._spool = spool
        self._describe_decisions = describe_decisions
        self._trace_document = trace_document
        self._retention = Retention(store, retention_days) if retention_days is not None else None
        self._waiting_events: BoundedQueue[tuple[JournalItem, _Completion | None]] = BoundedQueue(
            MAX_WAITING_EVENTS_IN_JOURNAL
        )
        self._waiting_turns: BoundedQueue[AnsweredRequest] = BoundedQueue(MAX_WAITING_TURNS)
        self._cpu_budget: CpuBudget
        self._batch: list[_PendingWrite] = []
        self._counts: collections.Counter[str] = collections.Counter()
        self._last_error_at = float("-inf")
        self._store_opener = StoreOpener(store)
        self._is_first_opening = True
        self._outage_reason = "it was not opened yet"
        self._retry_at = 0.0
        self._derive_at = 0.0
        self._take_lock = threading.Lock()
        self._write_began_at = math.inf
        self._spooled_in_flight: list[_PendingWrite] = []
        self._spooler_batch: _SpoolerBatch | None = None
        # A spooled entry raises the first number; a complete drain sets the second to the first at its beginning.
        self._spool_number, self._drained_number = 1, 0
        self._writer = BackgroundThread("journal", self._write_waiting_items, JOURNAL_PAUSE_SECONDS)
        self._spooler = BackgroundThread("journal-spooler", self._spool_excess, JOURNAL_PAUSE_SECONDS)

    def record_soon(self, item: JournalItem) -> None:
        """Queue an item, or drop the item if the queue is full; never waits and never raises."""
        if not isinstance(item, AnsweredRequest):
            self._waiting_events.add((item, None))
        elif self._waiting_turns.add(item):
            if len(self._waiting_turns) == TURNS_BEFORE_SPOOLING_WHEN_BUSY:
                self._writer.wake()
            elif len(self._waiting_turns) == TURNS_BEFORE_SPOOLING:
                self._spooler.wake()

    async def record_now(self, *events: PlatformEvent) -> None:
        """Write events; the events are on the disk on return. Raises JournalError if a write is not confirmed."""
        room = self._waiting_events.capacity - len(self._waiting_events)
        waiting = [_Completion() for _ in events]
        if (
            not self._writer.is_running
            or len(events) > room
            or not all(map(self._waiting_events.add, zip(events, waiting, strict=True)))
        ):
            raise JournalError("nothing can be written now")
        self._writer.wake()
        try:
            async with asyncio.timeout(_RECORD_TIMEOUT_SECONDS):
                await asyncio.gather(*map(asyncio.wrap_future, waiting))
        except TimeoutError:
            raise JournalError(f"it was not written within {_RECORD_TIMEOUT_SECONDS:.0f} seconds") from None

    def start(self) -> None:
        """Start the writer as a daemon thread; the database may be unavailable.

        Call this in the thread that answers calls: the CPU budget measures that thread.
        """
        self._cpu_budget = CpuBudget()
        self._writer.start()
        self._spooler.start()
        if self._retention is not None:
            self._retention.start()

    def stop(self, grace_seconds: float = 5.0) -> None:
        """Write all waiting items, and stop."""
        self._writer.stop(grace_seconds)
        self._spooler.stop(grace_seconds)
        if self._retention is not None:
            self._retention.stop()
        self.close()

    def get_status(self) -> dict[str, Any]:
        """Return ``database`` (ok or gone; the log has the reason), waiting items, bytes in spool files, dropped items."""
        return {
            "database": "gone" if self._outage_reason else "ok",
            "waiting": len(self._waiting_events)
            + len(self._waiting_turns)
            + len(self._batch)
            + (self._spooler_batch.item_count if self._spooler_batch is not None else 0),
            "spooled_bytes": self._spool.size_bytes,
            "dropped": self._counts["dropped"] + self._count_new_drops(),
        }

    def count_results(self) -> Mapping[str, int]:
        """Count items: ``written``, ``spooled`` (to be written later), ``refused`` (by the database), ``dropped``."""
        return {**dict.fromkeys(("written", "spooled", "refused", "dropped"), 0), **self._counts}

    def _count_new_drops(self) -> int:
        """Count the dropped items that the writer has not reported yet."""
        return self._waiting_events.dropped_count + self._waiting_turns.dropped_count

    def _write_waiting_items(self) -> None:
        """Write all due items, as far as possible."""
        if self._writer.is_stopping:
            self._retry_at = 0.0  # the last chance: the database is tried at once
        try:
            while self._write_step():
                pass
            self._derive_calls_within_budget()
        except Exception as error:  # noqa: BLE001 - the thread must survive every error
            _LOG.exception("the journal writer failed", error=type(error).__name__)
            self._discard_batch(error)
        finally:
            self._log_dropped_items()

    def _write_step(self) -> bool:
        """Write what is due, or some spooled entries if nothing is. Return False if there is no more to do now."""
        due = self._are_turns_due()
        if due or self._waiting_events or self._batch:
            with self._cpu_budget if due else contextlib.nullcontext():
                self._fill_batch(TURNS_PER_BATCH if due else 0)
                return not self._batch or self._write_batch()
        if not self._has_spooled_entries or self._writer.is_stopping or not self._is_store_reachable():
            return False
        if not self._cpu_budget.has_budget():
            return False
        with self._cpu_budget:
            return self._drain_spool()

    def _discard_batch(self, error: Exception) -> None:
        """Discard the batch after an unexpected error."""
        held, self._batch = self._batch, []  # the batch may have caused the error: a retry would fail for ever
        self._counts["refused"] += len(held)
        for waiting in held:
            _settle_completion(waiting.completion, JournalError(f"it cannot be written: {type(error).__name__}"))

    def _are_turns_due(self) -> bool:
        """Report whether turns may be written now, within the CPU budget."""
        if not self._waiting_turns or self._writer.is_stopping:
            return bool(self._waiting_turns)
        return self._cpu_budget.has_budget()

    def _fill_batch(self, max_turns: int) -> None:
        """Fill the batch from the queues: events first, then up to ``max_turns`` turns."""
        room = MAX_JOURNAL_BATCH - len(self._batch)
        self._batch += self._take_items(room, min(max_turns, room))

    def _take_items(self, max_events: int, max_turns: int) -> list[_PendingWrite]:
        """Take events and turns from the queues, and build their entries."""
        events, turns = self._take_from_queues(max_events, max_turns)
        items: list[tuple[JournalItem, _Completion | None]] = [*events, *((turn, None) for turn in turns)]
        return [pending for item, completion in items if (pending := self._build_write(item, completion)) is not None]

    def _take_from_queues(
        self, max_events: int, max_turns: int
    ) -> tuple[list[tuple[JournalItem, _Completion | None]], list[AnsweredRequest]]:
        with self._take_lock:
            return self._waiting_events.take(max_events), self._waiting_turns.take(max_turns)

    def _build_write(self, item: JournalItem, completion: _Completion | None) -> _PendingWrite | None:
        """Build the entries of an item; None, with a log line, if that fails."""
        try:
            entries = build_journal_entries(item, self._describe_decisions, self._trace_document)
            return _PendingWrite(entries, completion)
        except Exception as error:  # noqa: BLE001 - later items must still be written
            self._refuse_item(error, completion)
            return None

    def _refuse_item(self, error: Exception, completion: _Completion | None = None) -> None:
        self._counts["refused"] += 1
        _LOG.exception("an item could not be turned into rows", error=type(error).__name__)
        _settle_completion(completion, JournalError(f"it cannot be remembered: {type(error).__name__}"))

    def _spool_excess(self) -> None:
        """Spool what the writer is too slow for: turns beyond their number, and everything while a write hangs."""
        # Entries may be written twice and in any order, so the two threads need no more than separate items.
        try:
            while self._spooler_batch is not None or self._has_excess():
                if self._spooler_batch is None:
                    self._spooler_batch = self._take_spooler_batch()
                if not self._spool_batch(self._spooler_batch):
                    return
            if self._is_write_slow():
                self._spool_in_flight()
        except Exception as error:  # noqa: BLE001 - the thread must survive every error
            _LOG.exception("the journal's spool broke", error=type(error).__name__)

    def _has_excess(self) -> bool:
        if self._is_write_slow():
            return bool(self._waiting_events or self._waiting_turns)
        return len(self._waiting_turns) >= self._cpu_budget.turns_before_spooling

    def _is_write_slow(self) -> bool:
        return time.monotonic() - self._write_began_at > SLOW_WRITE_SECONDS

    def _take_spooler_batch(self) -> _SpoolerBatch:
        """Take turns, and events too while a write hangs. Turns are packed: their rows are built when they are drained."""
        events, turns = self._take_from_queues(MAX_JOURNAL_BATCH if self._is_write_slow() else 0, TURNS_PER_SPOOLER_BATCH)
        pending = [made for item, completion in events if (made := self._build_write(item, completion)) is not None]
        redactor, redacted = TurnRedactor(self._describe_decisions), []
        for turn in turns:
            if turn.outcome.kind != "refused":
                try:
                    redacted.append(redactor.redact_turn(turn))
                except Exception as error:  # noqa: BLE001 - later items must still be written
                    self._refuse_item(error)
        return _SpoolerBatch(pending, [pack_turns(redacted, redactor.texts)] if redacted else [], len(pending) + len(turns))

    def _spool_batch(self, batch: _SpoolerBatch) -> bool:
        """Spool the spooler's batch. Return False if the disk does not take it; then the batch waits."""
        try:
            self._append_to_spool([entry for made in batch.pending for entry in made.entries], batch.packed_turns)
        except (OSError, JournalError) as error:
            self._log_error("the spool cannot be written; entries stay in memory", reason=str(error))
            return False
        self._spooler_batch = None
        self._counts["spooled"] += batch.item_count
        for made in batch.pending:
            _settle_completion(made.completion)
        return True

    def _spool_in_flight(self) -> None:
        """Spool, too, what the database has not taken yet: the process may end before it answers."""
        batch = self._batch
        if batch is not self._spooled_in_flight:
            with contextlib.suppress(OSError, JournalError):
                self._append_to_spool([entry for pending in [*batch] for entry in pending.entries])
                self._spooled_in_flight = batch

    def _append_to_spool(self, entries: list[JournalEntry], packed_turns: Sequence[bytes] = ()) -> None:
        self._spool.append(entries, packed_turns)
        self._spool_number += 1

    @property
    def _has_spooled_entries(self) -> bool:
        return self._spool_number != self._drained_number

    def _write_to_store(self, entries: list[JournalEntry]) -> None:
        """Write entries to the database; the spooler sees how long this takes."""
        self._write_began_at = time.monotonic()
        try:
            self._store.write_entries(entries)
        finally:
            self._write_began_at = math.inf

    def _write_batch(self) -> bool:
        """Write the batch to the database, otherwise to the spool. Return False if neither is possible."""
        entries = [entry for waiting in self._batch for entry in waiting.entries]
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
            self._append_to_spool(entries)
        except (OSError, JournalError) as error:
            return self._fail_waiting_callers(error)
        return self._finish_batch("spooled")

    def _write_batch_one_by_one(self) -> bool:
        """Write the items of a rejected batch one by one; drop the rejected ones."""
        while self._batch:
            first = self._batch[0]
            try:
                self._write_to_store(first.entries)
            except JournalRejectionError as error:
                self._log_refusal(error)
                _settle_completion(first.completion, error)
            except JournalUnavailableError as error:
                self._mark_store_gone(error)
                return True
            else:
                self._counts["written"] += 1
                _settle_completion(first.completion)
            del self._batch[0]
        return True

    def _finish_batch(self, counter_name: str) -> bool:
        """Count the batch as done, and notify waiting callers."""
        held, self._batch = self._batch, []
        self._counts[counter_name] += len(held)
        for waiting in held:
            _settle_completion(waiting.completion)
        return True

    def _fail_waiting_callers(self, error: Exception) -> bool:
        """Notify waiting callers that neither database nor disk works; keep the other items for a retry."""
        held, self._batch = self._batch, [waiting for waiting in self._batch if waiting.completion is None]
        for waiting in held:
            _settle_completion(waiting.completion, JournalError(f"neither the database nor the disk takes it: {error}"))
        self._log_error(
            "nothing can be written: what happens waits in memory", reason=str(error), waiting=len(self._waiting_events)
        )
        return False

    def _log_refusal(self, error: Exception) -> None:
        self._counts["refused"] += 1
        ours = error.__cause__ if isinstance(error.__cause__, (ValueError, TypeError, ArithmeticError)) else None
        _LOG.error("the database rejected a row; it is dropped", reason=str(error), exc_info=ours)

    def _is_store_reachable(self) -> bool:
        """Report whether the database is writable; after an outage it is opened again."""
        if not self._outage_reason:
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
        self._outage_reason = ""
        _LOG.info("the journal is written to its database")
        return True

    def _drain_spool(self) -> bool:
        """Write some spooled entries to the database. Return True if others remain, and can be written."""
        number = self._spool_number
        try:
            remain = self._spool.drain_oldest_entries(self._replay_entries)
        except (JournalUnavailableError, OSError) as error:
            self._mark_store_gone(error)
            return False
        if not remain:
            self._drained_number = number
        return remain

    def _derive_calls_within_budget(self) -> None:
        """Derive endings and paths of some ended calls, with a small share of a processor."""
        is_due = time.monotonic() >= self._derive_at or self._writer.is_stopping
        if not is_due or self._outage_reason or not self._store.has_underived_calls:
            return
        began = time.thread_time()
        if self._writer.is_stopping or self._cpu_budget.has_budget():
            try:
                with self._cpu_budget:
                    self._store.derive_calls(_CALLS_PER_DERIVATION)
            except JournalUnavailableError as error:
                self._mark_store_gone(error)
        used = time.thread_time() - began
        self._derive_at = time.monotonic() + max(_MIN_DERIVE_SECONDS, used / _DERIVE_CPU_SHARE)

    def _open_store(self) -> bool:
        """Open the database, within a time limit. Return whether the database is open."""
        first, self._is_first_opening = self._is_first_opening, False
        return self._store_opener.ensure_open(
            _FIRST_OPEN_WAIT_SECONDS
            if first
            else _LAST_OPEN_WAIT_SECONDS
            if self._writer.is_stopping
            else _OPEN_WAIT_SECONDS
        )

    def _replay_entries(self, entries: list[JournalEntry]) -> None:
        """Write spooled entries; skip rejected ones."""
        try:
            self._write_to_store(entries)
        except JournalRejectionError:
            for entry in entries:
                try:
                    self._write_to_store([entry])
                except JournalRejectionError as error:
                    self._log_refusal(error)

    def _mark_store_gone(self, error: Exception) -> None:
        """Log the outage once, and schedule the next attempt."""
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        if not self._outage_reason or self._last_error_at == float("-inf"):
            self._log_error("the database is gone: what happens waits in files, calls are answered", reason=str(error))
        self._outage_reason = str(error) or type(error).__name__

    def _log_dropped_items(self) -> None:
        lost = self._waiting_events.take_dropped_count() + self._waiting_turns.take_dropped_count()
        if lost:
            self._counts["dropped"] += lost
            self._log_error("the journal dropped what happened: too much waits", count=lost)

    def _log_error(self, event: str, **fields: Any) -> None:  # noqa: ANN401 - plain values
        now = time.monotonic()
        if now - self._last_error_at >= _LOG_INTERVAL_SECONDS:
            self._last_error_at = now
            _LOG.error(event, dropped=self._counts["dropped"], **fields)


def _settle_completion(completion: _Completion | None, error: Exception | None = None) -> None:
    if completion is not None and completion.set_running_or_notify_cancel():
        completion.set_exception(error) if error else completion.set_result(None)


class StoreOpener:
    """Opens a store in a daemon thread, so that a database that hangs does not block the journal's writer."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self._opening: Future[None] | None = None

    def ensure_open(self, wait_seconds: float) -> bool:
        """Start opening if necessary; report whether the store is open within some seconds. Raises the error of opening."""
        if self._opening is None:
            self._opening = Future()
            threading.Thread(target=self._run_open, args=(self._opening,), name="journal-opened", daemon=True).start()
        try:
            self._opening.exception(wait_seconds)
        except TimeoutError:
            return False
        going, self._opening = self._opening, None
        going.result()
        return True

    def _run_open(self, opening: Future[None]) -> None:
        try:
            self._store.open()
        except BaseException as error:  # noqa: BLE001 - ensure_open raises the error
            opening.set_exception(error)
        else:
            opening.set_result(None)
