"""Metrics of a worker: counters from the results of the agents, gauges from the state."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from itertools import islice
from typing import Final, get_args

from detectors.alerting.verdict_effects import VERDICTS
from detectors.alerting.verdict_handling import WITHDRAW
from detectors.foundation.outcomes import Guard
from detectors.memory.area_classifier import ClassifiedBy
from detectors.step.partition import Partition
from detectors.step.result import Step
from schemas.dead_letter import DeadReason
from schemas.decoding.tickets import OPTIONAL_FIELDS
from schemas.escalation import SEVERITIES, EscalationEvent, Suppressed, Transition
from schemas.signals import Signal, Tick, Ticket, Verdict
from stream.kafka.lost_records import LostRecords
from stream.process import metrics_http
from stream.process.metric_table import MetricTable
from stream.worker.feed_lateness import FeedLateness, LateFeed
from stream.worker.metric_specs import WORKER_METRICS
from stream.worker.state_gauges import StateGauges

MOST_LATE_FEEDS: Final = 100


class Metrics:
    """Metrics of one worker, in a registry of their own."""

    def __init__(self) -> None:
        """Register all metrics of `WORKER_METRICS`."""
        table = MetricTable(WORKER_METRICS)
        self.registry = table.registry
        self._state = StateGauges(table)
        self._signals = table.counter("spikewatch_signals")
        self._dead_letters = table.counter("spikewatch_dead_letters")
        self._lost = table.counter("spikewatch_lost_records")
        self._omitted = table.counter("spikewatch_omitted_fields")
        self._guarded = table.counter("spikewatch_guarded")
        self._late_feeds = table.gauge("spikewatch_late_feed_needed_seconds")
        self.feeds: FeedLateness | None = None
        """Delays of the tickets; None: they are not measured."""
        self._classified = table.counter("spikewatch_placed_tickets")
        self._last_ticket = table.gauge("spikewatch_last_ticket_timestamp_seconds")
        self._last_tick = table.gauge("spikewatch_last_tick_timestamp_seconds")
        self._escalations = table.counter("spikewatch_escalations")
        self._suppressed = table.counter("spikewatch_suppressed_episodes")
        self._delay = table.histogram("spikewatch_detection_delay_seconds")
        self._verdicts = table.counter("spikewatch_verdicts")
        self._ready = table.gauge("spikewatch_ready")
        self._lag = table.gauge("spikewatch_lag_records")
        self._info = table.gauge("spikewatch_info")
        self._chunk = table.histogram("spikewatch_fold_seconds")
        self._latency = table.histogram("spikewatch_taken_seconds")
        self._produce = table.histogram("spikewatch_produce_seconds")
        self._recoveries = table.counter("spikewatch_recoveries")
        self._recovery = table.gauge("spikewatch_recovery_seconds")
        self._snapshots = table.counter("spikewatch_snapshots")
        self._snapshot_bytes = table.counter("spikewatch_snapshot_bytes")
        self._ticket_at = self._tick_at = 0.0
        self._last_live: float | None = None
        self._outcomes: defaultdict[str, int] = defaultdict(int)
        """Outcomes of the current chunk, because a labeled counter would cost 1 µs per signal."""
        self._guards: defaultdict[str, int] = defaultdict(int)
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """Export rare time series before their first event.

        Prometheus sees no increase in a time series that did not exist before, so ``increase``
        would miss the first verdict, dead letter or escalation of a worker.
        """
        for verdict in (*VERDICTS, WITHDRAW):
            self._verdicts.labels(verdict)
        for reason in get_args(DeadReason):
            self._dead_letters.labels(reason)
        for name in OPTIONAL_FIELDS:
            self._omitted.labels(name)
        for transition in get_args(Transition):
            for severity in SEVERITIES:
                self._escalations.labels(transition, severity)
        for why in get_args(Suppressed):
            self._suppressed.labels(why)
        for how in get_args(ClassifiedBy):
            self._classified.labels(how)
        for guard in get_args(Guard):
            self._guarded.labels(guard)

    def know_sources(self, topics: Iterable[str]) -> None:
        """Export zero lost records for each topic, so that the first loss is an increase."""
        for topic in topics:
            self._lost.labels(topic)

    def serve(self, host: str, port: int) -> None:
        """Serve the metrics over HTTP from a separate thread; port 0 disables the server.

        Raises:
            UserError: The port cannot be bound.
        """
        metrics_http.serve(self.registry, host, port, "[metrics] port")

    def record_step(self, signal: Signal, done: Step, received_at: float) -> None:
        """Count one signal and its results.

        Args:
            signal: The processed signal.
            done: Result of the step.
            received_at: Time at which the internal topic received the signal, seconds since 1970.
        """
        self._outcomes[done.outcome] += 1
        if isinstance(signal, Ticket):
            self._ticket_at = received_at
            if signal.mode == "live":
                self._last_live = received_at
            if self.feeds is not None:
                self.feeds.observe(signal, received_at)
        elif isinstance(signal, Tick):
            self._tick_at = received_at
        elif isinstance(signal, Verdict) and done.outcome == "verdict":
            self._verdicts.labels(signal.action).inc()
        for guard in done.guards:
            self._guards[guard] += 1
        if done.placed is not None:
            self._classified.labels(done.placed).inc()
        for event in done.escalations:
            self._record_escalation(event)

    def _record_escalation(self, event: EscalationEvent) -> None:
        data = event.data
        self._escalations.labels(event.transition, data.severity).inc()
        self._state.record_explanation(data)
        if event.transition != "opened":
            return
        if data.suppressed is not None:
            self._suppressed.labels(data.suppressed).inc()
            return
        delay = (data.detected_at - data.since).total_seconds()
        self._delay.observe(max(0.0, delay), {"trace_id": data.episode_id})

    def record_chunk(self, seconds: float, now: float) -> None:
        """Record the duration of a chunk in seconds, at a time in seconds since 1970."""
        self._chunk.observe(seconds)
        for outcome, count in self._outcomes.items():
            self._signals.labels(outcome).inc(count)
        self._outcomes.clear()
        for guard, count in self._guards.items():
            self._guarded.labels(guard).inc(count)
        self._guards.clear()
        if self._last_live is not None:
            self._latency.observe(max(0.0, now - self._last_live))
            self._last_live = None

    def record_produce(self, seconds: float) -> None:
        """Record the seconds until all in-sync replicas had a batch of records."""
        self._produce.observe(seconds)

    def record_recovery(self, seconds: float) -> None:
        """Record a recovery of the state and its duration in seconds."""
        self._recoveries.inc()
        self._recovery.set(seconds)

    def record_dead_letter(self, reason: str) -> None:
        """Count a record that was rejected."""
        self._dead_letters.labels(reason).inc()

    def record_loss(self, loss: LostRecords) -> None:
        """Count records that were removed before they were read."""
        self._lost.labels(loss.topic).inc(loss.number)

    def record_omitted_field(self, name: str) -> None:
        """Count an optional field of a ticket that was left out because it could not be read."""
        self._omitted.labels(name).inc()

    def record_snapshot(self, size: int) -> None:
        """Count a durable snapshot and its size in bytes."""
        self._snapshots.inc()
        self._snapshot_bytes.inc(size)

    def update_state(self, partitions: Iterable[Partition], now: float) -> None:
        """Set the gauges from the state, at a time in seconds since 1970."""
        self._state.update(list(partitions), now)
        self._last_ticket.set(self._ticket_at)
        self._last_tick.set(self._tick_at)

    def update_progress(self, *, ready: bool, lag: Mapping[str, int]) -> None:
        """Set whether signals are processed, and the number of waiting records by topic."""
        self._ready.set(ready)
        for topic, records in lag.items():
            self._lag.labels(topic).set(records)

    def update_late_feeds(self, feeds: Iterable[LateFeed]) -> None:
        """Set the lateness that each late feed needs, of at most `MOST_LATE_FEEDS`."""
        self._late_feeds.clear()
        for feed in islice(feeds, MOST_LATE_FEEDS):
            self._late_feeds.labels(feed.tenant).set(feed.needed_seconds)

    def update_settings(self, config_hash: str) -> None:
        """Set the release and the hash of the current settings."""
        self._info.clear()
        self._info.labels(version("spikewatch"), config_hash).set(1)
