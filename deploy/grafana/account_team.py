"""Account team: whose customers are hit, and what revenue is at risk."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.areas_now import TO_EPISODE
from deploy.grafana.vocabulary import (
    AREA,
    COUNT,
    GREEN,
    MONEY,
    RED,
    SECONDS,
    TIMES,
    Column,
    Query,
    areas,
    bars,
    by_area,
    figure,
    page,
    table,
    tenants,
    timeline,
)

CUSTOMERS: Final = by_area("spikewatch_episode_customers")
REVENUE: Final = by_area("spikewatch_episode_revenue")
RATIO: Final = by_area("spikewatch_episode_ratio")
SINCE: Final = by_area("spikewatch_episode_since_timestamp_seconds")
TIERS: Final = f"max by (tenant, product_area, tier) (spikewatch_episode_tier_customers{{{AREA}}})"
AT_LEAST: Final = (
    "A customer may be inside several episodes of a tenant, so each tenant counts with its largest "
    "one: at least so much it is."
)
AREA_OF_TENANT: Final = "{{tenant}} {{product_area}}"


def largest(metric: str) -> str:
    """Of each tenant its largest episode."""
    return f"max by (tenant) ({metric})"


def account_team() -> Dashboard:
    """The dashboard."""
    made = page(
        "Account team",
        "spikewatch-accounts",
        "Customers inside the episodes that run now and their annual revenue, by tenant and area.",
        since="now-24h",
        refresh="1m",
    )
    for variable in (tenants(), areas()):
        made.with_variable(variable)
    for panel in (
        figure(
            "Customers hit, at least",
            f"Customers inside episodes that run. {AT_LEAST}",
            COUNT,
            Query(f"sum ({largest(CUSTOMERS)})", "customers"),
            width=6,
            nothing="0",
        ),
        figure(
            "Revenue at risk, at least",
            f"Annual revenue of those customers, in the currency of your tickets. {AT_LEAST}",
            MONEY,
            Query(f"sum ({largest(REVENUE)})", "revenue"),
            width=6,
            nothing="0",
        ),
        figure(
            "Tenants with an episode",
            "Tenants with at least one episode that runs and paged.",
            COUNT,
            Query(f"count ({largest(RATIO)})", "tenants"),
            width=6,
            limits=((None, GREEN), (1, RED)),
            nothing="0",
        ),
        figure(
            "Longest running",
            "How long the oldest of the episodes has been running.",
            SECONDS,
            Query(f"max (time() - {SINCE})", "running for"),
            width=6,
            nothing="no episode",
        ),
    ):
        made.with_panel(panel)
    made.with_panel(
        table(
            "Episodes",
            "Every episode that runs and paged, the one with most revenue first. "
            "*tenant* is an episode of all areas of a tenant together, and holds theirs.",
            Column("Customers", COUNT, CUSTOMERS),
            Column("Annual revenue", MONEY, REVENUE),
            Column("Ratio", TIMES, RATIO),
            Column("Running for", SECONDS, f"time() - {SINCE}"),
            labels=(("tenant", "Tenant"), ("product_area", "Area")),
            sort="Annual revenue",
            link=("Open the episode", TO_EPISODE),
        )
    )
    for bar in (
        bars(
            "Customers hit by tenant",
            f"Of each tenant. {AT_LEAST}",
            COUNT,
            Query(largest(CUSTOMERS), "{{tenant}}"),
        ),
        bars(
            "Revenue at risk by tenant",
            f"Of each tenant, in the currency of your tickets. {AT_LEAST}",
            MONEY,
            Query(largest(REVENUE), "{{tenant}}"),
        ),
        bars(
            "Customers hit by tier",
            "Of each tenant its largest episode in each tier, added up; the five largest tiers of "
            "each episode.",
            COUNT,
            Query(f"sum by (tier) (max by (tenant, tier) ({TIERS}))", "{{tier}}"),
            width=24,
        ),
    ):
        made.with_panel(bar)
    for chart in (
        timeline(
            "Customers hit by area",
            "Distinct customers inside each episode; a line begins and ends with its episode.",
            COUNT,
            Query(CUSTOMERS, AREA_OF_TENANT),
        ),
        timeline(
            "Revenue at risk by area",
            "Annual revenue of those customers; a line begins and ends with its episode.",
            MONEY,
            Query(REVENUE, AREA_OF_TENANT),
        ),
    ):
        made.with_panel(chart)
    return made
