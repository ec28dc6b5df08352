"""Finds comparisons of a part of a text, of its length or of its letters, that never hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from jinja2 import nodes

from callflows.flows.expressions.condition_outcomes import dotted_name_of, possible_values_of
from callflows.flows.expressions.condition_values import (
    CALLED_NUMBER_NAMES,
    NUMBER_TEXT_NAMES,
    ORDER_OPERATORS,
    PHONE_NUMBER_NAMES,
    VALUE_FORMATS,
    ConditionProblem,
    find_message_word_fix,
    find_value_kind,
    list_compared_values,
    list_own_numbers,
    make_constant_problem,
)
from callflows.flows.expressions.number_spelling_fixes import suggest_first_digits
from callflows.flows.expressions.plain_values import compare_plain_values
from callflows.text import Suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from callflows.flows.expressions.condition_facts import ConditionFacts


def lint_letter_case(one: nodes.Node, op: str, other: nodes.Node, facts: ConditionFacts) -> Iterator[ConditionProblem]:
    """Report a text with letters that the filter ``lower`` or ``upper`` leaves in no text."""
    if not isinstance(one, nodes.Filter) or one.name not in ("lower", "upper") or op in ORDER_OPERATORS:
        return
    is_part_of_text = isinstance(other, nodes.Const) and op in ("in", "notin")
    for compared in () if is_part_of_text else list_compared_values(other, op, facts):
        value = compared.value
        if isinstance(value, str) and value != (value.lower() if one.name == "lower" else value.upper()):
            right = value.lower() if one.name == "lower" else value.upper()
            variable = f"{compared.variable}: " if compared.variable else ""
            message = f"{variable}what {one.name} gives is never {value!r}"
            yield ConditionProblem("warning", "comparison", message, f"write it as {right!r}")


def lint_digit_count(one: nodes.Node, op: str, other: nodes.Node, facts: ConditionFacts) -> Iterator[ConditionProblem]:
    """Report a number of digits that a collected value never has: ``pin | length == 5`` for four digits."""
    name = (
        dotted_name_of(one.node) if isinstance(one, nodes.Filter) and one.name in ("length", "count") and one.node else ""
    )
    if name not in facts.digit_counts or not isinstance(other, nodes.Const):
        return
    least, most = facts.digit_counts[name]
    # A value that is not collected yet has no digits.
    outcomes = {compare_plain_values(op, count, other.value) for count in (0, *range(least, most + 1))}
    if len(outcomes) == 1:
        amount = f"{least}" if least == most else f"{least} to {most}"
        fix = f"collect takes {amount} digits into {name}"
        yield make_constant_problem(next(iter(outcomes)), f"a condition on the length of {name}", fix)


def lint_text_part(one: nodes.Node, op: str, other: nodes.Node, facts: ConditionFacts) -> Iterator[ConditionProblem]:
    """Report a text that a part of a text never equals: it has another length, or no plus as numbers have."""
    if (
        not isinstance(one, nodes.Getitem)
        or op in ORDER_OPERATORS
        or (isinstance(other, nodes.Const) and op in ("in", "notin"))
    ):
        return
    name, bounds = dotted_name_of(one.node), _read_bounds(one.arg)
    if not name or bounds is None:
        return
    if name == "message.words" and isinstance(one.arg, nodes.Const) and facts.has_section("message"):
        for compared in list_compared_values(other, op, facts):
            fix = find_message_word_fix(compared.value) if isinstance(compared.value, str) else ""
            if fix:
                message = f"a word of a message is never {compared.value!r}"
                yield ConditionProblem("warning", "comparison", message, fix)
        return
    if isinstance(one.arg, nodes.Const) and name not in _SLICED_NAMES and not _list_texts(name):
        return
    for compared in list_compared_values(other, op, facts):
        value = compared.value
        if not isinstance(value, str) or not value:
            continue
        fix = _find_part_fix(name, op, bounds, value, facts)
        if fix:
            variable = f"{compared.variable}: " if compared.variable else ""
            message = f"{variable}{_describe_part(name, bounds)} never {value!r}"
            yield ConditionProblem("warning", "comparison", message, fix)


def _list_texts(name: str) -> list[str]:
    """Return all values of a name, if they are a few words, as days."""
    known = possible_values_of(find_value_kind(name)) or ()
    words = [value for value in known if isinstance(value, str)]
    return words if len(words) <= _MAX_WORDS else []


_MAX_WORDS: Final = 7
_SLICED_NAMES: Final = frozenset({*NUMBER_TEXT_NAMES, "now.date", "now.time"})
_FORMAT_EXAMPLES: Final = {"now.date": "2026-12-24", "now.time": "09:30"}
_PART_FORMATS: Final = {
    "2026-12-24": VALUE_FORMATS["now.date"][0],
    "09:30": re.compile("([01][0-9]|2[0-9]):[0-5][0-9]"),
}


def _find_part_fix(name: str, op: str, bounds: slice, value: str, facts: ConditionFacts) -> str:
    """Return the fix for a text that a part of a name never equals; "" if it may equal it."""
    example = _FORMAT_EXAMPLES.get(find_value_kind(name))
    if example is not None:
        part, at = example[bounds], range(len(example))[bounds]
        if not part:
            return ""
        whole = f"{example[: at.start]}{value}{example[at.stop :]}"
        has_form = len(value) == len(part) and _PART_FORMATS[example].fullmatch(whole)
        return "" if has_form else f'it is written as "{part}"'
    parts = [*dict.fromkeys(word[bounds] for word in _list_texts(name))]
    if parts:
        return "" if value in parts else _suggest_part(value, parts)
    if name in PHONE_NUMBER_NAMES and not bounds.start and value[0].isdecimal():
        return suggest_first_digits(name, op, value, facts.calling_code)
    length = _length_of_part(bounds)
    if length and len(value) != length:
        end = bounds.stop is None
        cut = f"[-{len(value)}:]" if end else f"[{bounds.start or ''}:{(bounds.start or 0) + len(value)}]"
        return f"it has {len(value)} character{'s' if len(value) > 1 else ''}: compare {name}{cut}"
    own = facts.find_own_numbers() if name in CALLED_NUMBER_NAMES else ()
    return "" if not own or any(number[bounds] == value for number in own) else list_own_numbers(own)


def _suggest_part(value: str, parts: Sequence[str]) -> str:
    return Suggestion(value.lower()) if value.lower() in parts else f"it is one of {', '.join(filter(None, parts))}"


def _length_of_part(bounds: slice) -> int:
    """Return the number of characters between two bounds; 0 if it depends on the text."""
    start, stop = bounds.start or 0, bounds.stop
    if stop is None:
        return -start if start < 0 else 0
    return max(stop - start, 0) if start >= 0 and stop >= 0 else 0


def _describe_part(name: str, bounds: slice) -> str:
    length = _length_of_part(bounds)
    if bounds.stop is not None and bounds.start and length:
        return f"the characters [{bounds.start}:{bounds.stop}] of {name} are"
    if not length:
        return f"this part of {name} is"
    place = "last" if bounds.stop is None else "first"
    return f"the {place} {length} characters of {name} are" if length > 1 else f"the {place} character of {name} is"


def _read_bounds(node: nodes.Node) -> slice | None:
    """Return the constant bounds of a slice, or of one character; None for others."""
    if isinstance(node, nodes.Slice):
        read = [None if bound is None else _read_bound(bound) for bound in (node.start, node.stop)]
        is_constant = all(
            bound is None or found is not None for bound, found in zip((node.start, node.stop), read, strict=True)
        )
        return slice(*read) if is_constant and node.step is None and read != [None, None] else None
    at = _read_bound(node)
    if at is None:
        return None
    return slice(at, at + 1 if at != -1 else None)


def _read_bound(bound: nodes.Node | None) -> int | None:
    """Return a whole number as a bound of a slice has it; None without one."""
    sign, inner = (-1, bound.node) if isinstance(bound, nodes.Neg) else (1, bound)
    is_number = isinstance(inner, nodes.Const) and isinstance(inner.value, int) and not isinstance(inner.value, bool)
    return sign * inner.value if is_number else None  # type: ignore[union-attr]
