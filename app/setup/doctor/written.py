"""What flow files say that their compiled flows do not tell any more."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from app.flows.files import read
from app.flows.loader import read_bounded
from app.flows.places import Report

if TYPE_CHECKING:
    from app.flows.book import Flow


@dataclasses.dataclass(frozen=True, slots=True)
class Written:
    """How a file wants the line answered, and whether one of its steps writes texts."""

    auto_answer: str
    texts: bool


def written_in(flow: Flow) -> Written | None:
    """What the file of a flow says; None for a program, and for what cannot be read."""
    file = Path(flow.file)
    if file.suffix == ".py":
        return None
    try:
        said = read(read_bounded(file), Report(flow.file))
    except OSError:
        return None
    return None if said is None else Written(said.auto_answer, _texts(said.model_dump()))


def _texts(value: object) -> bool:
    """Whether a step ``sms`` is among steps, however deep; what merely is named so is none."""
    if isinstance(value, list):
        return any((isinstance(step, dict) and "sms" in step) or _texts(step) for step in value)
    return isinstance(value, dict) and any(map(_texts, value.values()))
