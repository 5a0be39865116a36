"""Metrics of notify: decisions, messages, failures, delays. Labels hold no text from tickets."""

from collections import Counter as Counts
from collections.abc import Iterable
from typing import Final, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
)

from schemas.audit import AuditEntry, SentReason
from stream.notify.dispatch.thread_index import ThreadIndex
from stream.process import metrics_http

SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)


class NotifyMetrics:
    """Metrics of one notify process, in a registry of their own."""

    def __init__(self) -> None:
        """Register all metrics."""
        self.registry = registry = CollectorRegistry()
        self._decisions = Counter(
            "spikewatch_notification_decisions",
            "Decisions whether to notify a receiver of a transition, by reason.",
            ["receiver", "reason", "send"],
            registry=registry,
        )
        self._notifications = Counter(
            "spikewatch_notifications",
            "Messages by outcome: sent or given_up.",
            ["receiver", "outcome", "reason"],
            registry=registry,
        )
        self._failures = Counter(
            "spikewatch_notification_failures",
            "Failed attempts that are retried.",
            ["receiver"],
            registry=registry,
        )
        self._lost = Counter(
            "spikewatch_notify_lost_records",
            "Records that retention or compaction removed from a topic before notify read them.",
            ["topic"],
            registry=registry,
        )
        self._pending = Gauge(
            "spikewatch_notifications_pending",
            "Messages not sent yet, including those that wait for a cooldown.",
            ["receiver"],
            registry=registry,
        )
        self._seconds = Histogram(
            "spikewatch_notification_seconds",
            "Time from when the escalation was appended to its topic until the provider "
            "accepted the message.",
            ["receiver"],
            buckets=SECONDS,
            registry=registry,
        )

    def serve(self, host: str, port: int) -> None:
        """Serve the metrics over HTTP; port 0 disables the server.

        Raises:
            UserError: The port cannot be bound.
        """
        metrics_http.serve(self.registry, host, port, "[notify] metrics_port")

    def know(self, receivers: Iterable[str], topics: Iterable[str] = ()) -> None:
        """Export counts of zero per receiver and topic, so that the first failure is an increase.

        Args:
            receivers: Names of the receivers.
            topics: Names of the topics that notify reads.
        """
        for topic in topics:
            self._lost.labels(topic)
        for receiver in receivers:
            self._failures.labels(receiver)
            for reason in get_args(SentReason):
                self._notifications.labels(receiver, "given_up", reason)

    def audited(self, entry: AuditEntry) -> None:
        """Count a decision that is in the audit trail."""
        if entry.kind == "decided" and entry.reason is not None:
            send = "true" if entry.send else "false"
            self._decisions.labels(entry.receiver, entry.reason, send).inc()

    def record_loss(self, topic: str, number: int) -> None:
        """Count records that were removed before they were read."""
        self._lost.labels(topic).inc(number)

    def attempt_failed(self, receiver: str) -> None:
        """Count a failed attempt that is retried."""
        self._failures.labels(receiver).inc()

    def sent(
        self, receiver: str, reason: str, *, delivered: bool, arrived: float, now: float
    ) -> None:
        """Count a message that was sent or given up, and record its delay.

        Args:
            receiver: Name of the receiver.
            reason: Reason of the message.
            delivered: Whether the provider accepted the message; if not, it was given up.
            arrived: Time at which its event was appended to the topic, seconds since 1970; 0: the
                message has no event.
            now: Wall clock, seconds since 1970.
        """
        outcome = "sent" if delivered else "given_up"
        self._notifications.labels(receiver, outcome, reason).inc()
        if delivered and arrived:
            self._seconds.labels(receiver).observe(max(0.0, now - arrived))

    def look(self, register: ThreadIndex) -> None:
        """Set the number of pending messages of each receiver."""
        counts: Counts[str] = Counts()
        for state in register.of(register.waiting):
            counts[state.receiver] += len(state.pending)
        self._pending.clear()
        for receiver, count in counts.items():
            self._pending.labels(receiver).set(count)
