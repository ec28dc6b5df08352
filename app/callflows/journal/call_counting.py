"""Counts calls in the database, per caller, flow and day, or in another scope: one count for all workers and replicas.

No caller waits for a slow database: then the call has its number among the calls of this process, and is counted in the
database later.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import time
import uuid
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.errors import JournalError, JournalRejectionError
from callflows.flows.caller_lists.call_counter import InMemoryCallCounter
from callflows.journal.call_count_store import CountedCall, digest_caller
from callflows.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from callflows.journal.journal_queries import JournalQueries


_LOG: Final = get_logger("calls")
COUNT_TIMEOUT_SECONDS: Final = 0.4
MAX_UNCOUNTED_CALLS: Final = 20_000
"""Calls that wait for the database; beyond, the oldest are not counted there."""
COUNT_MEMORY_SECONDS: Final = 3 * 86_400.0
"""Time for which the database knows a call: longer than a day in any time zone."""
_CALLS_PER_TRANSACTION: Final = 500
_RETRY_SECONDS: Final = 1.0
_ERASURE_INTERVAL_SECONDS: Final = 3600.0


class _WaitingCall(NamedTuple):
    call: CountedCall
    number: asyncio.Future[int | None]
    """The number of the call; None if the database does not answer."""


class SharedCallCounter:
    """A ``CallCounter`` in the journal's database, with a fallback in memory. Not thread-safe."""

    def __init__(self, journal: JournalQueries, timeout_seconds: float = COUNT_TIMEOUT_SECONDS) -> None:
        """``timeout_seconds`` is the longest wait of a caller for the count."""
        self._journal = journal
        self._timeout_seconds = timeout_seconds
        self._memory = InMemoryCallCounter()
        self._waiting: collections.deque[_WaitingCall] = collections.deque(maxlen=MAX_UNCOUNTED_CALLS)
        self._counting: asyncio.Task[None] | None = None
        self._batch_began_at = float("inf")
        self._is_failing = False
        self._erased_at = float("-inf")

    def start(self) -> None:
        """Connect to the database in the running loop, so that the first caller does not wait for it."""
        self._counting = asyncio.create_task(self._connect())

    async def _connect(self) -> None:
        with contextlib.suppress(JournalError):  # the tables may still have to be created
            await self._erase_old_counts()
        await self._count_waiting_calls()

    async def count_call(self, flow: str, caller: str, day: date, call: str = "") -> int:
        """See ``CallCounter``."""
        here = self._memory.count_in_memory(flow, caller, day, call)
        if not caller:
            return here
        number = await self.count_in_scope(f"{day}/{flow}", caller, call)
        if number is None:
            return here
        self._memory.correct_count(flow, caller, day, call, number)
        return number

    async def count_in_scope(self, scope: str, party: str, key: str) -> int | None:
        """Return the number of a call among those of a party in a scope, of all processes and replicas.

        None if the database does not answer in time: then the call is counted later. A repeated ``key`` has its number
        again; an empty one is no repetition.
        """
        counted = CountedCall(f"{digest_caller(party)}/{scope}", key or uuid.uuid4().hex, time.time())
        waiting = _WaitingCall(counted, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._counting is None or self._counting.done():
            self._counting = asyncio.create_task(self._count_waiting_calls())
        if self._is_database_slow():
            return None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_seconds):
                return await asyncio.shield(waiting.number)
        return None

    def _is_database_slow(self) -> bool:
        return self._is_failing or time.monotonic() - self._batch_began_at > self._timeout_seconds

    async def _count_waiting_calls(self) -> None:
        """Count waiting calls until none is left: those that come meanwhile in one transaction."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _CALLS_PER_TRANSACTION))]
            self._batch_began_at = time.monotonic()
            try:
                numbers: Sequence[int | None] = await self._journal.count_calls([waiting.call for waiting in batch])
                self._set_failing(is_failing=False)
                await self._erase_old_counts()
            except JournalRejectionError as error:
                _LOG.error("calls cannot be counted", reason=str(error))
                numbers = [None] * len(batch)
            except JournalError as error:
                self._set_failing(is_failing=True, reason=str(error))
                numbers = [None] * len(batch)
                room = MAX_UNCOUNTED_CALLS - len(self._waiting)
                self._waiting.extendleft(reversed(batch[-room:] if room else []))
            finally:
                self._batch_began_at = float("inf")
            for waiting, number in zip(batch, numbers, strict=True):
                if not waiting.number.done():
                    waiting.number.set_result(number)
            if self._is_failing:
                await asyncio.sleep(_RETRY_SECONDS)

    def _set_failing(self, *, is_failing: bool, reason: str = "") -> None:
        if is_failing and not self._is_failing:
            _LOG.warning("calls are counted in the memory of each process until the database is back", reason=reason)
        self._is_failing = is_failing

    async def _erase_old_counts(self) -> None:
        now = time.time()
        if abs(now - self._erased_at) > _ERASURE_INTERVAL_SECONDS:
            self._erased_at = now
            await self._journal.erase_counts_before(now - COUNT_MEMORY_SECONDS)

    async def stop(self, grace_seconds: float) -> None:
        """Count what waits within ``grace_seconds``."""
        if self._counting is not None and not self._counting.done():
            await asyncio.wait([self._counting], timeout=grace_seconds)
            self._counting.cancel()
