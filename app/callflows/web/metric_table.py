"""Metrics that other components give to ``/metrics``, and those of the server's processes."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from prometheus_client.core import Metric

    from callflows.web.shared_counts import LabelledNumbers

_MERGES: Final[dict[str, Callable[[Sequence[float]], float]]] = {"sum": sum, "max": max, "min": min}


class ComponentMetric(NamedTuple):
    """A metric whose numbers a component knows.

    ``kind`` is ``counter``, or says how the gauges of several processes become one. ``read_numbers`` returns the number of
    a metric without labels, or numbers by label or by a tuple of labels.
    """

    name: str
    kind: Literal["counter", "sum", "max", "min"]
    description: str
    read_numbers: Callable[[], float | Mapping[Any, float]]
    labels: Sequence[str] = ()

    def read_labelled(self) -> LabelledNumbers:
        """Return the numbers now, by a tuple of labels."""
        numbers = self.read_numbers()
        if isinstance(numbers, (int, float)):
            return {(): numbers}
        return {(labels,) if isinstance(labels, str) else tuple(labels): number for labels, number in numbers.items()}

    def build_family(self, numbers: Mapping[tuple[str, ...], float]) -> Metric:
        """Build the metric for prometheus_client."""
        create = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        family = create(self.name, self.description, labels=self.labels)
        for labels, number in sorted(numbers.items()):
            family.add_metric(labels, number)
        return family

    def merge_gauges(self, gauges: Iterable[Mapping[tuple[str, ...], float]]) -> LabelledNumbers:
        """Return one number for each label from the gauges of several processes."""
        by_labels: dict[tuple[str, ...], list[float]] = collections.defaultdict(list)
        for numbers in gauges:
            for labels, number in numbers.items():
                by_labels[labels].append(number)
        return {labels: _MERGES[self.kind](all_numbers) for labels, all_numbers in by_labels.items()}


def describe_processes(process_ids: Iterable[int]) -> Iterator[Metric]:
    """Yield Prometheus' conventional ``process_…`` metrics for each process, with its id as label ``worker``."""
    families: dict[str, Metric] = {}
    for process_id in process_ids:
        for metric in ProcessCollector(pid=lambda process_id=process_id: process_id, registry=None).collect():  # type: ignore[misc]
            create = CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily
            family = families.setdefault(metric.name, create(metric.name, metric.documentation, labels=["worker"]))
            for sample in metric.samples:
                family.add_metric([str(process_id)], sample.value)  # type: ignore[attr-defined]
    yield from families.values()
