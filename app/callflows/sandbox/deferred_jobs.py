"""What is worked out apart from the server, where it can be stopped: Jinja's rarer forms, templates, programs.

A document that needs such a thing, or an answer of another server, cannot be written yet: ``Pending`` says what is needed,
and once it is there the turn is begun again. The n-th need of a turn is the same each time: nothing is left to chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from callflows.telephony.ports import LookupRequest

if TYPE_CHECKING:
    from callflows.telephony.turn import Turn


class WorkerJob(Protocol):
    """Something that is worked out in a worker."""

    def run(self) -> Any:  # noqa: ANN401 - plain data, or something that is awaited and gives it
        """The result."""


DeferredJob: TypeAlias = LookupRequest | WorkerJob


class NeedsResult(Exception):
    """A document that cannot be written before ``job`` is done."""

    def __init__(self, job: DeferredJob) -> None:
        super().__init__(type(job).__name__)
        self.job = job


def get_job_result(turn: Turn, job: DeferredJob) -> Any:  # noqa: ANN401 - as the job gives it
    """The result of a job. Raises Pending where it is not there yet."""
    at = turn.results_used
    if at >= len(turn.deferred_results):
        raise NeedsResult(job)
    turn.results_used = at + 1
    return turn.deferred_results[at]
