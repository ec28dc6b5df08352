"""Queue of effects to execute: bounded, one task per effect, and every idempotency key executed at most once."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from callflows.errors import OutboundRequestError, RecipientOptedOutError
from callflows.log import get_logger
from callflows.recent_keys import RecentKeys
from callflows.telephony.events import EffectResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from callflows.telephony.ports import Effect, IdempotencyStore


_LOG: Final = get_logger("effects")
MAX_OUTBOX_EFFECTS: Final = 1_000
"""Effects that may be queued, running or waiting for a retry.

One host gets at most half of the room, so that a slow host does not cause effects for other hosts to be dropped.
"""
MAX_REMEMBERED_EFFECT_KEYS: Final = 10_000
"""Keys of recent effects kept in memory."""
EFFECT_KEY_MEMORY_SECONDS: Final = 600.0
"""Seconds for which a key is kept in memory."""
_DROP_LOG_INTERVAL_SECONDS: Final = 10.0
"""Seconds between two log lines about dropped effects."""


class EffectOutbox:
    """Takes effects from any thread and executes each with ``run_effect`` in the event loop.

    ``run_effect`` raises on failure. Only the first effect with a key is executed: within this process for ten minutes, and
    with an ``idempotency_store`` for all processes permanently.
    """

    def __init__(
        self,
        run_effect: Callable[[Effect], Awaitable[None]],
        sleep: Callable[[float], Awaitable[None]],
        report_result: Callable[[EffectResult], None] | None = None,
        idempotency_store: IdempotencyStore | None = None,
    ) -> None:
        """``report_result`` is called with the result of each accepted effect."""
        self._report_result = report_result
        self._run_effect = run_effect
        self._sleep = sleep
        self._idempotency_store = idempotency_store
        self._lock = threading.Lock()
        self._queue: collections.deque[Effect] = collections.deque()
        self._effects_per_host: collections.Counter[str] = collections.Counter()
        self._recent_keys = RecentKeys(MAX_REMEMBERED_EFFECT_KEYS, EFFECT_KEY_MEMORY_SECONDS)
        self._result_counts: collections.Counter[tuple[str, str]] = collections.Counter()
        self._unreported_drops = 0
        self._last_drop_log = float("-inf")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: dict[asyncio.Task[tuple[str, str]], Effect] = {}
        self._stop_requested = asyncio.Event()
        self._is_closed = False

    def queue_effect(self, effect: Effect) -> None:
        """Accept an effect or drop it; never waits, never raises."""
        with self._lock:
            outcome = self._find_refusal(effect)
            if outcome:
                self._result_counts[effect.kind, outcome] += 1
                self._unreported_drops += outcome == "dropped"
            else:
                self._effects_per_host[_find_target_host(effect)] += 1
                self._queue.append(effect)
        if outcome == "dropped":
            self._log_dropped()
        elif not outcome and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed; stop() reports the queue
                self._loop.call_soon_threadsafe(self._start_queued)

    def _find_refusal(self, effect: Effect) -> str:
        """Return ``repeated`` or ``dropped`` for an effect to refuse, else "" and remember its key."""
        if any((effect.kind, key) in self._recent_keys for key in _list_effect_keys(effect)):
            return "repeated"
        host = self._effects_per_host[_find_target_host(effect)]
        if self._is_closed or self._effects_per_host.total() >= MAX_OUTBOX_EFFECTS or host >= MAX_OUTBOX_EFFECTS // 2:
            return "dropped"
        self._recent_keys.add((effect.kind, effect.key))
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
        """Start executing in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._start_queued()

    def _start_queued(self) -> None:
        while self._queue:
            effect = self._queue.popleft()
            task = asyncio.create_task(self._attempt_effect(effect))
            self._tasks[task] = effect
            task.add_done_callback(self._finish_effect)

    def _finish_effect(self, task: asyncio.Task[tuple[str, str]]) -> None:
        """Count the result and free the effect's room under one lock."""
        effect = self._tasks.pop(task)
        with self._lock:
            host = _find_target_host(effect)
            self._effects_per_host[host] -= 1
            if not self._effects_per_host[host]:
                del self._effects_per_host[host]
            result, reason = ("dropped", "the server stopped") if task.cancelled() else task.result()
            self._result_counts[effect.kind, result] += 1
        if self._report_result is not None:
            self._report_result(
                EffectResult(effect.kind, effect.key, time.time(), result, reason, effect.call, effect.payload)
            )

    async def _attempt_effect(self, effect: Effect) -> tuple[str, str]:
        """Execute an effect; return its result and the reason. Raises nothing but CancelledError."""
        began = time.monotonic()
        reason = ""
        try:
            if not await self._claim_keys(effect):
                return "repeated", "it was sent before"
            await self._run_effect(effect)
        except RecipientOptedOutError as error:
            _LOG.warning(f"{effect.kind} refused", reason=str(error))
            return "refused", str(error)
        except OutboundRequestError as error:
            reason = str(error)
        except TimeoutError:
            reason = "it was not sent in time"
        except Exception as error:  # noqa: BLE001 - one broken effect must not affect others
            reason = f"it failed: {type(error).__name__}"
        seconds = round(time.monotonic() - began, 3)
        if reason:
            _LOG.error(f"{effect.kind} failed", host=_find_target_host(effect), reason=reason, seconds=seconds)
            return "failed", reason
        _LOG.info(f"{effect.kind} sent", host=_find_target_host(effect), seconds=seconds)
        return "sent", ""

    async def _claim_keys(self, effect: Effect) -> bool:
        """Return whether the effect is new; also true if the store fails, because the effect may be new."""
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

    async def wait_for_retry(self, seconds: float) -> bool:
        """Wait before a retry; return whether to retry.

        A stop ends the wait: the effect gets one last attempt at once. After a stop no further wait is granted.
        """
        if self._stop_requested.is_set():
            return False
        waits = [asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._stop_requested.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return True

    async def stop(self, grace_seconds: float) -> None:
        """Accept no more effects; finish pending ones within ``grace_seconds`` and drop the rest."""
        with self._lock:
            self._is_closed = True
        self._start_queued()
        self._stop_requested.set()
        if self._tasks:
            await asyncio.wait([*self._tasks], timeout=grace_seconds)
        lost = [*self._tasks]
        for task in lost:
            task.cancel()
        await asyncio.gather(*lost, return_exceptions=True)
        if lost:
            _LOG.error("effects dropped: the server stops", count=len(lost))

    def count_results(self) -> Mapping[tuple[str, str], int]:
        """Return the number of results by kind and result (``sent, failed, refused, dropped, repeated``)."""
        with self._lock:
            return dict(self._result_counts)


def _list_effect_keys(effect: Effect) -> list[str]:
    """Return the keys to claim, the previous key first: if the previous key was used, the new key is not claimed."""
    return [key for key in (effect.previous_key, effect.key) if key]


def _find_target_host(effect: Effect) -> str:
    """Return the target host for logs, or the kind; a path or a query may contain a secret."""
    try:
        return urlsplit(str(effect.payload.get("url", ""))).hostname or effect.kind
    except ValueError:
        return effect.kind
