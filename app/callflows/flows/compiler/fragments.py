"""Fragments of a document: constant texts, holes that are filled for each call, and conditions.

Fragments are made when a flow is loaded. Texts and holes between two conditions are prepared as one
InterpolatedFragment, so that rendering takes few steps for a document of any length.
"""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from callflows.errors import LanguageError
from callflows.flows.decisions import DecisionOrigin
from callflows.language.xml_writer import MAX_DOCUMENT_BYTES, XML_DECLARATION
from callflows.telephony.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


DOCUMENT_PROLOGUE: Final = f"{XML_DECLARATION}<Response>"
DOCUMENT_EPILOGUE: Final = "</Response>"
Hole: TypeAlias = Callable[[Turn], str]
"""Returns escaped XML for a turn."""
RenderFunction: TypeAlias = Callable[[Turn], Any]
"""Returns plain data for a turn: a text, or data for a request to another server."""
Fragment: TypeAlias = (
    "str | Hole | PlacedHole | PlaceMark | ConditionalFragment | BranchFragment | InterpolatedFragment | ActionFragment"
    " | FilledElementFragment"
)


class StepPlace(NamedTuple):
    """The step that a fragment comes from: the node, the step's index in the node, and the step's key in the file."""

    node: str
    step_index: int
    step_key: str

    def __str__(self) -> str:
        return f"step {self.step_index + 1} ({self.step_key}) of node {self.node}"


@dataclasses.dataclass(frozen=True, slots=True)
class PlaceMark:
    """The place in the flow file of the elements that follow, as an XML comment (see ``CoveragePoint``).

    Calls get documents without marks. The journal renders a turn again with its marks, to store where each element of its
    document comes from.
    """

    comment: str


@dataclasses.dataclass(frozen=True, slots=True)
class PlacedHole:
    """A hole with the step that it comes from. Equal texts of several steps share one hole, with the place of the first."""

    render: Hole
    place: StepPlace = dataclasses.field(compare=False)


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
    place: StepPlace


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class BranchFragment:
    """Fragments that neither end the enclosing sequence nor change values outside the branch."""

    fragments: tuple[Fragment, ...]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class FilledElementFragment:
    """One element that is left out if its commands render nothing. Its Error is no command."""

    fragments: tuple[Fragment, ...]

    def render(self, turn: Turn, out: list[str]) -> None:
        parts: list[str] = []
        render_fragments(self.fragments, turn, parts)
        element = "".join(parts)
        if not _EMPTY_ELEMENT.fullmatch(element):
            out.append(element)


_EMPTY_ELEMENT: Final = re.compile(r"<(\w++)[^<>]*>(?:<!--(?:(?!-->).)*-->)*(?:<Error>.*)?(?:</\1>)?", re.DOTALL)
"""An element without commands; its Error stands last."""

_SHORT_TEXT_CHARACTERS: Final = 500
"""Longer texts of holes are counted while a document is rendered. A flow file has too few holes to fill the memory with
shorter ones, and the length of the whole document is checked in the end."""


class InterpolatedFragment:
    """Texts and holes in a row. A hole that occurs several times is called once."""

    __slots__ = ("_holes", "_places", "_select_parts", "_texts", "_times")

    def __init__(self, fragments: Sequence[str | Hole | PlacedHole]) -> None:
        placed = [piece for piece in fragments if isinstance(piece, PlacedHole)]
        self._places = {hole.render: hole.place for hole in reversed(placed)}
        row = merge_adjacent_texts(piece.render if isinstance(piece, PlacedHole) else piece for piece in fragments)
        texts = [*dict.fromkeys(piece for piece in row if isinstance(piece, str))]
        holes = [*dict.fromkeys(piece for piece in row if not isinstance(piece, str))]
        parts: list[Fragment] = [*texts, *holes]
        self._texts = tuple(texts)
        self._holes: tuple[Any, ...] = tuple(holes)
        self._times = collections.Counter(piece for piece in row if not isinstance(piece, str))
        order = [parts.index(piece) for piece in row] if len(row) > 1 else [slice(1)]
        self._select_parts: Callable[[tuple[Any, ...]], Any] = itemgetter(*order)

    def render(self, turn: Turn, out: list[str]) -> None:
        """Append the texts and the filled holes. Raises LanguageError if the document becomes too long, and any error."""
        rendered: list[str] = []
        try:
            for hole in self._holes:
                text = hole(turn)
                rendered += (text,)
                if len(text) > _SHORT_TEXT_CHARACTERS:
                    self._count_long_text(turn, hole, text)
        except Exception as error:
            _add_place(error, self._places.get(hole))
            raise
        out += self._select_parts((*self._texts, *rendered))

    def _count_long_text(self, turn: Turn, hole: Hole, text: str) -> None:
        turn.long_text_characters += self._times[hole] * len(text)
        if turn.long_text_characters > MAX_DOCUMENT_BYTES:
            raise LanguageError(f"the document has more than {MAX_DOCUMENT_BYTES} characters")


_COMPOUND_FRAGMENTS: Final = (ConditionalFragment, BranchFragment, ActionFragment, FilledElementFragment)


def render_fragments(fragments: tuple[Fragment, ...], turn: Turn, out: list[str]) -> bool:
    """Render prepared fragments for a turn. Returns True if the sequence ended before the last fragment."""
    for piece in fragments:
        if type(piece) is InterpolatedFragment or type(piece) is FilledElementFragment:
            piece.render(turn, out)
        elif type(piece) is ConditionalFragment:
            holds = _run_for_step(piece.condition, turn, piece.origin)
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
            _run_for_step(piece.action, turn, piece.place)
        else:
            out.append(piece)  # type: ignore[arg-type]
    return False


def _run_for_step(run: Callable[[Turn], object], turn: Turn, origin: StepPlace | DecisionOrigin | None) -> object:
    """Run a part of a step for a turn. An error names the step."""
    try:
        return run(turn)
    except Exception as error:
        place = StepPlace(origin.node, origin.step_index, origin.step_key) if isinstance(origin, DecisionOrigin) else origin
        _add_place(error, place)
        raise


def _add_place(error: Exception, place: StepPlace | None) -> None:
    """Add the step to an error, for the log, or to a NeedsResult, for the error of its job. The innermost place counts."""
    if place is not None and not getattr(error, "__notes__", None):
        error.add_note(str(place))


def all_fragments_constant(fragments: Sequence[Fragment]) -> bool:
    """Return True if no fragment depends on a call."""
    return all(isinstance(piece, str | PlaceMark) for piece in fragments)


def join_constant_fragments(fragments: Iterable[Fragment], *, with_places: bool = False) -> str:
    """Return constant fragments as one text."""
    return "".join(piece for piece in _select_marks(fragments, with_places=with_places) if isinstance(piece, str))


def _select_marks(fragments: Iterable[Fragment], *, with_places: bool) -> Iterator[Fragment]:
    """Yield the fragments; marks become comments, or are left out."""
    for piece in fragments:
        if not isinstance(piece, PlaceMark):
            yield piece
        elif with_places:
            yield piece.comment


def merge_adjacent_texts(fragments: Iterable[Fragment]) -> tuple[Fragment, ...]:
    """Return the fragments with neighbouring texts joined."""
    merged: list[Fragment] = []
    for piece in fragments:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        elif piece != "":
            merged.append(piece)
    return tuple(merged)


def prepare_fragments(fragments: Iterable[Fragment], *, with_places: bool = False) -> tuple[Fragment, ...]:
    """Prepare fragments for ``render_fragments``: texts and holes in a row become one InterpolatedFragment.

    With ``with_places`` the document contains its place marks; documents for calls do not.
    """
    prepared: list[Fragment] = []
    row: list[str | Hole | PlacedHole] = []
    for piece in _flatten_fragments(fragments, with_places=with_places):
        if isinstance(piece, _COMPOUND_FRAGMENTS):
            prepared += [*_interpolate_row(row), piece]
            row = []
        else:
            row.append(piece)  # type: ignore[arg-type]
    return (*prepared, *_interpolate_row(row))


def _make_conditional_hole(condition: Callable[[Turn], object], text: str) -> Hole:
    """Return a hole for a text that is rendered only if a condition holds."""
    return lambda turn: text if condition(turn) else ""


def _interpolate_row(row: Sequence[str | Hole | PlacedHole]) -> list[Fragment]:
    if all(isinstance(piece, str) for piece in row):
        return [*merge_adjacent_texts(row)]
    return [InterpolatedFragment(row)]


def _flatten_fragments(fragments: Iterable[Fragment], *, with_places: bool) -> Iterator[Fragment]:
    """Yield fragments with prepared content. A branch without conditions, branches and actions is placed inline."""
    for piece in _select_marks(fragments, with_places=with_places):
        if (
            isinstance(piece, ConditionalFragment)
            and not (piece.terminates or piece.origin or piece.else_fragments)
            and all_fragments_constant(piece.then_fragments)
        ):
            text = join_constant_fragments(piece.then_fragments, with_places=with_places)
            yield _make_conditional_hole(piece.condition, text)
        elif isinstance(piece, ConditionalFragment):
            yield dataclasses.replace(
                piece,
                then_fragments=prepare_fragments(piece.then_fragments, with_places=with_places),
                else_fragments=prepare_fragments(piece.else_fragments, with_places=with_places),
            )
        elif isinstance(piece, BranchFragment):
            inside = [*_flatten_fragments(piece.fragments, with_places=with_places)]
            if any(isinstance(part, _COMPOUND_FRAGMENTS) for part in inside):
                yield BranchFragment(prepare_fragments(piece.fragments, with_places=with_places))
            else:
                yield from inside
        elif isinstance(piece, FilledElementFragment):
            yield FilledElementFragment(prepare_fragments(piece.fragments, with_places=with_places))
        else:
            yield piece
