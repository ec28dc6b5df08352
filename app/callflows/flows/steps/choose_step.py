"""The step choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import pydantic

from callflows.flows.source.foreign_words import is_word_for_condition
from callflows.flows.source.shape_validation import UNREADABLE_TEXT, validate_shape
from callflows.flows.source.source_values import (
    schema_reference,
)
from callflows.flows.steps.step_base import FlowStep
from callflows.flows.steps.step_summary import StepWay, summarize_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.source.positions import SourcePath


class ChooseOption(pydantic.BaseModel):
    """An option of a choose step."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    instead: ClassVar[Mapping[str, Any]] = {"goto": UNREADABLE_TEXT}
    when: str | None = None
    goto: str


class ChooseStep(FlowStep):
    """Go on at the node of the first condition that holds."""

    step_key: ClassVar[str] = "choose"
    caller_hears: ClassVar[str] = "Nothing. If no condition is true, the call goes on with the next step."
    check_rules: ClassVar[tuple[str, ...]] = (
        "unknown-node",
        "after-the-end",
        "calculation",
        "comparison",
        "text-as-list",
        "text-as-truth",
        "constant-condition",
        "expression",
    )
    plain_key: ClassVar[str] = "ways"
    takes_raw_value: ClassVar[bool] = True
    ways: Annotated[list[Any], schema_reference("ways")]

    @classmethod
    def summarize(cls, value: Any, groups: Mapping[str, Any]) -> str:  # noqa: ANN401, ARG003 - as FlowStep has it
        return ""

    @classmethod
    def list_ways(cls, value: Any) -> Iterable[StepWay]:  # noqa: ANN401 - as FlowStep has it
        for option in value if isinstance(value, list) else []:
            if isinstance(option, dict):
                condition = summarize_value(option.get("when"))
                text = f"when {condition}" if condition else "otherwise"
                yield StepWay(condition or "otherwise", option.get("goto"), text=text)

    def compile_step(self, context: StepContext, path: SourcePath) -> None:
        """Write a condition for each option. Only the last option may omit the condition."""
        for index, way in enumerate(self.ways):
            self._compile_option(context, (*path, index), way, last=index == len(self.ways) - 1)
        if not context.document.progress.ends:
            context.document.write_coverage_comment("no way", path)

    def _compile_option(self, context: StepContext, path: SourcePath, option: object, *, last: bool) -> None:
        if not isinstance(option, dict):
            fix = "as - when: customer.vip, and below it goto: sales"
            context.report.error(path, "shape", "choose: each way is a when and a goto", fix)
            return
        way: ChooseOption | None = validate_shape(ChooseOption, option, path, context.report)
        if way is None:
            return
        when, node = way.when, way.goto
        if when is None:
            if not last and not any(is_word_for_condition(str(key)) for key in option):
                message = "choose: the ways after one without when are never reached"
                context.report.error(path, "after-the-end", message, "give it a when, or put it last")
            if not last:
                context.check_target_node(node, (*path, "goto"))
                return
            context.document.write_coverage_comment(f"way to {node}", path)
            context.write_goto(node, (*path, "goto"))
            return
        condition = context.texts.compile_condition(when, (*path, "when"), "when")
        under = context.make_empty_branch(inside_branch=False)
        under.document.write_coverage_comment(f"way to {node}", path)
        under.write_goto(node, (*path, "goto"))
        if condition is not None:
            origin = context.document.make_decision_origin(self.step_key, f"{when} → {node}", condition.used_names)
            context.write_conditional(condition.evaluate, under, origin)
