"""Conditions and texts: Jinja's language, looked at when a flow is loaded, evaluated as functions.

Names and fields that cannot exist are refused at load. The frequent forms become plain functions (see ``expressions``);
everything else is rendered by Jinja in its sandbox. There is nothing to call: values are plain.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.exceptions import TemplateError
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.calls import Call, Caller, Now
from app.characters import FORBIDDEN, clean
from app.errors import ExpressionError, suggestion
from app.flows.expressions import shown, text_of, value_of
from app.language.markup import escape_attribute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from app.calls import Turn

    Value = Callable[[Turn], Any]
    Scope = Mapping[str, frozenset[str]]

SCOPE: Final[Scope] = {
    "call": Call.FIELDS,
    "caller": Caller.FIELDS,
    "number": frozenset({"national", "region"}),
    "now": Now.FIELDS,
}
"""What a flow sees of a call: names, and the fields of each. A Turn has an attribute for each name."""


@dataclasses.dataclass(frozen=True, slots=True)
class Condition:
    """A compiled ``when``: ``holds(turn)``; ``uses`` are the names it looks at, as ``caller.name``."""

    source: str
    holds: Value
    uses: frozenset[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Text:
    """A compiled text: ``constant`` where nothing in it changes, else ``render(turn)``, which gives it escaped."""

    source: str
    constant: str | None
    render: Callable[[Turn], str]
    uses: frozenset[str]


class Prompts:
    """Compiles the conditions and texts of flows that see ``scope``."""

    def __init__(self, scope: Scope = SCOPE) -> None:
        self._scope = scope
        self._environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
        self._environment.globals.clear()

    def condition(self, source: str) -> Condition:
        """A bare expression. Raises ExpressionError."""
        try:
            return self._condition(source)
        except RecursionError:
            raise ExpressionError("the expression is too long", "ask in several steps") from None

    def _condition(self, source: str) -> Condition:
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
        uses = self._look(tree)
        value = value_of(tree)
        if value is None:
            value = self._by_jinja(source)
        return Condition(source, value, uses)

    def _by_jinja(self, source: str) -> Value:
        """An expression whose form is rare."""
        try:
            compiled = self._environment.compile_expression(source, undefined_to_none=False)
        except TemplateError as error:
            raise ExpressionError(error.message or "not an expression") from None
        roots = tuple(self._scope)
        return lambda turn: compiled(**{root: getattr(turn, root) for root in roots})

    def text(self, source: str, *, url: bool = False) -> Text:
        """A text with ``{{ }}`` and ``{% %}``; in a URL each value is percent-encoded. Raises ExpressionError."""
        found = FORBIDDEN.search(source)
        if found:
            raise ExpressionError(f"the text holds U+{ord(found[0]):04X}, which XML forbids", "take it out")
        if "{" not in source:
            return Text(source, source, lambda _turn: escape_attribute(source), frozenset())
        try:
            tree = self._environment.parse(source)
            uses = self._look(tree)
            render = text_of(tree.body, escape_attribute, _in_url if url else _in_text)
            if render is None:
                render = self._template(source, url=url)
        except TemplateSyntaxError as error:
            raise ExpressionError(error.message or "not a template", line=error.lineno) from None
        except RecursionError:
            raise ExpressionError("the text is too long a template", "say it in several steps") from None
        data = [node.data for node in _output(tree) if isinstance(node, nodes.TemplateData)]
        constant = "".join(data) if len(data) == len([*_output(tree)]) else None
        return Text(source, constant, render, uses)

    def _template(self, source: str, *, url: bool) -> Callable[[Turn], str]:
        environment = self._environment.overlay(finalize=_in_url if url else shown)
        template = environment.from_string(source)
        roots = tuple(self._scope)
        return lambda turn: _in_text(template.render({root: getattr(turn, root) for root in roots}))

    def _look(self, tree: nodes.Node) -> frozenset[str]:
        """Refuse what cannot exist; gives the names that are looked at."""
        for banned in _all(tree, _BANNED):
            said = type(banned).__name__.lower()
            mend = "values are plain; filters are written with |"
            raise ExpressionError(f"{said} has no place in a flow", mend, banned.lineno)
        self._known_words(tree)
        own = {name.name for name in _names(tree, "store")}
        uses: set[str] = set()
        plain: set[int] = set()
        for node, field in _fields(tree):
            root = node.node
            self._exists(root, own)
            if not isinstance(root, nodes.Name):
                raise ExpressionError(
                    f"a value has no {field!r}", "values are plain; filters are written with |", node.lineno
                )
            if root.name in self._scope and root.name not in own:
                uses.add(self._field(root.name, field, node.lineno))
                plain.add(id(root))
        for name in _names(tree, "load"):
            if name.name in own or id(name) in plain:
                continue
            self._exists(name, own)
            uses.add(name.name)
        return frozenset(uses)

    def _exists(self, node: nodes.Node, own: set[str]) -> None:
        """Refuse a field of a name that cannot be."""
        while isinstance(node, nodes.Getattr | nodes.Getitem):
            node = node.node
        if isinstance(node, nodes.Name) and node.name not in own and node.name not in self._scope:
            near = suggestion(node.name, [*self._scope]) or f"there are {', '.join(self._scope)}"
            raise ExpressionError(f"there is no {node.name!r}", near, node.lineno)

    def _known_words(self, tree: nodes.Node) -> None:
        """Refuse filters and tests that do not exist; Jinja itself asks for some only when a caller is there."""
        for word in _all(tree, (nodes.Filter, nodes.Test)):
            known = [*(self._environment.filters if isinstance(word, nodes.Filter) else self._environment.tests)]
            if word.name not in known:
                said = type(word).__name__.lower()
                raise ExpressionError(f"there is no {said} {word.name!r}", suggestion(word.name, known), word.lineno)
        for output in tree.find_all(nodes.Output):
            for node in output.nodes:
                if isinstance(node, nodes.Name) and node.name in {"call", "caller"}:
                    fields = ", ".join(sorted(self._scope.get(node.name, ())))
                    raise ExpressionError(
                        f"{node.name} itself is no text", f"name one of its fields: {fields}", node.lineno
                    )

    def _field(self, root: str, field: str, line: int) -> str:
        known = sorted(self._scope[root])
        if field not in known:
            near = suggestion(field, known)
            raise ExpressionError(f"{root} has no {field!r}", near or f"it has {', '.join(known)}", line)
        return f"{root}.{field}"


_ODD: Final = re.compile("[^ !#-%'-;=?-~\xa0-\ud7ff]").search
"""Finds a character that may not stand in a document as it is."""


def _in_text(value: object) -> str:
    """A value as it stands in a document."""
    text = shown(value)
    return escape_attribute(clean(text)) if _ODD(text) else text


def _in_url(value: object) -> str:
    """A value as it stands in a URL in a document."""
    return quote(clean(shown(value)), safe="")


_BANNED: Final = (
    nodes.Call,
    nodes.CallBlock,
    nodes.Macro,
    nodes.Include,
    nodes.Import,
    nodes.FromImport,
    nodes.Extends,
    nodes.Block,
)


def _all(tree: nodes.Node, kinds: tuple[type[Any], ...]) -> list[Any]:
    """Every node of these kinds, the tree itself included."""
    return [*([tree] if isinstance(tree, kinds) else []), *tree.find_all(kinds)]


def _names(tree: nodes.Node, context: str) -> Iterable[nodes.Name]:
    return [name for name in _all(tree, (nodes.Name,)) if (name.ctx == "load") == (context == "load")]


def _fields(tree: nodes.Node) -> Iterable[tuple[Any, str]]:
    """Where a field is named: ``caller.name``, ``caller["name"]`` and ``caller | attr("name")``."""
    for node in _all(tree, (nodes.Getattr, nodes.Getitem, nodes.Filter)):
        if isinstance(node, nodes.Getattr):
            yield node, node.attr
        elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            yield node, node.arg.value
        elif isinstance(node, nodes.Filter) and node.name == "attr" and node.args and isinstance(node.args[0], nodes.Const):
            yield node, str(node.args[0].value)


def _output(tree: nodes.Template) -> Iterable[nodes.Node]:
    for node in tree.body:
        yield from node.nodes if isinstance(node, nodes.Output) else [node]
