"""Events as they are written: the envelope of 2022, and that of 2024. platform 4."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Year: TypeAlias = Literal["2022", "2024"]
Said: TypeAlias = "dict[str, Any]"


@dataclasses.dataclass(frozen=True, slots=True)
class Happened:
    """Something to be reported: its payloads in both envelopes, and what stands beside them."""

    type: str
    message: str
    payload_2022: object
    payload_2024: object
    beside_2022: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    beside_2024: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    ref_id: str = ""
    message_2022: str = ""
    """Where it is another."""


def enveloped(happened: Happened, year: Year, *, uuid: str, at: str, account: Said) -> Said:
    """An event. That of 2022 has no identity."""
    if year == "2022":
        beside = happened.beside_2022
        said = {"timestamp": at, "message": happened.message_2022 or happened.message, "type": happened.type}
        return {**said, **beside, "payload": happened.payload_2022}
    return {
        "uuid": uuid,
        "created_on": at,
        "type": happened.type,
        "message": happened.message,
        "payload": happened.payload_2024,
        **happened.beside_2024,
        **({"ref_id": happened.ref_id} if happened.ref_id else {}),
        "account": account,
        "modified_on": at,
        "delivery_report": [],
    }


def sms(row: Said) -> Happened:
    """A message is in another state."""
    message = f"SMS: type: {row['type']}, state: {row['state']}"
    return Happened("sms", message, {**row}, {**row}, ref_id=row["uuid"])


def balance(amount: float, action: str) -> Happened:
    """The balance is another."""
    beside = {"source_action": action}
    return Happened("balance", f"New balance is {amount:g}", amount, amount, beside, beside)


def order(row: Said) -> Happened:
    """Numbers were ordered."""
    return Happened("tn_order", f"Order {row['state']}", {**row}, {**row}, ref_id=row["uuid"])


def authenticated(connection: str, ip: str, user: Said, account: Said) -> Happened:
    """A websocket's token is accepted."""
    message = f"WSS connection {connection}@{ip} - success auth {user['email']}"
    payload = {"uuid": connection, "ip": ip, "user": user, "account": account}
    return Happened("auth", message, payload, payload)
