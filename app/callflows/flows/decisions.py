"""Decisions of a turn as data: the outcomes, and the values behind the outcomes.

Recording is always on, because a decision costs only a tuple. Descriptions are rendered on request. A turn's trail
contains ``(DecisionOrigin, outcome, values at that moment, detail)``.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import TYPE_CHECKING, Any, Final

from callflows.flows.expressions.expression_functions import NAMED_SCOPE_ROOTS
from callflows.flows.expressions.plain_values import format_plain_value, get_plain_field

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from callflows.telephony.turn import Turn


MASKED_VALUE: Final = "••••"
"""Replaces a secret value."""
MAX_DECISION_CHARACTERS: Final = 1000
"""Maximum length of an outcome or a detail in a description; longer data is truncated."""
_MAX_NAME_VALUE_CHARACTERS: Final = 200
_LITERAL_PATTERN: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|(?<![\w.])[0-9]+(?:[.][0-9]+)?(?![\w.])""")
"""Literals in the source of a rule."""
_NEVER_SECRET_ROOTS: Final = frozenset({"call", "caller", "number", "now", "hours", "lists"})
"""Scope roots that stay visible in a rule about a secret."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class DecisionOrigin:
    """Place of a decision in a flow: node, step index, step key, source of the rule and names in the rule."""

    node: str
    step_index: int
    step_key: str
    rule: str
    used_names: frozenset[str]
    secret_names: AbstractSet[str]


def describe_decisions(turn: Turn) -> list[dict[str, Any]]:
    """Describe a turn's decisions in order: ``node, step, step_key, rule, values, outcome`` and an optional ``detail``."""
    return [_describe_decision(turn, *entry) for entry in turn.trail]


def _describe_decision(
    turn: Turn, origin: DecisionOrigin, outcome: object, values: Mapping[str, Any], detail: Mapping[str, Any] | None
) -> Any:  # noqa: ANN401
    rule, names = _describe_rule(origin)
    described: dict[str, Any] = {
        "node": origin.node,
        "step": origin.step_index,
        "step_key": origin.step_key,
        "rule": rule,
        "values": {
            name: MASKED_VALUE if is_hidden else _read_name_value(turn, root, keys, values)
            for name, root, keys, is_hidden in names
        },
        "outcome": outcome if outcome is True or outcome is False else _truncate_data(outcome),
    }
    return {**described, "detail": {name: _truncate_data(value) for name, value in detail.items()}} if detail else described


@functools.lru_cache(maxsize=4096)
def _describe_rule(origin: DecisionOrigin) -> tuple[str, tuple[tuple[str, str, tuple[str, ...], bool], ...]]:
    """Return the rule as it may be shown, and its names in order: whole, root, keys, and True if the value is hidden.

    In a rule about a secret, names from a file or a call are hidden too, because the secret may have to equal their values.
    """
    roots = {name: name.partition(".")[0] for name in sorted(origin.used_names)}
    has_secret = any(root in origin.secret_names for root in roots.values())
    rule = _LITERAL_PATTERN.sub(MASKED_VALUE, origin.rule) if has_secret else origin.rule
    return rule, tuple(
        (
            name,
            root,
            tuple(name.split(".")[1:]),
            root in origin.secret_names or (has_secret and root not in _NEVER_SECRET_ROOTS),
        )
        for name, root in roots.items()
    )


def _truncate_data(value: object) -> object:
    """Return short data unchanged. Longer text or JSON is cut after MAX_DECISION_CHARACTERS."""
    if not isinstance(value, (str, dict, list)):
        return value
    import json  # noqa: PLC0415 - rarely needed

    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value if len(text) <= MAX_DECISION_CHARACTERS else f"{text[:MAX_DECISION_CHARACTERS]}…"


def _read_name_value(turn: Turn, root: str, keys: tuple[str, ...], values: Mapping[str, Any]) -> object:
    """Return the value of a name at the moment of the decision, as plain data."""
    if root in NAMED_SCOPE_ROOTS:
        there = getattr(turn, root)
        if not keys:
            return ""  # the name is computed, as in lists[digits]
        value: Any = there[keys[0]]
        keys = keys[1:]
        if root == "lists":
            return value.reason(turn.caller) if turn.caller in value else ""
        if root == "hours":
            return f"{'open' if value.open else 'closed'}: {value.reason}"
    elif root in values or not hasattr(turn, root):
        value = values[root]
    else:
        value = getattr(turn, root)
    for key in keys:
        value = get_plain_field(value, key)
    return value if isinstance(value, (bool, int, float)) else _format_short_value(value)


def _format_short_value(value: object) -> str:
    if isinstance(value, (dict, list)):
        import json  # noqa: PLC0415 - rarely needed

        return json.dumps(value, ensure_ascii=False)[:_MAX_NAME_VALUE_CHARACTERS]
    number = getattr(value, "number", None)
    return format_plain_value(value if number is None else number)[:_MAX_NAME_VALUE_CHARACTERS]
