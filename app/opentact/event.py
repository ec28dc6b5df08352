"""One event, whichever of Opentact's two envelopes it came in. Unknown types and fields are kept, never refused.

2022: ``timestamp, type, message, payload``, where the payload is the call, the message, ``{command, call}`` or an amount.
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

from app.happened import Happened
from app.opentact.records import Call, Executed, Message, Moment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_LONGEST_CALL: Final = 10.0**9
"""Seconds; false of what is no number, too."""
UNKNOWN: Final = "unknown"
"""The type of an event that names none."""
_MOMENT: Final[TypeAdapter[datetime]] = TypeAdapter(Moment)
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
"""What JSON can spell, and no database or file can keep."""


class Malformed(ValueError):
    """A frame that is no event: no JSON, or no object in it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """What happened.

    ``at``: when Opentact says that it happened, else when it came. ``key``: the same however often and by whichever way the
    same thing comes. ``text``: Opentact's own line on it. ``seconds``: the call's duration. ``raw``: all that was said.
    ``found``: it was not delivered but found by a search, after a gap.
    """

    type: str
    at: datetime
    key: str
    text: str = ""
    state: str = ""
    call: Call | None = None
    seconds: float | None = None
    call_flow: Executed | None = None
    message: Message | None = None
    balance: float | None = None
    raw: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    found: bool = False

    @property
    def call_uuid(self) -> str:
        """The id of the call that it is about; nothing where it is about none."""
        return self.call.uuid if self.call is not None else ""

    def happened(self, source: str = "") -> Happened:
        """As the journal remembers it; ``source``: by which way it came, where that is not an event's own."""
        entity = _entity(self.raw, self.type)
        return Happened(
            kind=self.type,
            key=self.key,
            at=self.at.timestamp(),
            raw=self.raw,
            message=self.text,
            state=self.state,
            seconds=_whole(self.seconds),
            call=entity,
            step=self.call_flow.said if self.call_flow is not None else {},
            sms=self.message.said if self.message is not None else {},
            source=source or ("search" if self.found else "wss"),
        )


def _whole(seconds: float | None) -> int | None:
    """Whole seconds, rounded up as Opentact does; None where no call lasts so long."""
    return math.ceil(seconds) if seconds is not None and abs(seconds) <= _LONGEST_CALL else None


def events_of(frame: str | bytes, received: datetime) -> list[Event]:
    """The events of a frame: one, or as many as its list has. Raises Malformed."""
    try:
        said = json.loads(frame)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"it is no JSON: {type(error).__name__}") from None
    rows = said if isinstance(said, list) else [said]
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise Malformed("it is no object")
    try:
        return [event_of(_storable(row), received) for row in rows]
    except RecursionError:
        raise Malformed("it is nested too deeply") from None


def event_of(raw: Mapping[str, Any], received: datetime, *, found: bool = False) -> Event:
    """The event that an envelope of either year holds; never raises for what is in it."""
    old = "timestamp" in raw and "created_on" not in raw
    payload = raw.get("payload")
    parts = payload if isinstance(payload, dict) else {}
    kind = raw["type"] if isinstance(raw.get("type"), str) and raw["type"] else UNKNOWN
    at = moment_of(raw.get("timestamp" if old else "created_on")) or moment_of(raw.get("modified_on"))
    call = _call(raw, kind)
    message = _message(raw, parts, kind)
    flow = raw.get("call_flow") if isinstance(raw.get("call_flow"), dict) else parts.get("command")
    executed = Executed.model_validate(flow) if kind == "call_flow" and isinstance(flow, dict) else None
    state = next((s for s in (parts.get("state"), getattr(call, "state", ""), getattr(message, "state", "")) if s), "")
    return Event(
        type=kind,
        at=at or received,
        key=_key(raw, kind, call, message, executed),
        text=raw["message"] if isinstance(raw.get("message"), str) else "",
        state=str(state),
        call=call,
        seconds=_seconds(call, at, parts, old=old, found=found),
        call_flow=executed,
        message=message,
        balance=_amount(payload) if kind == "balance" else None,
        raw=raw,
        found=found,
    )


def _call(raw: Mapping[str, Any], kind: str) -> Call | None:
    entity = _entity(raw, kind)
    return Call.model_validate(entity) if entity else None


def _entity(raw: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The call: beside the payload (2024), in it, or the payload itself (2022); empty where there is none."""
    payload = raw.get("payload")
    parts = payload if isinstance(payload, dict) else {}
    for said in (raw.get("call"), parts.get("call")):
        if isinstance(said, dict):
            return said
    return parts if kind == "call_state" and ("uuid" in parts or "from" in parts) else {}


def _message(raw: Mapping[str, Any], parts: Mapping[str, Any], kind: str) -> Message | None:
    """The text message; in the 2024 envelope its place is not documented, so wherever it may be."""
    if kind != "sms":
        return None
    said = next((s for s in (raw.get("sms"), parts.get("sms"), parts) if isinstance(s, dict) and s), None)
    return Message.model_validate(said) if said is not None else None


def _seconds(call: Call | None, at: datetime | None, parts: Mapping[str, Any], *, old: bool, found: bool) -> float | None:
    """The call's duration: documented to be seconds in the 2024 envelope, worked out in the other, and of a search."""
    if call is None:
        return None
    if found:
        return call.seconds()
    if old:
        return call.seconds(at, milliseconds=True)
    return _amount(parts.get("duration")) if call.duration is None else call.duration


def _amount(payload: object) -> float | None:
    said = payload.get("balance", payload.get("amount")) if isinstance(payload, dict) else payload
    if isinstance(said, bool) or not isinstance(said, (int, float, str)):
        return None
    try:
        return float(said)
    except (ValueError, OverflowError):
        return None


def _key(raw: Mapping[str, Any], kind: str, call: Call | None, message: Message | None, executed: Executed | None) -> str:
    """The uuid of a 2024 event; else type, entity, what tells its states apart, and time; else all that it says."""
    if "timestamp" not in raw and isinstance(raw.get("uuid"), str) and raw["uuid"]:
        return str(raw["uuid"])
    entity = message or call
    at = raw.get("timestamp")
    if entity is None or not entity.uuid or not isinstance(at, (str, int, float)):
        canonical = json.dumps(raw, sort_keys=True, default=str)
        return f"{kind}/{hashlib.sha256(canonical.encode()).hexdigest()[:32]}"
    delivered = f":{message.delivered}" if message is not None and message.delivered is not None else ""
    path = f":{executed.uuid or executed.path or executed.name}" if executed is not None else ""
    return f"{kind}/{entity.uuid}/{entity.state}{delivered}{path}/{at}"


def moment_of(said: object) -> datetime | None:
    """A moment as Opentact writes it; None for what is none."""
    if said is None:
        return None
    try:
        return _MOMENT.validate_python(said)
    except (ValidationError, OverflowError):
        return None


def _storable(said: Any) -> Any:  # noqa: ANN401 - JSON
    """JSON whose texts can be stored: a NUL and halves of a character become the sign for what is missing."""
    if isinstance(said, str):
        return _UNSTORABLE.sub("\ufffd", said) if _UNSTORABLE.search(said) else said
    if isinstance(said, dict):
        return {_storable(name): _storable(part) for name, part in said.items()}
    return [_storable(part) for part in said] if isinstance(said, list) else said
