"""Faults on demand: what goes wrong with REST and with events, for the next ones or for a share of them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from callflows.language.dialects import NO_EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from callflows.language import Extensions
    from callflows.stand_in.entity_store import IdStream


FaultCount = Annotated[int, Field(ge=0, le=1_000_000)]


FaultShare = Annotated[float, Field(ge=0, le=1)]


FaultKind: TypeAlias = Literal["fail", "limit", "lose", "repeat", "swap", "drop"]


class FaultSettings(BaseModel):
    """What goes wrong. ``…_next``: so many from now on; ``…_share``: by chance.

    REST: ``slow`` (milliseconds, also of each event), ``fail`` (answers ``status``), ``limit`` (429 with ``Retry-After``
    seconds). Events: ``lose``, ``repeat``, ``swap`` (an event comes behind the next one), ``drop`` (all connections break
    instead of it), ``silent`` (connections answer nothing, not even a ping).
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    slow: Annotated[int, Field(ge=0, le=600_000)] = 0
    fail_next: FaultCount = 0
    fail_share: FaultShare = 0.0
    status: Annotated[int, Field(ge=400, le=599)] = 500
    limit_next: FaultCount = 0
    limit_share: FaultShare = 0.0
    retry_after: Annotated[int, Field(ge=0, le=3600)] = 1
    lose_next: FaultCount = 0
    lose_share: FaultShare = 0.0
    repeat_next: FaultCount = 0
    repeat_share: FaultShare = 0.0
    swap_next: FaultCount = 0
    swap_share: FaultShare = 0.0
    drop_next: FaultCount = 0
    drop_share: FaultShare = 0.0
    silent: bool = False

    def take_fault(self, kind: FaultKind, stream: IdStream) -> bool:
        """Whether this goes wrong now."""
        left: int = getattr(self, f"{kind}_next")
        if left:
            setattr(self, f"{kind}_next", left - 1)
            return True
        share: float = getattr(self, f"{kind}_share")
        return share > 0 and stream.next_fraction() < share


class ImmediateFaults(BaseModel):
    """What goes wrong at this moment: ``drop`` breaks all connections, ``expire`` ends all JWTs."""

    drop: bool = False
    expire: bool = False


IMMEDIATE_FAULT_NAMES = frozenset(ImmediateFaults.model_fields)


# How a stand-in is set up.


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StandInNumber:
    """A number that is leased from the beginning. Without ``url`` its calls are parked until XML is pushed."""

    number: str
    url: str = ""
    method: Literal["GET", "POST"] = "POST"
    webhook: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StandInOptions:
    """``token`` is that of the portal, ``token_life`` that of a JWT in seconds; ``pace`` says how much quicker calls run.

    ``listing``: how event subscriptions are listed; None where that is not chosen. ``seed`` makes identities repeatable.
    ``zone`` is that of native Schedule; None: UTC.
    """

    numbers: tuple[StandInNumber, ...] = ()
    envelope: Literal["2022", "2024"] = "2024"
    listing: Literal["bare", "envelope"] | None = None
    pace: float = 20.0
    token: str = "a-token-of-the-portal"  # noqa: S105 - of an imitation on loopback
    email: str = "owner@example.com"
    password: str = "a-password"  # noqa: S105 - as above
    token_life: int = 24 * 3600
    balance: float = 100.0
    seed: str = ""
    strict: bool = False
    faults: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    extensions: Extensions = NO_EXTENSIONS
    zone: ZoneInfo | None = None
