"""Jinja as flows have it, for the forms of expressions that are rare: what it works out must be what the functions give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jinja2 import ChainableUndefined, Undefined, nodes, pass_context
from jinja2.compiler import CodeGenerator
from jinja2.runtime import markup_join
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.flows.expressions.filters import PLAIN, SPOKEN
from app.flows.expressions.plain import compared, field, nothing, reckoned, shown
from app.kept import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jinja2 import Environment
    from jinja2.compiler import Frame
    from jinja2.runtime import Context

LANG = "the voice's language"
"""The name by which a rendering knows the language; no expression can ask for it."""
UNSTEADY = (
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
"""Filters of Jinja that flows do not have: they give something else each time, call what is named, or mark as safe."""


class _Unset(ChainableUndefined):
    """What was given no value on the way that a text took: false and empty."""


class _Code(CodeGenerator):
    """Compiles to comparisons and joins of flows' own; nothing is worked out before."""

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:  # noqa: N802 - as Jinja calls it
        """``a < b < c``: each two beside each other."""
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
        """``a ~ b``."""
        self.write("environment.joined(context.eval_ctx.autoescape, (")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:  # noqa: ANN401 - Jinja's
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible
        return super()._output_child_to_const(node, frame, finalize)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, in which values have no attributes but the fields that flows know.

    What is worked out here must give what the functions of flows' own give.
    """

    code_generator_class = _Code
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    intercepted_unops = frozenset({"+", "-"})

    def getattr(self, obj: Any, attribute: str) -> Any:  # noqa: ANN401 - plain values
        return field(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:  # noqa: ANN401 - plain values
        return field(obj, argument)

    def call_binop(self, _context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401 - as above
        return reckoned(operator, _plainly(left), _plainly(right))

    def call_unop(self, _context: Context, operator: str, arg: Any) -> Any:  # noqa: ANN401 - as above
        return reckoned("-", *((_plainly(arg), 0) if operator == "+" else (0, _plainly(arg))))

    def compared(self, op: str, left: Any, right: Any) -> bool:  # noqa: ANN401 - as above
        """Whether a comparison holds; what is compiled asks it."""
        return compared(op, _plainly(left), _plainly(right))

    def joined(self, autoescape: bool, parts: Sequence[Any]) -> str:  # noqa: FBT001 - what is compiled calls it
        """Values one after the other, as ``~`` says."""
        told = [part if hasattr(part, "__html__") else shown(_plainly(part)) for part in parts]
        return markup_join(told) if autoescape else "".join(told)


@pass_context
def _spoken(context: Context, value: object) -> str:
    """A moment as a person says it; the context has the moment and the language of the voice."""
    return SPOKEN["spoken"](value, context["now"], context[LANG])


def environment() -> Environment:
    """Jinja as flows have it."""
    made = _Sandbox(undefined=_Unset, keep_trailing_newline=True, optimized=False)
    made.globals.clear()
    made.filters.update(PLAIN)
    made.filters["spoken"] = _spoken
    made.tests.update(_TESTS)
    for name in UNSTEADY:
        made.filters.pop(name, None)
    return made


def _plainly(value: Any) -> Any:  # noqa: ANN401 - plain values
    """A value, or nothing where Jinja has a name that was given none."""
    return NOTHING if isinstance(value, Undefined) else value


def _test(op: str) -> Callable[[Any, Any], bool]:
    return lambda value, other: compared(op, _plainly(value), _plainly(other))


def _none(value: object) -> bool:
    return nothing(_plainly(value))


def _left_of(value: object, by: object) -> object:
    """The rest of a division; nothing where it cannot be divided."""
    try:
        return reckoned("%", _plainly(value), _plainly(by))
    except (TypeError, ArithmeticError):
        return None


_OPS: Final = {
    "eq": ("eq", "==", "equalto"),
    "ne": ("ne", "!="),
    "lt": ("lt", "<", "lessthan"),
    "lteq": ("le", "<="),
    "gt": ("gt", ">", "greaterthan"),
    "gteq": ("ge", ">="),
    "in": ("in",),
}
_TESTS: Final[Mapping[str, Callable[..., bool]]] = {
    **{name: _test(op) for op, names in _OPS.items() for name in names},
    "none": _none,
    "undefined": _none,
    "defined": lambda value: not _none(value),
    "divisibleby": lambda value, by: _left_of(value, by) == 0,
    "even": lambda value: _left_of(value, 2) == 0,
    "odd": lambda value: _left_of(value, 2) == 1,
}
"""Tests of Jinja that compare, as flows compare."""
