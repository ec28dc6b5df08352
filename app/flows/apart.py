"""What is worked out apart from the server, where it can be stopped: Jinja's rarer forms, templates, programs.

A document that needs such a thing, or an answer of another server, cannot be written yet: ``Pending`` says what is needed,
and once it is there the turn is begun again. The n-th need of a turn is the same each time: nothing is left to chance.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias
from urllib.parse import quote

from app.characters import clean_text
from app.flows.expressions.plain import format_plain_value
from app.flows.expressions.sandbox import make_jinja_environment
from app.flows.values import to_plain_data
from app.outside import LookupRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment

    from app.calls import Turn


@dataclasses.dataclass(frozen=True, slots=True)
class JinjaRenderJob:
    """A text or an expression of Jinja with what it sees."""

    kind: Literal["text", "url", "value"]
    source: str
    scope_values: Mapping[str, Any]

    def run(self) -> Any:  # noqa: ANN401 - a text, or plain data
        """Work it out, however long it takes. Raises what the text raises."""
        if self.kind != "value":
            return clean_text(_load_jinja_template(self.kind, self.source).render(self.scope_values))
        return to_plain_data(_compile_jinja_expression(self.source)(self.scope_values))


class WorkerJob(Protocol):
    """Something that is worked out in a worker."""

    def run(self) -> Any:  # noqa: ANN401 - plain data, or something that is awaited and gives it
        """The result."""


DeferredJob: TypeAlias = LookupRequest | WorkerJob


class NeedsResult(Exception):
    """A document that cannot be written before ``job`` is done."""

    def __init__(self, job: DeferredJob) -> None:
        super().__init__(type(job).__name__)
        self.job = job


def get_job_result(turn: Turn, job: DeferredJob) -> Any:  # noqa: ANN401 - as the job gives it
    """The result of a job. Raises Pending where it is not there yet."""
    at = turn.results_used
    if at >= len(turn.deferred_results):
        raise NeedsResult(job)
    turn.results_used = at + 1
    return turn.deferred_results[at]


def format_url_value(value: object) -> str:
    """A value as it stands in a URL."""
    return quote(clean_text(format_plain_value(value)), safe="")


def format_plain_text(value: object) -> str:
    """A value as a text that is no part of a document."""
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
