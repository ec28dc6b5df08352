"""The ending of a call in words: answered by somebody, voicemail, hung up in a menu, nobody answered, fallback.

The ending is computed from the stored rows, again whenever something is reported, because reports may come late and in any
order.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callflows.errors import CallflowsError
from callflows.flows.entry_points import START_NODE
from callflows.journal.state_order import remove_rank
from callflows.journal.stored_rows import find_hangup, is_call_over
from callflows.language import DTMF, Callback, Gather, Hangup, Reject, from_xml
from callflows.language.element import walk_elements
from callflows.telephony.call_record import (
    BEEP_TAG,
    CONVERSATION_TAG,
    ExecutedStep,
    MessageState,
    ReportedRecording,
    find_message_state,
)
from callflows.telephony.events import ANSWERED_BY_FLOW, read_executed_step
from callflows.telephony.recording_entity import RecordingEntity, find_tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callflows.journal.call_path import ReachedElement, TracedTurn
    from callflows.journal.stored_rows import JournalRow, StoredCall
    from callflows.language.element import Element


UNREPORTED: Final = "unreported"
"""The ending of a call of which Opentact has reported no state."""
ENDING_WORDS: Final = {
    "answered": "answered",
    "voicemail": "voicemail",
    "no-message": "hung up without leaving a message",
    "nobody-answered": "nobody answered",
    "hung-up-in-menu": "hung up in a menu",
    "hung-up": "hung up",
    "refused": "refused",
    "ended": "ended without a conversation",
    "ongoing": "in progress",
    UNREPORTED: "end not reported",
    "unknown-number": "no flow has the number",
    "fallback": "fallback",
}
"""The endings of a call, each with its words. The call log shows the ending as ``outcome``."""


def find_ending(text: str) -> str:
    """Return the ending that a text names: an ending in any spelling, or its words; any other text stays."""
    folded = "-".join(text.casefold().replace("_", "-").split())
    return next((ending for ending, words in ENDING_WORDS.items() if folded in (ending, words.replace(" ", "-"))), text)


VOICEMAIL_ENDING: Final = "voicemail"
FALLBACK_ENDING: Final = "fallback"
_ROUNDED_SECONDS: Final = 1.0
"""Opentact rounds the length of a recording up."""


class CallEnding(NamedTuple):
    """The ending of a call. ``kind`` is a key of ENDING_WORDS.

    ``party`` is the number or address that answered, ``seconds`` the length of a voicemail, also of one that was left after
    something broke; ``node`` is the last node that the call is known to have come to.
    """

    kind: str
    party: str = ""
    seconds: int | None = None
    node: str = ""

    def describe(self, party_name: str = "") -> str:
        """Return the ending in words; ``party_name`` is the flow's name for the party, such as its node."""
        words = ENDING_WORDS.get(self.kind, self.kind)
        if self.party:
            return f"{words} by {party_name or self.party}"
        if self.kind == "hung-up" and self.node:
            return f"{words} in {self.node}"
        if self.kind == "hung-up-in-menu" and self.node not in ("", "menu", START_NODE):
            return f"{words} ({self.node})"
        if self.seconds is None:
            return words
        length = f"{self.seconds // 60}:{self.seconds % 60:02}"
        return f"{words} {length}" if self.kind == VOICEMAIL_ENDING else f"{words}, then voicemail {length}"

    def matches(self, kind: str) -> bool:
        """Return True if a list of calls with a kind of ending has this one; each call with a voicemail is in theirs."""
        return kind in ("", self.kind) or (kind == VOICEMAIL_ENDING and self.seconds is not None)


def find_call_ending(stored: StoredCall, traced_turns: Sequence[TracedTurn], shortest_message_seconds: float) -> CallEnding:
    """Find out how a call ended, but not in which node.

    ``traced_turns`` are the turns of the call with the elements that the call reached. A recording shorter than
    ``shortest_message_seconds`` is no voicemail.
    """
    call, legs, events = stored.call, stored.legs, stored.own_events
    worst_outcome = remove_rank(call["outcome"])
    messages = [found for found in map(read_recording, stored.recordings) if found.tag != CONVERSATION_TAG]
    message = _find_message(call, messages, events, shortest_message_seconds)
    if worst_outcome not in ("", ANSWERED_BY_FLOW):
        return CallEnding(worst_outcome, seconds=(_sum_seconds(messages) or 0) if messages and message == "left" else None)
    answered_legs = [leg for leg in legs if leg["answer"] is not None]
    if answered_legs and not (message == "left" and _has_message_after(stored, answered_legs)):
        leg = min(answered_legs, key=lambda leg: (leg["answer"], leg["id"]))
        return CallEnding("answered", leg["number"] or leg["caller"] or "")
    steps = list_executed_steps(events)
    if message == "left":
        return CallEnding(VOICEMAIL_ENDING, seconds=_sum_seconds(messages))
    if not is_call_over(call):
        return CallEnding("ongoing" if call["state"] else UNREPORTED)
    if message == "none" and (messages or any(step.tag == BEEP_TAG for step in steps)):
        return CallEnding("no-message")
    if legs or any(step.name == "Dial" for step in steps):
        return CallEnding("nobody-answered")
    if any(step.name == Reject.spec.name for step in steps) or _was_refused(call, steps):
        return CallEnding("refused")
    elements = traced_turns[-1].elements if traced_turns else ()
    if any(element.report is not None for element in elements):
        return CallEnding(_find_last_activity(elements))
    response = _read_document(stored.turns[-1]["document"] if stored.turns else None)
    return CallEnding("ended" if response is None else _guess_last_activity(response, steps))


def _has_message_after(stored: StoredCall, answered_legs: Sequence[JournalRow]) -> bool:
    """Return True if a recording began when the last conversation was over: the call ended with a voicemail."""
    ends = [find_hangup(leg) for leg in answered_legs]
    if not all(ends):
        return False
    over = max(end for end in ends if end is not None)
    recordings = [(row["at"], read_recording(row)) for row in stored.recordings]
    return any(
        at is not None and at - (recording.seconds or 0) >= over - _ROUNDED_SECONDS
        for at, recording in recordings
        if recording.tag != CONVERSATION_TAG
    )


def _was_refused(call: JournalRow, steps: Sequence[ExecutedStep]) -> bool:
    """Return True if the flow hung up without answering the line."""
    return call["answer"] is None and [step.name for step in steps] == [Hangup.spec.name]


def read_recording(row: JournalRow, transcript: str = "") -> ReportedRecording:
    """Read a stored recording."""
    recording = RecordingEntity(_load_raw(row))
    return ReportedRecording(row["url"] or "", transcript, recording.seconds, recording.tag)


def find_stored_message_state(stored: StoredCall, shortest_message_seconds: float) -> MessageState:
    """Find out whether the caller of a stored call left a message."""
    recordings = [*map(read_recording, stored.recordings)]
    return _find_message(stored.call, recordings, stored.own_events, shortest_message_seconds)


def _find_message(
    call: JournalRow,
    recordings: Sequence[ReportedRecording],
    events: Sequence[JournalRow],
    shortest_message_seconds: float,
) -> MessageState:
    # After a gap in the events, a step that was not reported may have been executed.
    steps = [] if any(event["source"] == "search" for event in events) else list_executed_steps(events)
    return find_message_state(recordings, steps, find_hangup(call), shortest_message_seconds)


def _sum_seconds(recordings: Sequence[ReportedRecording]) -> int | None:
    known = [recording.seconds for recording in recordings if recording.seconds is not None]
    return int(sum(known)) if known else None


def _load_raw(row: JournalRow) -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(row["raw"] or "{}")
    return raw


def list_executed_steps(events: Sequence[JournalRow]) -> list[ExecutedStep]:
    """Return the executed commands that the events of a call report, in their order."""
    raws = [(event["at"], read_executed_step(event["raw"])) for event in events if event["kind"] == "call_flow"]
    return [
        ExecutedStep(str(raw.get("name") or ""), raw.get("success") is not False, find_tag(raw), at)
        for at, raw in raws
        if raw
    ]


def _read_document(document: bytes | None) -> Element | None:
    try:
        return from_xml(zlib.decompress(document)) if document else None
    except (CallflowsError, zlib.error):
        return None


def _find_last_activity(elements: Sequence[ReachedElement]) -> str:
    """Return the kind of ending of a call without a conversation, by the elements that the call came to."""
    last = elements[-1]
    name = last.path.rpartition(".")[2].partition("[")[0]
    if last.report is None:
        ends_itself = name in (Hangup.spec.name, Callback.spec.name)
        return "hung-up-in-menu" if name == Gather.spec.name else "ended" if ends_itself else "hung-up"
    failed = read_executed_step(last.report["raw"]).get("success") is False
    # After a key the call comes to the branch of the key, or to another document: with neither, there was no key.
    is_passed = not failed and any(element.path.startswith(f"{last.path}.") for element in elements)
    return "hung-up-in-menu" if name == Gather.spec.name and not is_passed else "ended"


def _guess_last_activity(response: Element, steps: Sequence[ExecutedStep]) -> str:
    """Return the same by the last document and all executed steps, without their places."""
    if steps and steps[-1].name == Hangup.spec.name:
        return "ended"
    fetched = max((index + 1 for index, step in enumerate(steps) if step.name == Callback.spec.name), default=0)
    done = steps[fetched:]
    if _ended_in_menu(response, steps, done):
        return "hung-up-in-menu"
    left = [child for child in response.children if not isinstance(child, (Hangup, Callback))][len(done) :]
    return "hung-up" if done and left else "ended"


def _ended_in_menu(response: Element, steps: Sequence[ExecutedStep], done: Sequence[ExecutedStep]) -> bool:
    """Return True if a call was in a menu of its last document when it ended. ``done`` are the steps of that document."""
    place = next((index for index, child in enumerate(response.children) if isinstance(child, Gather)), None)
    if place is None:
        return False
    gather = response.children[place]
    if not steps:
        return not _has_content_in_branches(gather)  # otherwise the caller may have heard a branch to its end
    if any(step.name == Gather.spec.name for step in done):
        return done[-1].name == Gather.spec.name and not done[-1].succeeded
    # A Gather is reported after its branch, and what stands before it in the document is reported before.
    return len(done) <= place or any(isinstance(inner, Gather) for _, inner in walk_elements(gather) if inner is not gather)


def _has_content_in_branches(gather: Element) -> bool:
    """Return True if a key leads to commands in the same document."""
    return any(
        not isinstance(child, Callback)
        for branch in gather.children
        if isinstance(branch, DTMF)
        for child in branch.children
    )
