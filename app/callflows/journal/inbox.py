"""Voicemails and text messages as an inbox: new or handled, with notes. Every change has a row in the audit log."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import func, select, tuple_

from callflows.errors import JournalRejectionError
from callflows.journal.call_derivation import fetch_all_rows
from callflows.journal.call_ending import read_recording
from callflows.journal.call_story import build_note, format_moment
from callflows.journal.id_collation import as_id_text
from callflows.journal.journal_tables import (
    AUDIT_TABLE,
    CALLS_TABLE,
    HANDLED_TABLE,
    MESSAGES_TABLE,
    NOTES_TABLE,
    RECORDINGS_TABLE,
    TRANSCRIPTS_TABLE,
)
from callflows.journal.recording_transcripts import pair_transcripts
from callflows.journal.state_order import remove_rank
from callflows.telephony.call_record import CONVERSATION_TAG
from callflows.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Select

    from callflows.journal.stored_rows import JournalRow


VOICEMAIL_KIND: Final = "voicemail"
MESSAGE_KIND: Final = "message"
CALL_KIND: Final = "call"
NOTE_ACTION: Final = "note"
"""The action of the audit log for a note; HANDLED_ACTION and REOPENED_ACTION change the state of a thing."""
HANDLED_ACTION: Final = "handled"
REOPENED_ACTION: Final = "reopened"
INBOX_STATES: Final = ("new", "handled")
MAX_NOTE_CHARACTERS: Final = 4_000
VOICEMAIL_FIELDS: Final = (
    "id", "call", "at", "from", "name", "number", "flow", "seconds", "state", "handled_at", "handled_by", "notes",
    "transcript", "url",
)  # fmt: skip
MESSAGE_FIELDS: Final = (
    "id", "thread", "at", "direction", "from", "to", "state", "delivered", "reason", "handled", "handled_at", "handled_by",
    "notes", "text",
)  # fmt: skip
_ROWS_PER_QUERY: Final = 200
_TABLES_BY_KIND: Final = {VOICEMAIL_KIND: RECORDINGS_TABLE, MESSAGE_KIND: MESSAGES_TABLE, CALL_KIND: CALLS_TABLE}


class InboxFilter(NamedTuple):
    """Filter of voicemails or messages; an empty field matches all.

    ``number`` is ours, ``party`` the other side. ``state`` is new or handled, ``direction`` in or out (messages only).
    Moments are seconds since 1970. ``after`` is the moment and id of the last row of the page before.
    """

    number: str = ""
    party: str = ""
    flow: str = ""
    state: str = ""
    direction: str = ""
    since: float | None = None
    until: float | None = None
    after: tuple[float, str] | None = None
    limit: int | None = None
    id: str = ""


class PersonChange(NamedTuple):
    """The author of a change. ``origin`` is a terminal or an address, ``at`` is in seconds since 1970."""

    who: str
    origin: str
    at: float


def join_notes(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row for a table: with its notes, if it has notes, as one text."""
    if "notes" not in row:
        return row
    return {**row, "notes": "; ".join(f"{note['by']}: {note['text']}" for note in row["notes"])}


def query_voicemails(
    connection: Connection, inbox_filter: InboxFilter, shortest_message_seconds: float
) -> Iterator[dict[str, Any]]:
    """Yield voicemails, the newest first: recordings that are long enough and no recorded conversation."""
    after, count = inbox_filter.after, 0
    while True:
        rows = _fetch_recordings(connection, inbox_filter, after)
        voicemails = [row for row in rows if _is_voicemail(row, shortest_message_seconds)]
        transcripts = _fetch_transcripts(connection, {row["call"] for row in voicemails} - {None})
        notes = _fetch_notes(connection, [row["id"] for row in voicemails])
        for row in voicemails:
            yield _build_voicemail(row, transcripts.get(row["id"], ""), notes.get(row["id"], []))
            count += 1
            if count == inbox_filter.limit:
                return
        if len(rows) < _ROWS_PER_QUERY:
            return
        after = (rows[-1]["at"], rows[-1]["id"])


def _is_voicemail(row: JournalRow, shortest_message_seconds: float) -> bool:
    recording = read_recording(row)
    is_long_enough = recording.seconds is None or recording.seconds >= shortest_message_seconds
    return is_long_enough and recording.tag != CONVERSATION_TAG


def _fetch_recordings(
    connection: Connection, inbox_filter: InboxFilter, after: tuple[float, str] | None
) -> list[JournalRow]:
    table, handled = RECORDINGS_TABLE, HANDLED_TABLE
    parent, leg = CALLS_TABLE.alias("whole"), CALLS_TABLE
    listed = (
        select(table, handled.c.at.label("handled_at"), handled.c.by.label("handled_by"))
        .join(handled, (handled.c.key == table.c.id) & (handled.c.kind == VOICEMAIL_KIND), isouter=True)
        .where(*_build_common_conditions(table, inbox_filter, after))
    )
    call_values = {"number": inbox_filter.number, "caller": inbox_filter.party, "flow": inbox_filter.flow}
    if not any(call_values.values()):
        # The newest recordings are chosen before their calls are looked up: otherwise all calls would be joined.
        listed = listed.order_by(table.c.at.desc(), table.c.id.desc()).limit(_ROWS_PER_QUERY)
    recordings = listed.subquery("listed")
    call = {name: func.coalesce(parent.c[name], leg.c[name]) for name in ("id", "caller", "name", "number", "flow")}
    query = (
        select(recordings, *(column.label(f"call_{name}") for name, column in call.items()))
        .join(leg, leg.c.id == as_id_text(recordings.c.call), isouter=True)
        .join(parent, parent.c.id == as_id_text(leg.c.parent), isouter=True)
        .order_by(recordings.c.at.desc(), recordings.c.id.desc())
        .limit(_ROWS_PER_QUERY)
    )
    return fetch_all_rows(connection, query.where(*(call[name] == value for name, value in call_values.items() if value)))


def _build_common_conditions(table: Any, inbox_filter: InboxFilter, after: tuple[float, str] | None) -> Iterator[Any]:  # noqa: ANN401 - SQLAlchemy's
    if inbox_filter.id:
        yield table.c.id == inbox_filter.id
    if inbox_filter.since is not None:
        yield table.c.at >= inbox_filter.since
    if inbox_filter.until is not None:
        yield table.c.at < inbox_filter.until
    if after is not None:
        yield tuple_(table.c.at, table.c.id) < tuple_(*after)
    if inbox_filter.state:
        is_new = HANDLED_TABLE.c.key.is_(None)
        yield is_new if inbox_filter.state == "new" else ~is_new


def _fetch_transcripts(connection: Connection, calls: set[str]) -> dict[str, str]:
    """Return transcripts by the id of the recording."""
    recordings, transcripts = (
        _group_by_call(connection, select(table).where(table.c.call.in_(sorted(calls))).order_by(table.c.at, table.c.id))
        for table in (RECORDINGS_TABLE, TRANSCRIPTS_TABLE)
    )
    found: dict[str, str] = {}
    for call, rows in transcripts.items():
        found |= pair_transcripts(recordings.get(call, []), rows).by_recording
    return found


def _group_by_call(connection: Connection, query: Select[Any]) -> dict[str, list[JournalRow]]:
    groups: dict[str, list[JournalRow]] = {}
    for row in fetch_all_rows(connection, query):
        groups.setdefault(row["call"], []).append(row)
    return groups


def _fetch_notes(connection: Connection, keys: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return notes by the id of the noted thing, the oldest first."""
    notes: dict[str, list[dict[str, Any]]] = {}
    query = select(NOTES_TABLE).where(NOTES_TABLE.c.key.in_(keys)).order_by(NOTES_TABLE.c.at, NOTES_TABLE.c.id)
    for row in fetch_all_rows(connection, query) if keys else ():
        notes.setdefault(row["key"], []).append(build_note(row))
    return notes


def _build_voicemail(row: JournalRow, transcript: str, notes: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "call": row["call_id"] or row["call"] or "",
        "at": format_moment(row["at"]),
        "from": row["call_caller"] or "",
        "name": row["call_name"] or "",
        "number": row["call_number"] or "",
        "flow": row["call_flow"] or "",
        "seconds": int(seconds) if (seconds := read_recording(row).seconds) is not None else None,
        **_build_handled_fields(row),
        "notes": notes,
        "transcript": transcript,
        "url": row["url"] or "",
        "cursor": (row["at"], row["id"]),
    }


def _build_handled_fields(row: JournalRow) -> dict[str, Any]:
    return {
        "state": INBOX_STATES[row["handled_at"] is not None],
        "handled_at": format_moment(row["handled_at"]),
        "handled_by": row["handled_by"] or "",
    }


def query_messages(connection: Connection, inbox_filter: InboxFilter) -> Iterator[dict[str, Any]]:
    """Yield text messages of both directions, the newest first."""
    after, count = inbox_filter.after, 0
    while True:
        rows = _fetch_messages(connection, inbox_filter, after)
        notes = _fetch_notes(connection, [row["id"] for row in rows])
        for row in rows:
            yield _build_message(row, notes.get(row["id"], []))
            count += 1
            if count == inbox_filter.limit:
                return
        if len(rows) < _ROWS_PER_QUERY:
            return
        after = (rows[-1]["at"], rows[-1]["id"])


def _fetch_messages(connection: Connection, inbox_filter: InboxFilter, after: tuple[float, str] | None) -> list[JournalRow]:
    table, handled = MESSAGES_TABLE, HANDLED_TABLE
    query = (
        select(table, handled.c.at.label("handled_at"), handled.c.by.label("handled_by"))
        .join(handled, (handled.c.key == table.c.id) & (handled.c.kind == MESSAGE_KIND), isouter=True)
        .order_by(table.c.at.desc(), table.c.id.desc())
        .limit(_ROWS_PER_QUERY)
    )
    for party in (inbox_filter.number, inbox_filter.party):
        if party:
            query = query.where((table.c.sender == party) | (table.c.recipient == party))
    if inbox_filter.direction:
        query = query.where(table.c.direction == inbox_filter.direction)
    if inbox_filter.state:
        # Nobody has to deal with a text of our own. A text in a callback has no direction, and came in.
        query = query.where((table.c.direction == "in") | table.c.direction.is_(None))
    return fetch_all_rows(connection, query.where(*_build_common_conditions(table, inbox_filter, after)))


def _build_message(row: JournalRow, notes: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "thread": row["thread"] or "",
        "at": format_moment(row["at"]),
        "direction": row["direction"] or "",
        "from": row["sender"] or "",
        "to": row["recipient"] or "",
        "delivered": None if row["delivered"] is None else bool(row["delivered"]),
        "reason": row["reason"] or "",
        **_build_handled_fields(row),
        "state": remove_rank(row["state"]),
        "handled": row["handled_at"] is not None,
        "notes": notes,
        "text": row["text"] or "",
        "cursor": (row["at"], row["id"]),
    }


def query_ids_by_prefix(connection: Connection, kind: str, prefix: str, limit: int) -> list[str]:
    """Return up to ``limit`` ids of voicemails, messages or calls with a prefix, in order; an exact match alone."""
    column = _TABLES_BY_KIND[kind].c.id
    ids = [
        *connection.scalars(select(column).where(column.startswith(prefix, autoescape=True)).order_by(column).limit(limit))
    ]
    return [prefix] if prefix in ids else ids


def query_recording_url(connection: Connection, id_: str) -> str:
    """Return the URL of a recording; empty if it is unknown."""
    return connection.scalar(select(RECORDINGS_TABLE.c.url).where(RECORDINGS_TABLE.c.id == id_)) or ""


def set_handled(connection: Connection, kind: str, key: str, change: PersonChange, *, handled: bool) -> bool:
    """Mark a thing as handled, or as new again. Return whether that changed anything."""
    table = HANDLED_TABLE
    mine = (table.c.kind == kind) & (table.c.key == key)
    before = connection.execute(select(table.c.by).where(mine)).scalar()
    if (before is not None) == handled:
        return False
    call = _find_call_of_thing(connection, kind, key)
    if handled:
        connection.execute(table.insert().values(kind=kind, key=key, call=call, at=change.at, by=change.who))
    else:
        connection.execute(table.delete().where(mine))
    action = HANDLED_ACTION if handled else REOPENED_ACTION
    states = INBOX_STATES[not handled], INBOX_STATES[handled]
    add_audit_row(connection, change, action, f"{kind} {key}", states, call)
    return True


def add_note(connection: Connection, kind: str, key: str, change: PersonChange, text: str) -> JournalRow:
    """Add a note to a thing, and return its row. Raises JournalRejectionError for a note that is empty or too long."""
    text = clean_text(text).strip()
    if not text or len(text) > MAX_NOTE_CHARACTERS:
        raise JournalRejectionError(f"a note has 1 to {MAX_NOTE_CHARACTERS} characters")
    call = _find_call_of_thing(connection, kind, key)
    row = {"id": uuid.uuid4().hex, "call": call, "key": key, "at": change.at, "by": change.who, "text": text}
    connection.execute(NOTES_TABLE.insert().values(row))
    add_audit_row(connection, change, NOTE_ACTION, f"{kind} {key}", ("", text), call)
    return row


def _find_call_of_thing(connection: Connection, kind: str, key: str) -> str | None:
    """Return the id of the call of a thing; None for a message, which names no call."""
    if kind == CALL_KIND:
        return key
    if kind != VOICEMAIL_KIND:
        return None
    found = connection.execute(select(RECORDINGS_TABLE.c.call).where(RECORDINGS_TABLE.c.id == key)).scalar()
    return str(found) if found else None


def query_audit_rows(connection: Connection, actions: Sequence[str], key: str) -> list[JournalRow]:
    """Return the changes of a thing (of every thing, if the key is empty) with some actions, the newest first."""
    query = select(AUDIT_TABLE).where(AUDIT_TABLE.c.action.in_(actions))
    if key:
        query = query.where(AUDIT_TABLE.c.key == key)
    return fetch_all_rows(connection, query.order_by(AUDIT_TABLE.c.at.desc(), AUDIT_TABLE.c.id))


def add_audit_row(
    connection: Connection,
    change: PersonChange,
    action: str,
    key: str,
    values: tuple[str, str],
    call: str | None = None,
) -> None:
    """Add a change to the audit log, also one that was made in a file. ``values`` are before and after the change."""
    before, after = values
    row = {
        "id": uuid.uuid4().hex,
        "at": change.at,
        "who": change.who,
        "origin": change.origin,
        "action": action,
        "key": key,
    }
    connection.execute(AUDIT_TABLE.insert().values(**row, call=call, before=before, after=after))
