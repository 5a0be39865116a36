"""Prometheus metrics from a table that declares the kind, unit and meaning of each."""

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

MetricKind = Literal["counter", "gauge", "histogram"]
LATENCY_BUCKETS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0
)  # fmt: skip
"""Upper bounds in seconds."""


class MetricSpec(NamedTuple):
    """Declaration of one metric.

    The names follow https://prometheus.io/docs/practices/naming/; the client library appends
    ``_total`` to the names of counters.
    """

    name: str
    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = LATENCY_BUCKETS
    """Upper bounds of a histogram's buckets, in the unit of the metric."""


class MetricTable:
    """Metrics of a table, in a registry of their own.

    Example:
        >>> table = MetricTable([MetricSpec("spikewatch_areas", "gauge", "Areas with a model.")])
        >>> table.gauge("spikewatch_areas").set(3)
        >>> table.registry.get_sample_value("spikewatch_areas")
        3.0
    """

    def __init__(self, specs: Iterable[MetricSpec]) -> None:
        """Register all metrics."""
        self.registry: Final = CollectorRegistry()
        self._metrics: dict[str, Counter | Gauge | Histogram] = {
            spec.name: self._make(spec) for spec in specs
        }

    def _make(self, spec: MetricSpec) -> Counter | Gauge | Histogram:
        if spec.kind == "counter":
            return Counter(spec.name, spec.help, spec.labels, registry=self.registry)
        if spec.kind == "gauge":
            return Gauge(spec.name, spec.help, spec.labels, registry=self.registry)
        return Histogram(
            spec.name, spec.help, spec.labels, registry=self.registry, buckets=spec.buckets
        )

    def counter(self, name: str) -> Counter:
        """Return a counter of the table by name."""
        metric = self._metrics[name]
        assert isinstance(metric, Counter)
        return metric

    def gauge(self, name: str) -> Gauge:
        """Return a gauge of the table by name."""
        metric = self._metrics[name]
        assert isinstance(metric, Gauge)
        return metric

    def histogram(self, name: str) -> Histogram:
        """Return a histogram of the table by name."""
        metric = self._metrics[name]
        assert isinstance(metric, Histogram)
        return metric
