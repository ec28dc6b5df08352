"""Handles the end of a call after Opentact reports it: releases held effects and runs the flow's steps after a call."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import TYPE_CHECKING, Final

from callflows.boot_clock import read_steady_time
from callflows.errors import JournalError
from callflows.log import get_logger
from callflows.telephony.call_record import (
    LONGEST_CALL_SECONDS,
    VOICEMAIL_TAG,
    complete_voicemail_effect,
    find_cancel_reason,
)
from callflows.telephony.call_states import ENDED_CALL_STATES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from callflows.flows.loader.flow_versions import FlowVersions
    from callflows.journal.journal import Journal
    from callflows.journal.journal_queries import FinishedCall
    from callflows.sandbox.job_runner import JobRunner
    from callflows.telephony.events import PlatformEvent
    from callflows.telephony.ports import Effect, HoldingEffectSender, LookupRequest, LookupResult


_LOG: Final = get_logger("calls")
SETTLE_SECONDS: Final = 5.0
"""Delay in seconds after the end of a call, for events that arrive out of order."""
TAKEOVER_SECONDS: Final = 30.0
"""Time after which a call that another process began to complete counts as left undone."""
TRANSCRIPT_WAIT_SECONDS: Final = (5.0, 10.0, 15.0, 30.0)
"""Delays in seconds, after the end of a call, in which a requested transcript may come: a minute."""
COMPLETION_RETRY_SECONDS: Final = (5.0, 15.0, 60.0, 300.0, *[900.0] * 16)
"""Delays in seconds between attempts while the database is unavailable or does not know the call: four hours."""
_SWEEP_INTERVAL_SECONDS: Final = 600.0
_MAX_EFFECTS_PER_SWEEP: Final = 100
_MAX_CALLS_PER_SWEEP: Final = 1_000
UNCOMPLETED_CALL_SECONDS: Final = 3_600.0
"""Time after its end in which a call is completed that a killed process has left: a later text-back is worse than none."""


class CallEndHandler:
    """Holds voicemail effects until the end of the call, then runs the flow's steps after a call. An ``EffectSender``."""

    def __init__(
        self,
        flow_versions: FlowVersions,
        journal: Journal,
        job_runner: JobRunner,
        effect_sender: HoldingEffectSender,
        *,
        receives_events: bool,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """With ``receives_events`` false, no call's end is reported, so effects are not held."""
        self._flow_versions = flow_versions
        self._journal = journal
        self._job_runner = job_runner
        self._effect_sender = effect_sender
        self._receives_events = receives_events
        self._sleep = sleep
        self._sweep_task: asyncio.Task[None] | None = None
        self._completing_calls: dict[str, tuple[float, asyncio.Task[None]]] = {}

    async def run_lookup(self, request: LookupRequest) -> LookupResult:
        return await self._effect_sender.run_lookup(request)

    def queue_effect(self, effect: Effect) -> None:
        """Queue an effect. If ends of calls are reported, a voicemail is held until its call ends.

        An effect that depends on how its call ended is left out if nobody will know that.
        """
        if not self._receives_events and effect.payload.get("unless"):
            return
        if not self._receives_events or effect.kind != VOICEMAIL_TAG:
            self._effect_sender.queue_effect(effect)
        else:
            self._effect_sender.hold_effect(effect)

    async def handle_event(self, platform_event: PlatformEvent) -> None:
        """Complete a call at its end, once for all replicas: an inbound call, or one that we had Opentact make."""
        call = platform_event.call
        if call is None or not call.uuid or platform_event.state not in ENDED_CALL_STATES:
            return
        if call.is_inbound_call or call.is_outbound_call:
            at = min(platform_event.occurred_at, time.time())
            self._begin_completion(call.uuid, at, is_outbound=call.is_outbound_call)

    def _begin_completion(self, uuid: str, at: float, *, is_outbound: bool = False) -> None:
        if uuid not in self._completing_calls:
            task = asyncio.create_task(self._complete_when_settled(uuid, is_outbound=is_outbound))
            self._completing_calls[uuid] = at, task
            task.add_done_callback(lambda _: self._completing_calls.pop(uuid, None))

    def find_oldest_unfinished(self) -> float | None:
        """Return the earliest end (seconds since 1970) among calls not completed yet; None if all are complete."""
        return min((at for at, _ in self._completing_calls.values()), default=None)

    async def _complete_when_settled(self, uuid: str, *, is_outbound: bool) -> None:
        """Wait until later events are stored, then complete the call."""
        for wait in (SETTLE_SECONDS, *COMPLETION_RETRY_SECONDS):
            await self._sleep(wait)
            try:
                over = await self._journal.load_finished_call(uuid)
                if is_outbound and (over is None or not over.flow):
                    return  # it ran no flow of ours
                if over is None:
                    continue
                over = await self._wait_for_transcript(over)
                if await self._journal.claim_key("ended", uuid) or await self._is_left_undone(uuid):
                    await self._complete_call(over)
                    # Each effect is on the disk now, and has a key of its own: done twice, it is sent once.
                    await self._journal.claim_key("completed", uuid)
            except JournalError:
                continue
            except Exception as error:  # noqa: BLE001 - other calls must not suffer
                _LOG.exception("the end of a call was not handled", call=uuid, error=type(error).__name__)
            return
        _LOG.error("the end of a call was not handled: the call is unknown", call=uuid)

    async def _is_left_undone(self, uuid: str) -> bool:
        """Return True if the process that began to complete a call has ended before it was done."""
        if await self._journal.is_claimed("completed", uuid):
            return False
        await self._sleep(TAKEOVER_SECONDS)
        return not await self._journal.is_claimed("completed", uuid)

    async def _wait_for_transcript(self, finished_call: FinishedCall) -> FinishedCall:
        """Return the call with its transcripts, or as it is if they do not come in time. Raises JournalError."""
        for wait in TRANSCRIPT_WAIT_SECONDS:
            if not finished_call.awaits_transcript:
                break
            await self._sleep(wait)
            finished_call = await self._journal.load_finished_call(finished_call.record.uuid) or finished_call
        return finished_call

    async def _complete_call(self, finished_call: FinishedCall) -> None:
        held = [
            *finished_call.held_effects,
            *self._effect_sender.list_held_effects(finished_call.record.uuid),
        ]
        # A process that was killed may have left an effect on the disk and not in the journal, or the other way round.
        for effect in {effect.key: effect for effect in held}.values():
            reason = find_cancel_reason(effect, finished_call.record)
            if reason:
                self._effect_sender.cancel_effect(effect, reason)
            else:
                self._effect_sender.queue_effect(complete_voicemail_effect(effect, finished_call.record))
        book, record = self._flow_versions.book, finished_call.record
        flow = self._flow_versions.find_newest(finished_call.flow) or book.find_answering_flow(record.to)
        run_job = self._job_runner.run_job
        turn = await flow.run_ended_call_steps(record, run_job, book.has_exact_claim) if flow is not None else None
        for effect in turn.effects if turn is not None else ():
            self._effect_sender.queue_effect(dataclasses.replace(effect, call=finished_call.record.uuid))

    def start(self) -> None:
        """Start the sweep for calls that nobody completed, and for overdue effects, in the running loop."""
        self._sweep_task = asyncio.create_task(self._run_sweeps())

    async def stop(self) -> None:
        """Cancel all work.

        The listener stops first, with a mark before the events of cancelled calls (see ``find_oldest_unfinished``), so
        these events are fetched again after a restart.
        """
        tasks = [
            *(task for _, task in self._completing_calls.values()),
            *([self._sweep_task] if self._sweep_task is not None else []),
        ]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run_sweeps(self) -> None:
        """Complete calls that a killed process has left, and queue effects whose call's end was never reported."""
        await self._sleep(SETTLE_SECONDS)  # the tables may still have to be created
        while True:
            try:
                await self._complete_left_calls()
                if self._receives_events:
                    await self._queue_overdue_effects()
            except JournalError as error:
                _LOG.warning("the effects that wait for the end of calls cannot be read", reason=str(error))
            await self._sleep(_SWEEP_INTERVAL_SECONDS)

    async def _complete_left_calls(self) -> None:
        """Complete calls whose end was reported to a killed process: Opentact reports it once. Raises JournalError."""
        now = time.time()
        for uuid in await self._journal.list_uncompleted_calls(
            "completed", now - UNCOMPLETED_CALL_SECONDS, _MAX_CALLS_PER_SWEEP
        ):
            self._begin_completion(uuid, now)

    async def _queue_overdue_effects(self) -> None:
        """Queue effects whose call's end was never reported. Raises JournalError."""
        # The clock may have been set forward: what was held a moment ago is not overdue.
        overdue = min(time.time(), read_steady_time()) - LONGEST_CALL_SECONDS
        for effect in (
            *await self._journal.list_held_effects(overdue, _MAX_EFFECTS_PER_SWEEP),
            *self._effect_sender.list_held_effects("", LONGEST_CALL_SECONDS),
        ):
            _LOG.warning("Opentact did not report the end of a call: the voicemail is reported without its recording")
            self._effect_sender.queue_effect(effect)
