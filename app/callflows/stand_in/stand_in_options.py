"""Options of a stand-in: leased numbers, tokens, pace, and faults for the next events or for a random share."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from callflows.language.dialects import NO_EXTENSIONS
from callflows.opentact.operation_file import DOCUMENTED_TABLE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from callflows.language import Extensions
    from callflows.opentact.operation_file import OperationTable
    from callflows.stand_in.entity_store import IdStream


FaultCount = Annotated[int, Field(ge=0, le=1_000_000)]
FaultShare = Annotated[float, Field(ge=0, le=1)]
FaultKind: TypeAlias = Literal["fail", "limit", "lose", "repeat", "swap", "drop"]


class FaultSettings(BaseModel):
    """Active faults. ``…_next`` is a number of coming requests or events; ``…_share`` is a probability.

    REST: ``slow`` (milliseconds, also for each event), ``fail`` (responds with ``status``), ``limit`` (429 with
    ``Retry-After`` in seconds). Events: ``lose``, ``repeat``, ``swap`` (an event follows the next event), ``drop`` (all
    connections break instead of the event), ``silent`` (connections answer nothing, not even a ping).
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
        """Return True if the fault occurs now; use up one of ``…_next`` first."""
        left: int = getattr(self, f"{kind}_next")
        if left:
            setattr(self, f"{kind}_next", left - 1)
            return True
        share: float = getattr(self, f"{kind}_share")
        return share > 0 and stream.next_fraction() < share


class ImmediateFaults(BaseModel):
    """Faults that occur at once: ``drop`` breaks all connections, ``expire`` invalidates all JWTs."""

    drop: bool = False
    expire: bool = False


IMMEDIATE_FAULT_NAMES = frozenset(ImmediateFaults.model_fields)


# Options


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StandInNumber:
    """A number leased from the beginning. Without ``url``, calls are parked until XML is pushed."""

    number: str
    url: str = ""
    method: Literal["GET", "POST"] = "POST"
    webhook: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StandInOptions:
    """Settings of a stand-in.

    ``token`` is the portal's token; ``token_life`` is the lifetime of a JWT in seconds; ``pace`` accelerates calls.
    ``listing`` is the format of subscription lists, None if unspecified. ``pages`` is the place of ``take`` and ``skip``.
    ``leases`` is the place of a number's messaging profile. ``seed`` makes UUIDs repeatable. ``zone`` is the time zone of
    native Schedule, by default UTC. ``table`` is the operation table.
    """

    numbers: tuple[StandInNumber, ...] = ()
    envelope: Literal["2022", "2024"] = "2024"
    listing: Literal["bare", "envelope"] | None = None
    pages: Literal["query", "body", "both"] = "both"
    leases: Literal["profile", "subscriptions"] = "profile"
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
    table: OperationTable = DOCUMENTED_TABLE
