"""Evaluates a condition for all combinations of values, if the condition uses only names with few values."""

from __future__ import annotations

import bisect
import itertools
import math
import types
from typing import TYPE_CHECKING, Any, Final

from jinja2 import nodes

from callflows.flows.expressions.expression_functions import NAMED_SCOPE_ROOTS, build_value_function
from callflows.telephony.calls import WEEKDAY_NAMES
from callflows.telephony.phone_numbers import UNKNOWN_VALUE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from callflows.telephony.turn import Turn


BOOLEAN_VALUES: Final = (True, False)
ENUMERABLE_VALUES: Final[Mapping[str, Sequence[Any]]] = {
    "now.month": range(1, 13),
    "now.day": range(1, 32),
    "now.hour": range(24),
    "now.minute": range(60),
    "now.second": range(60),
    "now.weekday": WEEKDAY_NAMES,
    "now.time": [f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(60)],
    "caller.anonymous": BOOLEAN_VALUES,
    "call.attestation": ("A", "B", "C", UNKNOWN_VALUE),
}
"""Names with few values, and all their values."""
_MAX_COMBINATIONS: Final = 20_000
"""Conditions with more combinations of values are not evaluated."""


def find_condition_outcomes(node: nodes.Node) -> tuple[list[str], set[bool]] | None:
    """Return the names in a condition and its possible outcomes.

    The set of outcomes is empty if the condition raises TypeError. Returns None if the names have too many values or the
    form of the condition is rare.
    """
    names = _find_dotted_names(node)
    values = [_boundary_times(node) if name == "now.time" else possible_values_of(name) for name in names]
    count = math.prod(len(known) if known is not None else _MAX_COMBINATIONS + 1 for known in values)
    holds = build_value_function(node) if count <= _MAX_COMBINATIONS else None
    return None if holds is None else (names, _evaluate_combinations(holds, names, [known or () for known in values]))


def dotted_name_of(node: nodes.Node) -> str:
    """Return the dotted name of a node, as ``hours.office.open``; "" for other nodes."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        inner = dotted_name_of(node.node)
        return f"{inner}.{node.attr}" if inner else ""
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        inner = dotted_name_of(node.node)
        return f"{inner}.{node.arg.value}" if inner else ""
    return ""


def possible_values_of(name: str) -> Sequence[Any] | None:
    """Return all values of a name, or None if the values are not enumerable."""
    if name.startswith("hours.") and name.endswith(".open"):
        return BOOLEAN_VALUES
    return ENUMERABLE_VALUES.get(name)


def _boundary_times(node: nodes.Node) -> Sequence[str]:
    """Return the times of day around the constants of a condition, because the outcome changes only at a constant."""
    times = ENUMERABLE_VALUES["now.time"]
    marks = {0, len(times) - 1}
    for constant in node.find_all(nodes.Const):
        at = bisect.bisect_left(times, constant.value) if isinstance(constant.value, str) else 0
        marks |= {max(at - 1, 0), min(at, len(times) - 1), min(at + 1, len(times) - 1)}
    return [times[at] for at in sorted(marks)]


def _find_dotted_names(node: nodes.Node) -> list[str]:
    """Return the dotted names in a condition; includes "" if the condition contains filters, tests or other lookups."""
    name = dotted_name_of(node)
    if name:
        return [name]
    if isinstance(node, (nodes.Filter, nodes.Test, nodes.Getattr, nodes.Getitem)):
        return [""]
    return [*dict.fromkeys(name for child in node.iter_child_nodes() for name in _find_dotted_names(child))]


class _SimulatedHours:
    """Opening hours for one evaluation."""

    FIELDS: Final = frozenset({"open"})

    def __init__(self, *, is_open: bool) -> None:
        self.open = is_open


def _evaluate_combinations(
    evaluate: Callable[[Turn], Any], names: Sequence[str], values: Sequence[Sequence[Any]]
) -> set[bool]:
    """Return the outcomes over all combinations; empty if a comparison raises TypeError."""
    came: set[bool] = set()
    seen: Any = types.SimpleNamespace(values={}, hours={})
    for group in ("now", "caller", "call"):
        setattr(seen, group, types.SimpleNamespace())
    for tried in itertools.product(*values):
        for name, value in zip(names, tried, strict=True):
            root, _, field = name.partition(".")
            if root in NAMED_SCOPE_ROOTS:
                seen.hours[field.removesuffix(".open")] = _SimulatedHours(is_open=value)
            else:
                setattr(getattr(seen, root), field, value)
        try:
            came.add(bool(evaluate(seen)))
        except TypeError:
            return set()
        if len(came) > 1:
            break
    return came
