"""What is made of the digits that a caller pressed."""

from __future__ import annotations

import dataclasses
import re
import warnings
from typing import TYPE_CHECKING, Final

from callflows.flows.decisions import MASKED_VALUE
from callflows.sandbox.deferred_jobs import get_job_result
from callflows.telephony.turn import Variables

if TYPE_CHECKING:
    from collections.abc import Callable

    from callflows.flows.decisions import DecisionOrigin
    from callflows.flows.steps.menu_and_collect import CollectStep
    from callflows.telephony.turn import Turn


MAX_PATTERN_TRIES: Final = 1_000_000
"""A pattern that may try more ways than that to match digits is matched apart, where it can be stopped."""


_REPETITIONS: Final = re.compile(r"[*+?]|\{[0-9]*,")


_SLOW_CONSTRUCTS: Final = re.compile(r"\)[*+?{]|\(\?(?!:)|\\[0-9]")
"""What repeats a group, looks around, or looks back."""


_MAX_DIGITS: Final = 40


def parse_digit_pattern(value: str) -> str:
    """A regular expression. Raises ValueError where it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(value)
    except (re.error, RecursionError, OverflowError, Warning) as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return value


def _is_quick_pattern(pattern: str) -> bool:
    """Whether a pattern is surely done with a caller's digits in no time."""
    ways: int = _MAX_DIGITS ** len(_REPETITIONS.findall(pattern)) * 2 ** pattern.count("|")
    return not _SLOW_CONSTRUCTS.search(pattern) and ways <= MAX_PATTERN_TRIES


def can_begin_with_zero(match: str, least: int, most: int) -> bool:
    """Whether a pattern may match digits that a zero begins, as far as samples tell; also where it cannot be tried."""
    if not match or not _is_quick_pattern(match):
        return True
    cut = ((zeros, length - zeros) for length in {least, most} for zeros in {1, length // 2, length - 1, length} if zeros)
    samples = ("0" * zeros + digit * others for zeros, others in cut for digit in "159")
    return any(map(re.compile(match).fullmatch, samples))


@dataclasses.dataclass(frozen=True, slots=True)
class DigitMatchJob:
    """Digits and a pattern that may take long to match them."""

    pattern: str
    digits: str

    def run(self) -> bool:
        """Whether it does."""
        return re.fullmatch(self.pattern, self.digits) is not None


class DigitReader:
    """What is made of the digits that came with a request."""

    def __init__(self, step: CollectStep, mark: DecisionOrigin, *, classic: bool) -> None:
        self._step = step
        self._mark = mark
        self._fullmatch = re.compile(step.match).fullmatch if step.match and _is_quick_pattern(step.match) else None
        self._padded_length = step.digits[1] if classic and step.digits[0] == step.digits[1] else 0

    def read_digits(self, turn: Turn) -> str:
        """What was pressed, without the stop key; in classic with the zeros that were lost."""
        pressed = turn.entered_digits.removesuffix(self._step.stop) if self._step.stop else turn.entered_digits
        if turn.request_fields.get("success") == "false":
            return ""
        return pressed.zfill(self._padded_length) if pressed.isdecimal() else pressed

    def decide_outcome(self, turn: Turn) -> str:
        """``fine``, ``no-input`` or ``no-match``. Raises Pending where that is worked out apart."""
        if self not in turn.step_results:
            turn.step_results[self] = self._classify_digits(turn, self.read_digits(turn))
        outcome: str = turn.step_results[self]
        return outcome

    def _classify_digits(self, turn: Turn, digits: str) -> str:
        if not digits:
            return "no-input"
        least, most = self._step.digits
        fits = least <= len(digits) <= most and digits.isascii() and digits.isdecimal()
        return "fine" if fits and self._matches_pattern(turn, digits) else "no-match"

    def _matches_pattern(self, turn: Turn, digits: str) -> bool:
        if self._fullmatch is not None:
            return self._fullmatch(digits) is not None
        return not self._step.match or bool(get_job_result(turn, DigitMatchJob(self._step.match, digits)))

    def make_outcome_condition(self, outcome: str) -> Callable[[Turn], bool]:
        """A condition: it was this that came; noted in the trail."""

        def has_outcome(turn: Turn) -> bool:
            if self.decide_outcome(turn) != outcome:
                return False
            self._record_decision(turn, outcome)
            return True

        return has_outcome

    def store_digits(self, turn: Turn) -> None:
        """Set the value."""
        digits = self.read_digits(turn)
        turn.values = Variables({**turn.values, self._step.into: digits, "digits": digits})
        self._record_decision(turn, "fine")

    def _record_decision(self, turn: Turn, outcome: str) -> None:
        shown = MASKED_VALUE if self._step.secret else self.read_digits(turn)
        turn.trail.append((self._mark, outcome, turn.values, {"digits": shown} if outcome != "no-input" else None))
