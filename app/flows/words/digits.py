"""What is made of the digits that a caller pressed."""

from __future__ import annotations

import dataclasses
import re
import warnings
from typing import TYPE_CHECKING, Final

from app.flows.apart import result
from app.flows.trail import SECRET
from app.kept import Values

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.calls import Turn
    from app.flows.trail import Mark
    from app.flows.words.asking import Collect

MOST_TRIES: Final = 1_000_000
"""A pattern that may try more ways than that to match digits is matched apart, where it can be stopped."""
_LOOPS: Final = re.compile(r"[*+?]|\{[0-9]*,")
_STRANGE: Final = re.compile(r"\)[*+?{]|\(\?(?!:)|\\[0-9]")
"""What repeats a group, looks around, or looks back."""
_LONGEST: Final = 40


def pattern(value: str) -> str:
    """A regular expression. Raises ValueError where it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(value)
    except (re.error, RecursionError, OverflowError, Warning) as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return value


def _quick(pattern: str) -> bool:
    """Whether a pattern is surely done with a caller's digits in no time."""
    ways: int = _LONGEST ** len(_LOOPS.findall(pattern)) * 2 ** pattern.count("|")
    return not _STRANGE.search(pattern) and ways <= MOST_TRIES


def begins_with_zero(match: str, least: int, most: int) -> bool:
    """Whether a pattern may match digits that a zero begins, as far as samples tell; also where it cannot be tried."""
    if not match or not _quick(match):
        return True
    cut = ((zeros, length - zeros) for length in {least, most} for zeros in {1, length // 2, length - 1, length} if zeros)
    samples = ("0" * zeros + digit * others for zeros, others in cut for digit in "159")
    return any(map(re.compile(match).fullmatch, samples))


@dataclasses.dataclass(frozen=True, slots=True)
class Matching:
    """Digits and a pattern that may take long to match them."""

    pattern: str
    digits: str

    def do(self) -> bool:
        """Whether it does."""
        return re.fullmatch(self.pattern, self.digits) is not None


class Reading:
    """What is made of the digits that came with a request."""

    def __init__(self, word: Collect, mark: Mark, *, classic: bool) -> None:
        self._word = word
        self._mark = mark
        self._match = re.compile(word.match).fullmatch if word.match and _quick(word.match) else None
        self._pad = word.digits[1] if classic and word.digits[0] == word.digits[1] else 0

    def digits(self, turn: Turn) -> str:
        """What was pressed, without the stop key; in classic with the zeros that were lost."""
        pressed = turn.pressed.removesuffix(self._word.stop) if self._word.stop else turn.pressed
        if turn.told.get("success") == "false":
            return ""
        return pressed.zfill(self._pad) if pressed.isdecimal() else pressed

    def outcome(self, turn: Turn) -> str:
        """``fine``, ``no-input`` or ``no-match``. Raises Pending where that is worked out apart."""
        if self not in turn.found:
            turn.found[self] = self._outcome(turn, self.digits(turn))
        outcome: str = turn.found[self]
        return outcome

    def _outcome(self, turn: Turn, digits: str) -> str:
        if not digits:
            return "no-input"
        least, most = self._word.digits
        fits = least <= len(digits) <= most and digits.isascii() and digits.isdecimal()
        return "fine" if fits and self._matches(turn, digits) else "no-match"

    def _matches(self, turn: Turn, digits: str) -> bool:
        if self._match is not None:
            return self._match(digits) is not None
        return not self._word.match or bool(result(turn, Matching(self._word.match, digits)))

    def found(self, outcome: str) -> Callable[[Turn], bool]:
        """A condition: it was this that came; noted in the trail."""

        def holds(turn: Turn) -> bool:
            if self.outcome(turn) != outcome:
                return False
            self._note(turn, outcome)
            return True

        return holds

    def keep(self, turn: Turn) -> None:
        """Set the value."""
        digits = self.digits(turn)
        turn.values = Values({**turn.values, self._word.into: digits, "digits": digits})
        self._note(turn, "fine")

    def _note(self, turn: Turn, outcome: str) -> None:
        shown = SECRET if self._word.secret else self.digits(turn)
        turn.trail.append((self._mark, outcome, turn.values, {"digits": shown} if outcome != "no-input" else None))
