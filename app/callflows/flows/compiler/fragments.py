"""Fragments of a document: constant texts, holes that are filled for each call, and conditions.

Fragments are made when a flow is loaded. Texts and holes between two conditions are prepared as one
InterpolatedFragment, so that rendering takes few steps for a document of any length.
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
"""Returns escaped XML for a turn."""
Fragment: TypeAlias = "str | Hole | ConditionalFragment | BranchFragment | InterpolatedFragment | ActionFragment"


@dataclasses.dataclass(frozen=True, slots=True)
class ConditionalFragment:
    """Renders ``then_fragments`` if ``condition`` holds, else ``else_fragments``.

    If ``terminates`` is set and the condition holds, the following fragments are skipped. ``else_fragments`` skip nothing.
    A decision with an ``origin`` is added to the trail.
    """

    condition: Callable[[Turn], object]
    then_fragments: tuple[Fragment, ...]
    terminates: bool
    origin: DecisionOrigin | None = None
    else_fragments: tuple[Fragment, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ActionFragment:
    """An action during rendering, such as setting a value or a lookup. Renders no text."""

    action: Callable[[Turn], None]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class BranchFragment:
    """Fragments that neither end the enclosing sequence nor change values outside the branch."""

    fragments: tuple[Fragment, ...]


class InterpolatedFragment:
    """Texts and holes in a row. A hole that occurs several times is called once."""

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
        out += self._select_parts((*self._texts, *[hole(turn) for hole in self._holes]))


def render_fragments(fragments: tuple[Fragment, ...], turn: Turn, out: list[str]) -> bool:
    """Render prepared fragments for a turn. Returns True if the sequence ended before the last fragment."""
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
    """Return True if no fragment depends on a call."""
    return all(isinstance(piece, str) for piece in fragments)


def merge_adjacent_texts(fragments: Iterable[Fragment]) -> tuple[Fragment, ...]:
    """Return the fragments with neighbouring texts joined."""
    made: list[Fragment] = []
    for piece in fragments:
        if isinstance(piece, str) and made and isinstance(made[-1], str):
            made[-1] += piece
        elif piece != "":
            made.append(piece)
    return tuple(made)


def prepare_fragments(fragments: Iterable[Fragment]) -> tuple[Fragment, ...]:
    """Prepare fragments for ``render_fragments``: texts and holes in a row become one InterpolatedFragment."""
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
    """Return a hole for a text that is rendered only if a condition holds."""
    return lambda turn: text if condition(turn) else ""


def _interpolate_row(row: Sequence[str | Hole]) -> list[Fragment]:
    if all(isinstance(piece, str) for piece in row):
        return [*merge_adjacent_texts(row)]
    return [InterpolatedFragment(row)]


def _flatten_fragments(fragments: Iterable[Fragment]) -> Iterator[Fragment]:
    """Yield fragments with prepared content. A branch without conditions, branches and actions is placed inline."""
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
