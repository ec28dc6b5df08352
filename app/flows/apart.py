"""What is worked out apart from the server, where it can be stopped: Jinja's rarer forms, templates, programs.

A document that needs such a thing, or an answer of another server, cannot be written yet: ``Pending`` says what is needed,
and once it is there the turn is begun again. The n-th need of a turn is the same each time: nothing is left to chance.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias
from urllib.parse import quote

from app.characters import clean
from app.flows.expressions.plain import shown
from app.flows.expressions.sandbox import environment
from app.flows.values import plain_value
from app.outside import Lookup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment

    from app.calls import Turn


@dataclasses.dataclass(frozen=True, slots=True)
class Rendering:
    """A text or an expression of Jinja with what it sees."""

    kind: Literal["text", "url", "value"]
    source: str
    seen: Mapping[str, Any]

    def do(self) -> Any:  # noqa: ANN401 - a text, or plain data
        """Work it out, however long it takes. Raises what the text raises."""
        if self.kind != "value":
            return clean(_template(self.kind, self.source).render(self.seen))
        return plain_value(_expression(self.source)(self.seen))


class Doable(Protocol):
    """Something that is worked out in a worker."""

    def do(self) -> Any:  # noqa: ANN401 - plain data, or something that is awaited and gives it
        """The result."""


Job: TypeAlias = Lookup | Doable


class Pending(Exception):
    """A document that cannot be written before ``job`` is done."""

    def __init__(self, job: Job) -> None:
        super().__init__(type(job).__name__)
        self.job = job


def result(turn: Turn, job: Job) -> Any:  # noqa: ANN401 - as the job gives it
    """The result of a job. Raises Pending where it is not there yet."""
    at = turn.results_used
    if at >= len(turn.results):
        raise Pending(job)
    turn.results_used = at + 1
    return turn.results[at]


def in_url(value: object) -> str:
    """A value as it stands in a URL."""
    return quote(clean(shown(value)), safe="")


def plain(value: object) -> str:
    """A value as a text that is no part of a document."""
    return clean(shown(value))


@lru_cache(maxsize=1)
def _environments() -> Mapping[str, Environment]:
    made = environment()
    return {"text": made.overlay(finalize=plain), "url": made.overlay(finalize=in_url), "value": made}


@lru_cache(maxsize=1024)
def _template(kind: str, source: str) -> Any:  # noqa: ANN401 - Jinja's
    return _environments()[kind].from_string(source)


@lru_cache(maxsize=1024)
def _expression(source: str) -> Any:  # noqa: ANN401 - Jinja's
    return _environments()["value"].compile_expression(source, undefined_to_none=False)
