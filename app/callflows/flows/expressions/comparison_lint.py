"""Finds comparisons with values that a name never has, or that have no order with it."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, Final

from jinja2 import nodes

from callflows.flows.dial_policy.region_suggestions import suggest_region
from callflows.flows.expressions.condition_outcomes import (
    BOOLEAN_VALUES,
    ENUMERABLE_VALUES,
    dotted_name_of,
    possible_values_of,
)
from callflows.flows.expressions.condition_values import (
    CALLED_NUMBER_NAMES,
    NUMBER_TEXT_NAMES,
    ORDER_OPERATORS,
    ORDERED_FORMATS,
    PHONE_NUMBER_NAMES,
    VALUE_FORMATS,
    ComparedValue,
    ConditionProblem,
    find_range_kind,
    find_value_kind,
    is_never_missing,
    list_compared_values,
    list_own_numbers,
    suggest_emptiness,
    suggest_object_field,
    write_constant,
)
from callflows.flows.expressions.number_spelling_fixes import suggest_number_spelling
from callflows.flows.expressions.plain_values import convert_numeric_text, convert_truth_text, is_missing
from callflows.flows.expressions.text_part_lint import lint_digit_count, lint_letter_case, lint_text_part
from callflows.flows.expressions.value_range_fixes import (
    list_named_days,
    quote_texts,
    suggest_digit_range,
    suggest_number_range,
    suggest_range,
)
from callflows.flows.hours.wall_clock import parse_iso_date, suggest_date
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
    from collections.abc import Iterator, Mapping, Sequence

    from callflows.flows.expressions.condition_facts import ConditionFacts


_VALUE_HINTS: Final = {
    "now.weekday": "it is one of mon, tue, wed, thu, fri, sat, sun",
    "now.time": "a time is written with two digits each, as 09:00",
    "now.hour": "it is a number from 0 to 23, without quotes",
    "now.day": "it is a number from 1 to 31, without quotes",
    "now.month": "it is a number from 1 to 12, without quotes",
    "now.minute": "it is a number from 0 to 59, without quotes",
    "now.second": "it is a number from 0 to 59, without quotes",
    "now.year": "it is a number with four digits, as 2026",
    "caller.calls_today": "it is a number, and 1 for the first call of a day",
    "call.attestation": "it is A, B, C or unknown",
}


def lint_comparison(node: nodes.Compare, facts: ConditionFacts) -> Iterator[ConditionProblem]:
    """Report operands with values impossible for the compared name."""
    left = node.expr
    for operand in node.ops:
        right = operand.expr
        yield from _lint_pair(left, operand.op, right, facts)
        if operand.op not in ("in", "notin"):
            yield from _lint_pair(right, _MIRRORED_OPERATORS.get(operand.op, operand.op), left, facts)
        left = right


_MIRRORED_OPERATORS: Final = {"lt": "gt", "lteq": "gteq", "gt": "lt", "gteq": "lteq"}


def _lint_pair(one: nodes.Node, op: str, other: nodes.Node, facts: ConditionFacts) -> Iterator[ConditionProblem]:
    name = dotted_name_of(one)
    if not name:
        yield from lint_text_part(one, op, other, facts)
        yield from lint_letter_case(one, op, other, facts)
        yield from lint_digit_count(one, op, other, facts)
        return
    if suggest_object_field(name, facts):
        yield from _lint_object(name, op, other, facts)
        return
    if name in _LIST_NAMES and facts.has_section(name.partition(".")[0]):
        yield from _lint_list_equality(name, op, other)
        return
    if op in ("in", "notin") and isinstance(other, nodes.Const):
        return  # a text, which lint_memberships reports
    if name == "now.date" and isinstance(other, nodes.Sub):
        fix = 'a date is a text: write it in quotes, as "2026-12-24"'
        yield ConditionProblem("warning", "comparison", "now.date is compared with the result of a subtraction", fix)
        return
    combined = [*_lint_subtractions(name, op, other, facts), *_lint_choice_of_texts(name, op, other)]
    if combined:
        yield from combined
        return
    variable = dotted_name_of(other)
    is_list = isinstance(other, (nodes.List, nodes.Tuple)) or any(
        isinstance(value, list) for value in facts.variables.get(variable, ())
    )
    if op in ("eq", "ne") and is_list and name.partition(".")[0] in _ROOTS_OF_TEXTS:
        fix = f"write {name} {'in' if op == 'eq' else 'not in'} {variable or '[…]'}"
        subject = f"{variable}, a list" if variable else "a list"
        yield ConditionProblem("warning", "comparison", f"{name} never equals {subject}", fix)
        return
    problems = (
        problem for compared in list_compared_values(other, op, facts) for problem in _lint_value(name, op, compared, facts)
    )
    # A flow with many numbers may have as many values of one variable.
    yield from itertools.islice(problems, _MAX_PROBLEMS_OF_VARIABLE) if variable in facts.variables else problems


_MAX_PROBLEMS_OF_VARIABLE: Final = 5


def _lint_object(name: str, op: str, other: nodes.Node, facts: ConditionFacts) -> Iterator[ConditionProblem]:
    """Report an object with fields that is compared itself."""
    in_a_list = op in ("in", "notin") and dotted_name_of(other).startswith("lists.")
    fix = suggest_object_field(name, facts)
    if name.endswith((".next_opening", ".next_closing")):
        values = [compared.value for compared in list_compared_values(other, op, facts)]
        named = dotted_name_of(other)
        # Of two moments the first is reported.
        is_other_value = named.partition(".")[0] in _ROOTS_OF_TEXTS and not (
            suggest_object_field(named, facts) and named <= name
        )
        if is_other_value or any(value is not None for value in values):
            yield ConditionProblem("warning", "comparison", f"{name} itself equals nothing, and has no order", fix)
    elif op in ORDER_OPERATORS:
        yield ConditionProblem("error", "comparison", f"{name} itself has no order", fix)
    elif not in_a_list:
        yield ConditionProblem("warning", "comparison", f"{name} itself equals nothing", fix)


_LIST_NAMES: Final = frozenset({"message.words", "ended.keys", "ended.tags", "ended.recordings"})


def _lint_list_equality(name: str, op: str, other: nodes.Node) -> Iterator[ConditionProblem]:
    """Report a list of a message or of a finished call that is compared with one text."""
    items = (
        [other] if isinstance(other, nodes.Const) else other.items if isinstance(other, (nodes.List, nodes.Tuple)) else []
    )
    texts = [item.value for item in items if isinstance(item, nodes.Const) and isinstance(item.value, (str, int))]
    is_membership = op in ("in", "notin")
    if not texts or is_membership is isinstance(other, nodes.Const):
        return
    if isinstance(other, nodes.Const) or is_membership:
        word = "not in" if op in ("ne", "notin") else "in"
        each = (" and " if word == "not in" else " or ").join(f'"{text}" {word} {name}' for text in texts)
        yield ConditionProblem("warning", "comparison", f"{name} is a list, and never equals a text", f"write {each}")


def _lint_subtractions(name: str, op: str, other: nodes.Node, facts: ConditionFacts) -> Iterator[ConditionProblem]:
    """Report a range that is read as a subtraction: ``now.hour in [9-17]``, ``digits in 1-5``."""
    kind = find_range_kind(name, facts)
    if kind.partition(".")[0] not in _ROOTS_OF_TEXTS:
        return
    for item in other.items if isinstance(other, (nodes.List, nodes.Tuple)) else [other]:
        numbers = _list_subtracted_numbers(item)
        if len(numbers) < 2:  # noqa: PLR2004 - no subtraction
            continue
        first, last = numbers[0], numbers[-1]
        fix = ""
        if len(numbers) == 2:  # noqa: PLR2004 - a range
            is_number = isinstance(possible_values_of(kind), range)
            fix = suggest_number_range(name, kind, op, first, last) if is_number else ""
            fix = suggest_digit_range(name, op, first, last) if kind == "digits" else fix
        if name in PHONE_NUMBER_NAMES:
            fix = _PHONE_NUMBER_FIX
        message = f"{'-'.join(map(str, numbers))} is a subtraction"
        yield ConditionProblem("warning", "comparison", message, fix or "write a text in quotes")


def _list_subtracted_numbers(node: nodes.Node) -> list[int]:
    """Return the numbers of a subtraction, in their order; an empty list if a part is no whole number."""
    if isinstance(node, nodes.Const):
        return [node.value] if type(node.value) is int else []
    left = _list_subtracted_numbers(node.left) if isinstance(node, nodes.Sub) else []
    right = _list_subtracted_numbers(node.right) if isinstance(node, nodes.Sub) else []
    return [*left, *right] if left and right else []


def _lint_choice_of_texts(name: str, op: str, other: nodes.Node) -> Iterator[ConditionProblem]:
    """Report ``name == ("US" or "CA")``, which compares with one of the texts only."""
    for item in other.items if isinstance(other, (nodes.List, nodes.Tuple)) else [other]:
        texts = _list_chosen_texts(item) if isinstance(item, (nodes.And, nodes.Or)) else []
        if len(texts) < 2 or op in ORDER_OPERATORS:  # noqa: PLR2004 - a choice has two
            continue
        chosen = texts[0] if isinstance(item, nodes.Or) else texts[-1]
        word = " or " if isinstance(item, nodes.Or) else " and "
        message = f"{word.join(quote_texts([text]) for text in texts)} is always {chosen!r}"
        fix = f"ask all of them at once: {name} {'in' if op in ('eq', 'in') else 'not in'} [{quote_texts(texts)}]"
        yield ConditionProblem("warning", "comparison", message, fix)


def _list_chosen_texts(node: nodes.Node) -> list[str]:
    """Return the texts that are joined by ``or`` and ``and``; an empty list if a part is no text, or an empty one."""
    if isinstance(node, (nodes.And, nodes.Or)):
        left, right = _list_chosen_texts(node.left), _list_chosen_texts(node.right)
        return [*left, *right] if left and right else []
    return [node.value] if isinstance(node, nodes.Const) and isinstance(node.value, str) and node.value else []


def _lint_value(name: str, op: str, compared: ComparedValue, facts: ConditionFacts) -> Iterator[ConditionProblem]:
    """Report a value that a name never has, or that has no order with it."""
    kind = find_value_kind(name)
    if isinstance(compared.value, str):
        if possible_values_of(kind) is BOOLEAN_VALUES and isinstance(convert_truth_text(compared.value), bool):
            return  # a text that says yes or no equals true or false
        if _is_number_kind(kind) and not is_missing(convert_numeric_text(compared.value)):
            compared = compared._replace(value=convert_numeric_text(compared.value))  # numeric text equals a number
    if not compared.variable:
        yield from (_lint_order(name, op, compared) if op in ORDER_OPERATORS else _lint_equality(name, op, compared, facts))
        return
    literal = compared._replace(variable="")
    problems = _lint_order(name, op, compared) if op in ORDER_OPERATORS else _lint_equality(name, op, literal, facts)
    for problem in problems:
        yield problem._replace(severity="warning", message=f"{compared.variable}: {problem.message}")


_ROOTS_OF_TEXTS: Final = frozenset({"call", "caller", "digits", "hours", "language", "now", "number"})
"""Names whose values, and whose fields, are never lists."""


def _lint_equality(name: str, op: str, compared: ComparedValue, facts: ConditionFacts) -> Iterator[ConditionProblem]:
    """Report a value that a name never has."""
    value, kind = compared.value, find_value_kind(name)
    fix = _find_equality_fix(name, kind, op, compared, facts)
    if fix is None and value is None and is_never_missing(name, facts):
        fix = suggest_emptiness(name, facts, asks_for_value=op in ("ne", "notin"))
    if fix is not None:
        yield ConditionProblem("warning", "comparison", f"{name} is never {write_constant(value)}", fix)
    elif name in CALLED_NUMBER_NAMES and value:
        number = f"+{value}" if isinstance(value, int) else str(value)
        own = facts.find_own_numbers()
        if own and number not in own:
            # A campaign may call from another number: that the value is never the number would be too much.
            yield ConditionProblem("warning", "comparison", f"the flow does not answer {number}", list_own_numbers(own))


def _find_equality_fix(  # noqa: C901, PLR0911 - one case for each kind of value
    name: str, kind: str, op: str, compared: ComparedValue, facts: ConditionFacts
) -> str | None:
    """Return the fix for a value that a name never has; None if the name may have it."""
    value = compared.value
    known, form = possible_values_of(kind), VALUE_FORMATS.get(kind)
    if known is BOOLEAN_VALUES:
        return None if value in known else f"it is true or false: ask {name}, or not {name}"
    if known is not None:
        return None if value in known else _suggest_value(name, kind, op, compared, known)
    if form is not None and isinstance(value, str) and not form[0].fullmatch(value):
        in_range = suggest_range(name, kind, op, value, is_item=compared.is_item)
        in_notation = _suggest_date_notation(name, value) if kind == "now.date" else _suggest_code(name, value)
        return in_range or in_notation or _suggest_several(name, op, value, form[0]) or form[1]
    if kind == "now.date" and isinstance(value, str) and parse_iso_date(value) is None:
        return "there is no such day"
    if kind == "caller.state" and value and value not in STATE_CODES and value != UNKNOWN_VALUE:
        return "no state or province has this code; there are NJ, ON and others"
    if kind == "caller.national" and isinstance(value, str) and _is_other_spelling(value):
        return 'it is written as people write it, as "(201) 555-0123": compare caller.number with "+12015550123"'
    if kind in NUMBER_TEXT_NAMES and _is_never_a_number(name, value):
        return _PHONE_NUMBER_FIX if name in PHONE_NUMBER_NAMES else "write it in quotes"
    if kind.endswith(".region") and value and value not in list_regions() and value != UNKNOWN_VALUE:
        return suggest_region(str(value)) or "countries have ISO codes, as US, GB or DE"
    if name == "language" and facts.languages and value and value not in facts.languages:
        return _suggest_language(str(value), facts.languages)
    if name in facts.digit_counts:
        fix = _find_digits_fix(name, value, facts.digit_counts[name])
        return fix and (suggest_range(name, "digits", op, str(value), is_item=compared.is_item) or fix)
    if name in PHONE_NUMBER_NAMES or (name == "ended.answered_by" and facts.has_section("ended")):
        return _find_number_fix(name, op, value, facts)
    return None


def _suggest_date_notation(name: str, text: str) -> str:
    """Return the fix for a date in another notation, or one without its year; "" for other texts."""
    fix = suggest_date(text)
    days = re.findall("YYYY-([0-9]{2}-[0-9]{2})", fix)
    return f'for a day of every year compare {name}[5:] with "{days[0]}"' if len(days) == 1 else fix


def _suggest_several(name: str, op: str, text: str, form: re.Pattern[str]) -> str:
    """Return the fix for several values in one text, as ``US or CA``; "" for other texts."""
    parts = [part for part in _PART_SEPARATOR.split(text.strip()) if part]
    if len(parts) < 2 or not all(form.fullmatch(part) for part in parts):  # noqa: PLR2004 - several
        return ""
    return f"ask all of them at once: {name} {'not in' if op in ('ne', 'notin') else 'in'} [{quote_texts(parts)}]"


_PART_SEPARATOR: Final = re.compile(r"\s*[,;/|]\s*|\s+(?:or\s+|and\s+)?", re.IGNORECASE)
_PHONE_NUMBER_FIX: Final = (
    'a telephone number is a text: write it in quotes, with its plus and its country code, as "+12015550123"'
)


def _suggest_language(text: str, languages: Mapping[str, str]) -> str:
    """Return the fix for a language that the flow does not have: the name of the one whose tag was written."""
    plain = text.lower().replace("_", "-")
    names = [name for name, tag in languages.items() if plain in (name.lower(), tag.lower())]
    names += [name for name, tag in languages.items() if tag.lower().partition("-")[0] == plain.partition("-")[0]]
    return Suggestion(names[0]) if names else f"there are {', '.join(languages)}"


def _find_digits_fix(name: str, value: object, counts: tuple[int, int]) -> str | None:
    """Return the fix for a value that digits never are: letters, or another number of digits; None for possible ones."""
    least, most = counts
    amount = f"{least}" if least == most else f"{least} to {most}"
    fix = f"collect takes {amount} digits into {name}"
    if isinstance(value, str) and value:
        return None if re.fullmatch("[0-9*#A-D]+", value) and least <= len(value) <= most else fix
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return fix if is_number and not 0 <= value < 10**most else None  # type: ignore[operator]


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
    return suggest_region(value) if name.endswith(".region") else ""


def _find_number_fix(
    name: str,
    op: str,
    value: Any,  # noqa: ANN401 - any constant
    facts: ConditionFacts,
) -> str | None:
    """Return the fix for a value that is no number in E.164, nor the login name of a SIP user; None for a possible one."""
    if isinstance(value, (int, float)):
        value = f"+{value}"  # +12015550123 without quotes
    if not isinstance(value, str) or not value:
        return None
    number = parse_e164(value)
    if number == value and not is_impossible_number(number):
        return None
    if re.search("[^\\W\\d_]", value):
        if name in CALLED_NUMBER_NAMES:
            return "it is the number that was called, as +12015550123"
        if not parse_caller_number(value) and name != "ended.answered_by":
            is_known = "anonymous" in (facts.scope.get("caller") or {})
            return "ask caller.anonymous" if is_known else "a text always comes from somebody"
        if not value.lower().startswith("tel:"):
            return None  # the login name of a SIP user, or an address
    elif name == "ended.answered_by" and not _DIGITS_WITH_SIGNS.fullmatch(value):
        return None  # an extension
    return suggest_number_spelling(name, op, value, facts.calling_code)


_DIGITS_WITH_SIGNS: Final = re.compile(r"[+(]?(?:[0-9][ ().\-]*){7,}\*?")


def _is_never_a_number(name: str, value: object) -> bool:
    """Return True if a number without quotes never equals a telephone number.

    12015550123 equals the text +12015550123, in a list, too; ten digits without a country equal nothing.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    if name not in PHONE_NUMBER_NAMES:
        return True
    return lacks_country_code(str(value)) or parse_e164(f"+{value}") != f"+{value}"


def _suggest_value(name: str, kind: str, op: str, compared: ComparedValue, known: Sequence[Any]) -> str:
    """Suggest the value probably meant."""
    value = compared.value
    in_range = suggest_range(name, kind, op, value, is_item=compared.is_item) if isinstance(value, str) else ""
    if in_range:
        return in_range
    if isinstance(value, str) and kind == "now.weekday" and list_named_days(value):
        return f"did you mean {list_named_days(value)[0]!r}?"
    if kind == "call.attestation" and isinstance(value, str) and len(parse_attestation(value)) == 1:
        return Suggestion(parse_attestation(value))
    texts = [one for one in known if isinstance(one, str)] if len(known) < len(ENUMERABLE_VALUES["now.minute"]) else []
    otherwise = f"it is {' or '.join(texts)}" if texts else "it is a number, without quotes"
    return (format_suggestion(value, texts) if isinstance(value, str) else "") or _VALUE_HINTS.get(kind, otherwise)


_OPERATOR_SIGNS: Final = {"lt": "<", "lteq": "<=", "gt": ">", "gteq": ">="}


def _is_number_kind(kind: str) -> bool:
    return isinstance(possible_values_of(kind), range) or kind in ("now.year", "caller.calls_today")


def _lint_order(name: str, op: str, compared: ComparedValue) -> Iterator[ConditionProblem]:
    """Report an order comparison between values without a meaningful order."""
    value, kind = compared.value, find_value_kind(name)
    text = kind in ("now.weekday", "now.time", "now.date")
    number = _is_number_kind(kind)
    if (text and not isinstance(value, str)) or (number and isinstance(value, str)):
        kinds = ("a number", "a text") if number else ("a text", "a number")
        fix = _VALUE_HINTS.get(kind, "a date is written as 2026-12-24")
        if kind == "now.hour" and re.fullmatch("[0-9]{2}:[0-9]{2}", value):
            fix = f"write {name.removesuffix('.hour')}.time {_OPERATOR_SIGNS[op]} {compared.written}"
        yield ConditionProblem(
            "error" if name == kind else "warning",
            "comparison",
            f"{name} is {kinds[0]} and {value!r} {kinds[1]}: they have no order",
            fix,
        )
    elif kind == "now.weekday":
        fix = f'name the days, as {name} in ["sat", "sun"]'
        yield ConditionProblem("warning", "comparison", f"{name} is a word, and words are ordered by their letters", fix)
    elif kind in ORDERED_FORMATS and not ORDERED_FORMATS[kind][0].fullmatch(value):
        fix = ORDERED_FORMATS[kind][1]
        if kind == "now.date":
            fix = _suggest_date_notation(name, value) or fix
        yield ConditionProblem("warning", "comparison", f"{name} is compared letter by letter with {value!r}", fix)
    elif name == "ended.seconds" and isinstance(value, str) and is_missing(convert_numeric_text(value)):
        message = f"{name} is a number and {value!r} a text: they have no order"
        yield ConditionProblem("warning", "comparison", message, "it is a number of seconds, as 90")
    elif name == "call.started" and isinstance(value, str) and not re.match("[0-9]{4}-", value):
        fix = f"ask now.time {_OPERATOR_SIGNS[op]} {compared.written}" if ":" in value else "ask now.date or now.time"
        message = f"{name} begins with its date, as 2026-12-24T09:00:00-05:00, and is compared letter by letter"
        yield ConditionProblem("warning", "comparison", message, fix)
