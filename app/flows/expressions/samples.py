"""How much of an expression's value is known before a call is there: what its author wrote out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jinja2 import nodes

if TYPE_CHECKING:
    from collections.abc import Sequence


def sample(node: nodes.Node) -> object:
    """A value that is no longer than what comes of an expression may be; None where nothing of it is written out.

    What depends on a call counts as nothing; of two ways it is the longer one.
    """
    match node:
        case nodes.Const(value=str() | bool() | int() | float() as value):
            return value
        case nodes.Concat(nodes=parts):
            return _joined(parts)
        case nodes.Add(left=left, right=right) if isinstance(sample(left), str) or isinstance(sample(right), str):
            return _joined([left, right])
        case nodes.CondExpr(expr1=then, expr2=otherwise):
            ways = [sample(way) for way in (then, otherwise) if way is not None]
            return max((way for way in ways if way is not None), key=size, default=None)
        case nodes.List(items=items) | nodes.Tuple(items=items):
            return [sample(item) for item in items]
        case nodes.Filter(name="default", args=[nodes.Node() as given, *_]):
            return sample(given)
        case nodes.Or(right=right):
            return sample(right)
    return None


def _joined(parts: Sequence[nodes.Node]) -> str | None:
    known = [part for part in map(sample, parts) if part is not None]
    return "".join(map(str, known)) if known else None


def size(value: object) -> int:
    """Bytes of a value as JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))
