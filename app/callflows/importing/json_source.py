"""Reads JSON of other platforms, with the place of each object. Size, depth and number of values are bounded."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple, NoReturn

from callflows.errors import ImportSourceError
from callflows.text import XML_FORBIDDEN_CHARACTERS

MAX_SOURCE_BYTES: Final = 4_000_000
"""A larger file is refused."""
_MAX_VALUES: Final = 200_000
_MAX_DEPTH: Final = 50
_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_NUMBER_PATTERN: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_MAX_NUMBER_CHARACTERS: Final = 30
_WORDS: Final = {"true": True, "false": False, "null": None}
_RESERVED_CHARACTERS: Final = re.compile("[\ufdd0-\ufdef\ufffe\uffff]")
"""Characters that a flow file refuses."""


class SourcePlace(NamedTuple):
    """A line and a column of the original, from 1."""

    line: int
    column: int


class JsonObject(dict[str, Any]):
    """A JSON object with its place in the file."""

    place = SourcePlace(1, 1)

    def get_text(self, key: str) -> str:
        """Return a text, or a number as text; empty for any other value."""
        value = self.get(key)
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value).strip() if isinstance(value, (str, int, float)) else ""

    def get_object(self, key: str) -> JsonObject:
        """Return an object; an empty object for any other value."""
        value = self.get(key)
        if isinstance(value, JsonObject):
            return value
        empty = JsonObject()
        empty.place = self.place
        return empty

    def get_objects(self, key: str) -> list[JsonObject]:
        """Return the objects of a list; an object alone is a list of one."""
        value = self.get(key)
        listed = value if isinstance(value, list) else [value]
        return [part for part in listed if isinstance(part, JsonObject)]

    def get_texts(self, key: str) -> list[str]:
        """Return the texts of a list; a text alone is a list of one."""
        value = self.get(key)
        listed = value if isinstance(value, list) else [value]
        return [str(part).strip() for part in listed if isinstance(part, (str, int, float)) and not isinstance(part, bool)]


def read_json_source(text: str) -> Any:  # noqa: ANN401 - JSON
    """Return the value of a JSON document. Raises ImportSourceError with the place."""
    return _JsonReader(text).read_document()


class _JsonReader:
    """Reads JSON from its beginning; each object remembers its place."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._values = 0
        self._decoder = json.JSONDecoder(strict=False)
        self._line = 1
        self._line_start = 0
        self._counted_to = 0

    def read_document(self) -> Any:  # noqa: ANN401 - JSON
        value, end = self._read_value(self._skip_blanks(0), 0)
        end = self._skip_blanks(end)
        if end < len(self._text):
            self._fail(end, "there is more after the end of the JSON value")
        return value

    def _fail(self, offset: int, reason: str, fix: str = "") -> NoReturn:
        line = self._text.count("\n", 0, offset) + 1
        raise ImportSourceError(line, offset - self._text.rfind("\n", 0, offset), reason, fix)

    def _locate(self, offset: int) -> SourcePlace:
        """Return the place of an offset. Offsets only grow, so that each line is counted once."""
        lines = self._text.count("\n", self._counted_to, offset)
        if lines:
            self._line += lines
            self._line_start = self._text.rfind("\n", 0, offset) + 1
        self._counted_to = offset
        return SourcePlace(self._line, offset - self._line_start + 1)

    def _skip_blanks(self, offset: int) -> int:
        found = _BLANKS.match(self._text, offset)
        return found.end() if found else offset

    def _read_value(self, offset: int, depth: int) -> tuple[Any, int]:
        self._values += 1
        if self._values > _MAX_VALUES:
            self._fail(offset, f"the file has more than {_MAX_VALUES} values", "import a part of it")
        if depth > _MAX_DEPTH:
            self._fail(offset, f"more than {_MAX_DEPTH} values are inside each other")
        sign = self._text[offset : offset + 1]
        if sign == "{":
            return self._read_object(offset, depth)
        if sign == "[":
            return self._read_list(offset, depth)
        if sign == '"':
            return self._read_text(offset)
        for word, value in _WORDS.items():
            if self._text.startswith(word, offset):
                return value, offset + len(word)
        return self._read_number(offset)

    def _read_text(self, offset: int) -> tuple[str, int]:
        try:
            value, end = self._decoder.raw_decode(self._text, offset)
        except ValueError:
            self._fail(offset, "this is not JSON: a text has no end, or has a wrong \\ in it")
        return _RESERVED_CHARACTERS.sub("", XML_FORBIDDEN_CHARACTERS.sub("", value)), end

    def _read_number(self, offset: int) -> tuple[Any, int]:
        found = _NUMBER_PATTERN.match(self._text, offset)
        if found is None:
            what = repr(self._text[offset : offset + 10]) if offset < len(self._text) else "the end of the file"
            self._fail(offset, f"this is not JSON: a value is missing before {what}")
        if len(found[0]) > _MAX_NUMBER_CHARACTERS:
            return found[0], found.end()
        return self._decoder.raw_decode(self._text, offset)[0], found.end()

    def _read_object(self, offset: int, depth: int) -> tuple[JsonObject, int]:
        json_object = JsonObject()
        json_object.place = self._locate(offset)
        at = self._skip_blanks(offset + 1)
        if self._text.startswith("}", at):
            return json_object, at + 1
        while True:
            if not self._text.startswith('"', at):
                self._fail(at, 'this is not JSON: a key in "…" is missing here', "a comma may be too much before it")
            key, at = self._read_text(at)
            at = self._skip_blanks(at)
            if not self._text.startswith(":", at):
                self._fail(at, f"this is not JSON: a : is missing after the key {key:.40}")
            json_object[key], at = self._read_value(self._skip_blanks(at + 1), depth + 1)
            at = self._skip_blanks(at)
            if self._text.startswith("}", at):
                return json_object, at + 1
            at = self._skip_comma(at, "}")

    def _read_list(self, offset: int, depth: int) -> tuple[list[Any], int]:
        values: list[Any] = []
        at = self._skip_blanks(offset + 1)
        if self._text.startswith("]", at):
            return values, at + 1
        while True:
            value, at = self._read_value(at, depth + 1)
            values.append(value)
            at = self._skip_blanks(at)
            if self._text.startswith("]", at):
                return values, at + 1
            at = self._skip_comma(at, "]")

    def _skip_comma(self, offset: int, closing: str) -> int:
        if not self._text.startswith(",", offset):
            self._fail(offset, f"this is not JSON: a comma or {closing} is missing here")
        return self._skip_blanks(offset + 1)
