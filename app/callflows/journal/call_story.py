"""The story of a call in order: requests, decisions, answers, Opentact's events, messages, effects.

Moments are texts (ISO 8601, UTC). Our own moments are by our clock, reported moments by Opentact's clock.
"""

from __future__ import annotations

import functools
import json
import math
import re
import time
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from callflows.errors import CallflowsError
from callflows.journal.call_ending import CallEnding
from callflows.journal.call_facts import derive_call_facts
from callflows.journal.call_path import MAX_CLOCK_SKEW_SECONDS
from callflows.journal.ending_reasons import explain_ending
from callflows.journal.heard_words import tell_as_heard
from callflows.journal.recording_transcripts import pair_transcripts
from callflows.journal.state_order import remove_rank, split_hangup_cause
from callflows.journal.stored_rows import find_call_end, find_hangup
from callflows.language import DTMF, Default, Error, from_xml
from callflows.language.element import walk_elements
from callflows.telephony.call_record import round_up_seconds
from callflows.telephony.events import OWN_SOURCE, extract_executed_step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from callflows.flows.authoring.flow_outline import FlowOutlines
    from callflows.journal.call_path import NodeVisit
    from callflows.journal.stored_rows import JournalRow, StoredCall
    from callflows.language.element import Element


CALL_LOG_FIELDS: Final = (
    "id", "number", "from", "flow", "state", "started", "answered", "ended", "seconds", "cause", "cause_text", "outcome",
    "outcome_text", "turns", "legs",
)  # fmt: skip
"""Fields of a row of the call log."""


def build_call_log_row(call: JournalRow) -> dict[str, Any]:
    """Build a row of the call log. ``started, answered, ended`` are moments or None, ``seconds`` is the duration.

    ``outcome`` is the kind of the call's ending (a key of ENDING_WORDS), and ``outcome_text`` the ending in words.
    """
    ending = call.get("ending") or CallEnding(remove_rank(call["outcome"]))
    number, text = split_hangup_cause(call["cause"])
    return {
        "id": call["id"],
        "number": call["number"] or "",
        "from": call["caller"] or "",
        "flow": call["flow"] or "",
        "state": remove_rank(call["state"]),
        "started": format_moment(call["started"]),
        "answered": format_moment(call["answer"]),
        "ended": format_moment(find_hangup(call)),
        "seconds": _compute_call_seconds(call, find_call_end(call)),
        "cause": number,
        "cause_text": text,
        "outcome": ending.kind,
        "outcome_text": ending.describe(),
        "turns": call.get("turns", 0),
        "legs": call.get("legs", 0),
    }


def build_named_row(call: JournalRow, outlines: FlowOutlines) -> dict[str, Any]:
    """Build a row of the call log; the party that answered is named as in the flow."""
    ending = call["ending"]
    party_name = outlines.find_outline(call["flow"] or "").name_party(ending.party) if ending.party else ""
    return {**build_call_log_row(call), "outcome_text": ending.describe(party_name)}


def name_story_parties(story: dict[str, Any], outlines: FlowOutlines) -> None:
    """Name the party that answered, and the nodes to which branches of menus led, as in the flow."""
    outline = outlines.find_outline(story["call"]["flow"])
    answered_by = story["call"]["answered_by"]
    if answered_by:
        name = outline.name_party(answered_by) or answered_by
        for field in ("outcome_text", "why"):
            story["call"][field] = story["call"][field].replace(answered_by, name)
    for entry in story["story"]:
        if "branches" in entry:
            entry["node"] = outline.follow_branches(entry["node"], entry.pop("branches"))


def _compute_call_seconds(call: JournalRow, ended: float | None) -> int | None:
    """Return the duration in whole seconds, rounded up like Opentact; at least Opentact's own figure."""
    lasted = round_up_seconds(ended - call["started"]) if ended is not None and call["started"] is not None else None
    known = [seconds for seconds in (lasted, call["seconds"]) if seconds is not None]
    return max(known) if known else None


_AGE_PATTERN: Final = re.compile("([0-9]{1,6})([smhdw])")
_UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_moment(text: str) -> float:
    """Return seconds since 1970 for a moment, in UTC if it has no zone, or for an age, as ``2h``. Raises ValueError."""
    ago = _AGE_PATTERN.fullmatch(text)
    if ago:
        return time.time() - int(ago[1]) * _UNIT_SECONDS[ago[2]]
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def format_moment(at: float | None) -> str | None:
    """Format seconds since 1970 as ``2026-02-19T16:24:45.982Z``; None if outside the calendar."""
    if at is None:
        return None
    try:
        return datetime.fromtimestamp(round(at, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None


def build_call_story(stored: StoredCall, shortest_message_seconds: float) -> dict[str, Any]:
    """Build the story: an object with ``call``, ``legs``, ``path``, ``heard`` and ``story``.

    ``call`` is a row of the call log with ``name, app, attestation, answered_by, why``. Each of ``legs``
    is such a row with the dialled number in ``to``. ``path`` lists the nodes that the call came to, ``heard`` what the
    caller heard and pressed (see ``tell_as_heard``). ``story`` lists the entries, oldest first,
    each with ``at`` and ``what``.
    """
    facts = derive_call_facts(stored, shortest_message_seconds)
    counts = {"turns": len(stored.turns), "legs": len(stored.legs)}
    call = build_call_log_row({**stored.call, **counts, "ending": facts.ending})
    call |= {name: stored.call[name] or "" for name in ("name", "app", "attestation")}
    call["answered_by"] = facts.ending.party
    call["why"] = explain_ending(stored, facts)
    legs = build_leg_rows(stored)
    call["notes"] = [build_note(note) for note in stored.notes]
    path = [_build_visit_fields(visit, stored) for visit in facts.visits]
    heard = tell_as_heard(facts.traced_turns, [turn["document"] for turn in stored.turns])
    return {
        "call": call,
        "legs": legs,
        "path": path,
        "heard": [{**words, "at": format_moment(words["at"])} for words in heard],
        "story": build_story_entries(stored),
    }


def build_leg_rows(stored: StoredCall) -> list[dict[str, Any]]:
    """Build the rows of a call's legs, each with the dialled number in ``to``."""
    legs = [{**build_call_log_row(leg), "to": leg["number"] or ""} for leg in stored.legs]
    for leg in legs:
        del leg["turns"], leg["legs"], leg["flow"], leg["outcome"], leg["outcome_text"]
    return legs


def build_note(row: JournalRow) -> dict[str, Any]:
    """Return a note as plain data."""
    return {"at": format_moment(row["at"]), "by": row["by"], "on": row["key"], "text": row["text"]}


def _build_visit_fields(visit: NodeVisit, stored: StoredCall) -> dict[str, Any]:
    file = visit.file or stored.files.get((visit.flow, visit.version), "")
    return {
        "at": format_moment(visit.at),
        "flow": visit.flow,
        "version": visit.version,
        "node": visit.node,
        "way": visit.way,
        "place": f"{file}:{visit.line}" if file and visit.line else file,
    }


def build_story_entries(stored: StoredCall) -> list[dict[str, Any]]:
    """Build the entries of a story, oldest first, each with ``at`` and ``what``."""
    documents = [zlib.decompress(turn["document"]).decode() for turn in stored.turns]
    turns = [*zip(stored.turns, documents, strict=True)]
    happened = [
        *(
            entry
            for number, (turn, document) in enumerate(turns, 1)
            for entry in _build_turn_entries(number, turn, document)
        ),
        *(_build_event_entry(event, turns) for event in _drop_duplicate_events(stored.events)),
        *({**_find_entry_time(row, "at"), "what": "message", **_build_message_fields(row)} for row in stored.messages),
        *(
            {**_find_entry_time(row, "at"), "what": "recorded", "url": row["url"] or "", **_build_raw_fields(row)}
            for row in stored.recordings
        ),
        *(
            {**_find_entry_time(row, "at"), "what": "transcribed", "text": row["text"] or "", **_build_raw_fields(row)}
            for row in pair_transcripts(stored.recordings, stored.transcripts).rows
        ),
        *(
            {**_find_entry_time(row, "at", "settled"), "what": "caused", **_build_effect_fields(row)}
            for row in stored.effects
        ),
    ]
    happened.sort(key=lambda entry: (entry["at"] is None, entry["at"] or 0.0))
    return [{**entry, "at": format_moment(entry["at"])} for entry in happened]


def _find_entry_time(row: JournalRow, *names: str) -> dict[str, Any]:
    return {"at": next((row[name] for name in names if row[name] is not None), None)}


def _build_turn_entries(number: int, turn: JournalRow, document: str) -> Iterator[dict[str, Any]]:
    """Yield the entries of a turn: the request, each decision, the answer."""
    request_fields = json.loads(turn["request_fields"])
    query = f"?{turn['query']}" if turn["query"] else ""
    yield {
        "at": turn["at"],
        "what": "asked",
        "turn": number,
        "method": turn["method"],
        "url": f"{turn['path']}{query}",
        "pressed": turn["pressed"] or "",
        "request_fields": request_fields,
    }
    for decision in json.loads(turn["trail"]):
        yield {"at": turn["at"], "what": "decided", "turn": number, **decision}
    yield {
        "at": turn["at"] + turn["seconds"],
        "what": "answered",
        "turn": number,
        "outcome": turn["outcome"],
        "flow": turn["flow"],
        "node": turn["node"],
        "version": turn["version"],
        "status": turn["status"],
        "ms": round(turn["seconds"] * 1000, 3),
        "cause": turn["cause"],
        "detail": turn["detail"],
        "document": document,
    }


def _drop_duplicate_events(events: Sequence[JournalRow]) -> Iterator[JournalRow]:
    """Yield the events, except an event found by a search that was also reported directly."""
    # A search gives an event another key and fewer fields than the websocket or the webhook.
    direct_events = [(_identify_event(event), event["at"]) for event in events if event["source"] != "search"]
    for event in events:
        what, at = (_identify_event(event), event["at"]) if event["source"] == "search" else (None, 0.0)
        # A call reaches a state only once; an element may run again.
        near = math.inf if event["kind"] == "call_state" else MAX_CLOCK_SKEW_SECONDS
        if what is None or not any(what == other and abs(at - then) <= near for other, then in direct_events):
            yield event


def _identify_event(event: JournalRow) -> tuple[str, str, str]:
    """Return an event's identity: kind, call, and executed step or state."""
    step = extract_executed_step(json.loads(event["raw"])) if event["kind"] == "call_flow" else {}
    return event["kind"], event["call"] or "", str(step.get("name") or "") if step else event["state"]


def _build_event_entry(event: JournalRow, turns: list[tuple[JournalRow, str]]) -> dict[str, Any]:
    """Build the entry of an event.

    An event of an executed step with a path also gets the turn with that document, the turn's node, and the branches of
    menus that lead to the step.
    """
    if event["source"] == OWN_SOURCE:
        return {"at": event["at"], "what": "given-up", "kind": event["kind"], "reason": event["message"]}
    raw = json.loads(event["raw"])
    step = extract_executed_step(raw)
    entry: dict[str, Any] = {
        "at": event["at"],
        "what": "reported",
        "kind": event["kind"],
        "state": event["state"],
        "message": event["message"],
        "call": event["call"],
    }
    if step:
        path = str(event.get("path") or step.get("path") or "")
        step = {**step, **({"path": path} if path else {})}
        entry |= {"step": {name: step[name] for name in ("name", "path", "success", "reason", "state") if name in step}}
        turn = _find_turn_number(path, event["at"], turns)
        if turn:
            row, document = turns[turn - 1]
            entry |= {"turn": turn, "node": row["node"], "branches": _list_branches(path, document)}
    return {**entry, "raw": raw}


def _find_turn_number(path: str, at: float, turns: list[tuple[JournalRow, str]]) -> int | None:
    """Return the number of the latest turn at that time with an element at a path."""
    numbers = [
        number
        for number, (turn, document) in enumerate(turns, 1)
        if path and turn["at"] <= at + MAX_CLOCK_SKEW_SECONDS and path in _read_document_elements(document)
    ]
    return numbers[-1] if numbers else None


def _list_branches(path: str, document: str) -> list[str]:
    """Return the branches of menus that lead to an element: ``key 1``, ``no key`` or ``wrong key``."""
    words: dict[type[Element], str] = {Default: "wrong key", Error: "no key"}
    branches = []
    for place, element in _read_document_elements(document).items():
        if path.startswith(f"{place}."):
            if isinstance(element, DTMF):
                branches.append(f"key {element.attributes['value']}")
            elif type(element) in words:
                branches.append(words[type(element)])
    return branches


@functools.lru_cache(maxsize=200)  # many calls get the same document, since tickets are masked
def _read_document_elements(document: str) -> Mapping[str, Element]:
    """Return the elements of a document by path; none if it cannot be read."""
    try:
        return dict(walk_elements(from_xml(document.encode())))
    except CallflowsError:
        return {}


def _build_message_fields(row: JournalRow) -> dict[str, Any]:
    return {
        "id": row["id"],
        "direction": row["direction"] or "",
        "from": row["sender"] or "",
        "to": row["recipient"] or "",
        "text": row["text"] or "",
        "state": remove_rank(row["state"]),
        "delivered": None if row["delivered"] is None else bool(row["delivered"]),
        "reason": row["reason"] or "",
    }


def _build_raw_fields(row: JournalRow) -> dict[str, Any]:
    return {"id": row["id"], "raw": json.loads(row["raw"] or "{}")}


def _build_effect_fields(row: JournalRow) -> dict[str, Any]:
    return {
        "kind": row["kind"],
        "key": row["key"],
        "payload": json.loads(row["payload"] or "{}"),
        "result": remove_rank(row["result"]),
        "reason": row["reason"] or "",
        "settled": format_moment(row["settled"]),
    }
