"""The filters of conditions and texts: ``{{ hours.office.next_opening | spoken }}``.

Those in ``PLAIN`` take time that is bounded by the length of what they are given. Jinja's others are there too, and run
where they can be stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.calls import Now
from app.kept import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _shown(value: object) -> str:
    return "" if value is None else str(value)


def _default(value: object, instead: object = "", even_if_empty: object = True) -> object:  # noqa: FBT002 - as Jinja has it
    """``instead`` where there is no value, or an empty one."""
    nothing = value is None or value is NOTHING or (even_if_empty and value in ("", "unknown"))
    return instead if nothing else value


def _int(value: Any, instead: object = 0) -> object:  # noqa: ANN401 - plain values
    """A whole number; ``instead`` where it is none, or longer than any real one."""
    try:
        return int(value) if not isinstance(value, str) or len(value) <= 40 else instead  # noqa: PLR2004 - as said
    except (TypeError, ValueError, OverflowError):
        return instead


def _float(value: Any, instead: object = 0.0) -> object:  # noqa: ANN401 - plain values
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return instead


def _length(value: Any) -> int:  # noqa: ANN401 - plain values
    try:
        return len(value)
    except TypeError:
        return 0


def _first(value: Any) -> object:  # noqa: ANN401 - plain values
    return value[0] if isinstance(value, (str, list, tuple)) and value else NOTHING


def _last(value: Any) -> object:  # noqa: ANN401 - plain values
    return value[-1] if isinstance(value, (str, list, tuple)) and value else NOTHING


def _digits(value: object) -> str:
    """Digits one by one, as a number is read out: ``4 0 7``."""
    return " ".join(character for character in _shown(value) if character.isdecimal())


def _join(value: Any, between: object = "") -> str:  # noqa: ANN401 - plain values
    parts = value if isinstance(value, (list, tuple, str)) else [value]
    return _shown(between).join(map(_shown, parts))


PLAIN: Final[Mapping[str, Callable[..., Any]]] = {
    "capitalize": lambda value: _shown(value).capitalize(),
    "count": _length,
    "d": _default,
    "default": _default,
    "digits": _digits,
    "first": _first,
    "float": _float,
    "int": _int,
    "join": _join,
    "last": _last,
    "length": _length,
    "lower": lambda value: _shown(value).lower(),
    "string": _shown,
    "title": lambda value: _shown(value).title(),
    "trim": lambda value: _shown(value).strip(),
    "upper": lambda value: _shown(value).upper(),
}
"""Filters of a value and constants."""


def _spoken(value: object, now: Now, lang: str) -> str:
    """How a person says it: a moment as seen from now, anything else as it is."""
    from app.flows.hours.spoken import spoken  # noqa: PLC0415 - few flows need it

    return spoken(value.at, now.at, lang) if isinstance(value, Now) else _shown(value)


SPOKEN: Final[Mapping[str, Callable[[Any, Now, str], str]]] = {"spoken": _spoken}
"""Filters that also see the moment and the language of the voice."""
