"""What a document is made of: texts that never change, holes that are filled for each call, and choices between runs.

Pieces are made when a flow is loaded; writing a document is walking them.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from app.calls import Turn
from app.language.markup import DECLARATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PROLOGUE: Final = f"{DECLARATION}<Response>"
EPILOGUE: Final = "</Response>"

Hole: TypeAlias = Callable[[Turn], str]
"""Gives XML that is escaped already."""
Piece: TypeAlias = "str | Hole | Choice | Branch"


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """Runs ``then`` where ``holds``; if that ``ends``, what follows in its run is not reached."""

    holds: Callable[[Turn], object]
    then: tuple[Piece, ...]
    ends: bool


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """A run whose end does not end what stands around it, written once a turn however often it stands in a document."""

    run: tuple[Piece, ...]

    def text(self, turn: Turn) -> str:
        """What it is for a turn."""
        text = turn.written.get(id(self))
        if text is None:
            out: list[str] = []
            run(self.run, turn, out)
            text = turn.written[id(self)] = "".join(out)
        return text


def run(pieces: tuple[Piece, ...], turn: Turn, out: list[str]) -> bool:
    """Write a run of pieces for a turn; whether it ended before its last."""
    for piece in pieces:
        kind = type(piece)
        if kind is str:
            out.append(piece)  # type: ignore[arg-type]
        elif kind is Branch:
            out.append(piece.text(turn))  # type: ignore[union-attr]
        elif kind is Choice:
            if piece.holds(turn) and (run(piece.then, turn, out) or piece.ends):  # type: ignore[union-attr]
                return True
        else:
            out.append(piece(turn))  # type: ignore[operator]
    return False


def constant(pieces: Sequence[Piece]) -> bool:
    """Whether nothing in a run depends on a call."""
    return all(isinstance(piece, str) for piece in pieces)


def merged(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """A run with neighbouring texts made one."""
    made: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and made and isinstance(made[-1], str):
            made[-1] += piece
        elif piece != "":
            made.append(piece)
    return tuple(made)


def simplified(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """A run in which branches are left only where they are needed: they stand twice, or an end in them is their own."""
    counts: collections.Counter[Branch] = collections.Counter()
    _count(pieces, counts)
    made: dict[Branch, Branch] = {}

    def simple(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
        out: list[Piece] = []
        for piece in pieces:
            if isinstance(piece, Choice):
                out.append(Choice(piece.holds, simple(piece.then), piece.ends))
            elif isinstance(piece, Branch):
                inside = made.get(piece) or made.setdefault(piece, Branch(simple(piece.run)))
                out += inside.run if counts[piece] == 1 and not _may_end(inside.run) else [inside]
            else:
                out.append(piece)
        return merged(out)

    return simple(pieces)


def _count(pieces: Iterable[Piece], counts: collections.Counter[Branch]) -> None:
    """Count how often each branch stands in a run and in the branches of it, each of which is looked into once."""
    for piece in pieces:
        if isinstance(piece, Choice):
            _count(piece.then, counts)
        elif isinstance(piece, Branch):
            counts[piece] += 1
            if counts[piece] == 1:
                _count(piece.run, counts)


def _may_end(pieces: Iterable[Piece]) -> bool:
    return any(isinstance(piece, Choice) and (piece.ends or _may_end(piece.then)) for piece in pieces)
