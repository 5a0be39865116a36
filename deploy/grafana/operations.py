"""The dashboard "Operations": whether the processes keep up, lose nothing and reach receivers."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.vocabulary import (
    BLUE,
    BYTES,
    BYTES_RATE,
    COUNT,
    GREEN,
    PROCESS,
    RATE,
    RECEIVER,
    RED,
    SECONDS,
    SHARE,
    Column,
    Query,
    figure,
    page,
    processes,
    quantile,
    rate,
    receivers,
    row,
    table,
    timeline,
    total,
)

FOLD: Final = "spikewatch_fold_seconds"
TAKEN: Final = "spikewatch_taken_seconds"
PRODUCE: Final = "spikewatch_produce_seconds"
DELIVERY: Final = "spikewatch_notification_seconds"
WHICH: Final = "{{instance}}"


def age(metric: str) -> str:
    """Return a query for the seconds since the latest timestamp of *metric*; 0 means never."""
    return f"time() - max ({metric}{{{PROCESS}}} > 0)"


def operations() -> Dashboard:
    """Return the dashboard."""
    made = page(
        "Operations",
        "spikewatch-operations",
        "Whether the workers and notify keep up, lose nothing and reach the receivers.",
        since="now-3h",
        refresh="30s",
    )
    for variable in (processes(), receivers()):
        made.with_variable(variable)
    for panel in (
        figure(
            "Processes up",
            "Workers and notify processes that answered the last scrape.",
            COUNT,
            Query(f"sum by (job) (up{{{PROCESS}}})", "{{job}}"),
            limits=((None, RED), (1, GREEN)),
        ),
        figure(
            "Workers ready",
            "Workers that have recovered their state and process signals. A worker in recovery "
            "is not ready.",
            COUNT,
            Query(total("spikewatch_ready"), "ready"),
            limits=((None, RED), (1, GREEN)),
        ),
        figure(
            "Lag",
            "Records of all topics that have not been processed yet.",
            COUNT,
            Query(total("spikewatch_lag_records"), "records"),
        ),
        figure(
            "Last ticket",
            "Time since a worker last processed a ticket.",
            SECONDS,
            Query(age("spikewatch_last_ticket_timestamp_seconds"), "last ticket"),
            nothing="none yet",
        ),
        figure(
            "Last tick",
            "Time since a worker last processed a tick. Without ticks, event time stands still "
            "in areas without tickets.",
            SECONDS,
            Query(age("spikewatch_last_tick_timestamp_seconds"), "last tick"),
            limits=((None, GREEN), (60, RED)),
            nothing="none yet",
        ),
        figure(
            "Areas and tenants",
            "Areas with a model, and tenants with a state.",
            COUNT,
            Query(total("spikewatch_areas"), "areas"),
            Query(total("spikewatch_tenants"), "tenants"),
        ),
    ):
        made.with_panel(panel)
    made.with_row(row("Workers"))
    for chart in (
        timeline(
            "Signals by outcome",
            "Tickets, ticks and verdicts, by outcome.",
            RATE,
            Query(rate("spikewatch_signals_total", "outcome"), "{{outcome}}"),
        ),
        timeline(
            "Lag by topic",
            "Unprocessed records in the partitions that are assigned to the workers.",
            COUNT,
            Query(total("spikewatch_lag_records", "topic"), "{{topic}}"),
        ),
        timeline(
            "Lost records",
            "Records that retention or compaction removed before a worker or notify read them. "
            "It should always be 0.",
            RATE,
            Query(rate("spikewatch_lost_records_total", "topic"), "{{topic}}"),
            Query(rate("spikewatch_notify_lost_records_total", "topic"), "notify: {{topic}}"),
        ),
        timeline(
            "Time from a ticket's append to its step",
            "Time from the append of a live ticket in Kafka to its step, measured on the last "
            "ticket of each chunk: the median and the 99th percentile.",
            SECONDS,
            Query(quantile(0.5, TAKEN), "median"),
            Query(quantile(0.99, TAKEN), "99th percentile"),
        ),
        timeline(
            "Time to process a chunk",
            "Time to decode a chunk and run the step on it: the 99th percentile, by worker.",
            SECONDS,
            Query(quantile(0.99, FOLD, "instance"), WHICH),
        ),
        timeline(
            "Watermark lag",
            "Wall clock minus watermark of tenants in live mode, by partition. It rises if "
            "neither tickets nor ticks arrive.",
            SECONDS,
            Query(f"max by (partition) (spikewatch_watermark_lag_seconds{{{PROCESS}}})",
                  "partition {{partition}}"),
        ),
        timeline(
            "Ready",
            "1 while a worker processes signals, 0 during a recovery.",
            COUNT,
            Query(f"max by (instance) (spikewatch_ready{{{PROCESS}}})", WHICH),
        ),
        timeline(
            "Time to produce a batch",
            "Time until all in-sync replicas have a batch of a worker's output: the median and "
            "the 99th percentile.",
            SECONDS,
            Query(quantile(0.5, PRODUCE), "median"),
            Query(quantile(0.99, PRODUCE), "99th percentile"),
        ),
        timeline(
            "Recoveries",
            "How often each worker has recovered its state after a rebalance since its start.",
            COUNT,
            Query(total("spikewatch_recoveries_total", "instance"), WHICH),
        ),
        timeline(
            "Duration of the last recovery",
            "Duration of the last recovery, including the rebalance, by worker.",
            SECONDS,
            Query(total("spikewatch_recovery_seconds", "instance"), WHICH),
        ),
        timeline(
            "Dead letters by reason",
            "Records that could not be read. Each of them is on the topic tickets.dead.",
            RATE,
            Query(rate("spikewatch_dead_letters_total", "reason"), "{{reason}}"),
        ),
        timeline(
            "Omitted fields",
            "Optional fields of tickets that could not be read and were left out, by field.",
            RATE,
            Query(f"{rate('spikewatch_omitted_fields_total', 'field')} > 0", "{{field}}"),
        ),
        timeline(
            "Escalations",
            "Escalation events by transition, including those of suppressed episodes.",
            RATE,
            Query(rate("spikewatch_escalations_total", "transition"), "{{transition}}"),
        ),
        timeline(
            "Snapshots",
            "Durable snapshots, by worker; about one per second while signals arrive.",
            RATE,
            Query(rate("spikewatch_snapshots_total", "instance"), WHICH),
        ),
        timeline(
            "Snapshot bytes",
            "Bytes written to the changelog, by worker.",
            BYTES_RATE,
            Query(rate("spikewatch_snapshot_bytes_total", "instance"), WHICH),
            width=24,
        ),
    ):  # fmt: skip
        made.with_panel(chart)
    made.with_panel(
        table(
            "Releases and settings",
            "The release of each worker and the hash of its settings. Workers with different "
            "hashes decide differently.",
            Column(
                "Workers",
                COUNT,
                f"count by (version, config_hash) (spikewatch_info{{{PROCESS}}})",
            ),
            labels=(("version", "Version"), ("config_hash", "Settings")),
            height=5,
        )
    )
    made.with_row(row("Notify"))
    for chart in (
        timeline(
            "Notification decisions by reason",
            "Decisions to notify a receiver of a transition (send=true) or not to (send=false), "
            "by reason.",
            RATE,
            Query(
                rate("spikewatch_notification_decisions_total", "reason, send", RECEIVER),
                "{{reason}} send={{send}}",
            ),
        ),
        timeline(
            "Messages by outcome",
            "Messages that notify sent or gave up, by receiver.",
            RATE,
            Query(
                rate("spikewatch_notifications_total", "receiver, outcome", RECEIVER),
                "{{receiver}} {{outcome}}",
            ),
        ),
        timeline(
            "Failed attempts",
            "Attempts that failed and will be retried, by receiver.",
            RATE,
            Query(
                rate("spikewatch_notification_failures_total", "receiver", RECEIVER), "{{receiver}}"
            ),
        ),
        timeline(
            "Pending messages",
            "Messages that have not been sent yet, including those that wait for a cool-down, by "
            "receiver.",
            COUNT,
            Query(total("spikewatch_notifications_pending", "receiver", RECEIVER), "{{receiver}}"),
        ),
        timeline(
            "Time from an escalation to its delivery",
            "Time until the provider accepted the message, by receiver: the median and the "
            "99th percentile.",
            SECONDS,
            Query(quantile(0.5, DELIVERY, "receiver", RECEIVER), "{{receiver}} median"),
            Query(quantile(0.99, DELIVERY, "receiver", RECEIVER), "{{receiver}} 99th percentile"),
            width=24,
        ),
    ):
        made.with_panel(chart)
    made.with_row(row("Processes"))
    for chart in (
        timeline(
            "CPU",
            "CPU use as a share of one core, by process.",
            SHARE,
            Query(rate("process_cpu_seconds_total", "job, instance"), "{{job}} {{instance}}"),
            width=8,
        ),
        timeline(
            "Memory",
            "Resident memory, by process.",
            BYTES,
            Query(total("process_resident_memory_bytes", "job, instance"), "{{job}} {{instance}}"),
            width=8,
        ),
        timeline(
            "Open files",
            "Open file descriptors, including sockets, as a share of the process's limit.",
            SHARE,
            Query(
                f"{total('process_open_fds', 'job, instance')} / "
                f"{total('process_max_fds', 'job, instance')}",
                "{{job}} {{instance}}",
            ),
            width=8,
        ),
    ):
        made.with_panel(chart)
    made.with_panel(
        figure(
            "Uptime",
            "Time since the start of each process.",
            SECONDS,
            Query(
                f"time() - max by (job, instance) (process_start_time_seconds{{{PROCESS}}})",
                "{{job}} {{instance}}",
            ),
            width=24,
            limits=((None, BLUE),),
        )
    )
    return made
