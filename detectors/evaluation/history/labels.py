"""Labelled incidents of a history, and how they match its pages."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from detectors.evaluation.history.page_log import PagedEpisode
from detectors.evaluation.synthetic.incidents import LINGER
from detectors.evaluation.tables import Share, quantile

ANY: Final = ""
"""The tenant of a label that names none."""


@dataclass(frozen=True, kw_only=True)
class Label:
    """One incident as people recorded it. Times are in seconds since 1970."""

    start: float
    end: float
    area: str | None = None
    """None: the whole tenant; then a page about any of its areas matches."""
    tenant: str = ANY

    def fits(self, run: PagedEpisode) -> float | None:
        """Return when an episode reported this incident; None: it did not.

        Pages up to an hour after the end match (`incidents.LINGER`).
        """
        about = run.about(self.area)
        if about is None or (self.tenant != ANY and run.tenant != self.tenant):
            return None
        return about if about <= self.end + LINGER and run.ended >= self.start else None


@dataclass(frozen=True)
class Met:
    """The outcome of a label."""

    label: Label
    delay: float
    """Minutes from its start to the page; 0 if the page was there before; infinite: there was none.
    """
    before: bool = False
    """Whether the page was there before the start, from an episode that was running already."""


@dataclass(frozen=True)
class Judgement:
    """Labels compared with pages."""

    met: tuple[Met, ...]
    right: tuple[bool, ...]
    """Of each page that opened, in order, whether it belongs to a label."""
    outside: int = 0
    """Labels that were left out: they lie in the warm-up, or not in the history at all."""

    @property
    def precision(self) -> Share:
        """Pages that belong to a label, of all."""
        return Share(sum(self.right), len(self.right))

    @property
    def recall(self) -> Share:
        """Labels that were paged, of all."""
        return Share(sum(math.isfinite(one.delay) for one in self.met), len(self.met))

    def delay(self, share: float) -> float:
        """Minutes that *share* of the labels that were found waited at most."""
        return quantile([one.delay for one in self.met if math.isfinite(one.delay)], share)


def judge_labels(
    labels: Sequence[Label], runs: Sequence[PagedEpisode], begin: float, end: float
) -> Judgement:
    """Hold *runs* against *labels*, from *begin* to *end* (seconds since 1970).

    Example:
        >>> scopes = [(600.0, "login", ())]
        >>> run = PagedEpisode(tenant="acme", episode_id="1", opened=600.0, scopes=scopes)
        >>> wanted = [Label(start=0.0, end=60.0, area=area) for area in ("login", "api")]
        >>> found = judge_labels(wanted, [run], 0.0, 7200.0)
        >>> [one.delay for one in found.met], str(found.recall)[:4]
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
