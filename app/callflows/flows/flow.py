"""Compiled flows, and the rendering of a node's document for a turn.

Documents are compiled when the flow is loaded, to fragments: constant texts, holes that are filled for each call, and
conditions between sequences of fragments.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING

from callflows.errors import FlowFileError, LanguageError, Problem
from callflows.flows.compiler.fragments import DOCUMENT_EPILOGUE, DOCUMENT_PROLOGUE, prepare_fragments, render_fragments
from callflows.flows.entry_points import FIRST_ENTRY, NodeEntry, NumberClaim, SilentWay
from callflows.flows.flow_needs import FlowNeeds
from callflows.language import Answer, Hangup, Response, Say, to_xml
from callflows.language.xml_writer import MAX_DOCUMENT_BYTES
from callflows.sandbox.job_runner import run_until_resolved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from zoneinfo import ZoneInfo

    from callflows.flows.compiler.fragments import Fragment
    from callflows.flows.compiler.silent_texts import SilentTextRemover
    from callflows.flows.coverage_points import CoveragePoint
    from callflows.flows.messages.ended_calls import EndedCallSteps
    from callflows.flows.messages.message_rules import MessageRules
    from callflows.language.verb_table import Dialect
    from callflows.sandbox.job_runner import RunJob
    from callflows.telephony.call_record import CallRecord
    from callflows.telephony.turn import Turn


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """A compiled flow. ``fragments_by_node`` has the content of the Response for each entry of each node."""

    name: str
    file: str
    version: str
    dialect: Dialect
    zone: ZoneInfo | None
    claims: tuple[NumberClaim, ...]
    fragments_by_node: Mapping[str, Mapping[NodeEntry, tuple[Fragment, ...]]]
    fallback: bytes
    problems: tuple[Problem, ...] = ()
    """Errors of a broken flow. A broken flow answers only with the fallback."""
    notes: tuple[Problem, ...] = ()
    """Parts of the flow that Opentact does not document."""
    resolve: Callable[[str, Turn], object] | None = None
    """Returns ``hours``, ``lists`` or ``variables`` for a turn."""
    hours_names: tuple[str, ...] = ()
    """Names of the opening hours."""
    needs: FlowNeeds = dataclasses.field(default_factory=FlowNeeds)
    """The parts of a server that the flow needs."""
    literal_targets: tuple[NumberClaim, ...] = ()
    """Numbers written out in the file as dial or message targets, with positions."""
    entered_nodes: frozenset[str] = frozenset()
    """Nodes at which other flows go on; only looked for if nothing of this flow leads to a node, or it has no numbers."""
    silent_ways: tuple[SilentWay, ...] = ()
    """Ways between nodes on which the caller hears nothing, if the flow goes on in other flows."""
    message_rules: MessageRules | None = None
    """Rules for incoming text messages. None for Python flows and broken flows."""
    ended_calls: EndedCallSteps | None = None
    """Steps to run after each call."""
    node_files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """The included file of each node that does not stand in the flow's own file."""
    coverage_points: tuple[CoveragePoint, ...] = ()
    """All coverage points, if the documents are compiled for rehearsals."""
    decision_points: Mapping[tuple[str, int, str, object], CoveragePoint] = dataclasses.field(default_factory=dict)
    """Coverage points reported by the trail (messages, ended calls), by node, step index, step key and outcome."""
    template_file: str = ""
    """The XML template of the flow; an empty text if the flow has nodes of its own."""
    silent_text_remover: SilentTextRemover | None = None
    """Removes empty texts from documents; None if no text of the flow can be empty."""
    source: bytes = dataclasses.field(default=b"", repr=False)
    """The text of the file."""
    included_files: Mapping[str, bytes] = dataclasses.field(default_factory=dict, repr=False)
    """The included files with their content, by their names as seen from the flow's folder."""
    received_names: tuple[str, ...] = ()
    """Names of the values that calls bring from outside: from another flow, or from a list of people to call."""
    misses_data: bool = False
    """True if a data file beside the flow, for example a list of callers, cannot be read at all."""
    _prepared_fragments: dict[tuple[str, NodeEntry], tuple[Fragment, ...]] = dataclasses.field(
        default_factory=dict, repr=False
    )
    _marked_fragments: dict[tuple[str, NodeEntry], tuple[Fragment, ...]] = dataclasses.field(
        default_factory=dict, repr=False
    )

    def answer(self, node: str, turn: Turn, entry: NodeEntry = FIRST_ENTRY) -> bytes:
        """Render the document of a node for a turn. An entry unknown to this version becomes the node's start.

        Raises NeedsResult if a deferred job must run first, KeyError for an unknown node, FlowFileError if the flow is
        broken, LanguageError if the document is too long, and any error of a text or a condition.
        """
        pieces = self._prepared_fragments.get((node, entry)) or self._prepare_fragments(node, entry)
        turn.zone, turn.resolve = self.zone, self.resolve
        out = [DOCUMENT_PROLOGUE]
        render_fragments(pieces, turn, out)
        out.append(DOCUMENT_EPILOGUE)
        text = "".join(out)
        if self.silent_text_remover is not None:
            sent = self.silent_text_remover.remove_silent_texts(text)
            if sent is not text:
                text, out = sent, [sent]
        document = text.encode()
        if len(document) > MAX_DOCUMENT_BYTES:
            raise LanguageError(f"the document has {len(document)} bytes, more than {MAX_DOCUMENT_BYTES}")
        turn.document_parts = out
        return document

    def render_with_places(self, node: str, turn: Turn, entry: NodeEntry) -> str:
        """Render the document of a node again, with the place marks. For the journal, not for calls.

        The turn has the zone and the context of its answer. Raises as ``answer`` does.
        """
        pieces = self._marked_fragments.get((node, entry))
        if pieces is None:
            pieces = prepare_fragments(self._find_fragments(node, entry), with_places=True)
            self._marked_fragments[node, entry] = pieces
        out = [DOCUMENT_PROLOGUE]
        render_fragments(pieces, turn, out)
        text = "".join([*out, DOCUMENT_EPILOGUE])
        return text if self.silent_text_remover is None else self.silent_text_remover.remove_silent_texts(text)

    async def run_ended_call_steps(
        self, call: CallRecord, run_job: RunJob, owns_number: Callable[[str], bool] | None = None
    ) -> Turn | None:
        """Return the turn with the effects and the trail of the steps after a call; None if the flow has no such steps.

        Repeated runs give the same idempotency keys. Raises the errors of ``run_until_resolved``.
        """
        if self.ended_calls is None:
            return None
        turn = call.make_turn()
        turn.zone, turn.resolve = self.zone, self.resolve
        turn.owns_number = owns_number or turn.owns_number
        await run_until_resolved(partial(self.ended_calls.run_steps, turn), turn, run_job, self.name)
        return turn

    def _prepare_fragments(self, node: str, entry: NodeEntry) -> tuple[Fragment, ...]:
        """Prepare a document's fragments on first use, because most documents are never requested."""
        if self.problems:
            raise FlowFileError(self.problems)
        self._prepared_fragments[node, entry] = ready = prepare_fragments(self._find_fragments(node, entry))
        return ready

    def _find_fragments(self, node: str, entry: NodeEntry) -> tuple[Fragment, ...]:
        entries = self.fragments_by_node[node]
        return entries[entry] if entry in entries else entries[NodeEntry(line_answered=entry.line_answered)]


def render_apology(text: str, dialect: Dialect) -> bytes:
    """Render a document with one sentence and a hangup."""
    answer = [Answer()] if dialect == "reference" else []
    return to_xml(Response(*answer, Say(text), Hangup()), dialect)
