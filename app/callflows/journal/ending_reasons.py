"""One sentence why a call ended as it did, from the stored decisions, keys, and rung parties.

The sentence names the last thing that sent the call elsewhere. Nothing is guessed: if the reason is not recorded, the
sentence says only what happened.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callflows.flows.entry_points import START_NODE, find_root_node
from callflows.flows.hours.hours_words import describe_hours_value
from callflows.language import Dial, Gather, Pause, Play, Say, Tone
from callflows.telephony.events import ANSWERED_BY_FLOW, extract_executed_step, find_platform_cause
from callflows.telephony.phone_numbers import format_international

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from callflows.journal.call_facts import CallFacts
    from callflows.journal.call_path import NodeVisit, ReachedElement
    from callflows.journal.stored_rows import JournalRow, StoredCall


_WORDS_OF_WAYS: Final = {
    "no-match": "the caller pressed a key that the menu does not have",
    "any other key": "the caller pressed another key",
    "digits": "of the digits that the caller entered",
    "collected": "of what the caller entered",
    "found": "a lookup found something",
    "fails": "a lookup failed",
    "answered": "the call was answered",
    "refused": "the number to ring was refused",
}
"""Ways between nodes, as the coverage comments of steps name them."""
_KEYLESS_WAYS: Final = ("no-input", "otherwise")
_DIVERTING_STEPS: Final = ("when", "choose")
_PASSING_ELEMENTS: Final = frozenset(element.spec.name for element in (Say, Play, Pause, Tone))
"""Commands after which a call surely goes on with the next one."""
_NOBODY_CAUSES: Final = ("", "no answer", "no user response", "allotted timeout", "originator cancel", "progress timeout")
_WORDS_OF_HANGUP_CAUSES: Final = {
    "NORMAL_CLEARING": "",
    "NONE": "",
    "ORIGINATOR_CANCEL": "the caller hung up before",
    "UNALLOCATED_NUMBER": "the number does not exist",
    "CALL_REJECTED": "rejected",
}
"""Causes that say nothing, or that need other words."""


def describe_hangup_cause(cause: str) -> str:
    """Return the name of a hangup cause, as ``USER_BUSY``, in words; empty if it only says that somebody hung up."""
    return _WORDS_OF_HANGUP_CAUSES.get(cause, cause.replace("_", " ").lower())


class _Cause(NamedTuple):
    """Something that sent a call elsewhere. ``step`` is its step in the node, from 0."""

    step: int
    words: str
    is_dial: bool = False


def explain_ending(stored: StoredCall, facts: CallFacts) -> str:  # noqa: C901, PLR0911 - a case for each ending
    """Return one sentence why a call ended as it did; empty while it goes on."""
    ending = facts.ending
    causes = [*_list_causes(stored, facts)]
    because = f" because {causes[-1].words}" if causes else ""
    match ending.kind:
        case "voicemail":
            return f"Went to voicemail{because}."
        case "no-message":
            return f"Went to voicemail{because}; the caller hung up without leaving a message."
        case "answered":
            return f"Answered by {ending.party}{f' after {causes[-1].words}' if causes else ''}."
        case "nobody-answered":
            dials = [cause.words for cause in causes if cause.is_dial]
            return f"{_capitalize(dials[-1] if dials else _describe_missed_legs(stored.legs, ''))}."
        case "hung-up-in-menu":
            silent = _count_silent_menus(facts, ending.node)
            return (
                f"The caller hung up in {ending.node or 'a menu'}{f' after {_describe_silence(silent)}' if silent else ''}."
            )
        case "hung-up":
            where = f" in {ending.node}" if ending.node else ""
            return f"The caller hung up{where}{f'; the call was there{because}' if because and where else ''}."
        case "refused":
            return f"The flow refused the call{because}."
        case "ended":
            return f"The flow ended the call{because}."
        case "unreported":
            return "Opentact has not reported how the call ended."
        case "unknown-number":
            return f"No flow answers {format_international(stored.call['number'] or '') or 'the number'}."
        case "ongoing":
            return ""
    return _explain_failure(stored.turns)


def _capitalize(words: str) -> str:
    return words[:1].upper() + words[1:]


def _explain_failure(turns: Sequence[JournalRow]) -> str:
    """Explain why a caller heard the fallback or the apology."""
    for turn in turns:
        if turn["outcome"] != ANSWERED_BY_FLOW and (turn["cause"] or turn["detail"]):
            why = ": ".join(" ".join(str(part).split()) for part in (turn["cause"], turn["detail"]) if part)
            return f"The caller heard the fallback because the flow failed ({why.rstrip('.')})."
    return "The caller heard the fallback because the flow failed."


def _list_causes(stored: StoredCall, facts: CallFacts) -> Iterator[_Cause]:
    """Yield what sent the call elsewhere, in the order of the call."""
    decisions = [(turn["at"], decision) for turn in stored.turns for decision in json.loads(turn.get("trail") or "[]")]
    elements = [element for traced in facts.traced_turns for element in traced.elements]
    visits = facts.visits
    for number, visit in enumerate(visits):
        until = visits[number + 1].at if number + 1 < len(visits) else float("inf")
        way = _describe_way(visit, visits[number - 1].node if number else "", facts)
        if way:
            yield _Cause(-1, way)
        own = [element for element in elements if element.place.node == visit.node and visit.at <= element.at <= until]
        held = [decision for at, decision in decisions if at <= until and find_root_node(decision["node"]) == visit.node]
        is_last = number + 1 == len(visits)
        inside = [
            *_list_diverting_decisions(held, own, is_last=is_last),
            *_list_failed_dials(own, visit, until, stored.legs),
        ]
        yield from sorted(inside, key=lambda cause: cause.step)


def _describe_way(visit: NodeVisit, before: str, facts: CallFacts) -> str:
    if visit.way.startswith("key "):
        return f"the caller pressed {visit.way.removeprefix('key ')}"
    if visit.way in _KEYLESS_WAYS:
        silent = _count_silent_menus(facts, before)
        return _describe_silence(silent) if silent else "no valid key was pressed"
    return _WORDS_OF_WAYS.get(visit.way, "")


def _describe_silence(count: int) -> str:
    return f"no key was pressed ({count} times)" if count > 1 else "no key was pressed"


def _count_silent_menus(facts: CallFacts, node: str) -> int:
    """Count the waits for a key in a node; 0 if the caller pressed something, or if Opentact did not report them."""
    gathers = [
        _read_step(element)
        for traced in facts.traced_turns
        for element in traced.elements
        if element.report is not None and element.place.node == node and _get_name(element) == Gather.spec.name
    ]
    return len(gathers) if all(step.get("success") is False for step in gathers) else 0


def _get_name(element: ReachedElement) -> str:
    return element.path.rpartition(".")[2].partition("[")[0]


def _read_step(element: ReachedElement) -> Mapping[str, Any]:
    return extract_executed_step(json.loads((element.report or {}).get("raw") or "{}"))


def _list_diverting_decisions(
    decisions: Iterable[Mapping[str, Any]], elements: Sequence[ReachedElement], *, is_last: bool
) -> Iterator[_Cause]:
    """Yield the conditions of a node that sent the call elsewhere, or past something because the hours were closed."""
    for decision in decisions:
        if decision["step_key"] not in _DIVERTING_STEPS:
            continue
        step = decision["step"]
        # Steps count from 1 in places.
        goes_on = any(element.place.step > step + 1 for element in elements)
        passes = any(element.place.step == step + 1 and _get_name(element) in _PASSING_ELEMENTS for element in elements)
        hours = [str(value) for name, value in decision["values"].items() if name.startswith("hours.")]
        is_closed = any(value.startswith("closed") for value in hours)
        if (decision["outcome"] is True and not goes_on and (not passes or is_last or is_closed)) or (
            decision["outcome"] is False and is_closed
        ):
            yield _Cause(step, describe_condition(decision))


def describe_condition(decision: Mapping[str, Any]) -> str:
    """Return in words by which values a condition was decided."""
    words = [_describe_value(name, value) for name, value in decision["values"].items()]
    return ", ".join(words) or f"“{decision['rule']}” was {'true' if decision['outcome'] is True else 'not true'}"


def _describe_value(name: str, value: object) -> str:
    root, _, rest = name.partition(".")
    if root == "hours" and rest:
        return describe_hours_value(rest, str(value))
    if root == "lists" and rest:
        return f"the caller was {'' if value else 'not '}in the list {rest}"
    if value is True or value is False:
        return f"{name} was {'true' if value else 'not true'}"
    return f"{name} was {value}" if value != "" else f"{name} was empty"


def _list_failed_dials(
    elements: Iterable[ReachedElement], visit: NodeVisit, until: float, legs: Sequence[JournalRow]
) -> Iterator[_Cause]:
    for element in elements:
        if element.report is None or _get_name(element) != Dial.spec.name:
            continue
        step = _read_step(element)
        if step.get("success") is False:
            rung = [leg for leg in legs if leg["started"] is None or visit.at - 1 <= leg["started"] <= until]
            words = _describe_missed_legs(rung, visit.node, find_platform_cause(step))
            yield _Cause(element.place.step - 1, words, is_dial=True)


def _describe_missed_legs(legs: Sequence[JournalRow], node: str, cause: str = "") -> str:
    """Return who did not answer, and how long it rang."""
    numbers = ", ".join(dict.fromkeys(format_international(leg["number"] or "") for leg in legs))
    name = node if node not in ("", START_NODE) else numbers or "the other side"
    if cause == "user busy":
        return f"{name} was busy"
    if cause not in _NOBODY_CAUSES:
        return f"{name} could not be reached ({cause})"
    ends = [(leg["started"], leg["hangup"] or leg["destroy"] or leg["finished"]) for leg in legs]
    known = [(begun, ended) for begun, ended in ends if begun is not None and ended is not None]
    seconds = round(max(ended for _, ended in known) - min(begun for begun, _ in known)) if known else 0
    return f"nobody answered at {name}{f' for {seconds} s' if seconds > 0 else ''}"
