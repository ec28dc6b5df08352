"""Builds journal rows from turns, events and effect results.

Rows contain plain values only, and no secrets. The journal's own thread builds the rows.
"""

from __future__ import annotations

import hashlib
import json
import uuid
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import PydanticSerializationError, to_json

from callflows.journal.journal_tables import MERGED_TABLES, PROVISIONAL_BEGINS, PROVISIONAL_CONTINUES
from callflows.journal.redaction import (
    CREDENTIAL_FIELDS,
    DIGIT_FIELDS,
    REDACTION_MASK,
    list_secret_texts,
    mask_credentials,
    mask_event_secrets,
    mask_secrets,
    mask_url_digits,
    may_keep_digits,
)
from callflows.journal.state_order import (
    CALL_STATE_RANKS,
    EFFECT_RESULT_RANKS,
    MESSAGE_STATE_RANKS,
    OUTCOME_RANKS,
    add_rank,
    rank_hangup_cause,
)
from callflows.telephony.calls import CALL_BEGAN_FIELD
from callflows.telephony.events import CALL_STATE_TIME_FIELDS, AnsweredRequest, PlatformEvent
from callflows.telephony.phone_numbers import UNKNOWN_VALUE, parse_attestation, parse_caller_number, parse_e164
from callflows.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from callflows.journal.journal_store import JournalEntry, JournalRow
    from callflows.telephony.events import EffectResult
    from callflows.telephony.turn import Turn

    DescribeDecisions = Callable[[Turn], list[dict[str, Any]]]


_BLANK_ROWS: Final = {
    name: dict.fromkeys((column.name for column in table.c), None) for name, table in MERGED_TABLES.items()
}
_MAX_COLUMN_CHARACTERS: Final = 1_000
"""Maximum length of an external text in a column of its own; ``raw`` contains the whole text."""
_FIELDS_BY_STATE: Final = {**CALL_STATE_TIME_FIELDS, "": "finished_on"}
_CALL_MOMENTS: Final = tuple((field.removesuffix("_on"), field, state) for state, field in _FIELDS_BY_STATE.items())
"""(column, field of a call entity, state reached by a call with this field)."""
_BEGINNING_STATES: Final = frozenset({"init", "online", "ringing"})
PROVISIONAL_ID_PREFIX: Final = "~"
"""Prefix of the id of a call whose uuid is unknown."""


def build_journal_entries(
    item: AnsweredRequest | PlatformEvent | EffectResult, describe_decisions: DescribeDecisions
) -> list[JournalEntry]:
    """Build the rows of an item. A refused request has no rows."""
    if isinstance(item, PlatformEvent):
        return _build_event_entries(item)
    if isinstance(item, AnsweredRequest):
        return _build_turn_entries(item, describe_decisions) if item.outcome.kind != "refused" else []
    payload = _dump_json(item.payload) if item.payload else None
    return [
        _build_effect_entry(
            item.kind, item.key, item.call or None, payload, at=None, result=item.result, effect_result=item
        )
    ]


def _build_turn_entries(answered: AnsweredRequest, describe_decisions: DescribeDecisions) -> list[JournalEntry]:
    """Build the rows of a request: the call, the turn, and the requested effects."""
    turn, outcome, fields = answered.turn, answered.outcome, answered.request_fields
    decisions = describe_decisions(turn) if turn is not None else []
    kept = may_keep_digits(turn, decisions, answered=outcome.kind == "answered")
    secrets = list_secret_texts(turn, digits_allowed=kept)
    id_ = uuid.uuid4().hex
    call = fields.get("call") or f"{PROVISIONAL_ID_PREFIX}{id_}"
    query = mask_credentials(clean_text(answered.query.decode("latin-1"))[:4096])
    pressed = next((fields[name] for name in DIGIT_FIELDS if fields.get(name)), None)
    row = {
        "id": id_,
        "call": call,
        "at": answered.received_at,
        "seconds": answered.answer_seconds,
        "method": answered.method,
        "path": clean_text(answered.path)[:_MAX_COLUMN_CHARACTERS],
        "query": query if kept else mask_url_digits(query),
        "told": _dump_json(
            {
                name: value if kept or name not in DIGIT_FIELDS else REDACTION_MASK
                for name, value in _drop_credentials(fields).items()
            }
        ),
        "pressed": pressed if kept or not pressed else REDACTION_MASK,
        "status": answered.status,
        "outcome": outcome.kind,
        "flow": outcome.flow,
        "node": outcome.node,
        "version": outcome.version,
        "cause": mask_secrets(clean_text(outcome.cause), secrets),
        "detail": mask_secrets(clean_text(outcome.detail), secrets),
        "trail": mask_credentials(mask_secrets(_dump_json(decisions), secrets)),
        "document": zlib.compress(mask_secrets(mask_credentials(answered.document.decode()), secrets).encode(), 1),
    }
    effects = [
        _build_effect_entry(
            e.kind, e.key, call, mask_secrets(_dump_json(e.payload), secrets), at=answered.received_at, result="asked"
        )
        for e in outcome.effects
    ]
    return [("calls", _build_call_of_turn(answered, call)), ("turns", row), *effects]


def _drop_credentials(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name not in CREDENTIAL_FIELDS and name != CALL_BEGAN_FIELD}


def _build_call_of_turn(answered: AnsweredRequest, call: str) -> JournalRow:
    """Build the call row of a turn; without a uuid, the call is matched later by its start."""
    fields, outcome = answered.request_fields, answered.outcome
    return {
        **_BLANK_ROWS["calls"],
        "id": call,
        "provisional": PROVISIONAL_BEGINS if call[0] == PROVISIONAL_ID_PREFIX else None,
        "direction": "in",
        "caller": parse_caller_number(fields.get("from", "")) or None,
        "name": fields.get("name") or None,
        "number": _normalize_number(fields.get("to") or fields.get("tn")),
        "app": fields.get("sca") or None,
        "attestation": _normalize_attestation(fields.get("attestation")),
        "flow": outcome.flow or None,
        "outcome": add_rank(OUTCOME_RANKS, outcome.kind),
        "started": float(fields.get(CALL_BEGAN_FIELD) or answered.received_at),
    }


def _build_effect_entry(
    kind: str,
    key: str,
    call: str | None,
    payload: str | None,
    *,
    at: float | None,
    result: str,
    effect_result: EffectResult | None = None,
) -> JournalEntry:
    row = {
        **_BLANK_ROWS["effects"],
        "kind": kind,
        "key": key,
        "call": call,
        "at": at,
        "result": add_rank(EFFECT_RESULT_RANKS, result),
    }
    row["payload"] = mask_credentials(payload) if payload else None
    if effect_result is not None:
        row |= {
            "reason": clean_text(effect_result.reason)[:_MAX_COLUMN_CHARACTERS] or None,
            "settled": effect_result.finished_at,
        }
    return "effects", row


def _build_event_entries(platform_event: PlatformEvent) -> list[JournalEntry]:
    """Build the rows of an event: the event, and the call, legs, recordings or message in the event."""
    entity = platform_event.call
    entries: list[JournalEntry] = []
    row = _build_call_row(entity, platform_event.occurred_at, platform_event) if entity else {"id": None}
    call = row["id"]
    if call is not None:
        entries = [
            ("calls", row),
            *_build_relative_entries(entity, row, platform_event.occurred_at),
            *_build_recording_entries(entity.get("records"), call, platform_event.occurred_at),
        ]
    if platform_event.sms:
        entries.append(("messages", _build_message_row(platform_event)))
    if "record" in platform_event.kind or "transcript" in platform_event.kind:
        entries.append(_build_recording_event_entry(platform_event, call))
    raw = mask_event_secrets(_dump_json(platform_event.raw))
    event = {
        "key": _clean_text(platform_event.key) or "",
        "kind": _clean_text(platform_event.kind) or "",
        "call": call,
        "at": platform_event.occurred_at,
        "state": _clean_text(platform_event.state) or "",
        "message": _clean_text(mask_credentials(platform_event.message)) or "",
        "source": platform_event.source,
        "raw": raw,
    }
    return [*entries, ("events", event)]


def _build_call_row(entity: Mapping[str, Any], at: float, platform_event: PlatformEvent | None = None) -> JournalRow:
    """Build a call row from a call entity. The entity's moments imply states as well; ``at`` is the time of the report.

    Without a uuid the id is provisional, or None if the entity has neither caller nor number.
    """
    row: JournalRow = {**_BLANK_ROWS["calls"]}
    states = [_clean_text(entity.get("state")) or ""]
    if platform_event is not None and platform_event.kind == "call_state":
        states.append(platform_event.state)
    for column, field, state in _CALL_MOMENTS:
        written = entity.get(field)
        if written is not None:
            row[column] = moment = _parse_moment(written)
            if moment is not None:
                states.append(state)
    state = states[0] if len(states) == 1 else max(states, key=_rank_state)
    app, number = entity.get("sip_control_app"), entity.get("tn")
    direction = _clean_text(entity.get("direction"))
    row["id"] = _clean_text(entity.get("uuid"))
    row["direction"] = direction
    row["caller"] = parse_caller_number(_clean_text(entity.get("from")) or "") or None
    row["number"] = _normalize_number(entity.get("to") or (number.get("tn") if isinstance(number, dict) else None))
    row["app"] = _clean_text(app.get("uuid")) if isinstance(app, dict) else None
    row["attestation"] = _normalize_attestation(entity.get("stir_shaken_attest_level"))
    row["state"] = add_rank(CALL_STATE_RANKS, state)
    row["cause"] = rank_hangup_cause(state, entity.get("q850_cause"), _clean_text(entity.get("q850_cause_string")))
    row["seconds"] = platform_event.call_seconds if platform_event is not None else None
    created = _parse_moment(entity.get("created_on"))
    known = [moment for moment in (created, row["init"], row["ring"]) if moment is not None]
    row["started"] = min(known) if known else at
    if row["id"] is None and platform_event is not None and (row["caller"] or row["number"]):
        key = hashlib.blake2b(platform_event.key.encode("utf-8", "replace"), digest_size=16).hexdigest()
        goes_on = PROVISIONAL_BEGINS if state in _BEGINNING_STATES else PROVISIONAL_CONTINUES
        row |= {
            "id": f"{PROVISIONAL_ID_PREFIX}{key}",
            "provisional": goes_on,
            "started": platform_event.occurred_at,
            "direction": direction or "in",
        }
    return row


def _build_relative_entries(entity: Mapping[str, Any], row: JournalRow, at: float) -> list[JournalEntry]:
    """Build rows of the parent call and of the legs, and set ``parent`` in the row."""
    found: list[JournalEntry] = []
    parent = entity.get("parent")
    if isinstance(parent, dict) and _clean_text(parent.get("uuid")):
        found.append(("calls", _build_call_row(parent, at)))
        row["parent"] = found[-1][1]["id"]
    elif isinstance(parent, str) and parent:
        row["parent"] = _clean_text(parent)
    children = entity.get("children")
    legs = [child for child in children if isinstance(child, dict)] if isinstance(children, list) else []
    return [
        *found,
        *(("calls", {**_build_call_row(leg, at), "parent": row["id"]}) for leg in legs if _clean_text(leg.get("uuid"))),
    ]


def _build_recording_entries(records: object, call: str | None, at: float) -> list[JournalEntry]:
    """Build rows of the recordings in a call entity. The format is undocumented, so ``raw`` keeps every field."""
    listed = [record for record in records if isinstance(record, dict)] if isinstance(records, list) else []
    return [("recordings", _build_recording_row(record, call, at)) for record in listed]


def _build_recording_row(record: Mapping[str, Any], call: str | None, at: float) -> JournalRow:
    raw = mask_event_secrets(_dump_json(dict(sorted(record.items()))))
    id_ = _clean_text(record.get("uuid")) or hashlib.blake2b(raw.encode(), digest_size=16).hexdigest()
    return {"id": id_, "call": call, "at": at, "url": _clean_text(record.get("url")), "raw": raw}


def _build_recording_event_entry(platform_event: PlatformEvent, call: str | None) -> JournalEntry:
    """Build the row of a recording or transcript event. The payload is undocumented, so ``raw`` keeps every field."""
    payload = platform_event.raw.get("payload")
    about = payload if isinstance(payload, dict) else platform_event.raw
    row = _build_recording_row(about, call, platform_event.occurred_at)
    if "transcript" not in platform_event.kind:
        return "recordings", row
    said = _clean_text(about.get("text")) or _clean_text(about.get("transcript"))
    del row["url"]
    return "transcripts", {**row, "text": said}


def _build_message_row(platform_event: PlatformEvent) -> JournalRow:
    """Build a message row. platform: ``smso`` is sent, ``smsi`` and ``smsr`` are received."""
    sms = platform_event.sms
    delivered = sms.get("delivered")
    return {
        **_BLANK_ROWS["messages"],
        "id": _clean_text(sms.get("uuid")) or platform_event.key,
        "thread": _clean_text(sms.get("thread")),
        "direction": "out" if sms.get("type") == "smso" else "in" if sms.get("type") in ("smsi", "smsr") else None,
        "sender": _normalize_number(sms.get("from")),
        "recipient": _normalize_number(sms.get("to")),
        "text": clean_text(str(sms.get("message") or "")) or None,
        "at": _parse_moment(sms.get("created_on")) or platform_event.occurred_at,
        "state": add_rank(MESSAGE_STATE_RANKS, _clean_text(sms.get("state")) or ""),
        "delivered": int(delivered) if isinstance(delivered, bool) else None,
        "reason": _clean_text(sms.get("reason")),
    }


def _rank_state(state: str) -> str:
    return CALL_STATE_RANKS.get(state, "0")


def _normalize_number(value: object) -> str | None:
    """Return a number in E.164, or the cleaned text if the text is not a number."""
    text = _clean_text(value)
    return (parse_e164(text) or text) if text else None


def _normalize_attestation(value: object) -> str | None:
    level = parse_attestation(value) if isinstance(value, str) else UNKNOWN_VALUE
    return None if level == UNKNOWN_VALUE else level


def _clean_text(value: object) -> str | None:
    if isinstance(value, str):
        return (
            value
            if len(value) <= _MAX_COLUMN_CHARACTERS and value.isprintable()
            else clean_text(value[:_MAX_COLUMN_CHARACTERS])
        ) or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _parse_moment(value: object) -> float | None:
    """Parse a time of Opentact to seconds since 1970; a time without a zone is UTC. None if invalid."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _dump_json(value: object) -> str:
    """Serialize to JSON; replace characters that UTF-8 cannot encode (lone surrogates)."""
    try:
        return to_json(value, fallback=str).decode()
    except PydanticSerializationError:
        return json.dumps(value, default=str)
