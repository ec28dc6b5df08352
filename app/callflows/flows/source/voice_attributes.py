"""Reads the voice of spoken texts: the attributes of a Say under ``voice``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callflows.language.verbs import Say
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.flows.source.positions import ProblemReport, SourcePath


VOICE_ATTRIBUTES: Final = tuple(name for name in Say.spec.attributes if name not in ("text", "loop", "tag"))
"""Attributes of a Say for which a file may set defaults."""


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
                report.error(here, "value", f"voice: {name}: {error}")
    return voice
