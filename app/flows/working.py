"""What is worked out apart where no caller waits: for texts, and for calls that have ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from app.errors import Overdue
from app.flows.apart import Pending

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.calls import Turn
    from app.flows.apart import Job

    Do = Callable[[Job, float, str], Awaitable[Any]]
    """As ``Workshop.do``: a job, the moment by which it must be done, and whose it is."""

T = TypeVar("T")

DEADLINE: Final = 10.0
"""Seconds for all that is worked out apart for one turn."""
MOST_JOBS: Final = 20
"""Things that may be worked out apart for one turn."""


async def worked(act: Callable[[], T], turn: Turn, do: Do, flow: str) -> T:
    """What ``act`` gives for a turn, once all that it needs is done. Raises Overdue, and what ``act`` and ``do`` raise."""
    end = time.monotonic() + DEADLINE
    for _ in range(MOST_JOBS):
        try:
            return act()
        except Pending as pending:
            turn.results.append(await do(pending.job, end, flow))
            turn.begin()
    raise Overdue(f"it needs more than {MOST_JOBS} things done")
