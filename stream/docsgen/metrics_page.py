"""Reference page of all metrics, generated from their declarations."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from stream.docsgen.markdown import GENERATED, table
from stream.notify.delivery.metrics import NotifyMetrics
from stream.page.service import PageMetrics
from stream.trial.canary import CanaryMetrics
from stream.worker.metrics import Metrics

UNITS: Final = ("timestamp_seconds", "seconds", "bytes", "ratio", "records")
ENDINGS: Final = {"counter": "_total", "histogram": "", "gauge": ""}


def page() -> str:
    """Return the page as Markdown."""
    lines = [
        "# Metrics",
        "",
        GENERATED,
        "",
        "At most 200 areas, those with the most tickets, get a label of their own and keep it; "
        "the others share the label `other`. No label contains an id or text from tickets.",
    ]
    processes = (
        ("worker", "`[metrics] port` (9464)", Metrics().registry),
        ("notify", "`[notify] metrics_port` (9466)", NotifyMetrics().registry),
        ("canary", "`[canary] metrics_port` (9468)", CanaryMetrics().registry),
        ("page", "`[page] metrics_port` (9471)", PageMetrics().registry),
    )
    for name, where, registry in processes:
        lines += ["", f"## `spikewatch {name}`, {where}", ""]
        lines += table(("metric", "kind", "unit", "labels", "meaning"), sorted(_rows(registry)))
    return "\n".join(lines) + "\n"


def _rows(registry: CollectorRegistry) -> Iterator[tuple[str, ...]]:
    """Yield the name, kind, unit, labels and meaning of each metric."""
    # The library has no public access to collectors, which alone know labels without a value.
    for collector in registry._collector_to_names:
        if not isinstance(collector, MetricWrapperBase):
            continue
        (family,) = collector.describe()
        unit = next((unit for unit in UNITS if family.name.endswith(f"_{unit}")), "")
        labels = ", ".join(f"`{name}`" for name in collector._labelnames)
        name = f"`{family.name}{ENDINGS.get(family.type, '')}`"
        yield name, family.type, unit.replace("_", " "), labels, family.documentation
