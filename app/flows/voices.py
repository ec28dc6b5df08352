"""In which voice something is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.errors import format_suggestion
from app.flows.verbs import VOICE_ATTRIBUTES
from app.language import Say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.flows.places import ProblemReport, SourcePath


def read_voice_attributes(attributes: Mapping[str, str], path: SourcePath, report: ProblemReport) -> dict[str, str]:
    """The attributes of a Say, but for its text, that an author gives as ``voice``; what is wrong is said, and left out."""
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
