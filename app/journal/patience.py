"""How long PostgreSQL is awaited: one that takes what it is sent and never answers is gone, like one that is not there."""

from __future__ import annotations

import contextlib
import contextvars
import time
from typing import TYPE_CHECKING, Any, Final

import psycopg

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

QUICK: Final = 5.0
"""Seconds that an answer may take …"""
SLOW: Final = 65.0
"""… and one that goes through everything; PostgreSQL itself gives up before."""
_LONG: Final = contextvars.ContextVar("long", default=False)


@contextlib.contextmanager
def slowly() -> Iterator[None]:
    """What is asked now may take long."""
    _LONG.set(True)
    try:
        yield
    finally:
        _LONG.set(False)


class Impatient(psycopg.Connection[Any]):
    """A connection that ends itself where an answer takes too long: nobody knows then what became of the question."""

    def wait(self, gen: Generator[Any, Any, Any], *given: Any, **more: Any) -> Any:  # noqa: ANN401 - as psycopg has it
        """As psycopg waits, for as long as may be. Raises OperationalError."""
        return super().wait(self._bounded(gen), *given, **more)

    def _bounded(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """What psycopg waits for, step by step: it is asked again several times a second while nothing comes."""
        patience = SLOW if _LONG.get() else QUICK
        until = time.monotonic() + patience
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > until:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"the database did not answer within {patience:g} s")
                wanted = gen.send(ready)
        except StopIteration as over:
            return over.value
