"""What is doubtful about a condition: what it compares can never be equal, or it holds always, or never.

Where a condition looks only at what has few values (an hour, a weekday, whether it is open), it is tried with all of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from jinja2 import nodes

from app.errors import suggestion
from app.flows.expressions.outcomes import BOOLEANS, DAYS, FEW, named_of, outcomes, values_of
from app.numbers import UNKNOWN, e164

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FORMS: Final = {
    "now.date": (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), "a date is written as 2026-12-24"),
    "caller.region": (re.compile(rf"[A-Z]{{2}}|{UNKNOWN}"), "countries are two letters, as US or DE"),
    "number.region": (re.compile(rf"[A-Z]{{2}}|{UNKNOWN}"), "countries are two letters, as US or DE"),
    "message.keyword": (
        re.compile(r"[^\W_A-Z\u00c0-\u017e]+"),
        "it is one word in small letters, without accents and signs, as hours",
    ),
    "caller.state": (re.compile(rf"[A-Z]{{2}}|{UNKNOWN}"), "states are two letters, as NJ or ON"),
}
"""What else is written in one way only."""
_NUMBERS: Final = frozenset({"caller.number", "call.from_", "call.to", "number"})
_SAID: Final = {
    "now.weekday": "it is one of mon, tue, wed, thu, fri, sat, sun",
    "now.time": "a time is written with two digits each, as 09:00",
    "now.hour": "it is a number from 0 to 23, without quotes",
    "now.day": "it is a number from 1 to 31, without quotes",
    "now.month": "it is a number from 1 to 12, without quotes",
    "call.attestation": "it is A, B, C or unknown",
}
_ORDERS: Final = frozenset({"lt", "lteq", "gt", "gteq"})
_ORDERED: Final = {
    "now.time": (re.compile("[0-9]{2}:[0-9]{2}(:[0-9]{2})?"), "write it with two digits each, as 09:00"),
    "now.date": (re.compile("[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?"), "write it as 2026-12-24"),
}


class Doubt(NamedTuple):
    """What is doubtful: ``error`` where it would break every call that comes there."""

    severity: Literal["error", "warning"]
    rule: str
    message: str
    mend: str


def doubts(tree: nodes.Node) -> tuple[Doubt, ...]:
    """What is doubtful about a condition."""
    return tuple(_looked(tree, asked=True))


def doubts_within(tree: nodes.Node) -> tuple[Doubt, ...]:
    """What is doubtful about the conditions in a text, and about what it compares."""
    found: list[Doubt] = []
    tests = [choice.test for choice in tree.find_all(nodes.If)] + [choice.test for choice in tree.find_all(nodes.CondExpr)]
    for test in tests:
        found += _looked(test, asked=True)
    for compared in tree.find_all(nodes.Compare):
        found += _looked(compared, asked=True)
    return tuple(dict.fromkeys(found))


def _looked(node: nodes.Node, *, asked: bool, harmless: bool | None = None) -> list[Doubt]:
    """``asked``: whether it is asked whether the value is true; ``harmless``: what it may always be.

    A part of an ``and`` may always be true, as in ``now.hour >= 0 and now.hour < 9``.
    """
    if isinstance(node, nodes.Not):
        return _looked(node.node, asked=asked, harmless=None if harmless is None else not harmless)
    if isinstance(node, nodes.Compare):
        return [*_compared(node)] or [*_tried(node, harmless)]
    if isinstance(node, (nodes.And, nodes.Or)):
        inside = True if isinstance(node, nodes.And) else None
        parts = [doubt for side in (node.left, node.right) for doubt in _looked(side, asked=asked, harmless=inside)]
        return parts or [*_tried(node, harmless)]
    if asked and isinstance(node, nodes.Const):
        return [_word(node.value)]
    whole = _whole(named_of(node)) if asked and not named_of(node).endswith((".next_opening", ".next_closing")) else ""
    if whole:
        return [Doubt("warning", "constant-condition", f"{named_of(node)} itself is always true", whole)]
    if isinstance(node, nodes.CondExpr):
        return _looked(node.test, asked=True)
    return [doubt for child in node.iter_child_nodes() for doubt in _looked(child, asked=False)]


def _word(value: Any) -> Doubt:  # noqa: ANN401 - what an author wrote
    """A value where a condition is meant."""
    if isinstance(value, str) and value:
        mend = 'compare it too, or all of them at once: caller.number in ["+12015550123", "+12015550124"]'
        return Doubt("warning", "constant-condition", f"{value!r} alone is always true", mend)
    return _constant(bool(value), "the condition")


def _constant(holds: bool, said: str, mend: str = "") -> Doubt:  # noqa: FBT001 - what came of it
    mend = mend or "ask something that changes from call to call, or take the condition out"
    return Doubt("warning", "constant-condition", f"{said} is {'always' if holds else 'never'} true", mend)


def _whole(name: str) -> str:
    """How to ask what a name stands for, where the name itself is something with fields; else nothing."""
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


def _compared(node: nodes.Compare) -> Iterator[Doubt]:
    """What is compared with what it can never be."""
    left = node.expr
    for operand in node.ops:
        right = operand.expr
        yield from _pair(left, operand.op, right)
        if operand.op not in ("in", "notin"):
            yield from _pair(right, operand.op, left)
        left = right


def _pair(one: nodes.Node, op: str, other: nodes.Node) -> Iterator[Doubt]:
    name = named_of(one)
    if not name:
        return
    if _whole(name):
        in_a_list = op in ("in", "notin") and named_of(other).startswith("lists.")
        if op in _ORDERS:
            yield Doubt("error", "comparison", f"{name} itself has no order", _whole(name))
        elif not in_a_list and not name.endswith((".next_opening", ".next_closing")):
            yield Doubt("warning", "comparison", f"{name} itself equals nothing", _whole(name))
        return
    for value in _constants(other):
        yield from _order(name, value) if op in _ORDERS else _equal(name, value)


def _constants(node: nodes.Node) -> list[Any]:
    if isinstance(node, nodes.Const):
        return [node.value]
    if isinstance(node, (nodes.List, nodes.Tuple)):
        return [item.value for item in node.items if isinstance(item, nodes.Const)]
    return []


def _equal(name: str, value: Any) -> Iterator[Doubt]:  # noqa: ANN401 - what an author wrote
    """A value that a name never has."""
    never = f"{name} is never {value!r}"
    known = values_of(name)
    form = _FORMS.get(name)
    if known is BOOLEANS and not isinstance(value, bool):
        yield Doubt("warning", "comparison", never, f"it is true or false: ask {name}, or not {name}")
    elif known is not None and value not in known:
        yield Doubt("warning", "comparison", never, _near(name, value, known))
    elif form is not None and isinstance(value, str) and not form[0].fullmatch(value):
        yield Doubt("warning", "comparison", never, form[1])
    elif name in _NUMBERS and isinstance(value, str) and e164(value) not in ("", value):
        yield Doubt("warning", "comparison", never, "write it with its plus and its country code, as +12015550123")


def _near(name: str, value: object, known: Sequence[Any]) -> str:
    """What was probably meant."""
    if isinstance(value, str) and name == "now.weekday" and value.lower()[:3] in DAYS:
        return f"did you mean {value.lower()[:3]!r}?"
    if isinstance(value, str) and value.isdecimal() and isinstance(known, range):
        return f"write {int(value)} without quotes"
    texts = [one for one in known if isinstance(one, str)] if len(known) < len(FEW["now.minute"]) else []
    return (suggestion(value, texts) if isinstance(value, str) else "") or _SAID.get(name, "it is a number, without quotes")


def _order(name: str, value: Any) -> Iterator[Doubt]:  # noqa: ANN401 - what an author wrote
    """An order between what has none."""
    text = name in ("now.weekday", "now.time", "now.date")
    number = isinstance(values_of(name), range) or name in ("now.year", "caller.calls_today")
    if (text and not isinstance(value, str)) or (number and isinstance(value, str)):
        kinds = ("a number", "a text") if number else ("a text", "a number")
        mend = f"write {value} without quotes" if number else _SAID.get(name, "a date is written as 2026-12-24")
        yield Doubt("error", "comparison", f"{name} is {kinds[0]} and {value!r} {kinds[1]}: they have no order", mend)
    elif name == "now.weekday":
        mend = 'name the days, as now.weekday in ["sat", "sun"]'
        yield Doubt("warning", "comparison", "now.weekday is a word, and words are ordered by their letters", mend)
    elif name in _ORDERED and not _ORDERED[name][0].fullmatch(value):
        yield Doubt("warning", "comparison", f"{name} is compared letter by letter with {value!r}", _ORDERED[name][1])


# Trying


def _tried(node: nodes.Node, harmless: bool | None) -> Iterator[Doubt]:  # noqa: FBT001 - as above
    """Whether a condition always comes out alike, where it looks only at what has few values."""
    found = outcomes(node)
    if found is None:
        return
    names, came = found
    if not came:
        mend = "compare numbers with numbers, texts with texts"
        yield Doubt("error", "comparison", "what is compared here has no order", mend)
    elif len(came) == 1 and came != {harmless}:
        always = next(iter(came))
        mend = "did you mean or?" if isinstance(node, nodes.And) and not always else ""
        mend = "did you mean and?" if isinstance(node, nodes.Or) and always else mend
        yield _constant(always, f"a condition on {' and '.join(names)}" if names else "this", mend)
