"""The numbers of calls among those of the same caller, flow and day, in the database."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, func, insert, select

from callflows.journal.journal_tables import COUNTED_TABLE
from callflows.journal.postgres_locks import lock_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection


class CountedCall(NamedTuple):
    """A call to count among the calls with the same ``scope``; ``at`` is in seconds since 1970."""

    scope: str
    key: str
    at: float


def digest_caller(number: str) -> str:
    """Return a digest of a caller's number, so that the counts name no number."""
    return hashlib.blake2b(number.encode("utf-8", "replace"), digest_size=12).hexdigest()


def count_calls(connection: Connection, calls: Sequence[CountedCall]) -> list[int]:
    """Count calls in a transaction, and return their numbers."""
    table = COUNTED_TABLE
    for scope in sorted({call.scope for call in calls}):  # in one order: no two transactions wait for each other
        lock_name(connection, scope)
    numbers = []
    for call in calls:
        known = select(table.c.number).where(table.c.scope == call.scope, table.c.key == call.key)
        number = connection.scalar(known)
        if number is None:
            last = connection.scalar(select(func.max(table.c.number)).where(table.c.scope == call.scope))
            number = (last or 0) + 1
            connection.execute(insert(table).values(**call._asdict(), number=number))
        numbers.append(number)
    return numbers


def erase_counts_before(connection: Connection, moment: float) -> None:
    connection.execute(delete(COUNTED_TABLE).where(COUNTED_TABLE.c.at < moment))
