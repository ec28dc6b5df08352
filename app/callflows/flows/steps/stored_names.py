"""Finds the names under which the steps of a file store values, before any step is compiled."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from callflows.flows.expressions.value_names import check_value_name
from callflows.flows.source.stored_values import StoredNames, StoredValue
from callflows.flows.steps.collect_step import CollectStep
from callflows.flows.steps.dial_step import DIRECTORY_TARGET
from callflows.flows.steps.set_step import SetStep
from callflows.flows.steps.step_table import FLOW_STEPS, step_brings_digits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from callflows.flows.source.positions import ProblemReport


_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_received_names(names: Iterable[str], report: ProblemReport) -> list[str]:
    """Return the names of values that calls bring from other flows; report those that are no names of values."""
    valid = []
    for index, name in enumerate(names):
        try:
            valid.append(check_value_name(name))
        except ValueError as error:
            report.error(("receives", index), "value", f"receives: {error}")
    return valid


def find_stored_names(nodes: Mapping[str, Any], received_names: Iterable[str] = ()) -> StoredNames:
    """Find the stored names in the steps of a file, at any depth, also in steps with mistakes.

    ``received_names`` are values that other flows store.
    """
    stored = [*map(StoredValue, received_names), *_iterate_stored_values(nodes)]
    secrets = {one.name for one in stored if one.is_secret}
    return StoredNames(
        frozenset(one.name for one in stored),
        frozenset(_find_tainted_names(secrets | ({"digits"} if secrets else set()), stored)),
        tuple(stored),
    )


def find_nodes_using_digits(nodes: Mapping[str, Any]) -> frozenset[str]:
    """Return the nodes that need the digits of the step that leads to them, themselves or in nodes that they lead to.

    A node that takes digits with collect needs none, and neither does a node behind a key, which brings its own.
    """
    needing = {name for name, steps in nodes.items() if not _takes_digits(steps) and _mentions_digits(steps)}
    leading: dict[str, set[str]] = {}
    for name, steps in nodes.items() if needing else ():
        for target in () if _takes_digits(steps) else {*_iterate_targets(steps)} & nodes.keys():
            leading.setdefault(target, set()).add(name)
    left = [*needing]
    while left:
        new = leading.get(left.pop(), set()) - needing
        needing |= new
        left += new
    return frozenset(needing)


def _takes_digits(steps: object) -> bool:
    return isinstance(steps, list) and any(map(step_brings_digits, steps))


def _mentions_digits(value: object, key: str = "", outer: str = "") -> bool:
    """Return True if an expression names ``digits``: a condition, a value that is set, or a part of a text in braces."""
    if isinstance(value, dict):
        return any(_mentions_digits(part, str(name), key) for name, part in value.items())
    if isinstance(value, list):
        return any(_mentions_digits(part, key, outer) for part in value)
    if not isinstance(value, str) or "digits" not in value:
        return False
    if key == "to" and value == DIRECTORY_TARGET:
        return True
    is_expression = key == "when" or outer == SetStep.step_key
    parts = [value] if is_expression else _EXPRESSION_PART.findall(value)
    return any(_DIGITS_NAME.search(_DIGITS_FILTER.sub("", part)) for part in parts)


def _iterate_targets(value: object, key: str = "") -> Iterator[str]:
    """Yield every text that may be the name of a node that a step leads to without a key."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _iterate_targets(part, key)
    elif isinstance(value, dict):
        for name, part in value.items():
            if name != "keys":
                yield from _iterate_targets(part, name)


_DIGITS_NAME: Final = re.compile(r"\bdigits\b")
_DIGITS_FILTER: Final = re.compile(r"\|\s*digits\b")
_EXPRESSION_PART: Final = re.compile(r"\{[{%][^{}]{0,1000}")


def _iterate_stored_values(value: object) -> Iterator[StoredValue]:
    """Yield the values that steps store. A misspelt step with ``into`` counts as a collect."""
    if isinstance(value, list):
        for part in value:
            yield from _iterate_stored_values(part)
    elif isinstance(value, dict):
        for key, part in value.items():
            if isinstance(part, dict):
                step = FLOW_STEPS.get(key, CollectStep if "into" in part else None)
                yield from step.list_stored_values(part) if step is not None else ()
            yield from _iterate_stored_values(part)


def _find_tainted_names(secrets: set[str], stored: Iterable[StoredValue]) -> set[str]:
    """Return the secret names, including every name computed from a secret."""
    listed = [*stored]
    while True:
        more = {one.name for one in listed if one.name not in secrets and secrets & {*_IDENTIFIER.findall(one.expression)}}
        if not more:
            return secrets
        secrets |= more
