"""What a turn decided and why, as data. Always on: a decision costs a tuple, and is put into words when somebody asks.

A turn's trail holds ``(Mark, outcome, values at that moment, detail)``.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from app.flows.expressions.functions import BY_NAME, field, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from app.calls import Turn

SECRET: Final = "••••"  # noqa: S105 - what stands in its place
"""Stands for a secret value."""
_LONGEST: Final = 200


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """Where in a flow something is decided: the step's place, its word, what the rule says, the names it looks at."""

    node: str
    step: int
    word: str
    rule: str
    uses: frozenset[str]
    secrets: AbstractSet[str]


def told(turn: Turn) -> list[dict[str, Any]]:
    """A turn's decisions in order: ``node, step, word, rule, values, outcome`` and, where there is more, ``detail``."""
    return [_told(turn, *entry) for entry in turn.trail]


def _told(turn: Turn, mark: Mark, outcome: object, values: Mapping[str, Any], detail: Mapping[str, Any] | None) -> Any:  # noqa: ANN401
    said: dict[str, Any] = {"node": mark.node, "step": mark.step, "word": mark.word, "rule": mark.rule}
    hidden = _hidden(mark)
    said["values"] = {name: _seen(turn, name, values, hidden) for name in sorted(mark.uses)}
    said["outcome"] = outcome
    return {**said, "detail": dict(detail)} if detail else said


def _hidden(mark: Mark) -> AbstractSet[str]:
    """The names that are not told; the file's own variables too where a secret is looked at: they are what it must be."""
    secret = any(name.partition(".")[0] in mark.secrets for name in mark.uses)
    return mark.secrets | {"variables"} if secret else mark.secrets


def _seen(turn: Turn, name: str, values: Mapping[str, Any], secrets: AbstractSet[str]) -> object:
    """What a name was at that moment, as plain data."""
    root, *keys = name.split(".")
    if root in secrets:
        return SECRET
    if root in BY_NAME:
        there = getattr(turn, root)
        value: Any = there[keys.pop(0)] if keys else ""
        if root == "lists":
            return value.reason(turn.caller) if turn.caller in value else ""
        if root == "hours":
            return f"{'open' if value.open else 'closed'}: {value.reason}"
    elif root in values or not hasattr(turn, root):
        value = values[root]
    else:
        value = getattr(turn, root)
    for key in keys:
        value = field(value, key)
    return value if isinstance(value, (bool, int, float)) else _short(value)


def _short(value: object) -> str:
    if isinstance(value, (dict, list)):
        import json  # noqa: PLC0415 - rarely

        return json.dumps(value, ensure_ascii=False)[:_LONGEST]
    number = getattr(value, "number", None)
    return shown(value if number is None else number)[:_LONGEST]
