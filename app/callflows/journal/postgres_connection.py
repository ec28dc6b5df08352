"""A PostgreSQL connection with a time limit on every answer.

Import this module only if PostgreSQL is used: the driver is heavy.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg

from callflows.journal.postgres_timeouts import get_statement_timeout

if TYPE_CHECKING:
    from collections.abc import Generator


class TimeoutConnection(psycopg.Connection[Any]):
    """A connection that closes itself if an answer takes too long."""

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - psycopg's
        """Wait like psycopg, up to the statement timeout. Raises OperationalError on timeout."""
        return super().wait(self._limit_wait(gen), *arguments, **options)

    def _limit_wait(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Wrap psycopg's wait generator, and stop it after the statement timeout."""
        seconds = get_statement_timeout()
        until = time.monotonic() + seconds
        try:
            waited_state = next(gen)
            while True:
                ready = yield waited_state
                # psycopg asks again several times a second while no data arrives.
                if not ready and time.monotonic() > until:
                    self.pgconn.finish()  # the fate of the statement is unknown, so the connection cannot be reused
                    raise psycopg.OperationalError(f"the database did not answer within {seconds:g} s")
                waited_state = gen.send(ready)
        except StopIteration as over:
            return over.value
