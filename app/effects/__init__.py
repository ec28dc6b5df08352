"""What flows cause outside, done for real: lookups while a caller waits; messages and webhooks after the answer.

``Live`` is the ``Effects`` of ``app.outside``. What reaches the network, and httpx with it, is loaded when a flow first
needs it.
"""

from __future__ import annotations

import asyncio
import collections
from typing import TYPE_CHECKING, Final

import structlog

from app.consent import party
from app.effects.guard import Guard
from app.effects.lookups import found
from app.effects.outbox import Outbox
from app.effects.webhooks import Webhooks
from app.errors import OptedOut, OutsideError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from app.consent import OptOuts
    from app.effects.guard import Resolve
    from app.effects.wire import Wire
    from app.happened import Settled
    from app.outside import Done, Effect, Found, Lookup
    from app.settings import Network

__all__ = ["Live"]

_LOOKUPS: Final = (256, 32)
_WEBHOOKS: Final = (64, 4)
"""Connections at once, and to one host."""
_SMS_SECONDS: Final = 30.0


class Live:
    """The outside.

    ``private`` are networks of the house that may be reached all the same; ``keys`` (``whsec_…``) sign webhooks, and
    without one they are not signed; ``sms`` sends a message and raises where it cannot, ``optouts`` knows who wants none;
    ``done`` knows what any process did before, ``settled`` is told what became of each effect.
    ``resolve``, ``tls`` and ``sleep`` take the place of the machine's resolver, of the certificates that are trusted, and
    of waiting between attempts.
    """

    def __init__(
        self,
        private: Sequence[Network] = (),
        keys: Sequence[str] = (),
        *,
        sms: Callable[[Effect], Awaitable[None]] | None = None,
        optouts: OptOuts | None = None,
        done: Done | None = None,
        settled: Callable[[Settled], None] | None = None,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._guard = Guard(private, resolve)
        self._tls = tls
        self._sms = sms
        self._optouts = optouts
        self._signed = bool(keys)
        self._outbox = Outbox(self._do, sleep, settled, done)
        self._webhooks = Webhooks(self._telling, keys, self._outbox.pause)
        self._lookups: collections.Counter[tuple[str, str]] = collections.Counter()
        self._opening: asyncio.Task[tuple[Wire, Wire]] | None = None

    async def lookup(self, asked: Lookup) -> Found:
        """The answer to a question; never raises but when it is cancelled, and is there within the question's time."""
        result = await found(self._asking, asked)
        self._lookups["lookup", "ok" if result.ok else "failed"] += 1
        if not result.ok:
            _log().warning("lookup failed", place=asked.place, reason=result.reason, ms=result.ms)
        return result

    def cause(self, effect: Effect) -> None:
        """Have something happen soon; never waits, never raises, from any thread.

        An effect whose key was caused before is not caused again. What does not fit is dropped, counted and logged.
        """
        self._outbox.cause(effect)

    def counts(self) -> Mapping[tuple[str, str], int]:
        """What became of effects (``sent, failed, refused, dropped, repeated``) and lookups (``ok, failed``), by kind."""
        return {**self._outbox.counts(), **self._lookups}

    async def start(self) -> None:
        """Begin to do what was and is caused, in the running loop."""
        self._outbox.start()

    async def ready(self) -> None:
        """Load what reaches the network; worth while where a flow needs it, so that its first caller does not wait."""
        await self._opened()

    async def stop(self, grace: float) -> None:
        """Do what waits, as far as it can be done in ``grace`` seconds; the rest is dropped, counted and logged."""
        await self._outbox.stop(grace)
        if self._opening is not None:
            for wire in await self._opening:
                await wire.close()

    async def _opened(self) -> tuple[Wire, Wire]:
        """The wires of lookups and of webhooks, which do not wait for one another."""
        if self._opening is None:
            self._opening = asyncio.create_task(asyncio.to_thread(self._open))
        return await asyncio.shield(self._opening)

    def _open(self) -> tuple[Wire, Wire]:
        from app.effects.wire import Wire  # noqa: PLC0415 - loads httpx, and most installations do without

        asking, telling = (Wire(self._guard, *bounds, tls=self._tls) for bounds in (_LOOKUPS, _WEBHOOKS))
        return asking, telling

    async def _asking(self) -> Wire:
        return (await self._opened())[0]

    async def _telling(self) -> Wire:
        return (await self._opened())[1]

    async def _do(self, effect: Effect) -> None:
        """An effect. Raises OutsideError with the reason for which it did not happen."""
        if effect.kind == "sms":
            await self._text(effect)
            return
        if not self._signed:
            self._signed = True
            _log().warning("webhooks are not signed: CALLFLOWS_NOTIFY_KEY is not set")
        await self._webhooks.send(effect)

    async def _text(self, effect: Effect) -> None:
        number, to = (party(str(effect.payload.get(side, ""))) for side in ("from", "to"))
        if self._optouts is not None and not effect.confirms and await self._optouts.opted_out(number, to):
            raise OptedOut(f"{to} said STOP to {number}, and wants no messages from it")
        if self._sms is None:
            raise OutsideError(f"messages cannot be sent by this installation (to {to})")
        async with asyncio.timeout(_SMS_SECONDS):
            await self._sms(effect)


def _log() -> structlog.typing.FilteringBoundLogger:
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("callflows.effects")
    return log
