"""Limits of calls per caller and per number. A call beyond a limit gets the flow's fallback, which costs almost nothing.

Nobody hears silence: a flood of calls, from one caller or to one number, starts no lookups, programs, texts and webhooks,
and other callers are answered as before. Each process counts first by itself, and refuses what it knows to be beyond a
limit, so that a flood does not reach the database. Several processes count the other calls together there.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, Protocol

from callflows.errors import CallLimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_WINDOW_SECONDS: Final = 60.0
MAX_COUNTED_CALLERS: Final = 100_000
"""Maximum number of callers and numbers counted within a minute; the limits of others begin with the next minute."""


class ScopeCounter(Protocol):
    """Counts calls for all processes together."""

    async def count_in_scope(self, scope: str, party: str, key: str) -> int | None:
        """Return the number of a call among those of a party in a scope; None if nobody can tell in time."""


class CallLimits:
    """Counts the calls of this minute. A limit of None counts nothing. A repeated request of a call is one call."""

    def __init__(
        self,
        calls_per_caller: int | None,
        calls_per_number: int | None,
        get_time: Callable[[], float] = time.monotonic,
        shared_counter: ScopeCounter | None = None,
    ) -> None:
        """``shared_counter`` is None if there are no other processes."""
        self.are_set = calls_per_caller is not None or calls_per_number is not None
        self.are_shared = self.are_set and shared_counter is not None
        self._shared_counter = shared_counter
        self._limits = (("caller", calls_per_caller), ("number", calls_per_number))
        self._get_time = get_time
        self._window_end = 0.0
        self._counts: dict[tuple[str, str], int] = {}
        self._known_calls: dict[str, CallLimitError | None] = {}

    def count_call(self, caller: str, number: str, call: str = "") -> None:
        """Count a call in this process. Raises CallLimitError beyond a limit.

        An anonymous caller, whose number is empty, has no limit. ``call`` is the id of Opentact, or empty.
        """
        now = self._get_time()
        if now >= self._window_end:
            self._window_end = now + _WINDOW_SECONDS
            self._counts.clear()
            self._known_calls.clear()
        refusal = self._known_calls[call] if call in self._known_calls else self._count_new_call(caller, number)
        if call and len(self._known_calls) < MAX_COUNTED_CALLERS:
            self._known_calls[call] = refusal
        if refusal is not None:
            raise refusal.with_traceback(None)

    def _count_new_call(self, caller: str, number: str) -> CallLimitError | None:
        for kind, limit, value in self._list_limits(caller, number):
            key = (kind, value)
            count = self._counts.get(key, 0) + 1
            if count == 1 and len(self._counts) >= MAX_COUNTED_CALLERS:
                continue
            self._counts[key] = count
            if count > limit:
                return _build_error(kind, limit)
        return None

    async def count_shared_call(self, caller: str, number: str, call: str, minute: int) -> None:
        """Count a call among those of all processes. Raises CallLimitError beyond a limit.

        ``call`` identifies the call, and ``minute`` is the minute since 1970.
        """
        counter = self._shared_counter
        if counter is None:
            return
        limits = [*self._list_limits(caller, number)]
        counts = await asyncio.gather(
            *(counter.count_in_scope(f"{kind} limit/{minute}", value, call) for kind, _, value in limits)
        )
        for (kind, limit, _), count in zip(limits, counts, strict=True):
            if count is not None and count > limit:
                raise _build_error(kind, limit)

    def _list_limits(self, caller: str, number: str) -> Iterator[tuple[str, int, str]]:
        for (kind, limit), value in zip(self._limits, (caller, number), strict=True):
            if limit is not None and value:
                yield kind, limit, value


def _build_error(kind: str, limit: int) -> CallLimitError:
    return CallLimitError(f"more than {limit} calls of one {kind} within a minute")
