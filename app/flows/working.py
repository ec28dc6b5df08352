"""What is worked out apart where no caller waits: for texts, and for calls that have ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from app.errors import SandboxTimeoutError
from app.flows.apart import NeedsResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.calls import Turn
    from app.flows.apart import DeferredJob

    RunJob = Callable[[DeferredJob, float, str], Awaitable[Any]]
    """As ``Workshop.do``: a job, the moment by which it must be done, and whose it is."""

_ResultT = TypeVar("_ResultT")

BACKGROUND_DEADLINE_SECONDS: Final = 10.0
"""Seconds for all that is worked out apart for one turn."""
MAX_BACKGROUND_JOBS: Final = 20
"""Things that may be worked out apart for one turn."""


async def run_until_resolved(action: Callable[[], _ResultT], turn: Turn, run_job: RunJob, flow_name: str) -> _ResultT:
    """What ``act`` gives for a turn, once all that it needs is done. Raises Overdue, and what ``act`` and ``do`` raise."""
    end = time.monotonic() + BACKGROUND_DEADLINE_SECONDS
    for _ in range(MAX_BACKGROUND_JOBS):
        try:
            return action()
        except NeedsResult as pending:
            turn.deferred_results.append(await run_job(pending.job, end, flow_name))
            turn.reset_progress()
    raise SandboxTimeoutError(f"it needs more than {MAX_BACKGROUND_JOBS} things done")
