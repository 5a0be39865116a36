"""Labelled incidents of a history, and their comparison with the pages."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from detectors.evaluation.history.page_log import PagedEpisode
from detectors.evaluation.synthetic.incidents import LINGER
from detectors.evaluation.tables import Share, quantile

ANY: Final = ""
"""The tenant of a label that applies to all tenants."""


@dataclass(frozen=True, kw_only=True)
class Label:
    """An incident as people recorded it. Times are in seconds since 1970."""

    start: float
    end: float
    area: str | None = None
    """None: the whole tenant, so that a page about any of its areas matches."""
    tenant: str = ANY

    def fits(self, run: PagedEpisode) -> float | None:
        """Return when an episode reported this incident, or None.

        Pages match up to an hour after the end (`incidents.LINGER`).
        """
        about = run.about(self.area)
        if about is None or (self.tenant != ANY and run.tenant != self.tenant):
            return None
        return about if about <= self.end + LINGER and run.ended >= self.start else None


@dataclass(frozen=True)
class Met:
    """The result for one label."""

    label: Label
    delay: float
    """Minutes from the start to the page: 0 if it paged before, infinite if there was no page."""
    before: bool = False
    """Whether an episode had already paged before the start."""


@dataclass(frozen=True)
class Judgement:
    """The comparison of labels with pages."""

    met: tuple[Met, ...]
    right: tuple[bool, ...]
    """For each page in order, whether it matches a label."""
    outside: int = 0
    """Labels that are not compared, because they are in the warm-up or outside the history."""

    @property
    def precision(self) -> Share:
        """The share of pages that match a label."""
        return Share(sum(self.right), len(self.right))

    @property
    def recall(self) -> Share:
        """The share of labels with a page."""
        return Share(sum(math.isfinite(result.delay) for result in self.met), len(self.met))

    def delay(self, share: float) -> float:
        """Return a quantile of the delays of labels with a page, in minutes.

        Args:
            share: Share of these labels whose delay does not exceed the quantile, 0 to 1.
        """
        return quantile([m.delay for m in self.met if math.isfinite(m.delay)], share)


def judge_labels(
    labels: Sequence[Label], runs: Sequence[PagedEpisode], begin: float, end: float
) -> Judgement:
    """Compare labels with pages.

    Args:
        labels: The labelled incidents.
        runs: The episodes that paged.
        begin: Start of the compared time, seconds since 1970.
        end: End of the compared time, seconds since 1970.

    Example:
        >>> scopes = [(600.0, "login", ())]
        >>> run = PagedEpisode(tenant="acme", episode_id="1", opened=600.0, scopes=scopes)
        >>> labels = [Label(start=0.0, end=60.0, area=area) for area in ("login", "api")]
        >>> judgement = judge_labels(labels, [run], 0.0, 7200.0)
        >>> [result.delay for result in judgement.met], str(judgement.recall)[:4]
        ([10.0, inf], '0.50')
    """
    counted = [label for label in labels if begin <= label.start <= end]
    runs = [run for run in runs if run.ended >= begin]
    met = []
    for label in counted:
        times = [at for run in runs if (at := label.fits(run)) is not None]
        first = min(times, default=math.inf)
        met.append(Met(label, max(0.0, first - label.start) / 60.0, before=first < label.start))
    opened = [run for run in runs if not run.again and begin <= run.opened <= end]
    right = [any(label.fits(run) is not None for label in labels) for run in opened]
    return Judgement(tuple(met), tuple(right), len(labels) - len(counted))
