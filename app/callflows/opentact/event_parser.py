"""One event, parsed from either envelope of Opentact. Unknown types and fields are kept, never rejected.

2022: ``timestamp, type, message, payload``; the payload is the call, the message, ``{command, call}`` or an amount.
2024: ``uuid, created_on, type, message, payload, call, call_flow, ref_id, account, …``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from callflows.opentact.rest_records import ElementExecution, OpentactCall, OpentactMessage, UtcDatetime
from callflows.telephony.events import PlatformEvent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


_MAX_CALL_SECONDS: Final = 10.0**9
"""Longest plausible call. NaN and infinity fail the comparison, too."""
UNKNOWN_EVENT_TYPE: Final = "unknown"
"""Type of an event without a type."""
_DATETIME_ADAPTER: Final[TypeAdapter[datetime]] = TypeAdapter(UtcDatetime)
_UNSTORABLE_CHARACTER: Final = re.compile("[\x00\ud800-\udfff]")
"""NUL and lone surrogates: valid in JSON, but rejected by databases and files."""


class MalformedFrameError(ValueError):
    """A frame without events: invalid JSON, or no JSON object."""


@dataclasses.dataclass(frozen=True, slots=True)
class OpentactEvent:
    """An event of Opentact, either delivered or found by search.

    ``occurred_at`` is Opentact's timestamp, or else the time of arrival. ``key`` is the same for every delivery of one
    event. ``text`` is Opentact's own message. ``call_seconds`` is the call's duration. ``raw`` contains the whole event.
    ``found_by_search`` marks events found after a gap.
    """

    type: str
    occurred_at: datetime
    key: str
    text: str = ""
    state: str = ""
    call: OpentactCall | None = None
    call_seconds: float | None = None
    execution: ElementExecution | None = None
    message: OpentactMessage | None = None
    balance: float | None = None
    raw: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    found_by_search: bool = False

    @property
    def call_uuid(self) -> str:
        """The call's id, or an empty text."""
        return self.call.uuid if self.call is not None else ""

    def to_platform_event(self, source: str = "") -> PlatformEvent:
        """Convert to the journal's type; ``source`` replaces the delivery channel (``wss`` or ``search``)."""
        entity = _find_call_entity(self.raw, self.type)
        return PlatformEvent(
            kind=self.type,
            key=self.key,
            occurred_at=self.occurred_at.timestamp(),
            raw=self.raw,
            message=self.text,
            state=self.state,
            call_seconds=_round_up_seconds(self.call_seconds),
            call=entity,
            command=self.execution.raw if self.execution is not None else {},
            sms=self.message.raw if self.message is not None else {},
            source=source or ("search" if self.found_by_search else "wss"),
        )


def _round_up_seconds(seconds: float | None) -> int | None:
    """Return whole seconds, rounded up as Opentact does; None for implausible values."""
    return math.ceil(seconds) if seconds is not None and abs(seconds) <= _MAX_CALL_SECONDS else None


def parse_frame(frame: str | bytes, received_at: datetime) -> list[OpentactEvent]:
    """Return the events of a frame: one object or a list of objects. Raises MalformedFrameError."""
    try:
        said = json.loads(frame)
    except (ValueError, RecursionError) as error:
        raise MalformedFrameError(f"it is no JSON: {type(error).__name__}") from None
    rows = said if isinstance(said, list) else [said]
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise MalformedFrameError("it is no object")
    try:
        return [parse_event(_replace_unstorable(row), received_at) for row in rows]
    except RecursionError:
        raise MalformedFrameError("it is nested too deeply") from None


def parse_event(raw: Mapping[str, Any], received_at: datetime, *, found_by_search: bool = False) -> OpentactEvent:
    """Parse an envelope of either year; the content never causes an error."""
    old = "timestamp" in raw and "created_on" not in raw
    payload = raw.get("payload")
    parts = payload if isinstance(payload, dict) else {}
    kind = raw["type"] if isinstance(raw.get("type"), str) and raw["type"] else UNKNOWN_EVENT_TYPE
    at = parse_opentact_time(raw.get("timestamp" if old else "created_on")) or parse_opentact_time(raw.get("modified_on"))
    call = _parse_call(raw, kind)
    message = _parse_message(raw, parts, kind)
    flow = raw.get("call_flow") if isinstance(raw.get("call_flow"), dict) else parts.get("command")
    executed = ElementExecution.model_validate(flow) if kind == "call_flow" and isinstance(flow, dict) else None
    state = next((s for s in (parts.get("state"), getattr(call, "state", ""), getattr(message, "state", "")) if s), "")
    return OpentactEvent(
        type=kind,
        occurred_at=at or received_at,
        key=_build_event_key(raw, kind, call, message, executed),
        text=raw["message"] if isinstance(raw.get("message"), str) else "",
        state=str(state),
        call=call,
        call_seconds=_measure_call_seconds(call, at, parts, is_envelope_2022=old, found_by_search=found_by_search),
        execution=executed,
        message=message,
        balance=_parse_amount(payload) if kind == "balance" else None,
        raw=raw,
        found_by_search=found_by_search,
    )


def _parse_call(raw: Mapping[str, Any], event_type: str) -> OpentactCall | None:
    entity = _find_call_entity(raw, event_type)
    return OpentactCall.model_validate(entity) if entity else None


def _find_call_entity(raw: Mapping[str, Any], event_type: str) -> Mapping[str, Any]:
    """Return the call: beside the payload (2024), in the payload, or the payload itself (2022); else an empty mapping."""
    payload = raw.get("payload")
    parts = payload if isinstance(payload, dict) else {}
    for said in (raw.get("call"), parts.get("call")):
        if isinstance(said, dict):
            return said
    return parts if event_type == "call_state" and ("uuid" in parts or "from" in parts) else {}


def _parse_message(raw: Mapping[str, Any], payload: Mapping[str, Any], event_type: str) -> OpentactMessage | None:
    """Return the text message.

    The 2024 envelope does not document its place, so several places are tried.
    """
    if event_type != "sms":
        return None
    said = next((s for s in (raw.get("sms"), payload.get("sms"), payload) if isinstance(s, dict) and s), None)
    return OpentactMessage.model_validate(said) if said is not None else None


def _measure_call_seconds(
    call: OpentactCall | None,
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
    return _parse_amount(payload.get("duration")) if call.duration is None else call.duration


def _parse_amount(payload: object) -> float | None:
    said = payload.get("balance", payload.get("amount")) if isinstance(payload, dict) else payload
    if isinstance(said, bool) or not isinstance(said, (int, float, str)):
        return None
    try:
        return float(said)
    except (ValueError, OverflowError):
        return None


def _build_event_key(
    raw: Mapping[str, Any],
    event_type: str,
    call: OpentactCall | None,
    message: OpentactMessage | None,
    execution: ElementExecution | None,
) -> str:
    """Return the uuid of a 2024 event; else type, entity, state and time; else a hash of the whole event."""
    if "timestamp" not in raw and isinstance(raw.get("uuid"), str) and raw["uuid"]:
        return str(raw["uuid"])
    entity = message or call
    at = raw.get("timestamp")
    if entity is None or not entity.uuid or not isinstance(at, (str, int, float)):
        canonical = json.dumps(raw, sort_keys=True, default=str)
        return f"{event_type}/{hashlib.sha256(canonical.encode()).hexdigest()[:32]}"
    delivered = f":{message.delivered}" if message is not None and message.delivered is not None else ""
    path = f":{execution.uuid or execution.path or execution.name}" if execution is not None else ""
    return f"{event_type}/{entity.uuid}/{entity.state}{delivered}{path}/{at}"


def parse_opentact_time(value: object) -> datetime | None:
    """Parse a timestamp of Opentact; return None if invalid."""
    if value is None:
        return None
    try:
        return _DATETIME_ADAPTER.validate_python(value)
    except (ValidationError, OverflowError):
        return None


def _replace_unstorable(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON value with every NUL and lone surrogate replaced by U+FFFD."""
    if isinstance(value, str):
        return _UNSTORABLE_CHARACTER.sub("\ufffd", value) if _UNSTORABLE_CHARACTER.search(value) else value
    if isinstance(value, dict):
        return {_replace_unstorable(name): _replace_unstorable(part) for name, part in value.items()}
    return [_replace_unstorable(part) for part in value] if isinstance(value, list) else value
