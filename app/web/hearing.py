"""What Opentact reports, whichever way it comes: it is remembered, and what is to be done then is done, once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import structlog

from app.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from app.happened import Happened
    from app.journal import Journal

    Act = Callable[[Happened], Awaitable[None]]

KNOWN: Final = 20_000
"""Reports that are known by their keys: the same one comes by several ways, and more than once."""
AGAIN: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0)
"""Seconds between attempts to act while the database is gone."""
MOST: Final = 1_000
"""Reports that are acted on at once; of more only what is remembered stays."""


class Hearing:
    """Takes reports. ``acts`` are told of each once in this process; who must not act twice at all asks the journal.

    What ``first`` raise, a webhook is told: what they do is as much to be relied on as what is written.
    """

    def __init__(self, journal: Journal, acts: Sequence[Act], first: Sequence[Act] = ()) -> None:
        self._journal = journal
        self._acts = acts
        self._first = first
        self._known: dict[str, None] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._lost = 0

    async def written(self, *reports: Happened) -> None:
        """Take reports that are to be safely written when this returns. Raises JournalError where they are not."""
        await self._journal.record_now(*reports)
        for report in reports:
            for act in self._first:
                await act(report)
            self._act(report, self._acts)

    async def heard(self, report: Happened) -> None:
        """Take a report that is written soon."""
        self._journal.remember(report)
        self._act(report, [*self._first, *self._acts])

    def _act(self, report: Happened, acts: Sequence[Act]) -> None:
        if not acts or report.key in self._known:
            return
        if len(self._tasks) >= MOST:
            self._lost += 1
            if self._lost & (self._lost - 1) == 0:  # the first, second, fourth, eighth, …
                _log().error("too much is reported at once: reports are only remembered", count=self._lost)
            return
        self._known[report.key] = None
        if len(self._known) > KNOWN:
            del self._known[next(iter(self._known))]
        task = asyncio.create_task(self._done(report, acts))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _done(self, report: Happened, acts: Sequence[Act]) -> None:
        for act in acts:
            try:
                await self._tried(act, report)
            except Exception as error:  # noqa: BLE001 - others act all the same
                _log().exception("what was reported was not acted on", kind=report.kind, error=type(error).__name__)

    async def _tried(self, act: Act, report: Happened) -> None:
        """Act, again and again while the database is gone: a STOP must not be forgotten with it."""
        for wait in AGAIN:
            try:
                await act(report)
            except JournalError:
                await asyncio.sleep(wait)
            else:
                return
        await act(report)

    async def stop(self, grace: float) -> None:
        """Finish what is being done, within that many seconds."""
        if self._tasks:
            await asyncio.wait([*self._tasks], timeout=grace)
        for task in [*self._tasks]:
            task.cancel()


def _log() -> structlog.typing.FilteringBoundLogger:
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("callflows.hearing")
    return log
