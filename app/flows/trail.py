"""What a turn decided and why, as data. Always on: a decision costs a tuple, and is put into words when somebody asks.

A turn's trail holds ``(Mark, outcome, values at that moment, detail)``.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, Final

from app.flows.expressions.functions import BY_NAME
from app.flows.expressions.plain import field, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from app.calls import Turn

SECRET: Final = "••••"  # noqa: S105 - what stands in its place
"""Stands for a secret value."""
MOST: Final = 1000
"""Characters that are told of what was decided or answered."""
_LONGEST: Final = 200
_LITERAL: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|(?<![\w.])[0-9]+(?:[.][0-9]+)?(?![\w.])""")
"""What is written out in a rule."""
_OPEN: Final = frozenset({"call", "caller", "number", "now", "hours", "lists"})
"""What no secret is compared with."""


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
    secret = any(name.partition(".")[0] in mark.secrets for name in mark.uses)
    rule = _LITERAL.sub(SECRET, mark.rule) if secret else mark.rule
    said: dict[str, Any] = {"node": mark.node, "step": mark.step, "word": mark.word, "rule": rule}
    said["values"] = {
        name: SECRET if _hidden(name, mark, secret=secret) else _seen(turn, name, values) for name in sorted(mark.uses)
    }
    said["outcome"] = _bounded(outcome)
    return {**said, "detail": {name: _bounded(value) for name, value in detail.items()}} if detail else said


def _hidden(name: str, mark: Mark, *, secret: bool) -> bool:
    """Whether a name is not told: a secret, and beside one whatever a file or a call brings that it may have to be."""
    root = name.partition(".")[0]
    return root in mark.secrets or (secret and root not in _OPEN)


def _bounded(value: object) -> object:
    """Plain data as it is where it is short, else the beginning of its JSON."""
    if not isinstance(value, (str, dict, list)):
        return value
    import json  # noqa: PLC0415 - rarely

    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value if len(text) <= MOST else f"{text[:MOST]}…"


def _seen(turn: Turn, name: str, values: Mapping[str, Any]) -> object:
    """What a name was at that moment, as plain data."""
    root, *keys = name.split(".")
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
