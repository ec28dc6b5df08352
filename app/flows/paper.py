"""What steps write on: verbs, whose XML is cut into pieces.

What a step writes are verbs; where a text changes from call to call a mark stands in the verb, and the written XML is
cut at its marks into pieces. So the language itself checks every step, and no rendered text can change a document's shape.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from app.errors import BuildError, DialectError, ExpressionError, LanguageError
from app.flows.pieces import EPILOGUE, PROLOGUE, Act, Choice, constant
from app.flows.trail import Mark
from app.language import (
    Answer,
    Callback,
    Dial,
    Gather,
    Hangup,
    Hold,
    Meta,
    Pause,
    Play,
    Record,
    Response,
    Say,
    To,
    Tone,
    to_xml,
)
from app.language.values import URL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from app.calls import Turn
    from app.flows.compiler import Compiler
    from app.flows.expressions.doubts import Doubt
    from app.flows.pieces import Hole, Piece
    from app.flows.places import Path
    from app.flows.prompts import Condition, Text
    from app.language import Dialect
    from app.language.verbs import Command

_NEEDS_ANSWER: Final = (Say, Play, Tone, Gather, Record, Hold)
_HEARD: Final = (Say, Play, Tone, Gather, Record, Hold, Dial, Pause)
_ASKED: Final = (Gather, Record, Dial, Hold)
_MARK: Final = re.compile(
    "<Say>\ufdd3([0-9]+)\ufdd1</Say>|(?:http://\ufdd2)?\ufdd0([0-9]+)\ufdd1|<(?:To|Sip)>place([0-9]+)@targets[.]invalid</(?:To|Sip)>"
)
_TEMPLATE: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


class Paper:
    """Pieces while they are written, and what is known of them.

    ``static``: nothing may depend on a call (the fallback). ``step`` is the index of the node's step that is being written.
    """

    def __init__(self, compiler: Compiler, node: str, *, answered: bool = False, static: bool = False) -> None:
        self.compiler = compiler
        self.node = node
        self.answered = answered
        self.static = static
        self.step = 0
        self.pieces: list[Piece] = []
        self.ends = False
        self.silent = True
        """Whether nothing was said yet, and nobody was waited for."""
        self.mute = True
        """Whether nothing is written but that the line is answered, or that the call ends."""
        self.asked = False
        """Whether the caller, or somebody who is dialled, was waited for."""
        self.here = True
        """Whether the call is here when the document is written: nothing was heard before, nobody waited for."""
        self.does = False
        """Whether something is done when the document is written."""
        self.why: dict[Path, str] = {}
        """Why the document depends on a call, by place."""
        self.answered_where: list[Once] = []
        """Conditions under which the line was answered already."""
        self.size = 0
        self.depth = 1
        self._holes: list[Hole | tuple[Piece, ...]] = []

    @property
    def dialect(self) -> Dialect:
        """The dialect that is written."""
        return self.compiler.dialect

    def error(self, path: Path, rule: str, message: str, mend: str = "", *, key: bool = False, line: int = 0) -> None:
        """Something is wrong at ``path``."""
        self.compiler.report.error(path, rule, message, mend, key=key, line=line)

    def warning(self, path: Path, rule: str, message: str, mend: str = "", *, key: bool = False) -> None:
        """Something is probably not meant."""
        self.compiler.report.warning(path, rule, message, mend, key=key)

    # Pieces

    def add(self, piece: Piece, size: int, depth: int) -> None:
        """Write a piece of that many bytes and elements inside each other."""
        self.pieces.append(piece)
        self.size += size
        self.depth = max(self.depth, depth)

    def absorb(self, other: Paper, *, depth: int = 0) -> None:
        """Note what is known of pieces that were written apart, and stand in here that many elements deep."""
        self.size += other.size
        self.depth = max(self.depth, other.depth + depth)
        self.does = self.does or other.does
        self.why |= other.why

    def take(self, other: Paper) -> None:
        """As ``absorb``, of pieces that every call comes through."""
        self.absorb(other)
        self.silent, self.here = self.silent and other.silent, self.here and other.here
        self.mute = self.mute and other.mute
        self.asked = self.asked or other.asked

    def repeat(self, other: Paper) -> None:
        """Write a run that may stand in the document more than once."""
        self.pieces += other.pieces if constant(other.pieces) else [self.compiler.branch(other.pieces)]
        self.take(other)

    def act(self, do: Callable[[Turn], None], path: Path, why: str) -> None:
        """Do something while the document is written."""
        self.pieces.append(Act(do))
        self.does = True
        self.why.setdefault(path, why)

    def act_quietly(self, do: Callable[[Turn], None]) -> None:
        """Work something out that changes nothing, so that it may be done before the call gets there."""
        self.pieces.append(Act(do))

    def mark_of(self, word: str, rule: str, uses: Iterable[str] = ()) -> Mark:
        """Where in the flow something is decided, for the trail."""
        return Mark(self.node, self.step, word, rule, frozenset(uses), self.compiler.secrets)

    # Texts

    def say(self, text: str, path: Path) -> Say:
        """A Say in the file's voice."""
        self.spoken(text, path)
        return Say(self.prose(text, path), **cast("Any", self.compiler.voice))

    def spoken(self, text: object, path: Path) -> None:
        """Say that there is nothing to be said."""
        if isinstance(text, str) and not text.strip() and not self.compiler.report.place(path).cut:
            self.warning(
                path, "empty-text", "the text is empty: callers hear nothing", "write what is to be said, or take it out"
            )

    def metas(self, given: Mapping[str, object], path: Path) -> list[Meta]:
        """``{name: value}`` as Metas."""
        made = []
        for name, value in given.items():
            if not isinstance(value, str):
                self.error((*path, name), "value", f"meta: {name}: must be a text")
                continue
            try:
                made.append(Meta(self.prose(value, (*path, name)), name=name))
            except BuildError as error:
                self.error((*path, name), "value", f"meta: {error}")
        return made

    def prose(self, text: str, path: Path, *, url: bool = False) -> str:
        """A text that callers hear, or a URL; refused where a comment cut it short."""
        self.whole(path)
        return self.text(text, path, url=url)

    def whole(self, path: Path) -> None:
        """Refuse a text that a comment cut short."""
        cut = self.compiler.report.place(path).cut
        if cut:
            said = f"YAML takes {cut!r} for a comment and the text ends before it"
            self.error(path, "comment-in-text", said, "quote the text")

    def text(self, source: str, path: Path, *, url: bool = False) -> str:
        """An author's text for a verb: itself, or a mark where it changes from call to call."""
        text = self.template(source, path, url=url)
        if text is None:
            return source if url else ""
        if text.constant is not None:
            return text.constant
        hole = self.compiler.hole(text, url=url)
        if not url:
            return self.mark(hole)
        try:
            URL.read(_TEMPLATE.sub("x", source))
        except ValueError as error:
            self.error(path, "value", f"url: {error}", "write its scheme and host; what is in braces is percent-encoded")
        return self.mark_url(hole)

    def template(self, source: str, path: Path, *, url: bool = False) -> Text | None:
        """An author's text, compiled; None, with an error said, where it cannot be."""
        try:
            text = self.compiler.prompts.text(source, url=url)
        except ExpressionError as error:
            self.error(path, "template", str(error), error.mend, line=error.line)
            return None
        if text.constant is None:
            if self.static:
                said = "the fallback needs nothing but itself, and this text needs the call"
                self.error(path, "fallback-not-static", said)
            self.uses(text, path, f"the text asks for {_listed(text.uses)}")
        self._doubt(text.doubts, path)
        return text

    def expression(self, source: str, path: Path, key: str) -> Condition | None:
        """An author's expression, compiled; None, with an error said, where it is none."""
        if self.static:
            said = "the fallback needs nothing but itself, and this condition needs the call"
            self.error(path, "fallback-not-static", said)
        try:
            made = self.compiler.prompts.condition(source)
        except ExpressionError as error:
            self.error(path, "expression", f"{key}: {error}", error.mend)
            return None
        self.uses(made, path, f"the condition asks for {_listed(made.uses)}")
        self._doubt(
            [doubt for doubt in made.doubts if key == "when" or doubt.rule != "constant-condition"], path, f"{key}: "
        )
        return made

    def _doubt(self, doubts: Iterable[Doubt], path: Path, key: str = "") -> None:
        """Say what is doubtful about a condition."""
        for severity, rule, message, mend in doubts:
            (self.error if severity == "error" else self.warning)(path, rule, f"{key}{message}", mend)

    def uses(self, made: Condition | Text, path: Path, why: str) -> None:
        """Note what this node looks at."""
        self.why.setdefault(path, why)
        self.compiler.looked_at(self.node, made.uses, path)

    def mark(self, hole: Hole) -> str:
        """A mark that stands for what ``hole`` gives."""
        self._holes.append(hole)
        return f"\ufdd0{len(self._holes) - 1}\ufdd1"

    def mark_url(self, hole: Hole) -> str:
        """A mark that stands for a whole URL."""
        return f"http://\ufdd2{self.mark(hole)}"

    def place(self, other: Paper) -> Say:
        """A verb that stands for a run that was written apart, in the element that is written next."""
        self.absorb(other, depth=3)
        return self.stand_in(other.pieces)

    def stand_in(self, pieces: Sequence[Piece]) -> Say:
        """A verb that stands for pieces."""
        self._holes.append(tuple(pieces))
        return Say(f"\ufdd3{len(self._holes) - 1}\ufdd1")

    def target(self, pieces: Sequence[Piece]) -> To:
        """A target that stands for pieces: a whole element each, or nothing."""
        self._holes.append(tuple(pieces))
        return To(f"place{len(self._holes) - 1}@targets.invalid")

    # Verbs

    def write(self, *elements: Command, path: Path = ()) -> None:
        """Write verbs, answering the line before the first that needs it."""
        for element in elements:
            if isinstance(element, _NEEDS_ANSWER):
                self.answer()
            try:
                written = to_xml(Response(element), self.dialect, extensions=self.compiler.options.extensions).decode()
            except DialectError as error:
                self.error(path, "dialect", error.reason, "write it in the other dialect, or without it")
                continue
            except LanguageError as error:
                self.error(path, "verb", str(error))
                continue
            if self.static or not self.compiler.report.broken:
                self._cut(written[len(PROLOGUE) : -len(EPILOGUE)])
            self._note(element)
        self._holes.clear()

    def _note(self, element: Command) -> None:
        self.depth = max(self.depth, element.depth)
        heard = isinstance(element, _HEARD)
        self.silent, self.here = self.silent and not heard, self.here and not heard
        self.mute = self.mute and isinstance(element, (Answer, Hangup))
        self.asked = self.asked or isinstance(element, _ASKED)
        self.answered = self.answered or isinstance(element, Answer)
        self.ends = self.ends or isinstance(element, (Hangup, Callback))

    def _cut(self, written: str) -> None:
        """Cut XML at its marks into pieces."""
        at = 0
        for mark in _MARK.finditer(written):
            self._add_text(written[at : mark.start()])
            hole = self._holes[int(mark[1] or mark[2] or mark[3])]
            if isinstance(hole, tuple):
                self.pieces += hole if constant(hole) else [self.compiler.branch(hole)]
            else:
                self.add(hole, 64, 1)
            at = mark.end()
        self._add_text(written[at:])

    def _add_text(self, text: str) -> None:
        if text:
            self.add(text, len(text), 1)

    def answer(self) -> None:
        """``<Answer/>`` where the line needs it: the dialect has it, the file wants it, the app does not do it itself."""
        if self.answered:
            return
        self.answered = True
        mode = self.compiler.file.auto_answer
        if self.dialect == "classic" or mode == "false":
            return
        always = mode == "true" or self.compiler.options.alone
        if self.static or (always and not self.answered_where):
            self._add_text("<Answer/>")
        else:
            holds = _must_answer(self.answered_where, always=always)
            self.add(Choice(holds, ("<Answer/>",), ends=False), len("<Answer/>"), 1)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "something that changes"


class Once:
    """A condition that remembers what it gave: what is set later does not change what was decided."""

    def __init__(self, holds: Callable[[Turn], object]) -> None:
        self._holds = holds

    def __call__(self, turn: Turn) -> bool:
        """Decide."""
        held = turn.found[self] = bool(self._holds(turn))
        return held

    def held(self, turn: Turn) -> bool:
        """What was decided when the call came by."""
        return turn.found.get(self, False) is True


def answered_by(conditions: Sequence[Once]) -> Callable[[Turn], bool]:
    """Whether one of the conditions, under each of which the line is answered, did hold."""
    return lambda turn: any(condition.held(turn) for condition in conditions)


def _must_answer(answered_where: Sequence[Once], *, always: bool) -> Callable[[Turn], object]:
    """Whether the line is to be answered now: the app does not do it itself, and no condition before did."""
    if not answered_where:
        return _not_by_itself
    answered = answered_by(answered_where)
    return lambda turn: (always or not turn.answers_itself) and not answered(turn)


def _not_by_itself(turn: Turn) -> bool:
    return not turn.answers_itself
