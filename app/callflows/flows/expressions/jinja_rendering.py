"""Renders rare forms of texts and expressions with Jinja, in a worker process.

Compiled templates are cached per process.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote, unquote

from callflows.flows.expressions.jinja_sandbox import make_jinja_environment
from callflows.flows.expressions.plain_values import (
    MAX_VALUE_CHARACTERS,
    check_value_length,
    format_plain_value,
    to_plain_data,
)
from callflows.telephony.phone_numbers import mark_region_codes
from callflows.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment


@dataclasses.dataclass(frozen=True, slots=True)
class JinjaRenderJob:
    """A text or expression of Jinja, and the values of its scope."""

    kind: Literal["text", "url", "value"]
    source: str
    scope_values: Mapping[str, Any]

    def run(self) -> Any:  # noqa: ANN401 - a text, or plain data
        """Render the text or expression, without a time limit. Raises every error of the rendering."""
        if self.kind != "value":
            parts: list[str] = []
            length = 0
            for part in _load_jinja_template(self.kind, self.source).generate(self.scope_values):
                length += len(part)
                check_value_length(length)
                parts.append(part)
            text = clean_text("".join(parts))
            return disarm_dot_segments(text) if self.kind == "url" else text
        # The result comes back to the server as JSON.
        result = to_plain_data(_compile_jinja_expression(self.source)(self.scope_values))
        check_value_length(_measure_plain_data(result))
        return mark_region_codes(result)


def _measure_plain_data(value: object) -> int:
    """Return the characters and items of plain data, or more than allowed as soon as there are more."""
    size, left = 0, [value]
    while left and size <= MAX_VALUE_CHARACTERS:
        part = left.pop()
        size += 1 if not isinstance(part, str) else len(part)
        if isinstance(part, list):
            size += len(part)
            left += part[:MAX_VALUE_CHARACTERS]
        elif isinstance(part, dict):
            size += sum(map(len, part))
            left += part.values()
    return size


def format_url_value(value: object) -> str:
    """Format and percent-encode a value for a URL."""
    return quote(clean_text(format_plain_value(value)), safe="")


_URL_PARTS: Final = re.compile(r"([^:/?#]*://[^/?#\\]*)([^?#]*)(.*)", re.DOTALL)
"""Scheme and host, path, and the rest of a URL."""
_SEGMENT_SEPARATOR: Final = re.compile(r"([/\\]|%2f|%5c)", re.IGNORECASE)
_MAX_DOT_SEGMENT_CHARACTERS: Final = 300
"""A longer segment is no dot segment, however its characters are encoded."""


def disarm_dot_segments(url: str) -> str:
    """Return a URL whose path has no segments ``.`` and ``..``, in any spelling.

    Clients and servers resolve such segments, also as ``%2e``, so that a caller named ``..`` would move a request to
    another path. Their characters are percent-encoded twice, which no client resolves.
    """
    parts = _URL_PARTS.fullmatch(url)
    if parts is None:
        return url
    server, path, rest = parts.groups()
    pieces = _SEGMENT_SEPARATOR.split(path)
    pieces[::2] = [_disarm_segment(piece) for piece in pieces[::2]]
    return f"{server}{''.join(pieces)}{rest}"


def _disarm_segment(segment: str) -> str:
    if len(segment) > _MAX_DOT_SEGMENT_CHARACTERS or not segment:
        return segment
    plain = unicodedata.normalize("NFKC", unquote(segment)).partition(";")[0]
    visible = "".join(char for char in plain if unicodedata.category(char)[0] not in "CZ")
    if visible not in {".", ".."}:
        return segment
    return "".join(f"%25{byte:02X}" for byte in unquote(segment).encode())


def format_plain_text(value: object) -> str:
    """Format a value for a text outside a document."""
    return clean_text(format_plain_value(value))


@lru_cache(maxsize=1)
def _make_rendering_environments() -> Mapping[str, Environment]:
    environment = make_jinja_environment()
    return {
        "text": environment.overlay(finalize=format_plain_text),
        "url": environment.overlay(finalize=format_url_value),
        "value": environment,
    }


@lru_cache(maxsize=1024)
def _load_jinja_template(kind: str, source: str) -> Any:  # noqa: ANN401 - Jinja's
    return _make_rendering_environments()[kind].from_string(source)


@lru_cache(maxsize=1024)
def _compile_jinja_expression(source: str) -> Any:  # noqa: ANN401 - Jinja's
    return _make_rendering_environments()["value"].compile_expression(source, undefined_to_none=False)
