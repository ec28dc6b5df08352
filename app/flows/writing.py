"""A run of pieces while it is written: what steps write into.

What a step writes are verbs; where a text changes from call to call a mark stands in the verb, and the written XML is
cut at its marks into pieces. So the language itself checks every step, and no rendered text can change a document's shape.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Self, cast

from app.errors import BuildError, DialectError, ExpressionError, LanguageError, suggestion
from app.flows.book import Entry
from app.flows.pieces import EPILOGUE, PROLOGUE, Choice, constant, merged
from app.flows.steps import STEPS, condition, verb_or_word
from app.language import (
    Answer,
    Callback,
    Dial,
    Error,
    Gather,
    Hangup,
    Hold,
    Meta,
    Pause,
    Play,
    Record,
    Response,
    Say,
    Tone,
    to_xml,
)
from app.language.values import URL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from app.calls import Turn
    from app.flows.compiler import Compiler
    from app.flows.files import Path
    from app.flows.pieces import Hole, Piece
    from app.language import Dialect
    from app.language.verbs import Command

CALLBACK_TIMEOUT: Final = 5000
"""What our Callbacks wait before their Error runs; documented, its unit presumed to be ms."""

_NEEDS_ANSWER: Final = (Say, Play, Tone, Gather, Record, Hold)
_HEARD: Final = (Say, Play, Tone, Gather, Record, Hold, Dial, Pause)
_MARK: Final = re.compile("<Say>\ufdd3([0-9]+)\ufdd1</Say>|(?:http://\ufdd2)?\ufdd0([0-9]+)\ufdd1")
_TEMPLATE: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


class Run:
    """A run of pieces while it is written: the steps of a node, or of a branch in it.

    ``static``: nothing in it may depend on a call (the fallback). ``step`` is the index of the node's step that is
    being written, None
    inside a verb's branch, to which nothing can come back.
    """

    def __init__(
        self, compiler: Compiler, node: str, *, answered: bool = False, static: bool = False, inner: bool = False
    ) -> None:
        self.compiler = compiler
        self.node = node
        self.answered = answered
        self.static = static
        self.inner = inner
        self.step = 0
        self.attempt = 0
        self.pieces: list[Piece] = []
        self.ends = False
        self.silent = not inner
        """Whether nothing was said yet, and nobody was waited for."""
        self.answered_where: list[Callable[[Turn], object]] = []
        """Conditions under which the line was answered already."""
        self.elsewhere = False
        """The steps that follow are written in another entry."""
        self.size = 0
        self.depth = 1
        self._holes: list[Hole | tuple[Piece, ...]] = []

    @property
    def dialect(self) -> Dialect:
        """The dialect that is written."""
        return self.compiler.dialect

    def branch(self, *, answered: bool | None = None, inner: bool = True) -> Self:
        """An empty run inside this one: a verb's branch, or with ``inner=False`` a step under a condition."""
        made = type(self)(
            self.compiler,
            self.node,
            answered=self.answered if answered is None else answered,
            static=self.static,
            inner=self.inner or inner,
        )
        made.step, made.attempt = self.step, self.attempt
        made.silent = self.silent and not inner
        made.answered_where = [*self.answered_where]
        return made

    def error(self, path: Path, rule: str, message: str, mend: str = "", *, key: bool = False, line: int = 0) -> None:
        """Something is wrong at ``path``."""
        self.compiler.report.error(path, rule, message, mend, key=key, line=line)

    # Steps

    def steps(self, steps: Sequence[Any], path: Path, entry: Entry | None = None) -> None:
        """Write steps in order, from an entry's step on."""
        first = entry.step if entry else 0
        for index, step in enumerate(steps):
            if index < first:
                continue
            here = (*path, index)
            if self.ends and self.elsewhere:
                return
            if self.ends:
                self.error(
                    here, "after-the-end", "this step is never reached", "the flow has gone elsewhere, or ended, before it"
                )
                return
            if not self.inner:
                self.step = index
                self.attempt = entry.attempt if entry and index == first else 0
            self._one(step, here)

    def _one(self, step: object, path: Path) -> None:
        word, value, when = verb_or_word(step, path, self)
        if not word:
            return
        if when is None or (not self.inner and self.attempt):
            STEPS[word](value, (*path, word), self)
            return
        holds = condition(when, (*path, "when"), self)
        under = self.branch(inner=False)
        under.inner = self.inner
        STEPS[word](value, (*path, word), under)
        self.add(Choice(holds, merged(under.pieces), under.ends), under.size, under.depth)
        if under.answered and not self.answered and not under.ends:
            self.answered_where.append(holds)

    def repeat(self, run: Run) -> None:
        """Write a run that may stand in the document more than once."""
        self.pieces += run.pieces if constant(run.pieces) else [self.compiler.branch(run.pieces)]
        self.size += run.size
        self.depth = max(self.depth, run.depth)

    def add(self, piece: Piece, size: int, depth: int) -> None:
        """Write a piece of that many bytes and elements inside each other."""
        self.pieces.append(piece)
        self.size += size
        self.depth = max(self.depth, depth)

    # Texts

    def say(self, text: str, path: Path) -> Say:
        """A Say in the file's voice."""
        return Say(self.prose(text, path), **cast("Any", self.compiler.voice))

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
        cut = self.compiler.report.place(path).cut
        if cut:
            self.error(
                path, "comment-in-text", f"YAML takes {cut!r} for a comment and the text ends before it", "quote the text"
            )
        return self.text(text, path, url=url)

    def text(self, source: str, path: Path, *, url: bool = False) -> str:
        """An author's text for a verb: itself, or a mark where it changes from call to call."""
        try:
            text = self.compiler.prompts.text(source, url=url)
        except ExpressionError as error:
            self.error(path, "template", str(error), error.mend, line=error.line)
            return source if url else ""
        if text.constant is not None:
            return text.constant
        if self.static:
            self.error(path, "fallback-not-static", "the fallback needs nothing but itself, and this text needs the call")
        self.uses(text.uses, path)
        hole = self.compiler.hole(text, url=url)
        if not url:
            return self.mark(hole)
        try:
            URL.read(_TEMPLATE.sub("x", source))
        except ValueError as error:
            self.error(path, "value", f"url: {error}", "write its scheme and host; what is in braces is percent-encoded")
        return self.mark_url(hole)

    def uses(self, names: Iterable[str], path: Path) -> None:
        """Note the names that this node looks at."""
        if self.compiler.time_asked is None and any(name.partition(".")[0] == "now" for name in names):
            self.compiler.time_asked = path
        if self.node:
            self.compiler.reach.uses[self.node].update(names)

    def mark(self, hole: Hole) -> str:
        """A mark that stands for what ``hole`` gives."""
        self._holes.append(hole)
        return f"\ufdd0{len(self._holes) - 1}\ufdd1"

    def mark_url(self, hole: Hole) -> str:
        """A mark that stands for a whole URL."""
        return f"http://\ufdd2{self.mark(hole)}"

    def place(self, run: Run) -> Say:
        """A verb that stands for a run that was written apart, in the element that is written next."""
        self.depth = max(self.depth, run.depth + 4)
        self.size += run.size
        return self._stand_in(run.pieces)

    def _stand_in(self, pieces: Sequence[Piece]) -> Say:
        self._holes.append(tuple(pieces))
        return Say(f"\ufdd3{len(self._holes) - 1}\ufdd1")

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
            self.depth = max(self.depth, element.depth)
            self.silent = self.silent and not isinstance(element, _HEARD)
            if isinstance(element, Answer):
                self.answered = True
            if isinstance(element, (Hangup, Callback)):
                self.ends = True
        self._holes.clear()

    def _cut(self, written: str) -> None:
        """Cut XML at its marks into pieces."""
        at = 0
        for mark in _MARK.finditer(written):
            self._add_text(written[at : mark.start()])
            hole = self._holes[int(mark[1] or mark[2])]
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
        if self.static or (mode == "true" and not self.answered_where):
            self._add_text("<Answer/>")
        else:
            holds = _must_answer(self.answered_where, always=mode == "true")
            self.add(Choice(holds, ("<Answer/>",), ends=False), len("<Answer/>"), 1)

    # Going elsewhere

    def goto(self, node: str, path: Path) -> None:
        """End here and go on at a node: written in place, or fetched."""
        self.ends = True
        if self.static:
            self.error(
                path, "fallback-not-static", "the fallback cannot go to a node", "say what is to be said, and hang up"
            )
            return
        if not self.known(node, path):
            return
        if self.silent:
            self.compiler.reach.silent[self.node].add(node)
        inlined = self.compiler.inlined(node, answered=self.answered)
        if inlined is None:
            self.fetch(node, Entry(answered=self.answered))
            return
        self.repeat(inlined)

    def known(self, node: str, path: Path) -> bool:
        """Whether there is such a node; notes that this one leads to it."""
        nodes = self.compiler.file.nodes
        if node not in nodes:
            near = suggestion(node, [*nodes]) or f"there are {', '.join(nodes)}"
            self.error(path, "unknown-node", f"no node is named {node!r}", near)
            return False
        self.compiler.reach.edges[self.node].add(node)
        return True

    def fetch(self, node: str, entry: Entry) -> None:
        """Go on in a document of its own, or with the fallback where that cannot be fetched."""
        self.compiler.reach.edges[self.node].add(node)
        url = self.mark_url(self.compiler.url(node, entry))
        sorry = Error(self._stand_in([self._sorry()]))
        self.write(Callback(sorry, url=url, method="GET", timeout=CALLBACK_TIMEOUT))
        self.ends = True

    def _sorry(self) -> str:
        fallback = self.compiler.fallback
        return fallback.removeprefix("<Answer/>") if self.answered else fallback


def _must_answer(answered_where: Sequence[Callable[[Turn], object]], *, always: bool) -> Callable[[Turn], object]:
    """Whether the line is to be answered now: the app does not do it itself, and no condition before did."""
    if not answered_where:
        return _not_by_itself
    return lambda turn: (always or not turn.answers_itself) and not any(holds(turn) for holds in answered_where)


def _not_by_itself(turn: Turn) -> bool:
    return not turn.answers_itself
