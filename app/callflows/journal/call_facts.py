"""Derives facts from the stored rows of a call: its way through the nodes, its ending, the flow that answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from callflows.journal.call_ending import find_call_ending
from callflows.journal.call_path import list_visits, trace_turns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callflows.journal.call_ending import CallEnding
    from callflows.journal.call_path import NodeVisit, TracedTurn
    from callflows.journal.stored_rows import StoredCall


class CallFacts(NamedTuple):
    """The derived facts of a call. ``flow`` is the flow that answered first; empty if unknown."""

    ending: CallEnding
    traced_turns: Sequence[TracedTurn]
    visits: Sequence[NodeVisit]
    flow: str

    @property
    def last_node(self) -> str:
        return self.visits[-1].node if self.visits else ""


def derive_call_facts(stored: StoredCall, shortest_message_seconds: float) -> CallFacts:
    """Derive the facts of a call. Of the documents, only that of the last turn is needed."""
    traced_turns = trace_turns(stored.turns, stored.own_events, stored.places)
    ending = find_call_ending(stored, traced_turns, shortest_message_seconds)
    flow = next((turn["flow"] for turn in stored.turns if turn["flow"]), "")
    facts = CallFacts(ending, traced_turns, list_visits(traced_turns), flow)
    return facts._replace(ending=ending._replace(node=facts.last_node))
