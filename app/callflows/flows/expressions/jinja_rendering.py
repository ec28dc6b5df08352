"""Renders rare forms of texts and expressions with Jinja, in a worker process.

Compiled templates are cached per process.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from callflows.flows.expressions.jinja_sandbox import make_jinja_environment
from callflows.flows.expressions.plain_values import format_plain_value, to_plain_data
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
            return clean_text(_load_jinja_template(self.kind, self.source).render(self.scope_values))
        return to_plain_data(_compile_jinja_expression(self.source)(self.scope_values))


def format_url_value(value: object) -> str:
    """Format and percent-encode a value for a URL."""
    return quote(clean_text(format_plain_value(value)), safe="")


def format_plain_text(value: object) -> str:
    """Format a value for a text outside a document."""
    return clean_text(format_plain_value(value))


@lru_cache(maxsize=1)
def _make_rendering_environments() -> Mapping[str, Environment]:
    made = make_jinja_environment()
    return {"text": made.overlay(finalize=format_plain_text), "url": made.overlay(finalize=format_url_value), "value": made}


@lru_cache(maxsize=1024)
def _load_jinja_template(kind: str, source: str) -> Any:  # noqa: ANN401 - Jinja's
    return _make_rendering_environments()[kind].from_string(source)


@lru_cache(maxsize=1024)
def _compile_jinja_expression(source: str) -> Any:  # noqa: ANN401 - Jinja's
    return _make_rendering_environments()["value"].compile_expression(source, undefined_to_none=False)
