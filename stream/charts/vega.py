"""Charts of an area's timeline and of curves, for reports and `replay --plot`.

Vega-Lite draws them through vl-convert, without a browser and without requests to any host, as
self-contained SVG or as PNG. The colors are those of Okabe and Ito, which color-blind people can
distinguish.

Source: Vega-Lite documentation, "View composition" and "Config"; M. Okabe, K. Ito, "Color Universal
Design", 2008.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

import vl_convert

from detectors.foundation.units import SECONDS_PER_WEEK

Theme = Literal["light", "dark"]
VEGALITE: Final = "6.1"
SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v6.json"
BLUE, ORANGE, VERMILION, GREEN = "#0072B2", "#E69F00", "#D55E00", "#009E73"
BAND: Final = "#F0C66B"
"""Color of the normal range: a lighter orange than the expected line."""
INK: Final[dict[Theme, str]] = {"light": "#1f2328", "dark": "#e6edf3"}
FAINT: Final[dict[Theme, str]] = {"light": "#d0d7de", "dark": "#30363d"}
OBSERVED: Final[dict[Theme, str]] = {"light": BLUE, "dark": "#56B4E9"}
PNG_SCALE: Final = 2.0
LABEL_HEIGHT: Final = 14
"""Height of the strip of labels above a plot, in pixels."""
CLOCK: Final = (
    "utcFormat(datum.value,"
    " utchours(datum.value) || utcminutes(datum.value) ? '%H:%M' : '%a %d %b')"
)
"""Label expression of the time axis: the time of day, or the date at midnight."""


class Moment(NamedTuple):
    """One interval of an area's timeline; counts are customer-equivalents per hour."""

    at: float
    """Start of the interval, seconds since 1970."""
    seconds: float
    """Length of the interval; counts per hour make intervals of any length comparable."""
    observed: float
    expected: float
    low: float
    """Lower end of the normal range: 99 of 100 normal intervals are above it."""
    high: float
    """Upper end of the normal range: 99 of 100 normal intervals are below it."""
    score: float | None = None
    """Highest score within the interval; None: unknown."""
    threshold: float | None = None
    """Score from which the area pages."""


class Span(NamedTuple):
    """Time span to mark, with a label above it: an episode or a known incident."""

    begin: float
    end: float
    text: str
    kind: Literal["episode", "label"] = "episode"


class Curve(NamedTuple):
    """One named line in a chart of curves."""

    name: str
    points: Sequence[tuple[float, float]]


def timeline(
    moments: Iterable[Moment],
    spans: Iterable[Span] = (),
    *,
    zone: str = "UTC",
    theme: Theme = "light",
    width: int = 720,
    height: int = 200,
) -> dict[str, Any]:
    """Return the chart of one area: customer-equivalents per hour, and the score below.

    The labels of marked spans have a strip of their own above the plot, so that they cover no bars.

    Args:
        moments: Intervals in order; gaps are left empty.
        spans: Time spans to mark.
        zone: IANA time zone of the axis. Vega-Lite draws only UTC or the machine's own zone, so
            times are shifted; an hour that occurs twice is drawn over itself.
        theme: Theme of the page, light or dark.
        width: Width of the plot, in pixels.
        height: Height of the upper plot, in pixels.

    Returns:
        A Vega-Lite specification, for `svg` or `png`.

    Example:
        >>> chart = timeline([Moment(0.0, 3600.0, 2.0, 1.0, 0.0, 4.0, 0.3, 5.0)])
        >>> svg(chart).startswith("<svg")
        True
    """
    moments = list(moments)
    rows: list[dict[str, Any]] = [
        {
            **moment._asdict(),
            "from": _wall(moment.at, zone),
            "to": _wall(moment.at + moment.seconds, zone),
        }
        for moment in moments
    ]
    marked = _marked(moments, spans, zone)
    views = []
    if any(each["text"] for each in marked):
        whole = {"from": rows[0]["from"], "to": rows[-1]["to"]}
        views.append(_label_strip(marked, whole, theme, width))
    views.append(_counts(marked, theme, width, height))
    if any(moment.score is not None for moment in moments):
        views.append(_scores(marked, theme, width, max(40, height // 3)))
    resolve = {"scale": {"x": "shared", "color": "independent"}}
    data = {"values": rows}
    return _chart({"data": data, "vconcat": views, "spacing": 8, "resolve": resolve}, theme)


def _marked(moments: Sequence[Moment], spans: Iterable[Span], zone: str) -> list[dict[str, Any]]:
    """Return the rows of the spans to mark, clipped to the time range of the chart."""
    begin = moments[0].at if moments else 0.0
    end = moments[-1].at + moments[-1].seconds if moments else 0.0
    return [
        {
            "from": _wall(max(span.begin, begin), zone),
            "to": _wall(min(span.end, end), zone),
            "text": span.text,
            "kind": span.kind,
        }
        for span in spans
        if span.end >= begin and span.begin <= end
    ]


def _shades(marked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one layer of shaded spans per kind."""
    return [
        {
            "data": {"values": [row for row in marked if row["kind"] == kind]},
            "mark": {"type": "rect", "opacity": 0.18, "color": color},
            "encoding": {"x": _time("from"), "x2": {"field": "to"}},
        }
        for kind, color in (("episode", VERMILION), ("label", GREEN))
    ]


def _label_strip(
    marked: list[dict[str, Any]], whole: dict[str, float], theme: Theme, width: int
) -> dict[str, Any]:
    """Return the strip of labels, with the same time range as the plot below."""
    x = _time("from")
    x["axis"] = None
    return {
        "width": width,
        "height": LABEL_HEIGHT,
        "layer": [
            {"data": {"values": [whole]}, "mark": {"type": "rect", "opacity": 0},
             "encoding": {"x": x, "x2": {"field": "to"}}},
            {"data": {"values": marked},
             "mark": {"type": "text", "align": "left", "baseline": "middle", "limit": 200,
                      "color": INK[theme]},
             "encoding": {"x": x, "text": {"field": "text"}}},
        ],
    }  # fmt: skip


def _counts(marked: list[dict[str, Any]], theme: Theme, width: int, height: int) -> dict[str, Any]:
    """Return the upper plot: observed tickets as bars, expected as a line, and normal range."""
    colors = {"observed": OBSERVED[theme], "expected": ORANGE, "normal range": BAND}
    return {
        "width": width,
        "height": height,
        "layer": [
            *_shades(marked),
            {
                "mark": {"type": "rect", "opacity": 0.8},
                "encoding": {"x": _time("from"), "x2": {"field": "to"},
                             "y": {"field": "observed", "type": "quantitative",
                                   "title": "customer-equivalents per hour"},
                             "y2": {"datum": 0}, "color": _series("observed", colors)},
            },
            {
                "mark": {"type": "area", "opacity": 0.4, "interpolate": "step-after"},
                "encoding": {"x": _time("from"),
                             "y": {"field": "low", "type": "quantitative"},
                             "y2": {"field": "high"}, "color": _series("normal range", colors)},
            },
            _steps("expected", colors),
        ],
    }  # fmt: skip


def _scores(marked: list[dict[str, Any]], theme: Theme, width: int, height: int) -> dict[str, Any]:
    """Return the lower plot: the score, and the paging threshold as a dashed line."""
    colors = {"score": INK[theme], "threshold": VERMILION}
    return {
        "width": width,
        "height": height,
        "layer": [
            *_shades(marked),
            _steps("threshold", colors, dash=[2, 2]),
            _steps("score", colors, title="score"),
        ],
    }


def weekly_bars(
    bars: Sequence[tuple[float, int]], budget: float, *, zone: str, theme: Theme = "light"
) -> dict[str, Any]:
    """Return bars of the pages of each week by date, with the budget as a dashed line.

    Args:
        bars: Beginning of each week, seconds since 1970, and its pages.
        budget: False pages per week.
        zone: IANA time zone of the axis.
        theme: Theme of the page, light or dark.

    Returns:
        A Vega-Lite specification, for `svg` or `png`.
    """
    rows = [
        {"from": _wall(at, zone), "to": _wall(at + 0.9 * SECONDS_PER_WEEK, zone), "pages": pages}
        for at, pages in bars
    ]
    x = _time("from")
    x["axis"] = {"format": "%d %b %Y", "labelOverlap": True, "grid": False}
    pages = {"field": "pages", "type": "quantitative", "title": "pages per week",
             "axis": {"tickMinStep": 1}}  # fmt: skip
    layers = [
        {"data": {"values": rows}, "mark": {"type": "rect", "color": OBSERVED[theme]},
         "encoding": {"x": x, "x2": {"field": "to"}, "y": pages, "y2": {"datum": 0}}},
        {"data": {"values": [{"pages": budget}]},
         "mark": {"type": "rule", "strokeDash": [3, 3], "color": INK[theme]},
         "encoding": {"y": pages}},
    ]  # fmt: skip
    return _chart({"width": 480, "height": 160, "layer": layers}, theme)


def curves(
    lines: Iterable[Curve],
    x: str,
    y: str,
    *,
    theme: Theme = "light",
    logarithmic: bool = False,
    marked: float | None = None,
    width: int = 480,
    height: int = 240,
) -> dict[str, Any]:
    """Return a line chart over a numeric axis, such as delay by the size of an incident.

    Args:
        lines: The lines, with their names for the legend.
        x: Title of the horizontal axis, with its unit.
        y: Title of the vertical axis, with its unit.
        theme: Theme of the page, light or dark.
        logarithmic: Whether the vertical axis is logarithmic; values must then be above 0.
        marked: Value of the horizontal axis at which to draw a vertical line, such as the current
                setting.
        width: Width of the plot, in pixels.
        height: Height of the plot, in pixels.

    Returns:
        A Vega-Lite specification, for `svg` or `png`.
    """
    rows = [{"name": one.name, "x": a, "y": b} for one in lines for a, b in one.points]
    scale: dict[str, Any] = {"type": "log"} if logarithmic else {"zero": True}
    layers: list[dict[str, Any]] = [
        {
            "data": {"values": rows},
            "mark": {"type": "line", "point": True},
            "encoding": {
                "x": {"field": "x", "type": "quantitative", "title": x},
                "y": {"field": "y", "type": "quantitative", "title": y, "scale": scale},
                "color": {"field": "name", "title": None,
                          "scale": {"range": [OBSERVED[theme], VERMILION, GREEN, ORANGE]},
                          "legend": {} if len({row["name"] for row in rows}) > 1 else None},
            },
        }
    ]  # fmt: skip
    if marked is not None:
        layers.append(
            {
                "data": {"values": [{"x": marked}]},
                "mark": {"type": "rule", "strokeDash": [3, 3], "color": INK[theme]},
                "encoding": {"x": {"field": "x", "type": "quantitative"}},
            }
        )
    return _chart({"width": width, "height": height, "layer": layers}, theme)


def svg(chart: dict[str, Any]) -> str:
    """Return the chart as a self-contained SVG element."""
    return vl_convert.vegalite_to_svg(chart, vl_version=VEGALITE)


def png(chart: dict[str, Any]) -> bytes:
    """Return the chart as a PNG."""
    return vl_convert.vegalite_to_png(chart, vl_version=VEGALITE, scale=PNG_SCALE)


def _chart(views: dict[str, Any], theme: Theme) -> dict[str, Any]:
    ink, faint = INK[theme], FAINT[theme]
    axis = {"labelColor": ink, "titleColor": ink, "gridColor": faint, "domainColor": faint,
            "tickColor": faint, "titleFontWeight": "normal"}  # fmt: skip
    look = {
        "background": "transparent",
        "view": {"stroke": None},
        "axis": axis,
        "legend": {"labelColor": ink, "titleColor": ink},
    }
    return {"$schema": SCHEMA, **views, "config": look}


def _series(name: str, colors: dict[str, str]) -> dict[str, Any]:
    """Return the color of a series; all series of a plot share one legend.

    Args:
        name: Name of the series.
        colors: Color of each series of the plot, in the order of the legend.
    """
    return {
        "datum": name,
        "scale": {"domain": list(colors), "range": list(colors.values())},
        "legend": {
            "title": None,
            "orient": "bottom",
            "direction": "horizontal",
            "symbolType": "stroke",
            "symbolStrokeWidth": 6,
        },
    }


def _steps(
    field: str, colors: dict[str, str], *, dash: list[int] | None = None, title: str = ""
) -> dict[str, Any]:
    """Return a step line that is level within each interval."""
    mark: dict[str, Any] = {"type": "line", "strokeWidth": 1.5, "interpolate": "step-after"}
    if dash:
        mark["strokeDash"] = dash
    y: dict[str, Any] = {"field": field, "type": "quantitative"}
    if title:
        y["title"] = title
    return {"mark": mark, "encoding": {"x": _time("from"), "y": y, "color": _series(field, colors)}}


def _time(field: str) -> dict[str, Any]:
    return {
        "field": field,
        "type": "temporal",
        "scale": {"type": "utc"},
        "title": None,
        "axis": {
            "labelOverlap": True,
            "labelExpr": CLOCK,
            "grid": False,
            "tickCount": 10,
        },
    }


def _wall(at: float, zone: str) -> float:
    """Return the milliseconds whose UTC reading equals local time in a zone."""
    offset = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    return 1000.0 * (at + (offset.total_seconds() if offset else 0.0))
