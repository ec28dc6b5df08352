"""What the journal is asked. Each question waits for the database in a thread, and raises StoreGone where it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from app.ended import VOICEMAIL
from app.errors import StoreGone
from app.journal.ends import ended_of, held_of
from app.journal.story import row_of, story_of
from app.known import Known

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.ended import Ended
    from app.journal.store import Filter, Lease, Store
    from app.outside import Effect

T = TypeVar("T")
THREADS: Final = 8
PATIENCE: Final = 1.0
"""Seconds for which it is asked whether something was done, where that must not wait."""


class Over(NamedTuple):
    """A call that has ended; ``held`` are effects that waited for that."""

    flow: str
    end: Ended
    held: list[Effect]


class Reading:
    """Asks a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._done_here = Known()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="journal-asked")

    async def _asked(self, question: Callable[..., T], *given: Any) -> T:  # noqa: ANN401 - as the question has them
        """Ask in a thread of the journal's own: a database that is slow holds up nobody else's."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, functools.partial(question, *given))

    async def calls(self, wanted: Filter) -> list[dict[str, Any]]:
        """Rows of the call log, the newest first. Raises StoreGone."""
        return await self._asked(lambda: [row_of(call) for call in self._store.calls(wanted)])

    async def story(self, call: str) -> dict[str, Any] | None:
        """All that happened in a call, in order; None where there is none of that id. Raises StoreGone."""
        told = await self._asked(self._store.told, call)
        return None if told is None else story_of(told)

    async def once(self, kind: str, key: str) -> bool:
        """Whether nobody did something yet: true for one who asks, of all processes and restarts. Raises StoreGone."""
        return await self._asked(self._store.claim, kind, key, time.time())

    async def once_or_here(self, kind: str, key: str) -> bool:
        """As ``once``; where the database is gone, whether nobody in this process did it yet."""
        first = self._done_here.new((kind, key))
        with contextlib.suppress(StoreGone, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                return first and await self.once(kind, key)
        return first

    async def opted_out(self, number: str, other: str) -> bool:
        """As ``app.consent.OptOuts``. Raises StoreGone."""
        return await self._asked(self._store.opted_out, number, other)

    async def opt_out(self, number: str, other: str, at: float) -> bool:
        """As ``app.consent.OptOuts``. Raises StoreGone."""
        return await self._asked(functools.partial(self._store.opt, number, other, at, out=True))

    async def opt_in(self, number: str, other: str, at: float) -> bool:
        """As ``app.consent.OptOuts``. Raises StoreGone."""
        return await self._asked(functools.partial(self._store.opt, number, other, at, out=False))

    async def over(self, call: str) -> Over | None:
        """A call that has ended: its flow, its end, and the effects of a kind that wait for it. Raises StoreGone."""
        told = await self._asked(self._store.told, call)
        if told is None:
            return None
        return Over(told.call["flow"] or "", ended_of(told), held_of(told.effects, VOICEMAIL))

    async def held(self, before: float, most: int) -> list[Effect]:
        """Effects that waited for the end of a call since before a moment. Raises StoreGone."""
        rows = await self._asked(self._store.held, VOICEMAIL, before, most)
        return held_of(rows, VOICEMAIL)

    async def hold(self, name: str, holder: str, seconds: float, mark: float | None = None) -> bool:
        """Whether a lease is this holder's for the next seconds; what one of several replicas does. Raises StoreGone.

        ``mark`` is kept with it: a moment up to which that is done.
        """
        return await self._asked(self._store.hold, name, holder, time.time(), seconds, mark)

    async def lease(self, name: str) -> Lease | None:
        """Who held a lease last, and its mark; None where nobody ever did. Raises StoreGone."""
        return await self._asked(self._store.lease, name)
