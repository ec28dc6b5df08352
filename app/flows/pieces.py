"""What a document is made of: texts that never change, holes that are filled for each call, and choices between runs.

Pieces are made when a flow is loaded. What stands between two choices is prepared as one form, so that writing a document
is filling in a few forms, whatever its length.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from app.calls import Turn
from app.language.markup import DECLARATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from app.flows.trail import Mark

PROLOGUE: Final = f"{DECLARATION}<Response>"
EPILOGUE: Final = "</Response>"

Hole: TypeAlias = Callable[[Turn], str]
"""Gives XML that is escaped already."""
Piece: TypeAlias = "str | Hole | Choice | Branch | Form | Act"


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """Runs ``then`` where ``holds``; if that ``ends``, what follows in its run is not reached. ``mark``: for the trail.

    ``other`` is written where it does not hold; it ends nothing.
    """

    holds: Callable[[Turn], object]
    then: tuple[Piece, ...]
    ends: bool
    mark: Mark | None = None
    other: tuple[Piece, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Act:
    """Something that is done while the document is written: a value is set, something is looked up. Writes nothing."""

    do: Callable[[Turn], None]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """A run that ends nothing, and sets nothing, for what stands around it."""

    run: tuple[Piece, ...]


class Form:
    """Texts and holes in a row; a hole that stands in it more than once is asked once."""

    __slots__ = ("_holes", "_order", "_texts")

    def __init__(self, pieces: Sequence[str | Hole]) -> None:
        row = merged(pieces)
        texts = [*dict.fromkeys(piece for piece in row if isinstance(piece, str))]
        holes = [*dict.fromkeys(piece for piece in row if not isinstance(piece, str))]
        parts: list[Piece] = [*texts, *holes]
        self._texts = tuple(texts)
        self._holes: tuple[Any, ...] = tuple(holes)
        order = [parts.index(piece) for piece in row] if len(row) > 1 else [slice(1)]
        self._order: Callable[[tuple[Any, ...]], Any] = itemgetter(*order)

    def write(self, turn: Turn, out: list[str]) -> None:
        """Write the form, filled in for a turn."""
        out += self._order((*self._texts, *[hole(turn) for hole in self._holes]))


def run(pieces: tuple[Piece, ...], turn: Turn, out: list[str]) -> bool:
    """Write a prepared run for a turn; whether it ended before its last piece."""
    for piece in pieces:
        if type(piece) is Form:
            piece.write(turn, out)
        elif type(piece) is Choice:
            holds = piece.holds(turn)
            if piece.mark is not None:
                turn.trail.append((piece.mark, bool(holds), turn.values, None))
            if not holds:
                if piece.other:
                    run(piece.other, turn, out)
            elif run(piece.then, turn, out) or piece.ends:
                return True
        elif type(piece) is Branch:
            values = turn.values
            run(piece.run, turn, out)
            turn.values = values
        elif type(piece) is Act:
            piece.do(turn)
        else:
            out.append(piece)  # type: ignore[arg-type]
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


def prepared(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """A run as ``run`` takes it: texts and holes in a row are one form."""
    made: list[Piece] = []
    row: list[str | Hole] = []
    for piece in _flat(pieces):
        if isinstance(piece, Choice | Branch | Act):
            made += [*_formed(row), piece]
            row = []
        else:
            row.append(piece)  # type: ignore[arg-type]
    return (*made, *_formed(row))


def _where(holds: Callable[[Turn], object], text: str) -> Hole:
    """A text that stands where a condition holds."""
    return lambda turn: text if holds(turn) else ""


def _formed(row: Sequence[str | Hole]) -> list[Piece]:
    if all(isinstance(piece, str) for piece in row):
        return [*merged(row)]
    return [Form(row)]


def _flat(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """A run with what its choices and branches hold prepared; a branch that makes no choice is written in place."""
    for piece in pieces:
        if isinstance(piece, Choice) and not (piece.ends or piece.mark or piece.other) and constant(piece.then):
            yield _where(piece.holds, "".join(str(part) for part in piece.then))
        elif isinstance(piece, Choice):
            yield dataclasses.replace(piece, then=prepared(piece.then), other=prepared(piece.other))
        elif isinstance(piece, Branch):
            inside = [*_flat(piece.run)]
            if any(isinstance(part, Choice | Branch | Act) for part in inside):
                yield Branch(prepared(piece.run))
            else:
                yield from inside
        else:
            yield piece
