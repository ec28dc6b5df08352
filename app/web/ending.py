"""When Opentact reports that a call has ended: what was held back until then is done, and what a flow does about it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import structlog

from app.ended import VOICEMAIL, completed
from app.errors import JournalError
from app.flows.missed import after

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.flows.shelf import Shelf
    from app.flows.workshop import Workshop
    from app.happened import Happened
    from app.journal import Journal
    from app.journal.questions import Over
    from app.outside import Effect, Effects, Found, Lookup

ENDS: Final = frozenset({"hangup", "destroyed", "offline"})
"""States of a call that is over."""
SETTLES: Final = 5.0
"""Seconds after which what else is reported of a call is there: events come in any order."""
LONGEST: Final = 4 * 3600.0
"""Seconds after which what waits for the end of a call waits no more: nobody reported it."""
AGAIN: Final = (5.0, 15.0, 60.0, 300.0, *[900.0] * 16)
"""Seconds between attempts while the database is gone, or has nothing of the call yet: four hours."""
_SWEEP: Final = 600.0
_MOST: Final = 100


class Ending:
    """Holds voicemails back until their call is over, and has flows do what they do then. An ``Effects`` itself."""

    def __init__(
        self,
        shelf: Shelf,
        journal: Journal,
        workshop: Workshop,
        outside: Effects,
        *,
        hears: bool,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``hears``: whether anybody reports the end of calls; where nobody does, nothing is held back."""
        self._shelf = shelf
        self._journal = journal
        self._workshop = workshop
        self._outside = outside
        self._hears = hears
        self._sleep = sleep
        self._sweeping: asyncio.Task[None] | None = None
        self._settling: dict[str, tuple[float, asyncio.Task[None]]] = {}

    async def lookup(self, asked: Lookup) -> Found:
        """As the outside does it."""
        return await self._outside.lookup(asked)

    def cause(self, effect: Effect) -> None:
        """Cause an effect now, or when its call is over: the journal has it until then."""
        if not self._hears or effect.kind != VOICEMAIL:
            self._outside.cause(effect)

    async def heard(self, happened: Happened) -> None:
        """Act on the end of a call that came in, once for all replicas."""
        call = happened.call
        uuid = str(call.get("uuid") or "")
        if not uuid or happened.state not in ENDS or call.get("direction") != "in" or call.get("parent"):
            return
        if uuid not in self._settling:
            task = asyncio.create_task(self._settled(uuid))
            self._settling[uuid] = min(happened.at, time.time()), task
            task.add_done_callback(lambda _: self._settling.pop(uuid, None))

    def unfinished(self) -> float | None:
        """When the oldest call ended (seconds since 1970) of those whose end is not acted on yet; None where all are."""
        return min((at for at, _ in self._settling.values()), default=None)

    async def _settled(self, uuid: str) -> None:
        """Wait until what else is reported of a call is written, and do what is to be done then."""
        for wait in (SETTLES, *AGAIN):
            await self._sleep(wait)
            try:
                over = await self._journal.over(uuid)
                if over is None:
                    continue
                if await self._journal.once("ended", uuid):
                    await self._done(over)
            except JournalError:
                continue
            except Exception as error:  # noqa: BLE001 - the end of another call is not to blame
                _log().exception("the end of a call was not acted on", call=uuid, error=type(error).__name__)
            return
        _log().error("the end of a call was not acted on: nothing is known of it", call=uuid)

    async def _done(self, over: Over) -> None:
        for effect in over.held:
            self._outside.cause(completed(effect, over.end))
        flow = self._shelf.newest(over.flow) or self._shelf.book.answering(over.end.to)
        turn = await after(flow, over.end, self._workshop.do) if flow is not None else None
        for effect in turn.effects if turn is not None else ():
            self._outside.cause(effect)

    def start(self) -> None:
        """Begin to look for what waits in vain, in the running loop."""
        if self._hears:
            self._sweeping = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        """End; of calls that have just ended ``unfinished`` told, and they are heard of again."""
        tasks = [*(task for _, task in self._settling.values()), *([self._sweeping] if self._sweeping is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _sweep(self) -> None:
        """Do what waited for an end that nobody reported; not at once, as the database may have to be made."""
        await self._sleep(SETTLES)
        while True:
            try:
                for effect in await self._journal.held(time.time() - LONGEST, _MOST):
                    _log().warning("the end of a call was not reported: its voicemail is told without a recording")
                    self._outside.cause(effect)
            except JournalError as error:
                _log().warning("what waits for the end of calls cannot be found", reason=str(error))
            await self._sleep(_SWEEP)


def _log() -> structlog.typing.FilteringBoundLogger:
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("callflows.ending")
    return log
