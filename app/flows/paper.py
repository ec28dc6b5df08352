"""What steps write on: verbs, whose XML is cut into pieces.

What a step writes are verbs; where a text changes from call to call a mark stands in the verb, and the written XML is
cut at its marks into pieces. So the language itself checks every step, and no rendered text can change a document's shape.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from app.errors import DialectError, LanguageError
from app.flows.answered import must_answer
from app.flows.pieces import EPILOGUE, PROLOGUE, Act, Choice, constant
from app.flows.trail import Mark
from app.language import (
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

    from app.calls import Turn
    from app.flows.answered import Once
    from app.flows.compiler import Compiler
    from app.flows.pieces import Hole, Piece
    from app.flows.places import Path
    from app.language import Dialect
    from app.language.verbs import Command

_NEEDS_ANSWER: Final = (Say, Play, Tone, Gather, Record, Hold)
_HEARD: Final = (Say, Play, Tone, Gather, Record, Hold, Dial, Pause)
_ASKED: Final = (Gather, Record, Dial, Hold)
_MARK: Final = re.compile(
    "<Say>\ufdd3([0-9]+)\ufdd1</Say>|(?:http://\ufdd2)?\ufdd0([0-9]+)\ufdd1|<(?:To|Sip)>place([0-9]+)@targets[.]invalid</(?:To|Sip)>"
)


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

    # Spots

    def comment(self, what: str, path: Path, *, key: bool = False) -> str:
        """That a call comes by here, as documents of rehearsals say it; nothing in others."""
        return self.compiler.noted.comment(self.node, what, path, key=key)

    def note(self, what: str, path: Path, *, key: bool = False) -> None:
        """Write that a call comes by here, where the document is for a rehearsal; it takes no room."""
        comment = self.comment(what, path, key=key)
        if comment:
            self.pieces.append(comment)

    def noted(self, what: str, path: Path, *inside: Command) -> list[Command]:
        """Verbs for an element, with a note before them."""
        comment = self.comment(what, path)
        return [*([self.stand_in([comment])] if comment else []), *inside]

    # Marks

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
            holds = must_answer(self.answered_where, always=always)
            self.add(Choice(holds, ("<Answer/>",), ends=False), len("<Answer/>"), 1)
