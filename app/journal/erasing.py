"""What is erased: what is older than it may be, and what a person asks to be forgotten; in batches, so none waits long."""

from __future__ import annotations

import collections
import json
import zlib
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, exists, select, tuple_, update

from app.journal.tables import CALLS, CLAIMS, EFFECTS, EVENTS, MESSAGES, METADATA, RECORDINGS, TRANSCRIPTS, TURNS

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Engine, Table

    from app.journal.store import Row

FORGOTTEN: Final = "forgotten"
"""Stands where a number was."""
_BATCH: Final = 500
_OF_CALLS: Final = (TURNS, EVENTS, RECORDINGS, TRANSCRIPTS, EFFECTS)
_JSON: Final = frozenset({"told", "trail", "raw", "payload"})
_PARENT: Final = CALLS.alias("parent")


def before(connection: Connection, moment: float, most: int) -> int:
    """Erase up to ``most`` calls that began before a moment with all that is of them, and as much that is of no call."""
    old = CALLS.c.started < moment
    top = connection.scalars(select(CALLS.c.id).where(CALLS.c.parent.is_(None), old).limit(most)).all()
    alone = ~exists().where(_PARENT.c.id == CALLS.c.parent)
    lost = connection.scalars(select(CALLS.c.id).where(CALLS.c.parent.isnot(None), old, alone).limit(most)).all()
    erased = sum(_calls(connection, [*top, *lost]).values())
    for table in (EVENTS, RECORDINGS, TRANSCRIPTS, EFFECTS):
        erased += _some(connection, table, (table.c.call.is_(None)) & (table.c.at < moment), most)
    return erased + sum(_some(connection, table, table.c.at < moment, most) for table in (MESSAGES, CLAIMS))


def _calls(connection: Connection, ids: Sequence[str]) -> collections.Counter[str]:
    """Erase calls, their legs, and all that is of them."""
    erased: collections.Counter[str] = collections.Counter()
    for start in range(0, len(ids), _BATCH):
        some = ids[start : start + _BATCH]
        legs = connection.scalars(select(CALLS.c.id).where(CALLS.c.parent.in_(some))).all()
        gone = [*some, *legs]
        for table in _OF_CALLS:
            erased[table.name] += connection.execute(delete(table).where(table.c.call.in_(gone))).rowcount
        erased["calls"] += connection.execute(delete(CALLS).where(CALLS.c.id.in_(gone))).rowcount
    return erased


def _some(connection: Connection, table: Table, which: ColumnElement[bool], most: int) -> int:
    """Erase a bounded number of rows."""
    key = tuple_(*table.primary_key)
    found = [tuple(row) for row in connection.execute(select(*table.primary_key).where(which).limit(most))]
    return connection.execute(delete(table).where(key.in_(found))).rowcount if found else 0


def forget(
    engine: Engine, number: str, mentioned: re.Pattern[str], on_progress: Callable[[int], None]
) -> Mapping[str, int]:
    """Erase the calls and messages of a number, and put ``forgotten`` wherever else it is ``mentioned``.

    Gives how many rows of which table were erased or changed; ``on_progress`` is told how many were looked through.
    """
    changed: collections.Counter[str] = collections.Counter()
    mine = CALLS.c.parent.is_(None) & ((CALLS.c.caller == number) | (CALLS.c.number == number))
    while True:
        with engine.begin() as connection:
            some = connection.scalars(select(CALLS.c.id).where(mine).limit(_BATCH)).all()
            changed.update(_calls(connection, some))
        if not some:
            break
    with engine.begin() as connection:
        written = (MESSAGES.c.sender == number) | (MESSAGES.c.recipient == number)
        changed["messages"] += connection.execute(delete(MESSAGES).where(written)).rowcount
    looked = 0
    for table in METADATA.tables.values():
        for rows, hits in _mentions(engine, table, mentioned):
            looked += rows
            changed[table.name] += hits
            on_progress(looked)
    _emptied(engine)
    return {name: count for name, count in changed.items() if count}


def _mentions(engine: Engine, table: Table, mentioned: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Go through a table in the order of its keys; how many rows each time, and how many mentioned the number."""
    key, after = tuple_(*table.primary_key), None
    while True:
        wanted = select(table).order_by(*table.primary_key).limit(_BATCH)
        if after is not None:
            wanted = wanted.where(key > tuple_(*after))
        with engine.begin() as connection:
            rows = [dict(row) for row in connection.execute(wanted).mappings()]
            hits = sum(_cleaned(connection, table, row, mentioned) for row in rows)
        if not rows:
            return
        yield len(rows), hits
        after = tuple(rows[-1][column.name] for column in table.primary_key)


def _cleaned(connection: Connection, table: Table, row: Row, mentioned: re.Pattern[str]) -> bool:
    """Take the number out of a row; whether it was there. A row whose key mentions it is erased."""
    mine = [column == row[column.name] for column in table.primary_key]
    found = without(row, mentioned)
    if not found:
        return False
    if found.keys() & {column.name for column in table.primary_key}:
        connection.execute(delete(table).where(*mine))
    else:
        connection.execute(update(table).where(*mine).values(found))
    return True


def without(row: Row, mentioned: re.Pattern[str]) -> dict[str, Any]:
    """The columns of a row that mention a number, without it."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, str) and mentioned.search(value):
            found[name] = _json_without(value, mentioned) if name in _JSON else mentioned.sub(FORGOTTEN, value)
        elif isinstance(value, bytes):
            document = zlib.decompress(value).decode()
            if mentioned.search(document):
                found[name] = zlib.compress(mentioned.sub(FORGOTTEN, document).encode(), 1)
    return found


def _json_without(written: str, mentioned: re.Pattern[str]) -> str:
    """JSON without a number, whether it stands there as a text, in one, or as a number."""

    def cleaned(value: object) -> object:
        if isinstance(value, dict):
            return {mentioned.sub(FORGOTTEN, key): cleaned(part) for key, part in value.items()}
        if isinstance(value, list):
            return [cleaned(part) for part in value]
        if isinstance(value, str):
            return mentioned.sub(FORGOTTEN, value)
        return FORGOTTEN if isinstance(value, int) and mentioned.fullmatch(str(value)) else value

    return json.dumps(cleaned(json.loads(written)), ensure_ascii=False, separators=(",", ":"))


def _emptied(engine: Engine) -> None:
    """See to it that nothing is left in what the database keeps aside: SQLite's log, PostgreSQL's dead rows."""
    pooled = engine.raw_connection()
    connection: Any = pooled.driver_connection
    try:
        if engine.dialect.name == "sqlite":
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        else:
            connection.autocommit = True  # VACUUM is no part of a transaction
            connection.execute("VACUUM")
    finally:
        pooled.detach()
        pooled.close()
