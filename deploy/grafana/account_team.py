"""The dashboard "Account team": affected customers and revenue at risk."""

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
    "One customer can be affected by several episodes of a tenant, so only the largest "
    "episode of each tenant counts. The figure is therefore a lower bound."
)
AREA_OF_TENANT: Final = "{{tenant}} {{product_area}}"


def largest(metric: str) -> str:
    """Return a query for the largest episode of each tenant."""
    return f"max by (tenant) ({metric})"


def account_team() -> Dashboard:
    """Return the dashboard."""
    made = page(
        "Account team",
        "spikewatch-accounts",
        "Customers affected by open episodes, and their annual revenue, by tenant and area.",
        since="now-24h",
        refresh="1m",
    )
    for variable in (tenants(), areas()):
        made.with_variable(variable)
    for panel in (
        figure(
            "Affected customers, at least",
            f"Customers affected by open episodes. {AT_LEAST}",
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
            "Tenants with at least one open episode that paged.",
            COUNT,
            Query(f"count ({largest(RATIO)})", "tenants"),
            width=6,
            limits=((None, GREEN), (1, RED)),
            nothing="0",
        ),
        figure(
            "Longest open",
            "How long the oldest open episode has been open.",
            SECONDS,
            Query(f"max (time() - {SINCE})", "open for"),
            width=6,
            nothing="no episode",
        ),
    ):
        made.with_panel(panel)
    made.with_panel(
        table(
            "Episodes",
            "All open episodes that paged, by annual revenue. *tenant* is a tenant-wide "
            "episode and includes the areas' own episodes.",
            Column("Customers", COUNT, CUSTOMERS),
            Column("Annual revenue", MONEY, REVENUE),
            Column("Ratio", TIMES, RATIO),
            Column("Open for", SECONDS, f"time() - {SINCE}"),
            labels=(("tenant", "Tenant"), ("product_area", "Area")),
            sort="Annual revenue",
            link=("Open the episode", TO_EPISODE),
        )
    )
    for bar in (
        bars(
            "Affected customers by tenant",
            f"Affected customers of each tenant. {AT_LEAST}",
            COUNT,
            Query(largest(CUSTOMERS), "{{tenant}}"),
        ),
        bars(
            "Revenue at risk by tenant",
            f"Annual revenue at risk of each tenant, in the currency of your tickets. {AT_LEAST}",
            MONEY,
            Query(largest(REVENUE), "{{tenant}}"),
        ),
        bars(
            "Affected customers by tier",
            "Sum of the largest episode of each tenant and tier; at most five tiers per episode.",
            COUNT,
            Query(f"sum by (tier) (max by (tenant, tier) ({TIERS}))", "{{tier}}"),
            width=24,
        ),
    ):
        made.with_panel(bar)
    for chart in (
        timeline(
            "Affected customers by area",
            "Distinct customers affected by each episode. A line starts and ends with its episode.",
            COUNT,
            Query(CUSTOMERS, AREA_OF_TENANT),
        ),
        timeline(
            "Revenue at risk by area",
            "Annual revenue of those customers. A line starts and ends with its episode.",
            MONEY,
            Query(REVENUE, AREA_OF_TENANT),
        ),
    ):
        made.with_panel(chart)
    return made
