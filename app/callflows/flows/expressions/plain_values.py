"""Operations on plain values: format, look up, compare, calculate.

The compiled functions and the Jinja sandbox share these operations, so both give the same results.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any, Final

from callflows.errors import ValueTooLongError
from callflows.telephony.calls import LocalTime
from callflows.telephony.phone_numbers import RegionCode, UnknownText
from callflows.telephony.truth_words import TRUE_WORDS, says_no
from callflows.telephony.turn import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


MAX_VALUE_CHARACTERS: Final = 65_536
"""Characters of a text, and items of a list, that an expression may compute: a few steps that double a value fill any
memory. A document is read aloud, and a text message has 918 characters."""
_MAX_DATA_DEPTH: Final = 20


def to_plain_data(value: Any, depth: int = 0) -> Any:  # noqa: ANN401 - plain data
    """Convert a value to data for a ticket: texts, numbers, booleans, lists and mappings. A country stays a country.

    Missing values, and values nested too deeply, become "".
    """
    if is_missing(value) or isinstance(value, UnknownText) or depth > _MAX_DATA_DEPTH:
        return ""
    if isinstance(value, (bool, int, float, RegionCode)):
        return value
    if isinstance(value, dict):
        return {str(key): to_plain_data(part, depth + 1) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain_data(part, depth + 1) for part in value]
    return format_plain_value(value)


_COMPARISONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
    "in": lambda left, right: _contains_value(right, left),
    "notin": lambda left, right: not _contains_value(right, left),
}
_ARITHMETIC: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}
_DIVISIONS: Final = frozenset({"/", "//", "%"})
_NUMERIC_TEXT: Final = re.compile(r"[+-]?[0-9]{1,300}([.][0-9]{1,300})?")


def format_plain_value(value: object) -> str:
    """Format a value as text: whole numbers without decimal point, a list with commas, a mapping as ``key: value``.

    A missing value is empty, and so is an object that is no plain value, as the caller as a whole: no caller ever hears
    how Python prints an object.
    """
    if type(value) is str:
        return value
    if type(value) is float:
        return _format_fraction(value)
    if isinstance(value, (str, bool, int, float, LocalTime)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return _join_bounded_texts(map(format_plain_value, to_plain_data(value)), ", ")
    if isinstance(value, dict):
        return _join_bounded_texts(
            (f"{key}: {format_plain_value(part)}" for key, part in to_plain_data(value).items()), ", "
        )
    return ""


def _format_fraction(value: float) -> str:
    """Format a number without the rounding error of a calculation, and without an exponent: nobody says 1e+20."""
    text = repr(value)
    if not abs(value) < _LARGEST_SPOKEN:
        return text
    if value.is_integer():
        return str(int(value))
    if len(text) < _CALCULATED_CHARACTERS and "e" not in text:
        return text
    rounded = f"{value:.10f}".rstrip("0").rstrip(".")
    return "0" if rounded == "-0" else rounded


_CALCULATED_CHARACTERS: Final = 16
"""A number of a server has fewer digits; one with all that there are was calculated, as 0.1 + 0.2."""
_LARGEST_SPOKEN: Final = 1e21
"""A larger number, and one that is infinite or none, is written as Python writes it."""


def check_value_length(characters: int) -> None:
    """Raise ValueTooLongError if a computed value has, or will have, too many characters or items."""
    if characters > MAX_VALUE_CHARACTERS:
        raise ValueTooLongError(f"a value is longer than {MAX_VALUE_CHARACTERS:,} characters: does a step make it grow?")


def _join_bounded_texts(parts: Iterable[str], between: str) -> str:
    """Join texts one by one, so that a result that is too long is never in memory."""
    texts: list[str] = []
    length = 0
    for text in parts:
        length += len(text) + len(between)
        if length - len(between) > MAX_VALUE_CHARACTERS:
            check_value_length(length)
        texts.append(text)
    return between.join(texts)


def keep_truth(value: object, text: str) -> str:
    """Return a text made of a value with the value's truth: unknown stays false, and a country stays true."""
    return type(value)(text) if isinstance(value, (UnknownText, RegionCode)) else text


def change_text(value: object, change: Callable[[str], str]) -> str:
    """Return the changed text of a value, with the value's truth."""
    return keep_truth(value, change(format_plain_value(value)))


def join_plain_values(parts: Sequence[object], between: str = "") -> str:
    """Return the texts of values, one after the other. If no part is known, the result is unknown, too.

    Raises ValueTooLongError.
    """
    text = _join_bounded_texts(map(format_plain_value, parts), between)
    known_parts = [part for part in parts if not isinstance(part, UnknownText)]
    is_unknown = len(known_parts) < len(parts) and not any(map(format_plain_value, known_parts))
    return UnknownText(text) if is_unknown else text


def get_plain_field(value: object, key: object) -> Any:  # noqa: ANN401 - plain data of any kind
    """Return a field of plain data, or MISSING."""
    if isinstance(value, dict):
        return value.get(key, MISSING) if isinstance(key, (str, int, float)) else MISSING
    if isinstance(value, (list, tuple, str)) and isinstance(key, int):
        return value[key] if -len(value) <= key < len(value) else MISSING
    fields = getattr(type(value), "FIELDS", ())
    return getattr(value, key) if isinstance(key, str) and key in fields else MISSING


def slice_plain_value(value: object, start: object, stop: object, step: object) -> Any:  # noqa: ANN401 - a text or a list
    """Return a part of a text or a list, as ``value[start:stop:step]``; MISSING for other values and impossible bounds."""
    try:
        bounds = slice(*(None if is_missing(bound) else int(_require_number(bound)) for bound in (start, stop, step)))
        # nobody wants to hear a part of the word "unknown"
        return value[bounds] if isinstance(value, (list, tuple, str)) and not isinstance(value, UnknownText) else MISSING
    except (TypeError, ValueError, OverflowError):
        return MISSING


def convert_numeric_text(value: object) -> Any:  # noqa: ANN401 - a plain value
    """Convert numeric text to a number so that comparisons work.

    Other texts become MISSING; values of other types stay unchanged.
    """
    if not isinstance(value, str):
        return value
    found = _NUMERIC_TEXT.fullmatch(value)
    return MISSING if found is None else float(value) if found[1] else int(value)


def compare_plain_values(op: str, left: Any, right: Any) -> bool:  # noqa: ANN401 - plain values
    """Return True if a comparison holds. Numeric text equals a number; a list equals a tuple of the same items.

    A text that says yes or no equals true or false. Values without an order give false, or true for ``notin``.
    """
    if op in ("in", "notin") and _is_empty(left):
        return op == "notin"  # an empty value is in nothing: an anonymous caller is no VIP
    if isinstance(left, str) and isinstance(right, bool):
        left = convert_truth_text(left)
    elif isinstance(right, str) and isinstance(left, bool) and op not in ("in", "notin"):
        right = convert_truth_text(right)
    elif isinstance(left, str) and isinstance(right, (int, float)):
        left = convert_numeric_text(left)
    elif isinstance(right, str) and isinstance(left, (int, float)):
        right = convert_numeric_text(right) if op not in ("in", "notin") else right
    elif isinstance(left, list) and isinstance(right, tuple):
        left = (*left,)
    elif isinstance(left, tuple) and isinstance(right, list):
        left = [*left]
    try:
        return bool(_COMPARISONS[op](left, right))
    except TypeError:
        return op == "notin"


def _is_empty(value: object) -> bool:
    """Return True if a value has nothing in it: it is missing, an empty text, an empty list or an empty mapping."""
    return is_missing(value) or (isinstance(value, str) and str(value) == "") or value in ([], (), {})


def convert_truth_text(text: str) -> Any:  # noqa: ANN401 - a plain value
    """Convert text to true or false; other texts to a number, or MISSING."""
    word = text.strip().lower()
    if word in TRUE_WORDS or (word and says_no(word)):
        return word in TRUE_WORDS
    return convert_numeric_text(text)


def _contains_value(whole: Any, part: Any) -> bool:  # noqa: ANN401 - plain values
    """Return True if a text, list or mapping contains a value; in a list, numeric text matches a number."""
    if isinstance(whole, str):
        text = format_plain_value(part)  # empty for an object as a whole, as caller
        return bool(whole and text) and text in whole
    if isinstance(whole, (list, tuple)):
        return any(compare_plain_values("eq", part, other) for other in whole)
    return part in whole


def calculate_plain_values(op: str, left: Any, right: Any) -> Any:  # noqa: ANN401 - plain values
    """Calculate with two values. Numeric text counts as a number, a missing value and an empty text as 0.

    ``+`` joins texts, also a text and a number, and lists; a missing operand is then empty. ``*`` repeats a text. A
    division by a missing value gives MISSING. Raises TypeError if a value is not a number, ValueTooLongError, and Python's
    arithmetic errors.
    """
    if op == "+" and isinstance(left, str | list | tuple) | isinstance(right, str | list | tuple):
        return _concatenate(left, right)
    repeats_text = isinstance(left, str) and not _is_blank(left) and is_missing(convert_numeric_text(left))
    if op == "*" and repeats_text and isinstance(right, int):
        check_value_length(len(left) * right)
        return keep_truth(left, left * right)
    if op in _DIVISIONS and _is_blank(right):
        return MISSING
    return _ARITHMETIC[op](_require_number(left), _require_number(right))


def _concatenate(left: Any, right: Any) -> Any:  # noqa: ANN401 - plain values
    if isinstance(left, str) or isinstance(right, str):
        return join_plain_values([left, right])
    parts = [_require_list([] if is_missing(part) else part) for part in (left, right)]
    check_value_length(sum(map(len, parts)))
    return [*parts[0], *parts[1]]


def _require_list(value: Any) -> Any:  # noqa: ANN401 - a plain value
    """Return a list unchanged. Raises TypeError for other values."""
    if not isinstance(value, list | tuple):
        raise TypeError(f"{type(value).__name__} is no list")
    return value


def _require_number(value: Any) -> Any:  # noqa: ANN401 - a plain value
    """Convert a value to a number. Raises TypeError if the value is not numeric."""
    found = 0 if _is_blank(value) else convert_numeric_text(value)
    if not isinstance(found, int | float):
        # the value stays out of the message: it may come from secret digits, and messages are logged
        raise TypeError("a value is no number" if not isinstance(value, str) else "a text is no number")
    return found


def _is_blank(value: object) -> bool:
    """Return True if a value is missing, or a text without characters, as a server may send it for a missing number."""
    return is_missing(value) or (isinstance(value, str) and not value.strip())


def is_true_value(value: object) -> bool:
    """Return the truth of a value. A text that says no, as ``false``, ``n``, ``off``, ``0`` or ``null``, is false."""
    return bool(value) and not (isinstance(value, str) and says_no(value) and not isinstance(value, RegionCode))


def choose_either(left: Any, make_right: Callable[[], Any]) -> Any:  # noqa: ANN401 - plain values
    """Return the value of ``left or right``."""
    return left if is_true_value(left) else make_right()


def choose_both(left: Any, make_right: Callable[[], Any]) -> Any:  # noqa: ANN401 - plain values
    """Return the value of ``left and right``."""
    return make_right() if is_true_value(left) else left


def is_missing(value: object) -> bool:
    return value is None or value is MISSING
