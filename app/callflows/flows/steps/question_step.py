"""The keys and checks that menu and collect share: both ask the caller, several times if necessary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pydantic

from callflows.flows.source.source_values import (
    AttemptCount,
    InputMs,
    NodeName,
    NonEmptyTextList,
    TextList,
)
from callflows.flows.steps.step_base import SpokenStep, mapping_of
from callflows.flows.steps.step_summary import StepWay
from callflows.language.plausible_durations import INPUT_DURATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from callflows.flows.compiler.context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.language.plausible_durations import PlausibleDuration


class QuestionStep(SpokenStep):
    """Common keys of the steps that ask the caller."""

    plausible_durations: ClassVar[Mapping[str, PlausibleDuration]] = {"timeout": INPUT_DURATION}
    prompt: NonEmptyTextList = pydantic.Field(description="The question. A list has one text for each attempt.")
    no_input: TextList = pydantic.Field(
        [], description="The text if no key was pressed. A list has one text for each attempt."
    )
    no_match: TextList = pydantic.Field(
        [], description="The text if the input is not one of the choices. A list has one text for each attempt."
    )
    attempts: AttemptCount = pydantic.Field(3, description="How often the caller is asked.")
    otherwise: NodeName = pydantic.Field("", description="The node to go on at after the last attempt.")
    timeout: InputMs | None = pydantic.Field(None, description="How long to wait for a key (classic dialect only).")

    @classmethod
    def list_ways(cls, value: Any) -> Iterable[StepWay]:  # noqa: ANN401 - as WordStep has it
        if otherwise := mapping_of(value).get("otherwise"):
            yield StepWay("otherwise", otherwise)

    def warn_about_timeout(self, context: StepContext, path: SourcePath) -> None:
        """Warn about a timeout in a dialect without a time limit."""
        if self.timeout is not None and context.flow.dialect == "reference":
            message = "timeout: the reference dialect has no time limit for input"
            context.report.warning((*path, "timeout"), "dialect", message, "it has none in this dialect: take it out")

    def warn_about_missing_exit(self, context: StepContext, path: SourcePath) -> None:
        """Warn if a caller without input is hung up on without a word."""
        if not self.otherwise and not context.next_step_key:
            message = f"{path[-1]}: a caller who presses nothing is hung up on without a word"
            context.report.warning(
                path, "no-way-out", message, "name a node under otherwise, or say something after it", key=True
            )


def pick_attempt_text(
    context: StepContext, path: SourcePath, key: str, texts: list[str], attempt: int
) -> tuple[str, SourcePath]:
    """Return the text for an attempt, and the text's path. The last text serves all further attempts."""
    index = min(attempt, len(texts)) - 1
    listed: SourcePath = (*path, key, index)
    return texts[index], listed if listed in context.report.positions else (*path, key)
