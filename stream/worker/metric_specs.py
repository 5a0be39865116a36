"""Declarations of all metrics of a worker, with kind, unit and meaning.

No metric has ids or free text as labels. Areas beyond a limit share the label ``other``.
"""

from typing import Final

from stream.process.metric_table import MetricSpec

_AREA: Final = ("tenant", "product_area")
_DELAY_BUCKETS: Final = (
    30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 21600.0
)  # fmt: skip
_CHUNK_BUCKETS: Final = (
    0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0
)  # fmt: skip

SIGNALS: Final = (
    MetricSpec("spikewatch_signals", "counter", "Signals processed, by outcome.", ("outcome",)),
    MetricSpec(
        "spikewatch_dead_letters",
        "counter",
        "Records that could not be processed, by reason.",
        ("reason",),
    ),
    MetricSpec(
        "spikewatch_lost_records",
        "counter",
        "Records that retention or compaction removed from a topic before the worker read them.",
        ("topic",),
    ),
    MetricSpec(
        "spikewatch_late_feed_needed_seconds",
        "gauge",
        "Value of [time] lateness_seconds that would admit 95 % of a tenant's live tickets of the "
        "last hour; only for tenants at least half of whose tickets arrive too late to page.",
        ("tenant",),
    ),
    MetricSpec(
        "spikewatch_omitted_fields",
        "counter",
        "Optional fields of tickets that could not be read and were left out, by field.",
        ("field",),
    ),
    MetricSpec(
        "spikewatch_guarded",
        "counter",
        "Signals that a guard discounted or kept from opening an episode of their own.",
        ("guard",),
    ),
    MetricSpec(
        "spikewatch_placed_tickets",
        "counter",
        "Tickets without an area, by classification: rule, model, unclassified.",
        ("how",),
    ),
    MetricSpec(
        "spikewatch_placing_accuracy_ratio",
        "gauge",
        "Share of recent tickets with an area that the classifier would have predicted correctly.",
        ("tenant",),
    ),
    MetricSpec(
        "spikewatch_last_ticket_timestamp_seconds",
        "gauge",
        "Wall-clock time of the last ticket processed; 0: none since the start.",
    ),
    MetricSpec(
        "spikewatch_last_tick_timestamp_seconds",
        "gauge",
        "Wall-clock time of the last tick processed; 0: none since the start.",
    ),
)
AREAS: Final = (
    MetricSpec(
        "spikewatch_tickets_observed",
        "gauge",
        "Customer-equivalents observed in the last hour of event time.",
        _AREA,
    ),
    MetricSpec(
        "spikewatch_tickets_expected",
        "gauge",
        "Customer-equivalents currently expected per hour.",
        _AREA,
    ),
    MetricSpec(
        "spikewatch_tickets_upper",
        "gauge",
        "Upper end of the normal range: 99 of 100 comparable hours stay below it.",
        _AREA,
    ),
    MetricSpec(
        "spikewatch_tickets_lower",
        "gauge",
        "Lower end of the normal range: 99 of 100 comparable hours reach it.",
        _AREA,
    ),
    MetricSpec(
        "spikewatch_score",
        "gauge",
        "Score of the last ticket: chance alone reaches it about once in e^score weeks.",
        _AREA,
    ),
    MetricSpec(
        "spikewatch_score_limit", "gauge", "Threshold: the score from which an area pages.", _AREA
    ),
    MetricSpec("spikewatch_areas", "gauge", "Areas with a model."),
    MetricSpec("spikewatch_tenants", "gauge", "Tenants with state."),
)
EPISODES: Final = (
    MetricSpec(
        "spikewatch_escalations",
        "counter",
        "Escalation events produced.",
        ("transition", "severity"),
    ),
    MetricSpec("spikewatch_episodes_open", "gauge", "Open episodes, by severity.", ("severity",)),
    MetricSpec(
        "spikewatch_suppressed_episodes",
        "counter",
        "Episodes that opened without a page, by reason.",
        ("reason",),
    ),
    MetricSpec(
        "spikewatch_episode_ratio",
        "gauge",
        "Ratio of observed to expected customer-equivalents of the open episode.",
        _AREA,
    ),
    MetricSpec(
        "spikewatch_episode_customers",
        "gauge",
        "Distinct customers affected by the open episode.",
        _AREA,
    ),
    MetricSpec(
        "spikewatch_episode_revenue",
        "gauge",
        "Annual revenue of the customers affected by the open episode, as far as known.",
        _AREA,
    ),
    MetricSpec(
        "spikewatch_episode_since_timestamp_seconds",
        "gauge",
        "Event time since which the open episode has exceeded the expected rate.",
        _AREA,
    ),
    MetricSpec(
        "spikewatch_episode_tier_customers",
        "gauge",
        "Distinct customers affected by the open episode, by tier; the five largest tiers.",
        (*_AREA, "tier"),
    ),
    MetricSpec(
        "spikewatch_episode_explained_ratio",
        "gauge",
        "Largest share of the excess that one value of a dimension explains.",
        (*_AREA, "dimension"),
    ),
    MetricSpec(
        "spikewatch_detection_delay_seconds",
        "histogram",
        "Event time from the start of the excess to the page. Exemplars hold the trace id of "
        "the episode.",
        buckets=_DELAY_BUCKETS,
    ),
    MetricSpec("spikewatch_verdicts", "counter", "Verdicts given by people.", ("verdict",)),
)
BUDGET: Final = (
    MetricSpec(
        "spikewatch_budget_false_pages_per_week",
        "gauge",
        "Alert budget: false pages per week that the operator accepts for each tenant.",
    ),
    MetricSpec(
        "spikewatch_pages_per_week",
        "gauge",
        "Pages per week over the last four weeks.",
        ("tenant",),
    ),
    MetricSpec(
        "spikewatch_false_pages_per_week",
        "gauge",
        "Pages per week with the verdict false alarm or expected event, over the last four weeks.",
        ("tenant",),
    ),
    MetricSpec(
        "spikewatch_expected_false_pages_per_week",
        "gauge",
        "Expected false pages per week, estimated from the past scores of all series.",
        ("tenant",),
    ),
    MetricSpec(
        "spikewatch_budget_burn_ratio",
        "gauge",
        "Pages of the last four weeks as a share of the alert budget.",
        ("tenant",),
    ),
)
PROCESS: Final = (
    MetricSpec(
        "spikewatch_ready",
        "gauge",
        "1 while signals are processed with verified state; 0 during recovery.",
    ),
    MetricSpec(
        "spikewatch_lag_records",
        "gauge",
        "Records in the assigned partitions of a topic that are not processed yet.",
        ("topic",),
    ),
    MetricSpec(
        "spikewatch_info",
        "gauge",
        "Always 1; the labels are the release and the hash of the detection settings.",
        ("version", "config_hash"),
    ),
    MetricSpec(
        "spikewatch_watermark_lag_seconds",
        "gauge",
        "Wall-clock time minus the latest watermark of a tenant in live mode.",
        ("partition",),
    ),
    MetricSpec(
        "spikewatch_fold_seconds",
        "histogram",
        "Time to decode and process one chunk of signals.",
        buckets=_CHUNK_BUCKETS,
    ),
    MetricSpec(
        "spikewatch_taken_seconds",
        "histogram",
        "Time from when a live ticket was appended to tickets.by-tenant until it was processed; "
        "measured for the last ticket of each chunk.",
    ),
    MetricSpec(
        "spikewatch_produce_seconds",
        "histogram",
        "Time until all in-sync replicas have the output of a chunk or snapshot.",
    ),
    MetricSpec(
        "spikewatch_recoveries",
        "counter",
        "Recoveries of the state after a change in the assignment of partitions.",
    ),
    MetricSpec(
        "spikewatch_recovery_seconds",
        "gauge",
        "Duration of the last recovery, including the rebalance.",
    ),
    MetricSpec("spikewatch_snapshots", "counter", "Snapshots written."),
    MetricSpec("spikewatch_snapshot_bytes", "counter", "Bytes of snapshots written."),
)
WORKER_METRICS: Final = (*SIGNALS, *AREAS, *EPISODES, *BUDGET, *PROCESS)
