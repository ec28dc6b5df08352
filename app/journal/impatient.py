"""A connection to PostgreSQL that does not wait for ever. Only where PostgreSQL is used: its driver is heavy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg

from app.journal.patience import patience

if TYPE_CHECKING:
    from collections.abc import Generator


class Impatient(psycopg.Connection[Any]):
    """A connection that ends itself where an answer takes too long: nobody knows then what became of the question."""

    def wait(self, gen: Generator[Any, Any, Any], *given: Any, **more: Any) -> Any:  # noqa: ANN401 - as psycopg has it
        """As psycopg waits, for as long as may be. Raises OperationalError."""
        return super().wait(self._bounded(gen), *given, **more)

    def _bounded(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """What psycopg waits for, step by step: it is asked again several times a second while nothing comes."""
        seconds = patience()
        until = time.monotonic() + seconds
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > until:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"the database did not answer within {seconds:g} s")
                wanted = gen.send(ready)
        except StopIteration as over:
            return over.value
