"""Writing to a store and reading it, as tests want it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.answered import Answered, Outcome
from app.journal.entries import entries_of
from app.journal.store import Filter
from app.journal.story import row_of, story_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.happened import Happened
    from app.journal.sql import SqlStore


def nothing_decided(_turn: object) -> list[dict[str, Any]]:
    return []


def write(store: SqlStore, *happened: Happened | Answered) -> None:
    store.write([entry for what in happened for entry in entries_of(what, nothing_decided)])


def one_by_one(store: SqlStore, happened: Iterable[Happened | Answered]) -> None:
    for what in happened:
        write(store, what)


def rows(store: SqlStore, **wanted: Any) -> list[dict[str, Any]]:
    return [row_of(row) for row in store.calls(Filter(**wanted))]


def ids(store: SqlStore, **wanted: Any) -> list[str]:
    return [row["id"] for row in rows(store, **wanted)]


def story(store: SqlStore, call: str) -> dict[str, Any]:
    told = store.told(call)
    assert told is not None, f"there is no call {call}"
    return story_of(told)


def answered(at: float, path: str = "/call", **told: str) -> Answered:
    """A request and its answer, of a flow that decides nothing."""
    fields = {"from": "+12015550999", "to": "12015550123", **told}
    outcome = Outcome("answered", "desk", "start", version="1")
    query = b"from=%2B12015550999&to=12015550123"
    return Answered(at, 0.001, "GET", path, query, fields, 200, b"<Response><Say>Hi.</Say></Response>", outcome, None)
