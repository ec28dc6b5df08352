"""What became of each answer, counted and logged after the answer is on its way.

The way of a call only appends a plain tuple; a thread of its own turns them into counters and log lines, in batches, so that neither a
full pipe nor a slow disk ever makes a caller wait. What does not fit is dropped, counted and said.
"""

from __future__ import annotations

import collections
import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import prometheus_client
import structlog

from app.calls import masked

if TYPE_CHECKING:
    from collections.abc import Iterable

CAPACITY: Final = 20_000
"""Answers that may wait to be counted and logged."""
_PAUSE: Final = 0.05
_BATCH: Final = 2_000
_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0)


class Answered(NamedTuple):
    """One request of Opentact, answered. ``outcome``: answered, fallback, unknown-number, refused; ``cause`` says why."""

    at: float
    seconds: float
    outcome: str
    flow: str
    node: str
    cause: str
    caller: str
    number: str
    call: str
    detail: str


class Tally:
    """Counts and logs answers; ``add`` is all that the way of a call sees of it."""

    def __init__(self) -> None:
        self._waiting: collections.deque[Answered] = collections.deque()
        self._log = structlog.get_logger("callflows.calls")
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._turn = threading.Lock()
        self.registry = prometheus_client.CollectorRegistry()
        self._answers = prometheus_client.Counter(
            "callflows_answers", "Requests of Opentact answered", ["flow", "outcome"], registry=self.registry
        )
        self._fallbacks = prometheus_client.Counter(
            "callflows_fallbacks", "Fallbacks served, by cause", ["flow", "cause"], registry=self.registry
        )
        self._times = prometheus_client.Histogram(
            "callflows_answer_seconds", "Time from request to answer", buckets=_SECONDS, registry=self.registry
        )
        self._dropped = prometheus_client.Counter(
            "callflows_log_lines_dropped", "Answers that could not be logged in time", registry=self.registry
        )
        self._lost = 0

    def add(self, answered: Answered) -> None:
        """Remember an answer; never waits."""
        if len(self._waiting) < CAPACITY:
            self._waiting.append(answered)
        else:
            self._lost += 1

    def start(self) -> None:
        """Begin to count and log, in a thread that ends with the process."""
        self._thread = threading.Thread(target=self._work, name="tally", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Count and log what waits, and end."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=2)
        self.flush()

    def exposition(self) -> bytes:
        """The counters, in Prometheus' text format."""
        self.flush()
        return prometheus_client.generate_latest(self.registry)

    def flush(self) -> None:
        """Count and log what waits now."""
        with self._turn:
            while self._waiting:
                self._write([self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))])
            lost, self._lost = self._lost, 0
            if lost:
                self._dropped.inc(lost)
                self._log.warning("log lines dropped", count=lost)

    def _work(self) -> None:
        while not self._stopping.wait(_PAUSE):
            self.flush()

    def _write(self, batch: Iterable[Answered]) -> None:
        counts: collections.Counter[tuple[str, str]] = collections.Counter()
        for answered in batch:
            counts[answered.flow, answered.outcome] += 1
            self._times.observe(answered.seconds)
            if answered.outcome == "fallback":
                self._fallbacks.labels(answered.flow, answered.cause).inc()
            self._line(answered)
        for (flow, outcome), count in counts.items():
            self._answers.labels(flow, outcome).inc(count)

    def _line(self, answered: Answered) -> None:
        say = self._log.info if answered.outcome == "answered" else self._log.warning
        fields = {
            "flow": answered.flow,
            "node": answered.node,
            "caller": masked(answered.caller),
            "number": masked(answered.number) if answered.outcome == "answered" else answered.number,
            "call": answered.call,
            "cause": answered.cause,
            "detail": answered.detail,
        }
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(answered.at))
        say(
            answered.outcome,
            at=f"{at}.{int(answered.at % 1 * 1000):03}Z",
            ms=round(answered.seconds * 1000, 3),
            **{name: value for name, value in fields.items() if value},
        )
