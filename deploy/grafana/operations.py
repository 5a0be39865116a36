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
            "Workers whose state is verified and that process signals. A worker in recovery "
            "is not ready.",
            COUNT,
            Query(total("spikewatch_ready"), "ready"),
            limits=((None, RED), (1, GREEN)),
        ),
        figure(
            "Lag",
            "Records of all topics that are not processed yet.",
            COUNT,
            Query(total("spikewatch_lag_records"), "records"),
        ),
        figure(
            "Last ticket",
            "Time since a worker last processed one.",
            SECONDS,
            Query(age("spikewatch_last_ticket_timestamp_seconds"), "last ticket"),
            nothing="none yet",
        ),
        figure(
            "Last tick",
            "Time since a worker last processed one. Without ticks, event time stands still "
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
            "Tickets, ticks and feedback, by their outcome.",
            RATE,
            Query(rate("spikewatch_signals_total", "outcome"), "{{outcome}}"),
        ),
        timeline(
            "Lag, by topic",
            "Records that are not processed yet, of the partitions assigned to the workers.",
            COUNT,
            Query(total("spikewatch_lag_records", "topic"), "{{topic}}"),
        ),
        timeline(
            "Time from a ticket's append to its step",
            "For live tickets; the last ticket of each chunk is measured.",
            SECONDS,
            Query(quantile(0.5, TAKEN), "half"),
            Query(quantile(0.99, TAKEN), "99 of 100"),
        ),
        timeline(
            "Time to decode and step a chunk",
            "The 99th percentile, by worker.",
            SECONDS,
            Query(quantile(0.99, FOLD, "instance"), WHICH),
        ),
        timeline(
            "Watermark lag",
            "Wall clock minus watermark of tenants in live mode, by partition. It rises when "
            "neither tickets nor ticks arrive.",
            SECONDS,
            Query(f"max by (partition) (spikewatch_watermark_lag_seconds{{{PROCESS}}})",
                  "partition {{partition}}"),
        ),
        timeline(
            "Ready",
            "1 while the worker processes signals, 0 during a recovery.",
            COUNT,
            Query(f"max by (instance) (spikewatch_ready{{{PROCESS}}})", WHICH),
        ),
        timeline(
            "Time until Kafka has a worker's output",
            "Time until all in-sync replicas have it; the median and the 99th percentile of "
            "the batches.",
            SECONDS,
            Query(quantile(0.5, PRODUCE), "half"),
            Query(quantile(0.99, PRODUCE), "99 of 100"),
        ),
        timeline(
            "Recoveries",
            "How often each worker recovered its state after a rebalance, since its start.",
            COUNT,
            Query(total("spikewatch_recoveries_total", "instance"), WHICH),
        ),
        timeline(
            "Duration of the last recovery",
            "Including the rebalance, by worker.",
            SECONDS,
            Query(total("spikewatch_recovery_seconds", "instance"), WHICH),
        ),
        timeline(
            "Dead letters by reason",
            "Records that could not be processed. Each is on the topic tickets.dead.",
            RATE,
            Query(rate("spikewatch_dead_letters_total", "reason"), "{{reason}}"),
        ),
        timeline(
            "Escalations",
            "Escalation events produced, by transition, including those of suppressed episodes.",
            RATE,
            Query(rate("spikewatch_escalations_total", "transition"), "{{transition}}"),
        ),
        timeline(
            "Snapshots",
            "Durable snapshots, by worker; about one a second while signals arrive.",
            RATE,
            Query(rate("spikewatch_snapshots_total", "instance"), WHICH),
        ),
        timeline(
            "Bytes of snapshots",
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
            "Whether a receiver is notified of a transition, and why. send=false: it is not "
            "notified.",
            RATE,
            Query(
                rate("spikewatch_notification_decisions_total", "reason, send", RECEIVER),
                "{{reason}} send={{send}}",
            ),
        ),
        timeline(
            "Messages by outcome",
            "Messages that were sent or given up, by receiver.",
            RATE,
            Query(
                rate("spikewatch_notifications_total", "receiver, outcome", RECEIVER),
                "{{receiver}} {{outcome}}",
            ),
        ),
        timeline(
            "Failed attempts",
            "Attempts that failed and are repeated, by receiver.",
            RATE,
            Query(
                rate("spikewatch_notification_failures_total", "receiver", RECEIVER), "{{receiver}}"
            ),
        ),
        timeline(
            "Pending messages",
            "Messages that are not sent yet, including those that wait for a cool-down, by "
            "receiver.",
            COUNT,
            Query(total("spikewatch_notifications_pending", "receiver", RECEIVER), "{{receiver}}"),
        ),
        timeline(
            "Time from the escalation to its delivery",
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
            "Processor",
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
            "Open file descriptors, including sockets, as a share of the limit, by process.",
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
            "Open for",
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
