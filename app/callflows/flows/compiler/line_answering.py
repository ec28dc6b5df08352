"""Conditions for answering the line, if earlier decisions in the document determine whether the line is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callflows.language import Gather, Hold, Play, Record, Say, Tone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from callflows.telephony.turn import Turn


VERBS_NEEDING_ANSWER: Final = (Say, Play, Tone, Gather, Record, Hold)
"""Verbs that a caller hears, or takes part in, only if the line is answered."""


class RememberedCondition:
    """A condition with a stored result. Values set later do not change the decision."""

    def __init__(self, condition: Callable[[Turn], object]) -> None:
        self._condition = condition

    def __call__(self, turn: Turn) -> bool:
        held = turn.step_results[self] = bool(self._condition(turn))
        return held

    def was_true(self, turn: Turn) -> bool:
        """Return the stored result. False if the call did not pass this condition."""
        return turn.step_results.get(self, False) is True


def make_answered_condition(conditions: Sequence[RememberedCondition]) -> Callable[[Turn], bool]:
    """Return a condition that holds if any of the answering conditions held."""
    return lambda turn: any(condition.was_true(turn) for condition in conditions)


def make_must_answer_condition(
    answering_conditions: Sequence[RememberedCondition], *, always: bool
) -> Callable[[Turn], object]:
    """Return a condition that holds if the line must be answered now: neither the app nor an earlier condition did.

    With ``always`` the app's own answer does not count.
    """
    if not answering_conditions:
        return _needs_own_answer
    answered = make_answered_condition(answering_conditions)
    return lambda turn: (always or not turn.auto_answer) and not answered(turn)


def _needs_own_answer(turn: Turn) -> bool:
    return not turn.auto_answer
