"""Areas now: where do more complaints come than usual, and is any of it a page?"""

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
    """The dashboard."""
    made = page(
        "Areas now",
        "spikewatch-areas",
        "Where more complaints come than usual at this hour of this week, and how near to a page.",
        since="now-6h",
        refresh="30s",
    )
    for variable in (tenants(), areas(), processes(), hottest()):
        made.with_variable(variable)
    for panel in (
        figure(
            "Episodes that page",
            "Episodes of the chosen areas that run and paged somebody.",
            COUNT,
            Query(f"count ({RATIO})", "episodes"),
            limits=((None, GREEN), (1, RED)),
            nothing="0",
        ),
        figure(
            "Open episodes by severity",
            "All episodes that run, those that paged nobody included. The metric has no tenant: "
            "only the process filters it.",
            COUNT,
            Query(total("spikewatch_episodes_open", "severity"), "{{severity}}"),
            width=8,
        ),
        figure(
            "Highest ratio",
            "Of the episodes that page: how many times the expected rate, at most.",
            TIMES,
            Query(f"max ({RATIO})", "ratio"),
            nothing="no episode",
            decimals=1,
        ),
        figure(
            "Nearest to a page",
            "The highest score as a share of its limit: at 100 % a ticket pages.",
            SHARE,
            Query(f"max ({NEARNESS})", "score over limit"),
            limits=((None, GREEN), (0.7, ORANGE), (1, RED)),
            decimals=0,
        ),
        figure(
            "Areas above their band",
            "Areas with more customer-equivalents in the last hour than 99 of 100 usual hours. "
            "One in a hundred is there by chance.",
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
            "Customer-equivalents of the last hour of event time beside what is expected of an "
            "hour now, and the band that 98 of 100 usual hours stay in. Ratio and since stand "
            "where an episode runs that pages; the area's link opens its dashboard.",
            Column("Observed", COUNT, SEEN),
            Column("Expected", COUNT, DUE),
            Column("Lower", COUNT, LOWER),
            Column("Upper", COUNT, UPPER),
            Column("Score over limit", SHARE, NEARNESS),
            Column("Episode's ratio", TIMES, RATIO),
            Column("Since", MOMENT, SINCE),
            labels=(("tenant", "Tenant"), ("product_area", "Area")),
            sort="Score over limit",
            link=("Open the episode", TO_EPISODE),
        )
    )
    made.with_row(row("Hottest areas"))
    made.with_panel(
        bands(
            "$hottest",
            "One of the six areas that are nearest to a page: what came in the last hour (orange) "
            "against what was expected (blue), and the band of usual hours (dashed).",
            HOTTEST,
            named=True,
            width=8,
            height=7,
        )
        .repeat("hottest")
        .repeat_direction("h")
        .max_per_row(3)
    )
    made.with_row(row("All chosen areas"))
    for chart in (
        timeline(
            "Score over its limit",
            "The ten highest at each moment. A ticket that reaches the red line pages.",
            SHARE,
            Query(f"topk (10, {NEARNESS})", "{{tenant}} {{product_area}}"),
            limit=1.0,
        ),
        timeline(
            "Observed over the band's upper edge",
            "The ten highest at each moment. Above the red line lies one usual hour in a hundred.",
            SHARE,
            Query(f"topk (10, {SEEN} / ({UPPER} > 0))", "{{tenant}} {{product_area}}"),
            limit=1.0,
        ),
        timeline(
            "Ratio of the episodes that page",
            "Observed over expected; a line begins and ends with its episode. "
            "*tenant* is an episode of all areas of a tenant together.",
            TIMES,
            Query(RATIO, "{{tenant}} {{product_area}}"),
        ),
        timeline(
            "Observed and expected, all chosen areas",
            "Customer-equivalents of the last hour, summed over the chosen areas.",
            COUNT,
            Query(f"sum ({SEEN})", "observed"),
            Query(f"sum ({DUE})", "expected"),
        ),
    ):
        made.with_panel(chart)
    return made
