"""What flow files say that their compiled flows do not tell any more."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from app.flows.files import read_flow_file
from app.flows.loader import read_bounded_file
from app.flows.places import ProblemReport

if TYPE_CHECKING:
    from app.flows.book import Flow


@dataclasses.dataclass(frozen=True, slots=True)
class FlowFileFacts:
    """How a file wants the line answered, and whether one of its steps writes texts."""

    auto_answer: str
    sends_sms: bool


def read_flow_file_facts(flow: Flow) -> FlowFileFacts | None:
    """What the file of a flow says; None for a program, and for what cannot be read."""
    file = Path(flow.file)
    if file.suffix == ".py":
        return None
    try:
        said = read_flow_file(read_bounded_file(file), ProblemReport(flow.file))
    except OSError:
        return None
    return None if said is None else FlowFileFacts(said.auto_answer, _contains_sms_step(said.model_dump()))


def _contains_sms_step(value: object) -> bool:
    """Whether a step ``sms`` is among steps, however deep; what merely is named so is none."""
    if isinstance(value, list):
        return any((isinstance(step, dict) and "sms" in step) or _contains_sms_step(step) for step in value)
    return isinstance(value, dict) and any(map(_contains_sms_step, value.values()))
