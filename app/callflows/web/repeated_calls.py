"""Recognizes the repeated first request of a call that has no id: with GET, Opentact sends none on the first turn."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from callflows.flows.caller_lists.call_counter import MAX_RECENT_CALLS
from callflows.telephony.calls import SAME_CALL_WINDOW_SECONDS


class CallsWithoutId:
    """Gives an id to each call without one, the same to a request of the same caller and number within seconds."""

    def __init__(self) -> None:
        self._recent_calls: OrderedDict[tuple[str, str], tuple[float, str]] = OrderedDict()

    def identify_call(self, caller: str, number: str, timestamp: float) -> str:
        """Return the id of a call; ``timestamp`` is the time of its request in seconds since 1970."""
        began_at, call = self._recent_calls.get((caller, number), (float("-inf"), ""))
        if 0 <= timestamp - began_at < SAME_CALL_WINDOW_SECONDS:
            return call
        # The id follows from the time, so that other processes have the same one, but for requests around its end.
        window = int(timestamp // SAME_CALL_WINDOW_SECONDS)
        call = hashlib.blake2b(f"{caller} {number} {window}".encode("utf-8", "replace"), digest_size=16).hexdigest()
        self._recent_calls[caller, number] = timestamp, call
        self._recent_calls.move_to_end((caller, number))
        if len(self._recent_calls) > MAX_RECENT_CALLS:
            self._recent_calls.popitem(last=False)
        return call
