"""Bounded set of recent keys; a new key evicts the oldest one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Hashable


MAX_RECENT_KEYS: Final = 20_000


class RecentKeys:
    """The newest ``max_keys`` keys."""

    def __init__(self, max_keys: int = MAX_RECENT_KEYS) -> None:
        self._max_keys = max_keys
        self._keys: dict[Hashable, None] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._keys

    def add(self, key: Hashable) -> bool:
        """Add a key; return whether the key is new."""
        if key in self._keys:
            return False
        self._keys[key] = None
        if len(self._keys) > self._max_keys:
            del self._keys[next(iter(self._keys))]
        return True
