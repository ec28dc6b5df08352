"""The step goto."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pydantic

from callflows.flows.source.source_values import (
    NodeName,
)
from callflows.flows.steps.step_base import WordStep

if TYPE_CHECKING:
    from collections.abc import Callable

    from callflows.flows.compiler.context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.telephony.turn import Turn

    RenderFunction = Callable[[Turn], Any]


class GotoStep(WordStep):
    """Go on at another node."""

    caller_hears: ClassVar[str] = "Nothing; the call goes on without a pause."
    check_rules: ClassVar[tuple[str, ...]] = ("unknown-node", "after-the-end", "endless-loop", "silent-loop")
    plain_key: ClassVar[str] = "node"
    node: NodeName = pydantic.Field(description="The node to go on at.")

    def compile_step(self, context: StepContext, path: SourcePath) -> None:
        context.write_goto(self.node, path)
