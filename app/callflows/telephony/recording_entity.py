"""Opentact's recording object and its transcript. Their fields are undocumented, so the likely names are tried."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from callflows.telephony.platform_entity import PlatformEntity
from callflows.text import clean_field, clean_text

if TYPE_CHECKING:
    from collections.abc import Mapping


RECORDING_NAMES: Final = ("call_record", "record", "recording", "records", "recordings", "record_uuid", "recording_uuid")
"""Names under which an object or an event may have a recording, a list of recordings, or the id of one."""
_TRANSCRIPT_NAMES: Final = ("transcript", "transcription", "transcripts", "transcriptions", "asr", "segments", "text")
"""Names under which a recording or an event may have a transcript."""
_MAX_TRANSCRIPT_DEPTH: Final = 4
_MAX_TRANSCRIPT_CHARACTERS: Final = 50_000
_URL_NAMES: Final = ("url", "record_url", "recording_url", "file_url", "link")


@dataclasses.dataclass(frozen=True, slots=True)
class RecordingEntity(PlatformEntity):
    """A recording of a call; ``transcript`` is empty if the object has none."""

    @property
    def url(self) -> str:
        return next((text for text in map(self._read_text, _URL_NAMES) if text), "")

    @property
    def tag(self) -> str:
        """The tag of the Record element."""
        return find_tag(self.raw)

    @property
    def seconds(self) -> float | None:
        """The duration in seconds."""
        seconds = self.raw.get("duration")
        return seconds if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) else None

    @property
    def transcript(self) -> str:
        """The transcript: a text, an object with a text, or a list of either."""
        return _read_transcript(self.raw)

    def without_transcript(self) -> dict[str, Any]:
        """Return the fields that stay the same when a transcript is added later."""
        changing = (*_TRANSCRIPT_NAMES, "modified_on")
        return {name: value for name, value in self.raw.items() if name not in changing}


@dataclasses.dataclass(frozen=True, slots=True)
class TranscriptEntity(PlatformEntity):
    """A transcript that is reported on its own."""

    @property
    def text(self) -> str:
        """The whole text, also if it stands in a recording of the object."""
        own = _read_transcript(self.raw)
        return own or next((text for text in (one.transcript for one in list_recordings(self.raw)) if text), "")

    @property
    def recording(self) -> str:
        """The id or the URL of the recording, or an empty text."""
        recording = next((self.raw[name] for name in RECORDING_NAMES if self.raw.get(name)), None)
        if isinstance(recording, dict):
            entity = RecordingEntity(recording)
            return entity.uuid or entity.url
        return clean_field(recording) or RecordingEntity(self.raw).url


def list_recordings(raw: Mapping[str, Any]) -> list[RecordingEntity]:
    """Return the recordings that an object of Opentact contains under one of the known names."""
    for name in RECORDING_NAMES:
        value = raw.get(name)
        found = [part for part in (value if isinstance(value, list) else [value]) if isinstance(part, dict) and part]
        if found:
            return [RecordingEntity(part) for part in found]
    return []


def find_tag(fields: Mapping[str, Any]) -> str:
    """Return the tag of an executed element or a recording. platform: its own tag, or in its attributes."""
    for part in (fields, fields.get("element"), fields.get("attributes"), fields.get("command")):
        if isinstance(part, dict) and isinstance(part.get("tag"), str):
            return str(part["tag"])
    return ""


def _read_transcript(value: object, depth: int = 0) -> str:
    if isinstance(value, str):
        return clean_text(value[:_MAX_TRANSCRIPT_CHARACTERS]).strip() if depth else ""
    if depth > _MAX_TRANSCRIPT_DEPTH:
        return ""
    if isinstance(value, list):
        return " ".join(filter(None, (_read_transcript(part, depth + 1) for part in value)))[:_MAX_TRANSCRIPT_CHARACTERS]
    if isinstance(value, dict):
        texts = (_read_transcript(value[name], depth + 1) for name in _TRANSCRIPT_NAMES if name in value)
        return next((text for text in texts if text), "")
    return ""
