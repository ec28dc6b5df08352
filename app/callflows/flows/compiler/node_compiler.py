"""Compiles the steps of a node, or of a branch in a node, and the transfers to other nodes."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Final, Self

from callflows.flows.compiler.flow_graph import StepEdge
from callflows.flows.compiler.fragments import ConditionalFragment, merge_adjacent_texts
from callflows.flows.compiler.line_answering import RememberedCondition, make_answered_condition
from callflows.flows.compiler.text_compiler import TextCompiler
from callflows.flows.compiler.ticket_links import StoredValueEstimate
from callflows.flows.coverage_points import strip_coverage_comments
from callflows.flows.entry_points import NodeEntry
from callflows.flows.source.shape_validation import UNREADABLE_TEXT
from callflows.flows.source.yaml_source import iterate_texts
from callflows.flows.steps.step_table import (
    STEP_COMPILERS,
    find_step_key,
    parse_flow_step,
    step_runs_on_arrival,
    steps_need_own_node,
)
from callflows.language import Callback, Error
from callflows.text import find_nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from callflows.flows.compiler.flow_compiler import FlowCompiler
    from callflows.flows.source.positions import SourcePath
    from callflows.telephony.turn import Turn


CALLBACK_TIMEOUT_MS: Final = 5000
"""Timeout of our Callbacks before the Error runs. The attribute is documented; the unit is presumed to be ms."""
DOCUMENT_BREAK_BYTES: Final = 60_000
"""If a step ends beyond this size, the rest of the node is fetched."""


class NodeCompiler(TextCompiler):
    """Compiles steps.

    ``inside_branch``: inside a verb's branch, to which no request can return. ``attempt`` and ``has_digits`` come from the
    compiled entry and apply to the entry's first step.
    """

    def __init__(
        self,
        flow_compiler: FlowCompiler,
        node: str,
        *,
        line_answered: bool = False,
        is_static: bool = False,
        inside_branch: bool = False,
    ) -> None:
        super().__init__(flow_compiler, node, line_answered=line_answered, is_static=is_static)
        self.inside_branch = inside_branch
        self.attempt = 0
        self.has_digits = False
        self.always_reached = True
        """True if every call that gets here passes the compiled steps."""
        self.continues_elsewhere = False
        """True if another entry contains the following steps."""
        self.next_step_key = ""
        """Key of the following step; empty after the last step."""
        if inside_branch:
            self.is_silent = self.is_at_document_start = False
            self.has_waited = True

    def make_branch(self, *, line_answered: bool | None = None, inside_branch: bool = True) -> Self:
        """Return an empty compiler for a verb's branch, or with ``inside_branch=False`` for a step with a condition."""
        made = type(self)(
            self.flow_compiler,
            self.node,
            line_answered=self.line_answered if line_answered is None else line_answered,
            is_static=self.is_static,
            inside_branch=self.inside_branch or inside_branch,
        )
        made.step_index, made.attempt, made.has_digits, made.always_reached = (
            self.step_index,
            self.attempt,
            self.has_digits,
            False,
        )
        made.next_step_key = self.next_step_key if not inside_branch else ""
        if not inside_branch:
            made.inside_branch, made.is_silent, made.is_at_document_start, made.has_waited = (
                self.inside_branch,
                self.is_silent,
                self.is_at_document_start,
                self.has_waited,
            )
        made.answering_conditions = [*self.answering_conditions]
        return made

    # Steps

    def compile_steps(self, steps: Sequence[Any], path: SourcePath, entry: NodeEntry | None = None) -> None:
        """Compile steps in order, from the entry's step on."""
        first = entry.step if entry else 0
        for index, step in enumerate(steps):
            if index < first:
                continue
            here = (*path, index)
            self.next_step_key = find_step_key(steps[index + 1]) if index + 1 < len(steps) else "?" * self.inside_branch
            if self.terminates:
                if self.continues_elsewhere:
                    return
                self._report_unreachable_step(step, here)
                continue
            if not self.inside_branch:
                at_entry = entry if entry and index == first else NodeEntry()
                self.step_index, self.attempt, self.has_digits = index, at_entry.attempt, at_entry.has_digits
                if not self.is_static and self._needs_own_document(step):
                    self._continue_in_own_document(index)
                    return
            self._compile_step(step, here)

    def _report_unreachable_step(self, step: object, path: SourcePath) -> None:
        """Report an unreachable step, and further problems in the step."""
        self.error(path, "after-the-end", "this step is never reached", "the flow has gone elsewhere, or ended, before it")
        self._check_ignored_step(step, path)

    def _check_ignored_step(self, step: object, path: SourcePath) -> None:
        """Report problems in a step without writing the step."""
        aside = self.make_branch(inside_branch=False)
        aside.step_index, aside.attempt, aside.has_digits = (
            int(path[-1]) if not self.inside_branch else self.step_index,
            0,
            False,
        )
        aside.is_silent, aside.has_waited = False, True
        with self.flow_compiler.report.suppress_warnings():
            aside._compile_step(step, path)  # noqa: SLF001 - the same class

    def _continue_in_own_document(self, step_index: int) -> None:
        """Continue at a step of this node in a separate document. The entry tells whether the line was answered."""
        if self.answering_conditions and not self.line_answered:
            done = self.make_branch(line_answered=True, inside_branch=False)
            done.write_fetch(self.node, NodeEntry(step_index, line_answered=True))
            self.fragments.append(
                ConditionalFragment(
                    make_answered_condition(self.answering_conditions),
                    merge_adjacent_texts(done.fragments),
                    terminates=True,
                )
            )
            self.absorb_branch(done)
        self.write_fetch(self.node, NodeEntry(step_index, line_answered=self.line_answered))
        self.continues_elsewhere = True

    def _needs_own_document(self, step: object) -> bool:
        """Return True if a step belongs in a separate document, rendered when the call arrives."""
        return (not self.is_at_document_start and step_runs_on_arrival(step)) or self.size > DOCUMENT_BREAK_BYTES

    def _compile_step(self, step: object, path: SourcePath) -> None:
        word, value, when = parse_flow_step(step, path, self)
        if word:
            report = self.flow_compiler.report
            with report.suppress_warnings() if report.has_error_at(path) else contextlib.nullcontext():
                self._compile_step_with_condition(word, value, when, path)
        else:
            self._check_ambiguous_step(step, path)
            if when is not None:
                self.compile_condition(when, (*path, "when"), "when")
        if self.flow_compiler.report.has_error_at(path):
            self._assume_worst_of_step(step)

    def _check_ambiguous_step(self, step: object, path: SourcePath) -> None:
        """Report further problems in a step with more than one key."""
        done = (
            [(key, value) for key, value in step.items() if key in STEP_COMPILERS and value]
            if isinstance(step, dict)
            else []
        )
        for key, value in done if len(done) > 1 else []:
            self._check_ignored_step({key: value}, path)

    def _assume_worst_of_step(self, step: object) -> None:
        """Assume audio, waiting, and edges to all nodes named in the step, because an invalid step has unknown effects."""
        self.is_silent = self.only_answers_or_ends = False
        self.has_waited = True
        self.flow_compiler.flow_graph.edges[self.node].update(self.flow_compiler.nodes.keys() & {*iterate_texts(step)})

    def _compile_step_with_condition(
        self,
        word: str,
        value: Any,  # noqa: ANN401 - dicts, lists and texts
        when: str | None,
        path: SourcePath,
    ) -> None:
        if when is None or (not self.inside_branch and self.attempt):
            STEP_COMPILERS[word](value, (*path, word), self)
            return
        condition = self.compile_condition(when, (*path, "when"), "when")
        under = self.make_branch(inside_branch=False)
        under.write_coverage_comment("holds", (*path, "when"))
        STEP_COMPILERS[word](value, (*path, word), under)
        if condition is None:
            return
        answers = under.line_answered and not self.line_answered and not under.terminates
        once = RememberedCondition(condition.evaluate) if answers else None
        other = self.make_coverage_comment("does not hold", (*path, "when"))
        self.write_conditional(once or condition.evaluate, under, ("when", when, condition.used_names), other)
        if once is not None:
            self.answering_conditions.append(once)

    def write_conditional(
        self,
        condition: Callable[[Turn], object],
        branch: NodeCompiler,
        decision: tuple[str, str, frozenset[str]],
        else_text: str = "",
    ) -> None:
        """Write a branch that runs if a condition holds. ``decision`` is the step key, the source and the used names.

        ``else_text`` is written if the condition does not hold.
        """
        mark = self.make_decision_origin(*decision)
        self.fragments.append(
            ConditionalFragment(
                condition,
                merge_adjacent_texts(branch.fragments),
                branch.terminates,
                mark,
                merge_adjacent_texts([else_text]),
            )
        )
        self.absorb_branch(branch)
        if not branch.terminates:
            self.is_at_document_start = self.is_at_document_start and branch.is_at_document_start

    def compile_branch(self, steps: Sequence[Any], path: SourcePath, *, line_answered: bool | None = None) -> NodeCompiler:
        """Compile the steps of a verb's branch. Steps that must run on arrival are fetched when the call arrives."""
        branch = self.make_branch(line_answered=line_answered)
        if steps_need_own_node(steps) and not self.is_static:
            after = None if self.inside_branch else (self.node, self.step_index + 1)
            branch.write_goto(self.flow_compiler.add_branch_node(self.node, steps, path, after), path)
        else:
            branch.compile_steps(steps, path)
        return branch

    def record_stored_value(self, name: str, sample: object, path: SourcePath, first_carrying_step: int) -> None:
        """Record an estimate of a stored value.

        ``first_carrying_step`` is the first step with a ticket that may carry the value.
        """
        if self.always_reached:
            self.flow_compiler.flow_graph.store_steps[name].add((self.node, self.step_index))
        if sample is not None:
            written = json.dumps(sample, ensure_ascii=False, separators=(",", ":"))
            self.flow_compiler.ticket_links.stored_values.append(
                StoredValueEstimate(name, written, self.node, self.step_index, first_carrying_step, path)
            )

    # Transfers

    def write_goto(self, node: str, path: SourcePath) -> None:
        """End here and continue at a node, placed inline or fetched."""
        self.terminates = True
        if self.is_static:
            fix = "say what is to be said, and hang up"
            self.error(path, "fallback-not-static", "the fallback cannot go to a node", fix)
            return
        if not self.check_target_node(node, path):
            return
        if self.is_silent:
            self.flow_compiler.flow_graph.silent_edges[self.node].add(node)
        if not self.has_waited:
            self.flow_compiler.flow_graph.nonwaiting_edges[self.node].add(node)
        self._write_transfer(node, NodeEntry(line_answered=self.line_answered))

    def write_resume(self, step_index: int) -> None:
        """End here and continue at a later step of this node."""
        self.terminates = True
        self._write_transfer(self.node, NodeEntry(step_index, line_answered=self.line_answered))

    def write_continuation(self, node: str, step_index: int) -> None:
        """End here and continue at a step of another node, to which these steps belong."""
        self.terminates = True
        self._write_transfer(node, NodeEntry(step_index, line_answered=self.line_answered))

    def _write_transfer(self, node: str, entry: NodeEntry) -> None:
        self.flow_compiler.flow_graph.add_edge(self.node, StepEdge(self.step_index, node, entry.step, is_fetched=False))
        if self.answering_conditions and not self.line_answered:
            self.ensure_answered()
            entry = entry._replace(line_answered=True)
        inlined = self.flow_compiler.compile_inline_node(node, entry)
        if inlined is None or (inlined.has_actions and not self.is_at_document_start):
            self.write_fetch(node, entry)
        else:
            self.insert_shared_fragments(inlined)

    def check_target_node(self, node: str, path: SourcePath) -> bool:
        """Return True if the node exists, and record the edge. Reports an unknown node."""
        nodes = self.flow_compiler.nodes
        if node == UNREADABLE_TEXT:
            self.flow_compiler.flow_graph.is_incomplete = True
            return False
        if node not in nodes:
            near = find_nearest(node, nodes)
            fix = f"did you mean {near!r}?" if near else f"there are {', '.join(self.flow_compiler.flow_file.nodes)}"
            self.error(path, "unknown-node", f"no node is named {node!r}", fix)
            self.flow_compiler.flow_graph.edges[self.node].update([near] if near else [])
            return False
        self.flow_compiler.flow_graph.edges[self.node].add(node)
        return True

    def write_fetch(self, node: str, entry: NodeEntry) -> None:
        """Continue in a separate document, or with the fallback if the document cannot be fetched."""
        url = self.add_document_url_placeholder(node, entry)
        sorry = Error(self.add_fragments_placeholder([self.render_fallback()]))
        self.write_verbs(Callback(sorry, url=url, method="GET", timeout=CALLBACK_TIMEOUT_MS))
        self.terminates = True

    def add_document_url_placeholder(self, node: str, entry: NodeEntry) -> str:
        """Return a placeholder for the signed URL of a document."""
        self.flow_compiler.flow_graph.add_edge(self.node, StepEdge(self.step_index, node, entry.step, is_fetched=True))
        self.dynamic_reasons.setdefault(
            ("nodes", self.node, self.step_index), f"it goes on at {node!r} in a document of its own"
        )
        return self.add_url_placeholder(self.flow_compiler.make_url_hole(node, entry))

    def render_fallback(self) -> str:
        """Return the fallback as part of a document, without ``<Answer/>`` if the line is answered."""
        fallback = self.flow_compiler.fallback_xml
        answers = self.line_answered and strip_coverage_comments(fallback).startswith("<Answer/>")
        return fallback.replace("<Answer/>", "", 1) if answers else fallback
