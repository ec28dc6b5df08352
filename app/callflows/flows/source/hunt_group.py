"""The hunt groups of a flow file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pydantic

from callflows.flows.source.shape_validation import UNREADABLE_TEXT
from callflows.flows.source.source_values import DurationMs, NonEmptyTextList

if TYPE_CHECKING:
    from collections.abc import Mapping


class HuntGroup(pydantic.BaseModel):
    """A hunt group of a file: whom to ring, and how."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    instead: ClassVar[Mapping[str, Any]] = {"to": UNREADABLE_TEXT}
    to: NonEmptyTextList = pydantic.Field(description="Whom to ring: numbers, SIP addresses, groups of this file.")
    ring: Literal["at-once", "in-turn"] = pydantic.Field("at-once", description="All at once, or one after the other.")
    timeout: DurationMs | None = pydantic.Field(None, description="How long to ring.")
