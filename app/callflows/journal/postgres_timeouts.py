"""How long PostgreSQL is awaited: one that takes what it is sent and never answers is gone, like one that is not there."""

from __future__ import annotations

import contextlib
import contextvars
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator


QUICK_TIMEOUT_SECONDS: Final = 5.0
"""Seconds that an answer may take …"""


SLOW_TIMEOUT_SECONDS: Final = 65.0
"""… and one that goes through everything; PostgreSQL itself gives up before."""


_IS_SLOW: Final = contextvars.ContextVar("long", default=False)


@contextlib.contextmanager
def allow_slow_statements() -> Iterator[None]:
    """What is asked now may take long."""
    before = _IS_SLOW.set(True)
    try:
        yield
    finally:
        _IS_SLOW.reset(before)


def get_statement_timeout() -> float:
    """Seconds that what is asked now may take."""
    return SLOW_TIMEOUT_SECONDS if _IS_SLOW.get() else QUICK_TIMEOUT_SECONDS
