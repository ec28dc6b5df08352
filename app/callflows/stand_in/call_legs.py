"""Legs of a call in the platform's formats: events of 2022 and 2024, REST, and the summary in dialled legs."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Final, Literal

from callflows.stand_in.entity_store import format_platform_time
from callflows.stand_in.event_delivery import OutgoingEvent
from callflows.telephony.call_states import CALL_STATE_TIME_FIELDS, ENDED_CALL_STATES

if TYPE_CHECKING:
    from datetime import datetime

    from callflows.stand_in.event_delivery import EnvelopeYear, EventPayload


_FREESWITCH_STATES: Final = {
    "init": ("DOWN", "CS_INIT"),
    "ringing": ("RINGING", "CS_ROUTING"),
    "live": ("EARLY", "CS_EXECUTE"),
    "hangup": ("HANGUP", "CS_HANGUP"),
    "destroyed": ("HANGUP", "CS_REPORTING"),
}
"""FreeSWITCH's call and channel state for each state; an unanswered outbound leg ends with other values."""
DIAL_HANGUP_CAUSES: Final = {
    "answered": (16, "NORMAL_CLEARING"),
    "busy": (17, "USER_BUSY"),
    "no-answer": (18, "NO_USER_RESPONSE"),
}


@dataclasses.dataclass(slots=True, kw_only=True)
class StandInLeg:
    """A call from a caller, to a dialled target (with ``parent``) or from a batch. Numbers in the platform's format."""

    uuid: str
    direction: Literal["in", "out"]
    from_: str
    to: str
    created_at: datetime
    account: EventPayload
    tn: EventPayload | None = None
    app: EventPayload | None = None
    attestation: str | None = None
    parent: StandInLeg | None = None
    batch_item: str | None = None
    thread: str = ""
    state: str = "init"
    state_times: dict[str, datetime] = dataclasses.field(default_factory=dict)
    modified_at: datetime | None = None
    cause: tuple[int, str] | None = None
    logs: list[EventPayload] = dataclasses.field(default_factory=list)
    records: list[EventPayload] = dataclasses.field(default_factory=list)
    history: list[EventPayload] = dataclasses.field(default_factory=list)
    """The finished commands, as a classic callback shows them."""
    children: list[StandInLeg] = dataclasses.field(default_factory=list)

    def enter_state(self, state: str, at: datetime) -> None:
        self.state = state
        self.state_times[state] = self.modified_at = at

    @property
    def is_over(self) -> bool:
        return self.state in ENDED_CALL_STATES

    def duration_seconds(self, at: datetime | None = None) -> float:
        """Return the seconds until hang-up, else until ``at``, else until the last change."""
        end = self.state_times.get("hangup") or at or self.modified_at or self.created_at
        return max(0.0, (end - self.created_at).total_seconds())

    def build_entity(self) -> EventPayload:
        """Return the leg in REST format."""
        return {
            **self._common_fields(math.ceil(self.duration_seconds())),
            **self._state_fields(),
            "logs": self.logs,
            "records": self.records,
        }

    def build_2022_payload(self) -> EventPayload:
        """Return the payload of 2022 events: with the times of all states, and the duration in milliseconds."""
        return {**self._common_fields(round(self.duration_seconds() * 1000)), **self._state_fields()}

    def build_2024_payload(self) -> EventPayload:
        """Return the payload of 2024 events.

        The payload contains only the time of the current state; the duration is in seconds, rounded up.
        """
        payload = self._common_fields(math.ceil(self.duration_seconds()))
        if self.state in self.state_times:
            payload[CALL_STATE_TIME_FIELDS[self.state]] = format_platform_time(self.state_times[self.state])
        if self.cause:
            payload |= {"q850_cause": self.cause[0], "q850_cause_string": self.cause[1]}
        call_state, channel_state = _FREESWITCH_STATES[self.state]
        if self.is_over and self.direction == "out" and "live" not in self.state_times:
            call_state, channel_state = "DOWN", "CS_CONSUME_MEDIA"
        return payload | {"freeswitch_call_state": call_state, "freeswitch_channel_state": channel_state}

    def build_payload(self, year: EnvelopeYear) -> EventPayload:
        return self.build_2022_payload() if year == "2022" else self.build_2024_payload()

    def _common_fields(self, duration: int) -> EventPayload:
        times = {
            "created_on": format_platform_time(self.created_at),
            "modified_on": format_platform_time(self.modified_at or self.created_at),
        }
        who = {"uuid": self.uuid, "direction": self.direction, "from": self.from_, "to": self.to, "duration": duration}
        fields: dict[str, Any] = {**who, "type": "CallSCA", **times, "stir_shaken_attest_level": self.attestation}
        whose = {"tn": self.tn, "sip_control_app": self.app, "batch_item": self.batch_item}
        fields |= {name: part for name, part in whose.items() if part is not None}
        if self.parent is not None:
            fields["parent"] = self.parent.build_summary()
        return fields | {"account": self.account, "state": self.state}

    def _state_fields(self) -> EventPayload:
        """Return the times of all states; null for states not reached."""
        moments = {
            name: format_platform_time(self.state_times[state]) if state in self.state_times else None
            for state, name in CALL_STATE_TIME_FIELDS.items()
        }
        number, text = self.cause or (None, None)
        ended = self.state if self.is_over else None
        finished = moments["destroy_on"]
        cause = {"q850_cause": number, "q850_cause_string": text}
        return {"state_end": ended, **moments, "finished_on": finished, **cause, "thread": self.thread}

    def build_summary(self) -> EventPayload:
        """Return the short form that dialled legs contain as ``parent``."""
        who = {"type": "CallSCA", "uuid": self.uuid, "state": self.state, "direction": self.direction}
        times = {"duration": math.ceil(self.duration_seconds()), "created_on": format_platform_time(self.created_at)}
        whole = {name: value for name, value in self._state_fields().items() if name != "state_end"}
        return {**who, "from": self.from_, "to": self.to, **times, **whole}


def build_state_event(leg: StandInLeg) -> OutgoingEvent:
    """Report the new state of a leg."""
    message = f"CallSCA {leg.direction} {leg.from_} > {leg.to} - {leg.state}"
    call = leg.build_2024_payload()
    payload = {"state": leg.state, "duration": call["duration"]}
    return OutgoingEvent(
        "call_state", message, leg.build_2022_payload(), payload, extra_2024={"call": call}, ref_id=leg.uuid
    )


def build_command_event(
    leg: StandInLeg, command: EventPayload, element: EventPayload, path: str, uuid: str
) -> OutgoingEvent:
    """Report a finished command; ``command`` contains name, success, reason and tag."""
    name, success, reason = command["name"], command["success"], command["reason"]
    state = "success" if success else "failed"
    flow = {"uuid": uuid, "success": success, "state": state, "reason": reason, "name": name}
    return OutgoingEvent(
        "call_flow",
        f"{name}: success {str(success).lower()}, reason: {reason}.",
        {"command": {**command, "path": path, "children": [], "error": []}, "call": leg.build_2022_payload()},
        {"command": {"name": name}},
        {"success": success, "command": name},
        {
            "call": {**leg.build_2024_payload(), "logs": [*leg.logs], "records": [*leg.records]},
            "call_flow": {**flow, "element": element, "command": command},
        },
        leg.uuid,
        f"[{state}] command {path}, reason: {reason}",
    )


def build_record_event(leg: StandInLeg, record: EventPayload) -> OutgoingEvent:
    """Report an available recording. The payload is not documented."""
    message = f"Record {record['tag'] or 'without a tag'}"
    payload = {**record, "call": leg.build_2022_payload()}
    return OutgoingEvent("call_record", message, payload, {**record}, {}, {"call": leg.build_2024_payload()}, leg.uuid)
