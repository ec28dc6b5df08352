"""Rehearses a recorded call again, with the same parties, time, keys, callees and lookup results.

``build_replay`` returns a call for a scenario, in which unknown callees do not answer. ``read_recorded_call`` returns the
known facts of a call, to compare its route with that of other flows.
"""

from __future__ import annotations

import contextlib
import json
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from callflows.errors import CallflowsError, UnknownCallError
from callflows.flows.decisions import MAX_DECISION_CHARACTERS
from callflows.flows.entry_points import find_root_node
from callflows.flows.steps.lookup_step import LookupStep
from callflows.journal.call_story import build_leg_rows, build_story_entries
from callflows.journal.redaction import REDACTION_MASK
from callflows.journal.stored_rows import is_call_over
from callflows.language import from_xml
from callflows.rehearsal.rehearsed_call import Rehearsal
from callflows.rehearsal.scripted_parties import ScriptedCallees, ScriptedCaller
from callflows.rehearsal.simulated_outside import FAILED_LOOKUP_ANSWER
from callflows.testing.call_route import RecordedFacts, RouteTurn, describe_failure, read_lookup_name
from callflows.testing.infer_keys import find_dial_targets, infer_keys, is_same_target

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from callflows.journal.stored_rows import JournalRow, StoredCall


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
    calls = next((entry["request_fields"].get("calls", "") for entry in asked), "")
    actions, unknown = infer_keys(story)
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
        caller=ScriptedCaller(actions),
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


class RecordedCall(NamedTuple):
    """A call of the journal for a comparison with other flows.

    ``documents`` are the paths of the requests with the sent documents, ``turns`` the same as parts of a route.
    ``reached`` are the elements that Opentact reported, by turn and path; None if nothing was reported.
    ``overridden_hours`` are those hours that an override had opened (True) or closed.
    """

    rehearsal: Rehearsal
    facts: RecordedFacts
    documents: Sequence[tuple[str, bytes]]
    turns: Sequence[RouteTurn]
    reached: Collection[tuple[int, str]] | None
    overridden_hours: Mapping[str, bool]


def read_recorded_call(stored: StoredCall) -> RecordedCall:
    """Read a stored call. Raises UnknownCallError, with the reason, if it cannot be rehearsed."""
    row = stored.call
    if not is_call_over(row):
        raise UnknownCallError("the end of the call was not reported")
    if not stored.turns or row["started"] is None or not row["number"]:
        raise UnknownCallError("the documents of the call are not kept")
    entries, legs = build_story_entries(stored), build_leg_rows(stored)
    decided = [entry for entry in entries if entry["what"] == "decided"]
    request_fields = [json.loads(turn["request_fields"]) for turn in stored.turns]
    calls = str(next((fields["calls"] for fields in request_fields if "calls" in fields), ""))
    looked_up = [entry for entry in decided if entry["step_key"] == LookupStep.step_key]
    facts = RecordedFacts(
        caller_actions=infer_keys({"story": entries, "legs": legs}, tells_wrong_keys=True).actions,
        leg_results=[(leg["to"], _infer_callee_behaviour(leg)) for leg in legs],
        lookups=dict(result for entry in looked_up for result in _read_lookup_result(entry) if _is_whole(result[1])),
        lookup_rules={read_lookup_name(entry): entry["rule"] for entry in looked_up},
        has_calls_today=calls.isdecimal(),
    )
    method = stored.turns[0]["method"]
    rehearsal = Rehearsal(
        number=row["number"],
        caller_id=row["caller"] or "",
        name=row["name"] or "",
        attestation=row["attestation"] or "",
        at=datetime.fromtimestamp(row["started"], UTC),
        lookups=facts.lookups,
        calls_today=int(calls) if calls.isdecimal() else 1,
        method=method if method in ("GET", "POST") else "POST",
    )
    documents = [(turn["path"], zlib.decompress(turn["document"])) for turn in stored.turns]
    reached = {
        (entry["turn"], entry["step"]["path"]) for entry in entries if entry["what"] == "reported" and "turn" in entry
    }
    overridden = {
        name.split(".")[1]: str(value).startswith("open")
        for entry in decided
        for name, value in entry["values"].items()
        if name.startswith("hours.") and ": override " in str(value)
    }
    return RecordedCall(
        rehearsal, facts, documents, [_read_turn(turn, stored) for turn in stored.turns], reached or None, overridden
    )


def _read_turn(turn: JournalRow, stored: StoredCall) -> RouteTurn:
    places = stored.places.get(turn["places"] or "", {})
    return RouteTurn(
        turn["flow"],
        find_root_node(turn["node"]),
        stored.files.get((turn["flow"], turn["version"]), ""),
        places if len(places) > 1 else None,
        json.loads(turn["trail"]),
        describe_failure(turn["outcome"]),
    )


def _is_whole(result: Any) -> bool:  # noqa: ANN401 - the result of a lookup
    """Return True if the journal has a whole result: a long one is cut, and a secret in it is masked."""
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
    return REDACTION_MASK not in text and not (isinstance(result, str) and len(text) > MAX_DECISION_CHARACTERS)


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
    """Return name and result of a lookup."""
    was_found = decision["outcome"] == "found"
    return [(read_lookup_name(decision), decision.get("detail", {}).get("result") if was_found else FAILED_LOOKUP_ANSWER)]
