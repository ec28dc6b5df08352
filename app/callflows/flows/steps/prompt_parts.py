"""Compiles prompts: a text, or several parts (texts, sounds and pauses), perhaps in several languages."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from callflows.flows.source.prompt_shape import PROMPT_STEPS, Prompt
from callflows.flows.source.sound_library import inspect_sound, is_sound_name
from callflows.flows.steps.language_choice import (
    follows_language,
    is_neutral_text,
    write_by_language,
    write_language_branches,
)
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.language import Say


@dataclasses.dataclass(frozen=True, slots=True)
class PromptStyle:
    """The voice of a prompt, and its language (empty if the language of the call decides).

    ``own_voice`` are the attributes that the step itself has. ``may_be_silent``: callers know what to do without the
    prompt, so that nothing is said instead of a missing sound.
    """

    voice: Mapping[str, str]
    language: str
    own_voice: Mapping[str, str]
    may_be_silent: bool = False


def build_prompt_say(context: StepContext, prompt: Prompt, path: SourcePath, style: PromptStyle) -> Say:
    """Return the Say of a prompt, or a placeholder verb for a prompt that is more. ``path`` is the path of its key."""
    place = (*path, *prompt.place)
    if prompt.text is not None and not (follows_language(context, style.own_voice) and is_neutral_text(prompt.text)):
        if follows_language(context, style.own_voice):
            context.flow.record_untranslated_text(place, context.node, context.step_index)
        say = context.texts.build_say(prompt.text, place, style.voice)
        context.flow.record_prompt(place, prompt.text, str(say.attributes.get("lang", "")))
        return say
    context.document.ensure_answered()
    branch = context.make_empty_branch()
    branch.voice, branch.language = style.voice, style.language
    if prompt.variants:

        def write_variant(variant_branch: StepContext, variant: Prompt, _path: SourcePath) -> None:
            changed = dataclasses.replace(style, voice=variant_branch.voice, language=variant_branch.language)
            variant_branch.document.write_verbs(build_prompt_say(variant_branch, variant, path, changed), path=path)

        write_by_language(branch, prompt.variants, place, write_variant, style.own_voice)
    elif prompt.text is not None:
        text = prompt.text

        def write_text(language_branch: StepContext, _name: str) -> None:
            say = language_branch.texts.build_say(text, place, language_branch.voice)
            language_branch.document.write_verbs(say, path=place)

        context.flow.record_prompt(place, text, "")
        write_language_branches(branch, [*context.flow.languages], place, write_text, style.own_voice)
    else:
        _compile_parts(branch, prompt, place, may_be_silent=style.may_be_silent)
    return context.document.add_branch_placeholder(branch.document)


def _compile_parts(branch: StepContext, prompt: Prompt, path: SourcePath, *, may_be_silent: bool) -> None:
    if not isinstance(prompt.value, list):
        branch.report.alias_subtree(path, (*path, 0))
    steps = [_check_part(branch, part, (*path, index)) for index, part in enumerate(prompt.parts)]
    branch.skips_missing_sounds = may_be_silent or any(_is_audible(branch, step) for step in steps)
    branch.compile_steps([step for step in steps if step is not None], path)


def _check_part(context: StepContext, part: Any, path: SourcePath) -> Any:  # noqa: ANN401 - a step of the file
    """Return a part as a step; report a part that is no prompt and return None."""
    if "say" in part and (*path, "say") not in context.report.positions:
        context.report.alias_subtree(path, (*path, "say"))
    wrong = [key for key in part if key not in (*PROMPT_STEPS, "when")] if isinstance(part, dict) else []
    for key in wrong:
        message = f"{key!r} is no part of a prompt"
        fix = format_suggestion(key, PROMPT_STEPS) or f"there are {', '.join(PROMPT_STEPS)}"
        way = next((name for name in reversed(path) if name in ("no_input", "no_match")), "")
        if key == "goto" and way:
            fix = f"a node stands there alone, as {way}: {part[key]}"
        context.report.error((*path, key), "shape", message, fix, key=True)
    return None if wrong else part


def _is_audible(context: StepContext, part: object) -> bool:
    """Return True if callers surely hear a part of a prompt."""
    if not isinstance(part, dict) or "pause" in part or "when" in part:
        return False
    if "say" in part:
        return True
    value = part.get("play")
    keys = value if isinstance(value, dict) else {"sound": value} if is_sound_name(value) else {"url": value}
    sound = keys.get("sound")
    return bool(keys.get("text")) or not isinstance(sound, str) or inspect_sound(context.flow.folder, sound).is_playable
