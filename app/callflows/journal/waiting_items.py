"""Queues of the journal: events and turns that wait in memory until a thread writes them to the database or the spool."""

from __future__ import annotations

import concurrent.futures
import threading
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.background_work import BoundedQueue
from callflows.errors import JournalError
from callflows.journal.journal_rows import build_journal_entries
from callflows.journal.redacted_turns import TurnRedactor, pack_turns
from callflows.log import get_logger
from callflows.telephony.events import AnsweredRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callflows.journal.journal_health import JournalHealth
    from callflows.journal.journal_rows import JournalItem
    from callflows.journal.redacted_turns import TraceDocument
    from callflows.journal.stored_rows import JournalEntry


_LOG: Final = get_logger("journal")
MAX_WAITING_EVENTS_IN_JOURNAL: Final = 20_000
"""Maximum number of events and effect results that wait in memory."""
MAX_WAITING_TURNS: Final = 10_000
"""Maximum number of turns that wait in memory, each with its document. So many wait only if no disk takes them."""
WriteCompletion = concurrent.futures.Future[None]
"""Future of a caller that waits until an item is on the disk."""


class PendingWrite(NamedTuple):
    """The entries of an item, and the future of the waiting caller, if any."""

    entries: list[JournalEntry]
    completion: WriteCompletion | None

    def settle(self, error: Exception | None = None) -> None:
        """Tell the waiting caller that the entries are on the disk, or that they will not be."""
        _settle_completion(self.completion, error)


class SpoolBatch(NamedTuple):
    """Entries and packed turns to spool. ``item_count`` is the number of items that they come from."""

    pending: list[PendingWrite]
    packed_turns: list[bytes]
    item_count: int


class WaitingItems:
    """Items that wait. Any thread adds items; both threads of the journal take them."""

    def __init__(self, trace_document: TraceDocument | None, health: JournalHealth) -> None:
        """See ``TurnRedactor.redact_turn`` for the callable."""
        self._trace_document = trace_document
        self._health = health
        self._events: BoundedQueue[tuple[JournalItem, WriteCompletion | None]] = BoundedQueue(MAX_WAITING_EVENTS_IN_JOURNAL)
        self._turns: BoundedQueue[AnsweredRequest] = BoundedQueue(MAX_WAITING_TURNS)
        self._take_lock = threading.Lock()
        self._taken_turn_count = 0

    @property
    def event_count(self) -> int:
        return len(self._events)

    @property
    def turn_count(self) -> int:
        return len(self._turns)

    @property
    def turn_total(self) -> int:
        """Number of turns that were added since the start."""
        return self._taken_turn_count + len(self._turns)

    @property
    def dropped_count(self) -> int:
        """Number of items dropped because a queue was full, and not reported yet."""
        return self._events.dropped_count + self._turns.dropped_count

    def add_item(self, item: JournalItem) -> bool:
        """Add an item; return False if it is dropped, because its queue is full. Never waits."""
        return self._turns.add(item) if isinstance(item, AnsweredRequest) else self._events.add((item, None))

    def add_awaited_items(self, items: Sequence[JournalItem]) -> list[WriteCompletion]:
        """Add items; each future is done when its item is on the disk. Raises JournalError if there is no room."""
        completions = [WriteCompletion() for _ in items]
        has_room = len(items) <= self._events.capacity - len(self._events)
        if not has_room or not all(map(self._events.add, zip(items, completions, strict=True))):
            raise JournalError("nothing can be written now")
        return completions

    def take_writes(self, max_events: int, max_turns: int) -> list[PendingWrite]:
        """Take the oldest items, and build their entries."""
        events, turns = self._take(max_events, max_turns)
        items: list[tuple[JournalItem, WriteCompletion | None]] = [*events, *((turn, None) for turn in turns)]
        return [pending for item, completion in items if (pending := self._build_write(item, completion)) is not None]

    def take_spool_batch(self, max_events: int, max_turns: int, *, traces_turns: bool) -> SpoolBatch:
        """Take the oldest items, and pack the turns: their rows are built when the spool is drained.

        Unless ``traces_turns``, the places of their documents stay unknown, which takes less time.
        """
        events, turns = self._take(max_events, max_turns)
        writes = [pending for item, completion in events if (pending := self._build_write(item, completion)) is not None]
        redactor, redacted = TurnRedactor(), []
        trace_document = self._trace_document if traces_turns else None
        for turn in turns:
            if turn.outcome.kind != "refused":
                try:
                    redacted.append(redactor.redact_turn(turn, trace_document))
                except Exception as error:  # noqa: BLE001 - later items must still be written
                    self._refuse_item(error)
        return SpoolBatch(writes, [pack_turns(redacted, redactor.texts)] if redacted else [], len(writes) + len(turns))

    def refuse_awaited_items(self, error: JournalError) -> None:
        """Tell all callers that wait for an item that it cannot be written; the items of the others stay."""
        with self._take_lock:
            for item, completion in self._events.take(len(self._events)):
                if completion is None:
                    self._events.add((item, None))
                else:
                    _settle_completion(completion, error)

    def report_dropped_items(self) -> None:
        """Count and log the items dropped since the last report."""
        lost = self._events.take_dropped_count() + self._turns.take_dropped_count()
        if lost:
            self._health.add_results("dropped", lost)
            self._health.log_error("the journal dropped what happened: too much waits", count=lost)

    def _take(
        self, max_events: int, max_turns: int
    ) -> tuple[list[tuple[JournalItem, WriteCompletion | None]], list[AnsweredRequest]]:
        with self._take_lock:
            turns = self._turns.take(max_turns)
            self._taken_turn_count += len(turns)
            return self._events.take(max_events), turns

    def _build_write(self, item: JournalItem, completion: WriteCompletion | None) -> PendingWrite | None:
        """Build the entries of an item; None, with a log line, if that fails."""
        try:
            entries = build_journal_entries(item, self._trace_document)
            return PendingWrite(entries, completion)
        except Exception as error:  # noqa: BLE001 - later items must still be written
            self._refuse_item(error, completion)
            return None

    def _refuse_item(self, error: Exception, completion: WriteCompletion | None = None) -> None:
        self._health.add_results("refused")
        _LOG.exception("an item could not be turned into rows", error=type(error).__name__)
        _settle_completion(completion, JournalError(f"it cannot be remembered: {type(error).__name__}"))


def _settle_completion(completion: WriteCompletion | None, error: Exception | None = None) -> None:
    if completion is not None and completion.set_running_or_notify_cancel():
        completion.set_exception(error) if error else completion.set_result(None)
