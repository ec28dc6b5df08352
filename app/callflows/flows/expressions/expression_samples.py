"""How much of an expression's value is known before a call is there: what its author wrote out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jinja2 import nodes

if TYPE_CHECKING:
    from collections.abc import Sequence


def sample_value(node: nodes.Node) -> object:
    """A value that is no longer than what comes of an expression may be; None where nothing of it is written out.

    What depends on a call counts as nothing; of two ways it is the longer one.
    """
    match node:
        case nodes.Const(value=str() | bool() | int() | float() as value):
            return value
        case nodes.Concat(nodes=parts):
            return _join_samples(parts)
        case nodes.Add(left=left, right=right) if isinstance(sample_value(left), str) or isinstance(
            sample_value(right), str
        ):
            return _join_samples([left, right])
        case nodes.CondExpr(expr1=then, expr2=otherwise):
            ways = [sample_value(way) for way in (then, otherwise) if way is not None]
            return max((way for way in ways if way is not None), key=json_byte_size, default=None)
        case nodes.List(items=items) | nodes.Tuple(items=items):
            return [sample_value(item) for item in items]
        case nodes.Filter(name="default", args=[nodes.Node() as given, *_]):
            return sample_value(given)
        case nodes.Or(right=right):
            return sample_value(right)
    return None


def _join_samples(parts: Sequence[nodes.Node]) -> str | None:
    known = [part for part in map(sample_value, parts) if part is not None]
    return "".join(map(str, known)) if known else None


def json_byte_size(value: object) -> int:
    """Bytes of a value as JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))
