"""Who does not want our messages: a pair of a number of ours and one that said STOP to it, until it says START."""

from __future__ import annotations

from typing import Protocol

from app.numbers import parse_e164


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
    """What was done, as this process knows it: an ``app.outside.Done``."""

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
