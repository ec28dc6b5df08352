"""Kinds of value: what an attribute may hold, checked, read and written in one place.

A kind has one lexical form, a regular expression in the part that Python and XML Schema share, so that
the builder, the reader, YAML and the XSD refuse the same things. Errors are plain ``ValueError``s that
say what is allowed; whoever knows the place adds it.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal

from app.characters import FORBIDDEN
from app.errors import nearest

_SHOWN: Final = 60
BLANK: Final = " \t\n\r"
"""What XML calls white space."""


class Kind:
    """A kind of value that is kept as text; the base of the others.

    ``name`` is what ``extensions.yaml`` calls it, ``says`` completes "must be …", ``pattern`` is the lexical form
    (None: any text), ``keeps_text`` whether a kept value is a text.
    """

    keeps_text = True

    def __init__(self, name: str, says: str, pattern: str | None = None) -> None:
        self.name = name
        self.says = says
        self.pattern = pattern
        self.safe = pattern is not None and "[^" not in pattern
        """Whether no value can hold what XML escapes."""
        self._match = re.compile(pattern).fullmatch if pattern is not None else None

    def __repr__(self) -> str:
        return f"<Kind {self.name}>"

    def refusal(self, value: object) -> ValueError:
        """The error for ``value``, quoted short, with what it is probably meant to be."""
        shown = repr(value)
        near = self.near(value) if isinstance(value, str) and len(value) <= _SHOWN else ""
        mend = f" (did you mean {near!r}?)" if near else ""
        return ValueError(f"must be {self.says}, not {shown if len(shown) <= _SHOWN else shown[:_SHOWN] + '…'}{mend}")

    def near(self, text: str) -> str:
        """What a text that is none of this kind is probably meant to be; nothing where that is not plain."""
        address = f"https://{text}" if "." in text and "://" not in text else ""
        tried = (text.strip(), text.replace("_", "-"), text.upper(), text.lower(), address)
        return next((one for one in tried if one != text and self.accepts(one)), "")

    def take(self, value: object) -> object:
        """A Python value, checked and in the form that is kept."""
        match = self._match
        if type(value) is str and value.isprintable() and (match is None or match(value)):
            return value
        if not isinstance(value, str):
            raise self.refusal(value)
        value = "".join(value)
        if match is not None:
            return self.read(value)
        if FORBIDDEN.search(value):
            raise forbidden(value)
        return value

    def read(self, text: str) -> object:
        """The value of an attribute as XML or YAML writes it."""
        if self._match is None:
            return text
        if self._match(text) and text.isprintable():
            return text
        text = text.strip(BLANK)
        if self._match(text) and (text.isprintable() or not FORBIDDEN.search(text)):
            return text
        raise self.refusal(text)

    def write(self, value: object) -> str:
        """The text of a kept value."""
        return str(value)

    def accepts(self, text: str) -> bool:
        """Whether a text is one of this kind, as it stands."""
        return self._match is None or self._match(text) is not None


def forbidden(text: str) -> ValueError:
    """The error for a text that XML cannot hold."""
    found = FORBIDDEN.search(text)
    which = f"U+{ord(found[0]):04X}" if found else "a character"
    return ValueError(f"holds {which}, which XML forbids")


class Choice(Kind):
    """One of a few words, ``choices``, perhaps in ``any_case``."""

    def __init__(self, name: str, *choices: str, any_case: bool = False) -> None:
        spelled = [c if not any_case else "".join(f"[{x}{x.lower()}]" for x in c) for c in choices]
        super().__init__(name, f"{', '.join(choices[:-1])} or {choices[-1]}", "|".join(spelled))
        self.choices = choices
        self.any_case = any_case

    def near(self, text: str) -> str:
        """The word that is most like it."""
        return nearest(text, self.choices)

    def take(self, value: object) -> object:
        """A word, checked."""
        if type(value) is str and value in self.choices:
            return value
        if not isinstance(value, str):
            raise self.refusal(value)
        return self.read("".join(value))

    def read(self, text: str) -> object:
        """A word, in its own case."""
        value = super().read(text)
        return str(value).upper() if self.any_case else value


_TOO_BIG: Final = 10**10
_TOO_LONG: Final = 10**100


class _Whole(Kind):
    """A whole number of at most ten digits, as many as any of its uses can need."""

    keeps_text = False

    def __init__(self, name: str, says: str, pattern: str, least: int | None) -> None:
        super().__init__(name, says, pattern)
        self.least = least

    def take(self, value: object) -> object:
        if type(value) is not int or (self.least is not None and value < self.least) or abs(value) >= _TOO_BIG:
            raise self.refusal(value)
        return value

    def read(self, text: str) -> object:
        return int(str(super().read(text)))


class _Milliseconds(_Whole):
    def take(self, value: object) -> object:
        if type(value) is int and 0 <= value < _TOO_BIG:
            return value
        if isinstance(value, timedelta):
            whole, rest = divmod(value, timedelta(milliseconds=1))
            if rest:
                raise self.refusal(value)
            value = whole
        return super().take(value)


class _Boolean(Kind):
    keeps_text = False

    def take(self, value: object) -> object:
        if not isinstance(value, bool):
            raise self.refusal(value)
        return value

    def read(self, text: str) -> object:
        return super().read(text) == "true"

    def write(self, value: object) -> str:
        return "true" if value else "false"


class _Decibel(Kind):
    keeps_text = False

    def take(self, value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.refusal(value)
        if not -(10**6) < value <= 0 or round(value, 3) != value:
            raise self.refusal(value)
        return int(value) if value == int(value) else value

    def read(self, text: str) -> object:
        return self.take(float(str(super().read(text))))


class _Loose(Kind):
    """Keeps its text, whatever it looks like; Python's own values are spelled as the platform types them."""

    def take(self, value: object) -> object:
        if isinstance(value, str):
            return super().take(value)
        if value is None:
            return "null"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int) and abs(value) >= _TOO_LONG:
            raise ValueError(f"must be {self.says}, and no number of that length")
        if isinstance(value, (int, float)):
            if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - not a number
                raise self.refusal(value)
            return repr(value)
        return super().take(value)


class Several(Kind):
    """Values with commas between; blanks around a comma are read and not written. ``one`` is the form of each."""

    def __init__(self, name: str, says: str, one: str) -> None:
        super().__init__(name, says, f"{one}(,{one})*")
        self.one = one

    def read(self, text: str) -> object:
        """The text, without the blanks around its commas."""
        return super().read(re.sub(f"[{BLANK}]*,[{BLANK}]*", ",", text))


TEXT: Final = Kind("text", "text")
NAME: Final = Kind("name", "a name", r"[^ \t\n\r]([^\t\n\r]*[^ \t\n\r])?")
LOOSE: Final = _Loose("value", "text, a number, a boolean or null")
BOOLEAN: Final = _Boolean("boolean", "true or false", "true|false")
INTEGER: Final = _Whole("integer", "a whole number", r"-?[0-9]{1,10}", None)
COUNT: Final = _Whole("count", "a whole number, 1 or more", r"0{0,9}[1-9][0-9]{0,9}", 1)
MS: Final = _Milliseconds("ms", "a whole number of milliseconds, 0 or more", r"[0-9]{1,10}", 0)
URL: Final = Kind("url", "an http or https URL", r"[hH][tT][tT][pP][sS]?://[^ \t\n\r/?#][^ \t\n\r]*")
NUMBER: Final = Kind("number", "a number", r"\+?[0-9]+")
SIP: Final = Kind(
    "SIP address", "a SIP address", r"[sS][iI][pP][sS]?:[^ \t\n\r@]+(@[^ \t\n\r@]+)?|[^ \t\n\r@:]+@[^ \t\n\r@]+"
)
TARGET: Final = Kind("target", "a number or a SIP address", f"{NUMBER.pattern}|{SIP.pattern}")
KEY: Final = Kind("key", "one key: 0-9, * or #", "[0-9*#]")
STOP_KEY: Final = Kind("stop key", "one key: 0-9, *, # or (classic only) +", "[0-9*#+]")
KEYS: Final = Kind("keys", "keys: one or more of 0-9, * and #", "[0-9*#]+")
LANGUAGE: Final = Kind("language", "a language tag such as en-US", r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
FREQUENCIES: Final = Several("frequencies", "frequencies in Hz with commas between", r"[0-9]{1,5}(\.[0-9]{1,3})?")
DECIBEL: Final = _Decibel("dB", "0 or below, in dB with at most three decimals", r"-[0-9]{1,6}(\.[0-9]{1,3})?|0(\.0{1,3})?")
STATES: Final = Several("states", "two-letter codes in capitals with commas between", "[A-Z]{2}")
COUNTY: Final = Kind("county", "a name in capitals", r"[^a-z \t\n\r]([^a-z\t\n\r]*[^a-z \t\n\r])?")
_DAY = "(sun|mon|tue|wed|thu|fri|sat)"
DAYS: Final = Several("days", "days (sun, mon, tue, wed, thu, fri, sat) with commas between", _DAY)
_TIME = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
WINDOW: Final = Kind("window", "HH:MM:SS-HH:MM:SS", f"{_TIME}-{_TIME}")
METHOD: Final = Choice("method", "POST", "GET", "PATCH", "DELETE", any_case=True)
ASKING: Final = Choice("asking method", "GET", "POST", any_case=True)
LEG: Final = Choice("leg", "aleg", "bleg", "both")
VOICE_TYPE: Final = Choice("voice type", "WaveNet", "Standard")
GENDER: Final = Choice("gender", "MALE", "FEMALE")
RECORDING: Final = Choice("recording", "record-from-answer", "do-not-record")

KINDS: Final = {
    kind.name: kind for kind in (TEXT, BOOLEAN, INTEGER, COUNT, MS, URL, TARGET, KEY, KEYS, LANGUAGE, METHOD, LEG)
}
"""The kinds that ``extensions.yaml`` may name."""

Text = Annotated[str, TEXT]
Name = Annotated[str, NAME]
Loose = Annotated[str | int | float | None, LOOSE]
Boolean = Annotated[bool, BOOLEAN]
Integer = Annotated[int, INTEGER]
Count = Annotated[int, COUNT]
Ms = Annotated[int | timedelta, MS]
Url = Annotated[str, URL]
Target = Annotated[str, TARGET]
Key = Annotated[str, KEY]
StopKey = Annotated[str, STOP_KEY]
Keys = Annotated[str, KEYS]
Language = Annotated[str, LANGUAGE]
Frequencies = Annotated[str, FREQUENCIES]
Decibel = Annotated[float, DECIBEL]
States = Annotated[str, STATES]
County = Annotated[str, COUNTY]
Days = Annotated[str, DAYS]
Window = Annotated[str, WINDOW]
Method = Annotated[Literal["POST", "GET", "PATCH", "DELETE"], METHOD]
Asking = Annotated[Literal["GET", "POST"], ASKING]
Leg = Annotated[Literal["aleg", "bleg", "both"], LEG]
VoiceType = Annotated[Literal["WaveNet", "Standard"], VOICE_TYPE]
Gender = Annotated[Literal["MALE", "FEMALE"], GENDER]
Recording = Annotated[Literal["record-from-answer", "do-not-record"], RECORDING]


def typed(text: str) -> str | float | bool | None:
    """The value of a Meta or a Call, typed by its look: ``true``, ``123``, ``123.99``, ``null``, else a text."""
    if text in _WORDS:
        return _WORDS[text]
    if re.fullmatch(r"-?[0-9]{1,15}", text):
        return int(text)
    return float(text) if re.fullmatch(r"-?[0-9]{1,15}\.[0-9]{1,15}", text) else text


_WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
DURATION: Final = re.compile(r"(\d{1,7}(?:\.\d{1,3})?)\s*(ms|s|m|h)")
"""A duration as people write it."""
_UNITS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def duration(text: str) -> int:
    """Milliseconds of ``500ms``, ``20s``, ``2m``, ``1h``; a bare number is refused, since people mean seconds."""
    found = DURATION.fullmatch(text.strip())
    if not found:
        says = "a duration with its unit, such as 500ms, 20s or 2m"
        bare = text.strip().isdecimal()
        raise ValueError(f"must be {says}, not {text!r}" + (f" (did you mean {text.strip()}s?)" if bare else ""))
    length = Decimal(found[1]) * _UNITS[found[2]]
    if length != int(length):
        raise ValueError("must be whole milliseconds")
    if length >= _TOO_BIG:
        raise ValueError(f"must be shorter than {_TOO_BIG} ms, not {text!r}")
    return int(length)
