"""Jinja's sandboxed environment for the rare forms of expressions.

Every result must equal the result of the plain functions in ``expression_functions``.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from jinja2 import ChainableUndefined, Undefined, nodes, pass_context
from jinja2.compiler import CodeGenerator
from jinja2.runtime import LoopContext, markup_join
from jinja2.sandbox import ImmutableSandboxedEnvironment

from callflows.flows.expressions.data_filters import make_data_filters
from callflows.flows.expressions.expression_functions import has_natural_truth
from callflows.flows.expressions.expression_scope import LOOP_FIELDS
from callflows.flows.expressions.plain_values import (
    calculate_plain_values,
    choose_both,
    choose_either,
    compare_plain_values,
    format_plain_value,
    get_plain_field,
    is_missing,
    is_true_value,
    join_plain_values,
    slice_plain_value,
)
from callflows.flows.expressions.text_filters import CONTEXT_FILTERS, PLAIN_FILTERS
from callflows.telephony.phone_numbers import UnknownText
from callflows.telephony.turn import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jinja2 import Environment
    from jinja2.compiler import Frame
    from jinja2.runtime import Context


LANGUAGE_KEY = "the voice's language"
"""Key of the language in the values of a rendering. The key is no identifier, so expressions cannot read the language."""
REMOVED_JINJA_FILTERS = (
    "attr",
    "groupby",
    "map",
    "pprint",
    "random",
    "reject",
    "rejectattr",
    "safe",
    "select",
    "selectattr",
    "xmlattr",
)
"""Jinja's filters that flows do not have: random results, calls by name, or text marked as safe."""


class _UnsetVariable(ChainableUndefined):
    """A variable without a value on the path through a text: false and empty."""


class _FlowCodeGenerator(CodeGenerator):
    """Compiles comparisons and joins to the environment's own methods, without constant folding."""

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:  # noqa: N802 - as Jinja calls it
        """Write ``a < b < c`` as comparisons of neighbours joined with ``and``."""
        sides = [node.expr, *(operand.expr for operand in node.ops)]
        self.write("(")
        for index, operand in enumerate(node.ops):
            self.write(f"{' and ' if index else ''}environment.compared({operand.op!r}, ")
            self.visit(sides[index], frame)
            self.write(", ")
            self.visit(sides[index + 1], frame)
            self.write(")")
        self.write(")")

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - as Jinja calls it
        """Write ``a ~ b``."""
        self.write("environment.joined(context.eval_ctx.autoescape, (")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:  # noqa: N802 - as Jinja calls it
        """Write ``a[b:c]`` as a call, because Jinja takes a slice of any object."""
        if not isinstance(node.arg, nodes.Slice):
            super().visit_Getitem(node, frame)
            return
        self.write("environment.sliced(")
        for part in (node.node, node.arg.start, node.arg.stop, node.arg.step):
            self.visit(part or nodes.Const(None), frame)
            self.write(", ")
        self.write(")")

    def visit_For(self, node: nodes.For, frame: Frame) -> None:  # noqa: N802 - as Jinja calls it
        """Write a loop over the items of a value; a value without items has none."""
        count = len(node.target.items) if isinstance(node.target, nodes.Tuple) else 0
        items = nodes.EnvironmentAttribute("list_items")
        node.iter = nodes.Call(items, [node.iter, nodes.Const(count)], [], None, None)
        if node.test is not None:
            node.test = _ask_truth(node.test)
        super().visit_For(node, frame)

    def visit_If(self, node: nodes.If, frame: Frame) -> None:  # noqa: N802 - as Jinja calls it
        """Write a choice by the truth of values."""
        choices = [node, *node.elif_]
        for choice in choices:
            choice.test = _ask_truth(choice.test)
        super().visit_If(node, frame)

    def visit_CondExpr(self, node: nodes.CondExpr, frame: Frame) -> None:  # noqa: N802 - as Jinja calls it
        """Write ``a if b else c`` by the truth of a value."""
        node.test = _ask_truth(node.test)
        super().visit_CondExpr(node, frame)

    def visit_Not(self, node: nodes.UnaryExpr, frame: Frame) -> None:  # noqa: N802 - as Jinja calls it
        """Write ``not a`` by the truth of a value."""
        node.node = _ask_truth(node.node)
        super().visit_Not(node, frame)

    def visit_And(self, node: nodes.BinExpr, frame: Frame) -> None:  # noqa: N802 - as Jinja calls it
        """Write ``a and b`` by the truth of values."""
        self._write_junction("both", " and ", node, frame)

    def visit_Or(self, node: nodes.BinExpr, frame: Frame) -> None:  # noqa: N802 - as Jinja calls it
        """Write ``a or b`` by the truth of values."""
        self._write_junction("either", " or ", node, frame)

    def _write_junction(self, method: str, operator: str, node: nodes.BinExpr, frame: Frame) -> None:
        natural = has_natural_truth(node.left)
        self.write("(" if natural else f"environment.{method}(")
        self.visit(node.left, frame)
        self.write(operator if natural else ", lambda: ")
        self.visit(node.right, frame)
        self.write(")")

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:  # noqa: ANN401 - Jinja's
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible
        return super()._output_child_to_const(node, frame, finalize)


def _ask_truth(test: Any) -> Any:  # noqa: ANN401 - Jinja gives a Node and takes an Expr
    """Return a test that calls the environment's ``is_true``, unless the truth of the expression is natural."""
    if has_natural_truth(test):
        return test
    return nodes.Call(nodes.EnvironmentAttribute("is_true"), [test], [], None, None)


class _FlowSandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox. Values have no attributes except the fields known to flows.

    Results must equal those of ``expression_functions``.
    """

    code_generator_class = _FlowCodeGenerator
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    intercepted_unops = frozenset({"+", "-"})

    def getattr(self, obj: Any, attribute: str) -> Any:  # noqa: ANN401 - plain values
        if isinstance(obj, LoopContext):
            return getattr(obj, attribute) if attribute in LOOP_FIELDS else MISSING
        return get_plain_field(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:  # noqa: ANN401 - plain values
        return get_plain_field(obj, argument)

    def sliced(self, value: Any, start: Any, stop: Any, step: Any) -> Any:  # noqa: ANN401 - as above
        """Return a slice; called by compiled templates."""
        return slice_plain_value(value, *map(_replace_undefined, (start, stop, step)))

    def is_true(self, value: Any) -> bool:  # noqa: ANN401 - as above
        """Return the truth of a value; called by compiled templates, as the next two are."""
        return is_true_value(value)

    def either(self, left: Any, make_right: Callable[[], Any]) -> Any:  # noqa: ANN401 - as above
        return choose_either(left, make_right)

    def both(self, left: Any, make_right: Callable[[], Any]) -> Any:  # noqa: ANN401 - as above
        return choose_both(left, make_right)

    def list_items(self, value: Any, count: int) -> Any:  # noqa: ANN401 - as above
        """Return a value for a loop over single items (count 0), or over rows of ``count``; called by compiled templates.

        The rows of a mapping are its keys with their values. Items that are no such row are left out.
        """
        if isinstance(value, UnknownText):  # nobody wants to hear its letters
            return ()
        if not count:
            return value if isinstance(value, (str, list, tuple, dict)) else ()
        rows = value.items() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
        return [row for row in rows if isinstance(row, (list, tuple)) and len(row) == count]

    def call_binop(self, _context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401 - as above
        return calculate_plain_values(operator, _replace_undefined(left), _replace_undefined(right))

    def call_unop(self, _context: Context, operator: str, arg: Any) -> Any:  # noqa: ANN401 - as above
        return calculate_plain_values(
            "-", *((_replace_undefined(arg), 0) if operator == "+" else (0, _replace_undefined(arg)))
        )

    def compared(self, op: str, left: Any, right: Any) -> bool:  # noqa: ANN401 - as above
        """Return True if a comparison holds; called by compiled templates."""
        return compare_plain_values(op, _replace_undefined(left), _replace_undefined(right))

    def joined(self, autoescape: bool, parts: Sequence[Any]) -> str:  # noqa: FBT001 - called by compiled templates
        """Join values as ``~`` does; called by compiled templates."""
        plain = [*map(_replace_undefined, parts)]
        if not autoescape:
            return join_plain_values(plain)
        return markup_join([part if hasattr(part, "__html__") else format_plain_value(part) for part in plain])


@pass_context
def _spoken_filter(context: Context, value: object) -> str:
    """Format a moment as spoken text; the context contains the current time and the language of the voice."""
    return CONTEXT_FILTERS["spoken"](value, context["now"], context[LANGUAGE_KEY])


def make_jinja_environment() -> Environment:
    """Create the environment with the filters and tests of flows, and without Jinja's globals."""
    environment = _FlowSandbox(undefined=_UnsetVariable, keep_trailing_newline=True, optimized=False)
    environment.globals.clear()  # no functions such as range or lipsum
    for name in REMOVED_JINJA_FILTERS:
        environment.filters.pop(name, None)
    environment.filters = {**make_data_filters(environment.filters), **PLAIN_FILTERS, "spoken": _spoken_filter}
    environment.tests.update(_COMPARISON_TESTS)
    return environment


@functools.cache
def get_parsing_environment() -> Environment:
    """Return the environment in which all flows are parsed; nobody may change it."""
    return make_jinja_environment()


def _replace_undefined(value: Any) -> Any:  # noqa: ANN401 - plain values
    """Replace Jinja's undefined values with MISSING."""
    return MISSING if isinstance(value, Undefined) else value


def _make_comparison_test(op: str) -> Callable[[Any, Any], bool]:
    return lambda value, other: compare_plain_values(op, _replace_undefined(value), _replace_undefined(other))


def _is_missing_value(value: object) -> bool:
    return is_missing(_replace_undefined(value))


def _find_remainder(value: object, by: object) -> object:
    """Return the remainder of a division; None if the values cannot be divided."""
    try:
        return calculate_plain_values("%", _replace_undefined(value), _replace_undefined(by))
    except (TypeError, ArithmeticError):
        return None


_COMPARISON_TEST_NAMES: Final = {
    "eq": ("eq", "==", "equalto"),
    "ne": ("ne", "!="),
    "lt": ("lt", "<", "lessthan"),
    "lteq": ("le", "<="),
    "gt": ("gt", ">", "greaterthan"),
    "gteq": ("ge", ">="),
    "in": ("in",),
}
_COMPARISON_TESTS: Final[Mapping[str, Callable[..., bool]]] = {
    **{name: _make_comparison_test(op) for op, names in _COMPARISON_TEST_NAMES.items() for name in names},
    "true": lambda value: compare_plain_values("eq", _replace_undefined(value), True),  # noqa: FBT003 - a plain value
    "false": lambda value: compare_plain_values("eq", _replace_undefined(value), False),  # noqa: FBT003 - as above
    "sameas": _make_comparison_test("eq"),
    "none": _is_missing_value,
    "undefined": _is_missing_value,
    "defined": lambda value: not _is_missing_value(value),
    "divisibleby": lambda value, by: _find_remainder(value, by) == 0,
    "even": lambda value: _find_remainder(value, 2) == 0,
    "odd": lambda value: _find_remainder(value, 2) == 1,
}
"""Jinja's comparing tests, with the comparison rules of flows."""
