"""The kinds of events that Opentact's documentation names, and how much is known of each: one table.

``python -m callflows.opentact.event_kinds docs/opentact.md`` writes the table into the page, between two marks.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final, Literal, NamedTuple

from callflows.opentact.operation_reference import replace_marked_part

_BEGIN_MARK: Final = "<!-- the kinds of events: begin -->"
_END_MARK: Final = "<!-- the kinds of events: end -->"


class EventKind(NamedTuple):
    """A kind of event.

    ``title`` is Opentact's title, ``type`` and ``state`` are on the wire, ``field`` is the field of ``PlatformEvent`` with
    the content. ``evidence``: the event itself was seen (D, C), or only its title or type is documented (title).
    """

    title: str
    type: str
    state: str
    field: Literal["call", "call_flow", "sms", "account", "balance", "order", "recordings", "transcripts"]
    evidence: Literal["D", "C", "title"]
    known: str
    unknown: str


EVENT_KINDS: Final = (
    EventKind(
        "Call Initiated", "call_state", "init", "call", "D",
        "the call with `init_on`; the first event of most calls",
        "whether every call has one: `ringing` or `live` may come first",
    ),
    EventKind(
        "Call Ringing", "call_state", "ringing", "call", "title",
        "the state, and `ring_on` in later events",
        "its own payload: it is read as those of the other states",
    ),
    EventKind(
        "Call Answered", "call_state", "answered", "call", "title",
        "the title",
        "whether it is a state of its own: elsewhere an answered call is `live`, with `answer_on`",
    ),
    EventKind(
        "Call Live", "call_state", "live", "call", "D",
        "the call with `answer_on`; the requests for documents say `state=live`",
        "the unit of `duration`: seconds in 2024, probably milliseconds in 2022",
    ),
    EventKind(
        "Call Bridged", "call_state", "bridged", "call", "title",
        "the title",
        "its payload, and whether it names the other leg; the dialled leg has the caller's call in `parent`",
    ),
    EventKind(
        "Call Callflow", "call_flow", "", "call_flow", "D",
        "one executed element: its name, success, reason, and in 2022 its path",
        "whether each element is reported; the 2024 form has no path",
    ),
    EventKind(
        "Call Hangup", "call_state", "hangup", "call", "D",
        "`hangup_on` and the cause (`q850_cause`, as 16 NORMAL_CLEARING)",
        "which side hung up",
    ),
    EventKind(
        "Call Destroyed", "call_state", "destroyed", "call", "D",
        "`destroy_on`, the cause and the final duration; callflows acts on the end of a call now",
        "whether recordings are complete by then",
    ),
    EventKind(
        "Account", "auth", "", "account", "D",
        "the answer to the websocket's token, with the account; every event of 2024 has the account, too",
        "the answer to a wrong token; other events of an account",
    ),
    EventKind(
        "Account: balance", "balance", "", "balance", "D",
        "the new balance, and in `source_action` the reason, as `voice_charge_in`, `call_asr`",
        "the currency; the request that turns them on (`callflows opentact account notifications`) is assumed",
    ),
    EventKind(
        "SMS", "sms", "", "sms", "D",
        "`smsi` is a received message, `smso` a sent one: first its state, then `delivered`; `smsr` is the receipt of a "
        "sent one, not a message received",
        "the place of the message in the 2024 form: several are tried",
    ),
    EventKind(
        "TN", "tn_order", "", "order", "C",
        "`uuid` and `state` of an order of numbers",
        "all other fields",
    ),
    EventKind(
        "Record", "call_record", "", "recordings", "title",
        "the type, for which there is a subscription",
        "the payload: `url`, `duration` and `tag` are read if they are there, and the call from `call` or its id",
    ),
    EventKind(
        "Transcript", "call_transcript", "", "transcripts", "title",
        "the title. A transcript counts in an event of its own, in a recording, and in the `records` of a call",
        "the type and the payload: each type with the word `transcript` is read",
    ),
)  # fmt: skip
"""In the order of a call, then the others."""
GENERAL_FIELDS: Final = (
    "2024: `uuid` (the event's own id), `created_on`, `type`, `message`, `payload`, `ref_id` (the id of the call or "
    "message), `account`, `modified_on`, `delivery_report`; beside the payload `call`, or `call_flow` (an element). "
    "2022: `timestamp`, `type`, `message`, `payload`; the payload is the call, the message or the amount itself."
)


def render_event_kinds() -> str:
    """Return the table as Markdown."""
    lines = ["| event | type and state | evidence | known | not known |", "|---|---|---|---|---|"]
    for kind in EVENT_KINDS:
        wire = f"`{kind.type}`" + (f", `{kind.state}`" if kind.state else "")
        lines.append(f"| {kind.title} | {wire} | {kind.evidence} | {kind.known} | {kind.unknown} |")
    lines.append(
        f"| General fields | all | D | {GENERAL_FIELDS} | order and uniqueness: an event may come twice, or late |"
    )
    return "\n".join(lines)


def replace_event_kinds(page: str) -> str:
    """Return a page with the current table between its marks. Raises ValueError without the marks."""
    return replace_marked_part(page, _BEGIN_MARK, _END_MARK, render_event_kinds())


if __name__ == "__main__":
    reference_page = Path(sys.argv[1])
    reference_page.write_text(replace_event_kinds(reference_page.read_text(encoding="utf-8")), encoding="utf-8")
