"""Reads TwiML documents as verbs with Opentact's abilities in view: units, defaults, and what cannot be had.

This is the only table of TwiML. ``callflows import`` makes steps of the verbs, a flow with ``twiml`` makes Opentact's XML.
"""

from __future__ import annotations

import dataclasses
import math
import re
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from callflows.errors import DocumentReadError
from callflows.language.value_kinds import LANGUAGE_KIND, SIP_KIND
from callflows.language.xml_reader import find_tag_positions, parse_safe_document
from callflows.telephony.phone_numbers import is_emergency_number, lacks_country_code, parse_e164

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


MAX_TWIML_ELEMENTS: Final = 1000
"""A document with more elements is refused."""
MAX_GATHERED_DIGITS: Final = 40
"""Number of digits that a Gather takes without numDigits."""
ENDLESS_LOOP: Final = 100
"""Number of times that a verb runs that TwiML repeats without end."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwimlVerb:
    """A verb with its place in the document, from 1, and its XML."""

    tag: str
    line: int
    column: int
    source: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwimlSay(TwimlVerb):
    """A text; ``language`` and ``gender`` are as Opentact writes them, or empty. Twilio's tags in the text are left out."""

    text: str
    language: str
    gender: str
    has_tags: bool
    loop: int
    is_endless: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwimlPlay(TwimlVerb):
    """A sound, or ``keys`` that Twilio would send."""

    url: str
    keys: str
    loop: int
    is_endless: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwimlPause(TwimlVerb):
    seconds: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwimlHangup(TwimlVerb):
    """The end of the call; ``reason`` is that of a Reject."""

    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwimlRequest(TwimlVerb):
    """A verb after which Twilio requests a URL. An empty ``url`` of a Gather, Record or Redirect is the document's own."""

    url: str
    method: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwimlRedirect(TwimlRequest):
    pass


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwimlGather(TwimlRequest):
    """A question. Without a ``stop_key`` no key ends the input; ``posts_empty``: ``url`` is requested without keys, too."""

    prompts: tuple[TwimlVerb, ...]
    max_digits: int
    has_digit_limit: bool
    stop_key: str
    timeout_seconds: float
    takes_keys: bool
    takes_speech: bool
    posts_empty: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwimlTarget:
    """A party that a Dial rings: ``number`` is a number or SIP address as in a flow file, else there is a ``problem``."""

    text: str
    number: str
    problem: str
    lacks_country: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwimlDial(TwimlRequest):
    """Parties to ring; ``losses`` are the attributes that Opentact has not, with what happens instead."""

    targets: tuple[TwimlTarget, ...]
    timeout_seconds: float | None
    is_recorded: bool
    losses: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwimlRecord(TwimlRequest):
    """A recording; ``status_url`` is told when it is there. ``max_seconds`` is None if the document has no limit."""

    max_seconds: float | None
    stop_keys: str
    has_beep: bool
    is_transcribed: bool
    status_url: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwimlSms(TwimlRequest):
    """A text message. An empty ``to`` is the caller, an empty ``sender`` the number called."""

    text: str
    to: str
    sender: str
    reports_status: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwimlUnmapped(TwimlVerb):
    """A verb that Opentact has nothing for."""

    reason: str


def read_twiml(document: bytes) -> list[TwimlVerb]:
    """Return the verbs of a document. Raises DocumentReadError."""
    root = parse_safe_document(document)
    elements = [*root.iter("*")]
    if get_twiml_tag(root) != "Response":
        raise DocumentReadError(1, 1, f"the document begins with <{str(root.tag)[:30]}>, and TwiML with <Response>")
    if len(elements) > MAX_TWIML_ELEMENTS:
        raise DocumentReadError(1, 1, f"the document has more than {MAX_TWIML_ELEMENTS} elements")
    places = dict(zip(elements, find_tag_positions(document), strict=False))
    return [_read_verb(element, places) for element in root.iterchildren("*")]


def get_twiml_tag(element: Any) -> str:  # noqa: ANN401 - lxml's element
    """Return the name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _read_verb(element: Any, places: Mapping[Any, tuple[int, int]]) -> TwimlVerb:  # noqa: ANN401 - lxml's element
    tag = get_twiml_tag(element)
    line, column = places.get(element, (1, 1))
    source = etree.tostring(element, encoding="unicode", with_tail=False)
    common: dict[str, Any] = {"tag": tag, "line": line, "column": column, "source": source}
    read = _READERS.get(tag)
    if read is None:
        return TwimlUnmapped(**common, reason=_UNMAPPED_VERBS.get(tag, f"flows have nothing like <{tag[:40]}>"))
    if tag == "Gather":
        prompts = tuple(_read_verb(child, places) for child in element.iterchildren("*"))
        return _read_gather(element, common, prompts)
    return read(element, common)


def _read_say(element: Any, common: dict[str, Any]) -> TwimlVerb:  # noqa: ANN401 - lxml's element
    voice = element.get("voice", "")
    language = read_language(element.get("language", ""))
    return TwimlSay(
        **common,
        **_read_loop(element),
        text=_get_text(element),
        language=language or _find_language_of_voice(voice),
        gender=read_gender(voice),
        has_tags=len(element) > 0,
    )


def _read_play(element: Any, common: dict[str, Any]) -> TwimlVerb:  # noqa: ANN401 - lxml's element
    url = (element.text or "").strip().replace(" ", "%20")
    return TwimlPlay(**common, **_read_loop(element), url=url, keys=element.get("digits", ""))


def _read_pause(element: Any, common: dict[str, Any]) -> TwimlVerb:  # noqa: ANN401 - lxml's element
    return TwimlPause(**common, seconds=read_seconds(element.get("length")) or 1.0)


def _read_hangup(_element: Any, common: dict[str, Any]) -> TwimlVerb:  # noqa: ANN401 - lxml's element
    return TwimlHangup(**common, reason="")


def _read_reject(element: Any, common: dict[str, Any]) -> TwimlVerb:  # noqa: ANN401 - lxml's element
    return TwimlHangup(**common, reason=element.get("reason", "rejected"))


def _read_redirect(element: Any, common: dict[str, Any]) -> TwimlVerb:  # noqa: ANN401 - lxml's element
    return TwimlRedirect(**common, url=_get_text(element), method=_read_method(element))


def _read_gather(element: Any, common: dict[str, Any], prompts: tuple[TwimlVerb, ...]) -> TwimlVerb:  # noqa: ANN401
    modes = element.get("input", "dtmf").split()
    limit = read_count(element.get("numDigits"), 0, MAX_GATHERED_DIGITS)
    return TwimlGather(
        **common,
        url=element.get("action", "").strip(),
        method=_read_method(element),
        prompts=prompts,
        max_digits=limit or MAX_GATHERED_DIGITS,
        has_digit_limit=limit > 0,
        stop_key=element.get("finishOnKey", "#"),
        timeout_seconds=read_seconds(element.get("timeout")) or 5.0,
        takes_keys="dtmf" in modes,
        takes_speech="speech" in modes,
        posts_empty=element.get("actionOnEmptyResult", "").lower() == "true",
    )


def _read_dial(element: Any, common: dict[str, Any]) -> TwimlVerb:  # noqa: ANN401 - lxml's element
    return TwimlDial(
        **common,
        url=element.get("action", "").strip(),
        method=_read_method(element),
        targets=tuple(_read_targets(element)),
        timeout_seconds=read_seconds(element.get("timeout")),
        is_recorded=element.get("record", "false").startswith(("record", "true")),
        losses=(
            *(f"{name}: {reason}" for name, reason in _LOST_OF_DIAL.items() if element.get(name)),
            *dict.fromkeys(
                f"<{get_twiml_tag(child)} {name}>: {reason}"
                for child in element.iterchildren("*")
                for name, reason in _LOST_OF_TARGETS.items()
                if child.get(name)
            ),
        ),
    )


def _read_targets(element: Any) -> Iterator[TwimlTarget]:  # noqa: ANN401 - lxml's element
    if (element.text or "").strip():
        yield _read_target("", element.text.strip())
    for child in element.iterchildren("*"):
        yield _read_target(get_twiml_tag(child), _get_text(child))


def _read_target(kind: str, text: str) -> TwimlTarget:
    number = read_twilio_target(text) if kind in _RUNG_NOUNS else ""
    name = f"<{kind}> " if kind else ""
    problem = "" if number else _UNMAPPED_NOUNS.get(kind, f"{name}{text[:60]} is neither a number nor a SIP address")
    return TwimlTarget(text=f"{name}{text}", number=number, problem=problem, lacks_country=lacks_country_code(text))


def _read_record(element: Any, common: dict[str, Any]) -> TwimlVerb:  # noqa: ANN401 - lxml's element
    return TwimlRecord(
        **common,
        url=element.get("action", "").strip(),
        method=_read_method(element),
        max_seconds=read_seconds(element.get("maxLength")),
        stop_keys=element.get("finishOnKey", "1234567890*#"),
        has_beep=element.get("playBeep", "true").lower() != "false",
        is_transcribed=element.get("transcribe") == "true" or bool(element.get("transcribeCallback")),
        status_url=element.get("recordingStatusCallback", "") or element.get("transcribeCallback", ""),
    )


def _read_sms(element: Any, common: dict[str, Any]) -> TwimlVerb:  # noqa: ANN401 - lxml's element
    return TwimlSms(
        **common,
        url=element.get("action", "").strip(),
        method=_read_method(element),
        text=_get_text(element),
        to=element.get("to", ""),
        sender=element.get("from", ""),
        reports_status=bool(element.get("statusCallback")),
    )


_READERS: Final[Mapping[str, Callable[..., TwimlVerb]]] = {
    "Say": _read_say,
    "Play": _read_play,
    "Pause": _read_pause,
    "Hangup": _read_hangup,
    "Reject": _read_reject,
    "Redirect": _read_redirect,
    "Gather": _read_gather,
    "Dial": _read_dial,
    "Record": _read_record,
    "Sms": _read_sms,
    "Message": _read_sms,
}
_UNMAPPED_VERBS: Final[Mapping[str, str]] = {
    "Enqueue": "Opentact has no queue: ring a group of people with dial instead",
    "Queue": "Opentact has no queue: ring a group of people with dial instead",
    "Leave": "Opentact has no queue to leave",
    "Connect": "Opentact does not stream the sound of a call",
    "Start": "Opentact does not stream the sound of a call",
    "Stop": "Opentact does not stream the sound of a call",
    "Pay": "Opentact takes no payments",
    "Refer": "Opentact does not hand a call over: dial rings the person",
}
_RUNG_NOUNS: Final = frozenset({"", "Number", "Sip", "Sim"})
_UNMAPPED_NOUNS: Final[Mapping[str, str]] = {
    "Conference": "Opentact has no conference",
    "Queue": "Opentact has no queue: ring a group of people with dial instead",
    "Client": "Opentact has no clients of Twilio: register a SIP user, and ring its address",
}
_LOST_OF_DIAL: Final = {
    "callerId": "who is rung sees the caller's number",
    "timeLimit": "a conversation has no time limit",
    "hangupOnStar": "the caller cannot end a conversation with a key",
    "ringTone": "the caller hears the usual ringing tone",
    "recordingStatusCallback": "recordings are reported by Opentact's events",
}
_LOST_OF_TARGETS: Final = {
    "url": "who answers hears nothing before the conversation, and cannot refuse it: Opentact has no whisper",
    "statusCallback": "the app is not told of each state of the call that is rung; action tells how the Dial ended",
    "sendDigits": "no keys are pressed after the answer: ring the extension by a number of its own",
    "username": "who is rung gets no user and password: register the address with Opentact",
    "machineDetection": "a machine that answers counts as a person",
}

LOST_SMS_STATUS: Final = "statusCallback: the app is not told what became of the text; the call log is"


# Values


def read_seconds(value: object) -> float | None:
    """Return a positive number of seconds; None for any other value."""
    try:
        seconds = float(str(value))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None


def read_count(value: object, instead: int, most: int) -> int:
    """Return a whole number of at least 1; ``instead`` for any other value."""
    try:
        count = int(float(str(value)))
    except (ValueError, OverflowError):
        return instead
    return min(count, most) if count >= 1 else instead


def read_language(code: str) -> str:
    """Return a language as Opentact writes it, or an empty text."""
    tag = code.strip().replace("_", "-")
    return tag if LANGUAGE_KIND.accepts(tag) and len(tag) <= _MAX_LANGUAGE_CHARACTERS else ""


_MAX_LANGUAGE_CHARACTERS: Final = 20


def read_gender(voice: str) -> str:
    """Return the gender of a voice that Twilio names; empty if the name does not say it."""
    return {"man": "MALE", "woman": "FEMALE", "alice": "FEMALE"}.get(voice.lower(), "")


def read_twilio_target(text: str) -> str:
    """Return a number or a SIP address as a flow file has it; empty for anything else.

    Ten digits alone are a North American number, as for Twilio.
    """
    plain = text.strip().removeprefix("tel:")
    if SIP_KIND.accepts(plain) and plain.isascii() and plain.isprintable() and "{" not in plain:
        return plain
    if is_emergency_number(plain):
        return plain
    if lacks_country_code(plain):
        return parse_e164(f"+1{plain}")
    return parse_e164(plain)


_VOICE_LANGUAGE: Final = re.compile(r"(?:Google|Azure)\.([a-z]{2,3}-[A-Z]{2})\b.*")


def _find_language_of_voice(voice: str) -> str:
    """Return the language in the name of a voice, as Google.es-US-Wavenet-A."""
    match = _VOICE_LANGUAGE.fullmatch(voice)
    return match[1] if match else ""


def _read_method(element: Any) -> str:  # noqa: ANN401 - lxml's element
    return "GET" if element.get("method", "").strip().upper() == "GET" else "POST"


def _read_loop(element: Any) -> dict[str, Any]:  # noqa: ANN401 - lxml's element
    is_endless = element.get("loop") == "0"
    return {
        "loop": ENDLESS_LOOP if is_endless else read_count(element.get("loop"), 1, ENDLESS_LOOP),
        "is_endless": is_endless,
    }


def _get_text(element: Any) -> str:  # noqa: ANN401 - lxml's element
    return "".join(element.itertext()).strip()
