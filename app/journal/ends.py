"""A call that is over, put together from all that is kept of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from app.ended import Ended, Leg, Recording
from app.journal.story import row_of, step_of
from app.outside import Effect

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.journal.store import Row, Told


def ended_of(told: Told) -> Ended:
    """The end of a call: who was rung and answered, what was recorded, the tags of what was run."""
    call = told.call
    over = call["destroy"] or call["hangup"] or call["finished"] or call["started"] or 0.0
    return Ended(
        uuid=call["id"],
        from_=call["caller"] or "",
        to=call["number"] or "",
        at=over,
        seconds=row_of(call)["seconds"] or 0,
        legs=tuple(Leg(leg["number"] or leg["caller"] or "", leg["answer"] is not None) for leg in told.legs),
        recordings=tuple(_recordings(told)),
        tags=tuple(_tags(told.events)),
        name=call["name"] or "",
        calls=_calls(told.turns),
    )


def held_of(rows: Iterable[Row], kind: str) -> list[Effect]:
    """Effects of a kind that wait: they were wanted, and nothing became of them yet."""
    return [_effect(row) for row in rows if row["kind"] == kind and row["settled"] is None]


def _effect(row: Row) -> Effect:
    return Effect(row["kind"], row["key"], json.loads(row["payload"] or "{}"))


def _recordings(told: Told) -> Iterable[Recording]:
    """Recordings in order, the transcripts beside them: which belongs to which is not documented."""
    texts = [row["text"] or "" for row in told.transcripts]
    for index, row in enumerate(told.recordings):
        raw = json.loads(row["raw"] or "{}")
        seconds = raw.get("duration")
        yield Recording(
            url=row["url"] or "",
            transcript=texts[index] if index < len(texts) else "",
            seconds=int(seconds) if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) else None,
            tag=_tag(raw),
        )


def _tags(events: Iterable[Row]) -> Iterable[str]:
    """The tags of the elements that Opentact reported as run. platform: an element's own tag, or in its attributes."""
    for event in events:
        tag = _tag(step_of(json.loads(event["raw"])))
        if tag:
            yield tag


def _tag(said: Mapping[str, Any]) -> str:
    for part in (said, said.get("element"), said.get("attributes"), said.get("command")):
        if isinstance(part, dict) and isinstance(part.get("tag"), str):
            return str(part["tag"])
    return ""


def _calls(turns: Iterable[Row]) -> int:
    """How often the caller rang that day, as the first turn was told."""
    for turn in turns:
        calls = json.loads(turn["told"]).get("calls", "")
        if str(calls).isdecimal():
            return int(calls)
    return 0
