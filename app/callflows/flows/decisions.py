"""Decisions of a turn as data: the outcomes, and the values behind the outcomes.

Recording is always on, because a decision costs only a tuple. Descriptions are rendered on request. A turn's trail
contains ``(DecisionOrigin, outcome, values at that moment, detail)``.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callflows.flows.expressions.expression_functions import NAMED_SCOPE_ROOTS
from callflows.flows.expressions.plain_values import format_plain_value, get_plain_field
from callflows.telephony.calls import Caller, CurrentCall, LocalTime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from callflows.telephony.turn import Turn


MASKED_VALUE: Final = "••••"
"""Replaces a secret value."""
MAX_DECISION_CHARACTERS: Final = 1000
"""Maximum length of an outcome or a detail in a description; longer data is truncated."""
_MAX_NAME_VALUE_CHARACTERS: Final = 200
_LITERAL_PATTERN: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|(?<![\w.])[0-9]+(?:[.][0-9]+)?(?![\w.])""")
"""Literals in the source of a rule."""
_OBJECT_FIELDS: Final = {"call": CurrentCall.FIELDS, "caller": Caller.FIELDS, "now": LocalTime.FIELDS}
"""Fields of the objects of a turn, whose names no flow can give to a value of its own."""
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


class ReadDecision(NamedTuple):
    """A decision with the values of the names in its rule, in order, as they were at its moment."""

    origin: DecisionOrigin
    outcome: object
    values: Sequence[object]
    detail: Mapping[str, Any] | None

    @property
    def key(self) -> tuple[DecisionOrigin, str]:
        """Equal keys have equal descriptions. The text tells ``1`` from ``true``, which are equal in Python."""
        return self.origin, repr(self[1:])


def describe_decisions(turn: Turn) -> list[dict[str, Any]]:
    """Describe a turn's decisions in order: ``node, step, step_key, rule, values, outcome`` and an optional ``detail``."""
    return [*map(describe_decision, read_decision_values(turn))]


def read_decision_values(turn: Turn) -> list[ReadDecision]:
    """Read the values behind a turn's decisions; that takes a fraction of the time of a description."""
    return [
        ReadDecision(origin, outcome, [read(turn, values) for read in _prepare_rule(origin).readers], detail)
        for origin, outcome, values, detail in turn.trail
    ]


def describe_decision(decision: ReadDecision) -> dict[str, Any]:
    """Describe a decision, as ``describe_decisions`` does."""
    origin, outcome, values, detail = decision
    rule = _prepare_rule(origin)
    described: dict[str, Any] = {
        "node": origin.node,
        "step": origin.step_index,
        "step_key": origin.step_key,
        "rule": rule.text,
        "values": dict(zip(rule.names, values, strict=True)),
        "outcome": outcome if outcome is True or outcome is False else _truncate_data(outcome),
    }
    return {**described, "detail": {name: _truncate_data(value) for name, value in detail.items()}} if detail else described


class _PreparedRule(NamedTuple):
    """A rule as it may be shown, its names in order, and a function for each name that reads its value."""

    text: str
    names: Sequence[str]
    readers: Sequence[Callable[[Turn, Mapping[str, Any]], object]]


@functools.lru_cache(maxsize=4096)
def _prepare_rule(origin: DecisionOrigin) -> _PreparedRule:
    """Prepare the rule of a decision.

    In a rule about a secret, names from a file or a call are hidden too, because the secret may have to equal their values.
    """
    roots = {name: name.partition(".")[0] for name in sorted(origin.used_names)}
    has_secret = any(root in origin.secret_names for root in roots.values())
    rule = _LITERAL_PATTERN.sub(MASKED_VALUE, origin.rule) if has_secret else origin.rule
    readers = [
        _read_hidden_value
        if root in origin.secret_names or (has_secret and root not in _NEVER_SECRET_ROOTS)
        else _make_value_reader(root, (*name.split(".")[1:],))
        for name, root in roots.items()
    ]
    return _PreparedRule(rule, [*roots], readers)


def _read_hidden_value(_turn: Turn, _values: Mapping[str, Any]) -> object:
    return MASKED_VALUE


def _make_value_reader(root: str, keys: tuple[str, ...]) -> Callable[[Turn, Mapping[str, Any]], object]:
    """Return a function that reads the value of a name at the moment of a decision, as plain data."""
    if len(keys) == 1 and keys[0] in _OBJECT_FIELDS.get(root, ()):
        read_field = operator.attrgetter(f"{root}.{keys[0]}")
        return lambda turn, _values: _shorten_value(read_field(turn))
    return lambda turn, values: _read_name_value(turn, root, keys, values)


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
    return _shorten_value(value)


def _shorten_value(value: object) -> object:
    """Return a number or a truth value unchanged, and anything else as a text of limited length."""
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (dict, list)):
        import json  # noqa: PLC0415 - rarely needed

        return json.dumps(value, ensure_ascii=False)[:_MAX_NAME_VALUE_CHARACTERS]
    number = getattr(value, "number", None)
    return format_plain_value(value if number is None else number)[:_MAX_NAME_VALUE_CHARACTERS]
