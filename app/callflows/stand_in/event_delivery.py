"""Events: both envelopes, subscriptions, and delivery to connected websockets with the configured faults."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

from callflows.stand_in.entity_store import format_platform_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from callflows.stand_in.entity_store import EntityRow, IdGenerator
    from callflows.stand_in.stand_in_account import StandInAccount
    from callflows.stand_in.stand_in_options import FaultSettings


CERTAIN_EVENT_TYPES: Final = frozenset({"auth", "call_state", "sms"})
DEFAULT_EVENT_TYPES: Final = CERTAIN_EVENT_TYPES | {"call_flow"}
"""Types delivered without a subscription: the certain types, known from customers, plus ``call_flow``, an assumption."""
STAND_IN_EVENT_TYPES: Final = (*sorted(DEFAULT_EVENT_TYPES), "balance", "call_record", "tn_order")
MAX_WAITING_EVENTS: Final = 1_000
"""Limit of unsent events per connection; one more event ends the connection."""
MAX_SWAP_SECONDS: Final = 1.0
"""Longest delay in seconds of an event that is swapped with the next event."""


class AbortableTransport(Protocol):
    """The transport of a connection."""

    def abort(self) -> None:
        """Break the connection without a close frame."""


class EventConnection:
    """An authenticated websocket."""

    def __init__(self) -> None:
        self.waiting_events: asyncio.Queue[str | None] = asyncio.Queue(MAX_WAITING_EVENTS)

    def put_event(self, text: str | None) -> None:
        """Queue a frame; None or a full queue ends the connection."""
        if self.waiting_events.full():
            while not self.waiting_events.empty():
                self.waiting_events.get_nowait()
            text = None
        self.waiting_events.put_nowait(text)


class EventBroadcaster:
    """Delivers events to all connections; events are not stored for absent clients. platform 3."""

    def __init__(
        self,
        year: EnvelopeYear,
        ids: IdGenerator,
        faults: FaultSettings,
        subscriptions: Iterable[EntityRow],
        *,
        strict: bool,
    ) -> None:
        self.year: EnvelopeYear = year
        self.connections: set[EventConnection] = set()
        self.transports: set[AbortableTransport] = set()
        self.reports_balance = False
        """Set if ``PATCH /account/notification`` requested balance events."""
        self._ids = ids
        self._faults = faults
        self._strict = strict
        self._fault_stream = ids.create_stream("faults of events")
        self._subscriptions = subscriptions
        self._delayed_event: str | None = None

    def broadcast_event(self, event: OutgoingEvent, account: StandInAccount, at: datetime | None = None) -> None:
        """Deliver an event unless a fault loses, delays or repeats the event."""
        text = self.render_event(event, account, at)
        if not self.connections or not self._is_delivered(event.type):
            return
        due, chance = self._faults.take_fault, self._fault_stream
        if due("drop", chance):
            self.drop_connections()
        elif due("lose", chance):
            return
        elif self._delayed_event is None and due("swap", chance):
            self._delayed_event = text
            asyncio.get_running_loop().call_later(MAX_SWAP_SECONDS, self._release_delayed)
        else:
            self._deliver_event(text, twice=due("repeat", chance))
            self._release_delayed()

    def render_event(self, happened: OutgoingEvent, account: StandInAccount, at: datetime | None = None) -> str:
        """Return the event as JSON text in the configured envelope."""
        when = format_platform_time(at or datetime.now(UTC))
        event = build_event_envelope(
            happened, self.year, uuid=self._ids.next_uuid("event"), at=when, account=account.build_entity()
        )
        return json.dumps(event)

    def drop_connections(self) -> None:
        """Break all connections without a close frame."""
        for wire in [*self.transports]:
            wire.abort()
        self.connections.clear()

    def _release_delayed(self) -> None:
        held, self._delayed_event = self._delayed_event, None
        if held is not None:
            self._deliver_event(held)

    def _deliver_event(self, text: str, *, twice: bool = False) -> None:
        if self._faults.silent:
            return
        for connection in self.connections:
            for _ in range(2 if twice else 1):
                connection.put_event(text)

    def _is_delivered(self, kind: str) -> bool:
        """Return True if a type is delivered, by default or by an active subscription."""
        if kind in (CERTAIN_EVENT_TYPES if self._strict else DEFAULT_EVENT_TYPES) or (
            kind == "balance" and self.reports_balance
        ):
            return True
        now = format_platform_time(datetime.now(UTC))
        return any(
            row["type"] == kind and row["is_active"] and _is_active_subscription(row, now) for row in self._subscriptions
        )


def _is_active_subscription(row: EntityRow, now: str) -> bool:
    """Return True if a subscription is active. An end before the start, as in an example, is ignored. platform 3."""
    end = row["expired_on"]
    return end is None or end > now or end < row["created_on"]


# The envelopes of 2022 and 2024. platform 4.


EnvelopeYear: TypeAlias = Literal["2022", "2024"]
EventPayload: TypeAlias = "dict[str, Any]"


@dataclasses.dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """An event with its payloads and additional fields for both envelopes."""

    type: str
    message: str
    payload_2022: object
    payload_2024: object
    extra_2022: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    extra_2024: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    ref_id: str = ""
    message_2022: str = ""
    """Message in the envelope of 2022, if different."""


def build_event_envelope(
    event: OutgoingEvent, year: EnvelopeYear, *, uuid: str, at: str, account: EventPayload
) -> EventPayload:
    """Return the complete event. The envelope of 2022 has no UUID."""
    if year == "2022":
        beside = event.extra_2022
        envelope = {"timestamp": at, "message": event.message_2022 or event.message, "type": event.type}
        return {**envelope, **beside, "payload": event.payload_2022}
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
    """Report the new state of a message."""
    message = f"SMS: type: {row['type']}, state: {row['state']}"
    return OutgoingEvent("sms", message, {**row}, {**row}, ref_id=row["uuid"])


def build_balance_event(amount: float, action: str) -> OutgoingEvent:
    """Report the new balance."""
    beside = {"source_action": action}
    return OutgoingEvent("balance", f"New balance is {amount:g}", amount, amount, beside, beside)


def build_order_event(row: EventPayload) -> OutgoingEvent:
    """Report an order of numbers."""
    return OutgoingEvent("tn_order", f"Order {row['state']}", {**row}, {**row}, ref_id=row["uuid"])


def build_auth_event(connection: str, ip: str, user: EventPayload, account: EventPayload) -> OutgoingEvent:
    """Report the accepted token of a websocket."""
    message = f"WSS connection {connection}@{ip} - success auth {user['email']}"
    payload = {"uuid": connection, "ip": ip, "user": user, "account": account}
    return OutgoingEvent("auth", message, payload, payload)
