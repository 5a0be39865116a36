"""Gauges set from the state of a worker: areas, episodes, budgets, clocks."""

from typing import Final

from detectors.alerting.budget import budget_of, thresholds
from detectors.foundation.prediction_band import prediction_band
from detectors.policy.playbook import WHOLE_TENANT
from detectors.policy.settings import Settings
from detectors.state.episode import Episode
from detectors.state.tenant import TENANT_SERIES, Tenant
from detectors.step.partition import Partition
from schemas.escalation import SEVERITIES, Escalation
from stream.process.metric_table import MetricTable

LEAST_GUESSES: Final = 20.0
"""Effective number of tests from which the accuracy of the classifier is exported."""
MOST_AREAS: Final = 200
"""Maximum number of areas with labels of their own; the others share `OTHER_AREAS`."""
OTHER_AREAS: Final = "other"
MOST_TIERS: Final = 5
SCORED_SECONDS: Final = 3600.0
"""Age in seconds from which a score is exported as 0."""
TENANT_LABEL: Final = WHOLE_TENANT
"""Value of the label product_area for a tenant-wide episode."""


class StateGauges:
    """Gauges that describe the state of all partitions of a worker.

    The busiest areas get labels of their own and keep them; the others are summed up.
    """

    def __init__(self, table: MetricTable) -> None:
        """Look up the gauges in a metric table."""
        self._observed = table.gauge("spikewatch_tickets_observed")
        self._expected = table.gauge("spikewatch_tickets_expected")
        self._upper = table.gauge("spikewatch_tickets_upper")
        self._lower = table.gauge("spikewatch_tickets_lower")
        self._score = table.gauge("spikewatch_score")
        self._threshold = table.gauge("spikewatch_score_limit")
        self._areas = table.gauge("spikewatch_areas")
        self._tenants = table.gauge("spikewatch_tenants")
        self._open = table.gauge("spikewatch_episodes_open")
        self._ratio = table.gauge("spikewatch_episode_ratio")
        self._customers = table.gauge("spikewatch_episode_customers")
        self._revenue = table.gauge("spikewatch_episode_revenue")
        self._since = table.gauge("spikewatch_episode_since_timestamp_seconds")
        self._tiers = table.gauge("spikewatch_episode_tier_customers")
        self._explained = table.gauge("spikewatch_episode_explained_ratio")
        self._budget = table.gauge("spikewatch_budget_false_pages_per_week")
        self._pages = table.gauge("spikewatch_pages_per_week")
        self._false_pages = table.gauge("spikewatch_false_pages_per_week")
        self._expected_false = table.gauge("spikewatch_expected_false_pages_per_week")
        self._burn = table.gauge("spikewatch_budget_burn_ratio")
        self._accuracy = table.gauge("spikewatch_placing_accuracy_ratio")
        self._watermark = table.gauge("spikewatch_watermark_lag_seconds")
        self._labelled: set[tuple[str, str]] = set()
        """Tenant and area of the time series that have labels of their own."""
        self._explanations: dict[str, dict[str, float]] = {}
        """Largest share of the excess that a slice explains, by episode id and dimension."""

    def record_explanation(self, data: Escalation) -> None:
        """Remember the explanation in the last event of an episode."""
        self._explanations[data.episode_id] = explained_shares(data)

    def update(self, partitions: list[Partition], now: float) -> None:
        """Set all gauges from the state.

        Args:
            partitions: All assigned partitions.
            now: Seconds since 1970.
        """
        tenants = [tenant for p in partitions for tenant in p.tenants.values()]
        self._tenants.set(len(tenants))
        self._areas.set(sum(len(tenant.areas) for tenant in tenants))
        self._update_watermarks(partitions, now)
        self._update_areas(tenants)
        self._update_episodes(tenants)
        self._update_budgets([(t, p.settings) for p in partitions for t in p.tenants.values()])

    def _update_watermarks(self, partitions: list[Partition], now: float) -> None:
        self._watermark.clear()
        for partition in partitions:
            clocks = [
                tenant.clock
                for tenant in partition.tenants.values()
                if tenant.clock is not None and not (tenant.simulated or tenant.in_history)
            ]
            if clocks:
                self._watermark.labels(partition.number).set(now - max(0.0, *clocks))

    def _update_areas(self, tenants: list[Tenant]) -> None:
        series_by_label = {
            (t.name, area): (t, series) for t in tenants for area, series in t.areas.items()
        }
        self._labelled &= series_by_label.keys()
        if len(self._labelled) < min(MOST_AREAS, len(series_by_label)):
            rest = sorted(
                series_by_label.keys() - self._labelled,
                key=lambda k: (-series_by_label[k][1].tickets, k),
            )
            self._labelled.update(rest[: MOST_AREAS - len(self._labelled)])
        for gauge in (self._observed, self._expected, self._score, self._threshold):
            gauge.clear()
        shown = []
        for key, (tenant, series) in series_by_label.items():
            clock = tenant.clock or 0.0
            labels = key if key in self._labelled else (OTHER_AREAS, OTHER_AREAS)
            expected = series.model.rate_at(clock)
            self._observed.labels(*labels).inc(series.last_hour(clock))
            self._expected.labels(*labels).inc(expected)
            if key in self._labelled:
                shown.append((key, expected, series.model.variance(1.0)))
                scored_at, score = series.last_score
                is_recent = clock - scored_at <= SCORED_SECONDS
                self._score.labels(*key).set(max(score, 0.0) if is_recent else 0.0)
        self._update_normal_ranges(shown)

    def _update_normal_ranges(self, areas: list[tuple[tuple[str, str], float, float]]) -> None:
        """Set the normal range of areas, each with its expected rate and relative variance."""
        self._upper.clear()
        self._lower.clear()
        lowers, uppers = prediction_band(
            [expected for _, expected, _ in areas], [variance for _, _, variance in areas]
        )
        for (key, _, _), upper, lower in zip(areas, uppers, lowers, strict=True):
            self._upper.labels(*key).set(upper)
            self._lower.labels(*key).set(lower)

    def _update_episodes(self, tenants: list[Tenant]) -> None:
        """Set the gauges of open episodes, for areas with labels of their own and whole tenants."""
        gauges = (
            self._ratio, self._customers, self._revenue, self._since, self._tiers, self._explained
        )  # fmt: skip
        for gauge in gauges:
            gauge.clear()
        open_episodes = [
            (tenant, key, episode)
            for tenant in tenants
            for key in tenant.running
            if (episode := tenant.series(key).running) is not None
        ]
        by_severity = dict.fromkeys(SEVERITIES, 0)
        for _, _, episode in open_episodes:
            by_severity[episode.severity] += 1
        for severity, count in by_severity.items():
            self._open.labels(severity).set(count)
        ids = {episode.id for _, _, episode in open_episodes}
        self._explanations = {
            key: shares for key, shares in self._explanations.items() if key in ids
        }
        labelled_tenants = {name for name, _ in self._labelled}
        for tenant, key, episode in open_episodes:
            if key == TENANT_SERIES:
                is_labelled = tenant.name in labelled_tenants
            else:
                is_labelled = (tenant.name, key) in self._labelled
            if is_labelled and episode.suppressed is None:
                area = TENANT_LABEL if key == TENANT_SERIES else key
                self._update_episode((tenant.name, area), episode)

    def _update_episode(self, labels: tuple[str, str], episode: Episode) -> None:
        customers = episode.collected.affected if episode.collected is not None else None
        self._ratio.labels(*labels).set(episode.observed / max(episode.expected, 1e-9))
        self._customers.labels(*labels).set(episode.customers)
        self._revenue.labels(*labels).set(customers.revenue if customers else 0.0)
        self._since.labels(*labels).set(episode.since)
        for dimension, share in self._explanations.get(episode.id, {}).items():
            self._explained.labels(*labels, dimension).set(share)
        by_tier = customers.by_tier() if customers else {}
        largest = sorted(by_tier, key=lambda tier: (-by_tier[tier], tier))
        for tier in largest[:MOST_TIERS]:
            self._tiers.labels(*labels, tier).set(by_tier[tier])

    def _update_budgets(self, tenants: list[tuple[Tenant, Settings]]) -> None:
        """Set the budgets of tenants with labels, and sums and the highest burn of all others."""
        labelled = {name for name, _ in self._labelled}
        for gauge in (self._pages, self._false_pages, self._expected_false, self._burn):
            gauge.clear()
        self._accuracy.clear()
        highest: dict[str, float] = {}
        for tenant, settings in tenants:
            self._budget.set(settings.false_pages_per_week)
            label = tenant.name if tenant.name in labelled else OTHER_AREAS
            rate, false_rate, burn = budget_of(tenant, tenant.clock or 0.0, settings)
            self._pages.labels(label).inc(rate)
            self._false_pages.labels(label).inc(false_rate)
            highest[label] = max(burn, highest.get(label, 0.0))
            if label != OTHER_AREAS:
                self._update_thresholds(tenant, settings)
                if tenant.guessed >= LEAST_GUESSES:
                    accuracy = tenant.guessed_right / tenant.guessed
                    self._accuracy.labels(tenant.name).set(accuracy)
        for label, burn in highest.items():
            self._burn.labels(label).set(burn)

    def _update_thresholds(self, tenant: Tenant, settings: Settings) -> None:
        """Set the thresholds of areas with labels and the expected false pages of the tenant."""
        expected = 0.0
        for area, kind, threshold, false_pages in thresholds(tenant, settings):
            expected += false_pages
            if kind == "area" and (tenant.name, area) in self._labelled:
                self._threshold.labels(tenant.name, area).set(threshold)
        self._expected_false.labels(tenant.name).set(expected)


def explained_shares(data: Escalation) -> dict[str, float]:
    """Return the largest share of the excess that a slice explains, 0 to 1, by dimension."""
    shares: dict[str, float] = {}
    for claim in data.explanation:
        share = min(max(claim.share, 0.0), 1.0)
        shares[claim.dimension] = max(shares.get(claim.dimension, 0.0), share)
    return shares
