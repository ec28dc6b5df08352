"""The shape of prompts: a text, or a list of ``say``, ``play`` and ``pause``; for a question also one for each attempt.

Each of these may be a mapping by language instead: ``{en: Hello., es: Hola.}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003 - a NamedTuple
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TypeGuard

import pydantic

from callflows.flows.source.source_values import schema_reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callflows.flows.source.positions import SourcePath


PROMPT_STEPS: Final = ("say", "play", "pause")
"""Steps that a prompt may consist of."""
LANGUAGE_NAME_PATTERN: Final = re.compile("(?:[a-z]{2}|cmn|fil|yue)(?:-[A-Za-z0-9]{2,8})*")
"""A language as ``languages`` names it: en, es, pt-BR."""
CALL_LANGUAGE: Final = "language"
"""Name of the value that holds the language of a call, in a flow with several languages."""
_NO_VARIANTS: Final[Mapping[str, Any]] = MappingProxyType({})


class Prompt(NamedTuple):
    """One prompt as the file has it: a text, a part, a list of parts, or ``variants`` by language.

    ``place`` is its path below the key.
    """

    value: Any
    place: SourcePath = ()
    variants: Mapping[str, Any] = _NO_VARIANTS
    """Prompts by language."""

    @property
    def text(self) -> str | None:
        """The text of a prompt that is nothing but a text."""
        return self.value if isinstance(self.value, str) else None

    @property
    def parts(self) -> list[Any]:
        """The parts as steps, in order."""
        return [_read_part(part) for part in (self.value if isinstance(self.value, list) else [self.value])]


class SpokenPart(NamedTuple):
    """A text of a prompt, with its path and its language if it differs from the language of the step."""

    text: str
    path: SourcePath
    lang: str


def is_language_mapping(value: object) -> TypeGuard[dict[str, Any]]:
    """Return True if a value of a file has something for each language."""
    return isinstance(value, dict) and bool(value) and all(map(LANGUAGE_NAME_PATTERN.fullmatch, value))


def is_prompt_part(value: object) -> bool:
    """Return True if a value of a file is one step of a prompt: say, play or pause."""
    return isinstance(value, dict) and bool(value) and value.keys() <= {*PROMPT_STEPS}


def _read_part(part: object) -> object:
    """Return a part as a step. A text is spoken, except the bare word of a step."""
    return {"say": part} if is_language_mapping(part) or (isinstance(part, str) and part != "pause") else part


def _check_optional_prompt(value: object) -> Prompt | None:
    return None if value == "" else check_prompt(value)


def check_prompt(value: Any, place: SourcePath = ()) -> Prompt:  # noqa: ANN401 - any YAML value
    """Read one prompt. Raises ValueError."""
    if is_language_mapping(value):
        return Prompt(value, place, {name: check_prompt(part, (*place, name)) for name, part in value.items()})
    if not isinstance(value, list):
        return Prompt(_check_part(value), place)
    if not value:
        raise ValueError("must not be empty")
    if len(value) > 1 and all(isinstance(part, str) for part in value):
        # a comma in brackets may have cut one text in two
        fix = "write one text in quotes, or a step for each: [say: …, say: …]"
        raise ValueError(f"must be {_PROMPT_DESCRIPTION}, not a list of texts", fix)
    return Prompt([_check_part(part) for part in value], place)


def _check_part(part: object) -> object:
    if not isinstance(part, (str, dict)) or part == {}:
        raise ValueError(f"must be {_PROMPT_DESCRIPTION}")
    return part


def _check_attempts(value: Any, place: SourcePath = ()) -> list[Prompt]:  # noqa: ANN401 - any YAML value
    """Read the prompts of a question, one for each attempt. Raises ValueError.

    A list of texts, and a list with lists in it, has one prompt for each attempt; a list of parts is one prompt.
    """
    if is_language_mapping(value):
        prompts = {name: _check_attempts(part, (*place, name)) for name, part in value.items()}
        count = max(map(len, prompts.values()))
        return [
            Prompt(
                value, place, {name: several[min(index, len(several) - 1)] for name, several in prompts.items() if several}
            )
            for index in range(count)
        ]
    if not isinstance(value, list):
        return [Prompt(_check_part(value), place)]
    if not any(isinstance(part, list) for part in value):
        are_parts = {isinstance(_check_part(part), dict) and not is_language_mapping(part) for part in value}
        if are_parts == {True}:
            return [Prompt(value, place)]
        if len(are_parts) > 1:
            raise ValueError(
                "has texts beside parts: write say: before each text of one prompt, or brackets around each attempt"
            )
    return [check_prompt(one, (*place, index)) for index, one in enumerate(value)]


def _pick_prompt(prompts: list[Prompt], index: int) -> Prompt:
    return prompts[min(index, len(prompts) - 1)]


def _check_text_by_language(value: object) -> object:
    if isinstance(value, dict) and not is_language_mapping(value):
        raise ValueError("must be a text, or a text for each language")
    parts = value.values() if isinstance(value, dict) else [value]
    if not all(isinstance(part, str) for part in parts):
        raise ValueError("must be a text")
    if not all(parts):
        raise ValueError("must not be empty")
    return value


_PROMPT_DESCRIPTION: Final = "a text, or a list of say, play and pause"
SinglePrompt = Annotated[Any, pydantic.BeforeValidator(_check_optional_prompt), schema_reference("prompt")]
"""A prompt that is heard once; None if there is none."""
AttemptPrompts = Annotated[list[Any], pydantic.BeforeValidator(_check_attempts), schema_reference("attempts")]
"""Prompts of a question, one for each attempt."""
NonEmptyAttemptPrompts = Annotated[AttemptPrompts, pydantic.Field(min_length=1)]
TextByLanguage = Annotated[Any, pydantic.BeforeValidator(_check_text_by_language), schema_reference("text by language")]
"""A text, or a mapping of texts by language."""


def iterate_spoken_parts(prompt: Prompt, path: SourcePath, lang: str = "") -> Iterator[SpokenPart]:
    """Yield the texts of a prompt under a key. ``path`` is the path of the key; the texts of sounds count, too."""
    here: SourcePath = (*path, *prompt.place)
    for name, variant in prompt.variants.items():
        yield from iterate_spoken_parts(variant, path, name)
    if prompt.variants:
        return
    if prompt.text is not None:
        yield SpokenPart(prompt.text, here, lang)
        return
    for index, part in enumerate(prompt.parts):
        place = (*here, index) if isinstance(prompt.value, list) else here
        for step in ("say", "play"):
            if isinstance(part, dict) and step in part:
                yield from _iterate_step_texts(step, part[step], (*place, step), lang)


def _iterate_step_texts(step: str, value: Any, path: SourcePath, lang: str) -> Iterator[SpokenPart]:  # noqa: ANN401 - as above
    """Yield the texts of a say or a play."""
    if is_language_mapping(value):
        for name, part in value.items():
            yield from _iterate_step_texts(step, part, (*path, name), name)
    elif isinstance(value, dict):
        own = value.get("lang") or lang
        yield from _iterate_step_texts("say", value.get("text"), (*path, "text"), str(own))
    elif isinstance(value, str) and step == "say":
        yield SpokenPart(value, path, lang)
