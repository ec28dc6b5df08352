"""The keys and checks that menu and collect share: both ask the caller, several times if necessary."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

import pydantic

from callflows.flows.source.prompt_shape import AttemptPrompts, NonEmptyAttemptPrompts, iterate_spoken_parts
from callflows.flows.source.source_values import (
    AttemptCount,
    InputMs,
    NodeName,
)
from callflows.flows.steps.step_base import SpokenStep, mapping_of
from callflows.flows.steps.step_summary import StepWay
from callflows.language.plausible_durations import INPUT_DURATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from callflows.flows.compiler.context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.flows.source.prompt_shape import Prompt, SpokenPart
    from callflows.language.plausible_durations import PlausibleDuration


class QuestionStep(SpokenStep):
    """Common keys of the steps that ask the caller."""

    plausible_durations: ClassVar[Mapping[str, PlausibleDuration]] = {"timeout": INPUT_DURATION}
    prompt: NonEmptyAttemptPrompts = pydantic.Field(
        description="The question. A list of texts, or of lists, has one prompt for each attempt."
    )
    no_input: AttemptPrompts = pydantic.Field(
        [], description="The prompt if no key was pressed, perhaps one for each attempt."
    )
    no_match: AttemptPrompts = pydantic.Field(
        [], description="The prompt if the input is not one of the choices, perhaps one for each attempt."
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

    def warn_about_cut_texts(self, context: StepContext, path: SourcePath) -> None:
        """Warn about a sentence that a comma in brackets cut into the texts of several attempts."""
        for key, prompts in self.prompts_by_key().items():
            texts = [prompt.text for prompt in prompts if prompt.text is not None]
            if len(texts) < len(prompts):
                continue
            lines = [context.report.get_position((*path, key, index)).line for index in range(len(texts))]
            is_one_line = len({*lines}) == 1
            if any(_is_cut(text, following, is_one_line=is_one_line) for text, following in itertools.pairwise(texts)):
                message = f"{key}: a comma in brackets cut the sentence: only {texts[0]!r} is said at the first attempt"
                fix = f'quote it: {key}: "{", ".join(texts)}"; if each is a text of its own, end it with a full stop'
                context.report.warning((*path, key), "text-cut", message, fix)

    def prompts_by_key(self) -> dict[str, list[Prompt]]:
        """Return the prompts of all attempts, by key."""
        return {"prompt": self.prompt, "no_input": self.no_input, "no_match": self.no_match}

    def find_spoken_parts(self, path: SourcePath, key: str) -> Iterator[SpokenPart]:
        """Yield the texts of the prompts under a key."""
        for prompt in self.prompts_by_key()[key]:
            yield from iterate_spoken_parts(prompt, (*path, key))

    def warn_about_missing_exit(self, context: StepContext, path: SourcePath) -> None:
        """Warn if a caller without input is hung up on without a word."""
        if not self.otherwise and not context.next_step_key:
            context.report.warning(path, "no-way-out", describe_missing_exit(path), MISSING_EXIT_FIX, key=True)


MISSING_EXIT_FIX: Final = "name a node under otherwise, or say something after it"


def describe_missing_exit(path: SourcePath) -> str:
    """Return the message for a question without a way for callers who press nothing."""
    return f"{path[-1]}: a caller who presses nothing is hung up on without a word"


def _is_cut(text: str, following: str, *, is_one_line: bool) -> bool:
    """Return whether two texts of a list are probably one sentence: the first has no end, the second no beginning."""
    if _SENTENCE_END.search(text) or not following:
        return False
    return following[0].islower() or (
        is_one_line and (following[0].isdigit() or _SENTENCE_END.search(following) is not None)
    )


_SENTENCE_END: Final = re.compile(r"""[.!?:;\u2026\u3002]["'\u201d\u00bb)]*\s*$|\}\}\s*$""")


def pick_attempt_prompt(prompts: Sequence[Prompt], attempt: int) -> Prompt:
    """Return the prompt for an attempt. The last prompt serves all further attempts."""
    return prompts[min(attempt, len(prompts)) - 1]
