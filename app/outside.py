"""What flows cause outside, as data, and the Protocol of whoever does it.

Flows only say what they want; the server does it for real, a rehearsal writes it down.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SMS_CHARACTERS: Final = 918
"""Characters of a text message; documented: 1 to 918."""


@dataclasses.dataclass(frozen=True, slots=True)
class LookupRequest:
    """A question to another server; ``timeout_ms`` is for all of it, ``place`` says which step asks.

    ``into`` is the name under which the flow keeps the answer: a rehearsal answers by it.
    """

    url: str
    method: str
    headers: tuple[tuple[str, str], ...]
    body: str
    timeout_ms: int
    step_path: str
    variable: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class LookupResult:
    """What a lookup gave: plain data or a text; where it is not ``ok``, ``reason`` says why."""

    value: Any
    ok: bool
    status: int | None = None
    reason: str = ""
    duration_ms: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Effect:
    """Something to be done once the answer is on its way; ``key`` is the same however often it is asked for.

    ``before`` is the key that it would have had a while ago, where keys go by time: what was done under it counts too.
    ``confirms``: it confirms a STOP, and is sent though its target wants no messages any more.
    """

    kind: Literal["sms", "notify", "voicemail"]
    key: str
    payload: Mapping[str, Any]
    previous_key: str = ""
    is_stop_confirmation: bool = False


class EffectHandler(Protocol):
    """Does what flows want outside."""

    async def run_lookup(self, request: LookupRequest) -> LookupResult:
        """What another server answers; never raises."""

    def queue_effect(self, effect: Effect) -> None:
        """Take an effect to be done; never waits, never raises."""


class IdempotencyStore(Protocol):
    """Remembers for good, and for all processes of an installation, what was done."""

    async def claim_key(self, kind: str, key: str) -> bool:
        """Whether this is the first time that a key of a kind is asked about; from then on it is not."""
