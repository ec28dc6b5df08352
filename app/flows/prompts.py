"""Conditions and texts: Jinja's language, looked at when a flow is loaded, evaluated as closures.

Names and fields that cannot exist are refused at load. The frequent forms (names, fields, not, and, or, comparisons,
``if``) become
closures from Jinja's own syntax tree; everything else is rendered by Jinja in its sandbox. There is nothing to call: values
are plain.
"""

from __future__ import annotations

import dataclasses
import operator
from typing import TYPE_CHECKING, Any, Final

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.exceptions import TemplateError
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.calls import Call, Caller, Now
from app.characters import FORBIDDEN
from app.errors import ExpressionError, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from app.calls import Turn

    Value = Callable[[Turn], Any]
    Encode = Callable[[str], str]
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
    """A compiled text: ``constant`` where nothing in it changes, else ``render(turn)``."""

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
        value = _closure(tree)
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

    def text(self, source: str, encode: Encode = str) -> Text:
        """A text with ``{{ }}`` and ``{% %}``; each value in it goes through ``encode``. Raises ExpressionError."""
        found = FORBIDDEN.search(source)
        if found:
            raise ExpressionError(f"the text holds U+{ord(found[0]):04X}, which XML forbids", "take it out")
        if "{" not in source:
            return Text(source, source, lambda _turn: source, frozenset())
        try:
            tree = self._environment.parse(source)
            uses = self._look(tree)
            render = _body(tree.body, encode)
            if render is None:
                render = self._template(source, encode)
        except TemplateSyntaxError as error:
            raise ExpressionError(error.message or "not a template", line=error.lineno) from None
        except RecursionError:
            raise ExpressionError("the text is too long a template", "say it in several steps") from None
        data = [node.data for node in _output(tree) if isinstance(node, nodes.TemplateData)]
        constant = "".join(data) if len(data) == len([*_output(tree)]) else None
        return Text(source, constant, render, uses)

    def _template(self, source: str, encode: Encode) -> Callable[[Turn], str]:
        environment = self._environment.overlay(finalize=lambda value: encode(_shown(value)))
        template = environment.from_string(source)
        roots = tuple(self._scope)
        return lambda turn: template.render({root: getattr(turn, root) for root in roots})

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


def _shown(value: object) -> str:
    """A value as it is spoken: nothing for None, true and false in words."""
    if type(value) is str:
        return value
    return "" if value is None else str(value)


# Closures


_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
    "in": lambda item, among: item in among,
    "notin": lambda item, among: item not in among,
}


def _closure(node: nodes.Node) -> Value | None:  # noqa: PLR0911 - one case a form of the language
    """The value of an expression as a function of a Turn; None where its form is rare."""
    match node:
        case nodes.Const(value=constant):
            return lambda _turn: constant
        case nodes.Name(name=name):
            return operator.attrgetter(name)
        case nodes.Getattr(node=nodes.Name(name=name), attr=field):
            return operator.attrgetter(f"{name}.{field}")
        case nodes.List() | nodes.Tuple():
            return _all_constant(node.items)
        case nodes.Not(node=inner):
            return _negated(_closure(inner))
        case nodes.And() | nodes.Or():
            left, right = _closure(node.left), _closure(node.right)
            if left is None or right is None:
                return None
            if isinstance(node, nodes.And):
                return lambda turn: left(turn) and right(turn)
            return lambda turn: left(turn) or right(turn)
        case nodes.Compare(ops=[nodes.Operand() as operand]):
            return _comparison(_closure(node.expr), _COMPARISONS[operand.op], _closure(operand.expr))
    return None


def _negated(value: Value | None) -> Value | None:
    return None if value is None else lambda turn: not value(turn)


def _comparison(left: Value | None, compare: Callable[[Any, Any], bool], right: Value | None) -> Value | None:
    if left is None or right is None:
        return None
    return lambda turn: compare(left(turn), right(turn))


def _all_constant(items: Sequence[nodes.Node]) -> Value | None:
    if not all(isinstance(item, nodes.Const) for item in items):
        return None
    values = tuple(item.value for item in items if isinstance(item, nodes.Const))
    return lambda _turn: values


def _body(body: Sequence[nodes.Node], encode: Encode) -> Callable[[Turn], str] | None:
    """A template's body as a function of a Turn; None where a form in it is rare."""
    parts: list[str | Callable[[Turn], str]] = []
    for node in body:
        if isinstance(node, nodes.Output):
            made = [_part(part, encode) for part in node.nodes]
        elif isinstance(node, nodes.If):
            made = [_choice(node, encode)]
        else:
            return None
        if None in made:
            return None
        parts += [part for part in made if part is not None]
    return _joined(parts)


def _part(node: nodes.Node, encode: Encode) -> str | Callable[[Turn], str] | None:
    if isinstance(node, nodes.TemplateData):
        return node.data
    value = _closure(node)
    if value is None:
        return None
    if encode is str:
        return lambda turn: _shown(value(turn))
    return lambda turn: encode(_shown(value(turn)))


def _choice(node: nodes.If, encode: Encode) -> Callable[[Turn], str] | None:
    """``if`` with its ``elif`` and ``else``."""
    cases = [(_closure(case.test), _body(case.body, encode)) for case in (node, *node.elif_)]
    otherwise = _body(node.else_, encode)
    if otherwise is None or any(test is None or body is None for test, body in cases):
        return None
    tested = [(test, body) for test, body in cases if test is not None and body is not None]
    if len(tested) == 1:
        [(only, then)] = tested
        return lambda turn: then(turn) if only(turn) else otherwise(turn)

    def choose(turn: Turn) -> str:
        for test, body in tested:
            if test(turn):
                return body(turn)
        return otherwise(turn)

    return choose


def _joined(parts: Sequence[str | Callable[[Turn], str]]) -> Callable[[Turn], str]:
    if len(parts) == 1 and not isinstance(parts[0], str):
        return parts[0]
    form = "".join(part.replace("%", "%%") if isinstance(part, str) else "%s" for part in parts)
    values = [part for part in parts if not isinstance(part, str)]
    if len(values) == 1:
        only = values[0]
        return lambda turn: form % only(turn)
    return lambda turn: form % tuple([value(turn) for value in values])
