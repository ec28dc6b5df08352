"""What was seen already, of a bounded number of things: the oldest is forgotten for the newest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Hashable

MOST: Final = 20_000


class Known:
    """Keys that were seen, the newest ``most`` of them."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._keys: dict[Hashable, None] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._keys

    def new(self, key: Hashable) -> bool:
        """Whether a key was not seen before; from now on it is."""
        if key in self._keys:
            return False
        self._keys[key] = None
        if len(self._keys) > self._most:
            del self._keys[next(iter(self._keys))]
        return True
