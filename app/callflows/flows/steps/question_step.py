"""The keys and checks that menu and collect share: both ask the caller, several times if necessary."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

import pydantic

from callflows.flows.source.flow_file import FLOW_AND_NODE_NAME_PATTERN
from callflows.flows.source.prompt_shape import AttemptPrompts, NonEmptyAttemptPrompts, iterate_spoken_parts
from callflows.flows.source.source_values import (
    AttemptCount,
    InputMs,
    NodeName,
)
from callflows.flows.steps.misplaced_words import MIN_NODE_SIMILARITY
from callflows.flows.steps.step_base import SpokenStep, mapping_of
from callflows.flows.steps.step_summary import StepWay
from callflows.language.plausible_durations import INPUT_DURATION
from callflows.text import find_nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from callflows.flows.compiler.step_context import StepContext
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
        [],
        description="The prompt if no key was pressed, or the node to go on at. A list has one for each attempt.",
    )
    no_match: AttemptPrompts = pydantic.Field(
        [],
        description="The prompt if the input is not one of the choices, or the node to go on at. "
        "A list has one for each attempt.",
    )
    any: NodeName = pydantic.Field("", description="The node for any other input, which knows it as digits.")
    attempts: AttemptCount = pydantic.Field(3, description="How often the caller is asked.")
    otherwise: NodeName = pydantic.Field("", description="The node to go on at after the last attempt.")
    timeout: InputMs | None = pydantic.Field(None, description="How long to wait for a key (classic dialect only).")

    @classmethod
    def list_ways(cls, value: Any) -> Iterable[StepWay]:  # noqa: ANN401 - as FlowStep has it
        keys = mapping_of(value)
        if other := keys.get("any"):
            yield StepWay("any other key", other)
        for key, label in (("no_input", "no key"), ("no_match", "another key")):
            for item in _list_texts(keys.get(key)):
                if FLOW_AND_NODE_NAME_PATTERN.fullmatch(item):
                    yield StepWay(label, item, may_be_text=True)
        if otherwise := keys.get("otherwise"):
            yield StepWay("otherwise", otherwise)

    def find_way(self, context: StepContext, key: str, attempt: int) -> str:
        """Return the node under ``no_input`` or ``no_match`` for an attempt; an empty text if there is a text or nothing.

        ``any`` is the way of every input that is none of the choices.
        """
        if key == "no_match" and self.any:
            return self.any
        prompts = self.prompts_by_key()[key]
        item = pick_attempt_prompt(prompts, attempt).text if prompts else None
        return item if item and context.flow.is_node(item) else ""

    def leads_away(self, context: StepContext, attempt: int) -> bool:
        """Return True if a caller without a valid input goes on at other nodes, and is not asked again."""
        return all(self.find_way(context, key, attempt) for key in ("no_input", "no_match"))

    def compile_way(self, context: StepContext, path: SourcePath, key: str, attempt: int) -> StepContext | None:
        """Compile the way to the node under ``no_input`` or ``no_match``; None if there is a text or nothing."""
        node = self.find_way(context, key, attempt)
        if not node:
            return None
        place = (*path, "any") if key == "no_match" and self.any else self.find_item_path(path, key, attempt)
        branch = context.make_empty_branch(line_answered=True)
        branch.document.add_silent_end(place, describe_silent_way(key), describe_silent_node_fix(node))
        branch.document.write_coverage_comment("any other key" if place[-1] == "any" else key.replace("_", "-"), place)
        branch.write_goto(node, place)
        return branch

    def find_item_path(self, path: SourcePath, key: str, attempt: int) -> SourcePath:
        """Return the path of the item of a list that is used at an attempt."""
        return (*path, key, *pick_attempt_prompt(self.prompts_by_key()[key], attempt).place)

    def check_ways(self, context: StepContext, path: SourcePath) -> bool:
        """Report problems of the ways besides keys. Return True if all target nodes exist."""
        exist = [context.check_target_node(self.any, (*path, "any"))] if self.any else []
        if self.any and self.no_match:
            contradiction = "no_match: any takes every other input, and this is never said"
            context.report.error((*path, "no_match"), "menu", contradiction, "take one of the two out", key=True)
        for key, prompts in (("no_input", self.no_input), ("no_match", self.no_match)):
            for attempt, prompt in enumerate(prompts, 1):
                self._check_item(context, path, key, attempt)
                if prompt.text and context.flow.is_node(prompt.text):
                    exist.append(context.check_target_node(prompt.text, self.find_item_path(path, key, attempt)))
        first = next((attempt for attempt in range(1, self.attempts + 1) if self.leads_away(context, attempt)), 0)
        if first and self.otherwise:
            message = f"otherwise: no caller gets here: all other ways lead elsewhere at attempt {first}"
            fix = "take it out, or write a text under no_input or no_match"
            context.report.warning((*path, "otherwise"), "way-not-taken", message, fix, key=True)
        return all(exist)

    def _check_item(self, context: StepContext, path: SourcePath, key: str, attempt: int) -> None:
        """Report a text that is probably a misspelt node, and items after a node that no attempt reaches."""
        prompts, nodes = self.prompts_by_key()[key], context.flow.flow_file.nodes
        item = prompts[attempt - 1].text or ""
        place = self.find_item_path(path, key, attempt)
        is_doubtful = _ONE_WORD.fullmatch(item) is not None and not context.flow.is_node(item)
        near = find_nearest(item, nodes, MIN_NODE_SIMILARITY) if is_doubtful else ""
        if near:
            message = f"{key}: {item!r} is no node, and callers hear the word"
            fix = f"did you mean the node {near!r}? A text ends with a full stop"
            context.report.warning(place, "node-as-text", message, fix)
        if attempt < len(prompts) and context.flow.is_node(item):
            message = f"{key}: what comes after the node {item!r} is never reached"
            context.report.warning(place, "way-not-taken", message, "put the node at the end of the list")

    def warn_about_timeout(self, context: StepContext, path: SourcePath) -> None:
        """Warn about a timeout in a dialect without a time limit."""
        if self.timeout is not None and context.flow.dialect == "reference":
            message = "timeout: the reference dialect has no time limit for input"
            context.report.warning((*path, "timeout"), "dialect", message, "it has none in this dialect: take it out")

    def note_silent_prompt(self, context: StepContext, path: SourcePath, attempt: int) -> None:
        """Note that the prompt of an attempt is nothing but pauses, for the check of what callers have heard before."""
        if _is_silent_prompt(pick_attempt_prompt(self.prompt, attempt)):
            context.flow.record_silent_question((*path, "prompt"), context.document.progress.silences)

    def warn_about_cut_texts(self, context: StepContext, path: SourcePath) -> None:
        """Warn about a sentence that a comma in brackets cut into the texts of several attempts."""
        for key, prompts in self.prompts_by_key().items():
            texts = [prompt.text for prompt in prompts if prompt.text is not None]
            if len(texts) < len(prompts):
                continue
            lines = [context.report.get_position((*path, key, index)).line for index in range(len(texts))]
            is_one_line = len({*lines}) == 1
            pairs = [pair for pair in itertools.pairwise(texts) if not any(map(context.flow.is_node, pair))]
            if any(_is_cut(text, following, is_one_line=is_one_line) for text, following in pairs):
                message = f"{key}: a comma in brackets cut the sentence: only {texts[0]!r} is said at the first attempt"
                whole = _DIGITS_WITH_COMMA.sub(",", ", ".join(texts))
                fix = f'quote it: {key}: "{whole}"; if each is a text of its own, end it with a full stop'
                context.report.warning((*path, key), "text-cut", message, fix)

    def prompts_by_key(self) -> dict[str, list[Prompt]]:
        """Return the prompts of all attempts, by key."""
        return {"prompt": self.prompt, "no_input": self.no_input, "no_match": self.no_match}

    def find_spoken_parts(self, path: SourcePath, key: str) -> Iterator[SpokenPart]:
        """Yield the texts of the prompts under a key."""
        for prompt in self.prompts_by_key()[key]:
            yield from iterate_spoken_parts(prompt, (*path, key))

    def write_last_way(self, context: StepContext, path: SourcePath) -> None:
        """Go on at the node under ``otherwise``, if there is one. Note that the caller must hear something from here on."""
        if not self.otherwise:
            context.document.add_silent_end(path, describe_missing_exit(path), MISSING_EXIT_FIX)
            return
        place = (*path, "otherwise")
        context.document.write_coverage_comment("otherwise", place)
        if not (self.no_input and self.no_match):  # else the caller has just heard why
            message = "otherwise: a caller who was asked in vain is hung up on without a word"
            context.document.add_silent_end(place, message, describe_silent_node_fix(self.otherwise))
        context.write_goto(self.otherwise, place)


def describe_silent_way(key: str) -> str:
    """Return the message for a way of a question on which nothing is heard."""
    pressed = "nothing" if key == "no_input" else "another key" if key in ("no_match", "any") else key
    return f"a caller who presses {pressed} is hung up on without a word"


def describe_silent_node_fix(node: str) -> str:
    """Return the fix for a way to a node on which nothing is heard."""
    return f"say something at the node {node!r}; hangup as its last step says that it is meant"


MISSING_EXIT_FIX: Final = "name a node under otherwise, or say something after it"


def describe_missing_exit(path: SourcePath) -> str:
    """Return the message for a question without a way for callers who press nothing."""
    return f"{path[-1]}: a caller who presses nothing is hung up on without a word"


def _list_texts(value: object) -> list[str]:
    """Return a text or the texts of a list of the file."""
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]


_DIGITS_WITH_COMMA: Final = re.compile(r"(?<=[0-9]), (?=[0-9]{3}(?![0-9]))")
"""The comma of a thousand, whose blank YAML has not kept."""


def _is_silent_prompt(prompt: Prompt) -> bool:
    if prompt.variants:
        return all(map(_is_silent_prompt, prompt.variants.values()))
    return all(part == "pause" or (isinstance(part, dict) and "pause" in part) for part in prompt.parts)


def _is_cut(text: str, following: str, *, is_one_line: bool) -> bool:
    """Return True if two texts of a list are probably one sentence: the first has no end, the second no beginning."""
    if _SENTENCE_END.search(text) or not following:
        return False
    return following[0].islower() or (
        is_one_line and (following[0].isdigit() or _SENTENCE_END.search(following) is not None)
    )


_ONE_WORD: Final = re.compile(r"[a-z0-9_-]+")
"""A text as nodes are usually named: one word in small letters without a full stop."""
_SENTENCE_END: Final = re.compile(r"""[.!?:;\u2026\u3002]["'\u201d\u00bb)]*\s*$|\}\}\s*$""")


def pick_attempt_prompt(prompts: Sequence[Prompt], attempt: int) -> Prompt:
    """Return the prompt for an attempt. The last prompt serves all further attempts."""
    return prompts[min(attempt, len(prompts)) - 1]


def find_key_path(context: StepContext, path: SourcePath, keys: str) -> SourcePath:
    """Return the path of a key in the file, in either spelling (``*`` or ``star``)."""
    written = (keys, {"*": "star", "#": "hash"}.get(keys, keys))
    return next(((*path, "keys", name) for name in written if (*path, "keys", name) in context.report.positions), path)


def check_key_spelling(context: StepContext, path: SourcePath) -> None:
    """Report a key that stands twice, as a word and as a sign."""
    for word, key in (("star", "*"), ("hash", "#")):
        if all((*path, "keys", name) in context.report.key_positions for name in (word, key)):
            message = f"keys: {word} and {key} are one key"
            context.report.error((*path, "keys", word), "key-twice", message, "take one out", key=True)
