"""What Opentact reports, whichever way it comes: it is remembered, and what is to be done then is done, once."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import structlog

from app.errors import JournalError
from app.known import Known

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from app.happened import Happened
    from app.journal import Journal

    Act = Callable[[Happened], Awaitable[None]]

AGAIN: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, *[60.0] * 240)
"""Seconds between attempts to act while the database is gone: four hours."""
MOST: Final = 1_000
"""Reports that are acted on at once; of more only what is remembered stays."""
MOST_WAITING: Final = 10_000
"""Reports that wait for the database beside them: they keep no call from being acted on."""


class Hearing:
    """Takes reports. ``acts`` are told of each once in this process; who must not act twice at all asks the journal.

    Where ``first`` cannot act since the database is gone, a webhook is told, that it comes again; whether it does is not
    documented, so they are tried again all the same. Who acts claims that in the database before, so that it is never done
    twice: what a process had claimed and not done yet when it was killed (a document to push, a reply) is not done.
    """

    def __init__(self, journal: Journal, acts: Sequence[Act], first: Sequence[Act] = ()) -> None:
        self._journal = journal
        self._acts = acts
        self._first = first
        self._known = Known()
        self._tasks: dict[asyncio.Task[Any], float] = {}
        self._waiting = 0
        self._lost = 0

    async def written(self, *reports: Happened) -> None:
        """Take reports that are to be safely written when this returns. Raises JournalError where they are not."""
        await self._journal.record_now(*reports)
        gone: JournalError | None = None
        for report in reports:
            try:
                await self._first_of_all(report)
            except JournalError as error:
                gone = gone or error
        if gone is not None:
            raise gone

    async def heard(self, report: Happened) -> None:
        """Take a report that is written soon."""
        self._journal.remember(report)
        self._act(report, [*self._first, *self._acts])

    async def _first_of_all(self, report: Happened) -> None:
        for place, act in enumerate(self._first):
            try:
                await act(report)
            except JournalError:
                self._act(report, [*self._first[place:], *self._acts])
                raise
            except Exception as error:  # noqa: BLE001 - it is written: that others act, and what comes after, matters more
                _broke(report, error)
        self._act(report, self._acts)

    def unfinished(self) -> float | None:
        """When the oldest happened (seconds since 1970) of what is not acted on yet; None where all is."""
        return min(self._tasks.values(), default=None)

    def _act(self, report: Happened, acts: Sequence[Act]) -> None:
        if not acts or report.key in self._known:
            return
        if len(self._tasks) - self._waiting >= MOST:
            self._lost += 1
            if self._lost & (self._lost - 1) == 0:  # the first, second, fourth, eighth, …
                _log().error("too much is reported at once: reports are only remembered", count=self._lost)
            return
        self._known.new(report.key)
        task = asyncio.create_task(self._done(report, acts))
        self._tasks[task] = min(report.at, time.time())
        task.add_done_callback(self._tasks.pop)

    async def _done(self, report: Happened, acts: Sequence[Act]) -> None:
        for act in acts:
            try:
                await self._tried(act, report)
            except Exception as error:  # noqa: BLE001 - others act all the same
                _broke(report, error)

    async def _tried(self, act: Act, report: Happened) -> None:
        """Act, again and again while the database is gone: a STOP must not be forgotten with it."""
        for wait in AGAIN:
            try:
                await act(report)
            except JournalError:
                if self._waiting >= MOST_WAITING:
                    raise
                await self._wait(wait)
            else:
                return
        await act(report)

    async def _wait(self, seconds: float) -> None:
        self._waiting += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._waiting -= 1

    async def stop(self, grace: float) -> None:
        """Finish what is being done, within that many seconds; of the rest ``unfinished`` told, and it is heard again."""
        if self._tasks:
            await asyncio.wait([*self._tasks], timeout=grace)
        for task in [*self._tasks]:
            task.cancel()


def _broke(report: Happened, error: Exception) -> None:
    _log().error("what was reported was not acted on", kind=report.kind, error=type(error).__name__, exc_info=error)


def _log() -> structlog.typing.FilteringBoundLogger:
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("callflows.hearing")
    return log
