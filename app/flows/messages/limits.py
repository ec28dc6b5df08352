"""What ends a talk between two machines: no pair of numbers gets more than so many texts, and none the same at once."""

from __future__ import annotations

import collections
import hashlib
from typing import Final, NamedTuple

Talk = tuple[str, ...]
"""Who talks: our number, the other's, and what kind of text it is."""


class Bound(NamedTuple):
    """How many texts in how many seconds."""

    most: int
    seconds: float
    said: str


REPLIES: Final = (Bound(5, 600.0, "10 minutes"), Bound(20, 86_400.0, "a day"))
"""Answers to one sender; STOP's confirmations are counted apart, so that nobody misses his."""
FORWARDS: Final = (Bound(20, 600.0, "10 minutes"), Bound(100, 86_400.0, "a day"))
"""Texts of one sender that are sent on to one target: people may write more than machines should answer."""
SAME: Final = 60.0
"""Seconds within which the same text is not answered by the same text."""
PAIRS: Final = 50_000
"""Talks that are remembered."""
_DAY: Final = 86_400.0


class Limits:
    """Counts what this process sent; of several, each counts for itself. For one thread."""

    def __init__(self) -> None:
        self._sent: collections.OrderedDict[Talk, collections.deque[tuple[float, bytes]]] = collections.OrderedDict()

    def __len__(self) -> int:
        return len(self._sent)

    def refusal(self, talk: Talk, bounds: tuple[Bound, ...], heard: str, said: str, now: float) -> str:
        """Why a text is not sent in answer to what was ``heard``; nothing where it may be: then it is counted."""
        sent = self._sent.setdefault(talk, collections.deque(maxlen=max(bound.most for bound in bounds)))
        self._sent.move_to_end(talk)
        while len(self._sent) > PAIRS:
            self._sent.popitem(last=False)
        mark = hashlib.blake2b(f"{heard}\0{said}".encode("utf-8", "replace"), digest_size=8).digest()
        if any(mark == other and now - at < SAME for at, other in sent):
            return f"the same text was answered so less than {SAME:g} seconds ago"
        for most, seconds, period in bounds:
            if sum(now - at < seconds for at, _ in sent) >= most:
                return f"{most} texts in {period} are enough: two machines may be talking"
        sent.append((now, mark))
        return ""
