"""Rate limits for texts, against endless talks between two machines.

A pair of numbers gets a limited number of texts, and not the same answer to the same text in quick succession.
"""

from __future__ import annotations

import collections
import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection


TextConversation = tuple[str, ...]
"""Our number, the other number, and the kind of text."""


class TextRateLimit(NamedTuple):
    """Maximum number of texts within a period; ``period`` is the period in words."""

    max_texts: int
    seconds: float
    period: str


REPLY_LIMITS: Final = (TextRateLimit(5, 600.0, "10 minutes"), TextRateLimit(20, 86_400.0, "a day"))
"""Limits for answers to one sender. Confirmations of STOP are counted separately, so that none is lost to other answers."""
FORWARD_LIMITS: Final = (TextRateLimit(20, 600.0, "10 minutes"), TextRateLimit(100, 86_400.0, "a day"))
"""Limits for forwards from one sender to one target, higher because people may read many texts."""
REPEATED_TEXT_SECONDS: Final = 60.0
"""The same text does not get the same answer again within this time."""
MAX_TEXT_CONVERSATIONS: Final = 50_000
"""Maximum number of remembered conversations."""
_DAY: Final = 86_400.0


def make_text_digest(received_text: str, reply_text: str) -> str:
    """Return a digest of a text and the reply to it."""
    return hashlib.blake2b(f"{received_text}\0{reply_text}".encode("utf-8", "replace"), digest_size=8).hexdigest()


def find_limit_refusal(
    sent_texts: Collection[tuple[float, str]], limits: tuple[TextRateLimit, ...], digest: str, now: float
) -> str:
    """Return the reason not to send a text after the sent ones (time, digest) of its conversation; "" if allowed."""
    # A text that seems to be of the future was sent before the clock was set back: it counts for no more than its period.
    ages = [(abs(now - at), other) for at, other in sent_texts]
    if any(digest == other and age < REPEATED_TEXT_SECONDS for age, other in ages):
        return f"the same text was answered so less than {REPEATED_TEXT_SECONDS:g} seconds ago"
    for most, seconds, period in limits:
        if sum(age < seconds for age, _ in ages) >= most:
            return f"{most} texts in {period} are enough: two machines may be talking"
    return ""


class ReplyLimiter:
    """Counts the texts of this process, if no database counts those of all processes. Not thread-safe."""

    def __init__(self) -> None:
        self._sent_texts: collections.OrderedDict[TextConversation, collections.deque[tuple[float, str]]] = (
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
        """Return the reason not to send a reply to a received text; "" if allowed, and then the reply is counted."""
        sent = self._sent_texts.setdefault(conversation, collections.deque(maxlen=max(bound.max_texts for bound in limits)))
        self._sent_texts.move_to_end(conversation)
        while len(self._sent_texts) > MAX_TEXT_CONVERSATIONS:
            self._sent_texts.popitem(last=False)
        digest = make_text_digest(received_text, reply_text)
        if refusal := find_limit_refusal(sent, limits, digest, now):
            return refusal
        sent.append((now, digest))
        return ""
