"""Asynchronous queries of the journal: those of ``sql_queries`` and the like, each in a thread.

Every query raises JournalUnavailableError during an outage of the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import re
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple, ParamSpec, TypeVar

from callflows.errors import JournalUnavailableError
from callflows.journal import api_tokens, call_count_store, draft_store, inbox, opt_out_store, sql_queries
from callflows.journal.call_ending import find_stored_message_state, read_recording
from callflows.journal.call_facts import derive_call_facts
from callflows.journal.call_story import build_call_log_row
from callflows.journal.heard_words import list_pressed_keys
from callflows.journal.recording_transcripts import pair_transcripts
from callflows.journal.stored_rows import find_call_end
from callflows.recent_keys import RecentKeys
from callflows.telephony.call_record import CONVERSATION_TAG, VOICEMAIL_TAG, CallRecord, build_call_record
from callflows.telephony.events import extract_executed_step
from callflows.telephony.ports import Effect, OptOutRequest
from callflows.telephony.recording_entity import find_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from callflows.journal.api_tokens import TokenOwner
    from callflows.journal.call_count_store import CountedCall
    from callflows.journal.call_facts import CallFacts
    from callflows.journal.call_search import FoundCalls
    from callflows.journal.draft_store import KeptDraft, ListedDraft
    from callflows.journal.inbox import InboxFilter, PersonChange
    from callflows.journal.sql_store import SqlStore
    from callflows.journal.stored_rows import CallFilter, JournalRow, StoredCall, StoredLease
    from callflows.telephony.call_record import ReportedRecording


_P = ParamSpec("_P")
_ResultT = TypeVar("_ResultT")
QUERY_THREADS: Final = 8
CLAIM_TIMEOUT_SECONDS: Final = 1.0
"""Timeout in seconds of a claim that must not delay its caller."""


class FinishedCall(NamedTuple):
    """A finished call; ``held_effects`` waited for the end of the call.

    ``awaits_transcript``: a transcript was requested for a recording, and is not reported yet.
    """

    flow: str
    record: CallRecord
    held_effects: list[Effect]
    awaits_transcript: bool = False


class JournalQueries:
    """Runs the queries of a store in threads."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self._claims_here = RecentKeys()
        self._query_threads = ThreadPoolExecutor(QUERY_THREADS, thread_name_prefix="journal-asked")

    def close(self) -> None:
        """Close the store; queries that are still waiting are not run."""
        self._query_threads.shutdown(wait=False, cancel_futures=True)
        self._store.close()

    async def _run_query(self, query: Callable[_P, _ResultT], *arguments: _P.args, **options: _P.kwargs) -> _ResultT:
        """Run a query in the journal's own thread pool."""
        # A slow database must not block the default thread pool.
        return await asyncio.get_running_loop().run_in_executor(
            self._query_threads, functools.partial(query, *arguments, **options)
        )

    async def claim_key(self, kind: str, key: str) -> bool:
        """Claim a key. Return whether this is the first claim, across processes and restarts.

        Raises JournalUnavailableError.
        """
        return await self._run_query(self._store.claim_key, kind, key, time.time())

    async def is_claimed(self, kind: str, key: str) -> bool:
        """Return True if a key was claimed. Raises JournalUnavailableError."""
        return await self._run_query(self._store.is_claimed, kind, key)

    async def claim_key_or_here(self, kind: str, key: str) -> bool:
        """Claim a key; during an outage, report whether this is the first claim in this process."""
        first = self._claims_here.add((kind, key))
        with contextlib.suppress(JournalUnavailableError, TimeoutError):
            async with asyncio.timeout(CLAIM_TIMEOUT_SECONDS):
                return first and await self.claim_key(kind, key)
        return first

    async def count_text(
        self, conversation: str, digest: str, now: float, find_refusal: Callable[[Collection[tuple[float, str]]], str]
    ) -> str:
        """See ``SentTextRegistry``. Raises JournalUnavailableError."""
        return await self._run_query(self._store.count_text, conversation, digest, now, find_refusal)

    async def count_calls(self, calls: Sequence[CountedCall]) -> list[int]:
        """Count calls for all processes; return their numbers. Raises JournalUnavailableError."""
        return await self._run_query(self._store.run_writing, call_count_store.count_calls, calls)

    async def erase_counts_before(self, moment: float) -> None:
        """Erase the counts of calls before a moment. Raises JournalUnavailableError."""
        await self._run_query(self._store.run_writing, call_count_store.erase_counts_before, moment)

    async def is_opted_out(self, number: str, other_party: str) -> bool:
        """See ``OptOutRegistry``. Raises JournalUnavailableError."""
        return await self._run_query(self._store.run_reading, opt_out_store.query_opt_out, number, other_party)

    async def opt_out(self, number: str, other_party: str, timestamp: float) -> bool:
        """See ``OptOutRegistry``. Raises JournalUnavailableError."""
        request = OptOutRequest(timestamp, opts_out=True)
        return await self._run_query(self._store.run_writing, opt_out_store.store_opt_out, number, other_party, request)

    async def opt_in(self, number: str, other_party: str, timestamp: float) -> bool:
        """See ``OptOutRegistry``. Raises JournalUnavailableError."""
        request = OptOutRequest(timestamp, opts_out=False)
        return await self._run_query(self._store.run_writing, opt_out_store.store_opt_out, number, other_party, request)

    async def load_finished_call(self, call_id: str) -> FinishedCall | None:
        """Load a call's flow, its record and its held voicemail effects. Raises JournalUnavailableError."""
        return await self._run_query(self._load_finished_call, call_id)

    def _load_finished_call(self, call_id: str) -> FinishedCall | None:
        stored = self._store.load_call(call_id)
        if stored is None:
            return None
        facts = derive_call_facts(stored, self._store.shortest_message_seconds)
        record = build_finished_call_record(stored, facts, self._store.shortest_message_seconds)
        is_silent = any(not one.transcript for one in record.recordings if one.tag != CONVERSATION_TAG)
        return FinishedCall(
            facts.flow or stored.call["flow"] or "",
            record,
            select_held_effects(stored.effects, VOICEMAIL_TAG),
            is_silent and any(map(_requests_transcript, stored.turns)),
        )

    async def list_held_effects(self, before: float, limit: int) -> list[Effect]:
        """List voicemail effects requested before a moment, without a result. Raises JournalUnavailableError."""
        rows = await self._run_query(self._store.run_reading, sql_queries.query_held_effects, VOICEMAIL_TAG, before, limit)
        return select_held_effects(rows, VOICEMAIL_TAG)

    async def list_uncompleted_calls(self, claim: str, since: float, limit: int) -> list[str]:
        """List callers' calls that ended since a moment without a claim of their key. Raises JournalUnavailableError."""
        return await self._run_query(self._store.run_reading, sql_queries.query_uncompleted_calls, claim, since, limit)

    async def hold_lease(self, name: str, holder: str, seconds: float, mark: float | None = None) -> bool:
        """Acquire or renew a lease for some seconds. Return whether the holder has the lease.

        A lease gives work to only one replica. ``mark`` is the moment up to which the work is complete.
        Raises JournalUnavailableError.
        """
        return await self._run_query(self._store.hold_lease, name, holder, time.time(), seconds, mark)

    async def load_lease(self, name: str) -> StoredLease | None:
        """Return the last holder of a lease and its mark; None if never held. Raises JournalUnavailableError."""
        return await self._run_query(self._store.load_lease, name)

    async def load_shared_text(self, name: str) -> str | None:
        """Return a text that all servers share; None if there is none. Raises JournalUnavailableError."""
        return await self._run_query(self._store.load_shared_text, name)

    async def replace_shared_text(self, name: str, before: str, text: str) -> bool:
        """Replace a shared text; return False if it is not ``before`` any more. Raises JournalUnavailableError."""
        return await self._run_query(self._store.replace_shared_text, name, before, text)

    async def store_draft(self, draft: KeptDraft) -> None:
        """Store the draft of a person. Raises JournalUnavailableError."""
        await self._run_query(self._store.run_writing, draft_store.store_draft, draft)

    async def store_draft_report(self, draft: KeptDraft, report: str) -> bool:
        """Store what a trial of a draft has found, see ``draft_store``. Raises JournalUnavailableError."""
        return await self._run_query(self._store.run_writing, draft_store.store_draft_report, draft, report)

    async def erase_draft(self, flow: str, who: str) -> None:
        """Erase the draft of a person. Raises JournalUnavailableError."""
        await self._run_query(self._store.run_writing, draft_store.erase_draft, flow, who)

    async def load_draft(self, flow: str, who: str) -> KeptDraft | None:
        """Return the draft of a person; None if there is none. Raises JournalUnavailableError."""
        return await self._run_query(self._store.run_reading, draft_store.query_draft, flow, who, time.time())

    async def list_drafts(self) -> list[ListedDraft]:
        """List the drafts of all people, the newest first. Raises JournalUnavailableError."""
        return await self._run_query(self._store.run_reading, draft_store.query_drafts, time.time())

    @property
    def shortest_message_seconds(self) -> float:
        """Length in seconds below which a recording is no voicemail."""
        return self._store.shortest_message_seconds

    async def list_calls(self, call_filter: CallFilter) -> list[JournalRow]:
        """List the calls of a filter with a limit, newest first. Raises JournalUnavailableError."""
        return await self._run_query(lambda: [*self._store.list_calls(call_filter)])

    async def search_calls(self, call_filter: CallFilter, seconds: float) -> FoundCalls:
        """Search calls as ``call_search.search_calls`` does. Raises JournalUnavailableError."""
        return await self._run_query(self._store.search_calls, call_filter, seconds)

    async def list_ids_by_prefix(self, kind: str, prefix: str, limit: int) -> list[str]:
        """List ids as ``query_ids_by_prefix`` does. Raises JournalUnavailableError."""
        return await self._run_query(lambda: self._store.run_reading(inbox.query_ids_by_prefix, kind, prefix, limit))

    async def load_call(self, call_id: str) -> StoredCall | None:
        """Load a call with all its rows. Raises JournalUnavailableError."""
        return await self._run_query(self._store.load_call, call_id)

    async def list_voicemails(self, inbox_filter: InboxFilter) -> list[dict[str, Any]]:
        """List the voicemails of a filter with a limit, newest first. Raises JournalUnavailableError."""
        return await self._run_query(lambda: [*self._store.list_voicemails(inbox_filter)])

    async def list_messages(self, inbox_filter: InboxFilter) -> list[dict[str, Any]]:
        """List the text messages of a filter with a limit, newest first. Raises JournalUnavailableError."""
        return await self._run_query(lambda: [*self._store.list_messages(inbox_filter)])

    async def find_recording_url(self, id_: str) -> str:
        """Return the URL of a recording; empty if it is unknown. Raises JournalUnavailableError."""
        return await self._run_query(self._store.run_reading, inbox.query_recording_url, id_)

    async def has_thing(self, kind: str, id_: str) -> bool:
        """Return True if there is such a voicemail, message or call. Raises JournalUnavailableError."""
        return id_ in await self._run_query(self._store.run_reading, inbox.query_ids_by_prefix, kind, id_, 1)

    async def set_handled(self, kind: str, key: str, change: PersonChange, *, handled: bool) -> bool:
        """Mark a thing as handled or as new. Return whether that changed anything. Raises JournalUnavailableError."""
        return await self._run_query(self._store.run_writing, inbox.set_handled, kind, key, change, handled=handled)

    async def add_note(self, kind: str, key: str, change: PersonChange, text: str) -> JournalRow:
        """Add a note to a thing. Raises JournalUnavailableError, and JournalRejectionError for an empty note."""
        return await self._run_query(self._store.run_writing, inbox.add_note, kind, key, change, text)

    async def add_audit_row(self, change: PersonChange, action: str, key: str, before: str, after: str) -> None:
        """Add a change that was made elsewhere to the audit log. Raises JournalUnavailableError."""
        await self._run_query(self._store.run_writing, inbox.add_audit_row, change, action, key, (before, after))

    async def count_endings(self, since: float, flow: str = "") -> list[tuple[str, int, int]]:
        """Count the calls since a moment by ending, see ``sql_queries``. Raises JournalUnavailableError."""
        return await self._run_query(self._store.run_reading, sql_queries.query_ending_counts, since, flow)

    async def count_traffic(self, flow: str, since: float) -> list[tuple[str, str, int]]:
        """Count the ways of calls in a flow, see ``sql_queries``. Raises JournalUnavailableError."""
        return await self._run_query(self._store.run_reading, sql_queries.query_traffic, flow, since)

    async def count_calls_of_nodes(self, flow: str, since: float) -> list[tuple[str, int]]:
        """Count the calls that came to each node of a flow. Raises JournalUnavailableError."""
        return await self._run_query(self._store.run_reading, sql_queries.query_calls_of_nodes, flow, since)

    async def count_ending_nodes(self, flow: str, since: float) -> list[tuple[str, str, int]]:
        """Count the calls of a flow by last node and ending. Raises JournalUnavailableError."""
        return await self._run_query(self._store.run_reading, sql_queries.query_ending_nodes, flow, since)

    async def find_last_calls(self, numbers: Sequence[str]) -> dict[str, float]:
        """Return the beginning of the last call to each number that was called. Raises JournalUnavailableError."""
        return await self._run_query(self._store.run_reading, sql_queries.query_last_calls, numbers)

    async def list_paths(self, call_ids: Sequence[str]) -> dict[str, list[JournalRow]]:
        """Return the nodes that calls came to, by call. Raises JournalUnavailableError."""
        return await self._run_query(self._store.run_reading, sql_queries.query_paths, call_ids)

    async def explain_endings(self, call_ids: Sequence[str]) -> dict[str, str]:
        """Return by call why it ended as it did. Raises JournalUnavailableError."""
        shortest = self.shortest_message_seconds
        return await self._run_query(self._store.run_reading, sql_queries.query_ending_reasons, call_ids, shortest)

    async def list_audit_rows(self, actions: Sequence[str], key: str) -> list[JournalRow]:
        """List changes as ``query_audit_rows`` does. Raises JournalUnavailableError."""
        return await self._run_query(self._store.run_reading, inbox.query_audit_rows, actions, key)

    async def list_versions(self, flow: str) -> list[JournalRow]:
        """List the versions of a flow without their source, newest first. Raises JournalUnavailableError."""
        return await self._run_query(self._store.run_reading, sql_queries.query_versions, flow)

    async def load_version(self, flow: str, version: str) -> JournalRow | None:
        """Load a version of a flow with its source. Raises JournalUnavailableError."""
        return await self._run_query(self._store.run_reading, sql_queries.query_version, flow, version)

    async def list_version_sources(self, flow: str, limit: int) -> list[JournalRow]:
        """List the newest versions of a flow with their source. Raises JournalUnavailableError."""
        return await self._run_query(self._store.run_reading, sql_queries.query_version_sources, flow, limit)

    async def find_token_owner(self, token: str) -> TokenOwner | None:
        """Return the owner of a valid token of the HTTP API. Raises JournalUnavailableError."""
        return await self._run_query(self._store.run_reading, api_tokens.find_token_owner, token, time.time())


def build_finished_call_record(stored: StoredCall, facts: CallFacts, shortest_message_seconds: float) -> CallRecord:
    """Build a call record from all stored rows of a finished call, and the facts derived from them."""
    call = stored.call
    # For a flow, the person that we called is the caller.
    caller, number = (call["number"], call["caller"]) if call["direction"] == "out" else (call["caller"], call["number"])
    return build_call_record(
        uuid=call["id"],
        from_=caller or "",
        to=number or "",
        ended_at=find_call_end(call) or call["started"] or 0.0,
        seconds=build_call_log_row(call)["seconds"] or 0,
        legs=(
            (leg["number"] or leg["caller"] or "", leg["answer"] is not None)
            for leg in sorted(stored.legs, key=lambda leg: (leg["answer"] is None, leg["answer"] or 0.0))
        ),
        recordings=_read_recordings(stored),
        shortest_message_seconds=shortest_message_seconds,
        message=find_stored_message_state(stored, shortest_message_seconds),
        node=facts.last_node,
        keys=list_pressed_keys(facts.traced_turns, [turn["document"] for turn in stored.turns]),
        tags=(find_tag(extract_executed_step(json.loads(event["raw"]))) for event in stored.events),
        caller_name=call["name"] or "",
        calls_today=_read_calls_today(stored.turns),
    )


def select_held_effects(rows: Iterable[JournalRow], kind: str) -> list[Effect]:
    """Return the requested effects of a kind without a result."""
    return [_read_effect(row) for row in rows if row["kind"] == kind and row["settled"] is None]


def _read_effect(row: JournalRow) -> Effect:
    return Effect(row["kind"], row["key"], json.loads(row["payload"] or "{}"))


def _read_recordings(stored: StoredCall) -> Iterable[ReportedRecording]:
    texts = pair_transcripts(stored.recordings, stored.transcripts).by_recording
    for row in stored.recordings:
        yield read_recording(row, texts.get(row["id"], ""))


def _requests_transcript(turn: JournalRow) -> bool:
    return _TRANSCRIBED_RECORD.search(zlib.decompress(turn["document"])) is not None


_TRANSCRIBED_RECORD: Final = re.compile(rb'<Record\b[^<>]*\basr="true"')


def _read_calls_today(turns: Iterable[JournalRow]) -> int:
    """Return the caller's number of calls that day, as counted for the first turn."""
    for turn in turns:
        calls = json.loads(turn["request_fields"]).get("calls", "")
        if str(calls).isdecimal():
            return int(calls)
    return 0
