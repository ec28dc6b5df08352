"""A rehearsed call that is over, as Opentact would report it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.ended import CallRecord, ReportedLeg, ReportedRecording

if TYPE_CHECKING:
    from app.rehearsal.line import CallState


def build_rehearsed_record(call: CallState, calls_today: int) -> CallRecord:
    """What there is to know of the call on this line, now that it has ended."""
    steps = call.transcript.steps
    legs = [
        ReportedLeg(str(to), was_answered=step.get("result") == "answered" and to == step.get("by", to))
        for step in steps
        if step["verb"] == "Dial"
        for to in step["to"]
    ]
    return CallRecord(
        uuid=call.phone_call.id,
        from_=call.phone_call.from_,
        to=call.phone_call.to,
        ended_at=call.clock.now().timestamp(),
        duration_seconds=round(call.elapsed_seconds),
        legs=tuple(legs),
        recordings=tuple(ReportedRecording(seconds=round(seconds), tag=tag) for tag, seconds in call.recordings.items()),
        tags=tuple(str(step["tag"]) for step in steps if step.get("tag")),
        caller_name=call.phone_call.caller_name,
        calls_today=calls_today,
    )
