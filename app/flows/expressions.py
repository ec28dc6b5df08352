"""The frequent forms of Jinja as plain functions of a Turn, made from Jinja's own syntax tree.

Names, fields, literals, not, and, or, comparisons and ``if`` become one Python function; for any other form there is none,
and Jinja does it. What is made here is made of those forms only: there is nothing to call in it, to index or to assign.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, Final

from jinja2 import nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.calls import Turn

_TURN: Final = "turn"
_COMPARISONS: Final[dict[str, type[ast.cmpop]]] = {
    "eq": ast.Eq,
    "ne": ast.NotEq,
    "lt": ast.Lt,
    "lteq": ast.LtE,
    "gt": ast.Gt,
    "gteq": ast.GtE,
    "in": ast.In,
    "notin": ast.NotIn,
}


class _Rare(Exception):
    """The form is not one of the frequent ones."""


def shown(value: object) -> str:
    """A value as it is spoken: nothing for None."""
    if type(value) is str:
        return value
    return "" if value is None else str(value)


def value_of(tree: nodes.Node) -> Callable[[Turn], Any] | None:
    """An expression as a function; None where its form is rare."""
    try:
        return _function(_value(tree), shown)
    except _Rare:
        return None


def text_of(
    body: Sequence[nodes.Node], literal: Callable[[str], str], encode: Callable[[object], str]
) -> Callable[[Turn], str] | None:
    """A template's body as a function; None where a form in it is rare.

    What the author wrote goes through ``literal``, now; each value through ``encode``, when a call is there.
    """
    try:
        return _function(_text(body, literal), encode)
    except _Rare:
        return None


def _function(body: ast.expr, show: Callable[[object], str]) -> Callable[[Turn], Any]:
    arguments = ast.arguments(posonlyargs=[], args=[ast.arg(_TURN)], kwonlyargs=[], kw_defaults=[], defaults=[])
    tree = ast.fix_missing_locations(ast.Expression(ast.Lambda(arguments, body)))
    made: Callable[[Turn], Any] = eval(  # noqa: S307 - a tree of ours, of the forms above
        compile(tree, "<a flow's expression>", "eval"), {"__builtins__": {}, "show": show}
    )
    return made


def _value(node: nodes.Node) -> ast.expr:
    match node:
        case nodes.Const(value=constant):
            return ast.Constant(constant)
        case nodes.Name(name=name):
            return _field(ast.Name(_TURN, ast.Load()), name)
        case nodes.Getattr(node=nodes.Name() as root, attr=name):
            return _field(_value(root), name)
        case nodes.List(items=items) | nodes.Tuple(items=items) if all(isinstance(item, nodes.Const) for item in items):
            return ast.Tuple([_value(item) for item in items], ast.Load())
        case nodes.Not(node=inner):
            return ast.UnaryOp(ast.Not(), _value(inner))
        case nodes.And() | nodes.Or():
            joined = ast.And() if isinstance(node, nodes.And) else ast.Or()
            return ast.BoolOp(joined, [_value(node.left), _value(node.right)])
        case nodes.Compare(expr=left, ops=operands):
            compared = [_COMPARISONS[operand.op]() for operand in operands]
            return ast.Compare(_value(left), compared, [_value(operand.expr) for operand in operands])
    raise _Rare


def _field(of: ast.expr, name: str) -> ast.expr:
    if name.startswith("_"):
        raise _Rare
    return ast.Attribute(of, name, ast.Load())


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
