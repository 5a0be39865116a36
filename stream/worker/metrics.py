"""Every metric, declared once with its kind, unit and meaning; fed from what the agents return.

No ids and no free text as labels; at most 200 areas and ``other``.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Final, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
)

from detectors.alerting.budget import budget_of, thresholds
from detectors.alerting.verdict_effects import VERDICTS
from detectors.alerting.verdict_handling import WITHDRAW
from detectors.foundation.outcomes import Guard
from detectors.foundation.prediction_band import prediction_band
from detectors.memory.area_classifier import ClassifiedBy
from detectors.policy.playbook import WHOLE_TENANT
from detectors.policy.settings import Settings
from detectors.state.tenant import TENANT_SERIES, Tenant
from detectors.step.partition import Partition
from detectors.step.result import Step
from schemas.dead_letter import DeadReason
from schemas.escalation import SEVERITIES, Escalation, Suppressed, Transition
from schemas.signals import Signal, Tick, Ticket, Verdict
from stream.process import metrics_http

LEAST_GUESSES = 20.0
"""Tickets it takes to tell an accuracy."""
MOST_AREAS: Final = 200
OTHER_AREAS: Final = "other"
MOST_TIERS: Final = 5
LATENCIES: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
DELAYS: Final = (30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 21600.0)
SCORED_SECONDS: Final = 3600.0
"""A score that is older is no score of now."""
WHOLE_LABEL: Final = WHOLE_TENANT
"""The product_area of an episode of a whole tenant."""
FOLDS: Final = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class Metrics:
    """The metrics of one worker, in a registry of their own."""

    def __init__(self) -> None:
        """All at zero."""
        self.registry = registry = CollectorRegistry()
        self._signals = Counter(
            "spikewatch_signals",
            "Signals taken in, by what became of them.",
            ["outcome"],
            registry=registry,
        )
        self._dead = Counter(
            "spikewatch_dead_letters",
            "Records that could not be taken in, by reason.",
            ["reason"],
            registry=registry,
        )
        self._escalations = Counter(
            "spikewatch_escalations",
            "Escalation events produced.",
            ["transition", "severity"],
            registry=registry,
        )
        self._observed = Gauge(
            "spikewatch_tickets_observed",
            "Customer-equivalents in the last hour of event time.",
            ["tenant", "product_area"],
            registry=registry,
        )
        self._expected = Gauge(
            "spikewatch_tickets_expected",
            "Customer-equivalents expected in an hour, now.",
            ["tenant", "product_area"],
            registry=registry,
        )
        self._upper = Gauge(
            "spikewatch_tickets_upper",
            "Customer-equivalents that 99 of 100 usual hours like this one stay below.",
            ["tenant", "product_area"],
            registry=registry,
        )
        self._lower = Gauge(
            "spikewatch_tickets_lower",
            "Customer-equivalents that 99 of 100 usual hours like this one reach.",
            ["tenant", "product_area"],
            registry=registry,
        )
        self._score = Gauge(
            "spikewatch_score",
            "Score of the last ticket: chance alone brings as much once in e^score weeks.",
            ["tenant", "product_area"],
            registry=registry,
        )
        self._score_limit = Gauge(
            "spikewatch_score_limit",
            "Score that a ticket has to reach to page.",
            ["tenant", "product_area"],
            registry=registry,
        )
        self._ratio = Gauge(
            "spikewatch_episode_ratio",
            "Of the episode that runs: observed over expected.",
            ["tenant", "product_area"],
            registry=registry,
        )
        self._customers = Gauge(
            "spikewatch_episode_customers",
            "Distinct customers inside the episode that runs.",
            ["tenant", "product_area"],
            registry=registry,
        )
        self._revenue = Gauge(
            "spikewatch_episode_revenue",
            "Annual revenue of the customers inside the episode that runs, as far as it is told.",
            ["tenant", "product_area"],
            registry=registry,
        )
        self._since = Gauge(
            "spikewatch_episode_since_timestamp_seconds",
            "When the complaints of the episode that runs began to come faster; event time.",
            ["tenant", "product_area"],
            registry=registry,
        )
        self._tiers = Gauge(
            "spikewatch_episode_tier_customers",
            "Distinct customers inside the episode that runs, by tier; the five largest.",
            ["tenant", "product_area", "tier"],
            registry=registry,
        )
        self._explained = Gauge(
            "spikewatch_episode_explained_ratio",
            "Share of the excess that one value of that dimension explains, as last told.",
            ["tenant", "product_area", "dimension"],
            registry=registry,
        )
        self._delay = Histogram(
            "spikewatch_detection_delay_seconds",
            "From when complaints began to come faster to the page; event time. Exemplars name "
            "the trace of the episode.",
            buckets=DELAYS,
            registry=registry,
        )
        self._verdicts = Counter(
            "spikewatch_verdicts",
            "What people called an episode.",
            ["verdict"],
            registry=registry,
        )
        self._last_ticket = Gauge(
            "spikewatch_last_ticket_timestamp_seconds",
            "When the last ticket was taken in; wall clock; 0: none was since the start.",
            registry=registry,
        )
        self._last_tick = Gauge(
            "spikewatch_last_tick_timestamp_seconds",
            "When the last tick was taken in; wall clock; 0: none was since the start.",
            registry=registry,
        )
        self._ready = Gauge(
            "spikewatch_ready",
            "1 while the state is verified and signals are applied; 0 in a recovery.",
            registry=registry,
        )
        self._lag = Gauge(
            "spikewatch_lag_records",
            "Records of a topic's partitions of ours that are not worked on yet.",
            ["topic"],
            registry=registry,
        )
        self._info = Gauge(
            "spikewatch_info",
            "1; which release runs, and by which settings it decides.",
            ["version", "config_hash"],
            registry=registry,
        )
        self._guarded = Counter(
            "spikewatch_guarded",
            "Signals that counted less than they seem to, or made no page of their own, by guard.",
            ["guard"],
            registry=registry,
        )
        self._budget = Gauge(
            "spikewatch_budget_false_pages_per_week",
            "False pages a week that the operator allows a tenant.",
            registry=registry,
        )
        self._pages = Gauge(
            "spikewatch_pages_per_week",
            "Pages a week, over the last four weeks.",
            ["tenant"],
            registry=registry,
        )
        self._false_pages = Gauge(
            "spikewatch_false_pages_per_week",
            "Those of them that people called a false alarm or an expected event.",
            ["tenant"],
            registry=registry,
        )
        self._expected_false = Gauge(
            "spikewatch_expected_false_pages_per_week",
            "False pages a week to be expected by what all series have scored so far.",
            ["tenant"],
            registry=registry,
        )
        self._burn = Gauge(
            "spikewatch_budget_burn_ratio",
            "Pages over the budget, in the last four weeks: at most so much of it is spent.",
            ["tenant"],
            registry=registry,
        )
        self._placed = Counter(
            "spikewatch_placed_tickets",
            "Tickets that said no area, by how they were given one: rule, model, unclassified.",
            ["how"],
            registry=registry,
        )
        self._accuracy = Gauge(
            "spikewatch_placing_accuracy_ratio",
            "Share of tickets with an area that their words would have placed rightly, of late.",
            ["tenant"],
            registry=registry,
        )
        self._suppressed = Counter(
            "spikewatch_suppressed_episodes",
            "Episodes that opened and paged nobody, by reason.",
            ["reason"],
            registry=registry,
        )
        self._episodes = Gauge(
            "spikewatch_episodes_open",
            "Episodes that run, by severity.",
            ["severity"],
            registry=registry,
        )
        self._areas = Gauge("spikewatch_areas", "Areas with a model.", registry=registry)
        self._tenants = Gauge("spikewatch_tenants", "Tenants known.", registry=registry)
        self._watermark = Gauge(
            "spikewatch_watermark_lag_seconds",
            "Wall-clock time less the latest clock of a tenant in live mode.",
            ["partition"],
            registry=registry,
        )
        self._fold = Histogram(
            "spikewatch_fold_seconds",
            "Time to decode and step one chunk.",
            buckets=FOLDS,
            registry=registry,
        )
        self._latency = Histogram(
            "spikewatch_taken_seconds",
            "From a live ticket's append to tickets.by-tenant to its step; the last of a chunk.",
            buckets=LATENCIES,
            registry=registry,
        )
        self._produce = Histogram(
            "spikewatch_produce_seconds",
            "Until all in-sync replicas of Kafka have what a chunk or a snapshot led to.",
            buckets=LATENCIES,
            registry=registry,
        )
        self._recoveries = Counter(
            "spikewatch_recoveries",
            "Times the state was read anew, since the group gave this worker other partitions.",
            registry=registry,
        )
        self._recovery = Gauge(
            "spikewatch_recovery_seconds",
            "How long the last of these took, the rebalance included.",
            registry=registry,
        )
        self._snapshots = Counter("spikewatch_snapshots", "Snapshots made.", registry=registry)
        self._snapshot_bytes = Counter(
            "spikewatch_snapshot_bytes", "Bytes of all snapshots.", registry=registry
        )
        self._shares: dict[str, dict[str, float]] = {}
        """Of each episode the dimensions that explain it, and how far."""
        self._ticket_at = self._tick_at = 0.0
        self._labelled: set[tuple[str, str]] = set()
        self._last_live: float | None = None
        self._outcomes: defaultdict[str, int] = defaultdict(int)
        """Of the chunk that is worked on; a labelled counter costs 1 µs each time."""
        self._guards: defaultdict[str, int] = defaultdict(int)
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """Show what is rare before it happens: Prometheus sees no rise of what was not there.

        Without this the first verdict, dead letter or escalation of a worker's life counts nowhere.
        """
        for verdict in (*VERDICTS, WITHDRAW):
            self._verdicts.labels(verdict)
        for reason in get_args(DeadReason):
            self._dead.labels(reason)
        for transition in get_args(Transition):
            for severity in SEVERITIES:
                self._escalations.labels(transition, severity)
        for why in get_args(Suppressed):
            self._suppressed.labels(why)
        for how in get_args(ClassifiedBy):
            self._placed.labels(how)
        for guard in get_args(Guard):
            self._guarded.labels(guard)

    def serve(self, host: str, port: int) -> None:
        """Answer scrapes on *host* and *port*, from a thread of its own; port 0: do not.

        Raises:
            UserError: The port cannot be had.
        """
        metrics_http.serve(self.registry, host, port, "[metrics] port")

    def taken(self, signal: Signal, done: Step, received_at: float) -> None:
        """One signal was taken in."""
        self._outcomes[done.outcome] += 1
        if isinstance(signal, Ticket):
            self._ticket_at = received_at
            if signal.mode == "live":
                self._last_live = received_at
        elif isinstance(signal, Tick):
            self._tick_at = received_at
        elif isinstance(signal, Verdict) and done.outcome == "verdict":
            self._verdicts.labels(signal.action).inc()
        for guard in done.guards:
            self._guards[guard] += 1
        if done.placed is not None:
            self._placed.labels(done.placed).inc()
        for event in done.escalations:
            self._escalations.labels(event.transition, event.data.severity).inc()
            self._shares[event.data.episode_id] = explained_by(event.data)
            if event.transition != "opened":
                continue
            if event.data.suppressed is not None:
                self._suppressed.labels(event.data.suppressed).inc()
            else:
                delay = event.data.detected_at - event.data.since
                exemplar = {"trace_id": event.data.episode_id}
                self._delay.observe(max(0.0, delay.total_seconds()), exemplar)

    def folded(self, seconds: float, now: float) -> None:
        """A chunk took *seconds*; it is *now*, seconds since 1970."""
        self._fold.observe(seconds)
        for outcome, count in self._outcomes.items():
            self._signals.labels(outcome).inc(count)
        self._outcomes.clear()
        for guard, count in self._guards.items():
            self._guarded.labels(guard).inc(count)
        self._guards.clear()
        if self._last_live is not None:
            self._latency.observe(max(0.0, now - self._last_live))
            self._last_live = None

    def produced(self, seconds: float) -> None:
        """Records are on all in-sync replicas after so many *seconds*."""
        self._produce.observe(seconds)

    def recovered(self, seconds: float) -> None:
        """The state is back after so many *seconds*."""
        self._recoveries.inc()
        self._recovery.set(seconds)

    def dead_letter(self, reason: str) -> None:
        """One record was rejected."""
        self._dead.labels(reason).inc()

    def saved(self, size: int) -> None:
        """A snapshot of *size* bytes is durable."""
        self._snapshots.inc()
        self._snapshot_bytes.inc(size)

    def look(self, partitions: Iterable[Partition], now: float) -> None:
        """Set the gauges from the working state; reads only."""
        partitions = list(partitions)
        tenants = [(p.number, tenant) for p in partitions for tenant in p.tenants.values()]
        self._tenants.set(len(tenants))
        self._areas.set(sum(len(tenant.areas) for _, tenant in tenants))
        running = dict.fromkeys(SEVERITIES, 0)
        for _, tenant in tenants:
            for key in tenant.running:
                episode = tenant.series(key).running
                if episode is not None:
                    running[episode.severity] += 1
        for severity, count in running.items():
            self._episodes.labels(severity).set(count)
        self._look_at_clocks(tenants, now)
        self._look_at_areas([tenant for _, tenant in tenants])
        self._look_at_episodes([tenant for _, tenant in tenants])
        self._last_ticket.set(self._ticket_at)
        self._last_tick.set(self._tick_at)
        self._look_at_budgets(
            [(tenant, p.settings) for p in partitions for tenant in p.tenants.values()]
        )

    def standing(self, *, ready: bool, lag: Mapping[str, int]) -> None:
        """Whether signals are applied, and how many records of each topic wait."""
        self._ready.set(ready)
        for topic, records in lag.items():
            self._lag.labels(topic).set(records)

    def decides_by(self, config_hash: str) -> None:
        """The settings in force."""
        self._info.clear()
        self._info.labels(version("spikewatch"), config_hash).set(1)

    def _look_at_clocks(self, tenants: list[tuple[int, Tenant]], now: float) -> None:
        latest: dict[int, float] = {}
        for number, tenant in tenants:
            if tenant.clock is not None and not (tenant.simulated or tenant.in_history):
                latest[number] = max(latest.get(number, 0.0), tenant.clock)
        self._watermark.clear()
        for number, clock in latest.items():
            self._watermark.labels(number).set(now - clock)

    def _look_at_budgets(self, tenants: list[tuple[Tenant, Settings]]) -> None:
        """Of the tenants whose areas have a label; burn of the others: the highest."""
        labelled = {name for name, _ in self._labelled}
        for gauge in (self._pages, self._false_pages, self._expected_false, self._burn):
            gauge.clear()
        highest: dict[str, float] = {}
        for tenant, settings in tenants:
            self._budget.set(settings.false_pages_per_week)
            label = tenant.name if tenant.name in labelled else OTHER_AREAS
            rate, wrong, burn = budget_of(tenant, tenant.clock or 0.0, settings)
            self._pages.labels(label).inc(rate)
            self._false_pages.labels(label).inc(wrong)
            if label != OTHER_AREAS:
                self._look_at_limits(tenant, settings)
            highest[label] = max(burn, highest.get(label, 0.0))
        for label, burn in highest.items():
            self._burn.labels(label).set(burn)
        self._accuracy.clear()
        for tenant, _ in tenants:
            if tenant.name in labelled and tenant.guessed >= LEAST_GUESSES:
                self._accuracy.labels(tenant.name).set(tenant.guessed_right / tenant.guessed)

    def _look_at_limits(self, tenant: Tenant, settings: Settings) -> None:
        """False pages to be expected, and of the areas with a label what they have to reach."""
        expected = 0.0
        for area, kind, limit, false_pages in thresholds(tenant, settings):
            expected += false_pages
            if kind == "area" and (tenant.name, area) in self._labelled:
                self._score_limit.labels(tenant.name, area).set(limit)
        self._expected_false.labels(tenant.name).set(expected)

    def _look_at_areas(self, tenants: list[Tenant]) -> None:
        """The busiest areas get a label and keep it; what comes later is summed up."""
        found = {(t.name, area): (t, series) for t in tenants for area, series in t.areas.items()}
        self._labelled &= found.keys()
        if len(self._labelled) < min(MOST_AREAS, len(found)):
            rest = sorted(found.keys() - self._labelled, key=lambda k: (-found[k][1].tickets, k))
            self._labelled.update(rest[: MOST_AREAS - len(self._labelled)])
        for gauge in (self._observed, self._expected, self._upper, self._lower, self._score,
                      self._score_limit):  # fmt: skip
            gauge.clear()
        shown = []
        for key, (tenant, series) in found.items():
            clock = tenant.clock or 0.0
            labels = key if key in self._labelled else (OTHER_AREAS, OTHER_AREAS)
            due = series.model.rate_at(clock)
            self._observed.labels(*labels).inc(series.last_hour(clock))
            self._expected.labels(*labels).inc(due)
            if key in self._labelled:
                shown.append((key, due, series.model.variance(1.0)))
                scored_at, score = series.last_score
                lately = clock - scored_at <= SCORED_SECONDS
                self._score.labels(*key).set(max(score, 0.0) if lately else 0.0)
        self._draw_bands(shown)

    def _draw_bands(self, areas: list[tuple[tuple[str, str], float, float]]) -> None:
        """What usual hours stay within."""
        lowers, uppers = prediction_band(
            [due for _, due, _ in areas], [more for _, _, more in areas]
        )
        for (key, _, _), upper, lower in zip(areas, uppers, lowers, strict=True):
            self._upper.labels(*key).set(upper)
            self._lower.labels(*key).set(lower)

    def _look_at_episodes(self, tenants: list[Tenant]) -> None:
        """What the episodes that run are about: of areas with a label, and of whole tenants."""
        gauges = (
            self._ratio, self._customers, self._revenue, self._since, self._tiers, self._explained
        )  # fmt: skip
        running = {
            episode.id
            for tenant in tenants
            for key in tenant.running
            if (episode := tenant.series(key).running) is not None
        }
        self._shares = {key: one for key, one in self._shares.items() if key in running}
        for gauge in gauges:
            gauge.clear()
        names = {name for name, _ in self._labelled}
        for tenant in tenants:
            for key in tenant.running:
                episode = tenant.series(key).running
                labels = (tenant.name, WHOLE_LABEL if key == TENANT_SERIES else key)
                shown = (
                    tenant.name in names
                    if key == TENANT_SERIES
                    else (tenant.name, key) in self._labelled
                )
                if episode is None or episode.suppressed is not None or not shown:
                    continue
                audience = episode.dossier.audience if episode.dossier is not None else None
                self._ratio.labels(*labels).set(episode.observed / max(episode.expected, 1e-9))
                self._customers.labels(*labels).set(episode.customers)
                self._revenue.labels(*labels).set(audience.revenue if audience else 0.0)
                self._since.labels(*labels).set(episode.since)
                for dimension, share in self._shares.get(episode.id, {}).items():
                    self._explained.labels(*labels, dimension).set(share)
                by_tier = audience.by_tier() if audience else {}
                largest = sorted(by_tier, key=lambda tier: (-by_tier[tier], tier))
                for tier in largest[:MOST_TIERS]:
                    self._tiers.labels(*labels, tier).set(by_tier[tier])


def explained_by(data: Escalation) -> dict[str, float]:
    """By dimension the largest share of the excess that a value of it explains, 0 to 1."""
    found: dict[str, float] = {}
    for claim in data.explanation:
        share = min(max(claim.share, 0.0), 1.0)
        found[claim.dimension] = max(found.get(claim.dimension, 0.0), share)
    return found
