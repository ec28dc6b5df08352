"""Counts and logs every answer after the answer was sent.

The request path only appends a plain tuple; a thread updates counters and writes log lines in batches, so that a full
pipe or a slow disk never delays a caller. Excess answers are dropped, counted and reported.
"""

from __future__ import annotations

import bisect
import collections
import contextlib
import functools
import itertools
import json
import os
import threading
import time
from json.encoder import encode_basestring_ascii as _quoted
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TextIO, TypeAlias

import prometheus_client
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder

from callflows.background_work import BackgroundThread, BoundedQueue
from callflows.telephony.events import ANSWERED_BY_FLOW
from callflows.telephony.phone_numbers import mask_number, mask_numbers_in_text
from callflows.web.metric_table import describe_processes
from callflows.web.shared_counts import WorkerCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from prometheus_client.core import Metric

    from callflows.telephony.call_traces import CallTraces
    from callflows.telephony.events import AnswerOutcome
    from callflows.web.log_lines import LogWriter
    from callflows.web.metric_table import ComponentMetric
    from callflows.web.shared_counts import LabelledNumbers, SharedCounts


MAX_WAITING_ANSWERS: Final = 20_000
"""Maximum number of answers waiting to be counted and logged."""
_FLUSH_PAUSE_SECONDS: Final = 0.05
_COMPONENT_PAUSE_SECONDS: Final = 1.0
"""Pause between two looks at the components for the server's other processes: some look at files or measure time."""
_MAX_ANSWERS_PER_BATCH: Final = 2_000
_BUCKET_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0)
_MAX_SHOWN_CAUSES: Final = 10
AnswerSample: TypeAlias = "tuple[float, float, AnswerOutcome, str, str, str, str, str]"
"""Moment (seconds since 1970), duration (seconds), outcome, caller, called number, call id, begin of the call, path."""


class AnswerSummary(NamedTuple):
    """Answers since the start: outcomes, fallbacks (flow, cause, number), and bounds of 50 and 99 % in seconds."""

    outcomes: Mapping[str, int]
    fallbacks: Sequence[tuple[str, str, int]]
    half_within: float | None
    nearly_all_within: float | None


class AnswerMetrics:
    """Counts and logs answers; a collector of ``prometheus_client``.

    The request path calls only ``add``, which queues an answer and never waits.
    """

    def __init__(
        self,
        render_line: Callable[[Mapping[str, Any]], str],
        out: TextIO | LogWriter,
        mask: Callable[[str], str] = mask_number,
        shared_counts: SharedCounts | None = None,
        traces: CallTraces | None = None,
    ) -> None:
        """Configure the log lines and the counts.

        ``render_line`` renders a log line, ``out`` receives the line, ``mask`` masks phone numbers, ``shared_counts`` has
        the counts of the server's other processes, ``traces`` gets each answer, too.
        """
        self._shared_counts = shared_counts
        self._traces = traces
        self._mask = mask
        self._component_metrics: list[ComponentMetric] = []
        self._render_line = render_line
        self._renders_plain_json = render_line({}) == "{}"
        self._out = out
        self._queue: BoundedQueue[AnswerSample] = BoundedQueue(MAX_WAITING_ANSWERS)
        self.add = self._queue.add
        self._thread = BackgroundThread("answer metrics", self.flush, _FLUSH_PAUSE_SECONDS)
        self._flush_lock = threading.Lock()
        self._components_due_at = 0.0
        self._counts = WorkerCounts(buckets=[0] * (len(_BUCKET_SECONDS) + 1))

    def add_metrics(self, *metrics: ComponentMetric) -> None:
        """Expose metrics of other components."""
        self._component_metrics += metrics

    def start(self) -> None:
        """Start the counting thread as a daemon."""
        self._thread.start()

    def stop(self) -> None:
        """Count and log all waiting answers, and stop."""
        self._thread.stop(grace_seconds=2)
        self.flush()  # the thread was never started, or its time is over

    def flush(self) -> None:
        """Count and log all waiting answers."""
        with self._flush_lock:
            while batch := self._queue.take(_MAX_ANSWERS_PER_BATCH):
                self._record_batch(batch)
            if lost := self._queue.take_dropped_count():
                self._counts.dropped_lines += lost
                self._write_lines([self._render_line({"event": "log lines dropped", "level": "warning", "count": lost})])
            if self._shared_counts is not None:
                if self._thread.is_stopping or time.monotonic() >= self._components_due_at:
                    self._read_component_metrics()
                self._shared_counts.write(self._counts)

    def _read_component_metrics(self) -> None:
        """Read the numbers of other components now."""
        self._components_due_at = time.monotonic() + _COMPONENT_PAUSE_SECONDS
        for metric in self._component_metrics:
            numbers = self._counts.counters if metric.kind == "counter" else self._counts.gauges
            numbers[metric.name] = metric.read_labelled()

    def _add_all_processes(self) -> tuple[WorkerCounts, dict[str, LabelledNumbers], list[int]]:
        """Return the counts of all processes of the server, their merged gauges, and the ids of those that run."""
        self._read_component_metrics()
        others = self._shared_counts.read_others() if self._shared_counts is not None else {}
        total = WorkerCounts(buckets=[0] * len(self._counts.buckets))
        for counts in (self._counts, *others.values()):
            total.add(counts)
        gauges = {
            metric.name: metric.merge_gauges(
                counts.gauges.get(metric.name, {}) for counts in (self._counts, *others.values())
            )
            for metric in self._component_metrics
            if metric.kind != "counter"
        }
        running = [process_id for process_id, counts in others.items() if counts.gauges]
        return total, gauges, sorted([os.getpid(), *running])

    def _record_batch(self, batch: Sequence[AnswerSample]) -> None:
        for labels, count in collections.Counter(answered[2][:4] for answered in batch).items():
            flow, kind, cause = labels[1], labels[0], labels[3]
            self._counts.answers[flow, kind] += count
            if kind == "fallback":
                self._counts.fallbacks[flow, cause] += count
        times = sorted(answered[1] for answered in batch)
        within = [0, *(bisect.bisect_right(times, bound) for bound in _BUCKET_SECONDS), len(times)]
        for index, (below, up_to) in enumerate(itertools.pairwise(within)):
            self._counts.buckets[index] += up_to - below
        self._counts.total_seconds += sum(times)
        self._write_lines([self._build_line(answered) for answered in batch])
        if self._traces is not None:
            for at, seconds, outcome, caller, number, call, began_at, path in batch:
                is_first = path.count("/") == 1
                self._traces.add_answer(
                    at, seconds, outcome, call, call or f"{caller} {number} {began_at}", is_first=is_first
                )

    def _build_line(self, sample: AnswerSample) -> str:
        """Render the log line of an answer."""
        at, seconds, outcome, caller, number, call, _, _ = sample
        # Successful calls are frequent: their JSON is assembled from cached parts for speed.
        if not outcome.is_by_flow or not self._renders_plain_json:
            return self._render_line(_build_line_fields(sample, self._mask))
        return (
            f"{_build_line_start(outcome.flow, outcome.node)}, "
            f'"timestamp": "{_format_second(int(at))}.{int(at % 1 * 1000):03}Z", '
            f'"caller": {_quoted(self._mask(caller))}, "number": {_quoted(self._mask(number))}, "call": {_quoted(call)}, '
            f'"ms": {seconds * 1000:.3f}}}'
        )

    def _write_lines(self, lines: Sequence[str]) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._out.write("\n".join(lines) + "\n")
            self._out.flush()

    def summarize(self) -> AnswerSummary:
        """Return the counts of all processes since their start, in few words."""
        self.flush()
        total, _, _ = self._add_all_processes()
        outcomes: collections.Counter[str] = collections.Counter()
        for (_, kind, *_), count in total.answers.items():
            outcomes[kind] += count
        fallbacks = [(flow, cause, count) for (flow, cause), count in total.fallbacks.most_common(_MAX_SHOWN_CAUSES)]
        return AnswerSummary(dict(outcomes), fallbacks, _find_bound(total.buckets, 0.5), _find_bound(total.buckets, 0.99))

    def render_prometheus(self, accept: str = "") -> tuple[bytes, str]:
        """Return the metrics and their media type: Prometheus' text format, or OpenMetrics if ``accept`` prefers it."""
        self.flush()
        registry = prometheus_client.CollectorRegistry(auto_describe=False)
        registry.register(self)
        encode, media_type = choose_encoder(accept)
        return encode(registry), media_type

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics for prometheus_client."""
        total, gauges, process_ids = self._add_all_processes()
        yield _build_counter("callflows_answers", "Requests of Opentact answered", ["flow", "outcome"], total.answers)
        yield _build_counter("callflows_fallbacks", "Fallbacks served", ["flow", "cause"], total.fallbacks)
        bounds = [*map(str, _BUCKET_SECONDS), "+Inf"]
        times = HistogramMetricFamily("callflows_answer_seconds", "Time from request to answer")
        times.add_metric([], list(zip(bounds, itertools.accumulate(total.buckets), strict=True)), total.total_seconds)
        yield times
        for metric in self._component_metrics:
            numbers = total.counters if metric.kind == "counter" else gauges
            yield metric.build_family(numbers.get(metric.name, {}))
        yield CounterMetricFamily("callflows_log_lines_dropped", "Answers that could not be logged", total.dropped_lines)
        yield from describe_processes(process_ids)


def _find_bound(buckets: Sequence[int], share: float) -> float | None:
    """Return the least bound in seconds within which a share of the answers came; None without answers, or beyond all."""
    rank, passed = share * sum(buckets), 0
    for bound, count in zip(_BUCKET_SECONDS, buckets, strict=False):
        passed += count
        if passed and passed >= rank:
            return bound
    return None


def _build_counter(name: str, description: str, labels: Sequence[str], counts: Mapping[tuple[str, ...], int]) -> Metric:
    family = CounterMetricFamily(name, description, labels=labels)
    for values, count in sorted(counts.items()):
        family.add_metric(values, count)
    return family


def _build_line_fields(sample: AnswerSample, mask: Callable[[str], str]) -> dict[str, Any]:
    """Build the log fields of an answer; only failures have cause, detail and exception."""
    at, seconds, outcome, caller, number, call, _, _ = sample
    fine = outcome.is_by_flow
    fields = {
        "event": outcome.kind,
        "level": "info" if fine else "warning",
        "timestamp": f"{_format_second(int(at))}.{int(at % 1 * 1000):03}Z",
        "flow": outcome.flow,
        "node": outcome.node,
        "caller": mask(caller),
        "number": mask(number),
        "call": call,
        "ms": round(seconds * 1000, 3),
    }
    if not fine:
        fields |= {"cause": outcome.cause, "detail": mask_numbers_in_text(outcome.detail, mask)}
    if outcome.trace:
        fields["exception"] = mask_numbers_in_text(outcome.trace, mask)
    return fields


@functools.lru_cache(maxsize=1024)
def _build_line_start(flow: str, node: str) -> str:
    return json.dumps({"event": ANSWERED_BY_FLOW, "level": "info", "flow": flow, "node": node})[:-1]


@functools.lru_cache(maxsize=4)
def _format_second(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
