"""Which call it was, where nobody said: with GET Opentact tells no uuid on the first turn.

Such a call has an id of ours until a later turn or a report brings its uuid; then both are one. They are matched by caller,
number and when the call began, which a later turn knows of its ticket exactly, and a report of Opentact's clock.
What is apart by more than a moment is never taken for one. A caller who withholds the number is matched only where nobody
else can be meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, update

from app.journal.merging import merged
from app.journal.tables import BEGINS, CALLS, EFFECTS, EVENTS, GOES_ON, TURNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import ColumnElement, Connection

    from app.journal.store import Row

    Rows = dict[str, list[Row]]

WINDOW: Final = 30.0
"""Seconds within which two beginnings of the same caller and number are one call, as when a request is repeated …"""
LASTS: Final = 4 * 3600.0
"""… and for which a call may go on of which a report tells no uuid."""
_BELONGING: Final = (TURNS, EFFECTS, EVENTS)


def identified(connection: Connection, rows: Rows) -> None:
    """Find the calls of a batch that are one though their ids differ, in it and in the database, and make them one."""
    calls = _by_id(rows.get("calls", ()))
    strange = [row for row in calls.values() if row["provisional"]]
    known = [row for row in calls.values() if not row["provisional"] and row["parent"] is None and row["started"]]
    if strange or known:
        of_calls = _of_calls(rows)
        if strange:
            _find_homes(connection, of_calls, calls, strange)
        if known:
            _adopt(connection, of_calls, calls, known)
    if calls:
        rows["calls"] = [calls[id_] for id_ in sorted(calls)]  # in one order: two who write never wait for each other


def _by_id(rows: Iterable[Row]) -> dict[str, Row]:
    calls: dict[str, Row] = {}
    for row in rows:
        there = calls.get(row["id"])
        calls[row["id"]] = row if there is None else merged(there, row)
    return calls


def _of_calls(rows: Rows) -> dict[str, list[Row]]:
    """What belongs to each call of a batch."""
    found: dict[str, list[Row]] = {}
    for table in _BELONGING:
        for row in rows.get(table.name, ()):
            found.setdefault(row["call"], []).append(row)
    return found


def _by_parties(calls: Iterable[Row]) -> dict[tuple[Any, Any], dict[str, Row]]:
    """Calls by who rang whom, and by their ids."""
    found: dict[tuple[Any, Any], dict[str, Row]] = {}
    for call in calls:
        found.setdefault((call["caller"], call["number"]), {})[call["id"]] = call
    return found


def _find_homes(connection: Connection, of_calls: dict[str, list[Row]], calls: dict[str, Row], strange: list[Row]) -> None:
    """Give what is of no known call to the call that it must be of."""
    there = _between(connection, strange)
    near = _by_parties([*there, *calls.values()])
    for id_ in [row["id"] for row in strange]:
        row = calls[id_]
        others = near[row["caller"], row["number"]]
        home = _home(row, others.values())
        if home is not None:
            del calls[id_], others[id_]
            _rename(of_calls, id_, home["id"])
            calls[home["id"]] = others[home["id"]] = _both(home, row)


def _home(row: Row, others: Iterable[Row]) -> Row | None:
    """The call that a row without a uuid is of: that which began with it; of one that goes on, the last."""
    found = [other for other in others if other["id"] != row["id"] and _may_be(row, other)]
    if row["provisional"] == GOES_ON:
        if row["caller"] is None and len(found) != 1:
            return None
        return max(found, key=lambda other: (other["started"], other["id"]), default=None)
    return _nearest(row, found, surely=row["caller"] is None)


def _nearest(row: Row, found: Iterable[Row], *, surely: bool) -> Row | None:
    """Of calls that began about when this one did the nearest; ``surely``: only one of which a ticket tells it."""
    if surely:
        found = [other for other in found if other["started"] == row["started"] and other["state"] is row["state"] is None]
    return min(found, key=lambda other: (abs(row["started"] - other["started"]), other["id"]), default=None)


def _may_be(row: Row, other: Row) -> bool:
    """Whether a row without a uuid may be of another call between the same two."""
    if other["parent"] or other["started"] is None:
        return False
    late: float = row["started"] - other["started"]
    if row["provisional"] == BEGINS:
        return abs(late) <= WINDOW and not (other["hangup"] and other["hangup"] < row["started"])
    over = other["hangup"] and other["hangup"] + WINDOW < row["started"]
    return -WINDOW <= late <= LASTS and other["direction"] == "in" and not over


def _between(connection: Connection, rows: list[Row]) -> list[Row]:
    """The calls in the database that rows without a uuid may be of."""
    wanted = select(CALLS).where(CALLS.c.parent.is_(None), *_near(rows))
    return [dict(row) for row in connection.execute(wanted).mappings()]


def _near(rows: list[Row]) -> Iterator[ColumnElement[bool]]:
    """What a call has that one of these may be: its caller, its number, about its time."""
    at = [row["started"] for row in rows]
    before = LASTS if any(row["provisional"] == GOES_ON for row in rows) else WINDOW
    yield CALLS.c.started.between(min(at) - before, max(at) + WINDOW)
    for column in (CALLS.c.caller, CALLS.c.number):
        values = {row[column.name] for row in rows}
        named = column.in_(sorted(values - {None}))
        yield named | column.is_(None) if None in values else named


def _adopt(connection: Connection, of_calls: dict[str, list[Row]], calls: dict[str, Row], known: list[Row]) -> None:
    """Take what waits under an id of ours to the calls whose uuids are told now."""
    wanted = select(CALLS).where(CALLS.c.provisional.isnot(None), *_near(known))
    there = [dict(row) for row in connection.execute(wanted).mappings()]
    waiting = _by_parties([*there, *(row for row in calls.values() if row["provisional"])])
    for row in known if waiting else ():
        same = waiting.get((row["caller"], row["number"]), {})
        other = _adopted(row, same.values())
        if other is not None:
            del same[other["id"]]
            calls.pop(other["id"], None)
            _rename(of_calls, other["id"], row["id"])
            _move(connection, other["id"], row["id"])
            calls[row["id"]] = _both(calls[row["id"]], other)


def _adopted(row: Row, same: Iterable[Row]) -> Row | None:
    """What waits without a uuid, between the same parties, and is this call."""
    near = [other for other in same if abs(row["started"] - other["started"]) <= WINDOW]
    return _nearest(row, near, surely=row["caller"] is None and len(near) != 1)


def _both(one: Row, other: Row) -> Row:
    """Two rows as one, under the id of the first."""
    return merged(one, {**other, "id": one["id"], "provisional": one["provisional"]})


def _rename(of_calls: dict[str, list[Row]], old: str, new: str) -> None:
    moved = of_calls.pop(old, [])
    for row in moved:
        row["call"] = new
    of_calls.setdefault(new, []).extend(moved)


def _move(connection: Connection, old: str, new: str) -> None:
    """What is in the database of one id becomes another's."""
    for table in _BELONGING:
        moving: Any = update(table).where(table.c.call == old).values(call=new)
        connection.execute(moving)
    connection.execute(CALLS.delete().where(CALLS.c.id == old))
