"""Reads the voice of spoken texts: the attributes of a Say under ``voice``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from callflows.flows.source.prompt_shape import LANGUAGE_NAME_PATTERN
from callflows.language.attribute_doubts import find_language_doubts
from callflows.language.verbs import Say
from callflows.text import format_suggestion, split_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.flows.source.positions import ProblemReport, SourcePath


VOICE_ATTRIBUTES: Final = tuple(name for name in Say.spec.attributes if name not in ("text", "loop", "tag"))
"""Attributes of a Say for which a file may set defaults."""


def read_language_voices(
    languages: Mapping[str, Any], file_voice: Mapping[str, str], report: ProblemReport
) -> dict[str, dict[str, str]]:
    """Read the voices under ``languages``. Technology and gender of the file's voice hold in every language."""
    shared = {name: value for name, value in file_voice.items() if name in ("type", "gender")}
    voices = {}
    for name, voice in languages.items():
        path = ("languages", name)
        if not LANGUAGE_NAME_PATTERN.fullmatch(name):
            message = f"languages: {name!r} is not the name of a language"
            report.error(path, "value", message, "use its code, as en, es or pt-BR", key=True)
            continue
        attributes = {"lang": voice or name} if isinstance(voice, str) else voice
        if not isinstance(attributes, dict) or not all(isinstance(value, str) for value in attributes.values()):
            report.error(path, "shape", f"{name}: must be a language tag, or a voice", "as es: {lang: es-US, gender: MALE}")
            continue
        voices[name] = {"lang": name, **shared, **read_voice_attributes(attributes, path, report)}
    return voices


def read_voice_attributes(attributes: Mapping[str, str], path: SourcePath, report: ProblemReport) -> dict[str, str]:
    """Read the attributes of a Say (except the text) under ``voice``. Reports and drops invalid attributes."""
    voice = {}
    for name, value in attributes.items():
        here = (*path, name)
        if name not in VOICE_ATTRIBUTES:
            near = format_suggestion(name, VOICE_ATTRIBUTES) or f"there are {', '.join(VOICE_ATTRIBUTES)}"
            report.error(here, "unknown-key", f"voice: there is no {name!r}", near, key=True)
        elif "{{" in value or "{%" in value:
            report.error(here, "template", f"voice: {name}: only texts can change from call to call, not {value!r}")
        else:
            try:
                voice[name] = str(Say.spec.attributes[name].kind.parse_text(value))
            except ValueError as error:
                message, fix = split_error(error)
                report.error(here, "value", f"voice: {name}: {message}", fix)
                continue
            for doubt in find_language_doubts(value) if name == "lang" else ():
                report.warning(here, doubt.rule, doubt.message, doubt.fix)
    return voice
