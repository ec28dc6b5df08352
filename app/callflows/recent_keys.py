"""Bounded set of recent keys; a new key evicts the oldest one."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Hashable


MAX_RECENT_KEYS: Final = 20_000


class RecentKeys:
    """The newest ``max_keys`` keys, each for ``memory_seconds`` after it was added."""

    def __init__(self, max_keys: int = MAX_RECENT_KEYS, memory_seconds: float = math.inf) -> None:
        self._max_keys = max_keys
        self._memory_seconds = memory_seconds
        self._added_at: dict[Hashable, float] = {}

    def __contains__(self, key: Hashable) -> bool:
        return time.monotonic() - self._added_at.get(key, -math.inf) < self._memory_seconds

    def add(self, key: Hashable) -> bool:
        """Add a key; return whether the key is new."""
        if key in self:
            return False
        self._added_at.pop(key, None)  # an expired key becomes the newest
        self._added_at[key] = time.monotonic()
        if len(self._added_at) > self._max_keys:
            del self._added_at[next(iter(self._added_at))]
        return True
