"""The frequent forms of Jinja as plain functions of a Turn, made from Jinja's own syntax tree.

Names, fields, literals, not, and, or, comparisons, ``+``, ``~``, ``if`` and the plain filters become one Python function,
whose time is bounded by the length of what it is given. For any other form there is none, and Jinja does it, where it can
be stopped.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, Final

from jinja2 import nodes

from app.flows.expressions.filters import PLAIN, SPOKEN
from app.flows.expressions.plain import compared, field, nothing, reckoned, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.calls import Turn

_TURN: Final = "turn"
BY_NAME: Final = frozenset({"hours", "lists", "variables"})
"""What a Turn has by name: ``hours.office``."""
_GROUPS: Final = frozenset({"call", "caller", "number", "now"})


class _Rare(Exception):
    """The form is not one of the frequent ones."""


def value_of(tree: nodes.Node, lang: str = "") -> Callable[[Turn], Any] | None:
    """An expression as a function; None where its form is rare."""
    try:
        return _function(_value(tree), shown, lang)
    except _Rare:
        return None


def text_of(
    body: Sequence[nodes.Node], literal: Callable[[str], str], encode: Callable[[object], str], lang: str = ""
) -> Callable[[Turn], str] | None:
    """A template's body as a function; None where a form in it is rare.

    What the author wrote goes through ``literal``, now; each value through ``encode``, when a call is there.
    """
    try:
        return _function(_text(body, literal), encode, lang)
    except _Rare:
        return None


def _function(body: ast.expr, show: Callable[[object], str], lang: str) -> Callable[[Turn], Any]:
    arguments = ast.arguments(posonlyargs=[], args=[ast.arg(_TURN)], kwonlyargs=[], kw_defaults=[], defaults=[])
    tree = ast.fix_missing_locations(ast.Expression(ast.Lambda(arguments, body)))
    known: dict[str, Any] = {"show": show, "shown": shown, "field": field, "compared": compared, "nothing": nothing}
    known |= {"reckoned": reckoned, "lang": lang, **_FILTERS}
    made: Callable[[Turn], Any] = eval(  # noqa: S307 - a tree of ours, of the forms above
        compile(tree, "<a flow's expression>", "eval"), {"__builtins__": {}, **known}
    )
    return made


_FILTERS: Final = {f"filter_{name}": made for name, made in {**PLAIN, **SPOKEN}.items()}


def _value(node: nodes.Node) -> ast.expr:  # noqa: C901, PLR0911 - one case a form
    match node:
        case nodes.Const(value=constant):
            return ast.Constant(constant)
        case nodes.Name(name=name):
            return _root(name)
        case nodes.Getattr() | nodes.Getitem():
            return _field(node)
        case nodes.Filter(node=nodes.Node() as inner, name=name, args=args, kwargs=[], dyn_args=None, dyn_kwargs=None):
            return _filter(inner, name, args)
        case nodes.Test(node=inner, name="none" | "defined" | "undefined" as name, args=[]):
            nothing = ast.Call(ast.Name("nothing", ast.Load()), [_value(inner)], [])
            return ast.UnaryOp(ast.Not(), nothing) if name == "defined" else nothing
        case nodes.List(items=items) | nodes.Tuple(items=items) if all(isinstance(item, nodes.Const) for item in items):
            return ast.Tuple([_value(item) for item in items], ast.Load())
        case nodes.Not(node=inner):
            return ast.UnaryOp(ast.Not(), _value(inner))
        case nodes.And() | nodes.Or():
            joined = ast.And() if isinstance(node, nodes.And) else ast.Or()
            return ast.BoolOp(joined, [_value(node.left), _value(node.right)])
        case nodes.Compare(expr=left, ops=operands):
            sides = [left, *(operand.expr for operand in operands)]
            pairs = [_comparison(operand.op, *sides[at : at + 2]) for at, operand in enumerate(operands)]
            return pairs[0] if len(pairs) == 1 else ast.BoolOp(ast.And(), pairs)
        case nodes.Concat(nodes=parts):
            shown_parts = [ast.Call(ast.Name("shown", ast.Load()), [_value(part)], []) for part in parts]
            return ast.JoinedStr([_shown_as(part) for part in shown_parts])
        case nodes.Add(left=left, right=other) | nodes.Sub(left=left, right=other):
            both: list[ast.expr] = [ast.Constant(node.operator), _value(left), _value(other)]
            return ast.Call(ast.Name("reckoned", ast.Load()), both, [])
        case nodes.CondExpr(test=test, expr1=then, expr2=otherwise):
            return ast.IfExp(_value(test), _value(then), ast.Constant("") if otherwise is None else _value(otherwise))
    raise _Rare


def _comparison(op: str, left: nodes.Node, right: nodes.Node) -> ast.expr:
    """Two sides compared; a field of ``now`` with what is of its own type, as Python does it."""
    kind = _kind_of_now(left)
    fits = op != "in" or isinstance(right, (nodes.List, nodes.Tuple))
    if kind is not None and fits and op in _NATIVE and all(type(part) is kind for part in _constants(right)):
        return ast.Compare(_value(left), [_NATIVE[op]()], [_value(right)])
    return ast.Call(ast.Name("compared", ast.Load()), [ast.Constant(op), _value(left), _value(right)], [])


_NATIVE: Final = {"eq": ast.Eq, "ne": ast.NotEq, "lt": ast.Lt, "lteq": ast.LtE, "gt": ast.Gt, "gteq": ast.GtE, "in": ast.In}
_TEXTS_OF_NOW: Final = frozenset({"weekday", "date", "time"})


def _kind_of_now(node: nodes.Node) -> type | None:
    """The type of a field of ``now``; None where it is none."""
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name == "now":
        return str if node.attr in _TEXTS_OF_NOW else int
    return None


def _constants(node: nodes.Node) -> list[object]:
    """The values that are written out: one, or those of a list; something of no type where there are others."""
    parts = node.items if isinstance(node, (nodes.List, nodes.Tuple)) else [node]
    return [part.value if isinstance(part, nodes.Const) else None for part in parts]


def _root(name: str) -> ast.expr:
    if name.startswith("_"):
        raise _Rare
    turn = ast.Name(_TURN, ast.Load())
    if name in _GROUPS or name in BY_NAME:
        return ast.Attribute(turn, name, ast.Load())
    return ast.Subscript(ast.Attribute(turn, "values", ast.Load()), ast.Constant(name), ast.Load())


def _field(node: nodes.Getattr | nodes.Getitem) -> ast.expr:
    """A field of what we know is an attribute; of plain data it is looked for."""
    key = ast.Constant(node.attr) if isinstance(node, nodes.Getattr) else _value(node.arg)
    inner = node.node
    if isinstance(inner, nodes.Name) and isinstance(key, ast.Constant) and isinstance(key.value, str):
        if inner.name in BY_NAME:
            return ast.Subscript(_root(inner.name), key, ast.Load())
        if inner.name in _GROUPS and not key.value.startswith("_"):
            return ast.Attribute(_root(inner.name), key.value, ast.Load())
    return ast.Call(ast.Name("field", ast.Load()), [_value(inner), key], [])


def _filter(inner: nodes.Node, name: str, args: Sequence[nodes.Node]) -> ast.expr:
    filter_ = ast.Name(f"filter_{name}", ast.Load())
    if name in SPOKEN and not args:
        now = ast.Attribute(ast.Name(_TURN, ast.Load()), "now", ast.Load())
        return ast.Call(filter_, [_value(inner), now, ast.Name("lang", ast.Load())], [])
    if name not in PLAIN or not all(isinstance(arg, nodes.Const) for arg in args):
        raise _Rare
    return ast.Call(filter_, [_value(inner), *map(_value, args)], [])


def _text(body: Sequence[nodes.Node], literal: Callable[[str], str]) -> ast.expr:
    parts: list[ast.expr] = []
    for node in body:
        if isinstance(node, nodes.Output):
            parts += [_part(part, literal) for part in node.nodes]
        elif isinstance(node, nodes.If):
            parts.append(_shown_as(_choice((node, *node.elif_), node.else_, literal)))
        else:
            raise _Rare
    return ast.JoinedStr(parts)


def _part(node: nodes.Node, literal: Callable[[str], str]) -> ast.expr:
    if isinstance(node, nodes.TemplateData):
        return ast.Constant(literal(node.data))
    return _shown_as(ast.Call(ast.Name("show", ast.Load()), [_value(node)], []))


def _shown_as(value: ast.expr) -> ast.FormattedValue:
    return ast.FormattedValue(value, -1)


def _choice(cases: Sequence[nodes.If], otherwise: Sequence[nodes.Node], literal: Callable[[str], str]) -> ast.expr:
    """``if`` with its ``elif`` and ``else``."""
    if not cases:
        return _text(otherwise, literal)
    then = _text(cases[0].body, literal)
    return ast.IfExp(_value(cases[0].test), then, _choice(cases[1:], otherwise, literal))
