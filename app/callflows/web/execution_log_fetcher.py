"""Asks Opentact for the execution log of a call that is over, if its events do not say which elements it came to.

Opentact's events of 2024 name an executed element, but not its place in the document, and so leave the way of a call
unknown behind the first menu. The log of the call has the places. It is asked for after the call, one call at a time.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from callflows.errors import JournalError, OpentactError
from callflows.journal.execution_rows import has_stored_log, tells_every_place
from callflows.log import get_logger
from callflows.telephony.call_states import ENDED_CALL_STATES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from callflows.journal.journal import Journal
    from callflows.journal.stored_rows import StoredCall
    from callflows.opentact.backfill import EventBackfill
    from callflows.telephony.events import PlatformEvent


_LOG: Final = get_logger("calls")
LOG_DELAY_SECONDS: Final = 8.0
"""Delay after the end of a call, for events that arrive out of order."""
LOG_TIMEOUT_SECONDS: Final = 8.0
MAX_CALLS_AWAITING_LOG: Final = 500
"""Calls that wait for their log at once; of further calls the way stays as far as it is known."""
REFUSAL_PAUSE_SECONDS: Final = 900.0
"""Pause after Opentact has refused, or did not answer."""
_CLAIM: Final = "execution log"


class ExecutionLogFetcher:
    """Fetches execution logs of calls that are over, and stores them."""

    def __init__(
        self,
        journal: Journal,
        backfill: EventBackfill,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._journal = journal
        self._backfill = backfill
        self._sleep = sleep
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._one_at_a_time = asyncio.Semaphore(1)
        self._paused_until = 0.0

    async def handle_event(self, platform_event: PlatformEvent) -> None:
        """Begin to fetch the log at the end of an inbound call."""
        call = platform_event.call
        if call is None or not call.uuid or not call.is_inbound_call or platform_event.state not in ENDED_CALL_STATES:
            return
        if call.uuid in self._tasks or len(self._tasks) >= MAX_CALLS_AWAITING_LOG or self._is_paused():
            return
        task = asyncio.create_task(self._fetch_later(call.uuid))
        self._tasks[call.uuid] = task
        task.add_done_callback(lambda _: self._tasks.pop(call.uuid, None))

    def _is_paused(self) -> bool:
        return time.monotonic() < self._paused_until

    async def _fetch_later(self, call: str) -> None:
        await self._sleep(LOG_DELAY_SECONDS)
        try:
            async with self._one_at_a_time:
                if not self._is_paused():
                    await self._fetch_log(call)
        except JournalError:
            return  # callflows log asks Opentact again when somebody wants to know
        except (OpentactError, TimeoutError) as error:
            self._paused_until = time.monotonic() + REFUSAL_PAUSE_SECONDS
            reason = str(error) or f"no answer within {LOG_TIMEOUT_SECONDS:g} s"
            _LOG.warning("the execution log of a call was not read; none is asked for in the next minutes", reason=reason)
        except Exception as error:  # noqa: BLE001 - other calls must not suffer
            _LOG.exception("the execution log of a call was not read", error=type(error).__name__)

    async def _fetch_log(self, call: str) -> None:
        """Fetch and store the log of a call, once for all replicas. Raises OpentactError, TimeoutError and JournalError."""
        stored = await self._journal.load_call(call)
        if stored is None or not _needs_log(stored) or not await self._journal.claim_key(_CLAIM, call):
            return
        async with asyncio.timeout(LOG_TIMEOUT_SECONDS):
            events = await self._backfill.find_call_log(call, stored.call["app"], datetime.now(UTC))
        for event in events:
            self._journal.record_soon(event)

    async def stop(self) -> None:
        """Cancel all work."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


def _needs_log(stored: StoredCall) -> bool:
    """Return True if a call ran a flow of ours, and its events do not tell its way."""
    has_flow = any(turn["flow"] for turn in stored.turns)
    return (
        has_flow
        and bool(stored.call["app"])
        and not has_stored_log(stored.events)
        and not tells_every_place(stored.own_events)
    )
