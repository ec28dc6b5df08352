"""Compiles the keys of ``play`` that Opentact does not have: a sound of ours, and the text of a sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from callflows.flows.source.sound_library import SOUNDS_FOLDER, explain_bad_sound_name, inspect_sound
from callflows.language.verbs import Error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.language.element import Element


SOUND_KEYS: Final[Mapping[str, str]] = {
    "sound": "The name of a sound in the folder sounds beside the flow file, for example welcome.wav.",
    "text": "The words of the sound. They are said if it cannot be played; callflows prompts lists them for a recording.",
}
"""Keys of a play step that are no attributes of the verb."""


_AUDIBLE_STEPS: Final = frozenset({"say", "menu", "collect", "voicemail"})
"""Steps after a missing sound that tell callers where they are, so that the call goes on without the sound."""


def read_sound_keys(
    sound_keys: Mapping[str, Any],
    keys: Mapping[str, Any],
    path: SourcePath,
    context: StepContext,
    attributes: dict[str, Any],
) -> list[Element] | None:
    """Set the URL of a sound in ``attributes``, and return the children of the Play: its text in an Error.

    ``keys`` are all keys of the step. Returns None if there is nothing to play; what is said instead is written then.
    """
    for name, value in sound_keys.items():
        if not isinstance(value, str):
            context.report.error((*path, name), "shape", f"{name}: must be a text")
            return None
    sound, text = sound_keys.get("sound"), sound_keys.get("text")
    others = [name for name in ("url", "record") if name in keys]
    if sound is not None and others:
        message = f"play: sound and {others[0]} are two things to play"
        context.report.error((*path, others[0]), "verb", message, "write a play for each", key=True)
        return None
    if sound is not None and context.is_static:
        message = "the fallback needs nothing but itself, and this sound comes from this server"
        context.report.error((*path, "sound"), "fallback-not-static", message, "say it, or play the URL of another server")
        return None
    lang = context.voice.get("lang", "")
    context.flow.record_prompt(path, text, lang, sound if sound is not None else str(keys.get("url", "")))
    if sound is not None and not _find_sound(sound, path, context, has_text=bool(text)):
        _write_instead(text, keys, path, context)
        return None
    if sound is not None:
        reason = "the sound comes from this server"
        context.document.dynamic_reasons.setdefault((*path, "sound"), reason)
        attributes["url"] = context.document.add_url_placeholder(context.flow.share_sound_hole(sound))
    return [Error(context.texts.build_say(text, (*path, "text"), context.voice))] if text and "error" not in keys else []


def _find_sound(name: str, path: SourcePath, context: StepContext, *, has_text: bool) -> bool:
    """Return True if a sound can be played. Reports its problems."""
    flow = context.flow
    if not explain_bad_sound_name(name):
        flow.dependencies.add(flow.folder / SOUNDS_FOLDER / name)
    inspection = inspect_sound(flow.folder, name)
    for problem in inspection.problems:
        is_error = problem.is_error and (problem.rule == "sound-name" or not has_text)
        message = f"{problem.message}{': its text is said instead' if problem.is_error and not is_error else ''}"
        report = context.report.error if is_error else context.report.warning
        report((*path, "sound"), problem.rule, message, problem.fix)
    return inspection.is_playable


def _write_instead(text: str | None, keys: Mapping[str, Any], path: SourcePath, context: StepContext) -> None:
    """Write what callers hear instead of a sound that cannot be played: its text, its error steps, or the fallback."""
    if text:
        context.document.write_verbs(context.texts.build_say(text, (*path, "text"), context.voice), path=path)
    elif isinstance(keys.get("error"), list):
        branch = context.compile_branch(keys["error"], (*path, "error"))
        context.document.insert_shared_fragments(branch.document)
    elif not context.skips_missing_sounds and context.next_step_key not in _AUDIBLE_STEPS:
        context.document.ensure_answered()
        fallback = context.render_fallback()
        context.document.add_fragment(fallback, len(fallback), 3)
