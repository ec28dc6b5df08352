"""Writes a rehearsed call as a scenario for ``tests``, which passes as long as the flow behaves the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from callflows.rehearsal.transcript import HANG_UP_ACTION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import tzinfo

    from callflows.rehearsal.rehearsed_call import Rehearsal
    from callflows.rehearsal.transcript import RecordedAction, Transcript, TranscriptStep


_EXPECTATION_FIELDS: Final = {
    "Say": ("say", "text"),
    "Play": ("play", "url"),
    "Dial": ("dial", "to"),
    "lookup": ("lookup", "into"),
    "opt_out": ("opt_out", "number"),
}
_SCENARIO_OUTCOMES: Final = ("hung-up", "caller-hung-up", "ended")
_LOOKUP_STEP_KEY: Final = "lookup"
_MAX_LINE_CHARACTERS: Final = 120


def record_scenario(
    transcript: Transcript,
    rehearsal: Rehearsal,
    name: str = "",
    zone: tzinfo | None = None,
    unknown_from: str = "",
    hours_states: Mapping[str, str] = {},
) -> str:
    """Return a call as YAML of one scenario, with the time of the call in ``zone``.

    ``hours_states`` become the ``hours`` of the scenario. If the keys are unknown from ``unknown_from`` on, a comment
    says so, and the scenario does not expect an outcome or nodes.
    """
    scenario: dict[str, Any] = {"name": name or _name_scenario(transcript)}
    if transcript.started_at is not None:
        scenario["at"] = _format_moment(transcript, zone)
    scenario |= {"from": rehearsal.caller_id or "anonymous", "to": transcript.number}
    caller_keys = {"caller_name": rehearsal.name, "attestation": rehearsal.attestation}
    scenario |= {key: value for key, value in caller_keys.items() if value}
    scenario |= {"keys": keys} if (keys := _script_keys(transcript.caller_actions)) else {}
    scenario |= {"callee": callee} if (callee := _script_callees(transcript.steps)) else {}
    scenario |= {"lookups": lookups} if (lookups := _collect_lookups(transcript, rehearsal.lookups)) else {}
    scenario |= {"hours": dict(hours_states)} if hours_states else {}
    scenario |= {"calls_today": rehearsal.calls_today} if rehearsal.calls_today != 1 else {}
    scenario |= {"answers_itself": rehearsal.answers_itself} if rehearsal.answers_itself is not None else {}
    text = format_scenario({**scenario, "expect": [*_list_expectations(transcript, is_whole_call=not unknown_from)]})
    return f"  # keys: ? {unknown_from}; this scenario hangs up there\n{text}" if unknown_from else text


def format_scenario(scenario_data: Mapping[str, Any]) -> str:
    """Format a scenario as a YAML list item, indented for ``tests``."""
    text = yaml.safe_dump([dict(scenario_data)], sort_keys=False, allow_unicode=True, width=_MAX_LINE_CHARACTERS)
    return "".join(f"  {line}\n" for line in text.splitlines())


def _name_scenario(call: Transcript) -> str:
    return f"a call comes to {', '.join(call.nodes)}" if call.nodes else "a call"


def _format_moment(call: Transcript, zone: tzinfo | None) -> str:
    """Format the start with its UTC offset, so that the hour repeated at the end of summer time is unambiguous."""
    began = call.started_at
    assert began is not None  # noqa: S101 - checked by the caller
    return began.astimezone(zone or began.tzinfo).isoformat(" ", "seconds")


def _script_keys(caller_acts: list[RecordedAction]) -> list[Any]:
    """Convert the caller's actions to the ``keys`` of a scenario, without empty presses at the end."""
    acts: list[Any] = []
    waits_since: float | None = None
    since = 0.0
    for one in caller_acts:
        if one.action is None:
            waits_since = one.at if waits_since is None else waits_since
            continue
        if one.is_during_sound:
            acts.append({"hangup": f"{round((one.at + one.delay - since) * 1000)}ms"})
            break
        since = one.at + one.delay
        waited = one.at + one.delay - (one.at if waits_since is None else waits_since)
        if waited > 0 and one.action and (one.delay or one.action == HANG_UP_ACTION):
            acts.append({"wait": f"{round(waited * 1000)}ms"})
            acts.append(one.action)
        elif one.continues_input and one.action == HANG_UP_ACTION:
            acts.append({HANG_UP_ACTION: "0ms"})
        elif one.continues_input:
            acts[-1] += one.action  # pressed at once: the same input
        else:
            acts.append(one.action)
        waits_since = None
    while acts and acts[-1] == "":
        acts.pop()
    return acts


def _script_callees(steps: list[TranscriptStep]) -> Any:  # noqa: ANN401 - a word, or a list of words and mappings
    """Convert the results of dials to the ``callee`` of a scenario; None if every dial was answered."""
    rung = [_script_callee(step) for step in steps if step["verb"] == "Dial" and "result" in step]
    if all(one == "answer" for one in rung):
        return None
    return rung[0] if len(rung) == 1 else rung


def _script_callee(step: TranscriptStep) -> Any:  # noqa: ANN401 - a word, or a mapping
    if step["result"] != "answered":
        return "no-answer" if step["result"] == "cancelled" else step["result"]
    by, targets = step.get("by", ""), step["to"]
    return "answer" if not targets or by == targets[0] else {by: "answer", "else": "no-answer"}


def _collect_lookups(call: Transcript, rehearsed_lookups: Mapping[str, Any]) -> dict[str, Any]:
    """Return the lookup results of the rehearsal, completed from the trail."""
    lookups = {name: value for name, value in rehearsed_lookups.items() if isinstance(name, str)}
    for decision in (one for asked in call.requests for one in asked.trail if one["step_key"] == _LOOKUP_STEP_KEY):
        into = decision["rule"].partition(" = ")[0]
        if into not in lookups and decision["outcome"] == "found":
            lookups[into] = decision["detail"]["result"]
    return lookups


def _list_expectations(call: Transcript, *, is_whole_call: bool = True) -> Iterator[Any]:
    """Yield the steps of the call as expectations; outcome and nodes only if the whole call is known."""
    for step in call.steps:
        verb = step["verb"]
        if verb in _EXPECTATION_FIELDS:
            word, field = _EXPECTATION_FIELDS[verb]
            if step.get(field):
                yield {word: _escape_literal_text(step[field])}
        elif verb == "Record":
            tag = step.get("tag", "")
            yield "voicemail" if tag == "voicemail" else {"record": _escape_literal_text(tag)} if tag else "record"
        elif verb == "Hangup":
            yield {"hangup": _escape_literal_text(step["tag"])} if step.get("tag") else "hangup"
        elif verb in ("sms", "mail"):
            field = "text" if verb == "sms" else "subject"
            yield {verb: {"to": step["to"], field: _escape_literal_text(step[field])}}
        elif verb == "notify":
            yield {"notify": _escape_literal_text(step["url"])}
    if call.outcome in _SCENARIO_OUTCOMES and is_whole_call:
        yield {"outcome": call.outcome}
    if call.nodes and is_whole_call:
        yield {"nodes": call.nodes}


def _escape_literal_text(value: Any) -> Any:  # noqa: ANN401 - a text, or several
    """Escape a text that would be read as a regular expression."""
    if isinstance(value, str) and len(value) > len("//") and value.strip().startswith("/") and value.strip().endswith("/"):
        return f"/^{re.escape(' '.join(value.split()))}$/"
    return value
