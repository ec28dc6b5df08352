"""Counts the results of the journal's items, and logs its errors, at most one in ten seconds."""

from __future__ import annotations

import collections
import time
from typing import TYPE_CHECKING, Any, Final

from callflows.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping


_LOG: Final = get_logger("journal")
_LOG_INTERVAL_SECONDS: Final = 10.0
"""Minimum interval in seconds between log lines about errors and dropped items."""
JOURNAL_RESULTS: Final = ("written", "spooled", "refused", "dropped")
"""Results of an item; ``spooled`` items are written later, ``refused`` ones never, because the database rejects them."""


class JournalHealth:
    """Results and errors that both threads of the journal report."""

    def __init__(self) -> None:
        self._counts: collections.Counter[str] = collections.Counter()
        self._last_error_at = float("-inf")

    @property
    def has_logged_error(self) -> bool:
        return self._last_error_at > float("-inf")

    def add_results(self, result: str, count: int = 1) -> None:
        """Count some items with a result of JOURNAL_RESULTS."""
        self._counts[result] += count

    def count_results(self) -> Mapping[str, int]:
        """Return the number of items for each result."""
        return {result: self._counts[result] for result in JOURNAL_RESULTS}

    def log_error(self, event: str, **fields: Any) -> None:  # noqa: ANN401 - plain values
        """Log an error with the number of dropped items, unless another was logged a moment ago."""
        now = time.monotonic()
        if now - self._last_error_at >= _LOG_INTERVAL_SECONDS:
            self._last_error_at = now
            _LOG.error(event, dropped=self._counts["dropped"], **fields)
