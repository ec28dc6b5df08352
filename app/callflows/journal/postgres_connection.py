"""A connection to PostgreSQL that does not wait for ever. Only where PostgreSQL is used: its driver is heavy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg

from callflows.journal.postgres_timeouts import get_statement_timeout

if TYPE_CHECKING:
    from collections.abc import Generator


class TimeoutConnection(psycopg.Connection[Any]):
    """A connection that ends itself where an answer takes too long: nobody knows then what became of the question."""

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as psycopg has it
        """As psycopg waits, for as long as may be. Raises OperationalError."""
        return super().wait(self._limit_wait(gen), *arguments, **options)

    def _limit_wait(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """What psycopg waits for, step by step: it is asked again several times a second while nothing comes."""
        seconds = get_statement_timeout()
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
