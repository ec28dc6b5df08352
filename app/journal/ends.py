"""A call that is over, put together from all that is kept of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from app.ended import CallRecord, ReportedLeg, ReportedRecording
from app.journal.story import build_call_log_row, extract_executed_step
from app.outside import Effect

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.journal.store import JournalRow, StoredCall


def build_finished_call_record(stored: StoredCall) -> CallRecord:
    """The end of a call: who was rung and answered, what was recorded, the tags of what was run."""
    call = stored.call
    over = call["destroy"] or call["hangup"] or call["finished"] or call["started"] or 0.0
    return CallRecord(
        uuid=call["id"],
        from_=call["caller"] or "",
        to=call["number"] or "",
        ended_at=over,
        duration_seconds=build_call_log_row(call)["seconds"] or 0,
        legs=tuple(ReportedLeg(leg["number"] or leg["caller"] or "", leg["answer"] is not None) for leg in stored.legs),
        recordings=tuple(_read_recordings(stored)),
        tags=tuple(_find_tags(stored.events)),
        caller_name=call["name"] or "",
        calls_today=_read_calls_today(stored.turns),
    )


def select_held_effects(rows: Iterable[JournalRow], kind: str) -> list[Effect]:
    """Effects of a kind that wait: they were wanted, and nothing became of them yet."""
    return [_read_effect(row) for row in rows if row["kind"] == kind and row["settled"] is None]


def _read_effect(row: JournalRow) -> Effect:
    return Effect(row["kind"], row["key"], json.loads(row["payload"] or "{}"))


def _read_recordings(stored: StoredCall) -> Iterable[ReportedRecording]:
    """Recordings in order, the transcripts beside them: which belongs to which is not documented."""
    texts = [row["text"] or "" for row in stored.transcripts]
    for index, row in enumerate(stored.recordings):
        raw = json.loads(row["raw"] or "{}")
        seconds = raw.get("duration")
        yield ReportedRecording(
            url=row["url"] or "",
            transcript=texts[index] if index < len(texts) else "",
            seconds=int(seconds) if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) else None,
            tag=_find_tag(raw),
        )


def _find_tags(events: Iterable[JournalRow]) -> Iterable[str]:
    """The tags of the elements that Opentact reported as run. platform: an element's own tag, or in its attributes."""
    for event in events:
        tag = _find_tag(extract_executed_step(json.loads(event["raw"])))
        if tag:
            yield tag


def _find_tag(fields: Mapping[str, Any]) -> str:
    for part in (fields, fields.get("element"), fields.get("attributes"), fields.get("command")):
        if isinstance(part, dict) and isinstance(part.get("tag"), str):
            return str(part["tag"])
    return ""


def _read_calls_today(turns: Iterable[JournalRow]) -> int:
    """How often the caller rang that day, as the first turn was told."""
    for turn in turns:
        calls = json.loads(turn["told"]).get("calls", "")
        if str(calls).isdecimal():
            return int(calls)
    return 0
