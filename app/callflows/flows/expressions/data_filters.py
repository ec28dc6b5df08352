"""Jinja's own filters for data of a call: plain values go in and come out, and missing data never fails.

A filter that cannot work on a value, as ``round`` on a word, gives MISSING: an empty text instead of a lost call.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Undefined
from jinja2.exceptions import FilterArgumentError
from markupsafe import escape

from callflows.flows.expressions.plain_values import (
    check_value_length,
    convert_numeric_text,
    format_plain_value,
    is_missing,
    join_plain_values,
    keep_truth,
)
from callflows.telephony.phone_numbers import RegionCode, UnknownText
from callflows.telephony.turn import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


_MAX_ARGUMENT_DEPTH: Final = 20
_TEXT_FILTERS: Final = frozenset(
    [
        "center",
        "e",
        "escape",
        "forceescape",
        "indent",
        "replace",
        "striptags",
        "truncate",
        "urlize",
        "wordcount",
        "wordwrap",
    ]
)
"""Filters that take any value as text."""
_NUMBER_FILTERS: Final = frozenset({"abs", "filesizeformat", "round"})
_COLLECTING_FILTERS: Final = frozenset({"max", "min", "sum"})
"""Filters that make one value of several, and pass over missing ones."""
_RESULTS_FOR_MISSING: Final = {"sum": 0, "wordcount": 0, "tojson": "null"}
"""Results of filters for a missing value; the other filters give MISSING."""
_DATA_ERRORS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    FilterArgumentError,
    LookupError,
    TypeError,
    ValueError,
)
_DIRECTIVE_PATTERN: Final = re.compile(
    r"%(?:[(](?P<key>[^()]*)[)])?(?P<flags>[-+ #0]*)(?P<width>[0-9]{0,3})(?:[.](?P<precision>[0-9]{0,3}))?"
    r"(?P<kind>[diouxXeEfFgGrsa%])"
)
"""A directive of the filter ``format``, as ``%02d``."""


_NEW_LENGTHS: Final[Mapping[str, Callable[..., int]]] = {
    "batch": lambda _value, line_count=0, *_, **__: line_count,
    "center": lambda _value, width=80: width,
    "indent": lambda value, width=4, *_, **__: len(value.splitlines()) * _measure_width(width),
    "replace": lambda value, old, new, *_, **__: str(value).count(str(old)) * len(str(new)),
    "slice": lambda _value, slices=0, *_, **__: slices,
    "wordwrap": lambda value, _width=79, _breaks=True, between="\n", *_, **__: len(value) * len(str(between)),
}
"""Characters or items that a filter adds at most, for filters that can make much of little, by Jinja's arguments."""


def _measure_width(width: Any) -> int:  # noqa: ANN401 - a number, or a text
    return len(width) if isinstance(width, str) else int(width)


def make_data_filters(filters: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """Return Jinja's filters, each bound to plain values."""
    return {name: _guard_filter(name, apply_filter) for name, apply_filter in filters.items()} | {"format": _format_filter}


def _guard_filter(name: str, apply_filter: Callable[..., Any]) -> Callable[..., Any]:
    # Jinja passes its environment or its context to some filters, before the value
    value_index = 1 if hasattr(apply_filter, "jinja_pass_arg") else 0

    @functools.wraps(apply_filter)
    def apply_to_plain_values(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - plain values
        value, *others = (_to_argument(argument) for argument in args[value_index:])
        if is_missing(value):
            return _RESULTS_FOR_MISSING.get(name, MISSING)
        named = {key: _to_argument(argument) for key, argument in kwargs.items()}
        if name == "indent" and hasattr(value, "__html__"):
            # Jinja takes any text to indent by for markup beside markup, also one that a caller has brought.
            others, named = [*map(_escape_text, others)], {key: _escape_text(part) for key, part in named.items()}

        def filter_value(value: Any) -> Any:  # noqa: ANN401 - plain values
            try:
                prepared = _prepare_value(name, value)
                if name in _NEW_LENGTHS:
                    check_value_length(_NEW_LENGTHS[name](prepared, *others, **named))
                filtered = apply_filter(*args[:value_index], prepared, *others, **named)
                filtered = [*filtered] if isinstance(filtered, Iterator) else filtered
            except _DATA_ERRORS:
                return MISSING
            if isinstance(filtered, (str, list)):
                check_value_length(len(filtered))
            return MISSING if isinstance(filtered, Undefined) else filtered

        filtered = filter_value(value)
        if isinstance(value, UnknownText) and not isinstance(filtered, str):
            return filter_value("")  # a list of the characters of "unknown" would be true
        return keep_truth(value, filtered) if isinstance(filtered, str) else filtered

    return apply_to_plain_values


def _escape_text(value: Any) -> Any:  # noqa: ANN401 - plain values
    return escape(value) if isinstance(value, str) else value


def _to_argument(value: Any, depth: int = 0) -> Any:  # noqa: ANN401 - plain values
    """Convert an argument of a filter to plain data; objects that are no plain value become MISSING."""
    if is_missing(value) or isinstance(value, Undefined) or depth > _MAX_ARGUMENT_DEPTH:
        return MISSING
    if isinstance(value, (bool, int, float, UnknownText, RegionCode)) or hasattr(value, "__html__"):
        return value
    if isinstance(value, dict):
        return {key: _to_argument(part, depth + 1) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_argument(part, depth + 1) for part in value]
    return format_plain_value(value) or ("" if isinstance(value, str) else MISSING)


def _prepare_value(name: str, value: Any) -> Any:  # noqa: ANN401 - plain values
    """Return the value as the filter takes it: as text, as a number, without missing parts, or as JSON."""
    if name in _TEXT_FILTERS and not isinstance(value, str):
        return format_plain_value(value)
    if name in _NUMBER_FILTERS:
        return convert_numeric_text(value)
    if name in _COLLECTING_FILTERS and isinstance(value, list):
        return [part for part in value if not is_missing(part)]
    return _replace_missing(value) if name == "tojson" else value


def _replace_missing(value: Any) -> Any:  # noqa: ANN401 - plain values
    """Return data with None for each missing value."""
    if isinstance(value, dict):
        return {key: _replace_missing(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_replace_missing(part) for part in value]
    return None if value is MISSING else value


def _format_filter(template: Any, *args: Any, **kwargs: Any) -> str:  # noqa: ANN401 - plain values
    """Write values into a text, as ``"%02d" | format(x.n)``. A directive whose value is missing is empty."""
    waiting = iter(args)
    pattern = format_plain_value(_to_argument(template))
    parts: list[str] = []
    end = 0
    for found in _DIRECTIVE_PATTERN.finditer(pattern):
        parts.append(keep_truth(template, pattern[end : found.start()]))
        end = found.end()
        if found["kind"] == "%":
            parts.append("%")
            continue
        value = kwargs.get(found["key"], MISSING) if found["key"] is not None else next(waiting, MISSING)
        value = _to_argument(value)
        parts.append(keep_truth(value, _write_directive(found, value)))
    return join_plain_values([*parts, keep_truth(template, pattern[end:])])


def _write_directive(directive: re.Match[str], value: Any) -> str:  # noqa: ANN401 - plain values
    kind = directive["kind"] if directive["kind"] not in "ra" else "s"
    precision = "" if directive["precision"] is None else f".{directive['precision']}"
    if is_missing(value):
        return ""
    try:
        number = format_plain_value(value) if kind == "s" else convert_numeric_text(value)
        number = int(number) if kind in "diouxX" else number
        return f"%{directive['flags']}{directive['width']}{precision}{kind}" % number
    except _DATA_ERRORS:
        return ""
