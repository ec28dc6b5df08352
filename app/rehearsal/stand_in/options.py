"""How a stand-in is set up."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

from app.language.dialects import NO_EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from app.language import Extensions


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
