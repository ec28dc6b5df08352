"""The SQL queries of the journal."""

from __future__ import annotations

import itertools
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from callflows.journal.call_ending import ANSWERED_WITH_DOCUMENT, find_call_ending
from callflows.journal.journal_tables import (
    CALLS_TABLE,
    EFFECTS_TABLE,
    EVENTS_TABLE,
    MESSAGES_TABLE,
    RECORDINGS_TABLE,
    TRANSCRIPTS_TABLE,
    TURNS_TABLE,
)
from callflows.journal.state_order import OUTCOME_RANKS, add_rank
from callflows.journal.stored_rows import StoredCall, find_call_end
from callflows.telephony.call_states import CALL_STATE_RANKS, LAST_CALL_STATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Select, Table

    from callflows.journal.stored_rows import CallFilter, JournalRow


_MESSAGE_WINDOW_SECONDS: Final = 3600.0
"""Window in seconds after a call for messages between the same two numbers."""
_CALLS_PER_QUERY: Final = 200
"""Number of calls whose endings are computed at once."""
_EVENT_ORDER: Final = (EVENTS_TABLE.c.at, EVENTS_TABLE.c.arrived, EVENTS_TABLE.c.key)
"""Opentact's moments have milliseconds, and several events may share one: then the order of their arrival counts."""
_LEGS = CALLS_TABLE.alias("leg")


def query_calls(connection: Connection, call_filter: CallFilter, shortest_message_seconds: float) -> Iterator[JournalRow]:
    """Return matching calls, newest first, each with its ``ending``, and its number of ``turns`` and ``legs``.

    Rows are streamed. The ending is computed from other rows, so its filter is applied here and not by the database.
    """
    streamed = _query_call_rows(connection, call_filter)
    matching = (
        call
        for calls in iter(lambda: [*itertools.islice(streamed, _CALLS_PER_QUERY)], [])
        for call in _add_endings(connection, calls, shortest_message_seconds)
        if call_filter.outcome in ("", call["ending"].kind)
    )
    return itertools.islice(matching, call_filter.limit)


def _query_call_rows(connection: Connection, call_filter: CallFilter) -> Iterator[JournalRow]:
    found = (
        select(CALLS_TABLE)
        .where(*_build_call_conditions(call_filter))
        .order_by(CALLS_TABLE.c.started.desc(), CALLS_TABLE.c.id.desc())
    )
    limit = None if call_filter.outcome else call_filter.limit
    listed = (found if limit is None else found.limit(limit)).subquery("listed")
    turns = select(func.count()).where(TURNS_TABLE.c.call == listed.c.id).scalar_subquery()
    legs = select(func.count()).where(_LEGS.c.parent == listed.c.id).scalar_subquery()
    counted = select(listed, turns.label("turns"), legs.label("legs")).order_by(listed.c.started.desc(), listed.c.id.desc())
    streamed = connection.execution_options(yield_per=1000).execute(counted)
    return (dict(row) for row in streamed.mappings())


def _add_endings(
    connection: Connection, calls: Sequence[JournalRow], shortest_message_seconds: float
) -> Iterator[JournalRow]:
    """Add the ``ending`` to some calls."""
    ids = [call["id"] for call in calls]
    legs = _fetch_all(
        connection,
        select(CALLS_TABLE).where(CALLS_TABLE.c.parent.in_(ids)).order_by(CALLS_TABLE.c.started, CALLS_TABLE.c.id),
    )
    parents = {leg["id"]: leg["parent"] for leg in legs}
    recordings = _group_rows(
        _fetch_all(connection, select(RECORDINGS_TABLE).where(RECORDINGS_TABLE.c.call.in_([*ids, *parents]))), parents
    )
    # An event that a search found shows that others may be missing.
    tells = (EVENTS_TABLE.c.kind == "call_flow") | (EVENTS_TABLE.c.source == "search")
    steps = select(EVENTS_TABLE).where(EVENTS_TABLE.c.call.in_(ids), tells)
    events = _group_rows(_fetch_all(connection, steps.order_by(*_EVENT_ORDER)))
    last_turns = (
        select(TURNS_TABLE.c.call, func.max(TURNS_TABLE.c.at).label("at"))
        .where(TURNS_TABLE.c.call.in_(ids))
        .group_by(TURNS_TABLE.c.call)
        .subquery()
    )
    is_last = (TURNS_TABLE.c.call == last_turns.c.call) & (TURNS_TABLE.c.at == last_turns.c.at)
    documents = {
        row["call"]: row["document"]
        for row in _fetch_all(connection, select(TURNS_TABLE.c.call, TURNS_TABLE.c.document).join(last_turns, is_last))
    }
    legs_by_call = _group_rows(legs, column="parent")
    for call in calls:
        id_ = call["id"]
        ending = find_call_ending(
            call,
            legs_by_call.get(id_, ()),
            recordings.get(id_, ()),
            events.get(id_, ()),
            documents.get(id_),
            shortest_message_seconds,
        )
        yield {**call, "ending": ending}


def _group_rows(
    rows: Iterable[JournalRow], parents: Mapping[str, str] = MappingProxyType({}), column: str = "call"
) -> dict[str, list[JournalRow]]:
    """Group rows by call; the rows of a leg belong to its parent."""
    groups: dict[str, list[JournalRow]] = {}
    for row in rows:
        groups.setdefault(parents.get(row[column], row[column]), []).append(row)
    return groups


def _build_call_conditions(call_filter: CallFilter) -> Iterator[ColumnElement[bool]]:
    yield CALLS_TABLE.c.parent.is_(None)
    for column, value in (("number", call_filter.number), ("caller", call_filter.caller), ("flow", call_filter.flow)):
        if value:
            yield CALLS_TABLE.c[column] == value
    if call_filter.outcome in OUTCOME_RANKS and call_filter.outcome != ANSWERED_WITH_DOCUMENT:
        yield CALLS_TABLE.c.outcome == add_rank(OUTCOME_RANKS, call_filter.outcome)
        yield CALLS_TABLE.c.outcome > "2"  # lets the database use the index calls_odd
    if call_filter.state:
        yield CALLS_TABLE.c.state == add_rank(CALL_STATE_RANKS, call_filter.state)
        if call_filter.state != LAST_CALL_STATE:
            yield CALLS_TABLE.c.state < CALL_STATE_RANKS[LAST_CALL_STATE]  # lets the database use the index calls_going
    if call_filter.since is not None:
        yield CALLS_TABLE.c.started >= call_filter.since
    if call_filter.until is not None:
        yield CALLS_TABLE.c.started < call_filter.until


def query_call_ids(connection: Connection, prefix: str, limit: int) -> list[str]:
    begins = CALLS_TABLE.c.id.startswith(prefix, autoescape=True)
    return [*connection.scalars(select(CALLS_TABLE.c.id).where(begins).order_by(CALLS_TABLE.c.id).limit(limit))]


def query_held_effects(connection: Connection, kind: str, before: float, limit: int) -> list[JournalRow]:
    """Return effects of a kind that were requested before a moment and have no result yet, oldest first."""
    waits = (EFFECTS_TABLE.c.kind == kind) & EFFECTS_TABLE.c.settled.is_(None) & (EFFECTS_TABLE.c.at < before)
    return _fetch_all(connection, select(EFFECTS_TABLE).where(waits).order_by(EFFECTS_TABLE.c.at).limit(limit))


def query_stored_call(connection: Connection, call_id: str) -> StoredCall | None:
    """Return a call or leg with all its rows; None if the id is unknown."""
    row = _fetch_first(connection, select(CALLS_TABLE).where(CALLS_TABLE.c.id == call_id))
    if row is None:
        return None
    legs = _fetch_all(
        connection,
        select(CALLS_TABLE).where(CALLS_TABLE.c.parent == call_id).order_by(CALLS_TABLE.c.started, CALLS_TABLE.c.id),
    )
    ids = [call_id, *(leg["id"] for leg in legs)]

    def fetch_rows(table: Table) -> list[JournalRow]:
        order = _EVENT_ORDER if table is EVENTS_TABLE else (table.c.at, table.c.id if "id" in table.c else table.c.key)
        return _fetch_all(connection, select(table).where(table.c.call.in_(ids)).order_by(*order))

    turns, events, *others = map(
        fetch_rows, (TURNS_TABLE, EVENTS_TABLE, RECORDINGS_TABLE, TRANSCRIPTS_TABLE, EFFECTS_TABLE)
    )
    return StoredCall(row, legs, turns, events, _query_messages(connection, row), *others)


def _query_messages(connection: Connection, call: JournalRow) -> list[JournalRow]:
    """Return messages between the call's two numbers until an hour after the call."""
    ended = find_call_end(call) or call["started"]
    both = [call["caller"], call["number"]]
    if not all(both):
        return []
    # A message does not contain the id of its call.
    between = MESSAGES_TABLE.c.sender.in_(both) & MESSAGES_TABLE.c.recipient.in_(both)
    soon = MESSAGES_TABLE.c.at.between(call["started"] - 1, ended + _MESSAGE_WINDOW_SECONDS)
    return _fetch_all(
        connection, select(MESSAGES_TABLE).where(between, soon).order_by(MESSAGES_TABLE.c.at, MESSAGES_TABLE.c.id)
    )


def _fetch_first(connection: Connection, query: Select[Any]) -> JournalRow | None:
    row = connection.execute(query).mappings().first()
    return None if row is None else dict(row)


def _fetch_all(connection: Connection, query: Select[Any]) -> list[JournalRow]:
    return [dict(row) for row in connection.execute(query).mappings()]
