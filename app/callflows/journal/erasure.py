"""Erasure of old calls and of phone numbers in the database.

Every erasure runs in small batches so that no other writer waits long.
"""

from __future__ import annotations

import collections
import json
import re
import zlib
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, exists, select, tuple_, update

from callflows.flows.tickets import TICKET_LIFETIME_SECONDS
from callflows.journal.call_count_store import digest_caller
from callflows.journal.journal_tables import (
    AUDIT_TABLE,
    CALLS_TABLE,
    CAMPAIGN_CALLS_TABLE,
    CAMPAIGN_NUMBERS_TABLE,
    CLAIMS_TABLE,
    COUNTED_TABLE,
    DRAFTS_TABLE,
    EFFECTS_TABLE,
    ENDINGS_TABLE,
    EVENTS_TABLE,
    HANDLED_TABLE,
    JOURNAL_METADATA,
    MESSAGES_TABLE,
    NOTES_TABLE,
    PLACES_TABLE,
    RECORDINGS_TABLE,
    TRANSCRIPTS_TABLE,
    TURNS_TABLE,
    VERSIONS_TABLE,
    VISITS_TABLE,
)
from callflows.telephony.phone_numbers import PhoneNumber, parse_e164

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Engine, Table

    from callflows.journal.stored_rows import JournalRow


FORGOTTEN_TEXT: Final = "forgotten"
"""Replacement of an erased number."""
_ERASURE_BATCH: Final = 500
_TABLES_OF_CALLS: Final = (
    TURNS_TABLE, EVENTS_TABLE, RECORDINGS_TABLE, TRANSCRIPTS_TABLE, EFFECTS_TABLE, VISITS_TABLE, ENDINGS_TABLE,
    HANDLED_TABLE, NOTES_TABLE, AUDIT_TABLE, CAMPAIGN_CALLS_TABLE,
)  # fmt: skip
_DATED_TABLES: Final = (
    MESSAGES_TABLE, CLAIMS_TABLE, HANDLED_TABLE, NOTES_TABLE, AUDIT_TABLE, CAMPAIGN_NUMBERS_TABLE, DRAFTS_TABLE,
)  # fmt: skip
"""Tables whose rows are erased by their own age, too."""
_DERIVED_TABLES: Final = (VISITS_TABLE, ENDINGS_TABLE)
"""Tables whose rows follow from those of others, and are not counted for people."""
_JSON_COLUMNS: Final = frozenset({"request_fields", "trail", "raw", "payload", "elements", "report"})
_PARENT_CALLS: Final = CALLS_TABLE.alias("parent")


def erase_rows_before(connection: Connection, moment: float, limit: int) -> int:
    """Erase up to ``limit`` calls that began before a moment, and old rows without a call. Return the number of rows.

    All rows of an erased call are erased too. ``limit`` applies to each query.
    """
    old = CALLS_TABLE.c.started < moment
    top = connection.scalars(select(CALLS_TABLE.c.id).where(CALLS_TABLE.c.parent.is_(None), old).limit(limit)).all()
    alone = ~exists().where(_PARENT_CALLS.c.id == CALLS_TABLE.c.parent)
    lost = connection.scalars(
        select(CALLS_TABLE.c.id).where(CALLS_TABLE.c.parent.isnot(None), old, alone).limit(limit)
    ).all()
    erased = sum(_erase_calls(connection, [*top, *lost]).values())
    for table in (EVENTS_TABLE, RECORDINGS_TABLE, TRANSCRIPTS_TABLE, EFFECTS_TABLE):
        erased += _erase_some_rows(connection, table, (table.c.call.is_(None)) & (table.c.at < moment), limit)
    erased += sum(_erase_some_rows(connection, table, table.c.at < moment, limit) for table in _DATED_TABLES)
    return erased + _erase_old_versions(connection, moment, limit)


def _erase_old_versions(connection: Connection, moment: float, limit: int) -> int:
    """Erase versions of flows that no stored call has met, with their places; the newest version of each flow stays."""
    newer = VERSIONS_TABLE.alias("newer")
    replaced = exists().where(newer.c.flow == VERSIONS_TABLE.c.flow, newer.c.until > VERSIONS_TABLE.c.until)
    # A call may go on for a while in the version in which it began.
    is_old = VERSIONS_TABLE.c.until < moment - TICKET_LIFETIME_SECONDS
    erased = _erase_some_rows(connection, VERSIONS_TABLE, is_old & replaced, limit)
    known = exists().where(VERSIONS_TABLE.c.flow == PLACES_TABLE.c.flow, VERSIONS_TABLE.c.version == PLACES_TABLE.c.version)
    return erased + (_erase_some_rows(connection, PLACES_TABLE, ~known, limit) if erased else 0)


def _erase_calls(connection: Connection, ids: Sequence[str]) -> collections.Counter[str]:
    """Erase calls with their legs and all their rows."""
    erased: collections.Counter[str] = collections.Counter()
    for start in range(0, len(ids), _ERASURE_BATCH):
        some = ids[start : start + _ERASURE_BATCH]
        legs = connection.scalars(select(CALLS_TABLE.c.id).where(CALLS_TABLE.c.parent.in_(some))).all()
        gone = [*some, *legs]
        for table in _TABLES_OF_CALLS:
            count = connection.execute(delete(table).where(table.c.call.in_(gone))).rowcount
            erased[table.name] += count if table not in _DERIVED_TABLES else 0
        erased["calls"] += connection.execute(delete(CALLS_TABLE).where(CALLS_TABLE.c.id.in_(gone))).rowcount
    return erased


def _erase_some_rows(connection: Connection, table: Table, condition: ColumnElement[bool], limit: int) -> int:
    key = tuple_(*table.primary_key)
    found = [tuple(row) for row in connection.execute(select(*table.primary_key).where(condition).limit(limit))]
    return connection.execute(delete(table).where(key.in_(found))).rowcount if found else 0


def erase_number(
    engine: Engine, number: str, mention: re.Pattern[str], on_progress: Callable[[int], None]
) -> Mapping[str, int]:
    """Erase the calls and messages of a number, and replace all other mentions by ``FORGOTTEN_TEXT``.

    Returns the number of erased or changed rows per table. ``on_progress`` receives the number of rows searched so far.
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
        counted = COUNTED_TABLE.c.scope.startswith(digest_caller(number))
        changed["counted"] += connection.execute(delete(COUNTED_TABLE).where(counted)).rowcount
    looked = 0
    for table in JOURNAL_METADATA.tables.values():
        for rows, hits in _erase_mentions(engine, table, mention):
            looked += rows
            changed[table.name] += hits
            on_progress(looked)
    _purge_deleted_data(engine)
    return {name: count for name, count in changed.items() if count}


def _erase_mentions(engine: Engine, table: Table, mention: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Search a table in key order; yield the number of rows and of matching rows per batch."""
    key, after = tuple_(*table.primary_key), None
    while True:
        query = select(table).order_by(*table.primary_key).limit(_ERASURE_BATCH)
        if after is not None:
            query = query.where(key > tuple_(*after))
        with engine.begin() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
            hits = sum(_erase_mention_in_row(connection, table, row, mention) for row in rows)
        if not rows:
            return
        yield len(rows), hits
        after = tuple(rows[-1][column.name] for column in table.primary_key)


def _erase_mention_in_row(connection: Connection, table: Table, row: JournalRow, mention: re.Pattern[str]) -> bool:
    """Mask the number in a row, or erase the row if its key contains the number. Return whether the row matched."""
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
    """Return the masked values of all columns that mention a number."""
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
    """Mask a number in JSON: in keys, in texts, and as an integer."""

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
    """Remove erased data from SQLite's write-ahead log and from PostgreSQL's dead rows."""
    pooled = engine.raw_connection()
    connection: Any = pooled.driver_connection
    try:
        if engine.dialect.name == "sqlite":
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        else:
            connection.autocommit = True  # VACUUM cannot run inside a transaction
            connection.execute("VACUUM")
    finally:
        pooled.detach()
        pooled.close()


_DIGIT_SEPARATOR: Final = r"[\s().,/_-]{0,3}"
"""Separators between two digits of a number, as people write or read out the number."""
_MIN_NATIONAL_DIGITS: Final = 7
"""Minimum length of a national number that identifies a subscriber without the country code."""


def compile_mention_pattern(number: str) -> re.Pattern[str]:
    """Return a pattern for all spellings of a number.

    The spellings: with or without country code, in groups of digits, URL-encoded, digit by digit.
    """
    if not parse_e164(number):
        return re.compile(rf"(?<![\w.+-]){re.escape(number)}(?![\w-])")
    whole = number.removeprefix("+")
    national = re.sub("[^0-9]", "", PhoneNumber(number).national)
    forms = {whole, *((national, national.removeprefix("0")) if len(national) >= _MIN_NATIONAL_DIGITS else ())}
    code = re.escape(whole.removesuffix(national.removeprefix("0"))) if whole.endswith(national.removeprefix("0")) else ""
    start = r"(?:(?<![0-9])|(?<=%20)|(?<=%2B))"
    prefix = rf"(?:\+?{_DIGIT_SEPARATOR.join(code)}{_DIGIT_SEPARATOR})?" if code else r"\+?"
    written = "|".join(_DIGIT_SEPARATOR.join(form) for form in sorted(forms, key=len, reverse=True))
    return re.compile(rf"{start}{prefix}\(?(?:{written})(?![0-9])")
