"""Test that charts show what they should, and are self-contained."""

import re
from xml.etree import ElementTree

import pytest

from stream.charts.vega import Curve, Moment, Span, Theme, curves, png, svg, timeline

START = 1_713_171_600.0  # 2024-04-15 09:00 UTC, which is 11:00 in Berlin
MOMENTS = [
    Moment(START + 300.0 * n, 300.0, float(n % 7), 3.0, 0.0, 9.0, n % 5 / 2, 2.5) for n in range(48)
]


def words(chart: str) -> list[str]:
    return [text for text in ElementTree.fromstring(chart).itertext() if text.strip()]  # noqa: S314 - our file


def test_the_time_axis_shows_local_times_of_the_zone() -> None:
    in_utc = words(svg(timeline(MOMENTS)))
    in_berlin = words(svg(timeline(MOMENTS, zone="Europe/Berlin")))
    assert "09:00" in in_utc
    assert "14:30" not in in_utc
    assert "11:00" in in_berlin
    assert "14:30" in in_berlin


def test_spans_outside_the_period_are_left_out() -> None:
    spans = [
        Span(START + 600.0, START + 1_200.0, "inside"),
        Span(START - 900.0, START - 600.0, "before"),
    ]
    shown = words(svg(timeline(MOMENTS, spans)))
    assert "inside" in shown
    assert "before" not in shown


def test_hostile_text_is_escaped() -> None:
    evil = "<script>alert(1)</script>&amp;\u202e"
    chart = svg(timeline(MOMENTS, [Span(START, START + 9_000.0, evil)]))
    assert "<script" not in chart
    ElementTree.fromstring(chart)  # noqa: S314 - a file that we wrote


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_chart_has_no_external_references(theme: Theme) -> None:
    for chart in (
        timeline(MOMENTS, theme=theme),
        curves([Curve("login", [(2.0, 40.0), (5.0, 8.0)])], "size", "minutes", theme=theme),
    ):
        drawn = svg(chart)
        named = set(re.findall(r"https?://[^\"' )]+", drawn))
        assert named <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
        assert "href" not in drawn.replace("xmlns:xlink", "")
        assert png(chart).startswith(b"\x89PNG")


def test_an_empty_chart_is_drawn() -> None:
    assert svg(timeline([])).startswith("<svg")
    assert svg(curves([], "x", "y")).startswith("<svg")


def test_the_legend_names_every_series() -> None:
    shown = words(svg(timeline(MOMENTS)))
    for name in (
        "customer-equivalents per hour",
        "observed",
        "expected",
        "normal range",
        "score",
        "threshold",
    ):
        assert name in shown


def test_labels_are_above_the_plot() -> None:
    """Labels cover no bar, because their strip ends where the plot begins."""
    chart = timeline(MOMENTS, [Span(START + 600.0, START + 1_200.0, "inside")])
    strip, counts, _ = chart["vconcat"]
    texts = [layer for layer in strip["layer"] if layer["mark"]["type"] == "text"]
    assert [row["text"] for row in texts[0]["data"]["values"]] == ["inside"]
    assert "text" not in [layer["mark"]["type"] for layer in counts["layer"]]
    assert len(timeline(MOMENTS)["vconcat"]) == 2
