"""Webhooks, signed as Standard Webhooks says, sent until somebody takes them: after the answer, never before it.

Each waits on its own, so that a server which is slow or away holds up nobody else's. The id stays the same on every
attempt: a receiver knows by it what it has already.
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import json
import random
import time
from typing import TYPE_CHECKING, Final

from app.errors import OutsideError, RefusedURL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import httpx

    from app.effects.wire import Answer, Wire
    from app.outside import Effect

WAITS: Final = (5.0, 15.0, 45.0, 150.0, 360.0)
"""Seconds before each further attempt, give or take a fifth: six attempts in about ten minutes."""
LONGEST_WAIT: Final = 900.0
"""Seconds: a server that wants to be left alone for longer is not asked again."""
_SECONDS: Final = 10.0
_LARGEST_ANSWER: Final = 65_536
_LARGEST: Final = 262_144
_LATER: Final = frozenset({408, 409, 425, 429})
_GONE: Final = 410
_BROKEN: Final = 500


class Webhooks:
    """Sends webhooks over the wire that ``ready`` gives; without keys they are not signed.

    ``pause`` waits some seconds and says whether there is another attempt; ``clock`` gives seconds since 1970, ``chance`` a
    number from 0 to 1.
    """

    def __init__(
        self,
        ready: Callable[[], Awaitable[Wire]],
        keys: Sequence[str],
        pause: Callable[[float], Awaitable[bool]],
        *,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._ready = ready
        self._keys = tuple(map(_secret, keys))
        self._pause = pause
        self._clock = clock
        self._chance = chance

    async def send(self, effect: Effect) -> None:
        """Send a webhook (``url`` and ``body`` of its payload) as often as it needs.

        Raises OutsideError with the reason for which it was given up.
        """
        body = _written(effect.payload.get("body", {}))
        wire = await self._ready()
        url = wire.url(str(effect.payload.get("url", "")))
        name = identity(effect.key)
        for wait in (*WAITS, None):
            reason, after = await self._attempt(wire, url, name, body)
            if not reason:
                return
            if wait is None or after > LONGEST_WAIT:
                raise OutsideError(reason)
            if not await self._pause(max(after, wait * (0.8 + 0.4 * self._chance()))):
                raise OutsideError(f"{reason}; the server stops")

    async def _attempt(self, wire: Wire, url: httpx.URL, name: str, body: bytes) -> tuple[str, float]:
        """Why it has to be tried again, or nothing; and the seconds that the server wants to be left alone.

        Raises OutsideError where it makes no sense to try again.
        """
        try:
            async with wire.lane(url.host):
                headers = self._headers(name, body)
                answer = await wire.ask("POST", url, headers, body, most=_LARGEST_ANSWER, seconds=_SECONDS)
        except RefusedURL:
            raise
        except OutsideError as error:
            return str(error), 0.0
        if answer.fine:
            return "", 0.0
        if answer.status < _BROKEN and answer.status not in _LATER:
            raise OutsideError(_final(answer.status))
        return f"status {answer.status}", self._wanted(answer)

    def _headers(self, name: str, body: bytes) -> dict[str, bytes]:
        at = str(int(self._clock()))
        headers = {
            "content-type": b"application/json",
            "user-agent": b"callflows",
            "accept-encoding": b"identity",
            "webhook-id": name.encode(),
            "webhook-timestamp": at.encode(),
        }
        if self._keys:
            headers["webhook-signature"] = b" ".join(_signed(key, name, at, body) for key in self._keys)
        return headers

    def _wanted(self, answer: Answer) -> float:
        """Seconds of a Retry-After, which are a number or a moment."""
        said = answer.headers.get("retry-after", "").strip()
        if said.isascii() and said.isdecimal():
            return float(said[:12])
        try:
            return max(0.0, email.utils.parsedate_to_datetime(said).timestamp() - self._clock())
        except (TypeError, ValueError, OverflowError):
            return 0.0


def identity(key: str) -> str:
    """The ``webhook-id`` of an effect, which says nothing of its call."""
    return f"msg_{hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()[:32]}"


def _written(body: object) -> bytes:
    try:
        written = json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError):
        raise RefusedURL("its payload is no JSON") from None
    if len(written) > _LARGEST:
        raise RefusedURL(f"its payload is larger than {_LARGEST} bytes")
    return written


def _final(status: int) -> str:
    if status == _GONE:
        return "status 410: nobody wants it any more"
    if 300 <= status < 400:  # noqa: PLR2004 - the class of HTTP
        return f"status {status}: it redirects; name the URL that it redirects to"
    return f"status {status}"


def _secret(key: str) -> bytes:
    return base64.b64decode(key.removeprefix("whsec_"))


def _signed(key: bytes, name: str, at: str, body: bytes) -> bytes:
    """A signature of the first version: over the id, the time and the body."""
    made = hmac.digest(key, f"{name}.{at}.".encode() + body, "sha256")
    return b"v1," + base64.b64encode(made)
