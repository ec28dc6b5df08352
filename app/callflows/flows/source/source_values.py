"""Types of the values in a flow file: keys, durations and lists. The place in the file decides the type of a text."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import pydantic

from callflows.flows.source.yaml_source import QuotedText
from callflows.language.plausible_durations import (
    INPUT_DURATION,
    LOOKUP_DURATION,
    MESSAGE_DURATION,
    RINGING_DURATION,
    PlausibleDuration,
)
from callflows.language.value_kinds import KEY_KIND, KEYS_KIND, MILLISECONDS_KIND, parse_duration


def _wrap_in_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _parse_one_key(value: object) -> object:
    key = parse_dtmf_keys(value)
    if isinstance(key, str) and len(key) > 1:
        raise ValueError(f"must be one key, not {value!r}")
    return key


class _DurationReader:
    """Reads a duration; an error suggests the unit that is plausible for the key."""

    def __init__(self, plausible: PlausibleDuration | None = None) -> None:
        self._plausible = plausible

    def __call__(self, value: object) -> object:
        return parse_duration(value, self._plausible) if isinstance(value, str) else value


def _check_variable(value: object) -> object:
    if isinstance(value, str) or (isinstance(value, list) and all(isinstance(part, str) for part in value)):
        return value
    raise ValueError("must be a text, or a list of texts")


def schema_reference(name: str) -> pydantic.WithJsonSchema:
    """Return the annotation for a type that the schema of flow files defines under a name."""
    return pydantic.WithJsonSchema({"$ref": f"#/definitions/{name}"})


TextList = Annotated[list[str], pydantic.BeforeValidator(_wrap_in_list), schema_reference("texts")]


def parse_dtmf_keys(value: object) -> object:
    """Convert ``star`` and ``hash`` to keys; YAML requires quotes around ``*`` and ``#``.

    Raises ValueError for other characters.
    """
    if not isinstance(value, str):
        return value
    key = KEY_WORDS.get(value, value)
    if not re.fullmatch("[0-9*#]+", key):
        raise ValueError(f"{value!r} is not a key: 0-9, star and hash are", _suggest_key(value))
    return key


def _suggest_key(text: str) -> str:
    """Suggest the keys that are meant by words, as ``one`` or ``pound``, or by several keys in one, as ``1-2``."""
    keys = [
        _KEY_NAMES.get(part.lower(), part)
        for part in re.split(r"\s*(?:[,;/|&\u2013-]|\.\.+|\b(?:or|and|to|through)\b)\s*|\s+", text.strip().strip("[]()"))
        if part.lower() not in ("key", "press", "")
    ]
    if not keys or not all(re.fullmatch("[0-9*#]|star|hash", key) for key in keys):
        return ""
    is_range = _KEY_RANGE.search(text) and len(keys) == 2 and "".join(keys).isdecimal()  # noqa: PLR2004 - from and to
    if is_range and keys[0] < keys[1]:
        keys = [*map(str, range(int(keys[0]), int(keys[1]) + 1))]
    if len(keys) > 1:
        return f"each key stands by itself, as {{{', '.join(f'{key}: …' for key in keys)}}}"
    return f"did you mean {keys[0]}?"


def _parse_choice(value: object) -> object:
    """Convert a key of a question as ``parse_dtmf_keys``; an error says where the ways besides keys stand."""
    outcome = _OUTCOME_WORDS.get(re.sub("[ _-]+", " ", value).strip().lower(), "") if isinstance(value, str) else ""
    if outcome:
        fix = f"{outcome}: NODE stands beside keys:, not in it"
        raise ValueError(f"{value!r} is not a key: 0-9, star and hash are", fix)
    return parse_dtmf_keys(value)


_KEY_RANGE: Final = re.compile(r"[-\u2013]|\.\.|\b(?:to|through)\b", re.IGNORECASE)
_KEY_NAMES: Final = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8",
    "nine": "9", "pound": "hash", "square": "hash", "hashtag": "hash", "#": "hash", "asterisk": "star", "*": "star",
}  # fmt: skip
_OUTCOME_WORDS: Final = {
    **dict.fromkeys(("timeout", "no input", "noinput", "no key", "silence", "none", "t"), "no_input"),
    **dict.fromkeys(("any", "any key", "any other", "other", "others", "anything"), "any"),
    **dict.fromkeys(("no match", "nomatch", "invalid", "wrong", "error", "i"), "no_match"),
    **dict.fromkeys(("default", "else", "otherwise", "fallback"), "otherwise"),
}
"""Words among keys for the ways of input that is none of the keys."""
KeySequence = Annotated[str, pydantic.BeforeValidator(_parse_choice), KEYS_KIND]
SingleKey = Annotated[str, pydantic.BeforeValidator(_parse_one_key), KEY_KIND]
DurationMs = Annotated[int, pydantic.BeforeValidator(_DurationReader()), MILLISECONDS_KIND]
RingingMs = Annotated[int, pydantic.BeforeValidator(_DurationReader(RINGING_DURATION)), MILLISECONDS_KIND]
MessageMs = Annotated[int, pydantic.BeforeValidator(_DurationReader(MESSAGE_DURATION)), MILLISECONDS_KIND]
InputMs = Annotated[int, pydantic.BeforeValidator(_DurationReader(INPUT_DURATION)), MILLISECONDS_KIND]
LookupMs = Annotated[int, pydantic.BeforeValidator(_DurationReader(LOOKUP_DURATION)), MILLISECONDS_KIND]
VariableValue = Annotated[str | list[str], pydantic.PlainValidator(_check_variable), schema_reference("variable")]
NonEmptyTextList = Annotated[TextList, pydantic.Field(min_length=1), schema_reference("some texts")]
NodeName = str
RoundCount = Annotated[int, pydantic.Field(ge=1, le=20)]
AttemptCount = Annotated[int, pydantic.Field(ge=1, le=10)]
_JSON_NUMBER: Final = re.compile("-?(0|[1-9][0-9]{0,14})([.][0-9]{1,15})?")


def parse_plain_data(value: Any) -> Any:  # noqa: ANN401 - plain data
    """Convert the texts ``true``, ``false``, ``null`` and numbers in an author's data to JSON values, unless in quotes."""
    if isinstance(value, dict):
        return {key: parse_plain_data(part) for key, part in value.items()}
    if isinstance(value, list):
        return [parse_plain_data(part) for part in value]
    if not isinstance(value, str):
        return value
    if isinstance(value, QuotedText):
        return str(value)
    if value in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[value]
    found = _JSON_NUMBER.fullmatch(value)
    return (float(value) if found[2] else int(value)) if found else value


BOOLEAN_WORDS: Final = {
    **dict.fromkeys(("yes", "on", "y", "t"), "true"),
    **dict.fromkeys(("no", "off", "n", "f"), "false"),
}
"""Further words for booleans."""
KEY_WORDS: Final = {"star": "*", "hash": "#"}
"""Words for keys that need quotes in YAML."""
