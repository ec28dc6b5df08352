"""What flows cause outside, as data, and the Protocol of whoever does it.

Flows only say what they want; the server does it for real, a rehearsal writes it down.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_TEXT: Final = 918
"""Characters of a text message; documented: 1 to 918."""


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
    """Something to be done once the answer is on its way; ``key`` is the same however often it is asked for.

    ``before`` is the key that it would have had a while ago, where keys go by time: what was done under it counts too.
    ``confirms``: it confirms a STOP, and is sent though its target wants no messages any more.
    """

    kind: Literal["sms", "notify", "voicemail"]
    key: str
    payload: Mapping[str, Any]
    before: str = ""
    confirms: bool = False


class Effects(Protocol):
    """Does what flows want outside."""

    async def lookup(self, asked: Lookup) -> Found:
        """What another server answers; never raises."""

    def cause(self, effect: Effect) -> None:
        """Take an effect to be done; never waits, never raises."""


class Done(Protocol):
    """Remembers for good, and for all processes of an installation, what was done."""

    async def once(self, kind: str, key: str) -> bool:
        """Whether this is the first time that a key of a kind is asked about; from then on it is not."""
