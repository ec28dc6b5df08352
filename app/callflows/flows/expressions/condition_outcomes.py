"""Evaluates a condition for all values of its name, if the condition uses one name and the name has few values."""

from __future__ import annotations

import bisect
import re
import types
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from jinja2 import nodes

from callflows.flows.expressions.expression_functions import NAMED_SCOPE_ROOTS, build_value_function
from callflows.telephony.calls import WEEKDAY_NAMES
from callflows.telephony.phone_numbers import UNKNOWN_VALUE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from callflows.telephony.turn import Turn


BOOLEAN_VALUES: Final = (True, False)
HOURS_STATUSES: Final = ("open", "closed")
ENUMERABLE_VALUES: Final[Mapping[str, Sequence[Any]]] = {
    "now.year": range(2000, 2101),
    "now.month": range(1, 13),
    "now.day": range(1, 32),
    "now.hour": range(24),
    "now.minute": range(60),
    "now.second": range(60),
    "now.weekday": WEEKDAY_NAMES,
    "now.time": [f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(60)],
    "caller.anonymous": BOOLEAN_VALUES,
    "caller.calls_today": range(1, 1001),
    **dict.fromkeys(("ended.answered", "ended.message", "ended.missed", "ended.rang"), BOOLEAN_VALUES),
    "call.attestation": ("A", "B", "C", UNKNOWN_VALUE),
}
"""Names with few values, and all their values."""


def find_condition_outcomes(node: nodes.Node) -> tuple[str, set[bool]] | None:
    """Return the name in a condition (empty for none) and the possible outcomes.

    The set of outcomes is empty if the condition raises TypeError. Returns None if the condition uses several names, if the
    name has too many values, or if the form of the condition is rare.
    """
    names = _find_dotted_names(node)
    name = next(iter(names), "")
    list_boundaries = _BOUNDARY_VALUES.get(name)
    values = list_boundaries(node) if list_boundaries else possible_values_of(name) if names else (None,)
    is_equality = values is None and bool(name) and name.partition(".")[0] not in NAMED_SCOPE_ROOTS
    if is_equality:
        values = _list_equality_values(node)
    evaluate = build_value_function(node) if values is not None and len(names) <= 1 else None
    return None if evaluate is None else (name, _evaluate_values(evaluate, name, values or (), is_equality=is_equality))


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
    if name.startswith("hours.") and name.endswith(".status"):
        return HOURS_STATUSES
    return ENUMERABLE_VALUES.get(name)


def _boundary_times(node: nodes.Node) -> Sequence[str]:
    """Return the times of day around the constants of a condition, because the outcome changes only at a constant."""
    times = ENUMERABLE_VALUES["now.time"]
    marks = {0, len(times) - 1}
    for constant in node.find_all(nodes.Const):
        at = bisect.bisect_left(times, constant.value) if isinstance(constant.value, str) else 0
        marks |= {max(at - 1, 0), min(at, len(times) - 1), min(at + 1, len(times) - 1)}
    return [times[at] for at in sorted(marks)]


def _boundary_dates(node: nodes.Node) -> Sequence[str] | None:
    """Return the dates around the dates of a condition; None if it has other texts, as the beginning of a date."""
    texts = [constant.value for constant in node.find_all(nodes.Const)]
    if not texts or not all(isinstance(text, str) and _DATE_PATTERN.fullmatch(text) for text in texts):
        return None
    dates = {_FIRST_DATE, _LAST_DATE}
    for text in texts:
        try:
            day = date.fromisoformat(text)
            dates |= {(day + timedelta(days=days)).isoformat() for days in (-1, 0, 1)}
        except (ValueError, OverflowError):
            return None
    return sorted(dates)


_DATE_PATTERN: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIRST_DATE: Final = "1999-12-31"
_LAST_DATE: Final = "2199-12-31"


def _boundary_seconds(node: nodes.Node) -> Sequence[int] | None:
    """Return the durations of a call around the numbers of a condition; None if it has other constants."""
    numbers = [constant.value for constant in node.find_all(nodes.Const)]
    if not numbers or not all(type(number) in (int, float) for number in numbers):
        return None
    near = {int(number) + step for number in numbers for step in (-1, 0, 1)}
    return sorted({0, _MANY_SECONDS, *(number for number in near if number >= 0)})


_MANY_SECONDS: Final = 1_000_000
_BOUNDARY_VALUES: Final[Mapping[str, Callable[[nodes.Node], Sequence[Any] | None]]] = {
    "now.time": _boundary_times,
    "now.date": _boundary_dates,
    "ended.seconds": _boundary_seconds,
}
"""The values at which the outcome of a condition changes, for names with too many values."""


def _list_equality_values(node: nodes.Node) -> Sequence[Any] | None:
    """Return another text, and those that a value is compared with, if it is only asked whether it equals a text."""
    compared = [node] if isinstance(node, nodes.Compare) else [*node.find_all(nodes.Compare)]
    operands = [operand for one in compared for operand in one.ops]
    if any(operand.op not in _EQUALITY_OPERATORS for operand in operands):
        return None
    if any(operand.op in ("eq", "ne") and not isinstance(operand.expr, nodes.Const) for operand in operands):
        return None  # the value may be a list itself
    if len(compared) != sum(1 for _ in _iterate_plain_names(node)):
        return None  # the name itself is asked for its truth, too
    constants = [constant.value for constant in node.find_all(nodes.Const)]
    return [_OTHER_TEXT, *dict.fromkeys(constants)] if all(isinstance(one, str) for one in constants) else None


def _iterate_plain_names(node: nodes.Node) -> Iterator[nodes.Node]:
    """Yield each place at which a condition asks for a dotted name."""
    if dotted_name_of(node):
        yield node
        return
    for child in node.iter_child_nodes():
        yield from _iterate_plain_names(child)


_EQUALITY_OPERATORS: Final = frozenset({"eq", "ne", "in", "notin"})
_OTHER_TEXT: Final = "\ufdd0"
"""A text that no author compares with."""


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

    FIELDS: Final = frozenset({"open", "status"})

    def __init__(self, value: object) -> None:
        self.open = self.status = value


def _evaluate_values(evaluate: Callable[[Turn], Any], name: str, values: Sequence[Any], *, is_equality: bool) -> set[bool]:
    """Return the outcomes for all values of a name; empty if a comparison raises TypeError, which no equality does."""
    outcomes: set[bool] = set()
    root, _, field = name.partition(".")
    for value in values:
        if root in NAMED_SCOPE_ROOTS:
            known: dict[str, Any] = {root: {field.rpartition(".")[0]: _SimulatedHours(value)}}
        else:
            known = {root: types.SimpleNamespace(**{field: value}) if field else value} if name else {}
        # What is no part of the call itself, as data of a lookup, is read from the values of a turn.
        data: Any = value
        for key in reversed(field.split(".") if field else ()):
            data = {key: data}
        turn: Any = types.SimpleNamespace(**{"values": {root: data}, **known})
        try:
            outcomes.add(bool(evaluate(turn)))
        except TypeError:
            return set()
        if is_equality and len(outcomes) == len(BOOLEAN_VALUES):
            break  # a list may have thousands of numbers, each of which is compared with all
    return outcomes
