"""Filters of conditions and texts, as in ``{{ hours.office.next_opening | spoken }}``.

The running time of ``PLAIN_FILTERS`` is bounded by the length of the input. Jinja's other filters are available too, but
run in a worker, because a worker can be stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from callflows.flows.expressions.plain_values import change_text, format_plain_value, join_plain_values
from callflows.telephony.calls import LocalTime
from callflows.telephony.phone_numbers import UnknownText
from callflows.telephony.turn import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _default_filter(value: object, instead: object = "", even_if_empty: object = True) -> object:  # noqa: FBT002 - as Jinja has it
    """Return ``instead`` for a missing value, and for "" and "unknown" if ``even_if_empty``."""
    nothing = value is None or value is MISSING or (even_if_empty and value in ("", "unknown"))
    return instead if nothing else value


def _int_filter(value: Any, instead: object = 0) -> object:  # noqa: ANN401 - plain values
    """Convert to a whole number; return ``instead`` for other values and for texts of more than 40 characters."""
    if isinstance(value, str) and len(value) > 40:  # noqa: PLR2004 - see above
        return instead
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        pass
    try:  # "12.50" is 12, as in Jinja
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return instead


def _float_filter(value: Any, instead: object = 0.0) -> object:  # noqa: ANN401 - plain values
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return instead


def _length_filter(value: Any) -> int:  # noqa: ANN401 - plain values
    try:
        return len(value)
    except TypeError:
        return 0


def _first_filter(value: Any) -> object:  # noqa: ANN401 - plain values
    return value[0] if isinstance(value, (str, list, tuple)) and value else MISSING


def _last_filter(value: Any) -> object:  # noqa: ANN401 - plain values
    return value[-1] if isinstance(value, (str, list, tuple)) and value else MISSING


def _digits_filter(value: object) -> str:
    """Separate digits for reading aloud: ``4 0 7``."""
    return " ".join(character for character in format_plain_value(value) if character.isdecimal())


def _join_filter(value: Any, between: object = "") -> str:  # noqa: ANN401 - plain values
    is_series = isinstance(value, (list, tuple, str)) and not isinstance(value, UnknownText)
    return join_plain_values(value if is_series else [value], format_plain_value(between))


PLAIN_FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "capitalize": lambda value: change_text(value, str.capitalize),
    "count": _length_filter,
    "d": _default_filter,
    "default": _default_filter,
    "digits": _digits_filter,
    "first": _first_filter,
    "float": _float_filter,
    "int": _int_filter,
    "join": _join_filter,
    "last": _last_filter,
    "length": _length_filter,
    "lower": lambda value: change_text(value, str.lower),
    "string": lambda value: change_text(value, str),
    "title": lambda value: change_text(value, str.title),
    "trim": lambda value: change_text(value, str.strip),
    "upper": lambda value: change_text(value, str.upper),
}
"""Filters with constant arguments only."""


def _spoken_filter(value: object, now: LocalTime, lang: str) -> str:
    """Format a moment relative to now, as a person says a time, or the status of hours; other values as text."""
    from callflows.flows.hours.spoken_times import (  # noqa: PLC0415 - few flows need the import
        HoursStatus,
        format_spoken_moment,
        format_spoken_status,
    )

    if isinstance(value, HoursStatus):
        return format_spoken_status(value, now.moment, lang)
    return format_spoken_moment(value.moment, now.moment, lang) if isinstance(value, LocalTime) else change_text(value, str)


CONTEXT_FILTERS: Final[Mapping[str, Callable[[Any, LocalTime, str], str]]] = {"spoken": _spoken_filter}
"""Filters that also receive the current time and the language of the voice."""
