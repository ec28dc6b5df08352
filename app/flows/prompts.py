"""Conditions and texts: Jinja's language, looked at when a flow is loaded, evaluated as functions.

Names and fields that cannot exist are refused at load. The frequent forms become plain functions (in ``expressions``);
everything else is rendered by Jinja in its sandbox. There is nothing to call: values are plain.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, Final, Literal

from jinja2 import TemplateSyntaxError, nodes
from jinja2.exceptions import TemplateError
from jinja2.parser import Parser

from app.characters import FORBIDDEN, clean
from app.errors import ExpressionError
from app.flows.apart import Rendering, in_url, plain, result
from app.flows.expressions.doubts import Doubt, doubts, doubts_within
from app.flows.expressions.functions import text_of, value_of
from app.flows.expressions.plain import shown
from app.flows.expressions.samples import sample
from app.flows.expressions.sandbox import LANG, environment
from app.flows.expressions.scope import FETCHING, SCOPE, Names, every, sight_of
from app.language.markup import escape_attribute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.calls import Turn
    from app.flows.expressions.scope import Scope

    Value = Callable[[Turn], Any]
    Kind = Literal["text", "url", "value"]


@dataclasses.dataclass(frozen=True, slots=True)
class Condition:
    """A compiled expression: ``holds(turn)`` gives its value; ``uses`` are the names it looks at, as ``caller.name``."""

    source: str
    holds: Value
    uses: frozenset[str]
    doubts: tuple[Doubt, ...] = ()
    sample: object = None
    """What is known of the value before a call is there; None where nothing is."""


@dataclasses.dataclass(frozen=True, slots=True)
class Text:
    """A compiled text: ``constant`` where nothing in it changes, else ``render(turn)``, which gives it escaped.

    ``plain(turn)`` gives it as it is, for what is no document.
    """

    source: str
    constant: str | None
    render: Callable[[Turn], str]
    uses: frozenset[str]
    plain: Callable[[Turn], str]
    doubts: tuple[Doubt, ...] = ()


class Prompts:
    """Compiles the conditions and texts of flows that see ``scope``."""

    def __init__(self, scope: Scope = SCOPE, lang: str = "en-US") -> None:
        self._scope = scope
        self._lang = lang
        self._environment = environment()
        self._names = Names(scope, self._environment)
        self.apart = False
        """Whether something was compiled that is worked out apart."""

    def condition(self, source: str) -> Condition:
        """A bare expression. Raises ExpressionError."""
        try:
            return self._condition(source)
        except RecursionError:
            raise ExpressionError("the expression is too long", "ask in several steps") from None

    def _condition(self, source: str) -> Condition:
        if not source.strip():
            raise ExpressionError("there is no expression", "as caller.anonymous")
        if "{{" in source or "{%" in source:
            raise ExpressionError("when takes a bare expression, without braces", "leave the braces out")
        try:
            parser = Parser(self._environment, source, state="variable")
            tree = parser.parse_expression()
            if not parser.stream.eos:
                raise ExpressionError(
                    f"the expression ends before {parser.stream.current.value!r}", "did you forget and, or, ==?"
                )
            tree.set_environment(self._environment)
        except TemplateSyntaxError as error:
            raise ExpressionError(error.message or "not an expression") from None
        uses = self._names.look(tree)
        holds = value_of(tree, self._lang) or self._apart(tree, "value", source, uses, self._lang)
        return Condition(source, holds, uses, doubts(tree), sample(tree))

    def _apart(
        self, tree: nodes.Node, kind: Literal["text", "url", "value"], source: str, uses: Iterable[str], lang: str
    ) -> Value:
        """What is worked out apart: its form is rare, and its time may have no bound."""
        self.apart = True
        try:
            if kind == "value":
                self._environment.compile_expression(source)
        except TemplateError as error:
            raise ExpressionError(error.message or "not an expression") from None
        roots = {name.partition(".")[0] for name in uses}
        if "lists" in roots:
            raise ExpressionError(
                "lists are asked in plain conditions only", "as caller in lists.spam, in a when of its own"
            )
        spoken = any(word.name == "spoken" for word in every(tree, (nodes.Filter,)))
        sights = tuple(sight_of(name) for name in sorted({*uses, *(["now"] if spoken else [])}))

        def value(turn: Turn) -> Any:  # noqa: ANN401 - a text, or plain data
            seen: dict[str, Any] = {LANG: lang}
            for sight in sights:
                sight(turn, seen)
            return result(turn, Rendering(kind, source, seen))

        return value

    def text(self, source: str, *, url: bool = False, lang: str = "") -> Text:
        """A text with ``{{ }}`` and ``{% %}``; in a URL each value is percent-encoded. Raises ExpressionError.

        ``lang`` is its language, where that is another.
        """
        lang = lang or self._lang
        found = FORBIDDEN.search(source)
        if found:
            raise ExpressionError(f"the text holds U+{ord(found[0]):04X}, which XML forbids", "take it out")
        if "{" not in source:
            return Text(source, source, lambda _turn: escape_attribute(source), frozenset(), lambda _turn: source)
        try:
            tree = self._environment.parse(source)
            uses = self._names.look(tree)
            unescaped = text_of(tree.body, str, in_url if url else plain, lang)
            render = text_of(tree.body, escape_attribute, in_url if url else _in_text, lang)
            if unescaped is None or render is None:
                unescaped = self._apart(tree, "url" if url else "text", source, uses, lang)
                render = _escaped(unescaped)
        except TemplateSyntaxError as error:
            raise ExpressionError(error.message or "not a template", line=error.lineno) from None
        except RecursionError:
            raise ExpressionError("the text is too long a template", "say it in several steps") from None
        data = [node.data for node in _output(tree) if isinstance(node, nodes.TemplateData)]
        constant = "".join(data) if len(data) == len([*_output(tree)]) else None
        return Text(source, constant, render, uses, unescaped, doubts_within(tree))

    def template(self, source: str, more: Scope) -> frozenset[str]:
        """The names that an XML template looks at, which also sees ``more``. Raises ExpressionError.

        A template may have macros of its own and call them; it cannot fetch other templates.
        """
        try:
            tree = self._environment.parse(source)
            return Names({**self._scope, **more}, self._environment).look(tree, FETCHING)
        except TemplateSyntaxError as error:
            raise ExpressionError(error.message or "not a template", line=error.lineno) from None
        except RecursionError:
            raise ExpressionError("the template is nested too deeply", "write it flatter") from None


_ODD: Final = re.compile("[^ !#-%'-;=?-~\xa0-\ud7ff]").search
"""Finds a character that may not stand in a document as it is."""


def _in_text(value: object) -> str:
    """A value as it stands in a document."""
    text = shown(value)
    return escape_attribute(clean(text)) if _ODD(text) else text


def _escaped(render: Callable[[Turn], str]) -> Callable[[Turn], str]:
    return lambda turn: _in_text(render(turn))


def _output(tree: nodes.Template) -> Iterable[nodes.Node]:
    for node in tree.body:
        yield from node.nodes if isinstance(node, nodes.Output) else [node]
