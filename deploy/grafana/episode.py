"""The dashboard "Episode": what is happening in one area, since when, and how severe it is."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.vocabulary import (
    COUNT,
    GREEN,
    MOMENT,
    MONEY,
    ONE_AREA,
    ORANGE,
    RED,
    SECONDS,
    SHARE,
    TIMES,
    Marks,
    Query,
    Ready,
    bands,
    bars,
    by_area,
    figure,
    one_area,
    one_tenant,
    page,
    timeline,
)

RATIO: Final = by_area("spikewatch_episode_ratio", ONE_AREA)
CUSTOMERS: Final = by_area("spikewatch_episode_customers", ONE_AREA)
REVENUE: Final = by_area("spikewatch_episode_revenue", ONE_AREA)
SINCE: Final = by_area("spikewatch_episode_since_timestamp_seconds", ONE_AREA)
SCORE: Final = by_area("spikewatch_score", ONE_AREA)
LIMIT: Final = by_area("spikewatch_score_limit", ONE_AREA)
EXPLAINED: Final = f"max by (dimension) (spikewatch_episode_explained_ratio{{{ONE_AREA}}})"
TIERS: Final = f"max by (tier) (spikewatch_episode_tier_customers{{{ONE_AREA}}})"
NONE: Final = "no episode"


def episode() -> Dashboard:
    """Return the dashboard."""
    made = page(
        "Episode",
        "spikewatch-episode",
        "One area: observed and expected counts, and its open episode, if there is one.",
        since="now-6h",
        refresh="30s",
    )
    for variable in (one_tenant(), one_area()):
        made.with_variable(variable)
    for mark in (
        # The metric exists only while an episode is open, so each span is an episode.
        Marks("Open episode", RATIO, "{{tenant}} {{product_area}}", RED, value_is_time=False),
        Marks(
            "Start of the excess",
            f"{SINCE} * 1000",
            "{{tenant}} {{product_area}}",
            ORANGE,
            value_is_time=True,
        ),
    ):
        made.annotation(Ready(mark))
    for panel in (
        figure(
            "Ratio",
            "Observed divided by expected customer-equivalents since the start of the episode.",
            TIMES,
            Query(RATIO, "ratio"),
            nothing=NONE,
            decimals=1,
        ),
        figure(
            "Customers",
            "Distinct customers affected by the episode.",
            COUNT,
            Query(CUSTOMERS, "customers"),
            nothing=NONE,
        ),
        figure(
            "Annual revenue",
            "Known annual revenue of the affected customers, in the currency of your tickets.",
            MONEY,
            Query(REVENUE, "revenue"),
            nothing=NONE,
        ),
        figure(
            "Since",
            "The start of the excess in event time, in the dashboard's time zone.",
            MOMENT,
            Query(f"{SINCE} * 1000", "since"),
            nothing=NONE,
        ),
        figure(
            "Open for",
            "Time from the start of the excess until now.",
            SECONDS,
            Query(f"time() - {SINCE}", "open for"),
            nothing=NONE,
        ),
        figure(
            "Score / threshold",
            "Score of the area's last ticket as a share of the threshold. The area pages at 100%. "
            "A tenant-wide episode has no score.",
            SHARE,
            Query(f"{SCORE} / {LIMIT}", "score / threshold"),
            limits=((None, GREEN), (0.7, ORANGE), (1, RED)),
            nothing="none",
            decimals=0,
        ),
    ):
        made.with_panel(panel)
    made.with_panel(
        bands(
            "Observed and expected",
            "Customer-equivalents observed in the last hour (orange), expected per hour "
            "(blue), and the normal range that holds 98 of 100 usual hours. Red spans mark "
            "open episodes. A tenant-wide episode (*tenant*) has no normal range.",
            ONE_AREA,
            named=False,
            width=24,
            height=10,
        )
    )
    for bar in (
        bars(
            "Drivers",
            "Share of the excess that the driver of each dimension carries. The driver itself, "
            "distinctive terms and example tickets are on the web page and in the escalation; "
            "no metric contains text from tickets.",
            SHARE,
            Query(EXPLAINED, "{{dimension}}"),
        ),
        bars(
            "Customers by tier",
            "Distinct customers affected by the episode, in the five largest tiers.",
            COUNT,
            Query(TIERS, "{{tier}}"),
        ),
    ):
        made.with_panel(bar)
    for chart in (
        timeline(
            "Score and threshold",
            "Chance alone reaches a score at most once in e^score weeks. The threshold moves so "
            "that the alert budget is kept.",
            COUNT,
            Query(SCORE, "score"),
            Query(LIMIT, "threshold"),
        ),
        timeline(
            "Ratio",
            "Observed divided by expected rate. The line starts and ends with the episode.",
            TIMES,
            Query(RATIO, "ratio"),
        ),
        timeline(
            "Affected customers",
            "Distinct customers affected by the episode, over time.",
            COUNT,
            Query(CUSTOMERS, "customers"),
        ),
        timeline(
            "Annual revenue affected",
            "Known annual revenue of those customers, in the currency of your tickets.",
            MONEY,
            Query(REVENUE, "revenue"),
        ),
    ):
        made.with_panel(chart)
    return made
