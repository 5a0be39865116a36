"""Episode: what happens in one area, since when, and how bad it is."""

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
    """The dashboard."""
    made = page(
        "Episode",
        "spikewatch-episode",
        "One area: what came against what was expected, and the episode that runs, if one does.",
        since="now-6h",
        refresh="30s",
    )
    for variable in (one_tenant(), one_area()):
        made.with_variable(variable)
    for mark in (
        # Where the metric is, an episode runs: the stretch is the episode as Prometheus saw it.
        Marks("An episode runs", RATIO, "{{tenant}} {{product_area}}", RED, value_is_time=False),
        Marks(
            "Complaints began to come faster",
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
            "Customer-equivalents over what was expected, since the complaints came faster.",
            TIMES,
            Query(RATIO, "ratio"),
            nothing=NONE,
            decimals=1,
        ),
        figure(
            "Customers",
            "Distinct customers inside the episode.",
            COUNT,
            Query(CUSTOMERS, "customers"),
            nothing=NONE,
        ),
        figure(
            "Annual revenue",
            "Of the customers inside whose revenue is told, in the currency of your tickets.",
            MONEY,
            Query(REVENUE, "revenue"),
            nothing=NONE,
        ),
        figure(
            "Since",
            "When the complaints began to come faster; event time, in the dashboard's time zone.",
            MOMENT,
            Query(f"{SINCE} * 1000", "since"),
            nothing=NONE,
        ),
        figure(
            "Running for",
            "From the time the complaints began to come faster until now.",
            SECONDS,
            Query(f"time() - {SINCE}", "running for"),
            nothing=NONE,
        ),
        figure(
            "Score over limit",
            "Of the area's last ticket: at 100 % it pages. An episode of a whole tenant has none.",
            SHARE,
            Query(f"{SCORE} / {LIMIT}", "score over limit"),
            limits=((None, GREEN), (0.7, ORANGE), (1, RED)),
            nothing="none",
            decimals=0,
        ),
    ):
        made.with_panel(panel)
    made.with_panel(
        bands(
            "Observed against expected",
            "Customer-equivalents of the last hour (orange), what is expected of an hour (blue), "
            "and the band that 98 of 100 usual hours stay in. Red stretches: an episode runs. "
            "An episode of a whole tenant (*tenant*) has no band of its own.",
            ONE_AREA,
            named=False,
            width=24,
            height=10,
        )
    )
    for bar in (
        bars(
            "Explained by",
            "Share of the excess that one value of each dimension explains. Which value, words and "
            "tickets: in the page and in the escalation; no metric holds text of strangers.",
            SHARE,
            Query(EXPLAINED, "{{dimension}}"),
        ),
        bars(
            "Customers by tier",
            "Distinct customers inside the episode; the five largest tiers.",
            COUNT,
            Query(TIERS, "{{tier}}"),
        ),
    ):
        made.with_panel(bar)
    for chart in (
        timeline(
            "Score and its limit",
            "Chance alone brings such a score once in e^score weeks. "
            "The limit moves so that your budget of false pages is kept.",
            COUNT,
            Query(SCORE, "score"),
            Query(LIMIT, "limit"),
        ),
        timeline(
            "Ratio",
            "Observed over expected of the episode; the line begins and ends with it.",
            TIMES,
            Query(RATIO, "ratio"),
        ),
        timeline(
            "Customers inside",
            "Distinct customers inside the episode, as they came.",
            COUNT,
            Query(CUSTOMERS, "customers"),
        ),
        timeline(
            "Annual revenue inside",
            "Of those customers, as far as it is told, in the currency of your tickets.",
            MONEY,
            Query(REVENUE, "revenue"),
        ),
    ):
        made.with_panel(chart)
    return made
