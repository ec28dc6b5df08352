"""Reads the digits of a request, and checks the length and the pattern of the digits."""

from __future__ import annotations

import dataclasses
import re
import warnings
from re import _parser as re_parser  # type: ignore[attr-defined]  # Python's own parser has no public name
from typing import TYPE_CHECKING, Any, Final

from callflows.flows.decisions import MASKED_VALUE
from callflows.sandbox.deferred_jobs import get_job_result
from callflows.telephony.turn import Variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from callflows.flows.decisions import DecisionOrigin
    from callflows.telephony.turn import Turn


MAX_PATTERN_TRIES: Final = 1_000_000
"""A pattern with more possible attempts is matched in a worker process, which can be stopped."""
_REPETITIONS: Final = re.compile(r"[*+?]|\{[0-9]*,")
_SLOW_CONSTRUCTS: Final = re.compile(r"\)[*+?{]|\(\?(?!:)|\\[0-9]")
"""Repeated groups, lookarounds and back-references."""
MAX_COLLECTED_DIGITS: Final = 40
_COUNT: Final = re.compile(r"\{[0-9,]*\}")
"""How often a part of a pattern is repeated: {4}."""
_DECIMAL_BASE: Final = 10


PHONE_KEYS: Final = "0123456789*#"


def make_digit_setter(digits: str) -> Callable[[Turn], None]:
    """Return an action that makes a key of a menu the digits of the following steps."""

    def set_digits(turn: Turn) -> None:
        turn.values = Variables({**turn.values, "digits": digits})

    return set_digits


def parse_digit_pattern(value: str) -> str:
    """Return a regular expression. Raises ValueError for an invalid expression."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(value)
    except (re.error, RecursionError, OverflowError, Warning) as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return value


def _is_quick_pattern(pattern: str) -> bool:
    """Return True if the pattern surely matches a caller's digits in very short time."""
    ways: int = MAX_COLLECTED_DIGITS ** len(_REPETITIONS.findall(pattern)) * 2 ** pattern.count("|")
    return not _SLOW_CONSTRUCTS.search(pattern) and ways <= MAX_PATTERN_TRIES


def can_begin_with_zero(match: str, least: int, most: int) -> bool:
    """Return True if a pattern may match digits with a leading zero, judged by samples. Slow patterns are not tried."""
    if not match or not _is_quick_pattern(match):
        return True
    cut = ((zeros, length - zeros) for length in {least, most} for zeros in {1, length // 2, length - 1, length} if zeros)
    samples = ("0" * zeros + digit * others for zeros, others in cut for digit in "159")
    return any(map(re.compile(match).fullmatch, samples))


def can_begin_with(keys: str, match: str, least: int, most: int) -> bool:
    """Return True if longer digits may begin with these keys, judged by samples. Slow patterns are not tried."""
    lengths = {length for length in (least, most, len(keys) + 1) if len(keys) < length and least <= length <= most}
    if not match or not _is_quick_pattern(match):
        return bool(lengths)
    samples = (keys + digit * (length - len(keys)) for length in lengths for digit in "0123456789")
    return any(map(re.compile(match).fullmatch, samples))


def can_hold_digit(digit: str, match: str, least: int, most: int) -> bool:
    """Return True if a pattern may match digits with this one among them, judged by samples."""
    if not match or not _is_quick_pattern(match):
        return True
    fullmatch = re.compile(match).fullmatch
    return any(
        fullmatch(f"{other * place}{digit}{other * (length - place - 1)}")
        for length in {least, most}
        for place in range(length)
        for other in "0123456789"
    ) or digit in _COUNT.sub("", match)


def suggest_digit_pattern(match: str, least: int, most: int) -> str:
    """Return the pattern that is meant by ``1234,5678`` and ``12XX``; an empty text if none fits the length."""
    if re.fullmatch(r"[0-9]++(?:(?:\s*+[,;/]\s*+|\s++)(?:or\s++)?[0-9]++)+", match.strip("[]() ")):
        meant = "|".join(re.findall("[0-9]+", match))
    elif re.fullmatch("[0-9]*([XxNn_])(?:[0-9]|\\1)*|#+|d+|D+", match):
        meant = re.sub("([^0-9])\\1*", lambda found: f"[0-9]{{{len(found[0])}}}".removesuffix("{1}"), match)
    else:
        return ""
    return meant if find_digit_lengths(meant, most) & {*range(least, most + 1)} else ""


def has_literal_digits(pattern: str) -> bool:
    """Return True if a pattern has digits that callers must press, so that not any digits are meant."""
    return re.search("[0-9]", re.sub(r"\[[^\]]*\]", "", _COUNT.sub("", pattern))) is not None


def find_digit_lengths(pattern: str, most: int) -> frozenset[int]:
    """Return how many digits may match a pattern, at least; ``most`` bounds the numbers.

    Lookarounds and back-references count as any number: a length in the result may be impossible, none is missing.
    """
    return _lengths_of_sequence(re_parser.parse(pattern), most)


def _lengths_of_sequence(parts: Iterable[tuple[Any, Any]], most: int) -> frozenset[int]:
    found = frozenset({0})
    for kind, value in parts:
        found = _add_lengths(found, _lengths_of_part(kind, value, most), most)
    return found


def _add_lengths(one: frozenset[int], other: frozenset[int], most: int) -> frozenset[int]:
    return frozenset(left + right for left in one for right in other if left + right <= most)


def _lengths_of_part(kind: Any, value: Any, most: int) -> frozenset[int]:  # noqa: ANN401 - a part of Python's parse tree
    name = str(kind)
    if name in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
        return frozenset({1}) if name in ("NOT_LITERAL", "ANY") or _takes_digit(name, value) else frozenset()
    if name == "BRANCH":
        return frozenset().union(*(_lengths_of_sequence(way, most) for way in value[1]))
    if name in ("SUBPATTERN", "ATOMIC_GROUP"):
        return _lengths_of_sequence(value[-1] if name == "SUBPATTERN" else value, most)
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least_times, most_times, repeated = value
        once, found, total = _lengths_of_sequence(repeated, most), frozenset({0}), frozenset[int]()
        for times in range(min(int(most_times), most + int(least_times)) + 1):
            total |= found if times >= int(least_times) else frozenset()
            found = _add_lengths(found, once, most)
            if not found:
                break
        return total
    return frozenset({0}) if name in ("AT", "ASSERT", "ASSERT_NOT") else frozenset(range(most + 1))


def _takes_digit(name: str, value: Any) -> bool:  # noqa: ANN401 - as above
    if name == "LITERAL":
        return chr(value).isdecimal()
    negated = str(value[0][0]) == "NEGATE"
    digits = {
        digit for digit in range(ord("0"), ord("9") + 1) for kind, item in value if _has_digit(str(kind), item, digit)
    }
    return len(digits) < _DECIMAL_BASE if negated else bool(digits)


def _has_digit(kind: str, item: Any, digit: int) -> bool:  # noqa: ANN401 - as above
    if kind == "RANGE":
        return bool(item[0] <= digit <= item[1])
    if kind == "CATEGORY":
        return str(item) in ("CATEGORY_DIGIT", "CATEGORY_WORD", "CATEGORY_NOT_SPACE")
    return kind == "LITERAL" and bool(item == digit)


@dataclasses.dataclass(frozen=True, slots=True)
class DigitMatchJob:
    """Matches digits with a pattern that may take long."""

    pattern: str
    digits: str

    def run(self) -> bool:
        return re.fullmatch(self.pattern, self.digits) is not None


@dataclasses.dataclass(frozen=True, slots=True)
class DigitRule:
    """The digits that a caller is asked for: ``least`` to ``most`` digits that match ``pattern``, ended by ``stop_key``."""

    value_name: str
    least: int
    most: int
    stop_key: str
    pattern: str
    is_secret: bool = False
    keys: tuple[str, ...] = ()
    """Keys that lead elsewhere; they win over digits."""
    names: Mapping[str, str] | None = None
    """Names by extension, if only extensions of the directory are taken."""


def make_person_name(value_name: str) -> str:
    """Return the name of the value that holds the spoken name of an extension: ``extension_name``."""
    return f"{value_name}_name"


class DigitReader:
    """Reads and classifies the digits of a request."""

    def __init__(self, rule: DigitRule, origin: DecisionOrigin, *, classic: bool) -> None:
        self._rule = rule
        self._origin = origin
        self._fullmatch = re.compile(rule.pattern).fullmatch if rule.pattern and _is_quick_pattern(rule.pattern) else None
        self._padded_length = rule.most if classic and rule.least == rule.most else 0

    def read_input(self, turn: Turn) -> str:
        """Return what the caller pressed, without the stop key."""
        if turn.request_fields.get("success") == "false":
            return ""
        return turn.entered_digits.removesuffix(self._rule.stop_key) if self._rule.stop_key else turn.entered_digits

    def read_digits(self, turn: Turn) -> str:
        """Return the digits. In the classic dialect, lost leading zeros are restored."""
        pressed = self.read_input(turn)
        return pressed.zfill(self._padded_length) if pressed.isdecimal() else pressed

    def decide_outcome(self, turn: Turn) -> str:
        """Return ``fine``, ``no-input``, ``no-match`` or ``key 0``. Raises NeedsResult if a worker must match."""
        if self not in turn.step_results:
            turn.step_results[self] = self._classify_digits(turn, self.read_digits(turn))
        outcome: str = turn.step_results[self]
        return outcome

    def _classify_digits(self, turn: Turn, digits: str) -> str:
        if not digits:
            return "no-input"
        key = self._find_key(self.read_input(turn)) if self._rule.keys else ""
        if key:
            return f"key {key}"
        fits = self._rule.least <= len(digits) <= self._rule.most and digits.isascii() and digits.isdecimal()
        fits = fits and (self._rule.names is None or digits in self._rule.names)
        return "fine" if fits and self._matches_pattern(turn, digits) else "no-match"

    def _find_key(self, pressed: str) -> str:
        """Return the key that leads elsewhere. A star or a hash counts after digits, too: the caller gave up."""
        last = pressed[-1:]
        escape = last if last in ("*", "#") and last in self._rule.keys else ""
        return pressed if pressed in self._rule.keys else escape

    def _matches_pattern(self, turn: Turn, digits: str) -> bool:
        if self._fullmatch is not None:
            return self._fullmatch(digits) is not None
        return not self._rule.pattern or bool(get_job_result(turn, DigitMatchJob(self._rule.pattern, digits)))

    def make_outcome_condition(self, outcome: str) -> Callable[[Turn], bool]:
        """Return a condition that holds for this outcome and records the decision in the trail."""

        def has_outcome(turn: Turn) -> bool:
            if self.decide_outcome(turn) != outcome:
                return False
            self._record_decision(turn, outcome)
            return True

        return has_outcome

    def keep_input(self, turn: Turn) -> None:
        """Keep an input that is none of the choices as digits for the node under ``any``."""
        turn.values = Variables({**turn.values, "digits": self.read_input(turn)})

    def store_digits(self, turn: Turn) -> None:
        """Store the digits under the step's name and under ``digits``."""
        digits = self.read_digits(turn)
        stored = {self._rule.value_name: digits, "digits": digits}
        if self._rule.names is not None:
            stored[make_person_name(self._rule.value_name)] = self._rule.names[digits]
        turn.values = Variables({**turn.values, **stored})
        self._record_decision(turn, "fine")

    def _record_decision(self, turn: Turn, outcome: str) -> None:
        shown = MASKED_VALUE if self._rule.is_secret else self.read_digits(turn)
        is_shown = outcome != "no-input" and not outcome.startswith("key ")
        turn.trail.append((self._origin, outcome, turn.values, {"digits": shown} if is_shown else None))
