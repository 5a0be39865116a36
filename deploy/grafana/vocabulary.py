"""Building blocks of the dashboards: filters, variables, and panels with a unit and a description.

`make dashboards` generates the committed JSON; do not edit the JSON.
"""

from dataclasses import dataclass
from typing import Final, TypeVar

from grafana_foundation_sdk.builders import common, dashboard
from grafana_foundation_sdk.builders.bargauge import Panel as BarGauge
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
    ThresholdsConfig,
)
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.table import Panel as Table
from grafana_foundation_sdk.builders.timeseries import Panel as Timeline
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    SortOrder,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    AnnotationQuery,
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    VariableHide,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Kind = TypeVar("Kind", Timeline, Stat, BarGauge, Table)
TAG: Final = "spikewatch"
PROMETHEUS: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
"""The data source is a variable, so that the dashboards load into any Grafana."""
ALL: Final = ".*"
WHOLE_TENANT: Final = "*tenant*"
"""The product_area of a tenant-wide episode."""
JOBS: Final = 'job=~"spikewatch.+"'
"""Job names of spikewatch's processes. This filter excludes process_* metrics of other programs."""

AREA: Final = 'tenant=~"$tenant",product_area=~"$product_area"'
ONE_AREA: Final = 'tenant="$tenant",product_area="$product_area"'
TENANT: Final = 'tenant=~"$tenant"'
PROCESS: Final = f'{JOBS},instance=~"$process"'
RECEIVER: Final = f'{PROCESS},receiver=~"$receiver"'

COUNT: Final = "short"
RATE: Final = "cps"
SHARE: Final = "percentunit"
SECONDS: Final = "s"
BYTES: Final = "bytes"
BYTES_RATE: Final = "Bps"
MONEY: Final = "short"
"""Revenue has the currency of the tickets, which spikewatch does not know."""
TIMES: Final = "suffix:x"
MOMENT: Final = "dateTimeAsIso"
"""Milliseconds since 1970."""

BLUE: Final = "#5794F2"
GRAY: Final = "#8E8E8E"
ORANGE: Final = "#FF9830"
RED: Final = "#F2495C"
GREEN: Final = "#73BF69"


@dataclass(frozen=True)
class Query:
    """One query of a panel.

    Attributes:
        expression: PromQL, with variables.
        legend: name of each line; in a table, the name of the column.
    """

    expression: str
    legend: str


def by_area(metric: str, labels: str = AREA) -> str:
    """Return a query for a gauge of areas, once for each area.

    While a partition moves, two workers may report an area in one scrape, so values are not summed.
    If several workers report the area ``other``, the largest value is shown.
    """
    return f"max by (tenant, product_area) ({metric}{{{labels}}})"


def by_tenant(metric: str) -> str:
    """Return a query for a gauge of tenants, once for each tenant."""
    return f"max by (tenant) ({metric}{{{TENANT}}})"


def total(metric: str, by: str = "", labels: str = PROCESS) -> str:
    """Return a query for a gauge summed over processes."""
    return f"{_sum(by)} ({metric}{{{labels}}})"


def rate(metric: str, by: str = "", labels: str = PROCESS) -> str:
    """Return a query for a counter per second."""
    return f"{_sum(by)} (rate({metric}{{{labels}}}[$__rate_interval]))"


def increase(metric: str, by: str = "", labels: str = PROCESS, over: str = "$__range") -> str:
    """Return a query for the increase of a counter over the selected time."""
    return f"{_sum(by)} (increase({metric}{{{labels}}}[{over}]))"


def quantile(
    share: float,
    histogram: str,
    by: str = "",
    labels: str = PROCESS,
    over: str = "$__rate_interval",
) -> str:
    """Return a query for a quantile of a histogram."""
    kept = f"le, {by}" if by else "le"
    buckets = f"sum by ({kept}) (rate({histogram}_bucket{{{labels}}}[{over}]))"
    return f"histogram_quantile({share:g}, {buckets})"


def _sum(by: str) -> str:
    return f"sum by ({by})" if by else "sum"


# --------------------------------------------------------------------------------------- panels


def timeline(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    height: int = 8,
    limit: float | None = None,
) -> Timeline:
    """Return a panel with lines over time.

    Args:
        title: What it shows.
        description: How to read it.
        unit: Grafana's name of the unit.
        queries: At least one.
        width: Of 24 columns.
        height: In rows of Grafana.
        limit: Value of a red line; None: no line.
    """
    panel = (
        _panel(Timeline(), title, description, unit, width, height)
        .line_width(1)
        .fill_opacity(0)
        .line_interpolation(LineInterpolation.LINEAR)
        .show_points(VisibilityMode.AUTO)
        .span_nulls(False)
        .axis_soft_min(0)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(
            common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
        )
    )
    if limit is not None:
        panel.thresholds(_thresholds((None, "transparent"), (limit, RED)))
        panel.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.LINE)
        )
    for query in _named(queries):
        panel.with_target(query.range())
    return panel


def bands(
    title: str, description: str, labels: str, *, named: bool, width: int, height: int
) -> Timeline:
    """Return a panel with observed and expected counts and the normal range.

    Args:
        title: What it shows.
        description: How to read it.
        labels: Which areas.
        named: Whether the tenant is in the legend; the range is then not filled, because Grafana
            finds the other edge only by a fixed name.
        width: Of 24 columns.
        height: In rows of Grafana.
    """
    prefix = "{{tenant}} " if named else ""
    panel = timeline(
        title,
        description,
        COUNT,
        Query(by_area("spikewatch_tickets_upper", labels), f"{prefix}upper"),
        Query(by_area("spikewatch_tickets_lower", labels), f"{prefix}lower"),
        Query(by_area("spikewatch_tickets_expected", labels), f"{prefix}expected"),
        Query(by_area("spikewatch_tickets_observed", labels), f"{prefix}observed"),
        width=width,
        height=height,
    )
    edge = [_colour(GRAY), _property("custom.lineStyle", {"fill": "dash", "dash": [4, 4]})]
    fill = [] if named else [
        _property("custom.fillBelowTo", "lower"), _property("custom.fillOpacity", 12)
    ]  # fmt: skip
    return (
        panel.override_by_query("A", [*edge, *fill])
        .override_by_query("B", edge)
        .override_by_query("C", [_colour(BLUE)])
        .override_by_query("D", [_colour(ORANGE), _property("custom.lineWidth", 2)])
    )


def figure(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 4,
    limits: tuple[tuple[float | None, str], ...] = ((None, BLUE),),
    nothing: str | None = None,
    decimals: int | None = None,
) -> Stat:
    """Return a panel with one current number per query.

    Args:
        title: What it shows.
        description: How to read it.
        unit: Grafana's name of the unit.
        queries: At least one.
        width: Of 24 columns.
        limits: Colours and the values from which they apply.
        nothing: Text shown if Prometheus has no value; such a panel may be empty.
        decimals: Number of decimals; None: Grafana decides.
    """
    panel = (
        _panel(Stat(), title, description, unit, width, 4)
        .color_mode(BigValueColorMode.VALUE)
        .orientation(VizOrientation.AUTO)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .thresholds(_thresholds(*limits))
    )
    if nothing is not None:
        panel.no_value(nothing)
    if decimals is not None:
        panel.decimals(decimals)
    for query in _named(queries):
        panel.with_target(query.instant())
    return panel


def bars(
    title: str, description: str, unit: str, *queries: Query, width: int = 12, height: int = 8
) -> BarGauge:
    """Return a panel with a bar per series, as of now; arguments as for `timeline`."""
    panel = (
        _panel(BarGauge(), title, description, unit, width, height)
        .orientation(VizOrientation.HORIZONTAL)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .thresholds(_thresholds((None, BLUE)))
        .min(0)
    )
    for query in _named(queries):
        panel.with_target(query.instant())
    return panel


@dataclass(frozen=True)
class Column:
    """A column of a table: name, unit and query."""

    name: str
    unit: str
    expression: str


def table(
    title: str,
    description: str,
    *columns: Column,
    labels: tuple[tuple[str, str], ...],
    height: int = 10,
    sort: str | None = None,
    link: tuple[str, str] | None = None,
) -> Table:
    """Return a table: a row per combination of labels, a column per query.

    Args:
        title: What it shows.
        description: How to read it.
        columns: At least one; each has a unit of its own.
        labels: Name and title of the labels that make a row.
        height: In rows of Grafana.
        sort: Name of the column to sort by, the largest first.
        link: Title and URL of the link behind the last label.
    """
    panel = _panel(Table(), title, description, columns[0].unit, 24, height).show_header(True)
    names = {f"Value #{_letter(n)}": column.name for n, column in enumerate(columns)}
    if len(columns) == 1:
        names = {"Value": columns[0].name}
    for number, column in enumerate(columns):
        query = _target(Query(column.expression, column.name), number)
        panel.with_target(query.instant().format(PromQueryFormat.TABLE))
        panel.override_by_name(column.name, [_property("unit", column.unit)])
    panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    order = [name for name, _ in labels] + list(names)
    panel.with_transformation(
        DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True},
                "indexByName": {name: place for place, name in enumerate(order)},
                "renameByName": {**dict(labels), **names},
            },
        )
    )
    if sort is not None:
        panel.sort_by([common.TableSortByFieldState().display_name(sort).desc(True)])
    if link is not None:
        title_of_link, url = link
        panel.override_by_name(
            labels[-1][1], [_property("links", [{"title": title_of_link, "url": url}])]
        )
    return panel


def _panel(panel: Kind, title: str, description: str, unit: str, width: int, height: int) -> Kind:
    """Set what every panel needs."""
    return (
        panel.title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(unit)
        .span(width)
        .height(height)
    )


def _named(queries: tuple[Query, ...]) -> list[Dataquery]:
    return [_target(query, number) for number, query in enumerate(queries)]


def _target(query: Query, number: int) -> Dataquery:
    return (
        Dataquery()
        .expr(query.expression)
        .legend_format(query.legend)
        .ref_id(_letter(number))
        .datasource(PROMETHEUS)
    )


def _letter(number: int) -> str:
    return chr(ord("A") + number)


def _property(name: str, value: object) -> DynamicConfigValue:
    return DynamicConfigValue(id_val=name, value=value)


def _colour(name: str) -> DynamicConfigValue:
    return _property("color", {"mode": "fixed", "fixedColor": name})


def _thresholds(*steps: tuple[float | None, str]) -> ThresholdsConfig:
    return (
        ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=value, color=colour) for value, colour in steps])
    )


# ------------------------------------------------------------------------------------ variables


def data_source() -> DatasourceVariable:
    """Return the variable for the Prometheus data source."""
    return DatasourceVariable("datasource").label("Data source").type("prometheus")


def tenants() -> QueryVariable:
    """Return the variable for tenants with an area or an episode; several, or all."""
    return _several("tenant", "Tenant", "label_values(spikewatch_tickets_expected, tenant)")


def areas() -> QueryVariable:
    """Return the variable for areas and tenant-wide episodes of the selected tenants."""
    return _several(
        "product_area", "Product area", f"label_values({_known_areas(TENANT)}, product_area)"
    )


def hottest() -> QueryVariable:
    """Return the hidden variable for the six selected areas closest to a page."""
    nearest = (
        "topk(6, max by (product_area) "
        f"(spikewatch_score{{{AREA}}} / spikewatch_score_limit{{{AREA}}}))"
    )
    return (
        _several("hottest", "Hottest areas", f"query_result({nearest})")
        .regex('/product_area="([^"]+)"/')
        .sort(VariableSort.DISABLED)
        .hide(VariableHide.HIDE_VARIABLE)
    )


def processes() -> QueryVariable:
    """Return the variable for spikewatch's processes, including those that are down."""
    return _several("process", "Process", f"label_values(up{{{JOBS}}}, instance)")


def receivers() -> QueryVariable:
    """Return the variable for receivers that notify sent or tried to send to; several, or all."""
    return _several(
        "receiver",
        "Receiver",
        "label_values(spikewatch_notification_decisions_total, receiver)",
    )


def one_tenant() -> QueryVariable:
    """Return the variable for one tenant."""
    return _variable("tenant", "Tenant", "label_values(spikewatch_tickets_expected, tenant)")


def one_area() -> QueryVariable:
    """Return the variable for one area of the tenant."""
    known = _known_areas('tenant="$tenant"')
    return _variable("product_area", "Product area", f"label_values({known}, product_area)")


def _known_areas(labels: str) -> str:
    """Return a query for areas with a normal range, and for tenant-wide episodes without one."""
    return f'{{__name__=~"spikewatch_tickets_expected|spikewatch_episode_ratio",{labels}}}'


def _several(name: str, label: str, query: str) -> QueryVariable:
    everything = VariableOption(selected=True, text="All", value="$__all")
    return (
        _variable(name, label, query)
        .multi(True)
        .include_all(True)
        .all_value(ALL)
        .current(everything)
    )


def _variable(name: str, label: str, query: str) -> QueryVariable:
    return (
        QueryVariable(name)
        .label(label)
        .datasource(PROMETHEUS)
        .query({"query": query, "refId": name})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


# ----------------------------------------------------------------------------------- dashboards


class Marks(AnnotationQuery):
    """Annotations from Prometheus, with options that the SDK's model lacks.

    Neighbouring steps with a value become one span. With *value_is_time* each value is the marked
    time in milliseconds since 1970.
    """

    def __init__(
        self, name: str, expression: str, text: str, colour: str, *, value_is_time: bool
    ) -> None:
        super().__init__(
            name=name, datasource=PROMETHEUS, icon_color=colour, expr=expression, built_in=None
        )
        self.text, self.value_is_time = text, value_is_time

    def to_json(self) -> dict[str, object]:
        """Return the JSON that Grafana's Prometheus data source reads."""
        return {
            **super().to_json(),
            "step": "60s",
            "titleFormat": self.name,
            "textFormat": self.text,
            "useValueForTime": self.value_is_time,
        }


@dataclass
class Ready(Builder[AnnotationQuery]):
    """An annotation that is already built."""

    annotation: AnnotationQuery

    def build(self) -> AnnotationQuery:
        """Return the annotation."""
        return self.annotation


def page(title: str, uid: str, description: str, *, since: str, refresh: str) -> Dashboard:
    """Return a dashboard without variables and panels.

    Args:
        title: Its name.
        uid: Part of links, so it never changes.
        description: The question that it answers.
        since: Start of the shown time.
        refresh: How often it is refreshed.
    """
    return (
        Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        # Each viewer chooses the time zone in Grafana's time picker; UTC would suit nobody.
        .timezone("browser")
        .time(since, "now")
        .refresh(refresh)
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .link(
            DashboardLink("spikewatch")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
        .with_variable(data_source())
    )


def row(title: str) -> dashboard.Row:
    """Return a heading."""
    return dashboard.Row(title)
