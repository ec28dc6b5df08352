"""Asks Opentact for the execution log of a call that is over, if its events do not say which elements it came to.

Opentact's events of 2024 name an executed element, but not its place in the document, and so leave the way of a call
unknown behind the first menu. The log of the call has the places. It is asked for after the call, one call at a time.

If Opentact fails, all waiting calls wait for the end of a pause that grows; a log that is given up is an entry in the
story of its call.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Final

from callflows.errors import JournalError, OpentactError, OpentactRateLimitError, OpentactUnavailableError
from callflows.journal.execution_rows import has_stored_log, tells_every_place
from callflows.log import get_logger
from callflows.opentact.backoff import BackoffClock
from callflows.telephony.call_states import ENDED_CALL_STATES
from callflows.telephony.events import GivenUpLog

if TYPE_CHECKING:
    from callflows.journal.journal import Journal
    from callflows.journal.stored_rows import StoredCall
    from callflows.opentact.backfill import EventBackfill
    from callflows.telephony.events import PlatformEvent


_LOG: Final = get_logger("calls")
LOG_DELAY_SECONDS: Final = 8.0
"""Delay after the end of a call, for events that arrive out of order."""
LOG_TIMEOUT_SECONDS: Final = 8.0
MAX_CALLS_AWAITING_LOG: Final = 5_000
"""Calls that wait for their log at once; beyond it, the log of the oldest is given up."""
FIRST_PAUSE_SECONDS: Final = 30.0
"""Pause after a failure; it doubles with each further failure in a row."""
MAX_PAUSE_SECONDS: Final = 900.0
MAX_REFUSALS: Final = 3
"""Attempts for one log: Opentact may refuse because it has not written the log yet."""
MAX_WAIT_SECONDS: Final = 6 * 3600.0
"""Time after which a log is given up that could not be asked for, because Opentact or the database was away."""
_MAX_COUNTED_FAILURES: Final = 10
"""Limit of the exponent, so that the power stays small."""
EXECUTION_LOG_KIND: Final = "execution log"
"""Kind of the claim."""


@dataclasses.dataclass
class _AwaitedLog:
    """A call that waits for its log, which may be there at ``ready_at`` (seconds of the monotonic clock)."""

    call: str
    ready_at: float
    refusals: int = 0


class ExecutionLogFetcher:
    """Fetches execution logs of calls that are over, and stores them."""

    def __init__(
        self,
        journal: Journal,
        backfill: EventBackfill,
        clock: BackoffClock | None = None,
    ) -> None:
        self._journal = journal
        self._backfill = backfill
        self._clock = clock or BackoffClock()
        self._waiting: dict[str, _AwaitedLog] = {}
        """The waiting calls by their id, in the order in which they are asked for."""
        self._task: asyncio.Task[None] | None = None
        self._failures_in_a_row = 0

    async def handle_event(self, platform_event: PlatformEvent) -> None:
        """Begin to fetch the log at the end of an inbound call."""
        call = platform_event.call
        if call is None or not call.uuid or not call.is_inbound_call or platform_event.state not in ENDED_CALL_STATES:
            return
        if call.uuid in self._waiting:
            return
        self._waiting[call.uuid] = _AwaitedLog(call.uuid, self._clock.monotonic() + LOG_DELAY_SECONDS)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._fetch_waiting_logs())
        if len(self._waiting) > MAX_CALLS_AWAITING_LOG:
            oldest = next(iter(self._waiting))
            await self._give_up(oldest, f"more than {MAX_CALLS_AWAITING_LOG} calls waited for theirs")

    async def _fetch_waiting_logs(self) -> None:
        while self._waiting:
            awaited = next(iter(self._waiting.values()))
            if (seconds := awaited.ready_at - self._clock.monotonic()) > 0:
                await self._clock.sleep(seconds)
            pause = 0.0
            try:
                await self._fetch_log(awaited.call)
            except (OpentactError, JournalError, TimeoutError) as error:
                reason = str(error) or f"no answer within {LOG_TIMEOUT_SECONDS:g} s"
                pause = await self._postpone(awaited, error, reason)
            except Exception as error:  # noqa: BLE001 - other calls must not suffer
                _LOG.exception("the execution log of a call was not read", error=type(error).__name__)
                await self._give_up(awaited.call, f"a fault of the server: {type(error).__name__}")
            else:
                self._waiting.pop(awaited.call, None)
                self._failures_in_a_row = 0
            if pause:
                await self._clock.sleep(pause)

    async def _postpone(self, awaited: _AwaitedLog, error: Exception, reason: str) -> float:
        """Let a call wait for another attempt, behind the others, and return the seconds until the next attempt of any.

        Give up its log if Opentact has refused it too often, and all logs that have waited too long.
        """
        is_outage = isinstance(error, (OpentactUnavailableError, OpentactRateLimitError, JournalError, TimeoutError))
        awaited.refusals += not is_outage
        if self._waiting.pop(awaited.call, None) is not None:
            self._waiting[awaited.call] = awaited
        if awaited.refusals >= MAX_REFUSALS:
            await self._give_up(awaited.call, f"asked for {MAX_REFUSALS} times: {reason}")
        for old in self._list_overdue_calls():
            await self._give_up(old, f"asked for over {MAX_WAIT_SECONDS / 3600:g} hours: {reason}")
        pause = min(FIRST_PAUSE_SECONDS * 2.0**self._failures_in_a_row, MAX_PAUSE_SECONDS)
        if not self._failures_in_a_row:
            _LOG.warning("the execution log of a call was not read; it is asked for again", reason=reason, seconds=pause)
        self._failures_in_a_row = min(self._failures_in_a_row + 1, _MAX_COUNTED_FAILURES)
        retry_after = error.retry_after if isinstance(error, (OpentactUnavailableError, OpentactRateLimitError)) else None
        return max(pause, min(retry_after or 0.0, MAX_PAUSE_SECONDS))

    def _list_overdue_calls(self) -> list[str]:
        earliest = self._clock.monotonic() - MAX_WAIT_SECONDS
        return [awaited.call for awaited in self._waiting.values() if awaited.ready_at < earliest]

    async def _fetch_log(self, call: str) -> None:
        """Fetch and store the log of a call. Raises OpentactError, TimeoutError and JournalError."""
        stored = await self._journal.load_call(call)
        if stored is None or not _needs_log(stored) or await self._journal.is_claimed(EXECUTION_LOG_KIND, call):
            return
        async with asyncio.timeout(LOG_TIMEOUT_SECONDS):
            events = await self._backfill.find_call_log(call, stored.call["app"], self._clock.now())
        for event in events:
            self._journal.record_soon(event)
        # Claimed only now: a process that ends before leaves the log to the other replicas that wait for it.
        await self._journal.claim_key(EXECUTION_LOG_KIND, call)

    async def _give_up(self, call: str, reason: str) -> None:
        """Let a call wait no longer, and say so in the log and in the story of the call, if it needs its execution log."""
        self._waiting.pop(call, None)
        try:
            stored = await self._journal.load_call(call)
        except JournalError:
            stored = None
        if stored is not None and _needs_log(stored):
            _LOG.error("the execution log of a call is given up", call=call, reason=reason)
            self._journal.record_soon(GivenUpLog(call, self._clock.now().timestamp(), reason))

    async def stop(self) -> None:
        """Cancel all work."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def _needs_log(stored: StoredCall) -> bool:
    """Return True if a call ran a flow of ours, and its events do not tell its way."""
    has_flow = any(turn["flow"] for turn in stored.turns)
    return (
        has_flow
        and bool(stored.call["app"])
        and not has_stored_log(stored.events)
        and not tells_every_place(stored.own_events)
    )
