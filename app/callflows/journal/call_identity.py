"""Which call it was, where nobody said: with GET Opentact tells no uuid on the first turn.

Such a call has an id of ours until a later turn or a report brings its uuid; then both are one. They are matched by caller,
number and when the call began, which a later turn knows of its ticket exactly, and a report of Opentact's clock.
What is apart by more than a moment is never taken for one. A caller who withholds the number is matched only where nobody
else can be meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, update

from callflows.journal.journal_tables import (
    CALLS_TABLE,
    EFFECTS_TABLE,
    EVENTS_TABLE,
    PROVISIONAL_BEGINS,
    PROVISIONAL_CONTINUES,
    TURNS_TABLE,
)
from callflows.journal.upserts import merge_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import ColumnElement, Connection

    from callflows.journal.journal_store import JournalRow

    RowsByTable = dict[str, list[JournalRow]]


SAME_CALL_WINDOW_SECONDS: Final = 30.0
"""Seconds within which two beginnings of the same caller and number are one call, as when a request is repeated …"""


MAX_ONGOING_CALL_SECONDS: Final = 4 * 3600.0
"""… and for which a call may go on of which a report tells no uuid."""


_TABLES_OF_CALLS: Final = (TURNS_TABLE, EFFECTS_TABLE, EVENTS_TABLE)


def merge_same_calls(connection: Connection, rows: RowsByTable) -> None:
    """Find the calls of a batch that are one though their ids differ, in it and in the database, and make them one."""
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
        rows["calls"] = [calls[id_] for id_ in sorted(calls)]  # in one order: two who write never wait for each other


def _index_calls_by_id(rows: Iterable[JournalRow]) -> dict[str, JournalRow]:
    calls: dict[str, JournalRow] = {}
    for row in rows:
        there = calls.get(row["id"])
        calls[row["id"]] = row if there is None else merge_rows(there, row)
    return calls


def _group_rows_by_call(rows: RowsByTable) -> dict[str, list[JournalRow]]:
    """What belongs to each call of a batch."""
    found: dict[str, list[JournalRow]] = {}
    for table in _TABLES_OF_CALLS:
        for row in rows.get(table.name, ()):
            found.setdefault(row["call"], []).append(row)
    return found


def _index_calls_by_parties(calls: Iterable[JournalRow]) -> dict[tuple[Any, Any], dict[str, JournalRow]]:
    """Calls by who rang whom, and by their ids."""
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
    """Give what is of no known call to the call that it must be of."""
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
    """The call that a row without a uuid is of: that which began with it; of one that goes on, the last."""
    found = [other for other in others if other["id"] != row["id"] and _may_be_same_call(row, other)]
    if row["provisional"] == PROVISIONAL_CONTINUES:
        if row["caller"] is None and len(found) != 1:
            return None
        return max(found, key=lambda other: (other["started"], other["id"]), default=None)
    return _find_nearest_call(row, found, require_exact_start=row["caller"] is None)


def _find_nearest_call(
    row: JournalRow, candidates: Iterable[JournalRow], *, require_exact_start: bool
) -> JournalRow | None:
    """Of calls that began about when this one did the nearest; ``surely``: only one of which a ticket tells it."""
    if require_exact_start:
        candidates = [
            other for other in candidates if other["started"] == row["started"] and other["state"] is row["state"] is None
        ]
    return min(candidates, key=lambda other: (abs(row["started"] - other["started"]), other["id"]), default=None)


def _may_be_same_call(row: JournalRow, other: JournalRow) -> bool:
    """Whether a row without a uuid may be of another call between the same two."""
    if other["parent"] or other["started"] is None:
        return False
    late: float = row["started"] - other["started"]
    if row["provisional"] == PROVISIONAL_BEGINS:
        return abs(late) <= SAME_CALL_WINDOW_SECONDS and not (other["hangup"] and other["hangup"] < row["started"])
    over = other["hangup"] and other["hangup"] + SAME_CALL_WINDOW_SECONDS < row["started"]
    return -SAME_CALL_WINDOW_SECONDS <= late <= MAX_ONGOING_CALL_SECONDS and other["direction"] == "in" and not over


def _query_candidate_calls(connection: Connection, rows: list[JournalRow]) -> list[JournalRow]:
    """The calls in the database that rows without a uuid may be of."""
    wanted = select(CALLS_TABLE).where(CALLS_TABLE.c.parent.is_(None), *_build_candidate_conditions(rows))
    return [dict(row) for row in connection.execute(wanted).mappings()]


def _build_candidate_conditions(rows: list[JournalRow]) -> Iterator[ColumnElement[bool]]:
    """What a call has that one of these may be: its caller, its number, about its time."""
    at = [row["started"] for row in rows]
    before = (
        MAX_ONGOING_CALL_SECONDS
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
    """Take what waits under an id of ours to the calls whose uuids are told now."""
    wanted = select(CALLS_TABLE).where(CALLS_TABLE.c.provisional.isnot(None), *_build_candidate_conditions(confirmed_calls))
    there = [dict(row) for row in connection.execute(wanted).mappings()]
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
    """What waits without a uuid, between the same parties, and is this call."""
    near = [other for other in candidates if abs(row["started"] - other["started"]) <= SAME_CALL_WINDOW_SECONDS]
    return _find_nearest_call(row, near, require_exact_start=row["caller"] is None and len(near) != 1)


def _merge_into_first(one: JournalRow, other: JournalRow) -> JournalRow:
    """Two rows as one, under the id of the first."""
    return merge_rows(one, {**other, "id": one["id"], "provisional": one["provisional"]})


def _rename_call(rows_by_call: dict[str, list[JournalRow]], old: str, new: str) -> None:
    moved = rows_by_call.pop(old, [])
    for row in moved:
        row["call"] = new
    rows_by_call.setdefault(new, []).extend(moved)


def _move_stored_rows(connection: Connection, old: str, new: str) -> None:
    """What is in the database of one id becomes another's."""
    for table in _TABLES_OF_CALLS:
        moving: Any = update(table).where(table.c.call == old).values(call=new)
        connection.execute(moving)
    connection.execute(CALLS_TABLE.delete().where(CALLS_TABLE.c.id == old))
