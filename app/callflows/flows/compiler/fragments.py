"""What a document is made of: texts that never change, holes that are filled for each call, and choices between runs.

Pieces are made when a flow is loaded. What stands between two choices is prepared as one form, so that writing a document
is filling in a few forms, whatever its length.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from callflows.language.xml_writer import XML_DECLARATION
from callflows.telephony.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from callflows.flows.decisions import DecisionOrigin


DOCUMENT_PROLOGUE: Final = f"{XML_DECLARATION}<Response>"


DOCUMENT_EPILOGUE: Final = "</Response>"


Hole: TypeAlias = Callable[[Turn], str]
"""Gives XML that is escaped already."""


Fragment: TypeAlias = "str | Hole | ConditionalFragment | BranchFragment | InterpolatedFragment | ActionFragment"


@dataclasses.dataclass(frozen=True, slots=True)
class ConditionalFragment:
    """Runs ``then`` where ``holds``; if that ``ends``, what follows in its run is not reached. ``mark``: for the trail.

    ``other`` is written where it does not hold; it ends nothing.
    """

    condition: Callable[[Turn], object]
    then_fragments: tuple[Fragment, ...]
    terminates: bool
    origin: DecisionOrigin | None = None
    else_fragments: tuple[Fragment, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ActionFragment:
    """Something that is done while the document is written: a value is set, something is looked up. Writes nothing."""

    action: Callable[[Turn], None]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class BranchFragment:
    """A run that ends nothing, and sets nothing, for what stands around it."""

    fragments: tuple[Fragment, ...]


class InterpolatedFragment:
    """Texts and holes in a row; a hole that stands in it more than once is asked once."""

    __slots__ = ("_holes", "_select_parts", "_texts")

    def __init__(self, fragments: Sequence[str | Hole]) -> None:
        row = merge_adjacent_texts(fragments)
        texts = [*dict.fromkeys(piece for piece in row if isinstance(piece, str))]
        holes = [*dict.fromkeys(piece for piece in row if not isinstance(piece, str))]
        parts: list[Fragment] = [*texts, *holes]
        self._texts = tuple(texts)
        self._holes: tuple[Any, ...] = tuple(holes)
        order = [parts.index(piece) for piece in row] if len(row) > 1 else [slice(1)]
        self._select_parts: Callable[[tuple[Any, ...]], Any] = itemgetter(*order)

    def render(self, turn: Turn, out: list[str]) -> None:
        """Write the form, filled in for a turn."""
        out += self._select_parts((*self._texts, *[hole(turn) for hole in self._holes]))


def render_fragments(fragments: tuple[Fragment, ...], turn: Turn, out: list[str]) -> bool:
    """Write a prepared run for a turn; whether it ended before its last piece."""
    for piece in fragments:
        if type(piece) is InterpolatedFragment:
            piece.render(turn, out)
        elif type(piece) is ConditionalFragment:
            holds = piece.condition(turn)
            if piece.origin is not None:
                turn.trail.append((piece.origin, bool(holds), turn.values, None))
            if not holds:
                if piece.else_fragments:
                    render_fragments(piece.else_fragments, turn, out)
            elif render_fragments(piece.then_fragments, turn, out) or piece.terminates:
                return True
        elif type(piece) is BranchFragment:
            values = turn.values
            render_fragments(piece.fragments, turn, out)
            turn.values = values
        elif type(piece) is ActionFragment:
            piece.action(turn)
        else:
            out.append(piece)  # type: ignore[arg-type]
    return False


def all_fragments_constant(fragments: Sequence[Fragment]) -> bool:
    """Whether nothing in a run depends on a call."""
    return all(isinstance(piece, str) for piece in fragments)


def merge_adjacent_texts(fragments: Iterable[Fragment]) -> tuple[Fragment, ...]:
    """A run with neighbouring texts made one."""
    made: list[Fragment] = []
    for piece in fragments:
        if isinstance(piece, str) and made and isinstance(made[-1], str):
            made[-1] += piece
        elif piece != "":
            made.append(piece)
    return tuple(made)


def prepare_fragments(fragments: Iterable[Fragment]) -> tuple[Fragment, ...]:
    """A run as ``run`` takes it: texts and holes in a row are one form."""
    made: list[Fragment] = []
    row: list[str | Hole] = []
    for piece in _flatten_fragments(fragments):
        if isinstance(piece, ConditionalFragment | BranchFragment | ActionFragment):
            made += [*_interpolate_row(row), piece]
            row = []
        else:
            row.append(piece)  # type: ignore[arg-type]
    return (*made, *_interpolate_row(row))


def _make_conditional_hole(condition: Callable[[Turn], object], text: str) -> Hole:
    """A text that stands where a condition holds."""
    return lambda turn: text if condition(turn) else ""


def _interpolate_row(row: Sequence[str | Hole]) -> list[Fragment]:
    if all(isinstance(piece, str) for piece in row):
        return [*merge_adjacent_texts(row)]
    return [InterpolatedFragment(row)]


def _flatten_fragments(fragments: Iterable[Fragment]) -> Iterator[Fragment]:
    """A run with what its choices and branches hold prepared; a branch that makes no choice is written in place."""
    for piece in fragments:
        if (
            isinstance(piece, ConditionalFragment)
            and not (piece.terminates or piece.origin or piece.else_fragments)
            and all_fragments_constant(piece.then_fragments)
        ):
            yield _make_conditional_hole(piece.condition, "".join(str(part) for part in piece.then_fragments))
        elif isinstance(piece, ConditionalFragment):
            yield dataclasses.replace(
                piece,
                then_fragments=prepare_fragments(piece.then_fragments),
                else_fragments=prepare_fragments(piece.else_fragments),
            )
        elif isinstance(piece, BranchFragment):
            inside = [*_flatten_fragments(piece.fragments)]
            if any(isinstance(part, ConditionalFragment | BranchFragment | ActionFragment) for part in inside):
                yield BranchFragment(prepare_fragments(piece.fragments))
            else:
                yield from inside
        else:
            yield piece
