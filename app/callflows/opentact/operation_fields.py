"""Fields of REST operations: their kinds, and the conversion of values to the JSON that Opentact documents."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from callflows.telephony.phone_numbers import parse_e164

if TYPE_CHECKING:
    from collections.abc import Callable


FieldKind: TypeAlias = Literal[
    "text",
    "integer",
    "decimal",
    "boolean",
    "phone",
    "phone-integer",
    "url",
    "time",
    "texts",
    "phone-integers",
    "object",
    "objects",
    "order",
    "json",
    "file",
]
FieldPlace: TypeAlias = Literal["path", "query", "header", "body", "file"]
FIELD_KINDS: Final[tuple[FieldKind, ...]] = get_args(FieldKind)
FIELD_KIND_MEANINGS: Final[dict[FieldKind, str]] = {
    "text": "a text",
    "integer": "a whole number",
    "decimal": "a number",
    "boolean": "true or false",
    "phone": "a phone number as text of digits, without the plus",
    "phone-integer": "a phone number as a JSON number",
    "url": "a URL with http:// or https://",
    "time": "a moment as 2026-03-05T16:30:00.000Z",
    "texts": "a list of texts",
    "phone-integers": "a list of phone numbers as JSON numbers",
    "object": "a JSON object",
    "objects": "a list of JSON objects",
    "order": "an object of fields with ASC or DESC",
    "json": "any JSON",
    "file": "a file, as the part of this name in a multipart form",
}
_TRUTH_WORDS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NATIONAL_NUMBER: Final = re.compile(r"\(?([2-9][0-9]{2})\)?[ .\-/]*([2-9][0-9]{2})[ .\-]*([0-9]{4})")
_MASK_CHARACTERS: Final = re.compile(r"[*%]")


@dataclasses.dataclass(frozen=True, slots=True)
class RestField:
    """One field of an operation.

    ``name`` is the name in commands, in the client and in templates; ``keys`` is the place in the body, by default the
    name alone. A field with ``is_mask`` may contain ``*`` and ``%``.
    """

    name: str
    kind: FieldKind
    example: Any
    meaning: str = ""
    place: FieldPlace = "body"
    is_required: bool = False
    is_mask: bool = False
    choices: tuple[str, ...] = ()
    default: Any = None
    """The value of a field that is left out."""
    least: float | None = None
    most: float | None = None
    """Limits of a number, or of the length of a text."""
    keys: tuple[str, ...] = ()
    wire_name: str = ""
    """Name of a header or of a query parameter, if not ``name``."""

    @property
    def body_keys(self) -> tuple[str, ...]:
        return self.keys or (self.name,)

    @property
    def sent_name(self) -> str:
        return self.wire_name or self.name

    @property
    def shown_kind(self) -> str:
        return "|".join(self.choices) if self.choices else f"{self.kind} mask" if self.is_mask else self.kind


def convert_value(field: RestField, value: object) -> Any:  # noqa: ANN401 - JSON
    """Return a value as Opentact expects it. Raises ValueError with the reason.

    ``None`` stays: for many fields it means "none".
    """
    if value is None and field.place == "body":
        return None
    if field.is_mask and isinstance(value, str):
        # A mask may also be a SIP name, or a short code.
        number = parse_e164(value) if field.kind == "phone" and not _MASK_CHARACTERS.search(value) else ""
        return number.removeprefix("+") or value
    converted = _CONVERTERS[field.kind](value)
    if field.choices and converted not in field.choices:
        raise ValueError(f"must be {', '.join(field.choices[:-1])} or {field.choices[-1]}")
    _check_limits(field, converted)
    return converted


def _check_limits(field: RestField, value: Any) -> None:  # noqa: ANN401 - JSON
    sized = isinstance(value, (str, list, bytes))
    amount, unit = (len(value), " characters" if isinstance(value, str) else " values") if sized else (value, "")
    if field.least is not None and amount < field.least:
        raise ValueError(f"must be at least {field.least:g}{unit}")
    if field.most is not None and amount > field.most:
        raise ValueError(f"must be at most {field.most:g}{unit}")


def parse_field_text(field: RestField, text: str) -> Any:  # noqa: ANN401 - JSON
    """Return the value that somebody wrote as text, for example in an option. Raises ValueError with the reason.

    An empty text is "none"; lists are separated by commas, objects are JSON.
    """
    if not text.strip() and field.place == "body":
        return None
    if field.kind in ("texts", "phone-integers"):
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return convert_value(
            field, [parse_written_number(part) or part for part in parts] if "phone" in field.kind else parts
        )
    if field.kind in ("phone", "phone-integer"):
        return convert_value(field, parse_written_number(text) or text)
    if field.kind in ("object", "objects", "json", "order"):
        try:
            return convert_value(field, json.loads(text))
        except json.JSONDecodeError:
            raise ValueError(f"must be JSON, as {json.dumps(field.example)}") from None
    return convert_value(field, text)


def parse_written_number(text: str) -> str:
    """Return a number as people write it in E.164, or "". Ten digits are a number of North America."""
    national = _NATIONAL_NUMBER.fullmatch(text.strip())
    return f"+1{''.join(national.groups())}" if national else parse_e164(text)


# Conversion by kind


def _convert_text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("must be a text")  # noqa: TRY004 - a wrong value of a field is one kind of error
    return str(value)


def _convert_integer(value: object) -> int:
    try:
        number = _refuse_boolean(value)
        return int(str(number) if isinstance(number, float) else number)  # a fraction is no whole number
    except (TypeError, ValueError):
        raise ValueError("must be a whole number") from None


def _convert_decimal(value: object) -> float:
    try:
        return float(_refuse_boolean(value))
    except (TypeError, ValueError, OverflowError):
        raise ValueError("must be a number") from None


def _refuse_boolean(value: object) -> Any:  # noqa: ANN401 - a text or a number
    """Return the value. Raises ValueError for true and false, which Python counts as numbers."""
    if isinstance(value, bool):
        raise ValueError("true and false are no numbers")  # noqa: TRY004 - a wrong value of a field is one kind of error
    return value


def _convert_boolean(value: object) -> bool:
    truth = value if isinstance(value, bool) else _TRUTH_WORDS.get(str(value).lower())
    if truth is None:
        raise ValueError("must be true or false")
    return truth


def _convert_phone(value: object) -> str:
    number = parse_e164(str(value)) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not number:
        raise ValueError("must be a phone number, as +12015550123")
    return number.removeprefix("+")


def _convert_url(value: object) -> str:
    text = _convert_text(value)
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        valid = False
    if not valid:
        raise ValueError("must be a URL, as https://calls.example.com/call")
    return text


def _convert_time(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    text = _convert_text(value)
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a moment, as 2026-03-05T16:30:00Z") from None
    return text


def _convert_object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be a JSON object, as {}")  # noqa: TRY004 - as _convert_text
    return value


def _convert_order(value: object) -> dict[str, Any]:
    order = _convert_object(value)
    if not all(way in ("ASC", "DESC") for way in order.values()):
        raise ValueError('must be ASC or DESC for each field, as {"created_on": "DESC"}')
    return order


def _convert_file(value: object) -> bytes:
    if not isinstance(value, (bytes, str)) or not value:
        raise ValueError("must be the content of a file")
    return value if isinstance(value, bytes) else value.encode()


def _convert_list(convert_item: Callable[[object], Any]) -> Callable[[object], list[Any]]:
    def convert_items(value: object) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            raise ValueError("must be a list")  # noqa: TRY004 - as _convert_text
        return [convert_item(item) for item in value]

    return convert_items


_CONVERTERS: Final[dict[FieldKind, Callable[[object], Any]]] = {
    "text": _convert_text,
    "integer": _convert_integer,
    "decimal": _convert_decimal,
    "boolean": _convert_boolean,
    "phone": _convert_phone,
    "phone-integer": lambda value: int(_convert_phone(value)),
    "url": _convert_url,
    "time": _convert_time,
    "texts": _convert_list(_convert_text),
    "phone-integers": _convert_list(lambda value: int(_convert_phone(value))),
    "object": _convert_object,
    "objects": _convert_list(_convert_object),
    "order": _convert_order,
    "json": lambda value: value,
    "file": _convert_file,
}
