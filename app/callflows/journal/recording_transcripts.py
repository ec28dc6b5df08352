"""Joins the recordings and the transcripts of a call, whose relation Opentact does not document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from callflows.telephony.recording_entity import RecordingEntity, TranscriptEntity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from callflows.journal.stored_rows import JournalRow


class PairedTranscripts(NamedTuple):
    """The transcripts of a call, each once and oldest first.

    ``by_recording`` has the text of a recording's transcript, by the recording's id.
    """

    rows: list[JournalRow]
    by_recording: dict[str, str]


def pair_transcripts(recordings: Sequence[JournalRow], transcripts: Sequence[JournalRow]) -> PairedTranscripts:
    """Join by id or URL; then equal texts are one transcript reported twice; the rest belong together by position."""
    names = {name: row["id"] for row in recordings for name in _list_recording_names(row)}
    rows_of: dict[str, JournalRow] = {}
    others: list[JournalRow] = []
    for row in transcripts:
        recording = next((names[name] for name in _list_references(row) if name in names), "")
        if recording and recording not in rows_of:
            rows_of[recording] = row
        elif not recording or row["text"] != rows_of[recording]["text"]:
            others.append(row)
    doubled: set[str] = set()
    alone: list[JournalRow] = []
    for row in others:
        same = (one for one, known in rows_of.items() if known["text"] == row["text"] and one not in doubled)
        recording = next(same, "")
        if not recording or not row["text"]:
            alone.append(row)
            continue
        doubled.add(recording)
        rows_of[recording] = min(rows_of[recording], row, key=lambda one: one["at"])
    free = [row["id"] for row in recordings if row["id"] not in rows_of]
    rows_of |= dict(zip(free, alone, strict=False))
    rows = [*rows_of.values(), *alone[len(free) :]]
    by_recording = {recording: row["text"] or "" for recording, row in rows_of.items()}
    return PairedTranscripts(sorted(rows, key=lambda row: row["at"] or 0.0), by_recording)


def _list_recording_names(recording: JournalRow) -> Iterator[str]:
    yield recording["id"]
    if recording["url"]:
        yield recording["url"]
    uuid = RecordingEntity(json.loads(recording["raw"] or "{}")).uuid
    if uuid:
        yield uuid


def _list_references(transcript: JournalRow) -> Iterator[str]:
    yield transcript["id"]
    reference = TranscriptEntity(json.loads(transcript["raw"] or "{}")).recording
    if reference:
        yield reference
