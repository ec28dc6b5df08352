"""What steps write on: verbs, whose XML is cut into pieces.

What a step writes are verbs; where a text changes from call to call a mark stands in the verb, and the written XML is
cut at its marks into pieces. So the language itself checks every step, and no rendered text can change a document's shape.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from callflows.errors import DialectError, LanguageError
from callflows.flows.compiler.fragments import (
    DOCUMENT_EPILOGUE,
    DOCUMENT_PROLOGUE,
    ActionFragment,
    ConditionalFragment,
    all_fragments_constant,
)
from callflows.flows.compiler.line_answering import make_must_answer_condition
from callflows.flows.decisions import DecisionOrigin
from callflows.language import (
    Answer,
    Callback,
    Dial,
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

    from callflows.flows.compiler.flow_compiler import FlowCompiler
    from callflows.flows.compiler.fragments import Fragment, Hole
    from callflows.flows.compiler.line_answering import RememberedCondition
    from callflows.flows.source.positions import SourcePath
    from callflows.language import Dialect
    from callflows.language.verbs import Command
    from callflows.telephony.turn import Turn


_VERBS_NEEDING_ANSWER: Final = (Say, Play, Tone, Gather, Record, Hold)


_AUDIBLE_VERBS: Final = (Say, Play, Tone, Gather, Record, Hold, Dial, Pause)


_WAITING_VERBS: Final = (Gather, Record, Dial, Hold)


_PLACEHOLDER: Final = re.compile(
    "<Say>\ufdd3([0-9]+)\ufdd1</Say>|(?:http://\ufdd2)?\ufdd0([0-9]+)\ufdd1|<(?:To|Sip)>place([0-9]+)@targets[.]invalid</(?:To|Sip)>"
)


class DocumentWriter:
    """Pieces while they are written, and what is known of them.

    ``static``: nothing may depend on a call (the fallback). ``step`` is the index of the node's step that is being written.
    """

    def __init__(
        self, flow_compiler: FlowCompiler, node: str, *, line_answered: bool = False, is_static: bool = False
    ) -> None:
        self.flow_compiler = flow_compiler
        self.node = node
        self.line_answered = line_answered
        self.is_static = is_static
        self.step_index = 0
        self.fragments: list[Fragment] = []
        self.terminates = False
        self.is_silent = True
        """Whether nothing was said yet, and nobody was waited for."""
        self.only_answers_or_ends = True
        """Whether nothing is written but that the line is answered, or that the call ends."""
        self.has_waited = False
        """Whether the caller, or somebody who is dialled, was waited for."""
        self.is_at_document_start = True
        """Whether the call is here when the document is written: nothing was heard before, nobody waited for."""
        self.has_actions = False
        """Whether something is done when the document is written."""
        self.dynamic_reasons: dict[SourcePath, str] = {}
        """Why the document depends on a call, by place."""
        self.answering_conditions: list[RememberedCondition] = []
        """Conditions under which the line was answered already."""
        self.size = 0
        self.depth = 1
        self._placeholder_values: list[Hole | tuple[Fragment, ...]] = []

    @property
    def dialect(self) -> Dialect:
        """The dialect that is written."""
        return self.flow_compiler.dialect

    def error(self, path: SourcePath, rule: str, message: str, fix: str = "", *, key: bool = False, line: int = 0) -> None:
        """Something is wrong at ``path``."""
        self.flow_compiler.report.error(path, rule, message, fix, key=key, line=line)

    def warning(self, path: SourcePath, rule: str, message: str, fix: str = "", *, key: bool = False) -> None:
        """Something is probably not meant."""
        self.flow_compiler.report.warning(path, rule, message, fix, key=key)

    # Pieces

    def add_fragment(self, fragment: Fragment, size: int, depth: int) -> None:
        """Write a piece of that many bytes and elements inside each other."""
        self.fragments.append(fragment)
        self.size += size
        self.depth = max(self.depth, depth)

    def absorb_branch(self, other: DocumentWriter, *, depth: int = 0) -> None:
        """Note what is known of pieces that were written apart, and stand in here that many elements deep."""
        self.size += other.size
        self.depth = max(self.depth, other.depth + depth)
        self.has_actions = self.has_actions or other.has_actions
        self.dynamic_reasons |= other.dynamic_reasons

    def absorb_sequence(self, other: DocumentWriter) -> None:
        """As ``absorb``, of pieces that every call comes through."""
        self.absorb_branch(other)
        self.is_silent, self.is_at_document_start = (
            self.is_silent and other.is_silent,
            self.is_at_document_start and other.is_at_document_start,
        )
        self.only_answers_or_ends = self.only_answers_or_ends and other.only_answers_or_ends
        self.has_waited = self.has_waited or other.has_waited

    def insert_shared_fragments(self, other: DocumentWriter) -> None:
        """Write a run that may stand in the document more than once."""
        self.fragments += (
            other.fragments
            if all_fragments_constant(other.fragments)
            else [self.flow_compiler.share_branch(other.fragments)]
        )
        self.absorb_sequence(other)

    def add_action(self, action: Callable[[Turn], None], path: SourcePath, reason: str) -> None:
        """Do something while the document is written."""
        self.fragments.append(ActionFragment(action))
        self.has_actions = True
        self.dynamic_reasons.setdefault(path, reason)

    def add_pure_action(self, action: Callable[[Turn], None]) -> None:
        """Work something out that changes nothing, so that it may be done before the call gets there."""
        self.fragments.append(ActionFragment(action))

    def make_decision_origin(self, word: str, rule: str, used_names: Iterable[str] = ()) -> DecisionOrigin:
        """Where in the flow something is decided, for the trail."""
        return DecisionOrigin(
            self.node, self.step_index, word, rule, frozenset(used_names), self.flow_compiler.secret_names
        )

    # Spots

    def make_coverage_comment(self, label: str, path: SourcePath, *, key: bool = False) -> str:
        """That a call comes by here, as documents of rehearsals say it; nothing in others."""
        return self.flow_compiler.coverage_recorder.make_comment(self.node, label, path, key=key)

    def write_coverage_comment(self, label: str, path: SourcePath, *, key: bool = False) -> None:
        """Write that a call comes by here, where the document is for a rehearsal; it takes no room."""
        comment = self.make_coverage_comment(label, path, key=key)
        if comment:
            self.fragments.append(comment)

    def prepend_coverage_comment(self, label: str, path: SourcePath, *commands: Command) -> list[Command]:
        """Verbs for an element, with a note before them."""
        comment = self.make_coverage_comment(label, path)
        return [*([self.add_fragments_placeholder([comment])] if comment else []), *commands]

    # Marks

    def add_placeholder(self, hole: Hole) -> str:
        """A mark that stands for what ``hole`` gives."""
        self._placeholder_values.append(hole)
        return f"\ufdd0{len(self._placeholder_values) - 1}\ufdd1"

    def add_url_placeholder(self, hole: Hole) -> str:
        """A mark that stands for a whole URL."""
        return f"http://\ufdd2{self.add_placeholder(hole)}"

    def embed_branch(self, other: DocumentWriter) -> Say:
        """A verb that stands for a run that was written apart, in the element that is written next."""
        self.absorb_branch(other, depth=3)
        return self.add_fragments_placeholder(other.fragments)

    def add_fragments_placeholder(self, fragments: Sequence[Fragment]) -> Say:
        """A verb that stands for pieces."""
        self._placeholder_values.append(tuple(fragments))
        return Say(f"\ufdd3{len(self._placeholder_values) - 1}\ufdd1")

    def add_target_placeholder(self, fragments: Sequence[Fragment]) -> To:
        """A target that stands for pieces: a whole element each, or nothing."""
        self._placeholder_values.append(tuple(fragments))
        return To(f"place{len(self._placeholder_values) - 1}@targets.invalid")

    # Verbs

    def write_verbs(self, *elements: Command, path: SourcePath = ()) -> None:
        """Write verbs, answering the line before the first that needs it."""
        for element in elements:
            if isinstance(element, _VERBS_NEEDING_ANSWER):
                self.ensure_answered()
            try:
                written = to_xml(Response(element), self.dialect, extensions=self.flow_compiler.options.extensions).decode()
            except DialectError as error:
                self.error(path, "dialect", error.reason, "write it in the other dialect, or without it")
                continue
            except LanguageError as error:
                self.error(path, "verb", str(error))
                continue
            if self.is_static or not self.flow_compiler.report.has_errors:
                self._split_at_placeholders(written[len(DOCUMENT_PROLOGUE) : -len(DOCUMENT_EPILOGUE)])
            self._track_verb(element)
        self._placeholder_values.clear()

    def _track_verb(self, element: Command) -> None:
        self.depth = max(self.depth, element.depth)
        heard = isinstance(element, _AUDIBLE_VERBS)
        self.is_silent, self.is_at_document_start = self.is_silent and not heard, self.is_at_document_start and not heard
        self.only_answers_or_ends = self.only_answers_or_ends and isinstance(element, (Answer, Hangup))
        self.has_waited = self.has_waited or isinstance(element, _WAITING_VERBS)
        self.line_answered = self.line_answered or isinstance(element, Answer)
        self.terminates = self.terminates or isinstance(element, (Hangup, Callback))

    def _split_at_placeholders(self, xml: str) -> None:
        """Cut XML at its marks into pieces."""
        at = 0
        for mark in _PLACEHOLDER.finditer(xml):
            self._add_text(xml[at : mark.start()])
            hole = self._placeholder_values[int(mark[1] or mark[2] or mark[3])]
            if isinstance(hole, tuple):
                self.fragments += hole if all_fragments_constant(hole) else [self.flow_compiler.share_branch(hole)]
            else:
                self.add_fragment(hole, 64, 1)
            at = mark.end()
        self._add_text(xml[at:])

    def _add_text(self, text: str) -> None:
        if text:
            self.add_fragment(text, len(text), 1)

    def ensure_answered(self) -> None:
        """``<Answer/>`` where the line needs it: the dialect has it, the file wants it, the app does not do it itself."""
        if self.line_answered:
            return
        self.line_answered = True
        mode = self.flow_compiler.flow_file.auto_answer
        if self.dialect == "classic" or mode == "false":
            return
        always = mode == "true" or self.flow_compiler.options.standalone
        if self.is_static or (always and not self.answering_conditions):
            self._add_text("<Answer/>")
        else:
            holds = make_must_answer_condition(self.answering_conditions, always=always)
            self.add_fragment(ConditionalFragment(holds, ("<Answer/>",), terminates=False), len("<Answer/>"), 1)
