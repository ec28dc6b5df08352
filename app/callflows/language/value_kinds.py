"""Kinds of attribute values, with checking, parsing and formatting of each kind.

A kind has one regular expression, in the syntax shared by Python and XML Schema, so that the builder, the reader, YAML and
the XSD refuse the same values. Errors are plain ``ValueError``s with the allowed values; callers add the place.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal

from callflows.language.plausible_durations import PlausibleDuration, format_duration
from callflows.text import XML_FORBIDDEN_CHARACTERS, find_nearest

_MAX_SHOWN_CHARACTERS: Final = 60
XML_WHITESPACE: Final = " \t\n\r"
"""White space as defined by XML."""


class ValueKind:
    """A kind of value stored as text; base class of the other kinds.

    ``name`` is the kind's name in ``extensions.yaml``, ``requirement`` completes "must be …", ``pattern`` is the lexical
    form (None: any text). ``keeps_text`` says whether stored values are text.
    """

    keeps_text = True

    def __init__(self, name: str, requirement: str, pattern: str | None = None) -> None:
        self.name = name
        self.requirement = requirement
        self.pattern = pattern
        self.is_xml_safe = pattern is not None and "[^" not in pattern
        """True if no value can contain characters that XML must escape."""
        self._match = re.compile(pattern).fullmatch if pattern is not None else None

    def __repr__(self) -> str:
        return f"<Kind {self.name}>"

    def make_refusal(self, value: object) -> ValueError:
        """Make the error for an invalid value, shortened, with a suggestion if possible."""
        shown = repr(value)
        if len(shown) > _MAX_SHOWN_CHARACTERS:
            shown = shown[:_MAX_SHOWN_CHARACTERS] + "…"
        near = self.suggest_value(value) if isinstance(value, str) and len(value) <= _MAX_SHOWN_CHARACTERS else ""
        fix = f" (did you mean {near!r}?)" if near else ""
        return ValueError(f"must be {self.requirement}, not {shown}{fix}")

    def suggest_value(self, text: str) -> str:
        """Suggest a valid value similar to an invalid text; "" if no suggestion is obvious."""
        address = f"https://{text}" if "." in text and "://" not in text and "@" not in text else ""
        tried = (text.strip(), text.replace("_", "-"), text.upper(), text.lower(), address)
        return next((one for one in tried if one != text and self.accepts(one)), "")

    def check_value(self, value: object) -> object:
        """Check a Python value and return it in stored form. Raises ValueError."""
        match = self._match
        if type(value) is str and value.isprintable() and (match is None or match(value)):
            return value
        if not isinstance(value, str):
            raise self.make_refusal(value)
        value = "".join(value)
        if match is not None:
            return self.parse_text(value)
        if XML_FORBIDDEN_CHARACTERS.search(value):
            raise forbidden_character_error(value)
        return value

    def parse_text(self, text: str) -> object:
        """Parse the text of an attribute in XML or YAML. Raises ValueError."""
        if self._match is None:
            return text
        if self._match(text) and text.isprintable():
            return text
        text = text.strip(XML_WHITESPACE)
        if self._match(text) and (text.isprintable() or not XML_FORBIDDEN_CHARACTERS.search(text)):
            return text
        raise self.make_refusal(text)

    def format_value(self, value: object) -> str:
        """Format a stored value as text."""
        return str(value)

    def accepts(self, text: str) -> bool:
        """Return True if the unchanged text is valid for this kind."""
        return self._match is None or self._match(text) is not None


def forbidden_character_error(text: str) -> ValueError:
    """Make the error for a text with characters forbidden in XML."""
    found = XML_FORBIDDEN_CHARACTERS.search(text)
    which = f"U+{ord(found[0]):04X}" if found else "a character"
    return ValueError(f"holds {which}, which XML forbids")


class ChoiceKind(ValueKind):
    """One of a few words; case is ignored if ``ignores_case``."""

    def __init__(self, name: str, *choices: str, ignores_case: bool = False) -> None:
        spelled = [c if not ignores_case else "".join(f"[{x}{x.lower()}]" for x in c) for c in choices]
        super().__init__(name, f"{', '.join(choices[:-1])} or {choices[-1]}", "|".join(spelled))
        self.choices = choices
        self.ignores_case = ignores_case

    def suggest_value(self, text: str) -> str:
        return find_nearest(text, self.choices)

    def check_value(self, value: object) -> object:
        if type(value) is str and value in self.choices:
            return value
        if not isinstance(value, str):
            raise self.make_refusal(value)
        return self.parse_text("".join(value))

    def parse_text(self, text: str) -> object:
        """Parse a word; words of a kind that ignores case become upper case."""
        value = super().parse_text(text)
        return str(value).upper() if self.ignores_case else value


_NUMBER_LIMIT: Final = 10**10
_LOOSE_NUMBER_LIMIT: Final = 10**100


class _WholeNumberKind(ValueKind):
    """A whole number of at most ten digits, enough for every attribute."""

    keeps_text = False

    def __init__(self, name: str, requirement: str, pattern: str, minimum: int | None) -> None:
        super().__init__(name, requirement, pattern)
        self.minimum = minimum

    def check_value(self, value: object) -> object:
        if type(value) is not int or (self.minimum is not None and value < self.minimum) or abs(value) >= _NUMBER_LIMIT:
            raise self.make_refusal(value)
        return value

    def parse_text(self, text: str) -> object:
        return int(str(super().parse_text(text)))


class _MillisecondsKind(_WholeNumberKind):
    def check_value(self, value: object) -> object:
        if type(value) is int and 0 <= value < _NUMBER_LIMIT:
            return value
        if isinstance(value, timedelta):
            whole, rest = divmod(value, timedelta(milliseconds=1))
            if rest:
                raise self.make_refusal(value)
            value = whole
        return super().check_value(value)


class _BooleanKind(ValueKind):
    keeps_text = False

    def check_value(self, value: object) -> object:
        if not isinstance(value, bool):
            raise self.make_refusal(value)
        return value

    def parse_text(self, text: str) -> object:
        return super().parse_text(text) == "true"

    def format_value(self, value: object) -> str:
        return "true" if value else "false"


class _DecibelKind(ValueKind):
    keeps_text = False

    def check_value(self, value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.make_refusal(value)
        if not -(10**6) < value <= 0 or round(value, 3) != value:
            raise self.make_refusal(value)
        return int(value) if value == int(value) else value

    def parse_text(self, text: str) -> object:
        return self.check_value(float(str(super().parse_text(text))))


class _LooseKind(ValueKind):
    """Any value, stored as text; Python values are spelled the way the platform recognizes types."""

    def check_value(self, value: object) -> object:
        if isinstance(value, str):
            return super().check_value(value)
        if value is None:
            return "null"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int) and abs(value) >= _LOOSE_NUMBER_LIMIT:
            raise ValueError(f"must be {self.requirement}, and no number of that length")
        if isinstance(value, (int, float)):
            if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - true for NaN only
                raise self.make_refusal(value)
            return repr(value)
        return super().check_value(value)


class ListKind(ValueKind):
    """Values separated by commas; each matches ``item_pattern``. Blanks around commas are accepted and removed."""

    def __init__(self, name: str, requirement: str, item_pattern: str) -> None:
        super().__init__(name, requirement, f"{item_pattern}(,{item_pattern})*")
        self.item_pattern = item_pattern

    def parse_text(self, text: str) -> object:
        """Parse a list and remove the blanks around commas."""
        return super().parse_text(re.sub(f"[{XML_WHITESPACE}]*,[{XML_WHITESPACE}]*", ",", text))


TEXT_KIND: Final = ValueKind("text", "text")
NAME_KIND: Final = ValueKind("name", "a name", r"[^ \t\n\r]([^\t\n\r]*[^ \t\n\r])?")
LOOSE_KIND: Final = _LooseKind("value", "text, a number, a boolean or null")
BOOLEAN_KIND: Final = _BooleanKind("boolean", "true or false", "true|false")
INTEGER_KIND: Final = _WholeNumberKind("integer", "a whole number", r"-?[0-9]{1,10}", None)
COUNT_KIND: Final = _WholeNumberKind("count", "a whole number, 1 or more", r"0{0,9}[1-9][0-9]{0,9}", 1)
MILLISECONDS_KIND: Final = _MillisecondsKind("ms", "a whole number of milliseconds, 0 or more", r"[0-9]{1,10}", 0)
URL_KIND: Final = ValueKind("url", "an http or https URL", r"[hH][tT][tT][pP][sS]?://[^ \t\n\r/?#][^ \t\n\r]*")
NUMBER_KIND: Final = ValueKind("number", "a number", r"\+?[0-9]+")
SIP_KIND: Final = ValueKind(
    "SIP address", "a SIP address", r"[sS][iI][pP][sS]?:[^ \t\n\r@]+(@[^ \t\n\r@]+)?|[^ \t\n\r@:]+@[^ \t\n\r@]+"
)
TARGET_KIND: Final = ValueKind("target", "a number or a SIP address", f"{NUMBER_KIND.pattern}|{SIP_KIND.pattern}")
KEY_KIND: Final = ValueKind("key", "one key: 0-9, * or #", "[0-9*#]")
STOP_KEY_KIND: Final = ValueKind("stop key", "one key: 0-9, *, # or (classic only) +", "[0-9*#+]")
KEYS_KIND: Final = ValueKind("keys", "keys: one or more of 0-9, * and #", "[0-9*#]+")
LANGUAGE_KIND: Final = ValueKind("language", "a language tag such as en-US", r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
FREQUENCIES_KIND: Final = ListKind("frequencies", "frequencies in Hz with commas between", r"[0-9]{1,5}(\.[0-9]{1,3})?")
DECIBEL_KIND: Final = _DecibelKind(
    "dB", "0 or below, in dB with at most three decimals", r"-[0-9]{1,6}(\.[0-9]{1,3})?|0(\.0{1,3})?"
)
STATES_KIND: Final = ListKind("states", "two-letter codes in capitals with commas between", "[A-Z]{2}")
COUNTY_KIND: Final = ValueKind("county", "a name in capitals", r"[^a-z \t\n\r]([^a-z\t\n\r]*[^a-z \t\n\r])?")
_DAY_PATTERN = "(sun|mon|tue|wed|thu|fri|sat)"
DAYS_KIND: Final = ListKind("days", "days (sun, mon, tue, wed, thu, fri, sat) with commas between", _DAY_PATTERN)
_TIME_PATTERN = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
TIME_WINDOW_KIND: Final = ValueKind("window", "HH:MM:SS-HH:MM:SS", f"{_TIME_PATTERN}-{_TIME_PATTERN}")
METHOD_KIND: Final = ChoiceKind("method", "POST", "GET", "PATCH", "DELETE", ignores_case=True)
GATHER_METHOD_KIND: Final = ChoiceKind("asking method", "GET", "POST", ignores_case=True)
LEG_KIND: Final = ChoiceKind("leg", "aleg", "bleg", "both")
VOICE_TYPE_KIND: Final = ChoiceKind("voice type", "WaveNet", "Standard")
GENDER_KIND: Final = ChoiceKind("gender", "MALE", "FEMALE")
RECORDING_KIND: Final = ChoiceKind("recording", "record-from-answer", "do-not-record")
DECLARABLE_KINDS: Final = {
    kind.name: kind
    for kind in (
        TEXT_KIND,
        BOOLEAN_KIND,
        INTEGER_KIND,
        COUNT_KIND,
        MILLISECONDS_KIND,
        URL_KIND,
        TARGET_KIND,
        KEY_KIND,
        KEYS_KIND,
        LANGUAGE_KIND,
        METHOD_KIND,
        LEG_KIND,
    )
}
"""The kinds allowed in ``extensions.yaml``."""
TextValue = Annotated[str, TEXT_KIND]
NameValue = Annotated[str, NAME_KIND]
LooseValue = Annotated[str | int | float | None, LOOSE_KIND]
BooleanValue = Annotated[bool, BOOLEAN_KIND]
IntegerValue = Annotated[int, INTEGER_KIND]
CountValue = Annotated[int, COUNT_KIND]
MillisecondsValue = Annotated[int | timedelta, MILLISECONDS_KIND]
URLValue = Annotated[str, URL_KIND]
TargetValue = Annotated[str, TARGET_KIND]
KeypadKeyValue = Annotated[str, KEY_KIND]
StopKeyValue = Annotated[str, STOP_KEY_KIND]
KeypadKeysValue = Annotated[str, KEYS_KIND]
LanguageValue = Annotated[str, LANGUAGE_KIND]
FrequenciesValue = Annotated[str, FREQUENCIES_KIND]
DecibelValue = Annotated[float, DECIBEL_KIND]
StatesValue = Annotated[str, STATES_KIND]
CountyValue = Annotated[str, COUNTY_KIND]
DaysValue = Annotated[str, DAYS_KIND]
TimeWindowValue = Annotated[str, TIME_WINDOW_KIND]
MethodValue = Annotated[Literal["POST", "GET", "PATCH", "DELETE"], METHOD_KIND]
GatherMethodValue = Annotated[Literal["GET", "POST"], GATHER_METHOD_KIND]
LegValue = Annotated[Literal["aleg", "bleg", "both"], LEG_KIND]
VoiceTypeValue = Annotated[Literal["WaveNet", "Standard"], VOICE_TYPE_KIND]
GenderValue = Annotated[Literal["MALE", "FEMALE"], GENDER_KIND]
RecordingValue = Annotated[Literal["record-from-answer", "do-not-record"], RECORDING_KIND]


def parse_loose_value(text: str) -> str | float | bool | None:
    """Convert the value of a Meta or a Call by its form: ``true``, ``123``, ``123.99``, ``null``, else text."""
    if text in _LITERAL_WORDS:
        return _LITERAL_WORDS[text]
    if re.fullmatch(r"-?[0-9]{1,15}", text):
        return int(text)
    return float(text) if re.fullmatch(r"-?[0-9]{1,15}\.[0-9]{1,15}", text) else text


_LITERAL_WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
_ANY_DURATION: Final = PlausibleDuration(1000, 3_600_000, 20_000)
DURATION_PATTERN: Final = re.compile(r"(\d{1,10}(?:\.\d{1,3})?)\s*(ms|s|m|h)")
"""Duration with a unit, as people write it."""
_UNIT_MILLISECONDS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def parse_duration(text: str, plausible: PlausibleDuration | None = None) -> int:
    """Parse ``500ms``, ``20s``, ``2m`` or ``1h`` to milliseconds. Raises ValueError, also for a number without a unit.

    ``plausible`` decides which unit the error suggests for a number without a unit.
    """
    found = DURATION_PATTERN.fullmatch(text.strip())
    if not found:
        says = "a duration with its unit, such as 500ms, 20s or 2m"
        raise ValueError(f"must be {says}, not {text!r}{_suggest_unit(text.strip(), plausible or _ANY_DURATION)}")
    length = Decimal(found[1]) * _UNIT_MILLISECONDS[found[2]]
    if length != int(length):
        raise ValueError("must be whole milliseconds")
    if length >= _NUMBER_LIMIT:
        raise ValueError(f"must be shorter than {_NUMBER_LIMIT} ms, not {text!r}")
    return int(length)


def _suggest_unit(number: str, plausible: PlausibleDuration) -> str:
    """Return a suggestion for a number without a unit, or for a duration in words, as ``20 seconds`` or ``1:30``."""
    if not (number.isascii() and number.isdecimal()) or len(number) > _MAX_BARE_DIGITS:
        spoken = _read_spoken_duration(number)
        return f" (did you mean {format_duration(spoken)}?)" if spoken else ""
    likely = plausible.find_likely(int(number))
    return f" (did you mean {f'{number}s' if likely == int(number) * 1000 else format_duration(likely)}?)" if likely else ""


def _read_spoken_duration(text: str) -> int:
    """Return the milliseconds of a duration in words or on a clock, as ``1 min 30 sec``; 0 if unclear."""
    words = text.strip().lower()
    clock = _CLOCK_DURATION.fullmatch(words)
    if clock:
        return (int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + int(clock[3])) * 1000
    for word, amount in _AMOUNT_WORDS.items():
        words = re.sub(rf"\b{word}\b", amount, words)
    parts = [*_DURATION_PART.finditer(words)]
    if not parts or _DURATION_PART.sub("", words).strip(" .,") not in ("", "and"):
        return 0
    total = sum(Decimal(part[1].replace(",", ".")) * _UNIT_MILLISECONDS[_find_unit(part[2])] for part in parts)
    return int(total) if total == int(total) and total < _NUMBER_LIMIT else 0


def _find_unit(word: str) -> str:
    return "ms" if word.startswith(("ms", "mil")) else word[0]


_CLOCK_DURATION: Final = re.compile(r"(?:([0-9]{1,2}):)?([0-9]{1,2})(?::|\s*m(?:in)?\.?\s*)([0-5][0-9])")
_DURATION_PART: Final = re.compile(
    r"([0-9]{1,6}(?:[.,][0-9]{1,3})?)\s*+(?:-\s*+)?"
    r"(milliseconds?|millis|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h)(?![a-z])"
)
_AMOUNT_WORDS: Final = {
    "half an?": "0.5", "an?": "1", "one": "1", "two": "2", "three": "3", "five": "5", "ten": "10", "fifteen": "15",
    "twenty": "20", "thirty": "30", "sixty": "60",
}  # fmt: skip
_MAX_BARE_DIGITS: Final = 10
