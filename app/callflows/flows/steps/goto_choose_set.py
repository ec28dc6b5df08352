"""The steps goto, choose and set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import pydantic

from callflows.flows.decisions import MASKED_VALUE
from callflows.flows.expressions.plain_values import to_plain_data
from callflows.flows.source.shape_validation import UNREADABLE_TEXT, validate_shape
from callflows.flows.source.source_values import NodeName, schema_reference
from callflows.flows.steps.step_base import WordStep, check_value_name
from callflows.telephony.turn import Variables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from callflows.flows.compiler.node_compiler import NodeCompiler
    from callflows.flows.source.positions import SourcePath
    from callflows.telephony.turn import Turn


class GotoStep(WordStep):
    """Go on at another node."""

    caller_hears: ClassVar[str] = "Nothing; the call goes on without a pause."
    check_rules: ClassVar[tuple[str, ...]] = ("unknown-node", "after-the-end", "endless-loop", "silent-loop")
    plain_key: ClassVar[str] = "node"
    node: NodeName = pydantic.Field(description="The node to go on at.")

    def compile_step(self, compiler: NodeCompiler, path: SourcePath) -> None:
        compiler.write_goto(self.node, path)


class ChooseOption(pydantic.BaseModel):
    """An option of a choose step."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    instead: ClassVar[Mapping[str, Any]] = {"goto": UNREADABLE_TEXT}
    when: str | None = None
    goto: str


class ChooseStep(WordStep):
    """Go on at the node of the first condition that holds."""

    caller_hears: ClassVar[str] = "Nothing. If no condition is true, the call goes on with the next step."
    check_rules: ClassVar[tuple[str, ...]] = (
        "unknown-node",
        "after-the-end",
        "comparison",
        "constant-condition",
        "expression",
    )
    plain_key: ClassVar[str] = "ways"
    takes_raw_value: ClassVar[bool] = True
    ways: Annotated[list[Any], schema_reference("ways")]

    def compile_step(self, compiler: NodeCompiler, path: SourcePath) -> None:
        """Write a condition for each option. Only the last option may omit the condition."""
        for index, way in enumerate(self.ways):
            self._compile_option(compiler, (*path, index), way, last=index == len(self.ways) - 1)
        if not compiler.terminates:
            compiler.write_coverage_comment("no way", path)

    def _compile_option(self, compiler: NodeCompiler, path: SourcePath, option: object, *, last: bool) -> None:
        if not isinstance(option, dict):
            fix = "as - when: customer.vip, and below it goto: sales"
            compiler.error(path, "shape", "choose: each way is a when and a goto", fix)
            return
        way: ChooseOption | None = validate_shape(ChooseOption, option, path, compiler.flow_compiler.report)
        if way is None:
            return
        when, node = way.when, way.goto
        if when is None:
            if not last:
                said = "choose: the ways after one without when are never reached"
                compiler.error(path, "after-the-end", said, "give it a when, or put it last")
                compiler.check_target_node(node, (*path, "goto"))
                return
            compiler.write_coverage_comment(f"way to {node}", path)
            compiler.write_goto(node, (*path, "goto"))
            return
        condition = compiler.compile_condition(when, (*path, "when"), "when")
        under = compiler.make_branch(inside_branch=False)
        under.write_coverage_comment(f"way to {node}", path)
        under.write_goto(node, (*path, "goto"))
        if condition is not None:
            compiler.write_conditional(condition.evaluate, under, ("choose", f"{when} → {node}", condition.used_names))


class SetStep(WordStep):
    """Remember values under names."""

    caller_hears: ClassVar[str] = "Nothing."
    check_rules: ClassVar[tuple[str, ...]] = ("expression", "ticket-too-big")
    plain_key: ClassVar[str] = "values"
    takes_raw_value: ClassVar[bool] = True
    values: dict[Annotated[str, schema_reference("name")], Annotated[Any, schema_reference("expression")]]

    @classmethod
    def runs_on_arrival(cls, _value: object) -> bool:
        """Return True: a value is set only when the call arrives."""
        return True

    def compile_step(self, compiler: NodeCompiler, path: SourcePath) -> None:
        """Set the values in order, so that each expression can use the values before."""
        if compiler.is_static:
            compiler.error(path, "fallback-not-static", "the fallback has nothing to remember", "take it out")
            return
        for name, source in self.values.items():
            here = (*path, name)
            try:
                check_value_name(name)
            except ValueError as error:
                compiler.error(here, "value", f"set: {error}", key=True)
                continue
            if not isinstance(source, str):
                compiler.error(here, "shape", f"{name}: must be an expression", 'as "account", 3 or caller.name')
                continue
            compiler.check_not_cut(here)
            made = compiler.compile_condition(source, here, name)
            if made is not None:
                mark = compiler.make_decision_origin("set", f"{name} = {source}", made.used_names)
                compiler.record_stored_value(name, made.sample, here, compiler.step_index + 1)
                compiler.add_action(
                    _make_setter(name, made.evaluate, mark, compiler.flow_compiler.secret_names), here, f"{name!r} is set"
                )


def _make_setter(
    name: str,
    evaluate: Callable[[Turn], Any],
    mark: Any,  # noqa: ANN401
    secrets: Any,  # noqa: ANN401
) -> Callable[[Turn], None]:
    def set_value(turn: Turn) -> None:
        made = to_plain_data(evaluate(turn))
        turn.trail.append((mark, MASKED_VALUE if name in secrets else made, turn.values, None))
        turn.values = Variables({**turn.values, name: made})

    return set_value
