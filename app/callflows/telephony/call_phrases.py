"""The words for what happens in a call, for people who know no verbs of Opentact.

Rehearsals in the terminal, the phone of the console and the stories of past calls use the same words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callflows.telephony.call_record import CONVERSATION_TAG, VOICEMAIL_TAG
from callflows.telephony.phone_numbers import format_international

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


HANGS_UP: Final = "hangs up"
REFUSES_CALL: Final = "refuses the call"
_BEEP_TAG: Final = "beep"
_WORDS_OF_DIALS: Final = {
    "answered": "answered",
    "busy": "busy",
    "no-answer": "nobody answers",
    "cancelled": "the caller hung up before",
}


def describe_speech(text: str) -> str:
    return f"“{text}”"


def describe_keys(digits: str, *, is_wrong: bool = False) -> str:
    """Describe what a caller pressed; no digits if the caller pressed nothing."""
    return f"pressed {digits or 'nothing'}{', which is no key of the menu' if is_wrong else ''}"


def describe_tone(hz: str = "", tag: str = "") -> str:
    """Describe a tone; ``hz`` are its frequencies, with commas between them."""
    if tag == _BEEP_TAG:
        return "a beep"
    return f"a tone of {hz.replace(',', ' and ')} Hz" if hz else "a tone"


def describe_pause(seconds: float) -> str:
    return f"a pause of {format_seconds(seconds)}" if seconds else "a pause"


def describe_recording(tag: str, seconds: float | None = None) -> str:
    names = {CONVERSATION_TAG: "the conversation", VOICEMAIL_TAG: "a message"}
    words = f"records {names.get(tag, tag)}".rstrip()
    return words if seconds is None else f"{words}, {format_seconds(seconds)}"


def describe_playback(sound: str, *, is_recording: bool = False) -> str:
    return f"plays {'the recording ' if is_recording else ''}{sound or 'a sound'}"


def describe_dial(
    targets: Sequence[str], outcome: str = "", *, by: str = "", seconds: float | None = None, reason: str = ""
) -> str:
    """Describe the parties that are rung. ``outcome``: answered, busy, no-answer, another word, or empty if not known."""
    words = f"rings {format_parties(targets)}"
    if outcome:
        words += f": {_WORDS_OF_DIALS.get(outcome, outcome)}"
    if by and [by] != [*targets]:
        words += f" by {format_international(by)}"
    if seconds is not None:
        words += f", {format_seconds(seconds)}"
    return f"{words} ({reason})" if reason else words


def format_parties(targets: Iterable[str]) -> str:
    """Return phone numbers in groups, other addresses unchanged, with commas between them."""
    return ", ".join(map(format_international, targets))


def format_seconds(seconds: float) -> str:
    """Return a duration in tenths of a second: smaller differences only reflect the speed of the playing clock."""
    return f"{round(float(seconds), 1):g} s"
