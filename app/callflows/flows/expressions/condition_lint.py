"""Finds doubtful conditions: comparisons with impossible values, and conditions with a constant outcome.

If a condition uses one name with few values (an hour, a weekday, ``open``), all values are tried.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from jinja2 import nodes

from callflows.errors import ValueTooLongError
from callflows.flows.expressions.comparison_lint import lint_comparison
from callflows.flows.expressions.condition_outcomes import dotted_name_of, find_condition_outcomes
from callflows.flows.expressions.condition_values import (
    ConditionProblem,
    find_value_kind,
    is_never_missing,
    iterate_syntax_nodes,
    list_constants,
    make_constant_problem,
    suggest_emptiness,
    suggest_object_field,
    write_constant,
)
from callflows.flows.expressions.loop_lint import find_lost_values
from callflows.flows.expressions.membership_lint import lint_memberships
from callflows.flows.expressions.plain_values import calculate_plain_values, is_true_value
from callflows.flows.expressions.value_range_fixes import quote_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from callflows.flows.expressions.condition_facts import ConditionFacts


def lint_condition(tree: nodes.Node, facts: ConditionFacts) -> tuple[ConditionProblem, ...]:
    """Report what is doubtful in a condition."""
    failing = [*_lint_failing_calculations(tree, facts)]
    problems = [
        # With what a calculation that always fails is compared is no matter.
        *([] if failing else _lint_node(tree, facts, is_condition=True)),
        *_lint_truths([tree], facts.doubtful_variables),
        *lint_memberships(tree, facts),
        *failing,
        *_lint_calculations(tree, facts.number_names),
    ]
    return _list_unique_problems(problems)


@contextlib.contextmanager
def hide_own_names(tree: nodes.Node, facts: ConditionFacts) -> Iterator[None]:
    """Give the names that a text sets itself, as in ``{% for number in … %}``, names that a call does not have."""
    names = [*iterate_syntax_nodes(tree, (nodes.Name,))]
    own = {name.name for name in names if name.ctx != "load" and name.name in facts.scope}  # type: ignore[attr-defined]
    hidden = [name for name in names if name.name in own]  # type: ignore[attr-defined]
    for name in hidden:
        name.name += _HIDDEN_NAME_END  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for name in hidden:
            name.name = name.name.removesuffix(_HIDDEN_NAME_END)  # type: ignore[attr-defined]


_HIDDEN_NAME_END: Final = "\ufdd5"
"""A sign that no author writes."""


def _list_unique_problems(problems: Iterable[ConditionProblem]) -> tuple[ConditionProblem, ...]:
    """Return problems without repetitions, and with the names as the author wrote them."""
    shown = (
        problem._replace(
            message=problem.message.replace(_HIDDEN_NAME_END, ""), fix=problem.fix.replace(_HIDDEN_NAME_END, "")
        )
        for problem in problems
    )
    return tuple(dict.fromkeys(shown))


def lint_text_conditions(tree: nodes.Node, facts: ConditionFacts) -> tuple[ConditionProblem, ...]:
    """Report the doubtful conditions and comparisons in a text."""
    with hide_own_names(tree, facts):
        return _lint_text(tree, facts)


def _lint_text(tree: nodes.Node, facts: ConditionFacts) -> tuple[ConditionProblem, ...]:
    found: list[ConditionProblem] = [
        *lint_memberships(tree, facts),
        *_lint_failing_calculations(tree, facts),
        *_lint_calculations(tree, facts.number_names),
        *(problem for _, problem in find_lost_values(tree)),
    ]
    tests = [choice.test for choice in tree.find_all(nodes.If)] + [choice.test for choice in tree.find_all(nodes.CondExpr)]
    found += _lint_truths(tests, facts.doubtful_variables)
    for test in tests:
        found += _lint_node(test, facts, is_condition=True)
    for compared in tree.find_all(nodes.Compare):
        found += _lint_node(compared, facts, is_condition=True)
    return _list_unique_problems(found)


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
    for calculation in iterate_syntax_nodes(tree, (*_CALCULATIONS, nodes.Neg)):
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


def _lint_failing_calculations(tree: nodes.Node, facts: ConditionFacts) -> Iterator[ConditionProblem]:
    """Report calculations that fail whatever a call brings."""
    for calculation in iterate_syntax_nodes(tree, (*_CALCULATIONS, nodes.Neg, nodes.Add)):
        sides = [calculation.node] if isinstance(calculation, nodes.Neg) else [calculation.left, calculation.right]  # type: ignore[attr-defined]
        yield from _lint_constant_operands(calculation, sides)
        yield from _lint_named_operands(calculation, sides, facts)


def _lint_constant_operands(calculation: nodes.Node, sides: Sequence[nodes.Node]) -> Iterator[ConditionProblem]:
    """Report a division by 0, and a calculation with a text that is no number or with a result that is too large."""
    constants = [side.value for side in sides if isinstance(side, nodes.Const)]
    if not constants or not isinstance(calculation, nodes.BinExpr):
        return
    any_number = 1
    operands = [side.value if isinstance(side, nodes.Const) else any_number for side in sides]
    try:
        calculate_plain_values(calculation.operator, *operands)
    except ZeroDivisionError:
        yield ConditionProblem(
            "warning", "calculation", "a division by 0 leads the call to the fallback", "divide by another number"
        )
    except TypeError:
        text = next(value for value in constants if isinstance(value, str))
        message = f"{text!r} is no number: the calculation with {calculation.operator} leads the call to the fallback"
        yield ConditionProblem("warning", "calculation", message, "calculate with numbers; ~ joins texts, as {{ a ~ b }}")
    except (ArithmeticError, ValueTooLongError):
        message = "the result is too large, and leads the call to the fallback"
        yield ConditionProblem("warning", "calculation", message, "write smaller numbers")


def _lint_named_operands(
    calculation: nodes.Node, sides: Sequence[nodes.Node], facts: ConditionFacts
) -> Iterator[ConditionProblem]:
    """Report a calculation with an object, as ``now``, or with a text that is a number in no call, as ``now.date``."""
    for name in dict.fromkeys(map(dotted_name_of, sides)):
        fix = suggest_object_field(name, facts)
        example: object = object() if fix else _find_example_text(find_value_kind(name))
        if not example or (isinstance(calculation, nodes.Add) and not any(map(_is_number, sides))):
            continue  # a text may be joined with anything
        if name == "now" or name.endswith((".next_opening", ".next_closing")):
            fix = f"calculate with its numbers, as {name}.hour"
        operands = [example if dotted_name_of(side) == name else getattr(side, "value", 1) for side in sides]
        try:
            calculate_plain_values(getattr(calculation, "operator", "-"), *operands, *([1] if len(operands) == 1 else []))
        except TypeError:
            message = f"{name} is no number: the calculation leads the call to the fallback"
            fix = fix or 'calculate with numbers, as now.hour; texts are compared, as now.date >= "2026-12-24"'
            yield ConditionProblem("warning", "calculation", message, fix)
            return


def _is_number(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Const) and isinstance(node.value, (int, float))


def _find_example_text(name: str) -> str:
    """Return a text that a name has in some call, if it is a number in no call; else ""."""
    return "open" if name.startswith("hours.") and name.endswith(".status") else _EXAMPLE_VALUES.get(name, "")


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


def _lint_node(
    node: nodes.Node,
    facts: ConditionFacts,
    *,
    is_condition: bool,
    accepted_outcome: bool | None = None,
    is_negated: bool = False,
    is_part: bool = False,
) -> list[ConditionProblem]:
    """Report doubts about a node and its parts; ``is_condition``: the node is used as a truth value.

    A node may always have ``accepted_outcome``: a part of an ``and`` may always be true, as in
    ``now.hour >= 0 and now.hour < 9``. ``is_negated``: the node stands after ``not``. ``is_part``: the
    node is one side of ``and`` or ``or``.
    """
    if isinstance(node, nodes.Not):
        accepted = None if accepted_outcome is None else not accepted_outcome
        return _lint_node(
            node.node,
            facts,
            is_condition=is_condition,
            accepted_outcome=accepted,
            is_negated=not is_negated,
            is_part=is_part,
        )
    if isinstance(node, nodes.Compare):
        if any(operand.op in ("in", "notin") and isinstance(operand.expr, nodes.Const) for operand in node.ops):
            return [*lint_comparison(node, facts)]  # lint_memberships reports a text that is taken for a list
        return [*lint_comparison(node, facts)] or [*_lint_outcomes(node, accepted_outcome, is_negated=is_negated)]
    if isinstance(node, (nodes.And, nodes.Or)):
        inside = True if isinstance(node, nodes.And) else None
        lone = [*_lint_lone_values(node)] if is_condition else []
        parts = lone or [
            doubt
            for side in (node.left, node.right)
            for doubt in _lint_node(
                side, facts, is_condition=is_condition, accepted_outcome=inside, is_negated=is_negated, is_part=True
            )
        ]
        return parts or [*_lint_outcomes(node, accepted_outcome, is_negated=is_negated)]
    if is_condition and isinstance(node, nodes.Const):
        return [_lint_constant(node.value, is_negated=is_negated, is_part=is_part)]
    if is_condition and isinstance(node, nodes.Test):
        return [*_lint_existence(node, facts, is_negated=is_negated)]
    bare = _lint_bare_name(dotted_name_of(node), facts, is_negated=is_negated) if is_condition else None
    if bare is not None:
        return [bare]
    if isinstance(node, nodes.CondExpr):
        return _lint_node(node.test, facts, is_condition=True)
    return [doubt for child in node.iter_child_nodes() for doubt in _lint_node(child, facts, is_condition=False)]


def _lint_bare_name(name: str, facts: ConditionFacts, *, is_negated: bool) -> ConditionProblem | None:
    """Report a name whose truth is asked, and which is true in every call."""
    if name.endswith((".next_opening", ".next_closing")):
        return None
    fix, subject = suggest_object_field(name, facts), name if is_negated else f"{name} itself"
    if not fix and (name in _ALWAYS_TRUE_NAMES or (name.startswith("hours.") and name.endswith(".status"))):
        subject = name
        fix = f'compare it, as {name} == "{_EXAMPLE_VALUES.get(name, "open")}"'
        if name.endswith(".status"):
            fix = f"ask {name.removesuffix('.status')}.open"
    if not fix:
        return None
    return ConditionProblem(
        "warning",
        "constant-condition",
        f"{'not ' if is_negated else ''}{subject} is {'never' if is_negated else 'always'} true",
        fix,
    )


_EXAMPLE_VALUES: Final = {"now.weekday": "mon", "now.date": "2026-12-24", "now.time": "09:00"}
_ALWAYS_TRUE_NAMES: Final = frozenset(_EXAMPLE_VALUES)
"""Names whose values are texts that are never empty."""


def _lint_existence(node: nodes.Test, facts: ConditionFacts, *, is_negated: bool) -> Iterator[ConditionProblem]:
    """Report ``is none`` and ``is defined`` for a name that every call has: its value is empty, never missing."""
    name = dotted_name_of(node.node)
    if node.name not in ("none", "defined", "undefined") or not is_never_missing(name, facts):
        return
    asks_for_value = (node.name == "defined") is not is_negated
    yield ConditionProblem(
        "warning",
        "constant-condition",
        f"a condition on {name} is {'always' if asks_for_value else 'never'} true",
        suggest_emptiness(name, facts, asks_for_value=asks_for_value),
    )


def _lint_lone_values(node: nodes.And | nodes.Or) -> Iterator[ConditionProblem]:
    """Report the values after ``or`` that belong to the comparison before: ``caller.region == "US" or "CA"``."""
    values: list[str | float] = []
    side: nodes.Node = node
    while isinstance(side, type(node)) and isinstance(side.right, nodes.Const) and _is_text_or_number(side.right.value):
        values.insert(0, side.right.value)
        side = side.left
    if not values or not isinstance(side, nodes.Compare) or len(side.ops) != 1 or side.ops[0].op not in ("eq", "ne"):
        return
    name, first = dotted_name_of(side.expr), list_constants(side.ops[0].expr)
    if name and len(first) == 1 and "" not in values:
        written = ", ".join(quote_texts([value]) if isinstance(value, str) else str(value) for value in (*first, *values))
        fix = f"ask all of them at once: {name} {'in' if side.ops[0].op == 'eq' else 'not in'} [{written}]"
        yield make_constant_problem(is_true_value(values[0]), f"{values[0]!r} alone", fix)


def _is_text_or_number(value: object) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _lint_constant(value: Any, *, is_negated: bool, is_part: bool) -> ConditionProblem:  # noqa: ANN401 - any constant
    """Report a constant used as a condition, or as a part of one."""
    holds = is_true_value(value) is not is_negated
    if isinstance(value, str) and holds and not is_negated:
        fix = 'compare it too, or all of them at once: caller.number in ["+12015550123", "+12015550124"]'
        return make_constant_problem(holds, f"{value!r} alone", fix)
    if is_part:
        subject = f"{'not ' if is_negated else ''}{write_constant(value)} alone"
        return make_constant_problem(holds, subject, "take it out, or compare it, too")
    return make_constant_problem(holds, "the condition")


def _lint_outcomes(
    node: nodes.Node,
    accepted_outcome: bool | None,  # noqa: FBT001 - as above
    *,
    is_negated: bool,
) -> Iterator[ConditionProblem]:
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
        fix = _suggest_date_order(node) or fix if name == "now.date" and not always else fix
        yield make_constant_problem(always is not is_negated, f"a condition on {name}" if name else "this", fix)


def _suggest_date_order(node: nodes.Node) -> str:
    """Return the fix for two dates in the wrong order; "" for other conditions."""
    dates = [constant.value for constant in node.find_all(nodes.Const) if isinstance(constant.value, str)]
    if (
        len(dates) != len(("from", "to"))
        or dates[0] == dates[1]
        or any(part.op in ("eq", "ne") for part in node.find_all(nodes.Operand))
    ):
        return ""
    return f"no day is from {max(dates)} to {min(dates)}: is the year right?"
