"""Whether the line was answered before, where that depends on what was decided on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.calls import Turn


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


def must_answer(answered_where: Sequence[Once], *, always: bool) -> Callable[[Turn], object]:
    """Whether the line is to be answered now: the app does not do it itself, and no condition before did."""
    if not answered_where:
        return _not_by_itself
    answered = answered_by(answered_where)
    return lambda turn: (always or not turn.answers_itself) and not answered(turn)


def _not_by_itself(turn: Turn) -> bool:
    return not turn.answers_itself
