"""Events as they are written: the envelope of 2022, and that of 2024. platform 4."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

EnvelopeYear: TypeAlias = Literal["2022", "2024"]
EventPayload: TypeAlias = "dict[str, Any]"


@dataclasses.dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """Something to be reported: its payloads in both envelopes, and what stands beside them."""

    type: str
    message: str
    payload_2022: object
    payload_2024: object
    extra_2022: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    extra_2024: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    ref_id: str = ""
    message_2022: str = ""
    """Where it is another."""


def build_event_envelope(
    event: OutgoingEvent, year: EnvelopeYear, *, uuid: str, at: str, account: EventPayload
) -> EventPayload:
    """An event. That of 2022 has no identity."""
    if year == "2022":
        beside = event.extra_2022
        said = {"timestamp": at, "message": event.message_2022 or event.message, "type": event.type}
        return {**said, **beside, "payload": event.payload_2022}
    return {
        "uuid": uuid,
        "created_on": at,
        "type": event.type,
        "message": event.message,
        "payload": event.payload_2024,
        **event.extra_2024,
        **({"ref_id": event.ref_id} if event.ref_id else {}),
        "account": account,
        "modified_on": at,
        "delivery_report": [],
    }


def build_sms_event(row: EventPayload) -> OutgoingEvent:
    """A message is in another state."""
    message = f"SMS: type: {row['type']}, state: {row['state']}"
    return OutgoingEvent("sms", message, {**row}, {**row}, ref_id=row["uuid"])


def build_balance_event(amount: float, action: str) -> OutgoingEvent:
    """The balance is another."""
    beside = {"source_action": action}
    return OutgoingEvent("balance", f"New balance is {amount:g}", amount, amount, beside, beside)


def build_order_event(row: EventPayload) -> OutgoingEvent:
    """Numbers were ordered."""
    return OutgoingEvent("tn_order", f"Order {row['state']}", {**row}, {**row}, ref_id=row["uuid"])


def build_auth_event(connection: str, ip: str, user: EventPayload, account: EventPayload) -> OutgoingEvent:
    """A websocket's token is accepted."""
    message = f"WSS connection {connection}@{ip} - success auth {user['email']}"
    payload = {"uuid": connection, "ip": ip, "user": user, "account": account}
    return OutgoingEvent("auth", message, payload, payload)
