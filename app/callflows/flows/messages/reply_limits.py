"""What ends a talk between two machines: no pair of numbers gets more than so many texts, and none the same at once."""

from __future__ import annotations

import collections
import hashlib
from typing import Final, NamedTuple

TextConversation = tuple[str, ...]
"""Who talks: our number, the other's, and what kind of text it is."""


class TextRateLimit(NamedTuple):
    """How many texts in how many seconds."""

    max_texts: int
    seconds: float
    period: str


REPLY_LIMITS: Final = (TextRateLimit(5, 600.0, "10 minutes"), TextRateLimit(20, 86_400.0, "a day"))
"""Answers to one sender; STOP's confirmations are counted apart, so that nobody misses his."""


FORWARD_LIMITS: Final = (TextRateLimit(20, 600.0, "10 minutes"), TextRateLimit(100, 86_400.0, "a day"))
"""Texts of one sender that are sent on to one target: people may write more than machines should answer."""


REPEATED_TEXT_SECONDS: Final = 60.0
"""Seconds within which the same text is not answered by the same text."""


MAX_TEXT_CONVERSATIONS: Final = 50_000
"""Talks that are remembered."""


_DAY: Final = 86_400.0


class ReplyLimiter:
    """Counts what this process sent; of several, each counts for itself. For one thread."""

    def __init__(self) -> None:
        self._sent_texts: collections.OrderedDict[TextConversation, collections.deque[tuple[float, bytes]]] = (
            collections.OrderedDict()
        )

    def __len__(self) -> int:
        return len(self._sent_texts)

    def count_or_refuse(
        self,
        conversation: TextConversation,
        limits: tuple[TextRateLimit, ...],
        received_text: str,
        reply_text: str,
        now: float,
    ) -> str:
        """Why a text is not sent in answer to what was ``heard``; nothing where it may be: then it is counted."""
        sent = self._sent_texts.setdefault(conversation, collections.deque(maxlen=max(bound.max_texts for bound in limits)))
        self._sent_texts.move_to_end(conversation)
        while len(self._sent_texts) > MAX_TEXT_CONVERSATIONS:
            self._sent_texts.popitem(last=False)
        mark = hashlib.blake2b(f"{received_text}\0{reply_text}".encode("utf-8", "replace"), digest_size=8).digest()
        if any(mark == other and now - at < REPEATED_TEXT_SECONDS for at, other in sent):
            return f"the same text was answered so less than {REPEATED_TEXT_SECONDS:g} seconds ago"
        for most, seconds, period in limits:
            if sum(now - at < seconds for at, _ in sent) >= most:
                return f"{most} texts in {period} are enough: two machines may be talking"
        sent.append((now, mark))
        return ""
