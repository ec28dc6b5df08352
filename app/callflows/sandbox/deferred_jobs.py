"""Jobs that must run outside the request: lookups, templates, Python flows, and possibly slow expressions.

If a document needs the result of such a job, ``get_job_result`` raises ``NeedsResult``. The engine runs the job and
renders the turn again. A turn asks for its jobs in the same order each time, so the results are kept as a list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from callflows.telephony.ports import LookupRequest

if TYPE_CHECKING:
    from callflows.telephony.turn import Turn


class WorkerJob(Protocol):
    """A job that runs in a sandbox process."""

    def run(self) -> Any:  # noqa: ANN401 - JSON data, or an awaitable of JSON data
        """Return JSON data, or an awaitable of JSON data."""


DeferredJob: TypeAlias = LookupRequest | WorkerJob


class NeedsResult(Exception):
    """Raised if a document cannot be written before ``job`` is done."""

    def __init__(self, job: DeferredJob) -> None:
        super().__init__(type(job).__name__)
        self.job = job

    def add_notes_to(self, error: Exception) -> None:
        """Add what is known of the place that needs the job to the error of the job, for the log."""
        for note in getattr(self, "__notes__", ()):
            error.add_note(note)


def get_job_result(turn: Turn, job: DeferredJob) -> Any:  # noqa: ANN401 - JSON data, or a LookupResult
    """Return the result of a job. Raises NeedsResult if the job has not run yet."""
    position = turn.results_used
    if position >= len(turn.deferred_results):
        raise NeedsResult(job)
    turn.results_used = position + 1
    return turn.deferred_results[position]
