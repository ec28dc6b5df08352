"""How long PostgreSQL is awaited: one that takes what it is sent and never answers is gone, like one that is not there."""

from __future__ import annotations

import contextlib
import contextvars
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

QUICK: Final = 5.0
"""Seconds that an answer may take …"""
SLOW: Final = 65.0
"""… and one that goes through everything; PostgreSQL itself gives up before."""
_LONG: Final = contextvars.ContextVar("long", default=False)


@contextlib.contextmanager
def slowly() -> Iterator[None]:
    """What is asked now may take long."""
    before = _LONG.set(True)
    try:
        yield
    finally:
        _LONG.reset(before)


def patience() -> float:
    """Seconds that what is asked now may take."""
    return SLOW if _LONG.get() else QUICK
