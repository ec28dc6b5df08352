"""A rehearsed call that is over, as Opentact would report it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.ended import Ended, Leg, Recording

if TYPE_CHECKING:
    from app.rehearsal.line import Line


def ended(line: Line, calls_today: int) -> Ended:
    """What there is to know of the call on this line, now that it has ended."""
    steps = line.transcript.steps
    legs = [
        Leg(str(to), answered=step.get("result") == "answered" and to == step.get("by", to))
        for step in steps
        if step["verb"] == "Dial"
        for to in step["to"]
    ]
    return Ended(
        uuid=line.ringing.id,
        from_=line.ringing.from_,
        to=line.ringing.to,
        at=line.clock.now().timestamp(),
        seconds=round(line.at),
        legs=tuple(legs),
        recordings=tuple(Recording(seconds=round(seconds), tag=tag) for tag, seconds in line.recordings.items()),
        tags=tuple(str(step["tag"]) for step in steps if step.get("tag")),
        name=line.ringing.name,
        calls=calls_today,
    )
