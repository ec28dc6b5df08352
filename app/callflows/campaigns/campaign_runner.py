"""Calls the numbers of a campaign, one by one, and finds out how each call ended.

Each call is counted in the database before Opentact is asked for it. A process that is killed in between therefore never
makes a call twice: the call counts as made, and if nobody ever reports it, the number is ``unknown`` and left alone.
"""

from __future__ import annotations

import asyncio
import heapq
import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from callflows.campaigns.campaign_settings import read_campaign_settings
from callflows.errors import (
    CampaignError,
    OpentactAuthenticationError,
    OpentactBalanceError,
    OpentactError,
    OpentactRateLimitError,
    OpentactUnavailableError,
    TicketError,
)
from callflows.journal.campaign_store import (
    OPEN_NUMBER_STATES,
    NumberState,
    begin_attempt,
    change_number,
    find_answered_calls,
    find_outbound_call,
    list_numbers,
    load_outbound_call,
    make_campaign_key,
    put_number_back,
)
from callflows.telephony.phone_numbers import parse_e164

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from callflows.campaigns.outbound_document import OutboundDocuments
    from callflows.journal.campaign_store import CampaignNumber, StoredCampaign
    from callflows.journal.sql_store import SqlStore


RING_SECONDS: Final = 120.0
"""Time after which a call counts as not answered if nothing is reported."""
LATE_REPORT_SECONDS: Final = 10.0
"""Time for the request of an answered call to be written after Opentact's report of its end."""
UNREPORTED_END_SECONDS: Final = 1800.0
"""Time after which an answered call counts as over if its end is not reported."""
_TICK_SECONDS: Final = 1.0
_LEASE_SECONDS: Final = 60.0
_RATE_LIMIT_WAIT_SECONDS: Final = 30.0
_MAX_REFUSALS_IN_A_ROW: Final = 5


class CampaignRunner:
    """Runs a campaign. One process at a time may run it.

    ``call_number`` has Opentact call a number with a document, and returns the id of the batch; ``is_opted_out`` tells
    whether a number wants no calls; ``tell`` gets lines for people.
    """

    def __init__(
        self,
        store: SqlStore,
        campaign: StoredCampaign,
        documents: OutboundDocuments,
        call_number: Callable[[str, bytes], Awaitable[str]],
        is_opted_out: Callable[[str], bool],
        tell: Callable[[str], None],
        *,
        get_time: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._name = campaign.name
        self._settings = read_campaign_settings(campaign.settings)
        self._hours = self._settings.parse_hours()
        self._documents = documents
        self._call_number = call_number
        self._is_opted_out = is_opted_out
        self._tell = tell
        self._get_time = get_time
        self._sleep = sleep
        self._holder = secrets.token_hex(8)
        self._waiting: list[tuple[float, int]] = []
        """Moment at which a number is looked at again, and its position: a heap."""
        self._numbers: dict[int, CampaignNumber] = {}
        self._active: set[int] = set()
        self._last_begun = float("-inf")
        self._refusals = 0
        self._has_reported_wait = False

    async def run(self) -> None:
        """Call all numbers that are left. Raises CampaignError if that must stop; it may go on later."""
        await self._hold_lease()
        try:
            for number in await self._query(list_numbers, self._name, OPEN_NUMBER_STATES):
                self._numbers[number.position] = number
                if number.state is NumberState.waiting:
                    heapq.heappush(self._waiting, (number.next, number.position))
                else:
                    self._active.add(number.position)
            while self._waiting or self._active:
                await self._hold_lease()
                await self._settle_calls()
                await self._begin_due_calls()
                if self._waiting or self._active:
                    await self._sleep(_TICK_SECONDS)
        finally:
            await asyncio.to_thread(self._store.hold_lease, self._lease_name, self._holder, time.time(), 0.0)

    @property
    def _lease_name(self) -> str:
        return f"campaign/{self._name}"

    async def _hold_lease(self) -> None:
        held = await asyncio.to_thread(self._store.hold_lease, self._lease_name, self._holder, time.time(), _LEASE_SECONDS)
        if not held:
            raise CampaignError(f"the campaign {self._name} is run by another process")

    async def _query(self, query: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401 - as the query returns
        return await asyncio.to_thread(self._store.run_reading, query, *arguments)

    async def _write(self, change: Callable[..., Any], *arguments: Any, **columns: Any) -> Any:  # noqa: ANN401 - as above
        return await asyncio.to_thread(self._store.run_writing, change, self._name, *arguments, **columns)

    async def _change(self, number: CampaignNumber, state: NumberState, **columns: Any) -> None:  # noqa: ANN401
        """Store the state of a number, and remember it."""
        await self._write(change_number, number.position, state, **columns)
        self._numbers[number.position] = number._replace(state=state, **columns)

    # Calls that were begun

    async def _settle_calls(self) -> None:
        """Store the results of begun calls, as far as they are known."""
        keys = {
            position: make_campaign_key(self._name, position, self._numbers[position].attempts) for position in self._active
        }
        answered = await self._query(find_answered_calls, [*keys.values()]) if keys else {}
        for position, key in keys.items():
            number = self._numbers[position]
            if key in answered or number.state is NumberState.talking:  # the rows of an answered call may be erased
                await self._settle_answered_call(number, answered.get(key, ""))
            else:
                await self._settle_unanswered_call(number)
            if self._numbers[position].state not in OPEN_NUMBER_STATES[1:]:
                self._active.discard(position)

    async def _settle_answered_call(self, number: CampaignNumber, call: str) -> None:
        reported = await self._query(load_outbound_call, call)
        is_over = reported is not None and reported.is_over
        if is_over or self._get_time() - (number.at or 0.0) > UNREPORTED_END_SECONDS:
            await self._change(number, NumberState.answered, reason="")
            self._tell(f"{number.number}: answered")
        elif number.state is not NumberState.talking:
            await self._change(number, NumberState.talking)

    async def _settle_unanswered_call(self, number: CampaignNumber) -> None:
        begun = number.at or 0.0
        elapsed = self._get_time() - begun
        reported = await self._query(find_outbound_call, self._settings.sender, number.number, begun)
        if reported is None and elapsed > RING_SECONDS:
            if number.batch is None:
                reason = "the program ended while it asked Opentact for the call: perhaps the number was called"
                await self._change(number, NumberState.unknown, reason=reason)
                self._tell(f"{number.number}: unknown: {reason}")
            else:
                await self._try_again(number, "nothing is reported of the call")
        elif reported is not None and reported.is_answered and elapsed > LATE_REPORT_SECONDS and reported.is_over:
            reason = "somebody answered, but the call did not ask this server for the flow: is PUBLIC_URL right?"
            await self._change(number, NumberState.failed, reason=reason)
            self._tell(f"{number.number}: failed: {reason}")
        elif reported is not None and not reported.is_answered and reported.is_over:
            await self._try_again(number, reported.cause or "nobody answered")

    async def _try_again(self, number: CampaignNumber, reason: str) -> None:
        """Wait for the next attempt, unless it was the last."""
        if number.attempts >= self._settings.attempts:
            await self._change(number, NumberState.unanswered, reason=reason)
            self._tell(f"{number.number}: no answer: {reason}")
            return
        later = self._get_time() + self._settings.retry_seconds
        if await self._put_back(number, reason=reason, next=later):
            self._tell(f"{number.number}: no answer: {reason}; attempt {number.attempts + 1} follows")

    async def _put_back(self, number: CampaignNumber, **columns: Any) -> bool:  # noqa: ANN401
        """Let a number wait for another call. Return False if the campaign was cancelled while the number was called."""
        state = await self._write(put_number_back, number.position, **columns)
        self._numbers[number.position] = number._replace(state=state, **columns)
        if state is not NumberState.waiting:
            self._tell(f"{number.number}: cancelled")
            return False
        heapq.heappush(self._waiting, (self._numbers[number.position].next, number.position))
        return True

    # Calls to begin

    async def _begin_due_calls(self) -> None:
        """Begin calls as far as hours and pace allow."""
        while self._waiting and len(self._active) < self._settings.calls_at_once:
            now = self._get_time()
            if self._waiting[0][0] > now or now - self._last_begun < 60.0 / self._settings.calls_per_minute:
                break
            _, position = heapq.heappop(self._waiting)
            await self._look_at_number(self._numbers[position], now)
        if self._waiting and not self._active and self._waiting[0][0] > self._get_time() + _LEASE_SECONDS:
            if not self._has_reported_wait:
                at = time.strftime("%a %H:%M", time.localtime(self._waiting[0][0]))
                self._tell(
                    f"nobody may be called before {at}, by this machine's clock; Ctrl-C ends this, and run goes on later"
                )
            self._has_reported_wait = True
        else:
            self._has_reported_wait = False

    async def _look_at_number(self, number: CampaignNumber, now: float) -> None:
        """Call a number now, put it off, or leave it alone."""
        if not parse_e164(number.number):
            await self._change(number, NumberState.failed, reason="the number was forgotten")
            return
        if await asyncio.to_thread(self._is_opted_out, number.number):
            await self._change(number, NumberState.opted_out, reason="the person wants no calls")
            self._tell(f"{number.number}: opted out")
            return
        if await self._was_answered_late(number):
            await self._change(number, NumberState.answered, reason="")
            self._tell(f"{number.number}: answered, after the call counted as not answered")
            return
        moment = self._hours.find_next_moment(number.number, now)
        if moment is None:
            await self._change(number, NumberState.failed, reason="its time zone is not known, and --zone is not given")
        elif moment > now:
            heapq.heappush(self._waiting, (moment, number.position))
        else:
            await self._begin_call(number, now)

    async def _was_answered_late(self, number: CampaignNumber) -> bool:
        """Return True if the last call was answered after ``RING_SECONDS``, or after an event that meant another call."""
        key = make_campaign_key(self._name, number.position, number.attempts)
        return bool(number.attempts) and key in await self._query(find_answered_calls, [key])

    async def _begin_call(self, number: CampaignNumber, now: float) -> None:
        """Count the call, then ask Opentact for it. Raises CampaignError if no further call makes sense."""
        attempt = await self._write(begin_attempt, number, now)
        if not attempt:
            return  # the number was cancelled or forgotten
        begun = number._replace(state=NumberState.calling, attempts=attempt, at=now, batch=None, reason="")
        self._numbers[number.position] = begun
        self._last_begun = now
        try:
            key = make_campaign_key(self._name, number.position, attempt)
            document = self._documents.make_document(number.number, number.values, key)
            batch = await self._call_number(number.number, document)
        except TicketError as error:
            await self._change(begun, NumberState.failed, reason=f"the values of its row are too long: {error}")
            return
        except OpentactError as error:
            await self._handle_refusal(begun, number, error)
            return
        self._refusals = 0
        await self._change(begun, NumberState.calling, batch=batch)
        self._active.add(number.position)
        self._tell(f"{number.number}: called" + (f", attempt {attempt}" if attempt > 1 else ""))

    async def _handle_refusal(self, begun: CampaignNumber, before: CampaignNumber, error: OpentactError) -> None:
        """Put a number back that surely was not called; else leave it alone. Raises CampaignError to stop."""
        if isinstance(error, OpentactUnavailableError) and error.may_have_happened:
            self._active.add(begun.position)
            raise CampaignError(f"{error}: {begun.number} was perhaps called; run the campaign again later") from None
        if isinstance(error, OpentactRateLimitError):
            later = self._get_time() + (error.retry_after or _RATE_LIMIT_WAIT_SECONDS)
            await self._put_back(begun, attempts=before.attempts, at=before.at, next=later)
            return
        if isinstance(error, (OpentactUnavailableError, OpentactBalanceError, OpentactAuthenticationError)):
            await self._put_back(begun, attempts=before.attempts, at=before.at)
            raise CampaignError(f"{error}; run the campaign again later") from None
        await self._change(begun, NumberState.failed, reason=str(error))
        self._tell(f"{begun.number}: failed: {error}")
        self._refusals += 1
        if self._refusals >= _MAX_REFUSALS_IN_A_ROW:
            raise CampaignError(f"Opentact refused {self._refusals} calls in a row: are --profile and --from right?")
