"""Operations: do our own processes keep up, lose nothing, and reach those who are to be told?"""

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
TOLD: Final = "spikewatch_notification_seconds"
WHICH: Final = "{{instance}}"


def age(metric: str) -> str:
    """Seconds since the latest of a moment that all processes tell; 0 there means never."""
    return f"time() - max ({metric}{{{PROCESS}}} > 0)"


def operations() -> Dashboard:
    """The dashboard."""
    made = page(
        "Operations",
        "spikewatch-operations",
        "Whether workers and notify keep up, lose nothing, and reach those who are to be told.",
        since="now-3h",
        refresh="30s",
    )
    for variable in (processes(), receivers()):
        made.with_variable(variable)
    for panel in (
        figure(
            "Processes up",
            "Workers and notify that answered the last scrape.",
            COUNT,
            Query(f"sum by (job) (up{{{PROCESS}}})", "{{job}}"),
            limits=((None, RED), (1, GREEN)),
        ),
        figure(
            "Workers ready",
            "Their state is verified and signals are applied; not so in a recovery.",
            COUNT,
            Query(total("spikewatch_ready"), "ready"),
            limits=((None, RED), (1, GREEN)),
        ),
        figure(
            "Records behind",
            "Of all topics, not worked on yet.",
            COUNT,
            Query(total("spikewatch_lag_records"), "records"),
        ),
        figure(
            "Last ticket",
            "Seconds since any worker took one in.",
            SECONDS,
            Query(age("spikewatch_last_ticket_timestamp_seconds"), "last ticket"),
            nothing="none yet",
        ),
        figure(
            "Last tick",
            "Seconds since any worker took one in; no ticks: quiet areas stand still.",
            SECONDS,
            Query(age("spikewatch_last_tick_timestamp_seconds"), "last tick"),
            limits=((None, GREEN), (60, RED)),
            nothing="none yet",
        ),
        figure(
            "Areas and tenants",
            "Areas with a model, and tenants known.",
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
            "Tickets, ticks and feedback, by what became of them.",
            RATE,
            Query(rate("spikewatch_signals_total", "outcome"), "{{outcome}}"),
        ),
        timeline(
            "Records behind, by topic",
            "Not worked on yet, of the partitions that the workers own.",
            COUNT,
            Query(total("spikewatch_lag_records", "topic"), "{{topic}}"),
        ),
        timeline(
            "Time from a ticket's append to its step",
            "Of live tickets; the last of each chunk.",
            SECONDS,
            Query(quantile(0.5, TAKEN), "half"),
            Query(quantile(0.99, TAKEN), "99 of 100"),
        ),
        timeline(
            "Time to decode and step a chunk",
            "By worker: 99 of 100 chunks stay below.",
            SECONDS,
            Query(quantile(0.99, FOLD, "instance"), WHICH),
        ),
        timeline(
            "Watermark behind the wall clock",
            "By partition, of tenants in live mode. Rising: no tickets and no ticks come.",
            SECONDS,
            Query(f"max by (partition) (spikewatch_watermark_lag_seconds{{{PROCESS}}})",
                  "partition {{partition}}"),
        ),
        timeline(
            "Ready",
            "1 while signals are applied, 0 in a recovery.",
            COUNT,
            Query(f"max by (instance) (spikewatch_ready{{{PROCESS}}})", WHICH),
        ),
        timeline(
            "Time until Kafka has what a worker writes",
            "On all in-sync replicas; half of the batches, and 99 of 100, stay below.",
            SECONDS,
            Query(quantile(0.5, PRODUCE), "half"),
            Query(quantile(0.99, PRODUCE), "99 of 100"),
        ),
        timeline(
            "Recoveries",
            "Times each worker read its state anew after a rebalance, since it was started.",
            COUNT,
            Query(total("spikewatch_recoveries_total", "instance"), WHICH),
        ),
        timeline(
            "Length of the last recovery",
            "The rebalance included, by worker.",
            SECONDS,
            Query(total("spikewatch_recovery_seconds", "instance"), WHICH),
        ),
        timeline(
            "Dead letters by reason",
            "Records that could not be taken in; each is on the topic tickets.dead.",
            RATE,
            Query(rate("spikewatch_dead_letters_total", "reason"), "{{reason}}"),
        ),
        timeline(
            "Escalations",
            "Events produced, by transition; those that page nobody included.",
            RATE,
            Query(rate("spikewatch_escalations_total", "transition"), "{{transition}}"),
        ),
        timeline(
            "Snapshots",
            "Made and durable, by worker; about one a second while signals come.",
            RATE,
            Query(rate("spikewatch_snapshots_total", "instance"), WHICH),
        ),
        timeline(
            "Bytes of snapshots",
            "Written to the changelog, by worker.",
            BYTES_RATE,
            Query(rate("spikewatch_snapshot_bytes_total", "instance"), WHICH),
            width=24,
        ),
    ):  # fmt: skip
        made.with_panel(chart)
    made.with_panel(
        table(
            "Releases and settings",
            "Which release each worker runs, and the hash of the settings by which it decides: "
            "workers that differ decide differently.",
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
            "Decisions by reason",
            "Whether a receiver is told of a transition, and why; send=false: not told.",
            RATE,
            Query(
                rate("spikewatch_notification_decisions_total", "reason, send", RECEIVER),
                "{{reason}} send={{send}}",
            ),
        ),
        timeline(
            "Messages by what became of them",
            "Sent, or given up.",
            RATE,
            Query(
                rate("spikewatch_notifications_total", "receiver, outcome", RECEIVER),
                "{{receiver}} {{outcome}}",
            ),
        ),
        timeline(
            "Attempts that failed",
            "And are repeated, by receiver.",
            RATE,
            Query(
                rate("spikewatch_notification_failures_total", "receiver", RECEIVER), "{{receiver}}"
            ),
        ),
        timeline(
            "Messages to be sent",
            "Those that wait for a cool-down included, by receiver.",
            COUNT,
            Query(total("spikewatch_notifications_pending", "receiver", RECEIVER), "{{receiver}}"),
        ),
        timeline(
            "Time from the escalation to the provider's yes",
            "By receiver: half of the messages, and 99 of 100, stay below.",
            SECONDS,
            Query(quantile(0.5, TOLD, "receiver", RECEIVER), "{{receiver}} half"),
            Query(quantile(0.99, TOLD, "receiver", RECEIVER), "{{receiver}} 99 of 100"),
            width=24,
        ),
    ):
        made.with_panel(chart)
    made.with_row(row("Processes"))
    for chart in (
        timeline(
            "Processor",
            "Share of one core, by process.",
            SHARE,
            Query(rate("process_cpu_seconds_total", "job, instance"), "{{job}} {{instance}}"),
            width=8,
        ),
        timeline(
            "Memory",
            "Resident, by process.",
            BYTES,
            Query(total("process_resident_memory_bytes", "job, instance"), "{{job}} {{instance}}"),
            width=8,
        ),
        timeline(
            "Open files",
            "Sockets included, as a share of what the system allows, by process.",
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
            "Running for",
            "Since each process was started.",
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
