"""Assigns rows without a uuid to their call: with GET, Opentact sends no uuid on the first turn.

Such a call gets a provisional id until a later turn or an event brings the uuid; then both calls are merged. Calls match by
caller, number and start: a later turn knows the exact start from the ticket, an event gives the start by Opentact's clock.
Calls that began more than ``SAME_CALL_WINDOW_SECONDS`` apart are never merged. A caller with a withheld number is matched
only if the match is unambiguous.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, update

from callflows.journal.journal_tables import (
    AUDIT_TABLE,
    CALLS_TABLE,
    CAMPAIGN_CALLS_TABLE,
    EFFECTS_TABLE,
    ENDINGS_TABLE,
    EVENTS_TABLE,
    HANDLED_TABLE,
    NOTES_TABLE,
    PROVISIONAL_BEGINS,
    PROVISIONAL_CONTINUES,
    TURNS_TABLE,
    VISITS_TABLE,
)
from callflows.journal.upserts import merge_rows
from callflows.telephony.call_record import LONGEST_CALL_SECONDS
from callflows.telephony.calls import SAME_CALL_WINDOW_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import ColumnElement, Connection

    from callflows.journal.stored_rows import JournalRow

    RowsByTable = dict[str, list[JournalRow]]


_TABLES_OF_CALLS: Final = (TURNS_TABLE, EFFECTS_TABLE, EVENTS_TABLE, VISITS_TABLE, CAMPAIGN_CALLS_TABLE)
_TABLES_OF_PEOPLE: Final = (HANDLED_TABLE, NOTES_TABLE, AUDIT_TABLE)


def merge_same_calls(connection: Connection, rows: RowsByTable) -> None:
    """Merge calls with different ids that are the same call, within a batch and with the database."""
    calls = _index_calls_by_id(rows.get("calls", ()))
    strange = [row for row in calls.values() if row["provisional"]]
    known = [row for row in calls.values() if not row["provisional"] and row["parent"] is None and row["started"]]
    if strange or known:
        of_calls = _group_rows_by_call(rows)
        if strange:
            _attach_provisional_calls(connection, of_calls, calls, strange)
        if known:
            _adopt_provisional_calls(connection, of_calls, calls, known)
    if calls:
        rows["calls"] = [calls[id_] for id_ in sorted(calls)]  # a fixed order prevents deadlocks between two writers


def _index_calls_by_id(rows: Iterable[JournalRow]) -> dict[str, JournalRow]:
    calls: dict[str, JournalRow] = {}
    for row in rows:
        there = calls.get(row["id"])
        calls[row["id"]] = row if there is None else merge_rows(there, row)
    return calls


def _group_rows_by_call(rows: RowsByTable) -> dict[str, list[JournalRow]]:
    """Group turns, effects and events of a batch by call id."""
    found: dict[str, list[JournalRow]] = {}
    for table in _TABLES_OF_CALLS:
        for row in rows.get(table.name, ()):
            found.setdefault(row["call"], []).append(row)
    return found


def _index_calls_by_parties(calls: Iterable[JournalRow]) -> dict[tuple[Any, Any], dict[str, JournalRow]]:
    """Index calls by (caller, number), then by id."""
    found: dict[tuple[Any, Any], dict[str, JournalRow]] = {}
    for call in calls:
        found.setdefault((call["caller"], call["number"]), {})[call["id"]] = call
    return found


def _attach_provisional_calls(
    connection: Connection,
    rows_by_call: dict[str, list[JournalRow]],
    calls: dict[str, JournalRow],
    provisional_calls: list[JournalRow],
) -> None:
    """Move the rows of provisional calls to the matching calls."""
    there = _query_candidate_calls(connection, provisional_calls)
    near = _index_calls_by_parties([*there, *calls.values()])
    for id_ in [row["id"] for row in provisional_calls]:
        row = calls[id_]
        others = near[row["caller"], row["number"]]
        home = _find_call_of_row(row, others.values())
        if home is not None:
            del calls[id_], others[id_]
            _rename_call(rows_by_call, id_, home["id"])
            calls[home["id"]] = others[home["id"]] = _merge_into_first(home, row)


def _find_call_of_row(row: JournalRow, others: Iterable[JournalRow]) -> JournalRow | None:
    """Find the call of a provisional row: the nearest by start, or the latest if the row is of an ongoing call."""
    found = [other for other in others if other["id"] != row["id"] and _may_be_same_call(row, other)]
    if row["provisional"] == PROVISIONAL_CONTINUES:
        if row["caller"] is None and len(found) != 1:
            return None
        return max(found, key=lambda other: (other["started"], other["id"]), default=None)
    return _find_nearest_call(row, found, require_exact_start=row["caller"] is None)


def _find_nearest_call(
    row: JournalRow, candidates: Iterable[JournalRow], *, require_exact_start: bool
) -> JournalRow | None:
    """Return the call with the nearest start.

    With ``require_exact_start``, only calls with the same start, known from a ticket, are candidates.
    """
    if require_exact_start:
        candidates = [
            other for other in candidates if other["started"] == row["started"] and other["state"] is row["state"] is None
        ]
    return min(candidates, key=lambda other: (abs(row["started"] - other["started"]), other["id"]), default=None)


def _may_be_same_call(row: JournalRow, other: JournalRow) -> bool:
    """Return True if a provisional row may belong to another call with the same parties."""
    if other["parent"] or other["started"] is None:
        return False
    late: float = row["started"] - other["started"]
    if row["provisional"] == PROVISIONAL_BEGINS:
        return abs(late) <= SAME_CALL_WINDOW_SECONDS and not (other["hangup"] and other["hangup"] < row["started"])
    over = other["hangup"] and other["hangup"] + SAME_CALL_WINDOW_SECONDS < row["started"]
    return -SAME_CALL_WINDOW_SECONDS <= late <= LONGEST_CALL_SECONDS and other["direction"] == "in" and not over


def _query_candidate_calls(connection: Connection, rows: list[JournalRow]) -> list[JournalRow]:
    """Load the stored calls that may match provisional rows."""
    query = select(CALLS_TABLE).where(CALLS_TABLE.c.parent.is_(None), *_build_candidate_conditions(rows))
    return [dict(row) for row in connection.execute(query).mappings()]


def _build_candidate_conditions(rows: list[JournalRow]) -> Iterator[ColumnElement[bool]]:
    """Yield SQL conditions for the candidates of some rows: start, caller and number."""
    at = [row["started"] for row in rows]
    before = (
        LONGEST_CALL_SECONDS
        if any(row["provisional"] == PROVISIONAL_CONTINUES for row in rows)
        else SAME_CALL_WINDOW_SECONDS
    )
    yield CALLS_TABLE.c.started.between(min(at) - before, max(at) + SAME_CALL_WINDOW_SECONDS)
    for column in (CALLS_TABLE.c.caller, CALLS_TABLE.c.number):
        values = {row[column.name] for row in rows}
        named = column.in_(sorted(values - {None}))
        yield named | column.is_(None) if None in values else named


def _adopt_provisional_calls(
    connection: Connection,
    rows_by_call: dict[str, list[JournalRow]],
    calls: dict[str, JournalRow],
    confirmed_calls: list[JournalRow],
) -> None:
    """Merge provisional calls into the calls whose uuids are known now."""
    query = select(CALLS_TABLE).where(CALLS_TABLE.c.provisional.isnot(None), *_build_candidate_conditions(confirmed_calls))
    there = [dict(row) for row in connection.execute(query).mappings()]
    waiting = _index_calls_by_parties([*there, *(row for row in calls.values() if row["provisional"])])
    for row in confirmed_calls if waiting else ():
        same = waiting.get((row["caller"], row["number"]), {})
        other = _find_adoptable_call(row, same.values())
        if other is not None:
            del same[other["id"]]
            calls.pop(other["id"], None)
            _rename_call(rows_by_call, other["id"], row["id"])
            _move_stored_rows(connection, other["id"], row["id"])
            calls[row["id"]] = _merge_into_first(calls[row["id"]], other)


def _find_adoptable_call(row: JournalRow, candidates: Iterable[JournalRow]) -> JournalRow | None:
    """Find the provisional call that is the same call as a row with a uuid."""
    near = [other for other in candidates if abs(row["started"] - other["started"]) <= SAME_CALL_WINDOW_SECONDS]
    return _find_nearest_call(row, near, require_exact_start=row["caller"] is None and len(near) != 1)


def _merge_into_first(one: JournalRow, other: JournalRow) -> JournalRow:
    """Merge two rows under the id of the first."""
    return merge_rows(one, {**other, "id": one["id"], "provisional": one["provisional"]})


def _rename_call(rows_by_call: dict[str, list[JournalRow]], old: str, new: str) -> None:
    moved = rows_by_call.pop(old, [])
    for row in moved:
        row["call"] = new
    rows_by_call.setdefault(new, []).extend(moved)


def _move_stored_rows(connection: Connection, old: str, new: str) -> None:
    """Move the stored rows of a call to another id, and delete the old call and its ending."""
    for table in (*_TABLES_OF_CALLS, *_TABLES_OF_PEOPLE):
        moving: Any = update(table).where(table.c.call == old).values(call=new)
        connection.execute(moving)
    connection.execute(ENDINGS_TABLE.delete().where(ENDINGS_TABLE.c.call == old))
    connection.execute(CALLS_TABLE.delete().where(CALLS_TABLE.c.id == old))
