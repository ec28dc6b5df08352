"""One event, parsed from either envelope of Opentact. Unknown types and fields are kept, never rejected.

2022: ``timestamp, type, message, payload``; the payload is the call, the message, ``{command, call}`` or an amount.
2024: ``uuid, created_on, type, message, payload, call, call_flow, ref_id, account, …``.
A delivery report of a webhook has a third form: see ``delivery_report``.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final

from callflows.opentact.delivery_report import DeliveryReport, read_delivery_report
from callflows.telephony.account_entity import NumberOrderEntity, parse_amount
from callflows.telephony.call_entity import CallEntity, parse_call_duration
from callflows.telephony.events import SEARCH_SOURCES, PlatformEvent, extract_executed_step
from callflows.telephony.message_entity import MessageEntity
from callflows.telephony.platform_entity import parse_platform_time
from callflows.telephony.recording_entity import RecordingEntity, TranscriptEntity, list_recordings
from callflows.text import clean_field

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


UNKNOWN_EVENT_TYPE: Final = "unknown"
"""Type of an event without a type."""
_UNSTORABLE_CHARACTER: Final = re.compile("[\x00\ud800-\udfff]")
"""NUL and lone surrogates: valid in JSON, but rejected by databases and files."""


_RECORDING_WORD: Final = "record"
_TRANSCRIPT_WORD: Final = "transcript"
"""Types with these words are events of recordings and transcripts. platform: ``call_record`` is documented as a type."""
ORDER_EVENT_TYPE: Final = "tn_order"
BALANCE_EVENT_TYPE: Final = "balance"


_MAX_DEPTH: Final = 200
"""Depth of an event; Opentact's have a depth of ten."""


class MalformedFrameError(ValueError):
    """A frame without events: invalid JSON, or no JSON object."""


def parse_frame(frame: str | bytes, received_at: datetime) -> list[PlatformEvent]:
    """Return the events of a frame: one object or a list of objects. Raises MalformedFrameError."""
    try:
        rows = json.loads(frame)
    except (ValueError, RecursionError) as error:
        raise MalformedFrameError(f"it is no JSON: {type(error).__name__}") from None
    return parse_events(rows if isinstance(rows, list) else [rows], received_at)


def parse_events(rows: list[Any], received_at: datetime, source: str = "wss") -> list[PlatformEvent]:
    """Return the events of several objects. Raises MalformedFrameError."""
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise MalformedFrameError("it is no object")
    try:
        return [parse_event(_replace_unstorable(row), received_at, source) for row in rows]
    except RecursionError:
        raise MalformedFrameError("it is nested too deeply") from None


def parse_event(raw: Mapping[str, Any], received_at: datetime, source: str = "wss") -> PlatformEvent:
    """Parse an envelope of either year, or a delivery report; the content never causes an error."""
    report = read_delivery_report(raw)
    if report is not None:
        return _parse_delivery_report(raw, report, received_at, source)
    old = "timestamp" in raw and "created_on" not in raw
    payload = raw.get("payload")
    parts = payload if isinstance(payload, dict) else {}
    kind = raw["type"] if isinstance(raw.get("type"), str) and raw["type"] else UNKNOWN_EVENT_TYPE
    at = parse_platform_time(raw.get("timestamp" if old else "created_on")) or parse_platform_time(raw.get("modified_on"))
    call = _find_call_entity(raw, parts, kind)
    sms = _find_message_entity(raw, parts, kind)
    entity = sms or call
    return PlatformEvent(
        kind=kind,
        key=_build_event_key(raw, kind, entity),
        occurred_at=(at or received_at).timestamp(),
        raw=raw,
        message=raw["message"] if isinstance(raw.get("message"), str) else "",
        state=clean_field(parts.get("state")) or (call.state if call else "") or (sms.state if sms else ""),
        call_seconds=_measure_call_seconds(call, at, parts, is_envelope_2022=old, found_by_search=source in SEARCH_SOURCES),
        call=call,
        sms=sms,
        source=source,
        recordings=_find_recordings(raw, parts, call) if _RECORDING_WORD in kind else (),
        transcripts=_find_transcripts(raw, parts) if _TRANSCRIPT_WORD in kind else (),
        order=NumberOrderEntity(parts or raw) if kind == ORDER_EVENT_TYPE else None,
        balance=_find_balance(payload) if kind == BALANCE_EVENT_TYPE else None,
        balance_action=clean_field(raw.get("source_action") or parts.get("source_action")),
    )


def _parse_delivery_report(
    raw: Mapping[str, Any], report: DeliveryReport, received_at: datetime, source: str
) -> PlatformEvent:
    sms = report.message
    at = parse_platform_time(report.occurred_at) or received_at
    return PlatformEvent(
        kind="sms",
        key=report.key or _build_event_key(raw, "sms", sms),
        occurred_at=at.timestamp(),
        raw=raw,
        message=f"SMS: type: {sms.type}, state: {sms.state}",
        state=sms.state,
        sms=sms,
        source=source,
    )


def _find_recordings(
    raw: Mapping[str, Any], payload: Mapping[str, Any], call: CallEntity | None
) -> tuple[RecordingEntity, ...]:
    """Return the recordings of an event: in the payload, beside the payload, or the payload itself.

    The payload is undocumented. If the payload is the call, ``call.recordings`` has its recordings.
    """
    for place in (payload, raw):
        found = list_recordings(place)
        if found:
            return tuple(found)
    about = payload or raw
    return () if call is not None and call.raw is about else (RecordingEntity(about),)


def _find_transcripts(raw: Mapping[str, Any], payload: Mapping[str, Any]) -> tuple[TranscriptEntity, ...]:
    """Return the transcript of an event: an object beside the payload, in the payload, or the payload itself."""
    for place in (payload, raw):
        inner = place.get(_TRANSCRIPT_WORD)
        if isinstance(inner, dict) and inner:
            beside = {name: place[name] for name in place if name not in (_TRANSCRIPT_WORD, "uuid")}
            return (TranscriptEntity({**beside, **inner}),)
    return (TranscriptEntity(payload or raw),)


def _find_balance(payload: object) -> float | None:
    """Return the amount: the payload itself, or its ``balance``. platform: only the bare amount is documented."""
    if isinstance(payload, dict):
        return next(
            (one for one in (parse_amount(payload.get(name)) for name in ("balance", "amount")) if one is not None), None
        )
    return parse_amount(payload)


def _find_call_entity(raw: Mapping[str, Any], payload: Mapping[str, Any], event_type: str) -> CallEntity | None:
    """Return the call: beside the payload (2024), in the payload, or the payload itself (2022).

    A recording or a transcript may name only the id of its call. Their payloads are undocumented.
    """
    for part in (raw.get("call"), payload.get("call")):
        if isinstance(part, dict):
            return CallEntity(part) if part else None
    if event_type == "call_state" and ("uuid" in payload or "from" in payload):
        return CallEntity(payload)
    if _RECORDING_WORD in event_type or _TRANSCRIPT_WORD in event_type:
        if "direction" in payload and "from" in payload:
            return CallEntity(payload)
        places = (payload, raw, *(one.raw for place in (payload, raw) for one in list_recordings(place)))
        ids = (place.get(name) for place in places for name in ("call", "call_uuid", "call_id"))
        found = next((id_ for id_ in ids if id_), "")
        uuid = clean_field(found.get("uuid") if isinstance(found, dict) else found)
        return CallEntity({"uuid": uuid}) if uuid else None
    return None


def _find_message_entity(raw: Mapping[str, Any], payload: Mapping[str, Any], event_type: str) -> MessageEntity | None:
    """Return the text message.

    The 2024 envelope does not document its place, so several places are tried.
    """
    places = (raw.get("sms"), payload.get("sms"), payload) if event_type == "sms" else ()
    return next((MessageEntity(part) for part in places if isinstance(part, dict) and part), None)


def _measure_call_seconds(
    call: CallEntity | None,
    occurred_at: datetime | None,
    payload: Mapping[str, Any],
    *,
    is_envelope_2022: bool,
    found_by_search: bool,
) -> float | None:
    """Return the call's duration.

    The 2024 envelope is documented to use seconds. The unit of the 2022 envelope and of search results is inferred.
    """
    if call is None:
        return None
    if found_by_search:
        return call.duration_seconds()
    if is_envelope_2022:
        return call.duration_seconds(occurred_at, assume_milliseconds=True)
    return parse_call_duration(payload.get("duration")) if call.duration is None else call.duration


def _build_event_key(raw: Mapping[str, Any], event_type: str, entity: CallEntity | MessageEntity | None) -> str:
    """Return the uuid of a 2024 event; else type, entity, state and time; else a hash of the whole event."""
    if "timestamp" not in raw and isinstance(raw.get("uuid"), str) and raw["uuid"]:
        return str(raw["uuid"])
    at = raw.get("timestamp")
    if entity is None or not entity.uuid or not isinstance(at, (str, int, float)):
        canonical = json.dumps(raw, sort_keys=True, default=str)
        return f"{event_type}/{hashlib.sha256(canonical.encode()).hexdigest()[:32]}"
    delivered = entity.delivered if isinstance(entity, MessageEntity) else None
    parts = [entity.state]
    if delivered is not None:
        parts.append(str(delivered))
    step = extract_executed_step(raw) if event_type == "call_flow" else {}
    if step:
        parts.append(next((name for name in map(clean_field, map(step.get, ("uuid", "path", "name"))) if name), ""))
    return f"{event_type}/{entity.uuid}/{':'.join(parts)}/{at}"


def _replace_unstorable(value: Any, depth: int = 0) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON value with every NUL and lone surrogate replaced by U+FFFD.

    Raises RecursionError for a value that is nested too deeply, at the same depth in every version of Python.
    """
    if isinstance(value, str):
        return _UNSTORABLE_CHARACTER.sub("\ufffd", value) if _UNSTORABLE_CHARACTER.search(value) else value
    if depth > _MAX_DEPTH:
        raise RecursionError
    if isinstance(value, dict):
        return {_replace_unstorable(name): _replace_unstorable(part, depth + 1) for name, part in value.items()}
    return [_replace_unstorable(part, depth + 1) for part in value] if isinstance(value, list) else value
