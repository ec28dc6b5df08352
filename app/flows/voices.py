"""In which voice something is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.errors import suggestion
from app.flows.verbs import VOICE
from app.language import Say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.flows.places import Path, Report


def voice_of(given: Mapping[str, str], path: Path, report: Report) -> dict[str, str]:
    """The attributes of a Say, but for its text, that an author gives as ``voice``; what is wrong is said, and left out."""
    voice = {}
    for name, value in given.items():
        here = (*path, name)
        if name not in VOICE:
            near = suggestion(name, VOICE) or f"there are {', '.join(VOICE)}"
            report.error(here, "unknown-key", f"voice: there is no {name!r}", near, key=True)
        elif "{{" in value or "{%" in value:
            report.error(here, "template", f"voice: {name}: only texts can change from call to call, not {value!r}")
        else:
            try:
                voice[name] = str(Say.row.attributes[name].kind.read(value))
            except ValueError as error:
                report.error(here, "value", f"voice: {name}: {error}")
    return voice
