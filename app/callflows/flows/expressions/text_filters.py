"""The filters of conditions and texts: ``{{ hours.office.next_opening | spoken }}``.

Those in ``PLAIN`` take time that is bounded by the length of what they are given. Jinja's others are there too, and run
where they can be stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from callflows.telephony.calls import LocalTime
from callflows.telephony.turn import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _to_text(value: object) -> str:
    return "" if value is None else str(value)


def _default_filter(value: object, instead: object = "", even_if_empty: object = True) -> object:  # noqa: FBT002 - as Jinja has it
    """``instead`` where there is no value, or an empty one."""
    nothing = value is None or value is MISSING or (even_if_empty and value in ("", "unknown"))
    return instead if nothing else value


def _int_filter(value: Any, instead: object = 0) -> object:  # noqa: ANN401 - plain values
    """A whole number; ``instead`` where it is none, or longer than any real one."""
    try:
        return int(value) if not isinstance(value, str) or len(value) <= 40 else instead  # noqa: PLR2004 - as said
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
    """Digits one by one, as a number is read out: ``4 0 7``."""
    return " ".join(character for character in _to_text(value) if character.isdecimal())


def _join_filter(value: Any, between: object = "") -> str:  # noqa: ANN401 - plain values
    parts = value if isinstance(value, (list, tuple, str)) else [value]
    return _to_text(between).join(map(_to_text, parts))


PLAIN_FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "capitalize": lambda value: _to_text(value).capitalize(),
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
    "lower": lambda value: _to_text(value).lower(),
    "string": _to_text,
    "title": lambda value: _to_text(value).title(),
    "trim": lambda value: _to_text(value).strip(),
    "upper": lambda value: _to_text(value).upper(),
}
"""Filters of a value and constants."""


def _spoken_filter(value: object, now: LocalTime, lang: str) -> str:
    """How a person says it: a moment as seen from now, anything else as it is."""
    from callflows.flows.hours.spoken_times import format_spoken_moment  # noqa: PLC0415 - few flows need it

    return format_spoken_moment(value.moment, now.moment, lang) if isinstance(value, LocalTime) else _to_text(value)


CONTEXT_FILTERS: Final[Mapping[str, Callable[[Any, LocalTime, str], str]]] = {"spoken": _spoken_filter}
"""Filters that also see the moment and the language of the voice."""
