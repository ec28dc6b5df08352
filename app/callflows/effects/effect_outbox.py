"""Queue of effects to execute: on the disk until each has its result, and every idempotency key executed once."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import random
import threading
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import structlog

from callflows.boot_clock import read_steady_time
from callflows.effects.outbox_file import PendingEffect
from callflows.errors import OutboundRequestError, RecipientOptedOutError, RetryLaterError
from callflows.log import get_logger
from callflows.recent_keys import RecentKeys
from callflows.telephony.events import EffectResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from callflows.effects.outbox_file import EffectStage, OutboxFile
    from callflows.telephony.ports import Effect, IdempotencyStore


_LOG: Final = get_logger("effects")
MAX_WAITING_EFFECTS: Final = 50_000
"""Effects without a result, in memory. More cannot be sent before a text message expires."""
MAX_RUNNING_EFFECTS: Final = 1_000
"""Effects that are sent at once, or wait for another attempt; further effects wait for their turn.

One host gets at most half, so that a slow host does not hold up effects for other hosts.
"""
MAX_REMEMBERED_EFFECT_KEYS: Final = 10_000
"""Keys of recent effects kept in memory."""
EFFECT_KEY_MEMORY_SECONDS: Final = 600.0
"""Seconds for which a key is kept in memory."""
EFFECT_RETRY_SECONDS: Final = (5.0, 15.0, 45.0, 150.0, 360.0, 900.0)
"""Seconds before each further attempt, plus or minus 20 %; the last is repeated until the effect expires."""
EXPIRY_SECONDS: Final[Mapping[str, float]] = {
    "sms": 3600.0,
    "notify": 24 * 3600.0,
    "mail": 24 * 3600.0,
    "voicemail": 72 * 3600.0,
    "opt-out": 30 * 24 * 3600.0,
}
"""Time within which an effect is sent or given up. A text-back hours after the call is worse than none."""
ADOPTION_INTERVAL_SECONDS: Final = 5.0
"""Interval at which effects of processes that ended are looked for."""
_DROP_LOG_INTERVAL_SECONDS: Final = 10.0
"""Seconds between two log lines about dropped effects."""
_WAIT_LOG_SECONDS: Final = 60.0
"""Waits longer than this are logged."""


class EffectOutbox:
    """Takes effects from any thread and executes each with ``run_effect`` in the event loop.

    ``run_effect`` raises on failure, and RetryLaterError if another attempt may succeed: then the effect waits until it is
    sent or expires. Only the first effect with a key is executed: within this process for ten minutes, and with an
    ``idempotency_store`` for all processes permanently. With an ``outbox_file`` an effect survives the process.
    """

    def __init__(
        self,
        run_effect: Callable[[Effect], Awaitable[None]],
        sleep: Callable[[float], Awaitable[None]],
        report_result: Callable[[EffectResult], None] | None = None,
        idempotency_store: IdempotencyStore | None = None,
        outbox_file: OutboxFile | None = None,
        *,
        clock: Callable[[], float] = read_steady_time,
    ) -> None:
        """``report_result`` is called with the result of each accepted effect."""
        self._report_result = report_result
        self._run_effect = run_effect
        self._sleep = sleep
        self._idempotency_store = idempotency_store
        self._outbox_file = outbox_file
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[str, collections.deque[PendingEffect]] = {}
        self._running_per_host: collections.Counter[str] = collections.Counter()
        self._requested_at: dict[tuple[str, str], float] = {}
        self._held: dict[tuple[str, str], PendingEffect] = {}
        self._recent_keys = RecentKeys(MAX_REMEMBERED_EFFECT_KEYS, EFFECT_KEY_MEMORY_SECONDS)
        self._result_counts: collections.Counter[tuple[str, str]] = collections.Counter()
        self._unreported_drops = 0
        self._last_drop_log = float("-inf")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: dict[asyncio.Task[tuple[str, str]], PendingEffect] = {}
        self._adoption_task: asyncio.Task[None] | None = None
        self._stop_requested = asyncio.Event()
        self._is_closed = False

    def queue_effect(self, effect: Effect) -> None:
        """Accept an effect or drop it; waits for nothing but the system's own copy of the file, and never raises."""
        pending = PendingEffect(effect, self._clock())
        with self._lock:
            outcome = self._find_refusal(effect)
            if outcome:
                self._result_counts[effect.kind, outcome] += 1
                self._unreported_drops += outcome == "dropped"
            else:
                self._accept(pending)
                if self._outbox_file is not None:
                    self._outbox_file.add(pending)
        if outcome == "dropped":
            self._log_dropped()
        elif not outcome:
            self._wake()

    def hold_effect(self, effect: Effect) -> None:
        """Hold an effect until it is queued."""
        pending = PendingEffect(effect, self._clock(), "held")
        with self._lock:
            if len(self._held) < MAX_WAITING_EFFECTS and not self._find_refusal(effect):
                self._held[effect.kind, effect.key] = pending
                if self._outbox_file is not None:
                    self._outbox_file.add(pending)

    def cancel_effect(self, effect: Effect, reason: str) -> None:
        """Report a held effect as ``cancelled``; it is never executed."""
        with self._lock:
            self._held.pop((effect.kind, effect.key), None)
            if self._find_refusal(effect):
                return
            self._recent_keys.add((effect.kind, effect.key))
            self._result_counts[effect.kind, "cancelled"] += 1
        self._report(effect, "cancelled", reason)

    def list_held_effects(self, call: str, min_seconds: float = 0.0) -> list[Effect]:
        """See ``HoldingEffectSender``."""
        with self._lock:
            before = self._clock() - min_seconds
            return [
                held.effect
                for held in self._held.values()
                if held.requested_at <= before and held.effect.key.startswith(f"{call}/" if call else "")
            ]

    def _accept(self, pending: PendingEffect) -> None:
        effect = pending.effect
        self._held.pop((effect.kind, effect.key), None)
        self._recent_keys.add((effect.kind, effect.key))
        self._requested_at[effect.kind, effect.key] = pending.requested_at
        self._waiting.setdefault(_find_target_host(effect), collections.deque()).append(pending)

    def _wake(self) -> None:
        if self._loop is not None and not self._is_closed:
            with contextlib.suppress(RuntimeError):  # the loop is closed; stop() reports the queue
                self._loop.call_soon_threadsafe(self._start_waiting)

    def _find_refusal(self, effect: Effect) -> str:
        """Return ``repeated`` or ``dropped`` for an effect to refuse, else ""."""
        if any(
            (effect.kind, key) in self._recent_keys or (effect.kind, key) in self._requested_at
            for key in _list_effect_keys(effect)
        ):
            return "repeated"
        if len(self._requested_at) >= MAX_WAITING_EFFECTS or (self._is_closed and self._outbox_file is None):
            return "dropped"
        return ""

    def _log_dropped(self) -> None:
        now = time.monotonic()
        with self._lock:
            if now - self._last_drop_log < _DROP_LOG_INTERVAL_SECONDS:
                return
            self._last_drop_log = now
            lost, self._unreported_drops = self._unreported_drops, 0
        _LOG.error("effects dropped: too many wait", count=lost)

    def start(self) -> None:
        """Start executing in the running event loop; take up the effects of processes that ended."""
        self._loop = asyncio.get_running_loop()
        self._start_waiting()
        if self._outbox_file is not None:
            self._adoption_task = asyncio.create_task(self._adopt_repeatedly(self._outbox_file))

    async def _adopt_repeatedly(self, outbox_file: OutboxFile) -> None:
        while True:
            adopted = await asyncio.to_thread(outbox_file.adopt_abandoned)
            with self._lock:
                for pending in adopted:
                    id_ = (pending.effect.kind, pending.effect.key)
                    if pending.stage == "held":
                        self._held[id_] = pending
                    elif id_ not in self._requested_at:
                        self._accept(pending)
            if adopted:
                _LOG.warning("effects of a process that ended are taken up", count=len(adopted))
                self._start_waiting()
            await asyncio.sleep(ADOPTION_INTERVAL_SECONDS)

    def _start_waiting(self) -> None:
        """Start waiting effects as far as there is room, the hosts in turn."""
        with self._lock:
            for pending in self._take_startable():
                task = asyncio.create_task(self._attempt_effect(pending))
                self._tasks[task] = pending
                task.add_done_callback(self._finish_effect)

    def _take_startable(self) -> Iterator[PendingEffect]:
        while ready := [host for host in self._waiting if self._running_per_host[host] < MAX_RUNNING_EFFECTS // 2]:
            for host in ready:
                if self._running_per_host.total() >= MAX_RUNNING_EFFECTS:
                    return
                yield self._waiting[host].popleft()
                self._running_per_host[host] += 1
                if not self._waiting[host]:
                    del self._waiting[host]

    def _finish_effect(self, task: asyncio.Task[tuple[str, str]]) -> None:
        """Count and report the result; without a result, the effect stays in the file for another process."""
        pending = self._tasks.pop(task)
        effect, host = pending.effect, _find_target_host(pending.effect)
        result, reason = ("", "") if task.cancelled() else task.result()
        if not result and self._outbox_file is None:
            result, reason = "dropped", "the server stopped"
        with self._lock:
            self._running_per_host[host] -= 1
            if not self._running_per_host[host]:
                del self._running_per_host[host]
            if result:
                del self._requested_at[effect.kind, effect.key]
                self._result_counts[effect.kind, result] += 1
        if result:
            self._report(effect, result, reason)
        if not self._is_closed:
            self._start_waiting()

    def _report(self, effect: Effect, result: str, reason: str) -> None:
        if self._report_result is not None:
            self._report_result(
                EffectResult(effect.kind, effect.key, time.time(), result, reason, effect.call, effect.payload)
            )
        if self._outbox_file is not None:
            self._outbox_file.remove(effect)

    async def _attempt_effect(self, pending: PendingEffect) -> tuple[str, str]:
        """Execute an effect; return its result and the reason. The result is "" if only another process can go on.

        Raises nothing but CancelledError.
        """
        effect, host = pending.effect, _find_target_host(pending.effect)
        structlog.contextvars.clear_contextvars()  # the task began in the context of any call
        if effect.call:
            structlog.contextvars.bind_contextvars(call=effect.call)
        began = self._clock()
        result, reason = await self._attempt_until_result(pending)
        seconds = round(self._clock() - began, 3)
        age = round(self._clock() - pending.requested_at)
        if result == "sent":
            _LOG.info(f"{effect.kind} sent", host=host, seconds=seconds)
        elif result == "refused":
            _LOG.warning(f"{effect.kind} refused", reason=reason)
        elif result in ("failed", "expired"):
            _LOG.error(f"{effect.kind} {result}", host=host, reason=reason, seconds=seconds, age=age)
        return result, reason

    async def _attempt_until_result(self, pending: PendingEffect) -> tuple[str, str]:
        try:
            return await self._attempt_repeatedly(pending)
        except RecipientOptedOutError as error:
            return "refused", str(error)
        except OutboundRequestError as error:
            return "failed", str(error)
        except TimeoutError:
            return "failed", "it was not sent in time"
        except Exception as error:  # noqa: BLE001 - one broken effect must not affect others
            return "failed", f"it failed: {type(error).__name__}"

    async def _attempt_repeatedly(self, pending: PendingEffect) -> tuple[str, str]:
        effect = pending.effect
        if pending.stage == "sending" and effect.kind == "sms":
            # A text reaches a person: it is sent once, or not at all.
            return "failed", "the server ended while it was sent: it may have arrived, and is not sent again"
        if pending.stage == "waiting" and not await self._claim_keys(pending):
            return "repeated", "it was sent before"
        while True:
            if not await self._wait_until_due(pending):
                return ("", "")
            if self._has_expired(pending, 0):
                return "expired", _describe_expiry(effect, "it waited too long for its turn")
            try:
                await self._run_effect(effect)
            except RetryLaterError as error:
                result = self._plan_retry(pending, error)
                if result is not None:
                    return result
            else:
                return "sent", ""

    def _plan_retry(self, pending: PendingEffect, error: RetryLaterError) -> tuple[str, str] | None:
        """Set when an effect is tried again; return the result if it is not."""
        planned = EFFECT_RETRY_SECONDS[min(pending.attempts, len(EFFECT_RETRY_SECONDS) - 1)]
        delay = max(error.retry_after or 0.0, planned * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
        if self._has_expired(pending, delay):
            return "expired", _describe_expiry(pending.effect, str(error))
        if delay >= _WAIT_LOG_SECONDS:
            _LOG.warning(f"{pending.effect.kind} waits", reason=str(error), seconds=round(delay))
        pending.attempts += 1
        pending.retry_at = self._clock() + delay
        self._change_stage(pending, "claimed")
        if self._stop_requested.is_set() and self._outbox_file is None:
            return "failed", f"{error}; the server stops"
        return None

    async def _wait_until_due(self, pending: PendingEffect) -> bool:
        """Wait until an effect may be tried; return False if it waits in the file for another process.

        A stop ends the wait. Without a file the effect gets one last attempt then.
        """
        seconds = pending.retry_at - self._clock()
        if seconds <= 0 or await self._sleep_unless_stopped(seconds):
            return True
        return self._outbox_file is None

    def mark_sending(self, effect: Effect) -> None:
        """Note that the next attempt begins now: if the process ends in it, nobody knows whether it succeeded."""
        for pending in self._tasks.values():
            if pending.effect is effect:
                self._change_stage(pending, "sending")

    def _change_stage(self, pending: PendingEffect, stage: EffectStage) -> None:
        if self._outbox_file is not None:
            self._outbox_file.change_stage(pending, stage)

    def _has_expired(self, pending: PendingEffect, seconds: float) -> bool:
        """Return True if an effect is too old to be sent, some seconds from now."""
        return self._clock() + seconds - pending.requested_at > EXPIRY_SECONDS[pending.effect.kind]

    async def _claim_keys(self, pending: PendingEffect) -> bool:
        """Return True if the effect is new; also true if the store fails, because the effect may be new."""
        self._change_stage(pending, "claimed")  # before the claim: a process that ends now must not find its own claim
        effect = pending.effect
        if self._idempotency_store is None:
            return True
        try:
            for key in _list_effect_keys(effect):
                if not await self._idempotency_store.claim_key(effect.kind, key):
                    return False
        except Exception as error:  # noqa: BLE001 - better sent twice than never
            _LOG.error("earlier results cannot be read", kind=effect.kind, reason=type(error).__name__)
            return True
        return True

    async def _sleep_unless_stopped(self, seconds: float) -> bool:
        """Sleep; return False if the process began to stop meanwhile, which ends the sleep."""
        waits = [asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._stop_requested.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return not self._stop_requested.is_set()

    async def stop(self, grace_seconds: float) -> None:
        """Finish pending effects within ``grace_seconds``; the rest waits in the file, or is dropped without one."""
        if self._adoption_task is not None:
            self._adoption_task.cancel()
            await asyncio.gather(self._adoption_task, return_exceptions=True)
        self._start_waiting()
        with self._lock:
            self._is_closed = True
        self._stop_requested.set()
        if self._tasks:
            await asyncio.wait([*self._tasks], timeout=grace_seconds)
        left = [*self._tasks]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        if self._outbox_file is not None:
            self._outbox_file.close()
            if self._requested_at:
                _LOG.warning("effects wait for the next start", count=len(self._requested_at))
        elif left or self._waiting:
            _LOG.error("effects dropped: the server stops", count=len(left) + sum(map(len, self._waiting.values())))

    def count_results(self) -> Mapping[tuple[str, str], int]:
        """Return the number of results by kind and result (see ``EffectResult``)."""
        with self._lock:
            return dict(self._result_counts)

    def get_status(self) -> dict[str, int]:
        """Return the number of effects without a result (``waiting``), and the age of the oldest in seconds."""
        with self._lock:
            oldest = min(self._requested_at.values(), default=None)
            age = 0 if oldest is None else max(0, round(self._clock() - oldest))
            return {"waiting": len(self._requested_at), "oldest_seconds": age}


def _describe_expiry(effect: Effect, reason: str) -> str:
    return f"{reason}; it could not be sent within {EXPIRY_SECONDS[effect.kind] / 3600:g} hours and is given up"


def _list_effect_keys(effect: Effect) -> list[str]:
    """Return the keys to claim, the previous key first: if the previous key was used, the new key is not claimed."""
    return [key for key in (effect.previous_key, effect.key) if key]


def _find_target_host(effect: Effect) -> str:
    """Return the target host for logs, or the kind; a path or a query may contain a secret."""
    try:
        return urlsplit(str(effect.payload.get("url", ""))).hostname or effect.kind
    except ValueError:
        return effect.kind
