"""Finds texts that may be empty when a call is there, because they are made of values only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from jinja2 import nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    IsFilled = Callable[[str], bool]
    """Returns whether a dotted name, as ``variables.greeting``, always has a value."""


_SPOKEN_CHARACTER: Final = re.compile(r"\w")
_UNCERTAIN_NAMES: Final = frozenset({"caller", "caller.name", "caller.national", "caller.number", "message"})
_CERTAIN_ROOTS: Final = frozenset({"call", "caller", "digits", "ended", "hours", "number", "now"})
"""Names of a call whose other fields have a value, or read ``unknown``."""
_COUNTING_FILTERS: Final = frozenset({"count", "filesizeformat", "float", "int", "length", "sum", "wordcount"})
"""Filters that give a number for whatever they get."""
_NUMERIC_OPERATIONS: Final = (nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.Neg, nodes.Pos)


def is_spoken_text(text: str) -> bool:
    """Return True if a text has a letter or a digit, so that something is heard."""
    return _SPOKEN_CHARACTER.search(text) is not None


def may_text_be_empty(body: Sequence[nodes.Node], is_filled: IsFilled) -> bool:
    """Return True if a text may be empty in a call, because values are missing."""
    return not _is_body_filled(body, is_filled)


def _is_body_filled(body: Iterable[nodes.Node], is_filled: IsFilled) -> bool:
    for node in body:
        match node:
            case nodes.Output(nodes=parts):
                if any(_is_part_filled(part, is_filled) for part in parts):
                    return True
            case nodes.If(test=test, body=then, elif_=others, else_=otherwise):
                ways = [(test, then), *((other.test, other.body) for other in others)]
                if _is_body_filled(otherwise, is_filled) and all(
                    _is_body_filled(steps, _assume_names(when, is_filled)) for when, steps in ways
                ):
                    return True
            case _:
                pass
    return False


def _is_part_filled(part: nodes.Node, is_filled: IsFilled) -> bool:
    return is_spoken_text(part.data) if isinstance(part, nodes.TemplateData) else is_value_filled(part, is_filled)


def _assume_names(test: nodes.Node, is_filled: IsFilled) -> IsFilled:
    """Return ``is_filled`` for a branch: the names in its condition have a value there."""
    names = {_find_dotted_name(node) for node in test.find_all((nodes.Name, nodes.Getattr, nodes.Getitem))}
    names |= {_find_dotted_name(test)}
    return lambda name: name in names or is_filled(name)


def _find_dotted_name(node: nodes.Node) -> str:
    """Return ``a.b`` for a field of a name; an empty text for other nodes."""
    match node:
        case nodes.Name(name=name):
            return str(name)
        case nodes.Getattr(node=nodes.Node() as inner, attr=attr):
            before = _find_dotted_name(inner)
            return f"{before}.{attr}" if before else ""
        case nodes.Getitem(node=nodes.Node() as inner, arg=nodes.Const(value=key)):
            before = _find_dotted_name(inner)
            return f"{before}.{key}" if before else ""
    return ""


def is_value_filled(node: nodes.Node, is_filled: IsFilled) -> bool:
    """Return True if the value of an expression has a letter or a digit in every call."""
    match node:
        case nodes.Const(value=value):
            return value is not None and is_spoken_text(str(value))
        case nodes.Name() | nodes.Getattr() | nodes.Getitem(arg=nodes.Const()):
            return _is_name_filled(_find_dotted_name(node), is_filled)
        case nodes.Getitem(node=nodes.Node() as inner):
            return is_value_filled(inner, is_filled)
        case nodes.Filter(node=nodes.Node() as inner, name=name, args=args):
            instead = name in ("default", "d") and bool(args) and is_value_filled(args[0], is_filled)
            return instead or name in _COUNTING_FILTERS or is_value_filled(inner, is_filled)
        case nodes.Concat(nodes=parts):
            return any(is_value_filled(part, is_filled) for part in parts)
        case nodes.Add(left=left, right=right):
            return is_value_filled(left, is_filled) or is_value_filled(right, is_filled)
        case nodes.Or(right=right):
            return is_value_filled(right, is_filled)
        case nodes.CondExpr(test=test, expr1=then, expr2=otherwise):
            return (
                otherwise is not None
                and is_value_filled(then, _assume_names(test, is_filled))
                and is_value_filled(otherwise, is_filled)
            )
    return isinstance(node, (*_NUMERIC_OPERATIONS, nodes.Compare, nodes.Not, nodes.Test))


def _is_name_filled(name: str, is_filled: IsFilled) -> bool:
    if name in _UNCERTAIN_NAMES:
        return is_filled(name)
    return name.partition(".")[0] in _CERTAIN_ROOTS or is_filled(name)
