"""What flows cause outside, as data, and the Protocol of whoever does it.

Flows only say what they want; the server does it for real, a rehearsal writes it down.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True)
class Lookup:
    """A question to another server; ``timeout_ms`` is for all of it, ``place`` says which step asks.

    ``into`` is the name under which the flow keeps the answer: a rehearsal answers by it.
    """

    url: str
    method: str
    headers: tuple[tuple[str, str], ...]
    body: str
    timeout_ms: int
    place: str
    into: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """What a lookup gave: plain data or a text; where it is not ``ok``, ``reason`` says why."""

    value: Any
    ok: bool
    status: int | None = None
    reason: str = ""
    ms: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Effect:
    """Something to be done once the answer is on its way; ``key`` is the same however often it is asked for."""

    kind: Literal["sms", "notify", "voicemail"]
    key: str
    payload: Mapping[str, Any]


class Effects(Protocol):
    """Does what flows want outside."""

    async def lookup(self, asked: Lookup) -> Found:
        """What another server answers; never raises."""

    def cause(self, effect: Effect) -> None:
        """Take an effect to be done; never waits, never raises."""
