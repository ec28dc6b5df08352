"""Timeouts for PostgreSQL's answers.

A server that accepts a statement and never answers counts as unavailable.
"""

from __future__ import annotations

import contextlib
import contextvars
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator


QUICK_TIMEOUT_SECONDS: Final = 5.0
"""Timeout of an ordinary statement, in seconds."""
SLOW_TIMEOUT_SECONDS: Final = 65.0
"""Timeout of a statement that scans whole tables, in seconds; PostgreSQL's own statement timeout is shorter."""
_IS_SLOW: Final = contextvars.ContextVar("long", default=False)


@contextlib.contextmanager
def allow_slow_statements() -> Iterator[None]:
    """Use the slow timeout for statements in the ``with`` block."""
    before = _IS_SLOW.set(True)
    try:
        yield
    finally:
        _IS_SLOW.reset(before)


def get_statement_timeout() -> float:
    return SLOW_TIMEOUT_SECONDS if _IS_SLOW.get() else QUICK_TIMEOUT_SECONDS
