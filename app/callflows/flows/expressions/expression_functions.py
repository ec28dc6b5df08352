"""Compiles the frequent forms of Jinja expressions to plain functions of a Turn, from Jinja's syntax tree.

Names, fields, slices, literals, ``not``, ``and``, ``or``, comparisons, ``+``, ``-``, ``~``, ``if`` and the plain
filters become one Python function. The running time of the function is bounded by the length of the input.
Every other form is left to Jinja in a worker process, because a worker can be stopped.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, Final

from jinja2 import nodes

from callflows.flows.expressions.plain_values import (
    calculate_plain_values,
    choose_both,
    choose_either,
    compare_plain_values,
    format_plain_value,
    get_plain_field,
    is_missing,
    is_true_value,
    join_plain_values,
    slice_plain_value,
)
from callflows.flows.expressions.text_filters import CONTEXT_FILTERS, PLAIN_FILTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from callflows.telephony.turn import Turn


_TURN_ARGUMENT: Final = "turn"
_MAX_TEXT_OPERATIONS: Final = 200
"""More operations that make texts of texts, each as long as a value may be, need a process with a limit of memory."""
NAMED_SCOPE_ROOTS: Final = frozenset({"hours", "lists", "variables"})
"""Attributes of a Turn that are mappings by name: ``hours.office``."""
_OBJECT_SCOPE_ROOTS: Final = frozenset({"call", "caller", "number", "now"})
_NATURAL_ROOTS: Final = frozenset({*_OBJECT_SCOPE_ROOTS, "hours", "lists", "digits"})
"""Names whose text is true unless empty: a caller may be called No, or press 0."""


class _UnsupportedForm(Exception):
    """The form is not one of the frequent ones."""


def build_value_function(tree: nodes.Node, lang: str = "") -> Callable[[Turn], Any] | None:
    """Compile an expression to a function; return None if its form is rare."""
    try:
        return _build_function(_translate_value(tree), format_plain_value, lang)
    except _UnsupportedForm:
        return None


def build_text_function(
    body: Sequence[nodes.Node], literal: Callable[[str], str], encode: Callable[[object], str], lang: str = ""
) -> Callable[[Turn], str] | None:
    """Compile the body of a template to a function; return None if the body contains a rare form.

    ``literal`` converts the author's text once, during compilation. ``encode`` converts each value during a call.
    """
    try:
        return _build_function(_translate_body(body, literal), encode, lang)
    except _UnsupportedForm:
        return None


def _build_function(body: ast.expr, show: Callable[[object], str], lang: str) -> Callable[[Turn], Any]:
    if sum(isinstance(part, ast.Name) and _makes_text(part.id) for part in ast.walk(body)) > _MAX_TEXT_OPERATIONS:
        raise _UnsupportedForm
    arguments = ast.arguments(posonlyargs=[], args=[ast.arg(_TURN_ARGUMENT)], kwonlyargs=[], kw_defaults=[], defaults=[])
    tree = ast.fix_missing_locations(ast.Expression(ast.Lambda(arguments, body)))
    known: dict[str, Any] = {
        "show": show,
        "joined": join_plain_values,
        "field": get_plain_field,
        "compared": compare_plain_values,
        "nothing": is_missing,
        "sliced": slice_plain_value,
        "true": is_true_value,
        "both": choose_both,
        "either": choose_either,
    }
    known |= {"reckoned": calculate_plain_values, "lang": lang, **_FILTER_FUNCTIONS}
    function: Callable[[Turn], Any] = eval(  # noqa: S307 - the tree contains only the forms above
        compile(tree, "<a flow's expression>", "eval"), {"__builtins__": {}, **known}
    )
    return function


def _makes_text(function_name: str) -> bool:
    return function_name in ("show", "joined", "reckoned") or function_name.startswith("filter_")


_FILTER_FUNCTIONS: Final = {f"filter_{name}": made for name, made in {**PLAIN_FILTERS, **CONTEXT_FILTERS}.items()}


def _translate_value(node: nodes.Node) -> ast.expr:  # noqa: C901, PLR0911, PLR0912 - one case per form
    match node:
        case nodes.Const(value=constant):
            return ast.Constant(constant)
        case nodes.Neg(node=nodes.Const(value=int() | float() as number)):
            return ast.Constant(-number)
        case nodes.Name(name=name):
            return _translate_root(name)
        case nodes.Getitem(node=inner, arg=nodes.Slice(start=start, stop=stop, step=step)):
            bounds = [ast.Constant(None) if bound is None else _translate_value(bound) for bound in (start, stop, step)]
            return ast.Call(ast.Name("sliced", ast.Load()), [_translate_value(inner), *bounds], [])
        case nodes.Getattr() | nodes.Getitem():
            return _translate_field(node)
        case nodes.Filter(node=nodes.Node() as inner, name=name, args=args, kwargs=[], dyn_args=None, dyn_kwargs=None):
            return _translate_filter(inner, name, args)
        case nodes.Test(node=inner, name="none" | "defined" | "undefined" as name, args=[]):
            nothing = ast.Call(ast.Name("nothing", ast.Load()), [_translate_value(inner)], [])
            return ast.UnaryOp(ast.Not(), nothing) if name == "defined" else nothing
        case nodes.Test(node=inner, name="true" | "false" as name, args=[]):
            pair: list[ast.expr] = [_translate_value(inner), ast.Constant(name == "true")]
            return ast.Call(ast.Name("compared", ast.Load()), [ast.Constant("eq"), *pair], [])
        case nodes.List(items=items) | nodes.Tuple(items=items) if all(isinstance(item, nodes.Const) for item in items):
            return ast.Tuple([_translate_value(item) for item in items], ast.Load())
        case nodes.Not(node=inner):
            return ast.UnaryOp(ast.Not(), _translate_truth(inner))
        case nodes.And() | nodes.Or():
            return _translate_junction(node)
        case nodes.Compare(expr=left, ops=operands):
            sides = [left, *(operand.expr for operand in operands)]
            pairs = [_translate_comparison(operand.op, *sides[at : at + 2]) for at, operand in enumerate(operands)]
            return pairs[0] if len(pairs) == 1 else ast.BoolOp(ast.And(), pairs)
        case nodes.Concat(nodes=parts):
            whole = ast.Tuple([_translate_value(part) for part in parts], ast.Load())
            return ast.Call(ast.Name("joined", ast.Load()), [whole], [])
        case nodes.Add(left=left, right=other) | nodes.Sub(left=left, right=other):
            both: list[ast.expr] = [ast.Constant(node.operator), _translate_value(left), _translate_value(other)]
            return ast.Call(ast.Name("reckoned", ast.Load()), both, [])
        case nodes.CondExpr(test=test, expr1=then, expr2=otherwise):
            return ast.IfExp(
                _translate_truth(test),
                _translate_value(then),
                ast.Constant("") if otherwise is None else _translate_value(otherwise),
            )
    raise _UnsupportedForm


def _translate_truth(node: nodes.Node) -> ast.expr:
    """Translate an expression that is only tested for truth."""
    value = _translate_value(node)
    return value if has_natural_truth(node) else ast.Call(ast.Name("true", ast.Load()), [value], [])


def _translate_junction(node: nodes.And | nodes.Or) -> ast.expr:
    """Translate ``and`` and ``or``, whose result is one of both sides."""
    left, right = _translate_value(node.left), _translate_value(node.right)
    if has_natural_truth(node.left):
        return ast.BoolOp(ast.And() if isinstance(node, nodes.And) else ast.Or(), [left, right])
    arguments = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    choose = ast.Name("both" if isinstance(node, nodes.And) else "either", ast.Load())
    return ast.Call(choose, [left, ast.Lambda(arguments, right)], [])


def has_natural_truth(node: nodes.Node) -> bool:
    """Return True if Python's own truth is right for an expression; in data, a text such as "no" is false."""
    match node:
        case nodes.Not() | nodes.Compare() | nodes.Test():
            return True
        case nodes.And(left=left, right=right) | nodes.Or(left=left, right=right):
            return has_natural_truth(left) and has_natural_truth(right)
        case nodes.Const(value=value):
            return not isinstance(value, str)
        case nodes.Name(name=name):
            return name in _NATURAL_ROOTS
        case nodes.Getattr(node=nodes.Node() as inner) | nodes.Getitem(node=nodes.Node() as inner):
            return has_natural_truth(inner)
    return False


def _translate_comparison(op: str, left: nodes.Node, right: nodes.Node) -> ast.expr:
    """Translate one comparison.

    A field of ``now`` is compared natively with constants of the field's own type, without ``compare_plain_values``.
    """
    kind = _type_of_now_field(left)
    fits = op != "in" or isinstance(right, (nodes.List, nodes.Tuple))
    if (
        kind is not None
        and fits
        and op in _NATIVE_COMPARISONS
        and all(type(part) is kind for part in _constant_values(right))
    ):
        return ast.Compare(_translate_value(left), [_NATIVE_COMPARISONS[op]()], [_translate_value(right)])
    return ast.Call(
        ast.Name("compared", ast.Load()), [ast.Constant(op), _translate_value(left), _translate_value(right)], []
    )


_NATIVE_COMPARISONS: Final = {
    "eq": ast.Eq,
    "ne": ast.NotEq,
    "lt": ast.Lt,
    "lteq": ast.LtE,
    "gt": ast.Gt,
    "gteq": ast.GtE,
    "in": ast.In,
}
_TEXT_FIELDS_OF_NOW: Final = frozenset({"weekday", "date", "time"})


def _type_of_now_field(node: nodes.Node) -> type | None:
    """Return the type of a field of ``now``; None for other nodes."""
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name == "now":
        return str if node.attr in _TEXT_FIELDS_OF_NOW else int
    return None


def _constant_values(node: nodes.Node) -> list[object]:
    """Return the values of a constant or a list; None stands for each part that is not constant."""
    parts = node.items if isinstance(node, (nodes.List, nodes.Tuple)) else [node]
    return [part.value if isinstance(part, nodes.Const) else None for part in parts]


def _translate_root(name: str) -> ast.expr:
    if name.startswith("_"):
        raise _UnsupportedForm
    turn = ast.Name(_TURN_ARGUMENT, ast.Load())
    if name in _OBJECT_SCOPE_ROOTS or name in NAMED_SCOPE_ROOTS:
        return ast.Attribute(turn, name, ast.Load())
    return ast.Subscript(ast.Attribute(turn, "values", ast.Load()), ast.Constant(name), ast.Load())


def _translate_field(node: nodes.Getattr | nodes.Getitem) -> ast.expr:
    """Translate a field of a known object to an attribute, a field of plain data to a lookup."""
    key = ast.Constant(node.attr) if isinstance(node, nodes.Getattr) else _translate_value(node.arg)
    inner = node.node
    if isinstance(inner, nodes.Name) and isinstance(key, ast.Constant) and isinstance(key.value, str):
        if inner.name in NAMED_SCOPE_ROOTS:
            return ast.Subscript(_translate_root(inner.name), key, ast.Load())
        if inner.name in _OBJECT_SCOPE_ROOTS and not key.value.startswith("_"):
            return ast.Attribute(_translate_root(inner.name), key.value, ast.Load())
    return ast.Call(ast.Name("field", ast.Load()), [_translate_value(inner), key], [])


def _translate_filter(inner: nodes.Node, name: str, args: Sequence[nodes.Node]) -> ast.expr:
    filter_ = ast.Name(f"filter_{name}", ast.Load())
    if name in CONTEXT_FILTERS and not args:
        now = ast.Attribute(ast.Name(_TURN_ARGUMENT, ast.Load()), "now", ast.Load())
        return ast.Call(filter_, [_translate_value(inner), now, ast.Name("lang", ast.Load())], [])
    if name not in PLAIN_FILTERS or not all(isinstance(arg, nodes.Const) for arg in args):
        raise _UnsupportedForm
    return ast.Call(filter_, [_translate_value(inner), *map(_translate_value, args)], [])


def _translate_body(body: Sequence[nodes.Node], literal: Callable[[str], str]) -> ast.expr:
    parts: list[ast.expr] = []
    for node in body:
        if isinstance(node, nodes.Output):
            parts += [_translate_part(part, literal) for part in node.nodes]
        elif isinstance(node, nodes.If):
            parts.append(_wrap_in_formatting(_translate_if((node, *node.elif_), node.else_, literal)))
        else:
            raise _UnsupportedForm
    return ast.JoinedStr(parts)


def _translate_part(node: nodes.Node, literal: Callable[[str], str]) -> ast.expr:
    if isinstance(node, nodes.TemplateData):
        return ast.Constant(literal(node.data))
    return _wrap_in_formatting(ast.Call(ast.Name("show", ast.Load()), [_translate_value(node)], []))


def _wrap_in_formatting(value: ast.expr) -> ast.FormattedValue:
    return ast.FormattedValue(value, -1)


def _translate_if(cases: Sequence[nodes.If], otherwise: Sequence[nodes.Node], literal: Callable[[str], str]) -> ast.expr:
    if not cases:
        return _translate_body(otherwise, literal)
    then = _translate_body(cases[0].body, literal)
    return ast.IfExp(_translate_truth(cases[0].test), then, _translate_if(cases[1:], otherwise, literal))
