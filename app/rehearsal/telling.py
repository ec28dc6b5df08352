"""A rehearsed call in words: a line a step, and everything that was asked and decided."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from app.characters import clean
from app.rehearsal.asking import HERE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.rehearsal.transcript import Asked, Step, Transcript

ENDINGS: Final = {
    "hung-up": "hung up",
    "caller-hung-up": "the caller hung up",
    "ended": "the document ended without Hangup, and the call with it",
    "texted": "no more texts come",
    "loop": "it never ends",
    "error": "it went wrong",
}
_LONGEST: Final = 2_000
_LINES: Final = 100
_SHOWN_LATER: Final = frozenset({"verb", "path", "at", "lang", "gender", "node", "ended"})
_UNSEEN: Final = re.compile(r"[^\S ]+|[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def shown(text: object) -> str:
    """A text as a terminal may print it: one line, nothing that moves the cursor or turns the writing round."""
    return _UNSEEN.sub(" ", clean(str(text)))[:_LONGEST]


def clocked(seconds: float) -> str:
    """``2:07``, ``1:00:05``."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def told(step: Step) -> str:
    """What a step did, in words."""
    failed = f": {shown(step['reason'])}" if step.get("reason") and step.get("result") != "no-input" else ""
    return f"{_said(step)}{failed}"


def _said(step: Step) -> str:  # noqa: C901, PLR0911, PLR0912 - one case a verb
    match step["verb"]:
        case "Say":
            unheard = "  (before the line is answered)" if step.get("unanswered") else ""
            return f"“{shown(step['text'])}”{unheard}"
        case "Answer":
            return "answered"
        case "Gather":
            pressed = f"keys {step['digits']}" if step["digits"] else "no key"
            return f"{pressed} ({step['result']})"
        case "Pause" if "result" in step:
            return (
                f"{step['digits']} pressed after {_seconds(step):g} s" if "digits" in step else f"{_seconds(step):g} s pass"
            )
        case "Pause":
            return f"silence, {_seconds(step):g} s"
        case "Dial":
            by = f" by {shown(step['by'])}, {_seconds(step):g} s" if step.get("by") else ""
            result = f": {step['result']}{by}" if "result" in step else ""
            return f"dials {shown(', '.join(step['to']))}{result}"
        case "Record":
            seconds = f", {_seconds(step):g} s" if "seconds" in step else ""
            return f"records {shown(step.get('tag', ''))}{seconds}".replace("  ", " ")
        case "Callback":
            return f"goes on at {shown(step['url'].partition('?')[0].removeprefix(HERE))}{_tag(step)}"
        case "Hangup":
            return f"hangs up{_tag(step)}"
        case "text":
            nothing = ", and nothing is done" if step.get("ignored") else ""
            return (
                f"{shown(step['from'])} writes to {shown(step['to'])}: “{shown(step['text'])}” ({step['result']}{nothing})"
            )
        case "refused":
            return f"{step['word']} refused"
        case "sms":
            return (
                f"{step['as']} to {shown(step['to'])}: “{shown(step['text'])}”"
                if "as" in step
                else f"text message to {shown(step['to'])} from {shown(step['from'])}: “{shown(step['text'])}”"
            )
        case "notify":
            return f"notifies {shown(step['url'])}"
        case "lookup":
            return f"looks up {shown(step['into'])}: {step['result']}"
    step = {**step, "seconds": _seconds(step)} if "seconds" in step else step
    did = [f"{name} {shown(value)}" for name, value in step.items() if name not in _SHOWN_LATER and name != "reason"]
    return " ".join([step["verb"].lower(), ", ".join(did)]).strip()


def _seconds(step: Step) -> float:
    """How long a step lasted, in tenths: what is less is of the clock that played it."""
    tenths = round(float(step.get("seconds", 0)), 1)
    return int(tenths) if tenths == int(tenths) else tenths


def _tag(step: Step) -> str:
    return f" ({shown(step['tag'])})" if step.get("tag") else ""


def ending(transcript: Transcript) -> str:
    """How the call ended, in words."""
    error = f": {shown(transcript.error)}" if transcript.error else ""
    during = f" during {' in '.join(reversed(transcript.interrupted)).lower()}" if transcript.interrupted else ""
    return f"{ENDINGS[transcript.outcome]}{during}{error}"


def opening(transcript: Transcript) -> Iterator[str]:
    """How the line was answered, where no document did."""
    if transcript.answers_itself:
        yield f"{clocked(0):>7}  answered by the app itself"


def lines(transcript: Transcript) -> Iterator[str]:
    """The whole call, a line each."""
    yield from opening(transcript)
    for step in transcript.steps:
        if not step.get("ended"):
            yield f"{clocked(step['at']):>7}  {told(step)}"
    yield f"{clocked(transcript.seconds):>7}  {ending(transcript)}"
    yield from lines_of_end(transcript)


def lines_of_end(transcript: Transcript) -> Iterator[str]:
    """What is done when the call has ended, a line each."""
    for step in transcript.steps:
        if step.get("ended"):
            yield f"{'then':>7}  {told(step)}"


def traced(asked: Asked) -> Iterator[str]:
    """A request with what was decided and the document."""
    status = asked.error or asked.status
    yield f"{asked.method or 'document'} {shown(asked.url)}  {shown(status)}, {asked.ms:g} ms"
    for decision in asked.trail:
        yield f"  {_decided(decision)}"
    for line in _indented(asked.document):
        yield f"  {_UNSEEN.sub(' ', line)}"


def _indented(document: str) -> list[str]:
    """A document with a line an element; what is none as it stands."""
    try:
        root = etree.fromstring(document.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return [shown(line) for line in document.splitlines()[:_LINES]]
    etree.indent(root)
    return etree.tostring(root, encoding="unicode").splitlines()


def _decided(decision: dict[str, Any]) -> str:
    values = ", ".join(f"{name} = {_value(value)}" for name, value in decision["values"].items())
    detail = f"  {_value(decision['detail'])}" if decision.get("detail") else ""
    seen = f"  [{values}]" if values else ""
    where = f"{decision['node']}/{decision['step']}"
    return f"{where} {decision['word']} {shown(decision['rule'])}: {_value(decision['outcome'])}{seen}{detail}"


def _value(value: object) -> str:
    return shown(json.dumps(value, ensure_ascii=False, default=str)) if not isinstance(value, str) else shown(value)
