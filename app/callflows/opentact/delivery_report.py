"""Delivery reports in the form ``{data: {event_type: "message.finalized", payload: {…}}}``, read as text messages.

platform: one page of the documentation shows this form, and not what the payload has. So the fields are read by Opentact's
own names, and by the names that other providers use in a webhook of this form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callflows.telephony.message_entity import INBOUND_MESSAGE_TYPE, OUTBOUND_MESSAGE_TYPE, MessageEntity
from callflows.text import clean_field

if TYPE_CHECKING:
    from collections.abc import Mapping


_MESSAGE_EVENT_PREFIX: Final = "message."
_RECEIVED_EVENT: Final = "message.received"
_FINAL_EVENT: Final = "message.finalized"
_DELIVERY_STATES: Final[Mapping[str, tuple[str, bool | None]]] = {
    "delivered": ("success", True),
    "success": ("success", None),
    "delivery_unconfirmed": ("success", None),
    "queued": ("created", None),
    "created": ("created", None),
    "sending": ("sending", None),
    "sent": ("sent", None),
    "failed": ("failed", False),
    "sending_failed": ("failed", False),
    "delivery_failed": ("failed", False),
    "undelivered": ("failed", False),
    "expired": ("failed", False),
    "rejected": ("failed", False),
}
"""Opentact's state and ``delivered`` for each word of a report."""


class DeliveryReport(NamedTuple):
    """The message of a report, the report's own id and its moment as text; the last two may be empty."""

    message: MessageEntity
    key: str
    occurred_at: str


def read_delivery_report(raw: Mapping[str, Any]) -> DeliveryReport | None:
    """Return the report of a webhook; None if the object has another form."""
    data = raw.get("data")
    report = data if isinstance(data, dict) else raw
    event, payload = report.get("event_type"), report.get("payload")
    if not isinstance(event, str) or not event.startswith(_MESSAGE_EVENT_PREFIX) or not isinstance(payload, dict):
        return None
    is_received = event == _RECEIVED_EVENT or payload.get("direction") in ("inbound", "in")
    moment = next(
        (clean_field(part[name]) for part, name in ((report, "occurred_at"), (payload, "completed_at")) if name in part), ""
    )
    message = {**payload, **_read_parties(payload), "type": INBOUND_MESSAGE_TYPE if is_received else OUTBOUND_MESSAGE_TYPE}
    message |= {"state": "success"} if is_received else _read_delivery(payload, is_final=event == _FINAL_EVENT)
    return DeliveryReport(MessageEntity(message), clean_field(report.get("id") or report.get("uuid")), moment)


def _read_parties(payload: Mapping[str, Any]) -> dict[str, str]:
    return {
        "uuid": clean_field(payload.get("uuid") or payload.get("id")),
        "from": _read_party(payload.get("from")),
        "to": _read_party(payload.get("to")),
        "message": clean_field(payload.get("message") or payload.get("text")),
    }


def _read_party(value: object) -> str:
    """Return the number of a party: a text, an object with a number, or the first of a list."""
    if isinstance(value, list):
        value = value[0] if value else ""
    if isinstance(value, dict):
        value = value.get("phone_number") or value.get("number") or value.get("tn")
    return clean_field(value)


def _read_delivery(payload: Mapping[str, Any], *, is_final: bool) -> dict[str, Any]:
    """Return ``state``, ``delivered`` and ``reason`` of a message that was sent."""
    parties = payload.get("to")
    party = parties[0] if isinstance(parties, list) and parties else parties
    places = [party] if isinstance(party, dict) else []
    words = (clean_field(place.get(name)) for place in (*places, payload) for name in ("status", "state"))
    word = next(filter(None, words), "").lower().replace(" ", "_").replace("-", "_")
    errors = payload.get("errors")
    error = errors[0] if isinstance(errors, list) and errors else {}
    error_texts = (error.get(name) for name in ("detail", "title", "code")) if isinstance(error, dict) else (error,)
    reason = next((clean_field(text) for text in (payload.get("reason"), *error_texts) if text), "")
    state, delivered = _DELIVERY_STATES.get(word, (word, None))
    if isinstance(payload.get("delivered"), bool):
        delivered = payload["delivered"]
    if not state and is_final:
        state = "failed" if delivered is False or reason else "success" if delivered else ""
    return {"state": state, "delivered": delivered, "reason": reason}
