"""A share of a processor, so that who writes things down does not slow who answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


class Share:
    """``share`` of a processor in the long run, ``burst`` seconds of it at once; what is done ``with`` it counts."""

    def __init__(
        self,
        share: float,
        burst: float,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.thread_time,
    ) -> None:
        self._share = share
        self._burst = burst
        self._clock = clock
        self._used = used
        self._left = burst
        self._filled = clock()
        self._began = 0.0

    def left(self) -> bool:
        """Whether there is anything left of it now."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._filled) * self._share)
        self._filled = now
        return self._left > 0

    def __enter__(self) -> None:
        self._began = self._used()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._left -= self._used() - self._began
