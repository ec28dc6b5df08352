"""Builds journal rows from turns, events and effect results.

Rows contain plain values only, and no secrets. The journal's own thread builds the rows.
"""

from __future__ import annotations

import hashlib
import time
import zlib
from typing import TYPE_CHECKING, Any, Final

from callflows.journal.call_path import build_turn_visit, build_visit_row
from callflows.journal.journal_tables import MERGED_TABLES, PROVISIONAL_BEGINS, PROVISIONAL_CONTINUES
from callflows.journal.redacted_turns import TurnRedactor, dump_json
from callflows.journal.redaction import DIGIT_FIELDS, mask_credentials, mask_event_secrets
from callflows.journal.state_order import (
    EFFECT_RESULT_RANKS,
    MESSAGE_STATE_RANKS,
    OUTCOME_RANKS,
    add_rank,
    rank_hangup_cause,
    remove_rank,
)
from callflows.telephony.call_entity import STATE_OF_MOMENT, CallEntity
from callflows.telephony.call_record import round_up_seconds
from callflows.telephony.call_states import BEGINNING_CALL_STATES, CALL_STATE_RANKS, rank_call_state
from callflows.telephony.calls import CALL_BEGAN_FIELD, CAMPAIGN_FIELD
from callflows.telephony.events import OWN_SOURCE, AnsweredRequest, GivenUpLog, LiveFlowVersion, PlatformEvent
from callflows.telephony.phone_numbers import UNKNOWN_VALUE, parse_attestation, parse_caller_number, parse_reported_number
from callflows.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from callflows.flows.loader.place_tracer import DocumentPlaces
    from callflows.journal.redacted_turns import RedactedTurn, TraceDocument
    from callflows.journal.stored_rows import JournalEntry, JournalRow
    from callflows.telephony.events import EffectResult
    from callflows.telephony.message_entity import MessageEntity
    from callflows.telephony.platform_entity import PlatformEntity
    from callflows.telephony.recording_entity import RecordingEntity

    JournalItem = AnsweredRequest | PlatformEvent | EffectResult | GivenUpLog | LiveFlowVersion


_BLANK_ROWS: Final = {
    name: dict.fromkeys((column.name for column in table.c), None) for name, table in MERGED_TABLES.items()
}
GIVEN_UP_LOG_KIND: Final = "execution log"
"""Kind of the entry in the story of a call whose execution log was given up."""
_MAX_COLUMN_CHARACTERS: Final = 1_000
"""Maximum length of an external text in a column of its own; ``raw`` contains the whole text."""
PROVISIONAL_ID_PREFIX: Final = "ours-"
"""Prefix of the id of a call whose uuid is unknown. A shell and a spreadsheet take it as it is."""


def build_journal_entries(item: JournalItem, trace_document: TraceDocument | None = None) -> list[JournalEntry]:
    """Build the rows of an item. A refused request has no rows.

    ``trace_document`` finds the places of a document's elements in the flow file (see ``PlaceTracer``).
    """
    if isinstance(item, PlatformEvent):
        return _build_event_entries(item)
    if isinstance(item, AnsweredRequest):
        if item.outcome.kind == "refused":
            return []
        redactor = TurnRedactor()
        return build_turn_entries(redactor.redact_turn(item, trace_document), redactor.texts)
    if isinstance(item, LiveFlowVersion):
        return [("versions", item._asdict())]
    if isinstance(item, GivenUpLog):
        return [_build_given_up_entry(item)]
    payload = dump_json(item.payload) if item.payload else None
    return [
        _build_effect_entry(
            item.kind, item.key, item.call or None, payload, at=None, result=item.result, effect_result=item
        )
    ]


def build_turn_entries(turn: RedactedTurn, texts: Sequence[str]) -> list[JournalEntry]:
    """Build the rows of a request: the call, the turn, its visit, the places of its document, the requested effects.

    ``texts`` are those of the turn's batch.
    """
    fields, answer, places = turn.request_fields, turn.answer, turn.places
    call = fields.get("call") or f"{PROVISIONAL_ID_PREFIX}{turn.id}"
    row = {
        "id": turn.id,
        "call": call,
        "at": turn.received_at,
        "seconds": turn.answer_seconds,
        "method": answer.method,
        "path": clean_text(answer.path)[:_MAX_COLUMN_CHARACTERS],
        "query": turn.query,
        "request_fields": dump_json({name: value for name, value in fields.items() if name != CALL_BEGAN_FIELD}),
        "pressed": next((fields[name] for name in DIGIT_FIELDS if fields.get(name)), None),
        "status": answer.status,
        "outcome": answer.kind,
        "flow": answer.flow,
        "node": answer.node,
        "version": answer.version,
        "cause": answer.cause,
        "detail": answer.detail,
        "trail": texts[answer.decisions],
        "document": zlib.compress(_join_texts(texts, answer.document).encode(), 1),
        "places": places.key if places is not None else None,
    }
    effects = [
        _build_effect_entry(effect.kind, effect.key, call, effect.payload, at=turn.received_at, result="asked")
        for effect in turn.effects
    ]
    visit = build_turn_visit(row, places.first if places is not None else None)
    visits = [("visits", build_visit_row(call, 0, visit))] if answer.flow else []
    campaign = [("campaign_calls", {"key": fields[CAMPAIGN_FIELD], "call": call})] if CAMPAIGN_FIELD in fields else []
    return [("calls", _build_call_of_turn(turn, call)), ("turns", row), *visits, *_list_places(places), *effects, *campaign]


def _join_texts(texts: Sequence[str], places: Sequence[int]) -> str:
    """Return a document, or another text, whose parts are places in the texts of its batch."""
    return "".join([texts[place] for place in places])


def _list_places(places: DocumentPlaces | None) -> list[JournalEntry]:
    """Build the row of a document's places if they are new."""
    if places is None or not places.is_new:
        return []
    row = {"id": places.key, "flow": places.flow, "version": places.version, "elements": places.places}
    return [("places", row)]


def _build_call_of_turn(turn: RedactedTurn, call: str) -> JournalRow:
    """Build the call row of a turn; without a uuid, the call is matched later by its start."""
    fields = turn.request_fields
    # For a flow the person that we called is the caller; the log has the call as Opentact reports it.
    is_outbound = CAMPAIGN_FIELD in fields
    other, ours = parse_caller_number(fields.get("from", "")), _normalize_number(fields.get("to") or fields.get("tn"))
    caller, number = (ours, other) if is_outbound else (other, ours)
    return {
        **_BLANK_ROWS["calls"],
        "id": call,
        "provisional": PROVISIONAL_BEGINS if call.startswith(PROVISIONAL_ID_PREFIX) else None,
        "direction": "out" if is_outbound else "in",
        "caller": caller or None,
        "name": fields.get("name") or None,
        "number": number or None,
        "app": fields.get("sca") or None,
        "attestation": _normalize_attestation(fields.get("attestation")),
        "flow": turn.answer.flow or None,
        "outcome": add_rank(OUTCOME_RANKS, turn.answer.kind),
        "started": float(fields.get(CALL_BEGAN_FIELD) or turn.received_at),
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


def _build_given_up_entry(given_up: GivenUpLog) -> JournalEntry:
    row = {
        "key": f"{GIVEN_UP_LOG_KIND}/{_clean_column(given_up.call)}",
        "kind": GIVEN_UP_LOG_KIND,
        "call": given_up.call,
        "at": given_up.given_up_at,
        "state": "",
        "message": _clean_column(mask_credentials(given_up.reason)),
        "source": OWN_SOURCE,
        "raw": "{}",
        "arrived": given_up.given_up_at,
    }
    return "events", row


def _build_event_entries(platform_event: PlatformEvent) -> list[JournalEntry]:
    """Build the rows of an event: the event, and the call, legs, recordings or message in the event."""
    entity = platform_event.call
    entries: list[JournalEntry] = []
    call = None
    if entity is not None:
        row = _build_reported_call_row(entity, platform_event)
        call = row["id"]
        if call is not None:
            entries = [
                ("calls", row),
                *_build_relative_entries(entity, row, platform_event.occurred_at),
            ]
    if platform_event.sms is not None:
        entries.append(("messages", _build_message_row(platform_event.sms, platform_event)))
    entries += _build_recording_entries(platform_event, call)
    raw = mask_event_secrets(dump_json(platform_event.raw))
    event = {
        "key": _clean_column(platform_event.key),
        "kind": _clean_column(platform_event.kind),
        "call": call,
        "at": platform_event.occurred_at,
        "state": _clean_column(platform_event.state),
        "message": _clean_column(mask_credentials(platform_event.message)),
        "source": platform_event.source,
        "raw": raw,
        "arrived": time.time(),
    }
    return [*entries, ("events", event)]


def _build_reported_call_row(entity: CallEntity, platform_event: PlatformEvent) -> JournalRow:
    """Build the row of an event's call.

    Without a uuid the id is provisional, or None if the entity has neither caller nor number.
    """
    states = [platform_event.state] if platform_event.kind == "call_state" else []
    row = _build_call_row(entity, platform_event.occurred_at, states)
    if platform_event.call_seconds is not None:
        row["seconds"] = round_up_seconds(platform_event.call_seconds)
    if row["id"] is None and (row["caller"] or row["number"]):
        key = hashlib.blake2b(platform_event.key.encode("utf-8", "replace"), digest_size=16).hexdigest()
        begins = remove_rank(row["state"]) in BEGINNING_CALL_STATES
        row |= {
            "id": f"{PROVISIONAL_ID_PREFIX}{key}",
            "provisional": PROVISIONAL_BEGINS if begins else PROVISIONAL_CONTINUES,
            "started": platform_event.occurred_at,
            "direction": row["direction"] or "in",
        }
    return row


def _build_call_row(entity: CallEntity, at: float, more_states: Sequence[str] = ()) -> JournalRow:
    """Build a call row from a call entity. ``at`` is the time of the report.

    The state is the latest of the entity's state, the states implied by the entity's moments, and ``more_states``.
    """
    moments = {name: moment.timestamp() for name, moment in entity.moments.items()}
    state = max([entity.state, *(STATE_OF_MOMENT[name] for name in moments), *more_states], key=rank_call_state)
    created = entity.created_at
    known = [moment for moment in (moments.get("init"), moments.get("ring")) if moment is not None]
    if created is not None:
        known.append(created.timestamp())
    return {
        **_BLANK_ROWS["calls"],
        **moments,
        "id": entity.uuid or None,
        "direction": entity.direction or None,
        "caller": parse_caller_number(entity.from_) or None,
        "number": _normalize_number(entity.to),
        "app": entity.app_uuid or None,
        "attestation": _normalize_attestation(entity.attestation),
        "state": add_rank(CALL_STATE_RANKS, state),
        "cause": rank_hangup_cause(state, entity.q850_cause, entity.q850_cause_text),
        "started": min(known) if known else at,
    }


def _build_relative_entries(entity: CallEntity, row: JournalRow, at: float) -> list[JournalEntry]:
    """Build rows of the parent call and of the legs, and set ``parent`` in the row."""
    row["parent"] = entity.parent_uuid or None
    parent = entity.parent
    relatives = [_build_call_row(parent, at)] if parent is not None and parent.uuid else []
    relatives += [{**_build_call_row(leg, at), "parent": row["id"]} for leg in entity.children if leg.uuid]
    return [("calls", relative) for relative in relatives]


def _build_recording_entries(platform_event: PlatformEvent, call: str | None) -> list[JournalEntry]:
    """Build the rows of an event's recordings and transcripts. A transcript in a recording is a row of its own, too."""
    of_call = platform_event.call.recordings if platform_event.call is not None and call is not None else []
    entries: list[JournalEntry] = []
    for recording in (*of_call, *platform_event.recordings):
        row = _build_recording_row(recording, call, platform_event.occurred_at)
        entries.append(("recordings", row))
        if recording.transcript:
            raw = dump_json({"recording": row["id"]})
            shared = {name: row[name] for name in ("id", "call", "at")}
            entries.append(("transcripts", {**shared, "raw": raw, "text": recording.transcript}))
    for transcript in platform_event.transcripts:
        id_, raw = _identify_undocumented(transcript, transcript.raw)
        moment = {"id": id_, "call": call, "at": platform_event.occurred_at}
        entries.append(("transcripts", {**moment, "raw": raw, "text": transcript.text or None}))
    return entries


def _build_recording_row(recording: RecordingEntity, call: str | None, at: float) -> JournalRow:
    # A transcript that comes later must not make another recording of it, so it is no part of the row.
    id_, raw = _identify_undocumented(recording, recording.without_transcript())
    return {"id": id_, "call": call, "at": at, "url": _clean_column(recording.url) or None, "raw": raw}


def _identify_undocumented(entity: PlatformEntity, fields: Mapping[str, Any]) -> tuple[str, str]:
    """Return the id of an object and its fields as JSON; without an id of Opentact, a digest of the fields is the id."""
    raw = mask_event_secrets(dump_json(dict(sorted(fields.items()))))
    return entity.uuid or hashlib.blake2b(raw.encode(), digest_size=16).hexdigest(), raw


def _build_message_row(sms: MessageEntity, platform_event: PlatformEvent) -> JournalRow:
    created = sms.created_at
    return {
        **_BLANK_ROWS["messages"],
        "id": sms.uuid or platform_event.key,
        "thread": sms.thread or None,
        "direction": sms.direction or None,
        "sender": _normalize_number(sms.from_),
        "recipient": _normalize_number(sms.to),
        "text": sms.text or None,
        "at": created.timestamp() if created is not None else platform_event.occurred_at,
        "state": add_rank(MESSAGE_STATE_RANKS, sms.state),
        "delivered": int(sms.delivered) if sms.delivered is not None else None,
        "reason": sms.reason or None,
    }


def _normalize_number(text: str | None) -> str | None:
    """Return a number in E.164, or the text if the text is not a number."""
    return (parse_reported_number(text) or text) if text else None


def _normalize_attestation(text: str | None) -> str | None:
    level = parse_attestation(text or "")
    return None if level == UNKNOWN_VALUE else level


def _clean_column(value: object) -> str:
    """Return a text for a column; any other value is an empty text."""
    return clean_text(value[:_MAX_COLUMN_CHARACTERS]) if isinstance(value, str) else ""
