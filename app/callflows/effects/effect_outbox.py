"""What waits to be done outside: a bounded number of effects, each done by a task of its own, and none of them twice."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import structlog

from callflows.errors import OutboundRequestError, RecipientOptedOutError
from callflows.telephony.events import EffectResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from callflows.telephony.ports import Effect, IdempotencyStore


MAX_OUTBOX_EFFECTS: Final = 1_000
"""Effects that may wait, be under way or be tried again; half of them for one host, so that none has the others dropped."""


MAX_REMEMBERED_EFFECT_KEYS: Final = 10_000
"""Keys of effects that were caused already …"""


EFFECT_KEY_MEMORY_SECONDS: Final = 600.0
"""… and the seconds for which they are remembered."""


_DROP_LOG_INTERVAL_SECONDS: Final = 10.0
"""Seconds between two lines that say what had to be dropped."""


class EffectOutbox:
    """Takes effects from any thread, and has ``do`` do them in the loop; ``do`` raises where it could not.

    Of effects with one key the first is done: of those of this process in ten minutes; where there is ``done``, of all.
    """

    def __init__(
        self,
        run_effect: Callable[[Effect], Awaitable[None]],
        sleep: Callable[[float], Awaitable[None]],
        report_result: Callable[[EffectResult], None] | None = None,
        idempotency_store: IdempotencyStore | None = None,
    ) -> None:
        """``settled`` is told what became of each effect that was taken."""
        self._report_result = report_result
        self._run_effect = run_effect
        self._sleep = sleep
        self._idempotency_store = idempotency_store
        self._lock = threading.Lock()
        self._queue: collections.deque[Effect] = collections.deque()
        self._effects_per_host: collections.Counter[str] = collections.Counter()
        self._recent_keys: dict[tuple[str, str], float] = {}
        self._result_counts: collections.Counter[tuple[str, str]] = collections.Counter()
        self._unreported_drops = 0
        self._last_drop_log = float("-inf")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: dict[asyncio.Task[tuple[str, str]], Effect] = {}
        self._stop_requested = asyncio.Event()
        self._is_closed = False

    def queue_effect(self, effect: Effect) -> None:
        """Take an effect, or drop it; never waits, never raises."""
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
            with contextlib.suppress(RuntimeError):  # a loop that has ended; what waits is said by stop
                self._loop.call_soon_threadsafe(self._start_queued)

    def _find_refusal(self, effect: Effect) -> str:
        """What becomes of an effect that is not taken, or nothing. A key is remembered only where it is taken."""
        now = time.monotonic()
        key = (effect.kind, effect.key)
        if any(
            now - self._recent_keys.get((effect.kind, known), float("-inf")) < EFFECT_KEY_MEMORY_SECONDS
            for known in _list_effect_keys(effect)
        ):
            return "repeated"
        host = self._effects_per_host[_find_target_host(effect)]
        if self._is_closed or self._effects_per_host.total() >= MAX_OUTBOX_EFFECTS or host >= MAX_OUTBOX_EFFECTS // 2:
            return "dropped"
        self._recent_keys.pop(key, None)
        self._recent_keys[key] = now
        if len(self._recent_keys) > MAX_REMEMBERED_EFFECT_KEYS:
            del self._recent_keys[next(iter(self._recent_keys))]
        return ""

    def _log_dropped(self) -> None:
        now = time.monotonic()
        with self._lock:
            if now - self._last_drop_log < _DROP_LOG_INTERVAL_SECONDS:
                return
            self._last_drop_log = now
            lost, self._unreported_drops = self._unreported_drops, 0
        _get_outbox_logger().error("effects dropped: too many wait", count=lost)

    def start(self) -> None:
        """Begin, in the running loop."""
        self._loop = asyncio.get_running_loop()
        self._start_queued()

    def _start_queued(self) -> None:
        while self._queue:
            effect = self._queue.popleft()
            task = asyncio.create_task(self._attempt_effect(effect))
            self._tasks[task] = effect
            task.add_done_callback(self._finish_effect)

    def _finish_effect(self, task: asyncio.Task[tuple[str, str]]) -> None:
        """Count an effect and give its room free, both at once."""
        effect = self._tasks.pop(task)
        with self._lock:
            host = _find_target_host(effect)
            self._effects_per_host[host] -= 1
            if not self._effects_per_host[host]:
                del self._effects_per_host[host]
            result, reason = ("dropped", "the server stopped") if task.cancelled() else task.result()
            self._result_counts[effect.kind, result] += 1
        if self._report_result is not None:
            self._report_result(EffectResult(effect.kind, effect.key, time.time(), result, reason, payload=effect.payload))

    async def _attempt_effect(self, effect: Effect) -> tuple[str, str]:
        """What became of an effect, and why; never raises but when it is cancelled."""
        began = time.monotonic()
        reason = ""
        try:
            if not await self._claim_keys(effect):
                return "repeated", "it was done before"
            await self._run_effect(effect)
        except RecipientOptedOutError as error:
            _get_outbox_logger().warning(f"{effect.kind} refused", reason=str(error))
            return "refused", str(error)
        except OutboundRequestError as error:
            reason = str(error)
        except TimeoutError:
            reason = "it was not done in time"
        except Exception as error:  # noqa: BLE001 - others wait, whatever it is
            reason = f"it broke: {type(error).__name__}"
        seconds = round(time.monotonic() - began, 3)
        if reason:
            _get_outbox_logger().error(
                f"{effect.kind} failed", host=_find_target_host(effect), reason=reason, seconds=seconds
            )
            return "failed", reason
        _get_outbox_logger().info(f"{effect.kind} sent", host=_find_target_host(effect), seconds=seconds)
        return "sent", ""

    async def _claim_keys(self, effect: Effect) -> bool:
        """Whether nobody did it before; where that cannot be found out, it is done: nobody may have."""
        if self._idempotency_store is None:
            return True
        try:
            for key in _list_effect_keys(effect):
                if not await self._idempotency_store.claim_key(effect.kind, key):
                    return False
        except Exception as error:  # noqa: BLE001 - a memory that is gone keeps nothing from being done
            _get_outbox_logger().error(
                "what was done before cannot be found out", kind=effect.kind, reason=type(error).__name__
            )
            return True
        return True

    async def wait_for_retry(self, seconds: float) -> bool:
        """Wait before another attempt; whether there is one. Who waits when the end comes has one more, at once."""
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
        """Take nothing more; do what waits within ``grace`` seconds, and drop the rest."""
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
            _get_outbox_logger().error("effects dropped: the server stops", count=len(lost))

    def count_results(self) -> Mapping[tuple[str, str], int]:
        """How many of which kind were ``sent``, ``failed``, ``refused``, ``dropped`` or ``repeated``."""
        with self._lock:
            return dict(self._result_counts)


def _list_effect_keys(effect: Effect) -> list[str]:
    """Under which an effect may have been done; what was done a while ago is asked first, and then nothing is claimed."""
    return [key for key in (effect.previous_key, effect.key) if key]


def _find_target_host(effect: Effect) -> str:
    """Where an effect goes to, as far as a log may tell: a path or a query may be a secret."""
    try:
        return urlsplit(str(effect.payload.get("url", ""))).hostname or effect.kind
    except ValueError:
        return effect.kind


def _get_outbox_logger() -> structlog.typing.FilteringBoundLogger:
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("callflows.effects")
    return log
