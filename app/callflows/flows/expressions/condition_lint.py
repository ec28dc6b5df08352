"""Finds doubtful conditions: comparisons with impossible values, and conditions with a constant outcome.

If a condition uses one name with few values (an hour, a weekday, ``open``), all values are tried.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from jinja2 import nodes

from callflows.flows.expressions.condition_outcomes import (
    BOOLEAN_VALUES,
    ENUMERABLE_VALUES,
    dotted_name_of,
    find_condition_outcomes,
    possible_values_of,
)
from callflows.flows.hours.public_holidays import find_country_code
from callflows.telephony.calls import WEEKDAY_NAMES
from callflows.telephony.phone_numbers import (
    UNKNOWN_VALUE,
    is_impossible_number,
    lacks_country_code,
    list_regions,
    parse_attestation,
    parse_caller_number,
    parse_e164,
)
from callflows.telephony.state_codes import STATE_CODES, STATE_CODES_BY_NAME
from callflows.text import Suggestion, format_suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet


_MONTH: Final = "(?:0[1-9]|1[0-2])"
_DAY: Final = "(?:0[1-9]|[12][0-9]|3[01])"
_VALUE_FORMATS: Final = {
    "now.date": (re.compile(rf"[0-9]{{4}}-{_MONTH}-{_DAY}"), "a date is written as 2026-12-24"),
    "digits": (re.compile("[0-9*#A-D]*"), 'it is the keys that were pressed, as "1"'),
    "caller.region": (re.compile(rf"([A-Z]{{2}}|{UNKNOWN_VALUE})?"), "countries are two letters, as US or DE"),
    "number.region": (re.compile(rf"([A-Z]{{2}}|{UNKNOWN_VALUE})?"), "countries are two letters, as US or DE"),
    "message.keyword": (
        re.compile(r"[^\W_A-Z\u00c0-\u017e]+"),
        "it is one word in small letters, without accents and signs, as hours",
    ),
    "caller.state": (re.compile(rf"([A-Z]{{2}}|{UNKNOWN_VALUE})?"), "states are two letters, as NJ or ON"),
}
"""Names whose values have one format: a pattern of the format, and the fix for other values."""
_AREA_CODE_DIGITS: Final = 3
_PHONE_NUMBER_NAMES: Final = frozenset({"caller.number", "call.from_", "call.to", "number"})
_TEXT_NAMES: Final = _PHONE_NUMBER_NAMES | {"caller.national"}
"""Names whose values are texts, never numbers."""
_CALLED_NUMBER_NAMES: Final = frozenset({"call.to", "number"})
_REGION_FIXES: Final = {
    "UK": "did you mean 'GB', the United Kingdom?",
    "EN": "did you mean 'GB', the United Kingdom?",
    "EL": "did you mean 'GR', Greece?",
    "SP": "did you mean 'ES', Spain?",
    "EU": 'name each country, as ["DE", "FR"]',
}
_VALUE_HINTS: Final = {
    "now.weekday": "it is one of mon, tue, wed, thu, fri, sat, sun",
    "now.time": "a time is written with two digits each, as 09:00",
    "now.hour": "it is a number from 0 to 23, without quotes",
    "now.day": "it is a number from 1 to 31, without quotes",
    "now.month": "it is a number from 1 to 12, without quotes",
    "now.year": "it is a number with four digits, as 2026",
    "caller.calls_today": "it is a number, and 1 for the first call of a day",
    "call.attestation": "it is A, B, C or unknown",
}
_ORDER_OPERATORS: Final = frozenset({"lt", "lteq", "gt", "gteq"})
_ORDERED_FORMATS: Final = {
    "now.time": (re.compile("[0-9]{2}:[0-9]{2}(:[0-9]{2})?"), "write it with two digits each, as 09:00"),
    "now.date": (re.compile(f"[0-9]{{4}}(-{_MONTH}(-{_DAY})?)?"), "write it as 2026-12-24"),
}


class ConditionProblem(NamedTuple):
    """A doubtful condition; an ``error`` would break every call on reaching the condition."""

    severity: Literal["error", "warning"]
    rule: str
    message: str
    fix: str


def lint_condition(
    tree: nodes.Node,
    text_variables: AbstractSet[str],
    number_names: AbstractSet[str],
    doubtful_variables: Mapping[str, str],
) -> tuple[ConditionProblem, ...]:
    """Report what is doubtful in a condition.

    ``text_variables`` are the variables of the file that are no lists, ``number_names`` dotted names of data that is
    surely a number or missing, ``doubtful_variables`` the values that are probably meant to be false, by dotted name.
    """
    return (
        *_lint_node(tree, is_condition=True),
        *_lint_truths([tree], doubtful_variables),
        *_lint_memberships(tree, text_variables),
        *_lint_calculations(tree, number_names),
    )


def lint_text_conditions(
    tree: nodes.Node,
    text_variables: AbstractSet[str],
    number_names: AbstractSet[str],
    doubtful_variables: Mapping[str, str],
) -> tuple[ConditionProblem, ...]:
    """Report the doubtful conditions and comparisons in a text. The names are as in ``lint_condition``."""
    found: list[ConditionProblem] = [*_lint_memberships(tree, text_variables), *_lint_calculations(tree, number_names)]
    tests = [choice.test for choice in tree.find_all(nodes.If)] + [choice.test for choice in tree.find_all(nodes.CondExpr)]
    found += _lint_truths(tests, doubtful_variables)
    for test in tests:
        found += _lint_node(test, is_condition=True)
    for compared in tree.find_all(nodes.Compare):
        found += _lint_node(compared, is_condition=True)
    return tuple(dict.fromkeys(found))


_CALCULATIONS: Final = (nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow)
_DIVISIONS: Final = (nodes.Div, nodes.FloorDiv, nodes.Mod)
_NAMES_WITHOUT_NUMBER: Final = frozenset({"caller.name", "caller.national", "message.text", "message.keyword"})
_ROOTS_OF_A_CALL: Final = frozenset(
    {"call", "caller", "ended", "hours", "lists", "loop", "message", "now", "number", "variables"}
)


def _lint_calculations(tree: nodes.Node, number_names: AbstractSet[str]) -> Iterator[ConditionProblem]:
    """Report calculations with data that may be no number, or that may divide by 0."""
    tests = [choice.test for choice in tree.find_all(nodes.If)] + [choice.test for choice in tree.find_all(nodes.CondExpr)]
    asked = {dotted_name_of(name) for test in tests for name in [test, *test.find_all((nodes.Getattr, nodes.Getitem))]}
    for calculation in _iterate_nodes(tree, (*_CALCULATIONS, nodes.Neg)):
        sides = [calculation.node] if isinstance(calculation, nodes.Neg) else [calculation.left, calculation.right]  # type: ignore[attr-defined]
        for side in sides:
            name = dotted_name_of(side)
            if name and _is_data(name) and name not in asked and name not in number_names:
                yield ConditionProblem(
                    "warning",
                    "calculation",
                    f"{name} may be a text that is no number: then the call goes to the fallback",
                    f"write {name} | int, or {name} | float",
                )
        divisor = sides[-1]
        names = {dotted_name_of(part) for part in divisor.find_all((nodes.Getattr, nodes.Getitem))} - {""}
        if isinstance(calculation, _DIVISIONS) and any(_is_data(name) for name in names - asked):
            yield ConditionProblem(
                "warning",
                "calculation",
                f"{min(names)} may be 0: a division by 0 leads the call to the fallback",
                f"ask before you divide: … if {min(names)} else 0",
            )


def _lint_truths(tests: Iterable[nodes.Node], doubtful_variables: Mapping[str, str]) -> Iterator[ConditionProblem]:
    """Report variables that are asked for their truth, and whose value is a text that nobody takes for true."""
    for test in tests:
        if isinstance(test, (nodes.And, nodes.Or)):
            yield from _lint_truths((test.left, test.right), doubtful_variables)
        elif isinstance(test, nodes.Not):
            yield from _lint_truths((test.node,), doubtful_variables)
        elif dotted_name_of(test) in doubtful_variables:
            name = dotted_name_of(test)
            value = doubtful_variables[name]
            message = f"{name} is the text {value!r}, and true as every other text"
            yield ConditionProblem(
                "warning", "text-as-truth", message, f"write false under variables, or ask {name} == {value!r}"
            )


def _is_data(name: str) -> bool:
    """Return True if a dotted name is a field of data that comes from another server, or a text of the caller."""
    return name in _NAMES_WITHOUT_NUMBER or ("." in name and name.partition(".")[0] not in _ROOTS_OF_A_CALL)


def _iterate_nodes(tree: nodes.Node, kinds: tuple[type[nodes.Node], ...]) -> Iterator[nodes.Node]:
    if isinstance(tree, kinds):
        yield tree
    yield from tree.find_all(kinds)


def _lint_node(node: nodes.Node, *, is_condition: bool, accepted_outcome: bool | None = None) -> list[ConditionProblem]:
    """Report doubts about a node and its parts; ``is_condition``: the node is used as a truth value.

    A node may always have ``accepted_outcome``: a part of an ``and`` may always be true, as in
    ``now.hour >= 0 and now.hour < 9``.
    """
    if isinstance(node, nodes.Not):
        return _lint_node(
            node.node,
            is_condition=is_condition,
            accepted_outcome=None if accepted_outcome is None else not accepted_outcome,
        )
    if isinstance(node, nodes.Compare):
        return [*_lint_comparison(node)] or [*_lint_outcomes(node, accepted_outcome)]
    if isinstance(node, (nodes.And, nodes.Or)):
        inside = True if isinstance(node, nodes.And) else None
        lone = [*_lint_lone_text(node)] if is_condition else []
        parts = lone or [
            doubt
            for side in (node.left, node.right)
            for doubt in _lint_node(side, is_condition=is_condition, accepted_outcome=inside)
        ]
        return parts or [*_lint_outcomes(node, accepted_outcome)]
    if is_condition and isinstance(node, nodes.Const):
        return [_lint_constant(node.value)]
    whole = (
        _suggest_field(dotted_name_of(node))
        if is_condition and not dotted_name_of(node).endswith((".next_opening", ".next_closing"))
        else ""
    )
    if whole:
        return [ConditionProblem("warning", "constant-condition", f"{dotted_name_of(node)} itself is always true", whole)]
    if isinstance(node, nodes.CondExpr):
        return _lint_node(node.test, is_condition=True)
    return [doubt for child in node.iter_child_nodes() for doubt in _lint_node(child, is_condition=False)]


def _lint_lone_text(node: nodes.And | nodes.Or) -> Iterator[ConditionProblem]:
    """Report the texts after ``or`` that belong to the comparison before: ``caller.region == "US" or "CA"``."""
    texts: list[str] = []
    side: nodes.Node = node
    while isinstance(side, type(node)) and isinstance(side.right, nodes.Const) and isinstance(side.right.value, str):
        texts.insert(0, side.right.value)
        side = side.left
    if not texts or not isinstance(side, nodes.Compare) or len(side.ops) != 1 or side.ops[0].op not in ("eq", "ne"):
        return
    name, first = dotted_name_of(side.expr), _constant_values(side.ops[0].expr)
    if name and len(first) == 1 and all(texts):
        asked = ", ".join(f'"{text}"' for text in (*first, *texts))
        fix = f"ask all of them at once: {name} {'in' if side.ops[0].op == 'eq' else 'not in'} [{asked}]"
        yield ConditionProblem("warning", "constant-condition", f"{texts[0]!r} alone is always true", fix)


def _lint_constant(value: Any) -> ConditionProblem:  # noqa: ANN401 - any constant
    """Report a constant used as a condition."""
    if isinstance(value, str) and value:
        fix = 'compare it too, or all of them at once: caller.number in ["+12015550123", "+12015550124"]'
        return ConditionProblem("warning", "constant-condition", f"{value!r} alone is always true", fix)
    return _make_constant_problem(bool(value), "the condition")


def _make_constant_problem(holds: bool, subject: str, fix: str = "") -> ConditionProblem:  # noqa: FBT001 - what came of it
    fix = fix or "ask something that changes from call to call, or take the condition out"
    return ConditionProblem("warning", "constant-condition", f"{subject} is {'always' if holds else 'never'} true", fix)


def _suggest_field(name: str) -> str:
    """Suggest a field if a name denotes an object with fields; return "" for a plain value."""
    root, _, rest = name.partition(".")
    if root == "hours" and rest.count(".") == 0:
        return f"ask {name if rest else 'hours.NAME'}.open"
    if root == "hours" and rest.endswith((".next_opening", ".next_closing")):
        return f"name one of its fields, as {name}.hour"
    if root == "lists":
        return f"ask caller in {name if rest else 'lists.NAME'}"
    fields = {"call": "call.id", "caller": "caller.number", "now": "now.time", "variables": "variables.NAME"}
    return f"name one of its fields, as {fields[name]}" if name in fields else ""


# Comparisons


def _lint_comparison(node: nodes.Compare) -> Iterator[ConditionProblem]:
    """Report operands with values impossible for the compared name."""
    left = node.expr
    for operand in node.ops:
        right = operand.expr
        yield from _lint_pair(left, operand.op, right)
        if operand.op not in ("in", "notin"):
            yield from _lint_pair(right, operand.op, left)
        left = right


def _lint_pair(one: nodes.Node, op: str, other: nodes.Node) -> Iterator[ConditionProblem]:
    name = dotted_name_of(one)
    if not name:
        yield from _lint_slice(one, op, other)
        yield from _lint_letter_case(one, op, other)
        return
    if _suggest_field(name):
        in_a_list = op in ("in", "notin") and dotted_name_of(other).startswith("lists.")
        if op in _ORDER_OPERATORS:
            yield ConditionProblem("error", "comparison", f"{name} itself has no order", _suggest_field(name))
        elif not in_a_list and not name.endswith((".next_opening", ".next_closing")):
            yield ConditionProblem("warning", "comparison", f"{name} itself equals nothing", _suggest_field(name))
        return
    if op in ("in", "notin") and isinstance(other, nodes.Const):
        return  # a text, which _lint_memberships reports
    if name == "now.date" and isinstance(other, nodes.Sub):
        fix = 'a date is a text: write it in quotes, as "2026-12-24"'
        yield ConditionProblem("warning", "comparison", "now.date is compared with the result of a subtraction", fix)
    if op in ("eq", "ne") and isinstance(other, (nodes.List, nodes.Tuple)) and name.partition(".")[0] in _ROOTS_OF_TEXTS:
        fix = f"write {name} {'in' if op == 'eq' else 'not in'} […]"
        yield ConditionProblem("warning", "comparison", f"{name} never equals a list", fix)
        return
    for value in _constant_values(other):
        yield from _lint_order(name, value) if op in _ORDER_OPERATORS else _lint_equality(name, op, value)


_ROOTS_OF_TEXTS: Final = frozenset({"call", "caller", "digits", "language", "now", "number"})
"""Names whose values, and whose fields, are never lists."""


def _lint_letter_case(one: nodes.Node, op: str, other: nodes.Node) -> Iterator[ConditionProblem]:
    """Report a text with letters that the filter ``lower`` or ``upper`` leaves in no text."""
    if not isinstance(one, nodes.Filter) or one.name not in ("lower", "upper") or op in _ORDER_OPERATORS:
        return
    is_part_of_text = isinstance(other, nodes.Const) and op in ("in", "notin")
    for value in () if is_part_of_text else _constant_values(other):
        if isinstance(value, str) and value != (value.lower() if one.name == "lower" else value.upper()):
            right = value.lower() if one.name == "lower" else value.upper()
            message = f"what {one.name} gives is never {value!r}"
            yield ConditionProblem("warning", "comparison", message, f"write it as {right!r}")


def _constant_values(node: nodes.Node) -> list[Any]:
    if isinstance(node, (nodes.Pos, nodes.Neg)):
        # +12015550123 without quotes
        return _constant_values(node.node)
    if isinstance(node, nodes.Const):
        return [node.value]
    if isinstance(node, (nodes.List, nodes.Tuple)):
        return [value for item in node.items for value in _constant_values(item)]
    return []


def list_compared_constants(tree: nodes.Node, name: str) -> Iterator[Any]:
    """Yield the constants that a dotted name is compared with for equality, also those of a list after ``in``."""
    for compared in _iterate_nodes(tree, (nodes.Compare,)):
        left = compared.expr  # type: ignore[attr-defined]
        for operand in compared.ops:  # type: ignore[attr-defined]
            sides = (left, operand.expr)
            if operand.op not in _ORDER_OPERATORS and name in map(dotted_name_of, sides):
                yield from (value for side in sides for value in _constant_values(side))
            left = operand.expr


def _lint_equality(name: str, op: str, value: Any) -> Iterator[ConditionProblem]:  # noqa: ANN401 - any constant
    """Report a value that a name never has."""
    never = f"{name} is never {value!r}"
    known = possible_values_of(name)
    form = _VALUE_FORMATS.get(name)
    if known is BOOLEAN_VALUES and not isinstance(value, bool):
        yield ConditionProblem("warning", "comparison", never, f"it is true or false: ask {name}, or not {name}")
    elif known is not None and value not in known:
        yield ConditionProblem("warning", "comparison", never, _suggest_value(name, value, known))
    elif form is not None and isinstance(value, str) and not form[0].fullmatch(value):
        yield ConditionProblem("warning", "comparison", never, _suggest_code(name, value) or form[1])
    elif name == "caller.state" and value and value not in STATE_CODES and value != UNKNOWN_VALUE:
        yield ConditionProblem(
            "warning", "comparison", never, "no state or province has this code; there are NJ, ON and others"
        )
    elif name == "caller.national" and isinstance(value, str) and _is_other_spelling(value):
        fix = 'it is written as people write it, as "(201) 555-0123": compare caller.number with "+12015550123"'
        yield ConditionProblem("warning", "comparison", never, fix)
    elif name in _TEXT_NAMES and _is_never_a_number(name, op, value):
        fix = 'a telephone number is a text: write it in quotes, with its plus and its country code, as "+12015550123"'
        yield ConditionProblem("warning", "comparison", never, fix if name in _PHONE_NUMBER_NAMES else "write it in quotes")
    elif name.endswith(".region") and value and value not in list_regions() and value != UNKNOWN_VALUE:
        fix = _REGION_FIXES.get(str(value), "countries have ISO codes, as US, GB or DE")
        yield ConditionProblem("warning", "comparison", never, fix)
    elif name in _PHONE_NUMBER_NAMES:
        yield from _lint_phone_number(name, value)


_DIGITS_ONLY: Final = re.compile(r"\+?[0-9]{7,}")


def _is_other_spelling(national: str) -> bool:
    """Return True if a number is not written as ``caller.national`` has it: ``201-555-0123``, ``2015550123``."""
    if _DIGITS_ONLY.fullmatch(national):
        return True
    return lacks_country_code(national) and not re.fullmatch(r"\([0-9]{3}\) [0-9]{3}-[0-9]{4}", national)


def _suggest_code(name: str, value: str) -> str:
    """Return the code of a country or a state that is written in small letters, with another code, or as a name."""
    if name == "caller.state":
        names = {known.casefold(): code for known, code in STATE_CODES_BY_NAME.items()}
        code = value.upper().replace(".", "")
        return Suggestion(code if code in STATE_CODES else names.get(value.casefold(), ""))
    if not name.endswith(".region"):
        return ""
    code = _find_code_of_country(value)
    return _REGION_FIXES.get(code.upper(), "") or Suggestion(code.upper() if code.upper() in list_regions() else "")


def _find_code_of_country(text: str) -> str:
    """Return the code of a country that is written with dots, with three letters or as a name; else the text."""
    plain = text.upper().replace(".", "").strip()
    plain = {"AMERICA": "US", "UNITED STATES OF AMERICA": "US", "ENGLAND": "GB", "GREAT BRITAIN": "GB"}.get(plain, plain)
    return plain if len(plain) == len("US") else find_country_code(plain) or text


def _lint_slice(one: nodes.Node, op: str, other: nodes.Node) -> Iterator[ConditionProblem]:
    """Report a text that a part of a text never equals: it has another length, or no plus as numbers have."""
    if not (isinstance(one, nodes.Getitem) and isinstance(one.arg, nodes.Slice)) or op in _ORDER_OPERATORS:
        return
    start, stop = (_read_bound(bound) for bound in (one.arg.start, one.arg.stop))
    length = stop if not start and stop else -start if start and stop is None else 0
    name = dotted_name_of(one.node)
    is_part_of_text = isinstance(other, nodes.Const) and op in ("in", "notin")
    if one.arg.step is not None or length <= 0 or not name or is_part_of_text:
        return
    for value in _constant_values(other):
        if not isinstance(value, str) or not value:
            continue
        part = f"the {'first' if not start else 'last'} {length} characters of {name}"
        if name in _PHONE_NUMBER_NAMES and not start and value[0].isdecimal():
            fix = f'numbers begin with a plus: {name}[:{len(value) + 1}] == "+{value}"'
        elif len(value) != length:
            cut = f"[:{len(value)}]" if not start else f"[-{len(value)}:]"
            fix = f"it has {len(value)} characters: compare {name}{cut}"
        else:
            continue
        yield ConditionProblem("warning", "comparison", f"{part} are never {value!r}", fix)


def _read_bound(bound: nodes.Node | None) -> int | None:
    """Return a whole number as a bound of a slice has it; None without one."""
    sign, inner = (-1, bound.node) if isinstance(bound, nodes.Neg) else (1, bound)
    is_number = isinstance(inner, nodes.Const) and isinstance(inner.value, int) and not isinstance(inner.value, bool)
    return sign * inner.value if is_number else None  # type: ignore[union-attr]


def _lint_phone_number(name: str, value: Any) -> Iterator[ConditionProblem]:  # noqa: ANN401 - any constant
    """Report a value that is no number in E.164, nor the login name of a SIP user."""
    if not isinstance(value, str) or not value:
        return
    number = parse_e164(value)
    if number == value and not is_impossible_number(number):
        return
    fix = "write it with its plus and its country code, as +12015550123"
    if re.search("[^\\W\\d_]", value):
        if name in _CALLED_NUMBER_NAMES:
            fix = "it is the number that was called, as +12015550123"
        elif not parse_caller_number(value):
            fix = "ask caller.anonymous"
        elif not value.lower().startswith("tel:"):
            return  # the login name of a SIP user
    yield ConditionProblem("warning", "comparison", f"{name} is never {value!r}", fix)


def _is_never_a_number(name: str, op: str, value: object) -> bool:
    """Return True if a number without quotes never equals a telephone number.

    12015550123 equals the text +12015550123; ten digits without country, and numbers in a list, equal nothing.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    if op in ("in", "notin") or name not in _PHONE_NUMBER_NAMES:
        return True
    return lacks_country_code(str(value)) or parse_e164(f"+{value}") != f"+{value}"


def _suggest_value(name: str, value: object, known: Sequence[Any]) -> str:
    """Suggest the value probably meant."""
    if isinstance(value, str) and name == "now.weekday" and value.lower()[:3] in WEEKDAY_NAMES:
        return f"did you mean {value.lower()[:3]!r}?"
    if name == "call.attestation" and isinstance(value, str) and len(parse_attestation(value)) == 1:
        return Suggestion(parse_attestation(value))
    if isinstance(value, str) and value.isdecimal() and isinstance(known, range):
        return f"write {int(value)} without quotes"
    texts = [one for one in known if isinstance(one, str)] if len(known) < len(ENUMERABLE_VALUES["now.minute"]) else []
    return (format_suggestion(value, texts) if isinstance(value, str) else "") or _VALUE_HINTS.get(
        name, "it is a number, without quotes"
    )


def _lint_order(name: str, value: Any) -> Iterator[ConditionProblem]:  # noqa: ANN401 - any constant
    """Report an order comparison between values without a meaningful order."""
    text = name in ("now.weekday", "now.time", "now.date")
    number = isinstance(possible_values_of(name), range) or name in ("now.year", "caller.calls_today")
    if (text and not isinstance(value, str)) or (number and isinstance(value, str)):
        kinds = ("a number", "a text") if number else ("a text", "a number")
        fix = f"write {value} without quotes" if number else _VALUE_HINTS.get(name, "a date is written as 2026-12-24")
        yield ConditionProblem(
            "error", "comparison", f"{name} is {kinds[0]} and {value!r} {kinds[1]}: they have no order", fix
        )
    elif name == "now.weekday":
        fix = 'name the days, as now.weekday in ["sat", "sun"]'
        yield ConditionProblem(
            "warning", "comparison", "now.weekday is a word, and words are ordered by their letters", fix
        )
    elif name in _ORDERED_FORMATS and not _ORDERED_FORMATS[name][0].fullmatch(value):
        yield ConditionProblem(
            "warning", "comparison", f"{name} is compared letter by letter with {value!r}", _ORDERED_FORMATS[name][1]
        )


def _lint_memberships(tree: nodes.Node, text_variables: AbstractSet[str]) -> Iterator[ConditionProblem]:
    """Report ``in`` on a text that its author took for a list."""
    for left, op, right in _iterate_memberships(tree):
        name = dotted_name_of(right)
        if name.startswith("variables.") and name.partition(".")[2] in text_variables:
            fix = f"write {name} as a list under variables:, as [+12015550123, +12015550124]"
            yield ConditionProblem("warning", "text-as-list", f"{name} is one text, and in finds any part of it", fix)
        elif isinstance(right, nodes.Const) and isinstance(right.value, str) and not isinstance(left, nodes.Const):
            parts = _split_into_list(right.value)
            message = f"{right.value!r} is one text, and in finds any part of it"
            yield ConditionProblem("warning", "text-as-list", message, f"write a list: [{parts}]")
        elif name in _PHONE_NUMBER_NAMES and isinstance(left, nodes.Const) and str(left.value).lstrip("+").isdecimal():
            yield from _lint_part_of_number(str(left.value), op, name)
        elif _find_listed_variable(right) in text_variables:
            variable = f"variables.{_find_listed_variable(right)}"
            fix = f"write {variable} as a list under variables:, as [+12015550123, +12015550124]"
            message = f"{variable} is one text, and the filter list makes a list of its letters"
            yield ConditionProblem("warning", "text-as-list", message, fix)
        elif name in _NAMES_OF_ALL:
            fix = f"name one of them, as {name}.NAME" if name == "variables" else f"ask caller in {name}.NAME"
            yield ConditionProblem("warning", "text-as-list", f"{name} itself has no members to look for", fix)
        elif name in _PHONE_NUMBER_NAMES and dotted_name_of(left).startswith("variables."):
            message = f"in finds {dotted_name_of(left)} anywhere in {name}, in the middle, too"
            fix = f"write it the other way round, with a list under variables: {name} in {dotted_name_of(left)}"
            yield ConditionProblem("warning", "text-as-list", message, fix)
        elif not isinstance(left, nodes.Const) and _is_computed_text(right):
            message = "what stands after in is put together to one text, and in finds any part of it"
            yield ConditionProblem("warning", "text-as-list", message, "write a list, as [variables.a, variables.b], or ==")


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


# Evaluation of all values


def _lint_outcomes(node: nodes.Node, accepted_outcome: bool | None) -> Iterator[ConditionProblem]:  # noqa: FBT001 - as above
    """Report a constant outcome, or a comparison without order, if all values can be enumerated."""
    found = find_condition_outcomes(node)
    if found is None:
        return
    name, came = found
    if not came:
        fix = "compare numbers with numbers, texts with texts"
        yield ConditionProblem("error", "comparison", "what is compared here has no order", fix)
    elif len(came) == 1 and came != {accepted_outcome}:
        always = next(iter(came))
        fix = "did you mean or?" if isinstance(node, nodes.And) and not always else ""
        fix = "did you mean and?" if isinstance(node, nodes.Or) and always else fix
        yield _make_constant_problem(always, f"a condition on {name}" if name else "this", fix)
