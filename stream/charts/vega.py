"""Charts: the timeline of one area, and curves; for the page and for reports.

Drawn by Vega-Lite through vl-convert, without a browser and without a request to any host: SVG that
stands by itself, or PNG. Colours are those of Okabe and Ito, which the colour-blind tell apart.

Source: Vega-Lite documentation, "View composition" and "Config"; M. Okabe, K. Ito, "Color Universal
Design", 2008.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

import vl_convert

Theme = Literal["light", "dark"]
VEGALITE: Final = "6.1"
SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v6.json"
BLUE, ORANGE, VERMILION, GREEN = "#0072B2", "#E69F00", "#D55E00", "#009E73"
INK: Final[dict[Theme, str]] = {"light": "#1f2328", "dark": "#e6edf3"}
FAINT: Final[dict[Theme, str]] = {"light": "#d0d7de", "dark": "#30363d"}
OBSERVED: Final[dict[Theme, str]] = {"light": BLUE, "dark": "#56B4E9"}
PNG_SCALE: Final = 2.0
CLOCK: Final = (
    "utcFormat(datum.value,"
    " utchours(datum.value) || utcminutes(datum.value) ? '%H:%M' : '%a %d %b')"
)
"""A tick of the time axis: the time, and the day at midnight."""


class Moment(NamedTuple):
    """What is known of one stretch of an area's time."""

    at: float
    """Its beginning, seconds since 1970."""
    seconds: float
    """Its length; counts below are per hour, so that stretches of all lengths compare."""
    observed: float
    """Customer-equivalents an hour that came."""
    expected: float
    """Customer-equivalents an hour that were due."""
    low: float
    """What 99 of 100 usual stretches reach ..."""
    high: float
    """... and stay below, an hour."""
    score: float | None = None
    """Highest score in it; None: not known."""
    limit: float | None = None
    """What the score has to reach to page."""


class Span(NamedTuple):
    """A stretch to mark, with a word on it: an episode, or an incident of a label."""

    begin: float
    end: float
    text: str
    kind: Literal["episode", "label"] = "episode"


class Curve(NamedTuple):
    """One line of a chart of curves: its name, and its points."""

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
    """One area: what came against the band of what is usual, and below its score against its limit.

    Args:
        moments: In order; gaps are left empty.
        spans: What to mark.
        zone: IANA zone of the axis. Vega-Lite draws UTC or the machine's own, so times are moved;
            an hour that a zone has twice is drawn over itself.
        theme: For a light or a dark page.
        width: Of the plot, in pixels.
        height: Of the upper plot, in pixels.

    Returns:
        A Vega-Lite specification, for `svg` or `png`.

    Example:
        >>> chart = timeline([Moment(0.0, 3600.0, 2.0, 1.0, 0.0, 4.0, 0.3, 5.0)])
        >>> svg(chart).startswith("<svg")
        True
    """
    moments = list(moments)
    begin = moments[0].at if moments else 0.0
    end = moments[-1].at + moments[-1].seconds if moments else 0.0
    rows = [
        {
            "from": _wall(one.at, zone),
            "to": _wall(one.at + one.seconds, zone),
            "observed": one.observed,
            "expected": one.expected,
            "low": one.low,
            "high": one.high,
            "score": one.score,
            "limit": one.limit,
        }
        for one in moments
    ]
    marked = [
        {
            "from": _wall(max(one.begin, begin), zone),
            "to": _wall(min(one.end, end), zone),
            "text": one.text,
            "kind": one.kind,
        }
        for one in spans
        if one.end >= begin and one.begin <= end
    ]
    shades: dict[str, Any] = {
        "data": {"values": marked},
        "mark": {"type": "rect", "opacity": 0.18},
        "encoding": {
            "x": _time("from"),
            "x2": {"field": "to"},
            "color": {
                "field": "kind",
                "scale": {"domain": ["episode", "label"], "range": [VERMILION, GREEN]},
                "legend": None,
            },
        },
    }
    words: dict[str, Any] = {
        "data": {"values": marked},
        "mark": {"type": "text", "align": "left", "baseline": "top", "dx": 3, "y": 3,
                 "limit": 200, "color": INK[theme]},
        "encoding": {"x": _time("from"), "text": {"field": "text"}},
    }  # fmt: skip
    upper = {
        "width": width,
        "height": height,
        "layer": [
            shades,
            {
                "mark": {"type": "rect", "color": OBSERVED[theme], "opacity": 0.8},
                "encoding": {"x": _time("from"), "x2": {"field": "to"},
                             "y": {"field": "observed", "type": "quantitative",
                                   "title": "an hour: came, due, band"},
                             "y2": {"datum": 0}},
            },
            {
                "mark": {"type": "area", "color": ORANGE, "opacity": 0.25,
                         "interpolate": "step-after"},
                "encoding": {"x": _time("from"),
                             "y": {"field": "low", "type": "quantitative"},
                             "y2": {"field": "high"}},
            },
            _steps("expected", ORANGE),
            words,
        ],
    }  # fmt: skip
    lower = {
        "width": width,
        "height": max(40, height // 3),
        "layer": [shades, _steps("limit", VERMILION, dash=[2, 2]),
                  _steps("score", INK[theme], title="score, limit")],
    }  # fmt: skip
    scored = any(one.score is not None for one in moments)
    views = [upper, lower] if scored else [upper]
    return _chart({"data": {"values": rows}, "vconcat": views, "spacing": 8,
                   "resolve": {"scale": {"x": "shared"}}}, theme)  # fmt: skip


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
    """Lines over numbers, such as delay over the size of an incident.

    Args:
        lines: By name.
        x: What the horizontal axis shows, with its unit.
        y: The same of the vertical one.
        theme: For a light or a dark page.
        logarithmic: Whether the vertical axis is; values must be above 0 then.
        marked: Where on the horizontal axis to draw a line, such as the setting in force.
        width: Of the plot, in pixels.
        height: The same.

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
    """The chart as an SVG element that asks no host for anything."""
    return vl_convert.vegalite_to_svg(chart, vl_version=VEGALITE)


def png(chart: dict[str, Any]) -> bytes:
    """The chart as a picture."""
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


def _steps(field: str, color: str, *, dash: list[int] | None = None, title: str = "") -> Any:
    """A line that stays level over each stretch."""
    mark: dict[str, Any] = {
        "type": "line",
        "color": color,
        "strokeWidth": 1.5,
        "interpolate": "step-after",
    }
    if dash:
        mark["strokeDash"] = dash
    y: dict[str, Any] = {"field": field, "type": "quantitative"}
    if title:
        y["title"] = title
    return {"mark": mark, "encoding": {"x": _time("from"), "y": y}}


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
    """Milliseconds that read in UTC as a clock in *zone* reads then."""
    offset = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    return 1000.0 * (at + (offset.total_seconds() if offset else 0.0))
