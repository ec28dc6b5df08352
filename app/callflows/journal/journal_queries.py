"""What the journal is asked. Each question waits for the database in a thread, and raises StoreGone where it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from callflows.errors import JournalUnavailableError
from callflows.journal.call_story import build_call_log_row, build_call_story, extract_executed_step
from callflows.recent_keys import RecentKeys
from callflows.telephony.call_record import VOICEMAIL_TAG, CallRecord, ReportedLeg, ReportedRecording
from callflows.telephony.ports import Effect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from callflows.journal.journal_store import CallFilter, JournalRow, JournalStore, StoredCall, StoredLease


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
        """As ``callflows.telephony.ports.OptOuts``. Raises StoreGone."""
        return await self._run_query(self._store.is_opted_out, number, other_party)

    async def opt_out(self, number: str, other_party: str, timestamp: float) -> bool:
        """As ``callflows.telephony.ports.OptOuts``. Raises StoreGone."""
        return await self._run_query(functools.partial(self._store.store_opt_out, number, other_party, timestamp, out=True))

    async def opt_in(self, number: str, other_party: str, timestamp: float) -> bool:
        """As ``callflows.telephony.ports.OptOuts``. Raises StoreGone."""
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


# A call that is over, put together from all that is kept of it.


def build_finished_call_record(stored: StoredCall) -> CallRecord:
    """The end of a call: who was rung and answered, what was recorded, the tags of what was run."""
    call = stored.call
    over = call["destroy"] or call["hangup"] or call["finished"] or call["started"] or 0.0
    return CallRecord(
        uuid=call["id"],
        from_=call["caller"] or "",
        to=call["number"] or "",
        ended_at=over,
        duration_seconds=build_call_log_row(call)["seconds"] or 0,
        legs=tuple(ReportedLeg(leg["number"] or leg["caller"] or "", leg["answer"] is not None) for leg in stored.legs),
        recordings=tuple(_read_recordings(stored)),
        tags=tuple(_find_tags(stored.events)),
        caller_name=call["name"] or "",
        calls_today=_read_calls_today(stored.turns),
    )


def select_held_effects(rows: Iterable[JournalRow], kind: str) -> list[Effect]:
    """Effects of a kind that wait: they were wanted, and nothing became of them yet."""
    return [_read_effect(row) for row in rows if row["kind"] == kind and row["settled"] is None]


def _read_effect(row: JournalRow) -> Effect:
    return Effect(row["kind"], row["key"], json.loads(row["payload"] or "{}"))


def _read_recordings(stored: StoredCall) -> Iterable[ReportedRecording]:
    """Recordings in order, the transcripts beside them: which belongs to which is not documented."""
    texts = [row["text"] or "" for row in stored.transcripts]
    for index, row in enumerate(stored.recordings):
        raw = json.loads(row["raw"] or "{}")
        seconds = raw.get("duration")
        yield ReportedRecording(
            url=row["url"] or "",
            transcript=texts[index] if index < len(texts) else "",
            seconds=int(seconds) if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) else None,
            tag=_find_tag(raw),
        )


def _find_tags(events: Iterable[JournalRow]) -> Iterable[str]:
    """The tags of the elements that Opentact reported as run. platform: an element's own tag, or in its attributes."""
    for event in events:
        tag = _find_tag(extract_executed_step(json.loads(event["raw"])))
        if tag:
            yield tag


def _find_tag(fields: Mapping[str, Any]) -> str:
    for part in (fields, fields.get("element"), fields.get("attributes"), fields.get("command")):
        if isinstance(part, dict) and isinstance(part.get("tag"), str):
            return str(part["tag"])
    return ""


def _read_calls_today(turns: Iterable[JournalRow]) -> int:
    """How often the caller rang that day, as the first turn was told."""
    for turn in turns:
        calls = json.loads(turn["told"]).get("calls", "")
        if str(calls).isdecimal():
            return int(calls)
    return 0
