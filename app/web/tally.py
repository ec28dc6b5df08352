"""What became of each answer, counted and logged after the answer is on its way.

The way of a call only appends a plain tuple; a thread of its own turns them into counters and log lines, in batches, so
that neither a
full pipe nor a slow disk ever makes a caller wait. What does not fit is dropped, counted and said.
"""

from __future__ import annotations

import bisect
import collections
import contextlib
import functools
import itertools
import json
import threading
import time
from json.encoder import encode_basestring_ascii as _quoted
from typing import TYPE_CHECKING, Any, Final, TextIO, TypeAlias

import prometheus_client
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from app.numbers import masked, masked_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from prometheus_client.core import Metric

    from app.answered import Outcome
    from app.web.log import Log

CAPACITY: Final = 20_000
"""Answers that may wait to be counted and logged."""
_PAUSE: Final = 0.05
_BATCH: Final = 2_000
_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0)


Counted: TypeAlias = "tuple[float, float, Outcome, str, str, str]"
"""When (seconds since 1970), how long it took (seconds), what became of it; the caller, the number called, the call."""


class Tally:
    """Counts and logs answers; ``add`` is all that the way of a call sees of it. A collector of ``prometheus_client``."""

    def __init__(
        self,
        line: Callable[[Mapping[str, Any]], str],
        out: TextIO | Log,
        flows: Callable[[], Mapping[str, int]] | None = None,
        mask: Callable[[str], str] = masked,
    ) -> None:
        """``line`` makes the log line of some fields, ``out`` takes it; ``flows`` tells how many there are by state.

        ``mask`` writes numbers so that they may stand in a log.
        """
        self._mask = mask
        self._flows = flows
        self._others: list[tuple[str, str, list[str], Callable[[], Mapping[Any, int]]]] = []
        self._render = line
        self._quick = line({}) == "{}"
        self._out = out
        self._waiting: collections.deque[Counted] = collections.deque()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._turn = threading.Lock()
        self._answers: collections.Counter[tuple[str, str]] = collections.Counter()
        self._fallbacks: collections.Counter[tuple[str, str]] = collections.Counter()
        self._within = [0] * (len(_SECONDS) + 1)
        self._seconds = 0.0
        self._refused_to_wait = 0
        self._dropped = 0

    def also(self, name: str, says: str, labels: list[str], counts: Callable[[], Mapping[Any, int]]) -> None:
        """Expose what others count, by a label or several."""
        self._others.append((name, says, labels, counts))

    def add(self, answered: Counted) -> None:
        """Remember an answer; never waits."""
        if len(self._waiting) < CAPACITY:
            self._waiting.append(answered)
        else:
            self._refused_to_wait += 1

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

    def _work(self) -> None:
        while not self._stopping.wait(_PAUSE):
            self.flush()

    def flush(self) -> None:
        """Count and log what waits now."""
        with self._turn:
            while self._waiting:
                self._write([self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))])
            lost, self._refused_to_wait = self._refused_to_wait, 0
            if lost:
                self._dropped += lost
                self._print([self._render({"event": "log lines dropped", "level": "warning", "count": lost})])

    def _write(self, batch: Sequence[Counted]) -> None:
        for said, count in collections.Counter(answered[2][:4] for answered in batch).items():
            flow, kind, cause = said[1], said[0], said[3]
            self._answers[flow, kind] += count
            if kind == "fallback":
                self._fallbacks[flow, cause] += count
        times = sorted(answered[1] for answered in batch)
        within = [0, *(bisect.bisect_right(times, bound) for bound in _SECONDS), len(times)]
        for index, (below, up_to) in enumerate(itertools.pairwise(within)):
            self._within[index] += up_to - below
        self._seconds += sum(times)
        self._print([self._line(answered) for answered in batch])

    def _line(self, answered: Counted) -> str:
        """An answer's line; that of a call which went well, in JSON, is put together from its parts: there are many."""
        at, seconds, outcome, caller, number, call = answered
        if outcome.kind != "answered" or not self._quick:
            return self._render(_fields(answered, self._mask))
        return (
            f'{_beginning(outcome.flow, outcome.node)}, "timestamp": "{_second(int(at))}.{int(at % 1 * 1000):03}Z", '
            f'"caller": {_quoted(self._mask(caller))}, "number": {_quoted(self._mask(number))}, "call": {_quoted(call)}, '
            f'"ms": {seconds * 1000:.3f}}}'
        )

    def _print(self, lines: Sequence[str]) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._out.write("\n".join(lines) + "\n")
            self._out.flush()

    def exposition(self) -> bytes:
        """The counters, in Prometheus' text format."""
        self.flush()
        registry = prometheus_client.CollectorRegistry(auto_describe=False)
        registry.register(self)
        return prometheus_client.generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """The counters, as prometheus_client asks for them."""
        yield _counter("callflows_answers", "Requests of Opentact answered", ["flow", "outcome"], self._answers)
        yield _counter("callflows_fallbacks", "Fallbacks served", ["flow", "cause"], self._fallbacks)
        bounds = [*map(str, _SECONDS), "+Inf"]
        times = HistogramMetricFamily("callflows_answer_seconds", "Time from request to answer")
        times.add_metric([], list(zip(bounds, itertools.accumulate(self._within), strict=True)), self._seconds)
        yield times
        for name, says, labels, counts in self._others:
            family = GaugeMetricFamily(name, says, labels=labels)
            for values, count in sorted(counts().items()):
                family.add_metric([values] if isinstance(values, str) else values, count)
            yield family
        if self._flows is not None:
            states = GaugeMetricFamily(
                "callflows_flows", "Flows: live, broken, or stale (an earlier version is live)", labels=["state"]
            )
            for state, count in self._flows().items():
                states.add_metric([state], count)
            yield states
        yield CounterMetricFamily("callflows_log_lines_dropped", "Answers that could not be logged", self._dropped)


def _counter(name: str, says: str, labels: Sequence[str], counts: Mapping[tuple[str, str], int]) -> Metric:
    family = CounterMetricFamily(name, says, labels=labels)
    for values, count in sorted(counts.items()):
        family.add_metric(values, count)
    return family


def _fields(answered: Counted, mask: Callable[[str], str]) -> dict[str, Any]:
    """An answer as a log line says it; only where something went wrong is more said than of every call."""
    at, seconds, outcome, caller, number, call = answered
    fine = outcome.kind == "answered"
    fields = {
        "event": outcome.kind,
        "level": "info" if fine else "warning",
        "timestamp": f"{_second(int(at))}.{int(at % 1 * 1000):03}Z",
        "flow": outcome.flow,
        "node": outcome.node,
        "caller": mask(caller),
        "number": mask(number),
        "call": call,
        "ms": round(seconds * 1000, 3),
    }
    if not fine:
        fields |= {"cause": outcome.cause, "detail": masked_in(outcome.detail, mask)}
    if outcome.trace:
        fields["exception"] = masked_in(outcome.trace, mask)
    return fields


@functools.lru_cache(maxsize=1024)
def _beginning(flow: str, node: str) -> str:
    return json.dumps({"event": "answered", "level": "info", "flow": flow, "node": node})[:-1]


@functools.lru_cache(maxsize=4)
def _second(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
