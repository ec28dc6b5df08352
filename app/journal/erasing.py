"""What is erased: what is older than it may be, and what a person asks to be forgotten; in batches, so none waits long."""

from __future__ import annotations

import collections
import json
import zlib
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, exists, select, tuple_, update

from app.journal.tables import (
    CALLS_TABLE,
    CLAIMS_TABLE,
    EFFECTS_TABLE,
    EVENTS_TABLE,
    JOURNAL_METADATA,
    MESSAGES_TABLE,
    RECORDINGS_TABLE,
    TRANSCRIPTS_TABLE,
    TURNS_TABLE,
)

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Engine, Table

    from app.journal.store import JournalRow

FORGOTTEN_TEXT: Final = "forgotten"
"""Stands where a number was."""
_ERASURE_BATCH: Final = 500
_TABLES_OF_CALLS: Final = (TURNS_TABLE, EVENTS_TABLE, RECORDINGS_TABLE, TRANSCRIPTS_TABLE, EFFECTS_TABLE)
_JSON_COLUMNS: Final = frozenset({"told", "trail", "raw", "payload"})
_PARENT_CALLS: Final = CALLS_TABLE.alias("parent")


def erase_rows_before(connection: Connection, moment: float, limit: int) -> int:
    """Erase up to ``most`` calls that began before a moment with all that is of them, and as much that is of no call."""
    old = CALLS_TABLE.c.started < moment
    top = connection.scalars(select(CALLS_TABLE.c.id).where(CALLS_TABLE.c.parent.is_(None), old).limit(limit)).all()
    alone = ~exists().where(_PARENT_CALLS.c.id == CALLS_TABLE.c.parent)
    lost = connection.scalars(
        select(CALLS_TABLE.c.id).where(CALLS_TABLE.c.parent.isnot(None), old, alone).limit(limit)
    ).all()
    erased = sum(_erase_calls(connection, [*top, *lost]).values())
    for table in (EVENTS_TABLE, RECORDINGS_TABLE, TRANSCRIPTS_TABLE, EFFECTS_TABLE):
        erased += _erase_some_rows(connection, table, (table.c.call.is_(None)) & (table.c.at < moment), limit)
    return erased + sum(
        _erase_some_rows(connection, table, table.c.at < moment, limit) for table in (MESSAGES_TABLE, CLAIMS_TABLE)
    )


def _erase_calls(connection: Connection, ids: Sequence[str]) -> collections.Counter[str]:
    """Erase calls, their legs, and all that is of them."""
    erased: collections.Counter[str] = collections.Counter()
    for start in range(0, len(ids), _ERASURE_BATCH):
        some = ids[start : start + _ERASURE_BATCH]
        legs = connection.scalars(select(CALLS_TABLE.c.id).where(CALLS_TABLE.c.parent.in_(some))).all()
        gone = [*some, *legs]
        for table in _TABLES_OF_CALLS:
            erased[table.name] += connection.execute(delete(table).where(table.c.call.in_(gone))).rowcount
        erased["calls"] += connection.execute(delete(CALLS_TABLE).where(CALLS_TABLE.c.id.in_(gone))).rowcount
    return erased


def _erase_some_rows(connection: Connection, table: Table, condition: ColumnElement[bool], limit: int) -> int:
    """Erase a bounded number of rows."""
    key = tuple_(*table.primary_key)
    found = [tuple(row) for row in connection.execute(select(*table.primary_key).where(condition).limit(limit))]
    return connection.execute(delete(table).where(key.in_(found))).rowcount if found else 0


def erase_number(
    engine: Engine, number: str, mention: re.Pattern[str], on_progress: Callable[[int], None]
) -> Mapping[str, int]:
    """Erase the calls and messages of a number, and put ``forgotten`` wherever else it is ``mentioned``.

    Gives how many rows of which table were erased or changed; ``on_progress`` is told how many were looked through.
    """
    changed: collections.Counter[str] = collections.Counter()
    mine = CALLS_TABLE.c.parent.is_(None) & ((CALLS_TABLE.c.caller == number) | (CALLS_TABLE.c.number == number))
    while True:
        with engine.begin() as connection:
            some = connection.scalars(select(CALLS_TABLE.c.id).where(mine).limit(_ERASURE_BATCH)).all()
            changed.update(_erase_calls(connection, some))
        if not some:
            break
    with engine.begin() as connection:
        written = (MESSAGES_TABLE.c.sender == number) | (MESSAGES_TABLE.c.recipient == number)
        changed["messages"] += connection.execute(delete(MESSAGES_TABLE).where(written)).rowcount
    looked = 0
    for table in JOURNAL_METADATA.tables.values():
        for rows, hits in _erase_mentions(engine, table, mention):
            looked += rows
            changed[table.name] += hits
            on_progress(looked)
    _purge_deleted_data(engine)
    return {name: count for name, count in changed.items() if count}


def _erase_mentions(engine: Engine, table: Table, mention: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Go through a table in the order of its keys; how many rows each time, and how many mentioned the number."""
    key, after = tuple_(*table.primary_key), None
    while True:
        wanted = select(table).order_by(*table.primary_key).limit(_ERASURE_BATCH)
        if after is not None:
            wanted = wanted.where(key > tuple_(*after))
        with engine.begin() as connection:
            rows = [dict(row) for row in connection.execute(wanted).mappings()]
            hits = sum(_erase_mention_in_row(connection, table, row, mention) for row in rows)
        if not rows:
            return
        yield len(rows), hits
        after = tuple(rows[-1][column.name] for column in table.primary_key)


def _erase_mention_in_row(connection: Connection, table: Table, row: JournalRow, mention: re.Pattern[str]) -> bool:
    """Take the number out of a row; whether it was there. A row whose key mentions it is erased."""
    mine = [column == row[column.name] for column in table.primary_key]
    found = mask_mentions(row, mention)
    if not found:
        return False
    if found.keys() & {column.name for column in table.primary_key}:
        connection.execute(delete(table).where(*mine))
    else:
        connection.execute(update(table).where(*mine).values(found))
    return True


def mask_mentions(row: JournalRow, mention: re.Pattern[str]) -> dict[str, Any]:
    """The columns of a row that mention a number, without it."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, str) and mention.search(value):
            found[name] = (
                _mask_mentions_in_json(value, mention) if name in _JSON_COLUMNS else mention.sub(FORGOTTEN_TEXT, value)
            )
        elif isinstance(value, bytes):
            document = zlib.decompress(value).decode()
            if mention.search(document):
                found[name] = zlib.compress(mention.sub(FORGOTTEN_TEXT, document).encode(), 1)
    return found


def _mask_mentions_in_json(text: str, mention: re.Pattern[str]) -> str:
    """JSON without a number, whether it stands there as a text, in one, or as a number."""

    def mask_value(value: object) -> object:
        if isinstance(value, dict):
            return {mention.sub(FORGOTTEN_TEXT, key): mask_value(part) for key, part in value.items()}
        if isinstance(value, list):
            return [mask_value(part) for part in value]
        if isinstance(value, str):
            return mention.sub(FORGOTTEN_TEXT, value)
        return FORGOTTEN_TEXT if isinstance(value, int) and mention.fullmatch(str(value)) else value

    return json.dumps(mask_value(json.loads(text)), ensure_ascii=False, separators=(",", ":"))


def _purge_deleted_data(engine: Engine) -> None:
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
