"""Who does not want our messages: a pair of a number of ours and one that said STOP to it, until it says START."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, Protocol

from callflows.telephony.phone_numbers import parse_e164

if TYPE_CHECKING:
    from collections.abc import Mapping


class OptOutRegistry(Protocol):
    """Remembers pairs that are opted out.

    ``number`` is ours, ``other`` whoever writes to it; both as ``party`` gives them. ``at`` is when it was said, in seconds
    since 1970: of what is said of a pair the latest counts, in whatever order it comes and however often, and of two at
    the same moment the STOP. What cannot be kept for good raises: a STOP that is not kept must not be acknowledged.
    """

    async def is_opted_out(self, number: str, other_party: str) -> bool:
        """Whether nothing may be sent from ``number`` to ``other``."""

    async def opt_out(self, number: str, other_party: str, timestamp: float) -> bool:
        """Nothing is sent any more; whether that changed anything."""

    async def opt_in(self, number: str, other_party: str, timestamp: float) -> bool:
        """What is sent may be sent again; whether that changed anything."""


class InMemoryOptOuts:
    """Pairs as this process knows them: forgotten with it."""

    def __init__(self) -> None:
        self._latest_requests: dict[tuple[str, str], tuple[float, bool]] = {}

    async def is_opted_out(self, number: str, other_party: str) -> bool:
        """As ``OptOuts`` says."""
        return self._latest_requests.get((number, other_party), (0.0, False))[1]

    async def opt_out(self, number: str, other_party: str, timestamp: float) -> bool:
        """As ``OptOuts`` says."""
        return self._record_request(number, other_party, timestamp, opts_out=True)

    async def opt_in(self, number: str, other_party: str, timestamp: float) -> bool:
        """As ``OptOuts`` says."""
        return self._record_request(number, other_party, timestamp, opts_out=False)

    def _record_request(self, number: str, other_party: str, timestamp: float, *, opts_out: bool) -> bool:
        last, was = self._latest_requests.get((number, other_party), (float("-inf"), False))
        if (timestamp, opts_out) <= (last, was):
            return False
        self._latest_requests[number, other_party] = (timestamp, opts_out)
        return opts_out != was


class InMemoryIdempotencyStore:
    """What was done, as this process knows it: an ``callflows.telephony.ports.Done``."""

    def __init__(self) -> None:
        self._claimed_keys: set[tuple[str, str]] = set()

    async def claim_key(self, kind: str, key: str) -> bool:
        """As ``Done`` says."""
        first = (kind, key) not in self._claimed_keys
        self._claimed_keys.add((kind, key))
        return first


def normalize_party(text: str) -> str:
    """Either side of a message as it is remembered: E.164; a short code or a name as it was written, in small letters."""
    return parse_e164(text) or text.strip().lower()


# What flows cause outside, as data, and the Protocol of whoever does it.
#
# Flows only say what they want; the server does it for real, a rehearsal writes it down.


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
