"""Whether the line was answered before, where that depends on what was decided on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from callflows.telephony.turn import Turn


class RememberedCondition:
    """A condition that remembers what it gave: what is set later does not change what was decided."""

    def __init__(self, condition: Callable[[Turn], object]) -> None:
        self._condition = condition

    def __call__(self, turn: Turn) -> bool:
        """Decide."""
        held = turn.step_results[self] = bool(self._condition(turn))
        return held

    def was_true(self, turn: Turn) -> bool:
        """What was decided when the call came by."""
        return turn.step_results.get(self, False) is True


def make_answered_condition(conditions: Sequence[RememberedCondition]) -> Callable[[Turn], bool]:
    """Whether one of the conditions, under each of which the line is answered, did hold."""
    return lambda turn: any(condition.was_true(turn) for condition in conditions)


def make_must_answer_condition(
    answering_conditions: Sequence[RememberedCondition], *, always: bool
) -> Callable[[Turn], object]:
    """Whether the line is to be answered now: the app does not do it itself, and no condition before did."""
    if not answering_conditions:
        return _needs_own_answer
    answered = make_answered_condition(answering_conditions)
    return lambda turn: (always or not turn.auto_answer) and not answered(turn)


def _needs_own_answer(turn: Turn) -> bool:
    return not turn.auto_answer
