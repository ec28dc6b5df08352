"""What is worked out apart from the server, where it can be stopped: Jinja's rarer forms, templates, programs.

A document that needs such a thing, or an answer of another server, cannot be written yet: ``Pending`` says what is needed,
and once it is there the turn is begun again. The n-th need of a turn is the same each time: nothing is left to chance.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias
from urllib.parse import quote

from jinja2 import ChainableUndefined, pass_context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.characters import clean
from app.flows.expressions.filters import PLAIN, SPOKEN
from app.flows.expressions.functions import field, shown
from app.flows.values import plain_value
from app.outside import Lookup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment
    from jinja2.runtime import Context

    from app.calls import Turn

LANG = "the voice's language"
"""The name by which a rendering knows the language; no expression can ask for it."""
UNSTEADY = (
    "attr",
    "groupby",
    "map",
    "pprint",
    "random",
    "reject",
    "rejectattr",
    "safe",
    "select",
    "selectattr",
    "xmlattr",
)
"""Filters of Jinja that flows do not have: they give something else each time, call what is named, or mark as safe."""


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


class _Unset(ChainableUndefined):
    """What was given no value on the way that a text took: false and empty."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, in which values have no attributes but the fields that flows know."""

    def getattr(self, obj: Any, attribute: str) -> Any:  # noqa: ANN401 - plain values
        return field(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:  # noqa: ANN401 - plain values
        return field(obj, argument)


@pass_context
def _spoken(context: Context, value: object) -> str:
    """A moment as a person says it; the context has the moment and the language of the voice."""
    return SPOKEN["spoken"](value, context["now"], context[LANG])


def environment() -> Environment:
    """Jinja as flows have it."""
    made = _Sandbox(undefined=_Unset, keep_trailing_newline=True)
    made.globals.clear()
    made.filters.update(PLAIN)
    made.filters["spoken"] = _spoken
    for name in UNSTEADY:
        made.filters.pop(name, None)
    return made


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
