"""Who does not want our messages: a pair of a number of ours and one that said STOP to it, until it says START."""

from __future__ import annotations

from typing import Protocol

from app.numbers import e164


class OptOuts(Protocol):
    """Remembers pairs that are opted out.

    ``number`` is ours, ``other`` whoever writes to it; both as ``party`` gives them. ``at`` is when it was said, in seconds
    since 1970: of what is said of a pair the latest counts, in whatever order it comes and however often, and of two at
    the same moment the STOP. What cannot be kept for good raises: a STOP that is not kept must not be acknowledged.
    """

    async def opted_out(self, number: str, other: str) -> bool:
        """Whether nothing may be sent from ``number`` to ``other``."""

    async def opt_out(self, number: str, other: str, at: float) -> bool:
        """Nothing is sent any more; whether that changed anything."""

    async def opt_in(self, number: str, other: str, at: float) -> bool:
        """What is sent may be sent again; whether that changed anything."""


class OptOutsInMemory:
    """Pairs as this process knows them: forgotten with it."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], tuple[float, bool]] = {}

    async def opted_out(self, number: str, other: str) -> bool:
        """As ``OptOuts`` says."""
        return self._said.get((number, other), (0.0, False))[1]

    async def opt_out(self, number: str, other: str, at: float) -> bool:
        """As ``OptOuts`` says."""
        return self._say(number, other, at, out=True)

    async def opt_in(self, number: str, other: str, at: float) -> bool:
        """As ``OptOuts`` says."""
        return self._say(number, other, at, out=False)

    def _say(self, number: str, other: str, at: float, *, out: bool) -> bool:
        last, was = self._said.get((number, other), (float("-inf"), False))
        if (at, out) <= (last, was):
            return False
        self._said[number, other] = (at, out)
        return out != was


class OnceInMemory:
    """What was done, as this process knows it: an ``app.outside.Done``."""

    def __init__(self) -> None:
        self._done: set[tuple[str, str]] = set()

    async def once(self, kind: str, key: str) -> bool:
        """As ``Done`` says."""
        first = (kind, key) not in self._done
        self._done.add((kind, key))
        return first


def party(written: str) -> str:
    """Either side of a message as it is remembered: E.164; a short code or a name as it was written, in small letters."""
    return e164(written) or written.strip().lower()
