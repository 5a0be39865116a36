"""Write the reference page of all metrics, from where they are declared.

``python -m stream.docsgen.metrics_page``, or ``make schemas``, writes ``deploy/METRICS.md``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from stream.notify.delivery.metrics import NotifyMetrics
from stream.page.service import PageMetrics
from stream.trial.canary import CanaryMetrics
from stream.worker.metrics import Metrics

PAGE: Final = Path(__file__).parents[2] / "deploy" / "METRICS.md"
UNITS: Final = ("timestamp_seconds", "seconds", "bytes", "ratio", "records")
ENDINGS: Final = {"counter": "_total", "histogram": "", "gauge": ""}


def page() -> str:
    """The page, as Markdown."""
    lines = [
        "# Metrics",
        "",
        "Written by `make schemas` from where the metrics are declared. Of areas at most 200 have "
        "a label, those with most tickets, and keep it; the rest is `other`. No label holds an id "
        "or text of strangers.",
    ]
    processes = (
        ("worker", "`[metrics] port` (9464)", Metrics().registry),
        ("notify", "`[notify] metrics_port` (9466)", NotifyMetrics().registry),
        ("canary", "`[canary] metrics_port` (9468)", CanaryMetrics().registry),
        ("page", "`[page] metrics_port` (9471)", PageMetrics().registry),
    )
    for name, where, registry in processes:
        lines += ["", f"## `spikewatch {name}`, {where}", ""]
        lines += ["| metric | kind | unit | labels | meaning |", "|---|---|---|---|---|"]
        lines += [f"| {' | '.join(row)} |" for row in sorted(_rows(registry))]
    return "\n".join(lines) + "\n"


def _rows(registry: CollectorRegistry) -> Iterator[tuple[str, ...]]:
    """Name, kind, unit, labels and meaning of each."""
    # The library has no public way to the collectors, and only they know labels without a value.
    for collector in registry._collector_to_names:
        if not isinstance(collector, MetricWrapperBase):
            continue
        (family,) = collector.describe()
        unit = next((unit for unit in UNITS if family.name.endswith(f"_{unit}")), "")
        labels = ", ".join(f"`{name}`" for name in collector._labelnames)
        name = f"`{family.name}{ENDINGS.get(family.type, '')}`"
        yield name, family.type, unit.replace("_", " "), labels, family.documentation


def main() -> None:
    """Write it."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
