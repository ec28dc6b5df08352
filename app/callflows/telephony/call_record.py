"""Record of a finished call, as reported by Opentact, and the completion of a held-back voicemail effect."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from callflows.telephony.notices import compose_notice, list_recording_urls
from callflows.telephony.phone_numbers import parse_caller_number, parse_e164, parse_reported_number
from callflows.telephony.turn import Turn, Variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callflows.telephony.ports import Effect


LONGEST_CALL_MINUTES: Final = 240
"""Longest call: ``callflows connect`` limits calls to this length, and nothing waits longer for the end of a call."""
LONGEST_CALL_SECONDS: Final = LONGEST_CALL_MINUTES * 60.0
VOICEMAIL_TAG: Final = "voicemail"
"""Tag of the Record element of a voicemail."""
BEEP_TAG: Final = "beep"
"""Tag of the tone before the recording of a voicemail."""
CONVERSATION_TAG: Final = "conversation"
"""Tag of the Record element around a dial with ``record``; such a recording does not prove that anybody answered."""
ENDED_VALUE: Final = "ended"
"""The value with which steps after a call see its end."""
ENDED_CALL_FIELDS: Final = (
    "answered",
    "answered_by",
    "message",
    "missed",
    "rang",
    "seconds",
    "node",
    "keys",
    "recording",
    "transcript",
    "recordings",
    "tags",
)
"""Fields of the value."""


@dataclasses.dataclass(frozen=True, slots=True)
class ReportedLeg:
    """One party that the call rang."""

    target: str
    was_answered: bool


@dataclasses.dataclass(frozen=True, slots=True)
class ReportedRecording:
    """One recording; ``url`` or ``transcript`` is empty if not reported."""

    url: str = ""
    transcript: str = ""
    seconds: float | None = None
    tag: str = ""


class ExecutedStep(NamedTuple):
    """A command that Opentact reported as executed, at a moment in seconds since 1970."""

    name: str
    succeeded: bool
    tag: str
    at: float


MessageState: TypeAlias = Literal["left", "none", "unknown"]


def find_message_state(
    recordings: Sequence[ReportedRecording], steps: Sequence[ExecutedStep], ended_at: float | None, shortest_seconds: float
) -> MessageState:
    """Find out whether a caller left a message of at least ``shortest_seconds``.

    ``steps`` are all executed commands of the call, or empty if they may be incomplete.
    """
    messages = [recording for recording in recordings if recording.tag != CONVERSATION_TAG]
    if messages:
        long_enough = (recording.seconds is None or recording.seconds >= shortest_seconds for recording in messages)
        return "left" if any(long_enough) else "none"
    if any(step.tag == VOICEMAIL_TAG and step.succeeded for step in steps):
        return "left"
    beep = next((step for step in reversed(steps) if step.tag == BEEP_TAG), None)
    if beep is not None:
        # Opentact need not report a recording that the caller ended by hanging up: the time after the tone decides.
        if not beep.succeeded or ended_at is None:
            return "none" if ended_at is not None else "unknown"
        return "left" if ended_at - beep.at >= shortest_seconds else "none"
    if not steps or any(step.name in _STEPS_OF_VOICEMAIL and step.tag != CONVERSATION_TAG for step in steps):
        return "unknown"  # older events have no tags
    return "none"


_STEPS_OF_VOICEMAIL: Final = ("Tone", "Play", "Record")


@dataclasses.dataclass(frozen=True, slots=True)
class CallRecord:
    """A finished inbound call.

    ``ended_at`` is in seconds since 1970; ``tags`` are the tags of the executed elements. ``message`` says whether the
    caller left one; ``recordings`` has no recording that is too short for a message. ``node`` is the last node that the
    call is known to have come to, ``keys`` are the keys pressed in order; secret ones are masked. ``caller_name`` and
    ``calls_today`` (the caller's calls to the flow on the same day) are empty or 0 if unknown.
    """

    uuid: str
    from_: str
    to: str
    ended_at: float
    duration_seconds: int = 0
    legs: tuple[ReportedLeg, ...] = ()
    recordings: tuple[ReportedRecording, ...] = ()
    tags: tuple[str, ...] = ()
    message: MessageState = "unknown"
    node: str = ""
    keys: tuple[str, ...] = ()
    caller_name: str = ""
    calls_today: int = 0

    @property
    def answered_by(self) -> str:
        """The number or address that answered first; an empty text if no person answered."""
        return next((leg.target for leg in self.legs if leg.was_answered), "")

    @property
    def was_answered(self) -> bool:
        """True if a person answered, perhaps one whose number is not reported."""
        return any(leg.was_answered for leg in self.legs)

    @property
    def was_missed(self) -> bool:
        """True if no person answered and no voicemail was left."""
        return self.message != "left" and not self.was_answered

    def describe_recordings(self) -> list[dict[str, Any]]:
        """Return the recordings as plain data: ``{url, transcript, seconds, tag}``."""
        return [
            {
                **dataclasses.asdict(recording),
                "seconds": None if recording.seconds is None else round_up_seconds(recording.seconds),
            }
            for recording in self.recordings
        ]

    def describe_end(self) -> dict[str, Any]:
        """Return the end of the call as plain data, with a value for each of ENDED_CALL_FIELDS."""
        # A message comes before the recording of a conversation.
        recordings = sorted(self.recordings, key=lambda recording: recording.tag == CONVERSATION_TAG)
        return {
            "answered": self.was_answered,
            "answered_by": self.answered_by,
            "message": self.message == "left",
            "missed": self.was_missed,
            "rang": bool(self.legs),
            "seconds": self.duration_seconds,
            "node": self.node,
            "keys": [*self.keys],
            "recording": next((recording.url for recording in recordings if recording.url), ""),
            "transcript": next((recording.transcript for recording in recordings if recording.transcript), ""),
            "recordings": self.describe_recordings(),
            "tags": [*self.tags],
        }

    def make_turn(self) -> Turn:
        """Make a turn for expressions about the finished call, with ``ended`` as ``describe_end`` returns it."""
        request_fields = {"call": self.uuid, "from": self.from_, "to": self.to, "name": self.caller_name}
        turn = Turn(
            {**request_fields, **({"calls": str(self.calls_today)} if self.calls_today else {})},
            get_base_url=str,
            clock=self.ended_at,
        )
        turn.earlier_values = Variables({ENDED_VALUE: self.describe_end()})
        turn.reset_progress()
        return turn


def build_call_record(  # noqa: PLR0913 - a record has as many fields
    *,
    uuid: str,
    from_: str,
    to: str,
    ended_at: float,
    seconds: float,
    legs: Iterable[tuple[str, bool]],
    recordings: Iterable[ReportedRecording],
    shortest_message_seconds: float,
    tags: Iterable[str],
    message: MessageState,
    node: str,
    keys: Iterable[str],
    caller_name: str,
    calls_today: int,
) -> CallRecord:
    """Build the record of a finished call from what the journal or a rehearsal knows.

    Numbers may have any spelling; ``seconds`` is the exact duration. ``legs`` are targets, and whether each was answered;
    empty ``tags`` and recordings shorter than ``shortest_message_seconds`` are left out.
    """
    return CallRecord(
        uuid=uuid,
        from_=parse_caller_number(from_),
        to=parse_reported_number(to) or to,
        ended_at=ended_at,
        duration_seconds=round_up_seconds(seconds),
        legs=tuple(ReportedLeg(parse_e164(target) or target, was_answered) for target, was_answered in legs),
        recordings=tuple(
            recording
            for recording in recordings
            if recording.tag == CONVERSATION_TAG
            or recording.seconds is None
            or recording.seconds >= shortest_message_seconds
        ),
        tags=tuple(filter(None, tags)),
        message=message,
        node=node,
        keys=tuple(keys),
        caller_name=caller_name,
        calls_today=calls_today,
    )


def round_up_seconds(seconds: float) -> int:
    """Return the duration of a call in whole seconds, rounded up as Opentact does."""
    # The error of a float must not add a whole second.
    return math.ceil(round(seconds, 3))


def find_cancel_reason(effect: Effect, record: CallRecord) -> str:
    """Return the reason why a held voicemail effect is not executed after a call; "" if it is.

    ``unless`` in the payload is the tag of an element: if the call came to it, the receiver knows already.
    """
    if record.message == "none":
        return "the caller left no message"
    return "the receiver was asked in the call" if effect.payload.get("unless", "") in record.tags else ""


def _complete_form(effect: Effect, form: dict[str, str], record: CallRecord) -> dict[str, str]:
    """Return the form of an app under ``twiml`` with what is known of its recording."""
    tag = effect.payload.get("recording")
    recording = next((recording for recording in record.recordings if recording.tag == tag), None)
    if recording is None:
        return form
    parameters = {
        "RecordingUrl": form.get("RecordingUrl") or recording.url,
        "RecordingDuration": "" if recording.seconds is None else str(round_up_seconds(recording.seconds)),
        "TranscriptionText": recording.transcript,
        "TranscriptionStatus": "completed" if recording.transcript else "",
    }
    return {**form, **{name: value for name, value in parameters.items() if value}}


def complete_voicemail_effect(effect: Effect, record: CallRecord) -> Effect:
    """Return a ``voicemail`` effect with its recordings; return other effects unchanged.

    A voicemail effect is held back until its recording is reported or the call is over. ``recordings`` is a list of ``{url,
    transcript, seconds, tag}``, empty if none was reported; mails and messages to chats name them in their text. A call
    without a message has no such effect: see ``CallRecord.message``.
    """
    if effect.kind != VOICEMAIL_TAG:
        return effect
    if effect.channel == "form":
        form = _complete_form(effect, effect.payload["form"], record)
        return dataclasses.replace(effect, payload={**effect.payload, "form": form})
    body = {**effect.payload["body"], "recordings": record.describe_recordings()}
    payload = {**effect.payload, "body": body}
    if effect.channel in ("mail", "chat"):
        payload["text"] = compose_notice(str(payload["intro"]), body).text
    if payload.get("attaches"):
        payload["attach"] = list_recording_urls(body)
    return dataclasses.replace(effect, payload=payload)
