"""Searches calls for a part of a number or name, from the newest on, for a limited time.

No index finds a part of a text: without a hit, a million calls are looked at. They are looked at in blocks, each as large
as the time that is left allows.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import select

from callflows.journal.journal_tables import CALLS_TABLE
from callflows.journal.sql_queries import narrow_to_node, query_narrowed_calls

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from callflows.journal.stored_rows import CallFilter, JournalRow


FIRST_BLOCK_CALLS: Final = 20_000
_MAX_BLOCK_GROWTH: Final = 4.0
_USED_SHARE: Final = 0.6
"""Share of the time that is left for which a block is made: the next calls may take longer than those before."""


class FoundCalls(NamedTuple):
    """Calls that a search has found, the newest first.

    ``looked_back_to`` is the beginning of the oldest call that was looked at, if there are older ones; else None.
    """

    calls: list[JournalRow]
    looked_back_to: float | None = None


def search_calls(
    connection: Connection,
    call_filter: CallFilter,
    shortest_message_seconds: float,
    seconds: float,
) -> FoundCalls:
    """Return the calls of a filter with a limit; if it has a text, those that are found within some seconds."""
    began = time.monotonic()
    narrowed = narrow_to_node(connection, call_filter)
    if not narrowed.text or narrowed.ids:
        return FoundCalls([*query_narrowed_calls(connection, narrowed, shortest_message_seconds)])
    assert narrowed.limit is not None  # noqa: S101 - as said above
    found: list[JournalRow] = []
    size, until = FIRST_BLOCK_CALLS, narrowed.until
    while True:
        block_began = time.monotonic()
        since = _find_block_begin(connection, narrowed._replace(until=until), size)
        block = narrowed._replace(
            since=narrowed.since if since is None else since, until=until, limit=narrowed.limit - len(found)
        )
        found += query_narrowed_calls(connection, block, shortest_message_seconds)
        if since is None or len(found) == narrowed.limit:
            return FoundCalls(found)
        now = time.monotonic()
        growth = _USED_SHARE * (seconds - (now - began)) / max(now - block_began, 0.001)
        size, until = int(size * min(growth, _MAX_BLOCK_GROWTH)), since
        if size < FIRST_BLOCK_CALLS // 4:
            return FoundCalls(found, since)


def _find_block_begin(connection: Connection, call_filter: CallFilter, size: int) -> float | None:
    """Return the beginning of the last of so many calls, the newest first; None if there are no more than these."""
    started = CALLS_TABLE.c.started
    query = select(started).where(CALLS_TABLE.c.parent.is_(None))
    if call_filter.since is not None:
        query = query.where(started >= call_filter.since)
    if call_filter.until is not None:
        query = query.where(started < call_filter.until)
    if call_filter.after is not None:
        query = query.where(started <= call_filter.after[0])
    found: float | None = connection.scalar(query.order_by(started.desc()).offset(size - 1).limit(1))
    return found
