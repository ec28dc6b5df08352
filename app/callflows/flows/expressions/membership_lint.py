"""Finds ``in`` on a text that its author took for a list."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from jinja2 import nodes

from callflows.flows.expressions.condition_outcomes import dotted_name_of
from callflows.flows.expressions.condition_values import (
    PHONE_NUMBER_NAMES,
    VALUE_FORMATS,
    ConditionProblem,
    find_range_kind,
    find_value_kind,
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
            fix = suggest_range(asked, find_range_kind(asked, facts), op, right.value) or _suggest_list(asked, right.value)
            yield ConditionProblem("warning", "text-as-list", message, fix)
        elif name in PHONE_NUMBER_NAMES and isinstance(left, nodes.Const) and str(left.value).lstrip("+").isdecimal():
            yield from _lint_part_of_number(str(left.value), op, name)
        elif _find_listed_variable(right) and facts.is_text_variable(_find_listed_variable(right)):
            variable = f"variables.{_find_listed_variable(right)}"
            fix = f"write {variable} as a list under variables:, as [+12015550123, +12015550124]"
            message = f"{variable} is one text, and the filter list makes a list of its letters"
            yield ConditionProblem("warning", "text-as-list", message, fix)
        elif name in _NAMES_OF_ALL:
            fix = f"name one of them, as {name}.NAME" if name == "variables" else f"ask caller in {name}.NAME"
            yield ConditionProblem("warning", "text-as-list", f"{name} itself has no members to look for", fix)
        elif name in PHONE_NUMBER_NAMES and dotted_name_of(left).startswith("variables."):
            message = f"in finds {dotted_name_of(left)} anywhere in {name}, in the middle, too"
            fix = f"write it the other way round, with a list under variables: {name} in {dotted_name_of(left)}"
            yield ConditionProblem("warning", "text-as-list", message, fix)
        elif not isinstance(left, nodes.Const) and _is_computed_text(right):
            message = "what stands after in is put together to one text, and in finds any part of it"
            yield ConditionProblem("warning", "text-as-list", message, "write a list, as [variables.a, variables.b], or ==")
        elif name == "message.words" and facts.has_section("message"):
            yield from _lint_word(left, name)


def _lint_word(left: nodes.Node, name: str) -> Iterator[ConditionProblem]:
    """Report a text that is no word as ``message.words`` has them."""
    if isinstance(left, nodes.Const) and isinstance(left.value, str) and left.value:
        form, fix = VALUE_FORMATS["message.keyword"]
        if not form.fullmatch(left.value):
            message = f"{name} never has {left.value!r}"
            yield ConditionProblem("warning", "comparison", message, fix.replace("it is one word", "each is one word"))


def _suggest_list(name: str, text: str) -> str:
    days = list_named_days(text) if find_value_kind(name) == "now.weekday" else ()
    return f"write a list: [{quote_texts(days) if days else _split_into_list(text)}]"


_NAMES_OF_ALL: Final = frozenset({"lists", "variables"})


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


def _split_into_list(text: str) -> str:
    """Return the list that an author probably meant: the words of a text, or each digit."""
    is_choice_of_digits = text.isdecimal() and len(text) <= len("0123456789")
    return ", ".join(f'"{part}"' for part in (text if is_choice_of_digits else re.split(r"[\s,;]+", text)) if part)
