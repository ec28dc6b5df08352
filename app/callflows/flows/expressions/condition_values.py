"""Names in conditions, the constants that they are compared with, and the problems that are found."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from jinja2 import nodes

from callflows.flows.expressions.condition_outcomes import dotted_name_of
from callflows.flows.expressions.value_range_fixes import quote_texts
from callflows.telephony.phone_numbers import UNKNOWN_VALUE
from callflows.telephony.truth_words import reads_like_no, says_no

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from callflows.flows.expressions.condition_facts import ConditionFacts


_MONTH: Final = "(?:0[1-9]|1[0-2])"
_DAY: Final = "(?:0[1-9]|[12][0-9]|3[01])"
VALUE_FORMATS: Final = {
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
PHONE_NUMBER_NAMES: Final = frozenset({"caller.number", "call.from_", "call.to", "number"})
NUMBER_TEXT_NAMES: Final = PHONE_NUMBER_NAMES | {"caller.national"}
"""Names whose values are texts, never numbers."""
CALLED_NUMBER_NAMES: Final = frozenset({"call.to", "number"})
ORDER_OPERATORS: Final = frozenset({"lt", "lteq", "gt", "gteq"})
ORDERED_FORMATS: Final = {
    "now.time": (re.compile("[0-9]{2}:[0-9]{2}(:[0-9]{2})?"), "write it with two digits each, as 09:00"),
    "now.date": (re.compile(f"[0-9]{{4}}(-{_MONTH}(-{_DAY})?)?"), "write it as 2026-12-24"),
}


class ConditionProblem(NamedTuple):
    """A doubtful condition; an ``error`` would break every call on reaching the condition."""

    severity: Literal["error", "warning"]
    rule: str
    message: str
    fix: str


def iterate_syntax_nodes(tree: nodes.Node, kinds: tuple[type[nodes.Node], ...]) -> Iterator[nodes.Node]:
    if isinstance(tree, kinds):
        yield tree
    yield from tree.find_all(kinds)


def is_never_missing(name: str, facts: ConditionFacts) -> bool:
    """Return True if a name has a value in every call, perhaps an empty text."""
    root, _, field = name.partition(".")
    if root == "hours":
        return field.endswith((".open", ".status"))
    is_section = root in _SECTION_EXAMPLES and facts.has_section(root)
    is_field = field != "" and "." not in field and (root in ("call", "caller", "now", "number") or is_section)
    return is_field or name in ("call", "caller", "now", "number")


def suggest_emptiness(name: str, facts: ConditionFacts, *, asks_for_value: bool) -> str:
    """Return the fix for a question whether a name has a value."""
    if name.startswith(("now.", "hours.")) or name in _NAMES_WITH_A_VALUE:
        return "it has a value in every call: take the question out"
    field = suggest_object_field(name, facts)
    return field or f"a value that nobody knows is empty: ask {'' if asks_for_value else 'not '}{name}"


def make_constant_problem(holds: bool, subject: str, fix: str = "") -> ConditionProblem:  # noqa: FBT001 - what came of it
    fix = fix or "ask something that changes from call to call, or take the condition out"
    return ConditionProblem("warning", "constant-condition", f"{subject} is {'always' if holds else 'never'} true", fix)


_NAMES_WITH_A_VALUE: Final = frozenset({"caller.anonymous", "caller.calls_today", "call.to", "number"})
_SECTION_EXAMPLES: Final = {"message": "message.keyword", "ended": "ended.missed"}
"""A field of each object that only message rules, or only steps after calls, know."""


def suggest_object_field(name: str, facts: ConditionFacts) -> str:
    """Suggest a field if a name denotes an object with fields; return "" for a plain value."""
    root, _, rest = name.partition(".")
    if root == "hours" and rest.count(".") == 0:
        return f"ask {name if rest else 'hours.NAME'}.open"
    if root == "hours" and rest.endswith((".next_opening", ".next_closing")):
        return f"name one of its fields, as {name}.time"
    if root == "lists":
        return f"ask caller in {name if rest else 'lists.NAME'}"
    fields = {"call": "call.id", "caller": "caller.number", "now": "now.time", "variables": "variables.NAME"}
    fields |= {section: field for section, field in _SECTION_EXAMPLES.items() if facts.has_section(section)}
    return f"name one of its fields, as {fields[name]}" if name in fields else ""


class ComparedValue(NamedTuple):
    """A constant that a name is compared with: written in the condition, or the value of a variable of the file."""

    value: Any
    variable: str = ""
    is_item: bool = False
    """True if the value is one of a list."""

    @property
    def written(self) -> str:
        """The value as it stands in the condition."""
        if self.variable:
            return self.variable
        return quote_texts([self.value]) if isinstance(self.value, str) else str(self.value)


def list_compared_values(node: nodes.Node, op: str, facts: ConditionFacts) -> Iterator[ComparedValue]:
    """Yield the constants of an operand, and the values of a variable of the file."""
    variable = dotted_name_of(node)
    is_list = isinstance(node, (nodes.List, nodes.Tuple))
    for item in node.items if is_list else ():  # type: ignore[attr-defined]
        yield from (compared._replace(is_item=True) for compared in list_compared_values(item, "eq", facts))
    for value in facts.variables.get(variable, ()):
        for text in value if isinstance(value, list) else [value]:
            is_text = op in ("in", "notin") and not isinstance(value, list)  # lint_memberships reports one
            # A variable that says no is a switch that is off: nobody is to equal it.
            if not is_text and not says_no(text) and not reads_like_no(text):
                yield ComparedValue(text, variable, isinstance(value, list))
    if not is_list and not variable:
        yield from (ComparedValue(value) for value in list_constants(node))


def find_value_kind(name: str) -> str:
    """Return the name with the same values: ``now.hour`` for ``hours.office.next_opening.hour``; else the name itself."""
    found = _MOMENT_FIELD.fullmatch(name)
    return f"now.{found[1]}" if found else name


def find_range_kind(name: str, facts: ConditionFacts) -> str:
    """Return the kind of a name for ranges: what ``collect`` stores is digits."""
    return "digits" if name in facts.digit_counts else find_value_kind(name)


_MOMENT_FIELD: Final = re.compile(r"hours\.\w+\.next_(?:opening|closing)\.(\w+)")


def list_constants(node: nodes.Node) -> list[Any]:
    if isinstance(node, (nodes.Pos, nodes.Neg)):
        # +12015550123 without quotes
        return list_constants(node.node)
    if isinstance(node, nodes.Const):
        return [node.value]
    if isinstance(node, (nodes.List, nodes.Tuple)):
        return [value for item in node.items for value in list_constants(item)]
    return []


def find_message_word_fix(text: str) -> str:
    """Return the fix for a text that is no word as ``message.words`` has them; "" for a word and for an empty text."""
    form, fix = VALUE_FORMATS["message.keyword"]
    return "" if not text or form.fullmatch(text) else fix.replace("it is one word", "each is one word")


def write_constant(value: object) -> str:
    """Return a constant as it is written in a condition."""
    return {None: "none", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else repr(value)


def list_compared_constants(tree: nodes.Node, name: str) -> Iterator[Any]:
    """Yield the constants that a dotted name is compared with for equality, also those of a list after ``in``."""
    for compared in iterate_syntax_nodes(tree, (nodes.Compare,)):
        left = compared.expr  # type: ignore[attr-defined]
        for operand in compared.ops:  # type: ignore[attr-defined]
            sides = (left, operand.expr)
            if operand.op not in ORDER_OPERATORS and name in map(dotted_name_of, sides):
                yield from (value for side in sides for value in list_constants(side))
            left = operand.expr


def list_own_numbers(numbers: Iterable[str]) -> str:
    """Return the fix for a number that is none of the flow's."""
    shown = sorted(numbers)
    more = " and others" if len(shown) > _MAX_SHOWN_NUMBERS else ""
    return f"the numbers of the flow are {', '.join(shown[:_MAX_SHOWN_NUMBERS])}{more}"


_MAX_SHOWN_NUMBERS: Final = 3
