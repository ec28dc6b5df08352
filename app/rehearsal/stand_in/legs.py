"""A leg of a call as the platform describes it: in events, in REST, and where a later leg names its parent."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Final, Literal

from app.happened import MOMENTS
from app.rehearsal.stand_in.drawers import moment
from app.rehearsal.stand_in.envelopes import Happened

if TYPE_CHECKING:
    from datetime import datetime

    from app.rehearsal.stand_in.envelopes import Said, Year

_SWITCH: Final = {
    "init": ("DOWN", "CS_INIT"),
    "ringing": ("RINGING", "CS_ROUTING"),
    "live": ("EARLY", "CS_EXECUTE"),
    "hangup": ("HANGUP", "CS_HANGUP"),
    "destroyed": ("HANGUP", "CS_REPORTING"),
}
"""What FreeSWITCH says in each state; that of a leg that nobody took is another."""
CAUSES: Final = {"answered": (16, "NORMAL_CLEARING"), "busy": (17, "USER_BUSY"), "no-answer": (18, "NO_USER_RESPONSE")}


@dataclasses.dataclass(slots=True, kw_only=True)
class Leg:
    """A caller's call, or one that it dialled (``parent``) or that a batch made. Numbers as the platform writes them."""

    uuid: str
    direction: Literal["in", "out"]
    from_: str
    to: str
    created: datetime
    account: Said
    tn: Said | None = None
    app: Said | None = None
    attestation: str | None = None
    parent: Leg | None = None
    batch_item: str | None = None
    thread: str = ""
    state: str = "init"
    moments: dict[str, datetime] = dataclasses.field(default_factory=dict)
    modified: datetime | None = None
    cause: tuple[int, str] | None = None
    logs: list[Said] = dataclasses.field(default_factory=list)
    records: list[Said] = dataclasses.field(default_factory=list)
    children: list[Leg] = dataclasses.field(default_factory=list)

    def enter(self, state: str, at: datetime) -> None:
        """It is in another state."""
        self.state = state
        self.moments[state] = self.modified = at

    @property
    def over(self) -> bool:
        """Whether nothing happens any more."""
        return self.state in ("hangup", "destroyed")

    def seconds(self, at: datetime | None = None) -> float:
        """How long it lasted until then, or until its last change."""
        end = self.moments.get("hangup") or at or self.modified or self.created
        return max(0.0, (end - self.created).total_seconds())

    def entity(self) -> Said:
        """As REST has it."""
        return {**self._who(math.ceil(self.seconds())), **self._whole(), "logs": self.logs, "records": self.records}

    def of_2022(self) -> Said:
        """As the events of 2022 have it: with all its moments, the duration in milliseconds."""
        return {**self._who(round(self.seconds() * 1000)), **self._whole()}

    def of_2024(self) -> Said:
        """As the events of 2024 have it: with the moment of its own state only, the duration in seconds, rounded up."""
        said = self._who(math.ceil(self.seconds()))
        if self.state in self.moments:
            said[MOMENTS[self.state]] = moment(self.moments[self.state])
        if self.cause:
            said |= {"q850_cause": self.cause[0], "q850_cause_string": self.cause[1]}
        call_state, channel_state = _SWITCH[self.state]
        if self.over and self.direction == "out" and "live" not in self.moments:
            call_state, channel_state = "DOWN", "CS_CONSUME_MEDIA"
        return said | {"freeswitch_call_state": call_state, "freeswitch_channel_state": channel_state}

    def told(self, year: Year) -> Said:
        """As the events of a year have it."""
        return self.of_2022() if year == "2022" else self.of_2024()

    def _who(self, duration: int) -> Said:
        made = {"created_on": moment(self.created), "modified_on": moment(self.modified or self.created)}
        who = {"uuid": self.uuid, "direction": self.direction, "from": self.from_, "to": self.to, "duration": duration}
        said: dict[str, Any] = {**who, "type": "CallSCA", **made, "stir_shaken_attest_level": self.attestation}
        whose = {"tn": self.tn, "sip_control_app": self.app, "batch_item": self.batch_item}
        said |= {name: part for name, part in whose.items() if part is not None}
        if self.parent is not None:
            said["parent"] = self.parent.summary()
        return said | {"account": self.account, "state": self.state}

    def _whole(self) -> Said:
        """All moments, also those that did not come."""
        moments = {name: moment(self.moments[state]) if state in self.moments else None for state, name in MOMENTS.items()}
        number, text = self.cause or (None, None)
        ended = self.state if self.over else None
        finished = moments["destroy_on"]
        cause = {"q850_cause": number, "q850_cause_string": text}
        return {"state_end": ended, **moments, "finished_on": finished, **cause, "thread": self.thread}

    def summary(self) -> Said:
        """As the legs that it dialled name it."""
        who = {"type": "CallSCA", "uuid": self.uuid, "state": self.state, "direction": self.direction}
        made = {"duration": math.ceil(self.seconds()), "created_on": moment(self.created)}
        whole = {name: value for name, value in self._whole().items() if name != "state_end"}
        return {**who, "from": self.from_, "to": self.to, **made, **whole}


def state_of(leg: Leg) -> Happened:
    """A leg is in another state."""
    message = f"CallSCA {leg.direction} {leg.from_} > {leg.to} - {leg.state}"
    call = leg.of_2024()
    payload = {"state": leg.state, "duration": call["duration"]}
    return Happened("call_state", message, leg.of_2022(), payload, beside_2024={"call": call}, ref_id=leg.uuid)


def command_of(leg: Leg, command: Said, element: Said, path: str, uuid: str) -> Happened:
    """A command is done: ``command`` is its name, whether it succeeded, the reason, its tag."""
    name, success, reason = command["name"], command["success"], command["reason"]
    state = "success" if success else "failed"
    flow = {"uuid": uuid, "success": success, "state": state, "reason": reason, "name": name}
    return Happened(
        "call_flow",
        f"{name}: success {str(success).lower()}, reason: {reason}.",
        {"command": {**command, "path": path, "children": [], "error": []}, "call": leg.of_2022()},
        {"command": {"name": name}},
        {"success": success, "command": name},
        {
            "call": {**leg.of_2024(), "logs": [*leg.logs], "records": [*leg.records]},
            "call_flow": {**flow, "element": element, "command": command},
        },
        leg.uuid,
        f"[{state}] command {path}, reason: {reason}",
    )


def record_of(leg: Leg, record: Said) -> Happened:
    """A recording can be had. Its payload is not documented."""
    message = f"Record {record['tag'] or 'without a tag'}"
    payload = {**record, "call": leg.of_2022()}
    return Happened("call_record", message, payload, {**record}, {}, {"call": leg.of_2024()}, leg.uuid)
