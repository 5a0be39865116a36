"""Charts of the timelines that a backtest or a replay collects."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from detectors.evaluation.history.labels import Label
from detectors.evaluation.history.page_log import PagedEpisode, PageLog
from detectors.foundation.units import SECONDS_PER_HOUR
from detectors.timelines.whole_run import BacktestBucket, BacktestTimelines, bands
from schemas.codec import area_name
from schemas.escalation import EscalationEvent
from stream.charts.vega import Moment, Span, png, svg, timeline
from stream.errors import UserError

SUFFIXES: Final = (".svg", ".png")
SHOWN_THRESHOLDS: Final = 4.0
"""Multiple of the highest threshold at which higher scores are cut off."""
MOST_SPANS: Final = 60
"""Maximum number of episodes and known incidents to mark in a chart; the last are marked."""


def moments(stretches: Sequence[BacktestBucket]) -> list[Moment]:
    """Return the moments of one area.

    Scores are cut off at a few thresholds, since a spike would otherwise flatten the rest.
    """
    rows = []
    highest = SHOWN_THRESHOLDS * max((stretch.limit or 0.0 for stretch in stretches), default=0.0)
    for stretch, (low, high) in zip(stretches, bands(list(stretches)), strict=True):
        hours = stretch.seconds / SECONDS_PER_HOUR
        rows.append(
            Moment(
                at=stretch.at,
                seconds=stretch.seconds,
                observed=round(stretch.observed / hours, 3),
                expected=round(stretch.expected / hours, 3),
                low=round(low / hours, 3),
                high=round(high / hours, 3),
                score=round(min(max(stretch.score, 0.0), highest or stretch.score), 2),
                threshold=None if stretch.limit is None else round(stretch.limit, 2),
            )
        )
    return rows


def spans(
    runs: Sequence[PagedEpisode], labels: Sequence[Label], tenant: str, area: str
) -> list[Span]:
    """Return the spans to mark for an area: its episodes and known incidents."""
    all_spans = [
        Span(run.opened, run.ended, "all" if run.area is None else _sliced(run))
        for run in runs
        if run.tenant == tenant and run.about(area) is not None
    ]
    for label in labels:
        if label.tenant in ("", tenant) and label.area in (None, area):
            paged = any(label.fits(run) is not None for run in runs)
            # The label of the page is at the same position, and there is no room for two.
            all_spans.append(Span(label.start, label.end, "" if paged else "known", "label"))
    return sorted(all_spans, key=lambda span: span.begin)[-MOST_SPANS:]


def chart(
    stretches: Sequence[BacktestBucket], marked: Sequence[Span], zone: str, width: int = 720
) -> dict[str, Any]:
    """Return the chart of one area's timeline."""
    return timeline(moments(stretches), marked, zone=zone, width=width, height=160)


class Plot:
    """Plot of one area's timeline, collected while a replay runs."""

    def __init__(self, named: str, path: Path) -> None:
        """Create a plot of the named area ("area" or "tenant/area") for an output file.

        Raises:
            UserError: The name of the file does not end in .svg or .png.
        """
        if path.suffix.lower() not in SUFFIXES:
            raise UserError(f"{path}: the name of the plot file must end in .svg or .png")
        tenant, _, area = named.rpartition("/")
        self._named, self._path = named, path
        self._page_log = PageLog()
        self.lines = BacktestTimelines([(tenant, area_name(area))])

    def hear(self, event: EscalationEvent) -> None:
        """Add an escalation."""
        self._page_log.hear((event,))

    def draw(self, zone: str) -> bytes:
        """Return the picture in the format that the name of the file asks for.

        Args:
            zone: IANA zone of the time axis.

        Raises:
            UserError: There is no such area, or there are several.
        """
        found = self.lines.stretches
        if not found:
            raise UserError(
                f"--plot {self._named}: there are no tickets of this area, or less than an hour's"
            )
        if len(found) > 1:
            names = ", ".join(f"{tenant}/{area}" for tenant, area in sorted(found)[:8])
            raise UserError(
                f"--plot {self._named}: several tenants have this area; give one of: {names}"
            )
        [((tenant, area), stretches)] = found.items()
        drawn = chart(stretches, spans(self._page_log.runs, (), tenant, area), zone)
        return svg(drawn).encode() if self._path.suffix.lower() == ".svg" else png(drawn)


def slim(drawn: str) -> str:
    """Reduce an SVG of `stream.charts.vega` to a third of its size.

    Bars become one path, and descriptions for screen readers are removed, so the figure around the
    chart has to describe it.
    """
    drawn = _NEEDLESS.sub("", drawn)
    drawn = _DIGITS.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), drawn)
    return _BARS.sub(lambda bars: f'<path d="{"".join(_PATH.findall(bars[0]))}"{bars[1]}/>', drawn)


_NEEDLESS: Final = re.compile(
    r' (?:aria-[a-z]+|role|class|stroke-miterlimit|pointer-events)="[^"<>]*"'
)
_DIGITS: Final = re.compile(r"(?<=[ ,(\"A-Za-z])-?\d+\.\d{2,}(?=[ ,)\"A-Za-z])")
_PATH: Final = re.compile(r'<path d="([^"]*)"')
_BARS: Final = re.compile(
    r'<path d="[^"]*"((?: fill="#\w+")(?: opacity="[.\d]+"))/>(?:<path d="[^"]*"\1/>)+'
)


def _sliced(run: PagedEpisode) -> str:
    return run.severity if run.slice is None else f"{run.slice[1]}: {run.severity}"
