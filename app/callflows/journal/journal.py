"""The journal of an installation: calls, turns, decisions, events, messages.

Answers never wait for the journal: a thread of its own writes to the database, and a second one to files if the database
is too slow or many turns come, which another process then writes. An acknowledged event is on the disk, in the database or
in a spool file.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from callflows.errors import JournalError
from callflows.journal.cpu_budget import TURNS_BEFORE_SPOOLING, TURNS_BEFORE_SPOOLING_WHEN_BUSY, CpuBudget
from callflows.journal.journal_health import JournalHealth
from callflows.journal.journal_queries import JournalQueries
from callflows.journal.journal_spooler import JournalSpooler
from callflows.journal.journal_writer import JournalWriter
from callflows.journal.retention import Retention
from callflows.journal.spool_drainer import DrainerOptions, SpoolDrainer
from callflows.journal.waiting_items import WaitingItems
from callflows.telephony.events import AnsweredRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.journal.journal_rows import JournalItem
    from callflows.journal.redacted_turns import TraceDocument
    from callflows.journal.spool import Spool
    from callflows.journal.sql_store import SqlStore
    from callflows.settings import Settings
    from callflows.telephony.events import PlatformEvent


_RECORD_TIMEOUT_SECONDS: Final = 10.0
"""Timeout of ``record_now`` in seconds."""


def create_journal(settings: Settings, trace_document: TraceDocument) -> Journal:
    """Create an installation's journal. Raises SettingsError.

    ``trace_document`` finds the places of a document in its flow file.
    """
    from callflows.journal.spool import Spool  # noqa: PLC0415 - heavy, and most commands need no journal
    from callflows.journal.sql_store import SqlStore  # noqa: PLC0415 - as above

    store = SqlStore(settings.journal_url, settings.shortest_message_seconds)
    drainer = SpoolDrainer(
        DrainerOptions(settings.journal_url, str(settings.data), settings.shortest_message_seconds, settings.log_format)
    )
    return Journal(store, Spool(settings.data), settings.retention_days, trace_document, drainer)


class Journal(JournalQueries):
    """Records items: ``record_soon`` never waits, ``record_now`` returns after the write is durable."""

    def __init__(
        self,
        store: SqlStore,
        spool: Spool,
        retention_days: int | None = None,
        trace_document: TraceDocument | None = None,
        drainer: SpoolDrainer | None = None,
    ) -> None:
        """See ``TurnRedactor.redact_turn`` for the callable; without ``retention_days`` all calls are retained.

        ``drainer`` has the rows of many turns written by another process; without it, the journal's own thread writes them.
        """
        super().__init__(store)
        self._spool = spool
        self._health = JournalHealth()
        self._items = WaitingItems(trace_document, self._health)
        self._drainer = drainer
        self._writer = JournalWriter(self._items, store, spool, self._health, drainer)
        self._spooler = JournalSpooler(self._items, spool, self._health, self._writer)
        self._retention = Retention(store, retention_days) if retention_days is not None else None

    def record_soon(self, item: JournalItem) -> None:
        """Queue an item, or drop the item if the queue is full; never waits and never raises."""
        if self._items.add_item(item) and isinstance(item, AnsweredRequest):
            if self._items.turn_count == TURNS_BEFORE_SPOOLING_WHEN_BUSY:
                self._writer.wake()
            elif self._items.turn_count == TURNS_BEFORE_SPOOLING:
                self._spooler.wake()

    async def record_now(self, *events: PlatformEvent) -> None:
        """Write events; the events are on the disk on return. Raises JournalError if a write is not confirmed."""
        if not self._writer.is_running:
            raise JournalError("nothing can be written now")
        completions = self._items.add_awaited_items(events)
        self._writer.wake()
        try:
            async with asyncio.timeout(_RECORD_TIMEOUT_SECONDS):
                await asyncio.gather(*map(asyncio.wrap_future, completions))
        except TimeoutError:
            raise JournalError(f"it was not written within {_RECORD_TIMEOUT_SECONDS:.0f} seconds") from None

    def start(self) -> None:
        """Start the threads as daemons; the database may be unavailable.

        Call this in the thread that answers calls: the CPU budget measures that thread.
        """
        self._writer.cpu_budget = CpuBudget()
        self._writer.start()
        self._spooler.start()
        if self._retention is not None:
            self._retention.start()

    def stop(self, grace_seconds: float = 5.0) -> None:
        """Write all waiting items, and stop."""
        self._writer.stop(grace_seconds)
        self._spooler.stop(grace_seconds)
        if self._drainer is not None:
            self._drainer.stop()
        if self._retention is not None:
            self._retention.stop()
        self.close()

    def get_status(self) -> dict[str, Any]:
        """Return ``database`` (ok or gone; the log has the reason), waiting items, bytes in spool files, dropped items."""
        taken = len(self._writer.batch) + self._spooler.item_count
        return {
            "database": "gone" if self._writer.outage_reason else "ok",
            "waiting": self._items.event_count + self._items.turn_count + taken,
            "spooled_bytes": self._spool.size_bytes,
            "dropped": self._health.count_results()["dropped"] + self._items.dropped_count,
        }

    def count_results(self) -> Mapping[str, int]:
        """Count items by JOURNAL_RESULTS."""
        return self._health.count_results()
