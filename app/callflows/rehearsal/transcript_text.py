"""Formats a rehearsed call as text: one line per step, and a trace of requests and decisions."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from callflows.rehearsal.platform_network import LOCAL_ENGINE_ORIGIN
from callflows.telephony.call_phrases import (
    HANGS_UP,
    REFUSES_CALL,
    describe_dial,
    describe_keys,
    describe_pause,
    describe_playback,
    describe_recording,
    describe_speech,
    describe_tone,
    format_parties,
    format_seconds,
)
from callflows.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callflows.rehearsal.transcript import PlatformRequest, Transcript, TranscriptStep


OUTCOME_DESCRIPTIONS: Final = {
    "hung-up": "hung up",
    "caller-hung-up": "the caller hung up",
    "ended": "the document ended without Hangup, and the call with it",
    "texted": "no more text messages",
    "loop": "the call never ends",
    "error": "the call failed",
}
_SELF_EXPLAINING_RESULTS: Final = frozenset({"no-input", "busy", "no-answer"})
"""Results whose words leave no need for the reason in Opentact's words."""
_MAX_TEXT_CHARACTERS: Final = 2_000
_MAX_DOCUMENT_LINES: Final = 100
_HIDDEN_STEP_FIELDS: Final = frozenset({"verb", "path", "at", "lang", "gender", "node", "ended"})
_CONTROL_CHARACTERS: Final = re.compile(r"[^\S ]+|[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def sanitize_for_terminal(text: object) -> str:
    """Make text safe to print: one line, without control characters or bidirectional overrides."""
    return _CONTROL_CHARACTERS.sub(" ", clean_text(str(text)))[:_MAX_TEXT_CHARACTERS]


def format_elapsed(seconds: float) -> str:
    """Format as ``2:07`` or ``1:00:05``."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def describe_step(step: TranscriptStep) -> str:
    """Describe a step for people who know no verbs of Opentact: what the line does, and what the caller presses."""
    is_told = step.get("result") in _SELF_EXPLAINING_RESULTS
    failed = f": {sanitize_for_terminal(step['reason'])}" if step.get("reason") and not is_told else ""
    return f"{_describe_verb(step)}{failed}"


def _describe_verb(step: TranscriptStep) -> str:  # noqa: C901, PLR0911, PLR0912 - one case per verb
    match step["verb"]:
        case "Say":
            unheard = "  (before the line is answered)" if step.get("unanswered") else ""
            return f"{describe_speech(sanitize_for_terminal(step['text']))}{unheard}"
        case "Play":
            sound = sanitize_for_terminal(step.get("url") or step.get("record", ""))
            return describe_playback(sound, is_recording="url" not in step)
        case "Answer":
            return "answered"
        case "Tone":
            return describe_tone(sanitize_for_terminal(step.get("hz", "")), step.get("tag", ""))
        case "Gather":
            return describe_keys(sanitize_for_terminal(step["digits"]), is_wrong=step["result"] == "no-match")
        case "Pause":
            lasted = float(step.get("seconds", 0))
            if "digits" not in step:
                return describe_pause(lasted)
            return describe_keys(step["digits"]) + (f" after {format_seconds(lasted)}" if lasted else "")
        case "Dial":
            by = sanitize_for_terminal(step.get("by", ""))
            seconds = step.get("seconds") if by else None
            return describe_dial([*map(sanitize_for_terminal, step["to"])], step.get("result", ""), by=by, seconds=seconds)
        case "Record":
            return describe_recording(sanitize_for_terminal(step.get("tag", "")), step.get("seconds"))
        case "Callback":
            address = step["url"].partition("?")[0].removeprefix(LOCAL_ENGINE_ORIGIN)
            return f"goes on at {sanitize_for_terminal(address)}{_format_tag(step)}"
        case "Hangup":
            return f"{HANGS_UP}{_format_tag(step)}"
        case "Reject":
            return f"{REFUSES_CALL}{_format_tag(step)}"
        case "text":
            nothing = ", and no rule has an action" if step.get("ignored") else ""
            sender, recipient = (format_parties([sanitize_for_terminal(step[side])]) for side in ("from", "to"))
            text = sanitize_for_terminal(step["text"])
            return f"{sender} writes to {recipient}: “{text}” ({step['result']}{nothing})"
        case "refused":
            return f"{step['step_key']} refused"
        case "sms":
            recipient, text = format_parties([sanitize_for_terminal(step["to"])]), sanitize_for_terminal(step["text"])
            return (
                f"{step['as']} to {recipient}: “{text}”"
                if "as" in step
                else f"text message to {recipient} from {format_parties([sanitize_for_terminal(step['from'])])}: “{text}”"
            )
        case "notify":
            chat = f" as {step['as']}: “{sanitize_for_terminal(_flatten_lines(step['text']))}”" if "as" in step else ""
            return f"notifies {sanitize_for_terminal(step['url'])}{chat}"
        case "mail":
            attached = ", with the recording" if "attach" in step else ""
            return f"mail to {sanitize_for_terminal(step['to'])}: “{sanitize_for_terminal(step['subject'])}”{attached}"
        case "opt_out":
            return f"{format_parties([sanitize_for_terminal(step['number'])])} gets no more calls and texts"
        case "lookup":
            return f"looks up {sanitize_for_terminal(step['into'])}: {step['result']}"
    step = {**step, "seconds": round(float(step["seconds"]), 1)} if "seconds" in step else step
    did = [
        f"{'' if (step['verb'], name) == ('Play', 'url') else f'{name} '}{sanitize_for_terminal(value)}"
        for name, value in step.items()
        if name not in _HIDDEN_STEP_FIELDS and name != "reason"
    ]
    return " ".join([step["verb"].lower(), ", ".join(did)]).strip()


def _flatten_lines(text: str) -> str:
    """Return a text of several lines as one line."""
    return " ".join(text.split())


def _format_tag(step: TranscriptStep) -> str:
    return f" ({sanitize_for_terminal(step['tag'])})" if step.get("tag") else ""


def describe_outcome(transcript: Transcript) -> str:
    error = f": {sanitize_for_terminal(transcript.error)}" if transcript.error else ""
    during = (
        f" during {' in '.join(reversed(transcript.interrupted_verbs)).lower()}" if transcript.interrupted_verbs else ""
    )
    return f"{OUTCOME_DESCRIPTIONS[transcript.outcome]}{during}{error}"


def describe_automatic_answer(transcript: Transcript) -> Iterator[str]:
    """Yield a line if the app answered by itself, since then no step reports the answer."""
    if transcript.answers_itself:
        yield f"{format_elapsed(0):>7}  answered by the app itself"


def format_transcript(transcript: Transcript) -> Iterator[str]:
    """Yield the whole call, line by line."""
    yield from describe_automatic_answer(transcript)
    for step in transcript.steps:
        if not step.get("ended"):
            yield f"{format_elapsed(step['at']):>7}  {describe_step(step)}"
    yield f"{format_elapsed(transcript.seconds):>7}  {describe_outcome(transcript)}"
    yield from format_after_call(transcript)


def format_after_call(transcript: Transcript) -> Iterator[str]:
    """Yield the steps after the end of the call, line by line."""
    for step in transcript.steps:
        if step.get("ended"):
            yield f"{'then':>7}  {describe_step(step)}"


def format_request_trace(request: PlatformRequest) -> Iterator[str]:
    """Yield a request, the engine's decisions and the document, line by line."""
    status = sanitize_for_terminal(request.error or request.status)
    yield f"{request.method or 'document'} {sanitize_for_terminal(request.url)}  {status}, {request.ms:g} ms"
    for decision in request.trail:
        yield f"  {_format_decision(decision)}"
    for line in _indent_document(request.document):
        yield f"  {_CONTROL_CHARACTERS.sub(' ', line)}"


def _indent_document(document: str) -> list[str]:
    """Return the document with one element per line; return invalid XML unchanged except for control characters."""
    try:
        root = etree.fromstring(document.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return [sanitize_for_terminal(line) for line in document.splitlines()[:_MAX_DOCUMENT_LINES]]
    etree.indent(root)
    return etree.tostring(root, encoding="unicode").splitlines()


def _format_decision(decision: dict[str, Any]) -> str:
    values = ", ".join(f"{name} = {_format_value(value)}" for name, value in decision["values"].items())
    detail = f"  {_format_value(decision['detail'])}" if decision.get("detail") else ""
    values_text = f"  [{values}]" if values else ""
    where = f"{decision['node']}/{decision['step']}"
    rule = sanitize_for_terminal(decision["rule"])
    return f"{where} {decision['step_key']} {rule}: {_format_value(decision['outcome'])}{values_text}{detail}"


def _format_value(value: object) -> str:
    return (
        sanitize_for_terminal(json.dumps(value, ensure_ascii=False, default=str))
        if not isinstance(value, str)
        else sanitize_for_terminal(value)
    )
