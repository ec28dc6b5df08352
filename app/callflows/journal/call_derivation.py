"""Stores ending and path of calls that are over, and derives those of other calls when somebody asks.

The stored ending is forgotten, and derived again a moment later, whenever something of a call is written: reports may come
late and in any order.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, exists, func, select, update

from callflows.journal.call_facts import derive_call_facts
from callflows.journal.call_path import build_visit_row, read_places_by_key
from callflows.journal.execution_rows import merge_stored_log
from callflows.journal.journal_tables import (
    CALLS_TABLE,
    ENDINGS_TABLE,
    EVENTS_TABLE,
    IS_OVER,
    PLACES_TABLE,
    RECORDINGS_TABLE,
    TURNS_TABLE,
    VISITS_TABLE,
)
from callflows.journal.stored_rows import StoredCall
from callflows.journal.upserts import get_dialect_insert

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Select

    from callflows.journal.call_facts import CallFacts
    from callflows.journal.stored_rows import JournalRow


EVENT_ORDER: Final = (EVENTS_TABLE.c.at, EVENTS_TABLE.c.arrived, EVENTS_TABLE.c.key)
"""Opentact's moments have milliseconds, and several events may share one: then the order of their arrival counts."""
_CALLS_PER_QUERY: Final = 200
"""Number of calls that are derived at once."""
_TURN_COLUMNS: Final = tuple(
    TURNS_TABLE.c[name] for name in ("id", "call", "at", "flow", "version", "node", "pressed", "places")
)
_IS_ENDED_CALL: Final = CALLS_TABLE.c.parent.is_(None) & IS_OVER


def fetch_call_facts(
    connection: Connection, calls: Sequence[JournalRow], shortest_message_seconds: float
) -> Iterator[tuple[JournalRow, CallFacts]]:
    """Derive the facts of some calls (rows of CALLS_TABLE) from as few of their rows as possible."""
    ids = [call["id"] for call in calls]
    if not ids:
        return
    legs = fetch_legs(connection, ids)
    parents = {leg["id"]: leg["parent"] for leg in legs}
    recordings = group_rows(
        fetch_all_rows(connection, select(RECORDINGS_TABLE).where(RECORDINGS_TABLE.c.call.in_([*ids, *parents]))), parents
    )
    # An event that a search found shows that others may be missing.
    tells = (EVENTS_TABLE.c.kind == "call_flow") | (EVENTS_TABLE.c.source == "search")
    steps = select(EVENTS_TABLE).where(EVENTS_TABLE.c.call.in_(ids), tells)
    events = group_rows(fetch_all_rows(connection, steps.order_by(*EVENT_ORDER)))
    turn_query = select(*_TURN_COLUMNS).where(TURNS_TABLE.c.call.in_(ids)).order_by(TURNS_TABLE.c.at, TURNS_TABLE.c.id)
    turns = group_rows(fetch_all_rows(connection, turn_query))
    for id_, document in _fetch_last_documents(connection, ids).items():
        turns[id_][-1]["document"] = document
    places = fetch_places(connection, {turn["places"] for rows in turns.values() for turn in rows} - {None})
    legs_by_call = group_rows(legs, column="parent")
    for call in calls:
        id_ = call["id"]
        stored = StoredCall(
            call,
            legs_by_call.get(id_, ()),
            turns.get(id_, ()),
            merge_stored_log(events.get(id_, ())),
            recordings.get(id_, ()),
            places,
        )
        yield call, derive_call_facts(stored, shortest_message_seconds)


def fetch_legs(connection: Connection, call_ids: Sequence[str]) -> list[JournalRow]:
    """Return the legs that calls dialled, oldest first."""
    legs = select(CALLS_TABLE).where(CALLS_TABLE.c.parent.in_(call_ids))
    return fetch_all_rows(connection, legs.order_by(CALLS_TABLE.c.started, CALLS_TABLE.c.id))


def _fetch_last_documents(connection: Connection, ids: Sequence[str]) -> Mapping[str, bytes]:
    last_turns = (
        select(TURNS_TABLE.c.call, func.max(TURNS_TABLE.c.at).label("at"))
        .where(TURNS_TABLE.c.call.in_(ids))
        .group_by(TURNS_TABLE.c.call)
        .subquery()
    )
    is_last = (TURNS_TABLE.c.call == last_turns.c.call) & (TURNS_TABLE.c.at == last_turns.c.at)
    last = select(TURNS_TABLE.c.call, TURNS_TABLE.c.document).join(last_turns, is_last)
    return {row["call"]: row["document"] for row in fetch_all_rows(connection, last)}


def fetch_places(connection: Connection, keys: Collection[str]) -> Mapping[str, Any]:
    """Return stored places of elements by their key, then by the element's path."""
    if not keys:
        return {}
    return read_places_by_key(fetch_all_rows(connection, select(PLACES_TABLE).where(PLACES_TABLE.c.id.in_(sorted(keys)))))


def group_rows(
    rows: Iterable[JournalRow], parents: Mapping[str, str] = MappingProxyType({}), column: str = "call"
) -> dict[str, list[JournalRow]]:
    """Group rows by call; the rows of a leg belong to its parent."""
    groups: dict[str, list[JournalRow]] = {}
    for row in rows:
        groups.setdefault(parents.get(row[column], row[column]), []).append(row)
    return groups


def store_call_facts(connection: Connection, call_ids: Collection[str], shortest_message_seconds: float) -> None:
    """Derive and store ending and path of those calls that are over; the ids of legs count for their calls."""
    ids = sorted(call_ids)
    for start in range(0, len(ids), _CALLS_PER_QUERY):
        some = ids[start : start + _CALLS_PER_QUERY]
        calls = _fetch_ended_calls(connection, some)
        if calls:
            _replace_derived_rows(connection, [*fetch_call_facts(connection, calls, shortest_message_seconds)])


def _fetch_ended_calls(connection: Connection, ids: Sequence[str]) -> list[JournalRow]:
    parents = select(CALLS_TABLE.c.parent).where(CALLS_TABLE.c.id.in_(ids), CALLS_TABLE.c.parent.isnot(None))
    ours = CALLS_TABLE.c.id.in_(ids) | CALLS_TABLE.c.id.in_(parents)
    # The lock makes another process wait that writes something of these calls (SQLite locks the whole file anyway).
    calls = select(CALLS_TABLE).where(ours, _IS_ENDED_CALL).order_by(CALLS_TABLE.c.id).with_for_update()
    return fetch_all_rows(connection, calls)


def query_underived_calls(connection: Connection, since: float, limit: int) -> set[str]:
    """Return ended calls without a stored ending that began since a moment."""
    stored = exists().where(ENDINGS_TABLE.c.call == CALLS_TABLE.c.id)
    return {
        *connection.scalars(
            select(CALLS_TABLE.c.id).where(_IS_ENDED_CALL, CALLS_TABLE.c.started >= since, ~stored).limit(limit)
        )
    }


def _replace_derived_rows(connection: Connection, derived: Sequence[tuple[JournalRow, CallFacts]]) -> None:
    ids = [call["id"] for call, _ in derived]
    for table in (ENDINGS_TABLE, VISITS_TABLE):
        connection.execute(delete(table).where(table.c.call.in_(ids)))
    endings = [{"call": call["id"], "at": call["started"], **facts.ending._asdict()} for call, facts in derived]
    new = get_dialect_insert(connection.dialect.name)
    connection.execute(new(ENDINGS_TABLE).on_conflict_do_nothing(), endings)
    visits = [
        build_visit_row(call["id"], number, visit) for call, facts in derived for number, visit in enumerate(facts.visits)
    ]
    if visits:
        connection.execute(new(VISITS_TABLE).on_conflict_do_nothing(), visits)
    for call, facts in derived:
        # Merging keeps the lesser name of two flows; the call belongs to the flow that answered first.
        if facts.flow and facts.flow != call["flow"]:
            connection.execute(update(CALLS_TABLE).where(CALLS_TABLE.c.id == call["id"]).values(flow=facts.flow))


def fetch_all_rows(connection: Connection, query: Select[Any]) -> list[JournalRow]:
    result = connection.execute(query)
    names = tuple(result.keys())
    # Quicker than ``mappings``: a page of the inbox reads thousands of rows.
    return [dict(zip(names, row, strict=True)) for row in result]
