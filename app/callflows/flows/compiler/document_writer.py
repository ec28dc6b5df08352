"""The document writer: renders the verbs of steps to XML and splits the XML into fragments.

A text that changes from call to call is a placeholder in the verb, and the rendered XML is split at the placeholders. So
the language checks every step, and no rendered text can change the structure of a document.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Final

from callflows.errors import DialectError, LanguageError
from callflows.flows.audible_verbs import CONDITIONAL_VERBS, breaks_silence, covers_every_call
from callflows.flows.compiler.fragments import (
    DOCUMENT_EPILOGUE,
    DOCUMENT_PROLOGUE,
    ActionFragment,
    ConditionalFragment,
    FilledElementFragment,
    PlacedHole,
    StepPlace,
    all_fragments_constant,
)
from callflows.flows.compiler.line_answering import VERBS_NEEDING_ANSWER, make_must_answer_condition
from callflows.flows.compiler.progress import NOTHING_YET, Progress
from callflows.flows.coverage_points import STEP_POINT
from callflows.flows.decisions import DecisionOrigin
from callflows.flows.entry_points import SilentEnd
from callflows.language import (
    Answer,
    Callback,
    Dial,
    Error,
    Gather,
    Hangup,
    Hold,
    Pause,
    Play,
    Record,
    Response,
    Say,
    To,
    Tone,
    to_xml,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from callflows.flows.compiler.compiling_flow import CompilingFlow
    from callflows.flows.compiler.fragments import Fragment, Hole
    from callflows.flows.compiler.line_answering import RememberedCondition
    from callflows.flows.entry_points import Silence
    from callflows.flows.source.positions import SourcePath
    from callflows.language.element import Element
    from callflows.language.verbs import Command
    from callflows.telephony.turn import Turn

    CommentMaker = Callable[[str, int, str, SourcePath, bool], str]
    """Makes a coverage comment from the node, the step's index, the label, the path, and True for the path's key."""


_AUDIBLE_VERBS: Final = (Say, Play, Tone, Gather, Record, Hold, Dial, Pause)
_WAITING_VERBS: Final = (Gather, Record, Dial, Hold)
_PLACEHOLDER: Final = re.compile(
    "<Say>\ufdd3([0-9]+)\ufdd1</Say>|(?:http://\ufdd2)?\ufdd0([0-9]+)\ufdd1|"
    "<(?:To|Sip)>place([0-9]+)@targets[.]invalid</(?:To|Sip)>"
)


_WHOLE_BRANCH: Final = re.compile("\ufdd3([0-9]+)\ufdd1")


def _holds_only_branches(element: Element) -> bool:
    """Return True if what is in an element is compiled separately, and may render nothing in a call."""
    commands = [child for child in element.children if not isinstance(child, Error)]
    return bool(commands) and all(
        isinstance(child, Say) and "\ufdd3" in str(child.attributes.get("text", "")) for child in commands
    )


class DocumentWriter:
    """Collects the fragments of a document, or of a branch, and tracks the call's progress through the verbs."""

    def __init__(
        self,
        flow: CompilingFlow,
        node: str,
        make_coverage_comment: CommentMaker,
        *,
        progress: Progress = NOTHING_YET,
        is_static: bool = False,
    ) -> None:
        """``is_static``: no part may depend on a call (the fallback)."""
        self._flow = flow
        self._make_coverage_comment = make_coverage_comment
        self.node = node
        self.is_static = is_static
        self.step_index = 0
        """Index of the current step in the node."""
        self.step_key = ""
        """Key of the current step."""
        self.fragments: list[Fragment] = []
        self.progress = progress
        self.has_actions = False
        """True if actions run while the document is rendered."""
        self.dynamic_reasons: dict[SourcePath, str] = {}
        """Reasons why the document depends on a call, by path."""
        self.answering_conditions: list[RememberedCondition] = []
        """Conditions under which the line is already answered."""
        self.size = 0
        self.depth = 1
        self._placeholder_values: list[PlacedHole | tuple[Fragment, ...]] = []
        self._silences_of_branches: frozenset[Silence] = frozenset()
        """Silences of the branches in the next verb, at whose end the call goes on after the verb."""
        self._has_speaking_branch = False
        """True if the caller hears something in a branch of the next verb, or the call ends there."""
        self._quiet_branches: set[int] = set()
        """Placeholders of the branches in the next verb at whose end the caller may have heard nothing."""
        self._speaking_conditions: list[Element] = []
        """Conditions on the call within which the caller hears something, or the call ends."""

    def make_branch_writer(self, progress: Progress) -> DocumentWriter:
        """Return an empty writer for a branch that begins here."""
        branch = DocumentWriter(
            self._flow, self.node, self._make_coverage_comment, progress=progress, is_static=self.is_static
        )
        branch.step_index, branch.step_key = self.step_index, self.step_key
        branch.answering_conditions = [*self.answering_conditions]
        return branch

    @property
    def place(self) -> StepPlace:
        """The current step, which fragments name as their origin."""
        return StepPlace(self.node, self.step_index, self.step_key)

    def end(self) -> None:
        """Mark the end of the document: the following steps are never reached from here."""
        self.progress = dataclasses.replace(self.progress, ends=True)

    def add_silent_end(self, path: SourcePath, message: str, fix: str) -> None:
        """Note that a call which gets here must hear something before it ends."""
        if not self._flow.report.suppresses_warnings:
            self.add_silences({SilentEnd(path, message, fix)})

    def add_silences(self, silences: AbstractSet[Silence]) -> None:
        """Note that the caller may have heard nothing since these points."""
        self.progress = dataclasses.replace(self.progress, silences=self.progress.silences | silences)

    # Fragments

    def add_fragment(self, fragment: Fragment, size: int, depth: int) -> None:
        """Add a fragment of ``size`` bytes and ``depth`` nested elements."""
        self.fragments.append(fragment)
        self.size += size
        self.depth = max(self.depth, depth)

    def merge_branch_properties(self, other: DocumentWriter, *, depth: int = 0) -> None:
        """Add the properties of a separately compiled branch, which is placed ``depth`` elements deep."""
        self.size += other.size
        self.depth = max(self.depth, other.depth + depth)
        self.has_actions = self.has_actions or other.has_actions
        self.dynamic_reasons |= other.dynamic_reasons

    def merge_sequence_properties(self, other: DocumentWriter) -> None:
        """Add the properties and the progress of fragments that every call passes."""
        self.merge_branch_properties(other)
        self.progress = self.progress.then(other.progress)

    def insert_shared_fragments(self, other: DocumentWriter) -> None:
        """Add fragments that may occur several times in the document."""
        self.fragments += (
            other.fragments if all_fragments_constant(other.fragments) else [self._flow.share_branch(other.fragments)]
        )
        self.merge_sequence_properties(other)

    def add_action(self, action: Callable[[Turn], None], path: SourcePath, reason: str) -> None:
        """Run an action while the document is rendered. ``reason`` tells why the document depends on the call."""
        self.fragments.append(ActionFragment(action, self.place))
        self.has_actions = True
        self.dynamic_reasons.setdefault(path, reason)

    def add_pure_action(self, action: Callable[[Turn], None]) -> None:
        """Run an action without lasting effect. The action may run before the call reaches this step."""
        self.fragments.append(ActionFragment(action, self.place))

    def make_decision_origin(self, step_key: str, rule: str, used_names: Iterable[str] = ()) -> DecisionOrigin:
        """Return the origin of a decision in the current step, for the trail."""
        return DecisionOrigin(self.node, self.step_index, step_key, rule, frozenset(used_names), self._flow.secret_names)

    # Coverage points

    def make_coverage_comment(self, label: str, path: SourcePath, *, key: bool = False) -> str:
        """Return a coverage comment for this place. The comment is empty in documents for live calls."""
        return self._make_coverage_comment(self.node, self.step_index, label, path, key)

    def write_coverage_comment(self, label: str, path: SourcePath, *, key: bool = False) -> None:
        """Write a coverage comment in a document for a rehearsal, otherwise a mark. Neither counts as size."""
        comment = self.make_coverage_comment(label, path, key=key)
        if comment:
            self.fragments.append(comment)
        elif self._has_places:
            self.fragments.append(self._flow.coverage_recorder.make_mark(self.node, label, path, key=key))

    def write_step_mark(self, path: SourcePath) -> None:
        """Mark the place of the step that is compiled next."""
        if self._has_places:
            label = f"{STEP_POINT} {self.step_index + 1}"
            self.fragments.append(self._flow.coverage_recorder.make_mark(self.node, label, path))

    @property
    def _has_places(self) -> bool:
        """True in a document that calls get: not in the fallback, and not for rules about messages."""
        return not self.is_static and not self.node.endswith(":")

    def prepend_coverage_comment(self, label: str, path: SourcePath, *commands: Command) -> list[Command]:
        """Return the verbs for an element, after a coverage comment or a mark."""
        note: Fragment = self.make_coverage_comment(label, path)
        if not note and self._has_places:
            note = self._flow.coverage_recorder.make_mark(self.node, label, path)
        return [*([self.add_fragments_placeholder([note])] if note else []), *commands]

    # Placeholders

    def add_placeholder(self, hole: Hole) -> str:
        """Return a placeholder for the output of ``hole``."""
        self._placeholder_values.append(PlacedHole(hole, self.place))
        return f"\ufdd0{len(self._placeholder_values) - 1}\ufdd1"

    def add_url_placeholder(self, hole: Hole) -> str:
        """Return a placeholder for a whole URL."""
        return f"http://\ufdd2{self.add_placeholder(hole)}"

    def add_branch_placeholder(self, other: DocumentWriter) -> Say:
        """Return a placeholder verb for a separately compiled branch, to place in the next element."""
        self.merge_branch_properties(other, depth=3)
        self.note_branch(other)
        if not other.progress.ends and not other.progress.silence_broken:
            self._quiet_branches.add(len(self._placeholder_values))
        return self.add_fragments_placeholder(other.fragments)

    def note_branch(self, other: DocumentWriter) -> None:
        """Note whether something is heard in a branch of the next verb, also if the branch is not written."""
        self._has_speaking_branch |= other.progress.ends or other.progress.silence_broken
        if not other.progress.ends:
            self._silences_of_branches |= other.progress.silences

    def add_fragments_placeholder(self, fragments: Sequence[Fragment]) -> Say:
        """Return a placeholder verb for fragments."""
        self._placeholder_values.append(tuple(fragments))
        return Say(f"\ufdd3{len(self._placeholder_values) - 1}\ufdd1")

    def add_target_placeholder(self, fragments: Sequence[Fragment]) -> To:
        """Return a placeholder target for fragments. Each fragment renders one whole element or an empty text."""
        self._placeholder_values.append(tuple(fragments))
        return To(f"place{len(self._placeholder_values) - 1}@targets.invalid")

    # Verbs

    def write_verbs(self, *elements: Command, path: SourcePath = ()) -> None:
        """Write verbs, and answer the line before the first verb that needs an answered line."""
        for element in elements:
            if isinstance(element, VERBS_NEEDING_ANSWER):
                self.ensure_answered()
            try:
                written = to_xml(Response(element), self._flow.dialect, extensions=self._flow.options.extensions).decode()
            except DialectError as error:
                self._flow.report.error(path, "dialect", error.reason, "write it in the other dialect, or without it")
                continue
            except LanguageError as error:
                self._flow.report.error(path, "verb", str(error))
                continue
            begin = len(self.fragments)
            if self.is_static or not self._flow.report.breaks_flow:
                self._split_at_placeholders(written[len(DOCUMENT_PROLOGUE) : -len(DOCUMENT_EPILOGUE)])
            fragments = self.fragments[begin:]
            if isinstance(element, Record) and _holds_only_branches(element) and not all_fragments_constant(fragments):
                # an empty Record would record the caller instead of the conversation
                self.fragments[begin:] = [FilledElementFragment(tuple(fragments))]
            self._track_verb(element)
        self._placeholder_values.clear()
        self._quiet_branches.clear()
        self._has_speaking_branch = False

    def _track_verb(self, element: Command) -> None:
        self.depth = max(self.depth, element.depth)
        is_audible = isinstance(element, _AUDIBLE_VERBS)
        if isinstance(element, Callback) and not any(isinstance(child, Error) for child in element.children):
            self._flow.record_failing_callback(self.node, self.progress.silences)
        elif isinstance(element, Callback):
            self._flow.record_failing_callback(self.node, self._silences_of_branches)
        self.progress = self.progress.then(
            Progress(
                ends=isinstance(element, (Hangup, Callback)),
                answered=isinstance(element, Answer),
                heard=is_audible,
                waited=isinstance(element, _WAITING_VERBS),
                moved_on=is_audible,
                silence_broken=self._breaks_silence(element),
                silences=self._silences_of_branches,
            )
        )
        self._silences_of_branches = frozenset()

    def _breaks_silence(self, element: Command) -> bool:
        """Return True if every caller hears something at this verb."""
        if isinstance(element, CONDITIONAL_VERBS):
            if self._has_speaking_branch:
                self._speaking_conditions.append(element)
            return covers_every_call(self._speaking_conditions)
        if isinstance(element, Say):
            branch = _WHOLE_BRANCH.fullmatch(str(element.attributes.get("text", "")))
            if branch:
                return int(branch[1]) not in self._quiet_branches
        return breaks_silence(element)

    def _split_at_placeholders(self, xml: str) -> None:
        at = 0
        for mark in _PLACEHOLDER.finditer(xml):
            self._add_text(xml[at : mark.start()])
            hole = self._placeholder_values[int(mark[1] or mark[2] or mark[3])]
            if isinstance(hole, tuple):
                self.fragments += hole if all_fragments_constant(hole) else [self._flow.share_branch(hole)]
            else:
                self.add_fragment(hole, 64, 1)
            at = mark.end()
        self._add_text(xml[at:])

    def _add_text(self, text: str) -> None:
        if text:
            self.add_fragment(text, len(text), 1)

    def ensure_answered(self) -> None:
        """Write ``<Answer/>`` if the line is not answered yet.

        Writes no verb in the classic dialect or with ``auto_answer: false``. With ``auto`` the app may answer itself, so
        the verb is conditional, except in a standalone document.
        """
        if self.progress.answered:
            return
        self.progress = dataclasses.replace(self.progress, answered=True)
        mode = self._flow.flow_file.auto_answer
        if self._flow.dialect == "classic" or mode == "false":
            return
        always = mode == "true" or self._flow.options.standalone
        if self.is_static or (always and not self.answering_conditions):
            self._add_text("<Answer/>")
        else:
            holds = make_must_answer_condition(self.answering_conditions, always=always)
            self.add_fragment(ConditionalFragment(holds, ("<Answer/>",), terminates=False), len("<Answer/>"), 1)
