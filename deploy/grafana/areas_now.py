"""The dashboard "Areas now": areas with more tickets than expected, and how close to a page."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.vocabulary import (
    BLUE,
    COUNT,
    GREEN,
    MOMENT,
    ORANGE,
    RED,
    SHARE,
    TENANT,
    TIMES,
    Column,
    Query,
    areas,
    bands,
    by_area,
    figure,
    hottest,
    page,
    processes,
    row,
    table,
    tenants,
    timeline,
    total,
)

SEEN: Final = by_area("spikewatch_tickets_observed")
DUE: Final = by_area("spikewatch_tickets_expected")
LOWER: Final = by_area("spikewatch_tickets_lower")
UPPER: Final = by_area("spikewatch_tickets_upper")
NEARNESS: Final = f"{by_area('spikewatch_score')} / {by_area('spikewatch_score_limit')}"
RATIO: Final = by_area("spikewatch_episode_ratio")
SINCE: Final = f"{by_area('spikewatch_episode_since_timestamp_seconds')} * 1000"
HOTTEST: Final = f'{TENANT},product_area=~"$hottest"'
TO_EPISODE: Final = (
    "/d/spikewatch-episode?var-tenant=${__data.fields.Tenant:percentencode}"
    "&var-product_area=${__data.fields.Area:percentencode}&${datasource:queryparam}&${__url_time_range}"
)


def areas_now() -> Dashboard:
    """Return the dashboard."""
    made = page(
        "Areas now",
        "spikewatch-areas",
        "Areas with more tickets than expected at this hour of the week, and how close they "
        "are to a page.",
        since="now-6h",
        refresh="30s",
    )
    for variable in (tenants(), areas(), processes(), hottest()):
        made.with_variable(variable)
    for panel in (
        figure(
            "Open episodes that paged",
            "Open episodes of the selected areas that sent a page.",
            COUNT,
            Query(f"count ({RATIO})", "episodes"),
            limits=((None, GREEN), (1, RED)),
            nothing="0",
        ),
        figure(
            "Open episodes by severity",
            "All open episodes, including suppressed ones. The metric has no tenant label, so "
            "only the process filter applies.",
            COUNT,
            Query(total("spikewatch_episodes_open", "severity"), "{{severity}}"),
            width=8,
        ),
        figure(
            "Highest ratio",
            "The highest ratio of observed to expected rate among the open episodes that paged.",
            TIMES,
            Query(f"max ({RATIO})", "ratio"),
            nothing="no episode",
            decimals=1,
        ),
        figure(
            "Closest to a page",
            "The highest score as a share of its threshold. A series pages at 100%.",
            SHARE,
            Query(f"max ({NEARNESS})", "score / threshold"),
            limits=((None, GREEN), (0.7, ORANGE), (1, RED)),
            decimals=0,
        ),
        figure(
            "Areas above the normal range",
            "Areas with more customer-equivalents in the last hour than in 99 of 100 usual "
            "hours. Chance alone puts one area in a hundred above its range.",
            COUNT,
            Query(f"count ({SEEN} > {UPPER})", "areas"),
            limits=((None, BLUE), (1, ORANGE)),
            nothing="0",
        ),
    ):
        made.with_panel(panel)
    made.with_panel(
        table(
            "Areas",
            "Customer-equivalents observed in the last hour of event time, the number "
            "expected per hour now, and the normal range that holds 98 of 100 usual hours. Ratio "
            "and Since are filled in for open episodes that paged. The link of an area opens the "
            "dashboard Episode.",
            Column("Observed", COUNT, SEEN),
            Column("Expected", COUNT, DUE),
            Column("Lower", COUNT, LOWER),
            Column("Upper", COUNT, UPPER),
            Column("Score / threshold", SHARE, NEARNESS),
            Column("Episode's ratio", TIMES, RATIO),
            Column("Since", MOMENT, SINCE),
            labels=(("tenant", "Tenant"), ("product_area", "Area")),
            sort="Score / threshold",
            link=("Open the episode", TO_EPISODE),
        )
    )
    made.with_row(row("Areas closest to a page"))
    made.with_panel(
        bands(
            "$hottest",
            "One of the six areas closest to a page: customer-equivalents observed in the "
            "last hour (orange), expected (blue), and the normal range (dashed).",
            HOTTEST,
            named=True,
            width=8,
            height=7,
        )
        .repeat("hottest")
        .repeat_direction("h")
        .max_per_row(3)
    )
    made.with_row(row("All selected areas"))
    for chart in (
        timeline(
            "Score as a share of the threshold",
            "The ten highest at each time. An area that reaches the red line pages.",
            SHARE,
            Query(f"topk (10, {NEARNESS})", "{{tenant}} {{product_area}}"),
            limit=1.0,
        ),
        timeline(
            "Observed as a share of the upper end of the normal range",
            "The ten highest at each time. One usual hour in a hundred is above the red line.",
            SHARE,
            Query(f"topk (10, {SEEN} / ({UPPER} > 0))", "{{tenant}} {{product_area}}"),
            limit=1.0,
        ),
        timeline(
            "Ratio of the open episodes that paged",
            "Observed divided by expected rate. Each line starts and ends with its episode. "
            "*tenant* is a tenant-wide episode.",
            TIMES,
            Query(RATIO, "{{tenant}} {{product_area}}"),
        ),
        timeline(
            "Observed and expected, all selected areas",
            "Customer-equivalents in the last hour, summed over the selected areas.",
            COUNT,
            Query(f"sum ({SEEN})", "observed"),
            Query(f"sum ({DUE})", "expected"),
        ),
    ):
        made.with_panel(chart)
    return made
