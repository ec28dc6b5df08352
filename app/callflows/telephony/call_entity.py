"""Opentact's call object, as in POST bodies, events of both envelopes, webhooks and REST answers."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Final

from callflows.telephony.call_states import CALL_STATE_TIME_FIELDS, ENDED_CALL_STATES
from callflows.telephony.platform_entity import PlatformEntity, parse_platform_time
from callflows.telephony.recording_entity import RecordingEntity
from callflows.text import clean_field

if TYPE_CHECKING:
    from datetime import datetime


_DURATION_TOLERANCE_SECONDS: Final = 2.0
"""A duration may exceed the time between its timestamps by this much."""
_MAX_CALL_SECONDS: Final = 10.0**9
"""Longest plausible call. NaN and infinity fail the comparison, too."""
STATE_OF_MOMENT: Final = {
    **{field.removesuffix("_on"): state for state, field in CALL_STATE_TIME_FIELDS.items()},
    "finished": "",
}
"""The state that a call has reached at each of ``CallEntity.moments``; ``finished`` tells none."""
_MOMENT_FIELDS: Final = tuple((name, f"{name}_on") for name in STATE_OF_MOMENT)


@dataclasses.dataclass(frozen=True, slots=True)
class CallEntity(PlatformEntity):
    """A call leg. The unit of ``duration`` varies: use ``duration_seconds``."""

    @property
    def direction(self) -> str:
        """``in`` or ``out``."""
        return self._read_text("direction")

    @property
    def from_(self) -> str:
        """The caller, as Opentact writes callers."""
        return self._read_text("from")

    @property
    def to(self) -> str:
        """The called number as Opentact writes numbers, or the account's number of the call."""
        return self._read_text("to") or self._read_object_field("tn", "tn")

    @property
    def state(self) -> str:
        return self._read_text("state")

    @property
    def app_uuid(self) -> str:
        """The id of the SIP Control App, or an empty text."""
        return self._read_object_field("sip_control_app", "uuid")

    @property
    def auto_answer(self) -> bool | None:
        """True if the app answers its calls by itself."""
        app = self.raw.get("sip_control_app")
        answers = app.get("auto_answer") if isinstance(app, dict) else None
        return answers if isinstance(answers, bool) else None

    @property
    def caller_name(self) -> str:
        meta = self.raw.get("meta")
        return clean_field(meta.get("cid_name")) if isinstance(meta, dict) else ""

    @property
    def attestation(self) -> str:
        """The STIR/SHAKEN level in any spelling, or an empty text."""
        return self._read_text("stir_shaken_attest_level")

    @property
    def created_text(self) -> str:
        """The time of creation, as Opentact writes times."""
        return self._read_text("created_on")

    @property
    def q850_cause(self) -> int | None:
        """The number of the hangup cause."""
        text = self._read_text("q850_cause")
        return int(text) if text.isascii() and text.isdecimal() else None

    @property
    def q850_cause_text(self) -> str:
        """The name of the hangup cause."""
        return self._read_text("q850_cause_string")

    @property
    def parent(self) -> CallEntity | None:
        """The caller's call of a dialled leg, if the leg contains the call."""
        parent = self.raw.get("parent")
        return CallEntity(parent) if isinstance(parent, dict) and parent else None

    @property
    def parent_uuid(self) -> str:
        """The id of the caller's call for a dialled leg; empty for the caller's own."""
        return self._read_object_field("parent", "uuid")

    @property
    def is_inbound_call(self) -> bool:
        """True for a caller's own call, false for a dialled leg and for an outbound call."""
        return self.direction == "in" and not self.raw.get("parent")

    @property
    def is_outbound_call(self) -> bool:
        """True for a call that Opentact made for us, false for a leg dialled by a call."""
        return self.direction == "out" and not self.raw.get("parent")

    @property
    def children(self) -> list[CallEntity]:
        """The dialled legs in the object."""
        return [CallEntity(child) for child in self._read_objects("children")]

    @property
    def recordings(self) -> list[RecordingEntity]:
        """The recordings in the object."""
        return [RecordingEntity(part) for part in self._read_objects("records")]

    def _read_objects(self, name: str) -> list[dict[str, Any]]:
        listed = self.raw.get(name)
        return [part for part in listed if isinstance(part, dict)] if isinstance(listed, list) else []

    @property
    def moments(self) -> dict[str, datetime]:
        """The known moments ``init, ring, answer, hangup, destroy, finished``."""
        moments = {}
        for name, field in _MOMENT_FIELDS:
            moment = parse_platform_time(self.raw.get(field))
            if moment is not None:
                moments[name] = moment
        return moments

    @property
    def is_over(self) -> bool:
        moments = self.moments
        reached = {self.state, *(STATE_OF_MOMENT[name] for name in moments)}
        return "finished" in moments or not ENDED_CALL_STATES.isdisjoint(reached)

    def list_timestamps(self) -> list[datetime]:
        """Return all known timestamps of the call."""
        # super() without arguments does not work in a dataclass with slots.
        return [*PlatformEntity.list_timestamps(self), *self.moments.values()]

    def find_state_time(self, state: str) -> datetime | None:
        """Return the moment at which the call reached a state; ``init`` may be the time of creation."""
        moment = parse_platform_time(self.raw.get(CALL_STATE_TIME_FIELDS.get(state, "")))
        return moment if moment is not None or state != "init" else self.created_at

    @property
    def duration(self) -> float | None:
        """The reported duration in Opentact's unit."""
        return parse_call_duration(self.raw.get("duration"))

    def duration_seconds(self, measured_at: datetime | None = None, *, assume_milliseconds: bool = False) -> float | None:
        """Return the duration in seconds; Opentact reports seconds, rounded up (2024), or milliseconds (2022, inferred).

        No call lasts longer than it exists: if its timestamps, or the moment ``measured_at`` of the duration, show how long
        the call existed, a greater number means milliseconds. Otherwise ``assume_milliseconds`` decides.
        """
        duration, moments = self.duration, self.moments
        if duration is None:
            return None
        begin = moments.get("init") or self.created_at
        end = moments.get("finished") or moments.get("destroy") or moments.get("hangup") or measured_at
        if begin is not None and end is not None and end >= begin:
            assume_milliseconds = duration > (end - begin).total_seconds() + _DURATION_TOLERANCE_SECONDS
        return duration / 1000 if assume_milliseconds else duration


def parse_call_duration(value: object) -> float | None:
    """Parse a duration; None if the value is no plausible number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        duration = float(value)
    except (ValueError, OverflowError):
        return None
    return duration if math.isfinite(duration) and abs(duration) <= _MAX_CALL_SECONDS else None
