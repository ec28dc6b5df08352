"""Steps that several platforms have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callflows.importing.flow_draft import SILENT_PROMPT, format_flow_duration, is_url, merge_data, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callflows.importing.flow_draft import DraftNode, DraftStep, SpokenText


def add_dial(
    node: DraftNode, targets: Sequence[str], *, timeout: object = None, record: bool = False, no_answer: str = ""
) -> None:
    """Add a dial of at least one target. Without a node for ``no_answer``, the next step runs in any case."""
    asked = merge_data(
        {
            "to": targets if len(targets) > 1 else targets[0],
            "timeout": format_flow_duration(timeout, 5, 300),
            "record": "true" if record else "",
        }
    )
    node.add_step("dial", {**asked, "no_answer": no_answer} if no_answer else {**asked, "goes_on": "true"})


def note_missing_target(node: DraftNode, original: str) -> None:
    """Note that a target of the original is neither a number nor a SIP address."""
    node.note_loss(f"nobody is rung at {original}: write a number or a SIP address, as dial: …")


def add_sms(node: DraftNode, text: str, target: str | None) -> None:
    """Add a text message. An empty target is the caller; None is a target that is no number."""
    if text and target is not None:
        node.add_step("sms", {"text": text, "to": target} if target else text)
    else:
        node.skip_part("the text message has no text, or nobody to send it to")


def note_lost_tags(node: DraftNode) -> None:
    """Note that a text has tags of SSML."""
    node.note_loss("the tags in the text are left out: Opentact knows no SSML")


def note_speech_input(node: DraftNode, *, takes_keys: bool) -> None:
    """Note that a question of the original listens to speech, and perhaps takes keys, too."""
    if takes_keys:
        node.note_loss("the original takes speech, too; Opentact only knows keys")
    else:
        node.note_loss("the original listens to speech, which Opentact does not know; here the caller presses keys")


def add_collect(
    node: DraftNode,
    speech: SpokenText,
    sound: str = "",
    *,
    parts: Sequence[DraftStep] = (),
    into: str,
    digits: tuple[int, int],
    stop: str,
    attempts: int = 1,
    otherwise: str = "",
) -> None:
    """Add a collect that asks by a text, by a sound, or by several ``parts``: steps say, play and pause.

    ``digits`` are the least and the most digits.
    """
    least, most = digits
    asked = merge_data(
        {
            "into": into,
            "digits": str(most) if least == most else f"{least}-{most}",
            "stop": _format_stop_key(stop),
            "attempts": str(attempts),
            "otherwise": otherwise,
        }
    )
    if parts:
        node.add_step("collect", {"prompt": [part.data for part in parts], **asked})
        return
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


def _format_stop_key(text: str) -> str:
    """Return the key that ends an input; an empty text for ``#``, which a flow has without a word, and for other texts."""
    return text if text in _KEYS_BESIDE_HASH else ""


_KEYS_BESIDE_HASH: Final = frozenset("0123456789*")


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
            "max": format_flow_duration(max_seconds, 5, 1800),
            "stop": _format_stop_key(stop),
            "transcribe": "true" if transcribe else "",
            "notify": notify,
        }
    )
    node.add_step("voicemail", asked or {"max": "2m"})
