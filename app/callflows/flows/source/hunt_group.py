"""The hunt groups of a flow file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pydantic

from callflows.flows.source.shape_validation import UNREADABLE_TEXT
from callflows.flows.source.source_values import NonEmptyTextList, RingingMs
from callflows.language.plausible_durations import RINGING_DURATION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.language.plausible_durations import PlausibleDuration


class HuntGroup(pydantic.BaseModel):
    """A hunt group of a file: whom to ring, and how."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    instead: ClassVar[Mapping[str, Any]] = {"to": UNREADABLE_TEXT}
    plausible_durations: ClassVar[Mapping[str, PlausibleDuration]] = {"timeout": RINGING_DURATION}
    to: NonEmptyTextList = pydantic.Field(description="Whom to ring: numbers, SIP addresses, groups of this file.")
    ring: Literal["at-once", "in-turn"] = pydantic.Field("at-once", description="All at once, or one after the other.")
    timeout: RingingMs | None = pydantic.Field(None, description="How long to ring.")
