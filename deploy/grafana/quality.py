"""Quality: is the budget of false pages kept, and how quickly and rightly is it told?"""

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
"""Buckets of the delay, as Prometheus writes them; a query each, for it hands them out unsorted."""


def quality() -> Dashboard:
    """The dashboard."""
    made = page(
        "Quality",
        "spikewatch-quality",
        "Whether the budget of false pages is kept, by verdicts and by the model, and how long it "
        "takes from the first complaints to the page.",
        since="now-28d",
        refresh="5m",
    )
    for variable in (tenants(), processes()):
        made.with_variable(variable)
    for panel in (
        figure(
            "Budget",
            "False pages a week that a tenant is allowed: the one number that you set.",
            A_WEEK,
            Query(BUDGET, "budget"),
        ),
        figure(
            "Pages",
            "Of the chosen tenant with most of them, over the last four weeks.",
            A_WEEK,
            Query(f"max ({PAGES})", "pages"),
            decimals=2,
        ),
        figure(
            "False by verdicts",
            "Of the chosen tenant with most of them: pages that people called a false alarm or an "
            "expected event, over the last four weeks. Pages without a verdict are not among them.",
            A_WEEK,
            Query(f"max ({FALSE_PAGES})", "false pages"),
            decimals=2,
        ),
        figure(
            "False by the model",
            "Of the chosen tenant with most of them: false pages to be expected by what its series "
            "have scored so far.",
            A_WEEK,
            Query(f"max ({EXPECTED})", "expected false pages"),
            decimals=2,
        ),
        figure(
            "Budget spent, at most",
            "Pages over budget of the chosen tenant with the highest share: if every page of the "
            "last four weeks had been false, so much of the budget would be spent.",
            SHARE,
            Query(f"max ({BURN})", "burn"),
            limits=((None, GREEN), (0.75, ORANGE), (1, RED)),
            decimals=0,
        ),
        figure(
            "False among verdicts",
            "Share of the verdicts in the time shown that called a false alarm or an expected "
            "event.",
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
            "Over the four weeks before each moment: all pages, those called false, those that the "
            "model expects to be false, and the budget.",
            A_WEEK,
            Query(PAGES, "{{tenant}} pages"),
            Query(FALSE_PAGES, "{{tenant}} called false"),
            Query(EXPECTED, "{{tenant}} expected false"),
            Query(BUDGET, "budget"),
        ),
        timeline(
            "Budget spent, at most",
            "Pages over budget; above the red line there were more pages than false ones allowed, "
            "which is no fault where they were right.",
            SHARE,
            Query(BURN, "{{tenant}}"),
            limit=1.0,
        ),
    ):
        made.with_panel(chart)
    for bar in (
        bars(
            "Verdicts",
            "What people called episodes in the time shown.",
            COUNT,
            Query(increase(VERDICTS, "verdict"), "{{verdict}}"),
            width=8,
        ),
        bars(
            "Episodes opened",
            "In the time shown, by severity at the opening; those that paged nobody included.",
            COUNT,
            Query(increase("spikewatch_escalations_total", "severity", OPENED), "{{severity}}"),
            width=8,
        ),
        bars(
            "Episodes that paged nobody",
            "In the time shown, by the reason why.",
            COUNT,
            Query(increase("spikewatch_suppressed_episodes_total", "reason"), "{{reason}}"),
            width=8,
        ),
    ):
        made.with_panel(bar)
    made.with_row(row("Delay"))
    made.with_panel(
        figure(
            "From the first complaints to the page",
            "Half of the pages in the time shown came within the first, nine of ten within the "
            "second; event time.",
            SECONDS,
            Query(quantile(0.5, DELAY, over="$__range"), "half"),
            Query(quantile(0.9, DELAY, over="$__range"), "nine of ten"),
            width=6,
            limits=((None, BLUE),),
            nothing="no pages",
        ).height(8)
    )
    made.with_panel(
        bars(
            "Pages within so long",
            "Pages in the time shown, by how long after the complaints began to come faster; each "
            "bar holds the ones above it.",
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
    made.with_row(row("Placing and guards"))
    for chart in (
        timeline(
            "Accuracy of placing",
            "Of the tickets that came with an area: the share that their words alone would have "
            "placed rightly, before they were learned.",
            SHARE,
            Query(by_tenant("spikewatch_placing_accuracy_ratio"), "{{tenant}}"),
            width=8,
        ),
        timeline(
            "Tickets without an area",
            "How they were given one: by a rule of the taxonomy, by the model, or not at all.",
            RATE,
            Query(rate("spikewatch_placed_tickets_total", "how"), "{{how}}"),
            width=8,
        ),
        timeline(
            "Signals that counted less",
            "Than they seem to, or made no page of their own, by the guard that saw to it.",
            RATE,
            Query(rate("spikewatch_guarded_total", "guard"), "{{guard}}"),
            width=8,
        ),
    ):
        made.with_panel(chart)
    return made
