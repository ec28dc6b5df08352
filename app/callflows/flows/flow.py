"""Which flow answers which number, and how a node answers a turn. A book never changes: it is swapped whole.

A node is a function of a Turn. What it writes was made when the flow was loaded, as pieces: texts that never change, holes
that
are filled for each call, and choices between runs of pieces.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from callflows.errors import FlowFileError, LanguageError, Problem
from callflows.flows.compiler.fragments import DOCUMENT_EPILOGUE, DOCUMENT_PROLOGUE, prepare_fragments, render_fragments
from callflows.flows.entry_points import FIRST_ENTRY, NodeEntry, NumberClaim
from callflows.language import Answer, Hangup, Response, Say, to_xml
from callflows.language.xml_writer import MAX_DOCUMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from zoneinfo import ZoneInfo

    from callflows.flows.compiler.fragments import Fragment
    from callflows.flows.coverage_points import CoveragePoint
    from callflows.flows.messages.message_rules import MessageRules
    from callflows.flows.messages.missed_calls import MissedCallSteps
    from callflows.language.verb_table import Dialect
    from callflows.telephony.turn import Turn


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """A flow, ready to answer. ``documents`` has what stands in the Response for each node's entries."""

    name: str
    file: str
    version: str
    dialect: Dialect
    zone: ZoneInfo | None
    claims: tuple[NumberClaim, ...]
    documents: Mapping[str, Mapping[NodeEntry, tuple[Fragment, ...]]]
    fallback: bytes
    problems: tuple[Problem, ...] = ()
    """Why a flow is broken; such a one answers with its fallback only."""
    resolve: Callable[[str, Turn], object] | None = None
    """Gives what the flow knows beside a call: its hours, lists and variables."""
    hours_names: tuple[str, ...] = ()
    """The names of its opening hours."""
    uses_network: bool = False
    """Whether it asks or tells other servers."""
    needs_worker: bool = False
    """Whether something of it is worked out by workers."""
    literal_targets: tuple[NumberClaim, ...] = ()
    """The numbers that its author wrote out to be rung or written to, with their places."""
    uses_calls_today: bool = False
    """Whether it asks how often somebody called today."""
    message_rules: MessageRules | None = None
    """What it does with texts that come in; a program and a broken flow have no rules."""
    missed_calls: MissedCallSteps | None = None
    """What it does when a call has ended that nobody took."""
    coverage_points: tuple[CoveragePoint, ...] = ()
    """All that calls can come by, where its documents are made for rehearsals."""
    decision_points: Mapping[tuple[str, int, str, object], CoveragePoint] = dataclasses.field(default_factory=dict)
    """Those of the spots that the trail tells: node, step, word and outcome of what is decided about texts and ends."""
    uses_current_time: bool = False
    """Whether it asks what time it is."""
    _prepared_fragments: dict[tuple[str, NodeEntry], tuple[Fragment, ...]] = dataclasses.field(
        default_factory=dict, repr=False
    )

    def answer(self, node: str, turn: Turn, entry: NodeEntry = FIRST_ENTRY) -> bytes:
        """The document of a node for a turn; an entry that this version lacks is the node's start.

        Raises Pending where something must be looked up first, KeyError where there is no such node, and whatever a text
        or a condition raises.
        """
        pieces = self._prepared_fragments.get((node, entry)) or self._prepare_fragments(node, entry)
        turn.zone, turn.resolve = self.zone, self.resolve
        out = [DOCUMENT_PROLOGUE]
        render_fragments(pieces, turn, out)
        out.append(DOCUMENT_EPILOGUE)
        document = "".join(out).encode()
        if len(document) > MAX_DOCUMENT_BYTES:
            raise LanguageError(f"the document has {len(document)} bytes, more than {MAX_DOCUMENT_BYTES}")
        return document

    def _prepare_fragments(self, node: str, entry: NodeEntry) -> tuple[Fragment, ...]:
        """A document's pieces, prepared when it is first asked for: most of a flow's are never."""
        if self.problems:
            raise FlowFileError(self.problems)
        entries = self.documents[node]
        pieces = entries[entry] if entry in entries else entries[NodeEntry(line_answered=entry.line_answered)]
        self._prepared_fragments[node, entry] = ready = prepare_fragments(pieces)
        return ready


def render_apology(text: str, dialect: Dialect) -> bytes:
    """The document that says a sentence and hangs up."""
    answer = [Answer()] if dialect == "reference" else []
    return to_xml(Response(*answer, Say(text), Hangup()), dialect)
