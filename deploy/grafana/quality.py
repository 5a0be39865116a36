"""The dashboard "Quality": whether the alert budget is kept, and how quickly a spike pages."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.vocabulary import (
    BLUE,
    COUNT,
    GREEN,
    ORANGE,
    PROCESS,
    RATE,
    RED,
    SECONDS,
    SHARE,
    Query,
    bars,
    by_tenant,
    figure,
    increase,
    page,
    processes,
    quantile,
    rate,
    row,
    tenants,
    timeline,
)

A_WEEK: Final = "suffix: a week"
PAGES: Final = by_tenant("spikewatch_pages_per_week")
FALSE_PAGES: Final = by_tenant("spikewatch_false_pages_per_week")
EXPECTED: Final = by_tenant("spikewatch_expected_false_pages_per_week")
BURN: Final = by_tenant("spikewatch_budget_burn_ratio")
BUDGET: Final = f"max (spikewatch_budget_false_pages_per_week{{{PROCESS}}})"
VERDICTS: Final = "spikewatch_verdicts_total"
FALSE_VERDICTS: Final = f'{PROCESS},verdict=~"false_alarm|expected_event"'
OPENED: Final = f'{PROCESS},transition="opened"'
DELAY: Final = "spikewatch_detection_delay_seconds"
EDGES: Final = (
    ("60.0", "a minute"),
    ("300.0", "5 minutes"),
    ("900.0", "15 minutes"),
    ("3600.0", "an hour"),
)
"""Buckets of the delay, as Prometheus writes them. Each has its own query, because one query would
return them unsorted."""


def quality() -> Dashboard:
    """Return the dashboard."""
    made = page(
        "Quality",
        "spikewatch-quality",
        "Whether the alert budget is kept, by verdicts and by the model, and the time from "
        "the first excess tickets to the page.",
        since="now-28d",
        refresh="5m",
    )
    for variable in (tenants(), processes()):
        made.with_variable(variable)
    for panel in (
        figure(
            "Budget",
            "False pages a week that you accept for each tenant: false_pages_per_week in [budget].",
            A_WEEK,
            Query(BUDGET, "budget"),
        ),
        figure(
            "Pages",
            "Pages a week over the last four weeks, of the selected tenant with the most pages.",
            A_WEEK,
            Query(f"max ({PAGES})", "pages"),
            decimals=2,
        ),
        figure(
            "False pages by verdicts",
            "Pages a week with the verdict false alarm or expected event over the last four "
            "weeks, of the selected tenant with the most. Pages without a verdict do not count.",
            A_WEEK,
            Query(f"max ({FALSE_PAGES})", "false pages"),
            decimals=2,
        ),
        figure(
            "False pages by the model",
            "False pages a week that the model expects from the past scores of all series, of "
            "the selected tenant with the most.",
            A_WEEK,
            Query(f"max ({EXPECTED})", "expected false pages"),
            decimals=2,
        ),
        figure(
            "Alert budget spent, at most",
            "Pages of the last four weeks as a share of the alert budget, of the selected "
            "tenant with the highest share. This is spent only if every page was false.",
            SHARE,
            Query(f"max ({BURN})", "burn"),
            limits=((None, GREEN), (0.75, ORANGE), (1, RED)),
            decimals=0,
        ),
        figure(
            "Share of false verdicts",
            "Share of the verdicts in the selected time that are false alarm or expected event.",
            SHARE,
            Query(
                f"{increase(VERDICTS, labels=FALSE_VERDICTS)} / ({increase(VERDICTS)} > 0)",
                "false share",
            ),
            nothing="no verdicts",
            decimals=0,
        ),
    ):
        made.with_panel(panel)
    made.with_row(row("Budget"))
    for chart in (
        timeline(
            "Pages and false pages",
            "Per week, over the four weeks before each time: all pages, those with a false "
            "verdict, the false pages that the model expects, and the alert budget.",
            A_WEEK,
            Query(PAGES, "{{tenant}} pages"),
            Query(FALSE_PAGES, "{{tenant}} false by verdict"),
            Query(EXPECTED, "{{tenant}} false by the model"),
            Query(BUDGET, "budget"),
        ),
        timeline(
            "Alert budget spent, at most",
            "Pages as a share of the alert budget. Above the red line there were more pages "
            "than the budget allows false pages, which is fine if the pages were right.",
            SHARE,
            Query(BURN, "{{tenant}}"),
            limit=1.0,
        ),
    ):
        made.with_panel(chart)
    for bar in (
        bars(
            "Verdicts",
            "Verdicts that people gave in the selected time.",
            COUNT,
            Query(increase(VERDICTS, "verdict"), "{{verdict}}"),
            width=8,
        ),
        bars(
            "Episodes opened",
            "Episodes opened in the selected time, including suppressed ones, by their severity "
            "at the opening.",
            COUNT,
            Query(increase("spikewatch_escalations_total", "severity", OPENED), "{{severity}}"),
            width=8,
        ),
        bars(
            "Suppressed episodes",
            "Suppressed episodes in the selected time, by reason.",
            COUNT,
            Query(increase("spikewatch_suppressed_episodes_total", "reason"), "{{reason}}"),
            width=8,
        ),
    ):
        made.with_panel(bar)
    made.with_row(row("Delay"))
    made.with_panel(
        figure(
            "Time from the first excess tickets to the page",
            "Median and 90th percentile over the pages in the selected time, in event time.",
            SECONDS,
            Query(quantile(0.5, DELAY, over="$__range"), "median"),
            Query(quantile(0.9, DELAY, over="$__range"), "90th percentile"),
            width=6,
            limits=((None, BLUE),),
            nothing="no pages",
        ).height(8)
    )
    made.with_panel(
        bars(
            "Pages by detection delay",
            "Pages in the selected time, by the time since the start of the excess. Each bar "
            "includes all bars above it.",
            COUNT,
            *(
                Query(
                    increase(f"{DELAY}_bucket", labels=f'{PROCESS},le="{edge}"'), f"within {name}"
                )
                for edge, name in EDGES
            ),
            Query(increase(f"{DELAY}_count"), "all"),
            width=18,
        )
    )
    made.with_panel(
        timeline(
            "Late feeds",
            "Lateness that would admit 95 % of the live tickets of a tenant most of whose tickets "
            "arrive too late to page. Tenants whose tickets arrive in time are not shown.",
            SECONDS,
            Query(by_tenant("spikewatch_late_feed_needed_seconds"), "{{tenant}}"),
            width=24,
        )
    )
    made.with_row(row("Classification and guards"))
    for chart in (
        timeline(
            "Accuracy of the classifier",
            "Share of the tickets with an area for which the classifier would have given the "
            "right area by their words, before it learned from them.",
            SHARE,
            Query(by_tenant("spikewatch_placing_accuracy_ratio"), "{{tenant}}"),
            width=8,
        ),
        timeline(
            "Tickets without an area",
            "Tickets without an area, by how they were classified: by a rule of the taxonomy, "
            "by the classifier (model), or not at all.",
            RATE,
            Query(rate("spikewatch_placed_tickets_total", "how"), "{{how}}"),
            width=8,
        ),
        timeline(
            "Signals on which a guard acted",
            "Signals that counted for less or did not open an episode of their own, by guard.",
            RATE,
            Query(rate("spikewatch_guarded_total", "guard"), "{{guard}}"),
            width=8,
        ),
    ):
        made.with_panel(chart)
    return made
