"""A call that is over, as far as Opentact reported it, and what is done about a message that was left."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from callflows.telephony.turn import Turn, Variables

if TYPE_CHECKING:
    from callflows.telephony.ports import Effect


VOICEMAIL_TAG: Final = "voicemail"
"""The tag of the Record that a voicemail is."""


CONVERSATION_TAG: Final = "conversation"
"""The tag of the Record around a dial with ``record``: nobody may have taken that."""


@dataclasses.dataclass(frozen=True, slots=True)
class ReportedLeg:
    """Somebody whom the call rang; ``answered``: he took it."""

    target: str
    was_answered: bool


@dataclasses.dataclass(frozen=True, slots=True)
class ReportedRecording:
    """What was recorded, as far as it was reported: an empty ``url`` or ``transcript`` was not."""

    url: str = ""
    transcript: str = ""
    seconds: int | None = None
    tag: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class CallRecord:
    """A call that came in and has ended.

    ``at`` is when (seconds since 1970), ``seconds`` how long it lasted, ``tags`` are those of the elements that were run,
    ``name`` and ``calls`` the caller's name and calls of that day to the flow, where they are known.
    """

    uuid: str
    from_: str
    to: str
    ended_at: float
    duration_seconds: int = 0
    legs: tuple[ReportedLeg, ...] = ()
    recordings: tuple[ReportedRecording, ...] = ()
    tags: tuple[str, ...] = ()
    caller_name: str = ""
    calls_today: int = 0

    @property
    def was_missed(self) -> bool:
        """Whether nobody took the call: no person, and no voicemail."""
        left = any(recording.tag != CONVERSATION_TAG for recording in self.recordings)
        return not (left or any(leg.was_answered for leg in self.legs) or VOICEMAIL_TAG in self.tags)

    def make_turn(self) -> Turn:
        """The end as expressions see it."""
        told = {"call": self.uuid, "from": self.from_, "to": self.to, "name": self.caller_name}
        turn = Turn(
            {**told, **({"calls": str(self.calls_today)} if self.calls_today else {})},
            get_base_url=str,
            clock=self.ended_at,
        )
        seen = {"seconds": self.duration_seconds, "rang": bool(self.legs), "tags": [*self.tags]}
        turn.earlier_values = Variables({"ended": seen})
        turn.reset_progress()
        return turn


def complete_voicemail_effect(effect: Effect, record: CallRecord) -> Effect:
    """A ``voicemail`` effect with what was recorded: for whoever holds it back until that is reported, or the call is over.

    ``recordings`` is a list of ``{url, transcript, seconds, tag}``, empty where the caller left no message.
    """
    body = effect.payload.get("body")
    if effect.kind != "voicemail" or not isinstance(body, dict):
        return effect
    recordings = [dataclasses.asdict(recording) for recording in record.recordings]
    return dataclasses.replace(effect, payload={**effect.payload, "body": {**body, "recordings": recordings}})
