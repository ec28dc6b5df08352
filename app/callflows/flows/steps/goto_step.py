"""The step goto."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pydantic

from callflows.flows.source.source_values import (
    NodeName,
)
from callflows.flows.steps.step_base import FlowStep, mapping_of
from callflows.flows.steps.step_summary import StepWay

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.source.positions import SourcePath


class GotoStep(FlowStep):
    """Go on at another node."""

    step_key: ClassVar[str] = "goto"
    caller_hears: ClassVar[str] = "Nothing; the call goes on without a pause."
    check_rules: ClassVar[tuple[str, ...]] = (
        "unknown-node",
        "secret-handed-over",
        "after-the-end",
        "endless-loop",
        "silent-loop",
    )
    plain_key: ClassVar[str] = "node"
    node: NodeName = pydantic.Field(description="The node to go on at: of this flow, or as other-flow/node of another.")

    @classmethod
    def summarize(cls, value: Any, groups: Mapping[str, Any]) -> str:  # noqa: ANN401, ARG003 - as FlowStep has it
        return ""

    @classmethod
    def list_ways(cls, value: Any) -> Iterable[StepWay]:  # noqa: ANN401 - as FlowStep has it
        yield StepWay("", mapping_of(value).get("node", value))

    def compile_step(self, context: StepContext, path: SourcePath) -> None:
        context.write_goto(self.node, path)
