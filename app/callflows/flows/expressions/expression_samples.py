"""Estimates the value of an expression before any call, from the constants that its author wrote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jinja2 import nodes

if TYPE_CHECKING:
    from collections.abc import Sequence


def sample_value(node: nodes.Node) -> object:
    """Return a value no longer than any result of an expression; None without constant parts.

    Parts that depend on a call count as empty. Of two branches, the longer sample counts.
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
    """Return the size of a value as compact JSON in UTF-8."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))
