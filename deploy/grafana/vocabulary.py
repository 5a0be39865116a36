"""What the dashboards are made of: filters, variables, panels that cannot lack a unit or a text.

The dashboards are committed as JSON, made by `make dashboards`; nobody edits the JSON.
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
"""Never a data source of ours by name: the dashboards load into anybody's Grafana."""
ALL: Final = ".*"
WHOLE_TENANT: Final = "*tenant*"
"""The product_area of an episode of all areas of a tenant together."""
JOBS: Final = 'job=~"spikewatch.+"'
"""As Prometheus names our processes; it keeps other programs' process_* metrics out."""

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
"""Revenue comes in the currency of whoever sends the tickets, which nobody tells us."""
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
        expression: In PromQL, with variables.
        legend: Of each line; in a table, the name of the column.
    """

    expression: str
    legend: str


def by_area(metric: str, labels: str = AREA) -> str:
    """A gauge of areas, once for each.

    While a partition moves, two workers may both tell of an area for one scrape, so they are not
    summed; nor is what several workers call ``other``, of which the largest is shown.
    """
    return f"max by (tenant, product_area) ({metric}{{{labels}}})"


def by_tenant(metric: str) -> str:
    """A gauge of tenants, once for each."""
    return f"max by (tenant) ({metric}{{{TENANT}}})"


def total(metric: str, by: str = "", labels: str = PROCESS) -> str:
    """A gauge of processes, summed over them."""
    return f"{_sum(by)} ({metric}{{{labels}}})"


def rate(metric: str, by: str = "", labels: str = PROCESS) -> str:
    """A counter, a second."""
    return f"{_sum(by)} (rate({metric}{{{labels}}}[$__rate_interval]))"


def increase(metric: str, by: str = "", labels: str = PROCESS, over: str = "$__range") -> str:
    """A counter, over the time that is shown."""
    return f"{_sum(by)} (increase({metric}{{{labels}}}[{over}]))"


def quantile(
    share: float,
    histogram: str,
    by: str = "",
    labels: str = PROCESS,
    over: str = "$__rate_interval",
) -> str:
    """What so large a share of a histogram's observations stays below."""
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
    """Lines over time.

    Args:
        title: What it shows.
        description: How to read it.
        unit: Grafana's name of it.
        queries: At least one.
        width: Of 24.
        height: In Grafana's rows.
        limit: Where a red line is drawn, if anywhere.
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
    """What came, against what was expected and the band that usual hours stay in.

    Args:
        title: What it shows.
        description: How to read it.
        labels: Which areas.
        named: Whether the tenant is in the legend; then the band is not filled, for a filling
            knows its other edge by name alone.
        width: Of 24.
        height: In Grafana's rows.
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
    """One number each, as of now.

    Args:
        title: What it shows.
        description: How to read it.
        unit: Grafana's name of it.
        queries: At least one.
        width: Of 24.
        limits: From which value on it has which colour.
        nothing: What stands there where Prometheus has no value; such a panel may be empty.
        decimals: How many; None: as Grafana thinks fit.
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
    """A bar for each series, as of now; arguments as of `timeline`."""
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
    """A column of a table: what it is called, its unit, and where its values come from."""

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
    """Rows by labels, one column a query.

    Args:
        title: What it shows.
        description: How to read it.
        columns: At least one; each has a unit of its own.
        labels: Name and title of the labels that make a row.
        height: In Grafana's rows.
        sort: Name of the column to sort by, the largest first.
        link: Title and address of the link behind the last label.
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
    """What no panel goes without."""
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
    """Which Prometheus."""
    return DatasourceVariable("datasource").label("Data source").type("prometheus")


def tenants() -> QueryVariable:
    """Tenants with an area or an episode; several, or all."""
    return _several("tenant", "Tenant", "label_values(spikewatch_tickets_expected, tenant)")


def areas() -> QueryVariable:
    """Areas of the tenants that were chosen, and their episodes over all areas; several, or all."""
    return _several(
        "product_area", "Product area", f"label_values({_known_areas(TENANT)}, product_area)"
    )


def hottest() -> QueryVariable:
    """The six areas of those chosen that are nearest to a page; nobody chooses them."""
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
    """Our processes, those that are down included; several, or all."""
    return _several("process", "Process", f"label_values(up{{{JOBS}}}, instance)")


def receivers() -> QueryVariable:
    """Whom notify told or tried to tell; several, or all."""
    return _several(
        "receiver",
        "Receiver",
        "label_values(spikewatch_notification_decisions_total, receiver)",
    )


def one_tenant() -> QueryVariable:
    """One tenant."""
    return _variable("tenant", "Tenant", "label_values(spikewatch_tickets_expected, tenant)")


def one_area() -> QueryVariable:
    """One area of it."""
    known = _known_areas('tenant="$tenant"')
    return _variable("product_area", "Product area", f"label_values({known}, product_area)")


def _known_areas(labels: str) -> str:
    """An episode of a whole tenant has no band, so the areas with one are not all."""
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
    """Annotations out of Prometheus, with what the model leaves out of its data source's options.

    Neighbouring steps with a value are one stretch of time; with *value_is_time* each value is the
    moment, in milliseconds, that is marked.
    """

    def __init__(
        self, name: str, expression: str, text: str, colour: str, *, value_is_time: bool
    ) -> None:
        super().__init__(
            name=name, datasource=PROMETHEUS, icon_color=colour, expr=expression, built_in=None
        )
        self.text, self.value_is_time = text, value_is_time

    def to_json(self) -> dict[str, object]:
        """As Grafana's data source of Prometheus reads it."""
        return {
            **super().to_json(),
            "step": "60s",
            "titleFormat": self.name,
            "textFormat": self.text,
            "useValueForTime": self.value_is_time,
        }


@dataclass
class Ready(Builder[AnnotationQuery]):
    """An annotation that needs no more building."""

    annotation: AnnotationQuery

    def build(self) -> AnnotationQuery:
        """The annotation."""
        return self.annotation


def page(title: str, uid: str, description: str, *, since: str, refresh: str) -> Dashboard:
    """A dashboard without variables and panels yet.

    Args:
        title: What it is called.
        uid: Stands in links, so it never changes.
        description: What it answers.
        since: Begin of the time shown.
        refresh: How often it asks again.
    """
    return (
        Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        # Whoever looks decides, in Grafana's time picker; UTC would be right for nobody.
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
    """A heading."""
    return dashboard.Row(title)
