"""Rehearses a recorded call again, with the same parties, time, keys, callees and lookup results."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from callflows.errors import CallflowsError
from callflows.flows.steps.lookup_step import LookupStep
from callflows.language import from_xml
from callflows.rehearsal.rehearsed_call import Rehearsal
from callflows.rehearsal.scripted_parties import ScriptedCallees, ScriptedCaller
from callflows.rehearsal.simulated_outside import FAILED_LOOKUP_ANSWER
from callflows.testing.infer_keys import find_dial_targets, infer_keys, is_same_target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


_USER_BUSY_CAUSE = "17"
"""ITU-T Q.850: user busy."""


class JournalReplay(NamedTuple):
    """A recorded call as a rehearsal. ``unknown_from`` names the place from which the pressed keys are unknown, if any.

    ``hours_states`` are ``open`` or ``closed`` for each hours that the call used, with the overrides of that time.
    """

    rehearsal: Rehearsal
    unknown_from: str
    hours_states: Mapping[str, str]


def build_replay(story: Mapping[str, Any]) -> JournalReplay:
    """Build the rehearsal of a recorded call, for the current flows; ``story`` comes from the journal."""
    call = story["call"]
    asked = [entry for entry in story["story"] if entry["what"] == "asked"]
    decided = [entry for entry in story["story"] if entry["what"] == "decided"]
    calls = next((entry["told"].get("calls", "") for entry in asked), "")
    acts, unknown = infer_keys(story)
    behaviours = {leg["to"]: _infer_callee_behaviour(leg) for leg in story["legs"]}
    rung = {
        target: word
        for target in _collect_dial_targets(story)
        for to, word in behaviours.items()
        if is_same_target(target, to)
    }
    rehearsal = Rehearsal(
        number=call["number"],
        caller_id=call["from"],
        name=call["name"],
        attestation=call["attestation"],
        at=datetime.fromisoformat(call["started"]) if call["started"] else None,
        caller=ScriptedCaller(acts),
        callees=ScriptedCallees({**behaviours, **rung, "else": "no-answer"}),
        lookups={
            name: value
            for entry in decided
            if entry["step_key"] == LookupStep.step_key
            for name, value in _read_lookup_result(entry)
        },
        calls_today=int(calls) if str(calls).isdecimal() else 1,
        method=asked[0]["method"] if asked and asked[0]["method"] in ("GET", "POST") else "POST",
    )
    return JournalReplay(rehearsal, unknown, _collect_hours_states(decided))


def _collect_hours_states(decisions: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the state of the hours, if the same in all decisions of the call."""
    states_by_hours: dict[str, set[str]] = {}
    for entry in decisions:
        for name, value in entry["values"].items():
            if name.startswith("hours."):
                states_by_hours.setdefault(name.split(".")[1], set()).add(str(value).partition(":")[0])
    return {
        name: states.pop() for name, states in states_by_hours.items() if len(states) == 1 and states <= {"open", "closed"}
    }


def _collect_dial_targets(story: Mapping[str, Any]) -> list[str]:
    """Return the targets of all dials in the documents of the call."""
    targets: dict[str, None] = {}
    for entry in story["story"]:
        if entry["what"] == "answered":
            with contextlib.suppress(CallflowsError):
                targets |= dict.fromkeys(find_dial_targets(from_xml(entry["document"].encode())))
    return [*targets]


def _infer_callee_behaviour(leg: Mapping[str, Any]) -> str:
    if leg["answered"]:
        return "answer"
    return "busy" if str(leg["cause"]) == _USER_BUSY_CAUSE else "no-answer"


def _read_lookup_result(decision: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return name and result of a lookup; the rule of the decision is ``name = METHOD url``."""
    name = str(decision["rule"]).partition(" = ")[0]
    was_found = decision["outcome"] == "found"
    return [(name, decision.get("detail", {}).get("result") if was_found else FAILED_LOOKUP_ANSWER)]
