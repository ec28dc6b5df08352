"""Steps that several platforms have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callflows.importing.flow_draft import SILENT_PROMPT, format_seconds, is_url, merge_data, read_stop_key, shorten

if TYPE_CHECKING:
    from callflows.importing.flow_draft import DraftNode, SpokenText


def read_gender(voice: str) -> str:
    """Return the gender of a voice that Twilio names; empty if the name does not say it."""
    return {"man": "MALE", "woman": "FEMALE", "alice": "FEMALE"}.get(voice.lower(), "")


def add_collect(node: DraftNode, speech: SpokenText, sound: str, asked: dict[str, Any]) -> None:
    """Add a collect that asks by a text or by a sound."""
    if speech.text:
        node.add_step("collect", {"prompt": speech.text, **merge_data({"voice": speech.voice}), **asked})
        return
    if is_url(sound):
        node.add_step("collect", {"prompt": [{"play": sound}], **asked})
        return
    node.note_loss(
        "the original asks nothing, or by a sound without an address: write the question instead of the full stop"
    )
    node.add_step("collect", {"prompt": SILENT_PROMPT, **asked})


def add_voicemail(
    node: DraftNode, *, max_seconds: object, stop: str, transcribe: bool, report_url: str, greeting: str = ""
) -> None:
    """Add a voicemail."""
    notify = report_url if is_url(report_url) and "{" not in report_url else ""
    if notify:
        node.note_loss(f"{shorten(report_url)} gets a webhook of another shape (Standard Webhooks)")
    asked = merge_data(
        {
            "greeting": greeting,
            "max": format_seconds(max_seconds, 5, 1800),
            "stop": read_stop_key(stop) if read_stop_key(stop) != "#" else "",
            "transcribe": "true" if transcribe else "",
            "notify": notify,
        }
    )
    node.add_step("voicemail", asked or {"max": "2m"})
