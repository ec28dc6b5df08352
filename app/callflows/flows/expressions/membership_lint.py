"""Finds ``in`` on a text that its author took for a list."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from jinja2 import nodes

from callflows.flows.expressions.condition_outcomes import dotted_name_of, possible_values_of
from callflows.flows.expressions.condition_values import (
    PHONE_NUMBER_NAMES,
    ConditionProblem,
    find_message_word_fix,
    find_range_kind,
    find_value_kind,
    suggest_object_field,
)
from callflows.flows.expressions.value_range_fixes import list_named_days, quote_texts, suggest_range
from callflows.telephony.phone_numbers import parse_e164

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callflows.flows.expressions.condition_facts import ConditionFacts


_AREA_CODE_DIGITS: Final = 3


def lint_memberships(tree: nodes.Node, facts: ConditionFacts) -> Iterator[ConditionProblem]:
    """Report ``in`` on a text that its author took for a list."""
    for left, op, right in _iterate_memberships(tree):
        name = dotted_name_of(right)
        if name.startswith("variables.") and facts.is_text_variable(name.partition(".")[2]):
            fix = f"write {name} as a list under variables:, as [+12015550123, +12015550124]"
            yield ConditionProblem("warning", "text-as-list", f"{name} is one text, and in finds any part of it", fix)
        elif isinstance(right, nodes.Const) and isinstance(right.value, str) and not isinstance(left, nodes.Const):
            asked = dotted_name_of(left)
            message = f"{right.value!r} is one text, and in finds any part of it"
            fix = suggest_range(asked, find_range_kind(asked, facts), op, right.value)
            fix = fix or _suggest_list(asked, right.value, facts)
            yield ConditionProblem("warning", "text-as-list", message, fix)
        elif name in PHONE_NUMBER_NAMES and isinstance(left, nodes.Const) and str(left.value).lstrip("+").isdecimal():
            yield from _lint_part_of_number(str(left.value), op, name)
        elif _find_listed_variable(right) and facts.is_text_variable(_find_listed_variable(right)):
            variable = f"variables.{_find_listed_variable(right)}"
            fix = f"write {variable} as a list under variables:, as [+12015550123, +12015550124]"
            message = f"{variable} is one text, and the filter list makes a list of its letters"
            yield ConditionProblem("warning", "text-as-list", message, fix)
        elif suggest_object_field(name, facts) and not name.startswith("lists."):
            fix = "ask … in message.words" if name == "message" else suggest_object_field(name, facts)
            yield ConditionProblem("warning", "text-as-list", f"{name} itself has no members to look for", fix)
        elif name in PHONE_NUMBER_NAMES and dotted_name_of(left).startswith("variables."):
            message = f"in finds {dotted_name_of(left)} anywhere in {name}, in the middle, too"
            fix = f"write it the other way round, with a list under variables: {name} in {dotted_name_of(left)}"
            yield ConditionProblem("warning", "text-as-list", message, fix)
        else:
            yield from _lint_other_membership(left, op, right, facts)


def _lint_other_membership(
    left: nodes.Node, op: str, right: nodes.Node, facts: ConditionFacts
) -> Iterator[ConditionProblem]:
    """Report a value that is looked for in a computed text, and a text that is found in no call."""
    text = left.value if isinstance(left, nodes.Const) else ""
    if isinstance(text, str) and text:
        yield from _lint_letters(text, op, right)
        if dotted_name_of(right) == "message.words" and facts.has_section("message"):
            fix = find_message_word_fix(text)
            if fix:
                yield ConditionProblem("warning", "comparison", f"message.words never has {text!r}", fix)
    elif not isinstance(left, nodes.Const) and _is_computed_text(right):
        message = "what stands after in is put together to one text, and in finds any part of it"
        yield ConditionProblem("warning", "text-as-list", message, "write a list, as [variables.a, variables.b], or ==")


def _lint_letters(text: str, op: str, whole: nodes.Node) -> Iterator[ConditionProblem]:
    """Report a text with letters that the filter ``lower`` or ``upper`` leaves in no text."""
    if not isinstance(whole, nodes.Filter) or whole.name not in _LETTER_CHANGES:
        return
    change = _LETTER_CHANGES[whole.name]
    if text != change(text):
        asked = (dotted_name_of(whole.node) if whole.node else "") or "…"
        fix = f"write {quote_texts([change(text)])} {'not in' if op == 'notin' else 'in'} {asked} | {whole.name}"
        yield ConditionProblem("warning", "comparison", f"what {whole.name} gives never has {text!r}", fix)


_LETTER_CHANGES: Final = {"lower": str.lower, "upper": str.upper}


def _suggest_list(name: str, text: str, facts: ConditionFacts) -> str:
    days = list_named_days(text) if find_value_kind(name) == "now.weekday" else ()
    values = days or (_split_into_signs(name, text, facts) or re.split(r"[\s,;]+", text))
    return f"write a list: [{quote_texts([value for value in values if value])}]"


def _find_listed_variable(node: nodes.Node) -> str:
    """Return the name of a variable of which the filter ``list`` makes a list; "" for all else."""
    name = dotted_name_of(node.node) if isinstance(node, nodes.Filter) and node.name == "list" and node.node else ""
    return name.partition(".")[2] if name.startswith("variables.") else ""


def _iterate_memberships(tree: nodes.Node) -> Iterator[tuple[nodes.Node, str, nodes.Node]]:
    """Yield the value, ``in`` or ``notin``, and the container of each membership, also of ``value is in container``."""
    for compared in [*([tree] if isinstance(tree, nodes.Compare) else []), *tree.find_all(nodes.Compare)]:
        for left, operand in zip([compared.expr, *(each.expr for each in compared.ops)], compared.ops, strict=False):
            if operand.op in ("in", "notin"):
                yield left, operand.op, operand.expr
    for test in [*([tree] if isinstance(tree, nodes.Test) else []), *tree.find_all(nodes.Test)]:
        if test.name == "in" and test.args:
            yield test.node, "in", test.args[0]


def _is_computed_text(node: nodes.Node) -> bool:
    """Return True if a value is surely a text: several that are joined, or one item of a list of texts."""
    if isinstance(node, nodes.Filter):
        return node.name in _FILTERS_TO_TEXT
    if isinstance(node, nodes.Getitem) and not isinstance(node.arg, nodes.Slice):
        return dotted_name_of(node.node).startswith("variables.")
    return isinstance(node, nodes.Concat)


_FILTERS_TO_TEXT: Final = frozenset(
    {"capitalize", "format", "join", "lower", "replace", "string", "title", "trim", "upper"}
)


def _lint_part_of_number(part: str, op: str, name: str) -> Iterator[ConditionProblem]:
    """Report digits that are looked for anywhere in a telephone number."""
    message = f"in finds {part} anywhere in {name}, in the middle, too"
    digits = part.lstrip("+")
    is_area_code = len(digits) == _AREA_CODE_DIGITS and digits[0] in "23456789"
    fix = f"make a list with the row +{'1' if is_area_code else ''}{digits}*, and ask caller in lists.NAME"
    if parse_e164(part) == part:
        fix = f'write {name} {"!=" if op == "notin" else "=="} "{part}"'
    yield ConditionProblem("warning", "text-as-list", message, fix)


def _split_into_signs(name: str, text: str, facts: ConditionFacts) -> list[str]:
    """Return the signs of a text that is a choice of keys or of letters, as ``123`` or ``AB``; else nothing."""
    known = possible_values_of(name) or ()
    is_choice_of_letters = len(text) > 1 and {*text} <= {value for value in known if isinstance(value, str)}
    least, most = facts.digit_counts.get(name, (1, 1))
    may_be_key = name.partition(".")[0] not in _ROOTS_WITHOUT_KEYS and least <= 1 <= most
    is_choice_of_digits = may_be_key and text.isdecimal() and len(text) <= len("0123456789")
    return [*text] if is_choice_of_letters or is_choice_of_digits else []


_ROOTS_WITHOUT_KEYS: Final = frozenset({"call", "caller", "hours", "now", "number"})
