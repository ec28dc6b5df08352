"""Compiles the steps of a node, or of a branch in a node, and the transfers to other nodes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final, Self

from callflows.flows.compiler.flow_graph import StepEdge, StoredValueEstimate
from callflows.flows.compiler.fragments import ConditionalFragment, merge_adjacent_texts
from callflows.flows.compiler.line_answering import RememberedCondition, make_answered_condition
from callflows.flows.compiler.other_flows import split_other_node
from callflows.flows.compiler.progress import INSIDE_VERB
from callflows.flows.compiler.text_compiler import TextCompiler
from callflows.flows.coverage_points import strip_coverage_comments
from callflows.flows.entry_points import BRANCH_NAME_SEPARATOR, FIRST_ENTRY, START_NODE, NodeEntry
from callflows.flows.source.shape_validation import UNREADABLE_TEXT
from callflows.flows.source.yaml_source import iterate_texts
from callflows.flows.steps.step_table import (
    STEP_COMPILERS,
    find_step_key,
    parse_step,
    step_runs_on_arrival,
    steps_need_own_node,
)
from callflows.language import Callback, Error
from callflows.telephony.phone_numbers import parse_e164
from callflows.text import Suggestion, find_nearest, format_known_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from callflows.flows.compiler.document_writer import DocumentWriter
    from callflows.flows.compiler.step_context import FlowNodes, StepContext
    from callflows.flows.decisions import DecisionOrigin
    from callflows.flows.entry_points import Silence
    from callflows.flows.expressions.jinja_compiler import ExpressionCompiler
    from callflows.flows.source.positions import ProblemReport, SourcePath
    from callflows.telephony.turn import Turn


CALLBACK_TIMEOUT_MS: Final = 5000
"""Timeout of our Callbacks before the Error runs. The attribute is documented; the unit is presumed to be ms."""
DOCUMENT_BREAK_BYTES: Final = 60_000
"""If a step ends beyond this size, the rest of the node is fetched."""


class NodeCompiler:
    """Compiles the steps of a node, or of a branch inside a verb. Each step writes to the document through this object."""

    def __init__(
        self,
        nodes: FlowNodes,
        document: DocumentWriter,
        expression_compiler: ExpressionCompiler,
        *,
        inside_branch: bool = False,
    ) -> None:
        """``inside_branch``: inside a verb's branch, to which no request can return."""
        self.nodes = nodes
        self.flow = nodes.flow
        self.document = document
        self.texts = TextCompiler(self.flow, document, expression_compiler)
        self.inside_branch = inside_branch
        self.attempt = 0
        """Number of times the caller was asked before. Applies to the entry's first step, as ``has_digits`` does."""
        self.has_digits = False
        self.always_reached = True
        """True if every call that gets here passes the compiled steps."""
        self.voice: Mapping[str, str] = self.flow.voice
        """Voice of texts that name none: the voice of the file, or within a prompt of the step."""
        self.language = ""
        """Name of the language whose texts are compiled; empty if the language of the call decides."""
        self.skips_missing_sounds = False
        """True within a prompt of which callers hear something else, if a sound of it is missing."""
        self.continues_elsewhere = False
        """True if another entry contains the following steps."""
        self.next_step_key = ""
        """Key of the following step; empty after the last step."""

    @property
    def node(self) -> str:
        return self.document.node

    @property
    def step_index(self) -> int:
        return self.document.step_index

    @property
    def is_static(self) -> bool:
        return self.document.is_static

    @property
    def report(self) -> ProblemReport:
        return self.flow.report

    def make_empty_branch(self, *, line_answered: bool | None = None, inside_branch: bool = True) -> Self:
        """Return an empty compiler for a verb's branch, or with ``inside_branch=False`` for a step with a condition."""
        inside = self.inside_branch or inside_branch
        progress = dataclasses.replace(
            INSIDE_VERB if inside_branch else self.document.progress,
            ends=False,
            answered=self.document.progress.answered if line_answered is None else line_answered,
        )
        branch = type(self)(
            self.nodes, self.document.make_branch_writer(progress), self.texts.expression_compiler, inside_branch=inside
        )
        branch.attempt, branch.has_digits, branch.always_reached = self.attempt, self.has_digits, False
        branch.voice, branch.language = self.voice, self.language
        branch.skips_missing_sounds = self.skips_missing_sounds
        branch.next_step_key = self.next_step_key if not inside_branch else ""
        branch.texts.assumed_names = self.texts.assumed_names
        return branch

    # Steps

    def compile_steps(self, steps: Sequence[Any], path: SourcePath, entry: NodeEntry | None = None) -> None:
        """Compile steps in order, from the entry's step on."""
        first = entry.step if entry else 0
        for index, step in enumerate(steps):
            if index < first:
                continue
            here = (*path, index)
            self.next_step_key = find_step_key(steps[index + 1]) if index + 1 < len(steps) else "?" * self.inside_branch
            if self.document.progress.ends:
                if self.continues_elsewhere:
                    return
                if any(isinstance(other, dict) and other.keys() == {"when"} for other in steps[:index]):
                    self._check_ignored_step(step, here)  # the step before belongs to that condition
                else:
                    self._report_unreachable_step(step, here)
                continue
            if not self.inside_branch:
                at_entry = entry if entry and index == first else NodeEntry()
                self.document.step_index, self.attempt, self.has_digits = index, at_entry.attempt, at_entry.has_digits
                if not self.is_static and self._needs_own_document(step):
                    self._continue_in_own_document(index)
                    return
            self.document.write_step_mark(here)
            self.compile_step(step, here)

    def _report_unreachable_step(self, step: object, path: SourcePath) -> None:
        """Report an unreachable step, and further problems in the step."""
        self.report.error(
            path,
            "after-the-end",
            "no call ever comes to this step: the steps before it end the call or lead elsewhere",
            "put it before them, or take it out",
        )
        self._check_ignored_step(step, path)

    def _check_ignored_step(self, step: object, path: SourcePath) -> None:
        """Report problems in a step without writing the step."""
        aside = self.make_empty_branch(inside_branch=False)
        aside.document.step_index = self.step_index if self.inside_branch else int(path[-1])
        aside.attempt, aside.has_digits = 0, False
        aside.document.progress = dataclasses.replace(aside.document.progress, heard=True, waited=True)
        with self.report.suppress_warnings():
            aside.compile_step(step, path)

    def _continue_in_own_document(self, step_index: int) -> None:
        """Continue at a step of this node in a separate document. The entry tells whether the line was answered."""
        if self.document.answering_conditions and not self.document.progress.answered:
            answered = self.make_empty_branch(line_answered=True, inside_branch=False)
            answered.write_fetch(self.node, NodeEntry(step_index, line_answered=True))
            self.document.fragments.append(
                ConditionalFragment(
                    make_answered_condition(self.document.answering_conditions),
                    merge_adjacent_texts(answered.document.fragments),
                    terminates=True,
                )
            )
            self.document.merge_branch_properties(answered.document)
        self.write_fetch(self.node, NodeEntry(step_index, line_answered=self.document.progress.answered))
        self.continues_elsewhere = True

    def _needs_own_document(self, step: object) -> bool:
        """Return True if a step belongs in a separate document, rendered when the call arrives."""
        return (self.document.progress.moved_on and step_runs_on_arrival(step)) or self.document.size > DOCUMENT_BREAK_BYTES

    def compile_step(self, step: object, path: SourcePath) -> None:
        """Compile one step. Reports problems."""
        silences = self.document.progress.silences
        step_key, value, when = parse_step(step, path, self)
        if step_key:
            report = self.report
            with report.suppress_warnings() if report.has_error_at(path) else contextlib.nullcontext():
                self._compile_step_with_condition(step_key, value, when, path)
        else:
            self._check_ambiguous_step(step, path)
            if when is not None:
                self.texts.compile_condition(when, (*path, "when"), "when")
        if self.report.has_error_at(path):
            self._assume_worst_of_step(step, silences)

    def _check_ambiguous_step(self, step: object, path: SourcePath) -> None:
        """Report further problems in a step with more than one key."""
        done = (
            [(key, value) for key, value in step.items() if key in STEP_COMPILERS and value]
            if isinstance(step, dict)
            else []
        )
        for key, value in done if len(done) > 1 else []:
            self._check_ignored_step({key: value}, path)

    def _assume_worst_of_step(self, step: object, earlier_silences: AbstractSet[Silence]) -> None:
        """Assume audio, waiting, and edges to all nodes named in the step, because an invalid step has unknown effects."""
        progress = self.document.progress
        silences = progress.silences - earlier_silences
        self.document.progress = dataclasses.replace(
            progress, heard=True, waited=True, silence_broken=True, silences=silences
        )
        self.flow.graph.edges[self.node].update(self.flow.node_sources.keys() & {*iterate_texts(step)})

    def _compile_step_with_condition(
        self,
        step_key: str,
        value: Any,  # noqa: ANN401 - dicts, lists and texts
        when: str | None,
        path: SourcePath,
    ) -> None:
        if when is None or (not self.inside_branch and self.attempt):
            self._run_step_compiler(step_key, value, path)
            return
        condition = self.texts.compile_condition(when, (*path, "when"), "when")
        branch = self.make_empty_branch(inside_branch=False)
        branch.texts.assumed_names |= condition.used_names if condition is not None else frozenset()
        branch.document.write_coverage_comment("holds", (*path, "when"))
        branch._run_step_compiler(step_key, value, path)  # noqa: SLF001 - the same class
        if condition is None:
            return
        progress = branch.document.progress
        answers = progress.answered and not self.document.progress.answered and not progress.ends
        remembered = RememberedCondition(condition.evaluate) if answers else None
        origin = self.document.make_decision_origin("when", when, condition.used_names)
        else_text = self.document.make_coverage_comment("does not hold", (*path, "when"))
        self.write_conditional(remembered or condition.evaluate, branch, origin, else_text)
        if remembered is not None:
            self.document.answering_conditions.append(remembered)

    def _run_step_compiler(self, step_key: str, value: Any, path: SourcePath) -> None:  # noqa: ANN401 - dicts, lists and texts
        outer_key, self.document.step_key = self.document.step_key, step_key
        STEP_COMPILERS[step_key](value, (*path, step_key), self)
        self.document.step_key = outer_key

    def write_conditional(
        self, condition: Callable[[Turn], object], branch: StepContext, origin: DecisionOrigin, else_text: str = ""
    ) -> None:
        """Write a branch that runs if a condition holds. ``else_text`` is written if the condition does not hold."""
        self.document.fragments.append(
            ConditionalFragment(
                condition,
                merge_adjacent_texts(branch.document.fragments),
                branch.document.progress.ends,
                origin,
                merge_adjacent_texts([else_text]),
            )
        )
        self.document.merge_branch_properties(branch.document)
        self.document.progress = branch.document.progress.either(self.document.progress)

    def compile_branch(
        self,
        steps: Sequence[Any],
        path: SourcePath,
        *,
        line_answered: bool | None = None,
        silences: AbstractSet[Silence] = frozenset(),
    ) -> Self:
        """Compile the steps of a verb's branch. Steps that must run on arrival are fetched when the call arrives.

        ``silences`` are the points since which the caller has heard nothing when the branch begins.
        """
        branch = self.make_empty_branch(line_answered=line_answered)
        branch.document.add_silences(silences)
        if steps_need_own_node(steps) and not self.is_static:
            after = None if self.inside_branch else (self.node, self.step_index + 1)
            branch.write_goto(self.add_branch_node(steps, path, after), path)
        else:
            branch.compile_steps(steps, path)
        return branch

    def add_branch_node(
        self, steps: Sequence[Any], path: SourcePath, continuation: tuple[str, int] | None, *, always_fetched: bool = False
    ) -> str:
        """Add a node with the steps of a branch, and return the node's name.

        ``continuation`` is the (node, step) after the branch. A node with ``always_fetched`` is never placed inline.
        """
        return self.nodes.add_branch_node(self.node, steps, path, continuation, always_fetched=always_fetched)

    def record_stored_value(self, name: str, sample: object, path: SourcePath, first_carrying_step: int) -> None:
        """Record an estimate of a stored value.

        ``first_carrying_step`` is the first step with a ticket that may carry the value.
        """
        if self.always_reached:
            self.flow.graph.record_store(name, self.node, self.step_index)
        if sample is not None:
            written = json.dumps(sample, ensure_ascii=False, separators=(",", ":"))
            self.flow.ticket_links.stored_values.append(
                StoredValueEstimate(name, written, self.node, self.step_index, first_carrying_step, path)
            )

    # Transfers

    def write_goto(self, node: str, path: SourcePath) -> None:
        """End here and continue at a node, placed inline or fetched."""
        if self.is_static:
            self.document.end()
            fix = "say what is to be said, and hang up"
            self.report.error(path, "fallback-not-static", "the fallback cannot go to a node", fix)
            return
        if not self.check_target_node(node, path):
            self.document.end()
            return
        if not self.document.progress.heard:
            self.flow.graph.silent_edges[self.node].add(node)
        if not self.document.progress.waited:
            self.flow.graph.nonwaiting_edges[self.node].add(node)
        self._write_transfer(node, NodeEntry(line_answered=self.document.progress.answered))

    def write_resume(self, step_index: int) -> None:
        """End here and continue at a later step of this node."""
        self._write_transfer(self.node, NodeEntry(step_index, line_answered=self.document.progress.answered))

    def write_continuation(self, node: str, step_index: int) -> None:
        """End here and continue at a step of another node, to which these steps belong."""
        self._write_transfer(node, NodeEntry(step_index, line_answered=self.document.progress.answered))

    def _write_transfer(self, node: str, entry: NodeEntry) -> None:
        self.flow.graph.add_edge(self.node, StepEdge(self.step_index, node, entry.step, is_fetched=False))
        self.flow.record_silent_transfer(node, entry, self.document.progress.silences)
        if self.document.answering_conditions and not self.document.progress.answered:
            self.document.ensure_answered()
            entry = entry._replace(line_answered=True)
        inlined = self.nodes.compile_inline_node(node, entry)
        if inlined is None or (inlined.has_actions and self.document.progress.moved_on):
            self.write_fetch(node, entry)
        else:
            self.document.insert_shared_fragments(inlined)

    def check_target_node(self, node: str, path: SourcePath) -> bool:
        """Return True if the node exists, and record the edge. Reports an unknown node."""
        nodes = self.flow.node_sources
        if node == UNREADABLE_TEXT:
            self.flow.graph.is_incomplete = True
            return False
        other_name, other_node = split_other_node(node)
        if other_name:
            return self._check_other_node(other_name, other_node, path)
        if node not in nodes:
            near = find_nearest(node, nodes)
            fix = Suggestion(near) or format_known_words(self.flow.flow_file.nodes)
            message = f"no node is named {node!r}" if node else f"{path[-1]}: the name of a node is missing"
            if not near and node in STEP_COMPILERS:
                fix = f"a step is not a node: add a node under nodes:, as {node}: [{node}]"
            elif not near and parse_e164(node):
                fix = "a number is not a node: add a node that dials it, as sales: [dial: +12015550188]"
            elif not near and self.flow.other_flows.has_flow(node):
                fix = f"a flow beside this one has that name: write its node, too, as {node}/{START_NODE}"
            if not node:
                fix = f"write it after the colon; within braces each key has its own, as {{1: end, 2: end}}: {fix}"
            self.report.unknown_name(path, "unknown-node", message, fix)
            self.flow.graph.edges[self.node].update([near] if near else [])
            return False
        self.flow.graph.edges[self.node].add(node)
        return True

    def _check_other_node(self, flow_name: str, node: str, path: SourcePath) -> bool:
        """Return True if another flow has the node, and record the edge. Reports a missing flow or node, and secrets."""
        message, fix = self.flow.other_flows.explain_missing_node(flow_name, node)
        if message:
            self.report.error(path, "unknown-node", message, fix)
            return False
        other = self.flow.other_flows.find_flow(flow_name)
        for name in self.flow.secret_names & {*(other.received_names if other is not None else ())}:
            message = f"{name} is secret here, and does not go to the flow {flow_name!r}, which receives it"
            self.report.error(path, "secret-handed-over", message, "collect it there, and take it out of its receives")
        self.flow.record_other_node(flow_name, node)
        self.flow.graph.edges[self.node].add(f"{flow_name}/{node}")
        return True

    def write_fetch(self, node: str, entry: NodeEntry) -> None:
        """Continue in a separate document, or with the fallback if the document cannot be fetched."""
        self.flow.record_silent_transfer(node, entry, self.document.progress.silences)
        url = self.add_document_url_placeholder(node, entry)
        sorry = Error(self.document.add_fragments_placeholder([self.render_fallback()]))
        self.document.write_verbs(Callback(sorry, url=url, method="GET", timeout=CALLBACK_TIMEOUT_MS))

    def add_document_url_placeholder(self, node: str, entry: NodeEntry) -> str:
        """Return a placeholder for the signed URL of a document."""
        self.flow.graph.add_edge(self.node, StepEdge(self.step_index, node, entry.step, is_fetched=True))
        # The nodes of branches, and the steps within a node, have no name in the file.
        is_named = BRANCH_NAME_SEPARATOR not in node and entry._replace(line_answered=False) == FIRST_ENTRY
        place = f"it goes on at {node!r}" if is_named else "the step goes on"
        path = (*self.flow.node_sources[self.node].path, self.step_index)
        self.document.dynamic_reasons.setdefault(path, f"{place} in a document of its own")
        return self.document.add_url_placeholder(self.flow.make_url_hole(node, entry))

    def render_fallback(self) -> str:
        """Return the fallback as part of a document, without ``<Answer/>`` if the line is answered."""
        fallback = self.flow.fallback_xml
        answers = self.document.progress.answered and strip_coverage_comments(fallback).startswith("<Answer/>")
        return fallback.replace("<Answer/>", "", 1) if answers else fallback
