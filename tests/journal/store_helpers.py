"""Writing to a store and reading it, as tests want it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callflows.journal.call_story import build_call_log_row, build_call_story
from callflows.journal.journal_rows import build_journal_entries
from callflows.journal.stored_rows import CallFilter
from callflows.telephony.events import AnsweredRequest, AnswerOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callflows.journal.sql_store import SqlStore
    from callflows.telephony.events import PlatformEvent


def write_items(store: SqlStore, *happened: PlatformEvent | AnsweredRequest) -> None:
    store.write_entries([entry for what in happened for entry in build_journal_entries(what)])


def write_one_by_one(store: SqlStore, happened: Iterable[PlatformEvent | AnsweredRequest]) -> None:
    for what in happened:
        write_items(store, what)


def list_log_rows(store: SqlStore, **criteria: Any) -> list[dict[str, Any]]:
    return [build_call_log_row(row) for row in store.list_calls(CallFilter(**criteria))]


def list_ids(store: SqlStore, **criteria: Any) -> list[str]:
    return [row["id"] for row in list_log_rows(store, **criteria)]


def load_call_story(store: SqlStore, call: str) -> dict[str, Any]:
    rows = store.load_call(call)
    assert rows is not None, f"there is no call {call}"
    return build_call_story(rows, store.shortest_message_seconds)


def build_answered_request(at: float, path: str = "/call", **extra_fields: str) -> AnsweredRequest:
    """A request and its answer, of a flow that decides nothing."""
    fields = {"from": "+12015550999", "to": "12015550123", **extra_fields}
    outcome = AnswerOutcome("answered", "desk", "start", version="1")
    query = b"from=%2B12015550999&to=12015550123"
    return AnsweredRequest(
        at, 0.001, "GET", path, query, fields, 200, ["<Response><Say>Hi.</Say></Response>"], outcome, None
    )
