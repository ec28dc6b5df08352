"""What the journal is asked. Each question waits for the database in a thread, and raises StoreGone where it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from app.ended import VOICEMAIL_TAG
from app.errors import JournalUnavailableError
from app.journal.ends import build_finished_call_record, select_held_effects
from app.journal.story import build_call_log_row, build_call_story
from app.known import RecentKeys

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.ended import CallRecord
    from app.journal.store import CallFilter, JournalStore, StoredLease
    from app.outside import Effect

_ResultT = TypeVar("_ResultT")
QUERY_THREADS: Final = 8
CLAIM_TIMEOUT_SECONDS: Final = 1.0
"""Seconds for which it is asked whether something was done, where that must not wait."""


class FinishedCall(NamedTuple):
    """A call that has ended; ``held`` are effects that waited for that."""

    flow: str
    record: CallRecord
    held_effects: list[Effect]


class JournalQueries:
    """Asks a store."""

    def __init__(self, store: JournalStore) -> None:
        self._store = store
        self._claims_here = RecentKeys()
        self._query_threads = ThreadPoolExecutor(QUERY_THREADS, thread_name_prefix="journal-asked")

    async def _run_query(self, query: Callable[..., _ResultT], *arguments: Any) -> _ResultT:  # noqa: ANN401 - as the question has them
        """Ask in a thread of the journal's own: a database that is slow holds up nobody else's."""
        return await asyncio.get_running_loop().run_in_executor(self._query_threads, functools.partial(query, *arguments))

    async def list_calls(self, call_filter: CallFilter) -> list[dict[str, Any]]:
        """Rows of the call log, the newest first. Raises StoreGone."""
        return await self._run_query(lambda: [build_call_log_row(call) for call in self._store.list_calls(call_filter)])

    async def load_story(self, call_id: str) -> dict[str, Any] | None:
        """All that happened in a call, in order; None where there is none of that id. Raises StoreGone."""
        told = await self._run_query(self._store.load_call, call_id)
        return None if told is None else build_call_story(told)

    async def claim_key(self, kind: str, key: str) -> bool:
        """Whether nobody did something yet: true for one who asks, of all processes and restarts. Raises StoreGone."""
        return await self._run_query(self._store.claim_key, kind, key, time.time())

    async def claim_key_or_here(self, kind: str, key: str) -> bool:
        """As ``once``; where the database is gone, whether nobody in this process did it yet."""
        first = self._claims_here.add((kind, key))
        with contextlib.suppress(JournalUnavailableError, TimeoutError):
            async with asyncio.timeout(CLAIM_TIMEOUT_SECONDS):
                return first and await self.claim_key(kind, key)
        return first

    async def is_opted_out(self, number: str, other_party: str) -> bool:
        """As ``app.consent.OptOuts``. Raises StoreGone."""
        return await self._run_query(self._store.is_opted_out, number, other_party)

    async def opt_out(self, number: str, other_party: str, timestamp: float) -> bool:
        """As ``app.consent.OptOuts``. Raises StoreGone."""
        return await self._run_query(functools.partial(self._store.store_opt_out, number, other_party, timestamp, out=True))

    async def opt_in(self, number: str, other_party: str, timestamp: float) -> bool:
        """As ``app.consent.OptOuts``. Raises StoreGone."""
        return await self._run_query(
            functools.partial(self._store.store_opt_out, number, other_party, timestamp, out=False)
        )

    async def load_finished_call(self, call_id: str) -> FinishedCall | None:
        """A call that has ended: its flow, its end, and the effects of a kind that wait for it. Raises StoreGone."""
        told = await self._run_query(self._store.load_call, call_id)
        if told is None:
            return None
        return FinishedCall(
            told.call["flow"] or "", build_finished_call_record(told), select_held_effects(told.effects, VOICEMAIL_TAG)
        )

    async def list_held_effects(self, before: float, limit: int) -> list[Effect]:
        """Effects that waited for the end of a call since before a moment. Raises StoreGone."""
        rows = await self._run_query(self._store.list_held_effects, VOICEMAIL_TAG, before, limit)
        return select_held_effects(rows, VOICEMAIL_TAG)

    async def hold_lease(self, name: str, holder: str, seconds: float, mark: float | None = None) -> bool:
        """Whether a lease is this holder's for the next seconds; what one of several replicas does. Raises StoreGone.

        ``mark`` is kept with it: a moment up to which that is done.
        """
        return await self._run_query(self._store.hold_lease, name, holder, time.time(), seconds, mark)

    async def load_lease(self, name: str) -> StoredLease | None:
        """Who held a lease last, and its mark; None where nobody ever did. Raises StoreGone."""
        return await self._run_query(self._store.load_lease, name)
