"""A call as the caller heard it: what the line said, which keys were pressed, whom it rang.

Only what Opentact reported is sure. A document without any report is told up to the point at which the caller decides.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, Final

from callflows.errors import CallflowsError
from callflows.flows.entry_points import find_root_node
from callflows.language import (
    DTMF,
    Default,
    Dial,
    Error,
    Gather,
    Hangup,
    Pause,
    Play,
    Record,
    Reject,
    Say,
    To,
    Tone,
    from_xml,
)
from callflows.language.element import walk_elements
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
)
from callflows.telephony.events import CANCELLED_DIAL_CAUSE, extract_executed_step, find_platform_cause

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from callflows.journal.call_path import ReachedElement, TracedTurn
    from callflows.language.element import Element


LINE: Final = "line"
CALLER: Final = "caller"
_BUSY_CAUSE: Final = "user busy"
_DECIDING: Final = (Gather, Dial, Record)
_KEYLESS_BRANCHES: Final = {Default: "pressed a wrong key", Error: describe_keys("")}


def tell_as_heard(traced_turns: Iterable[TracedTurn], documents: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield what was heard, in order: ``at`` (seconds since 1970), ``who`` (line or caller), ``text``, ``node``, ``sure``.

    ``documents`` are the compressed documents of the turns.
    """
    for number, (traced, document) in enumerate(zip(traced_turns, documents, strict=True)):
        if traced.is_superseded:
            continue
        elements = _read_elements(document)
        turn = traced.turn
        if number and turn["pressed"]:
            yield _build_words(turn["at"], CALLER, describe_keys(turn["pressed"]), turn["node"], sure=True)
        if any(element.report is not None for element in traced.elements):
            yield from _tell_reached(traced.elements, elements)
        else:
            yield from _tell_unreported(traced, elements)


def list_pressed_keys(traced_turns: Iterable[TracedTurn], documents: Iterable[bytes]) -> Iterator[str]:
    """Yield what the caller surely pressed, in order; secret digits are masked. ``documents`` as in ``tell_as_heard``."""
    for number, (traced, document) in enumerate(zip(traced_turns, documents, strict=True)):
        if number and traced.turn["pressed"] and not traced.is_superseded:
            yield traced.turn["pressed"]
        reported = [element.path.rpartition(".")[0] for element in traced.elements if "." in element.path]
        elements = _read_elements(document) if reported else {}
        for path in dict.fromkeys(reported):
            branch = elements.get(path)
            if isinstance(branch, DTMF):
                yield str(branch.attributes["value"])


def _read_elements(document: bytes) -> dict[str, Element]:
    try:
        return dict(walk_elements(from_xml(zlib.decompress(document))))
    except (CallflowsError, zlib.error):
        return {}


def _build_words(at: float, who: str, text: str, node: str, *, sure: bool) -> dict[str, Any]:
    return {"at": at, "who": who, "text": text, "node": find_root_node(node), "sure": sure}


def _tell_reached(reached: Sequence[ReachedElement], elements: Mapping[str, Element]) -> Iterator[dict[str, Any]]:
    """Tell the elements that the call came to, each once, and each branch that a key opened."""
    branches: set[str] = set()
    told_paths: set[str] = set()
    complete = {element.path for element in reached if element.report is not None}
    for element in reached:
        parent = element.path.rpartition(".")[0]
        if parent and parent not in branches:
            branches.add(parent)
            text = _describe_branch(elements.get(parent), elements.get(parent.rpartition(".")[0]))
            if text:
                yield _build_words(element.at, CALLER, text, element.place.node, sure=True)
        known = elements.get(element.path)
        if element.path in told_paths or (
            isinstance(known, _DECIDING) and element.report is None and element.path in complete
        ):
            continue  # of what takes time and has an outcome, the end is told
        told_paths.add(element.path)
        is_past = any(path.startswith(f"{element.path}.") for path in complete)
        text = _describe_element(known, element, is_past=is_past) if known is not None else ""
        if text:
            yield _build_words(element.at, LINE, text, element.place.node, sure=True)


def _tell_unreported(traced: TracedTurn, elements: Mapping[str, Element]) -> Iterator[dict[str, Any]]:
    """Tell the beginning of a document of which nothing was reported."""
    for text in _tell_beginning(elements):
        yield _build_words(traced.turn["at"], LINE, text, traced.turn["node"], sure=False)


def tell_beginning_of_document(document: bytes) -> list[str]:
    """Return what every caller hears of a document, up to the point at which the caller or a callee decides."""
    return [*_tell_beginning(dict(walk_elements(from_xml(document))))]


def _tell_beginning(elements: Mapping[str, Element]) -> Iterator[str]:
    for path, element in elements.items():
        if "." in path:
            continue
        text = _describe_element(element, None)
        if text:
            yield text
        if isinstance(element, _DECIDING):
            return


def _describe_branch(branch: Element | None, parent: Element | None) -> str:
    if isinstance(branch, DTMF):
        return describe_keys(str(branch.attributes["value"]))
    return _KEYLESS_BRANCHES.get(type(branch), "") if isinstance(parent, Gather) else ""


def _describe_element(  # noqa: PLR0911 - one case for each command
    element: Element, reached: ReachedElement | None, *, is_past: bool = False
) -> str:
    """Return an element in words; ``is_past`` if the call came to something inside it."""
    report = reached.report if reached is not None else None
    step = extract_executed_step(json.loads(report["raw"] or "{}")) if report is not None else {}
    match element:
        case Say():
            return describe_speech(_get_text(element))
        case Play():
            recording = str(element.attributes.get("record", ""))
            return describe_playback(recording or _get_text(element), is_recording=bool(recording))
        case Tone():
            return describe_tone(str(element.attributes.get("hz", "")), str(element.attributes.get("tag", "")))
        case Pause() if "dtmf_stop" not in element.attributes:
            return describe_pause(float(str(element.attributes.get("length", 1000))) / 1000)
        case Dial():
            return _describe_dial(element, step)
        case Record():
            return describe_recording(str(element.attributes.get("tag", "")))
        case Gather():
            return "" if is_past or report is not None else "waits for a key"
        case Hangup():
            return HANGS_UP
        case Reject():
            return REFUSES_CALL
    return ""


def _get_text(element: Element) -> str:
    """Return the attribute that stands as the content of an element."""
    positional = element.spec.positional_attribute
    return " ".join(str(element.attributes.get(positional.name, "")).split()) if positional is not None else ""


def _describe_dial(dial: Element, step: Mapping[str, Any]) -> str:
    targets = [_get_text(child) for child in dial.children if isinstance(child, To)]
    if step.get("success") is False:
        reason = find_platform_cause(step) or " ".join(str(step.get("reason") or "").split())
        if reason == CANCELLED_DIAL_CAUSE:
            return describe_dial(targets, "cancelled")
        return (
            describe_dial(targets, "busy") if reason == _BUSY_CAUSE else describe_dial(targets, "no-answer", reason=reason)
        )
    return describe_dial(targets, "answered" if step else "")
