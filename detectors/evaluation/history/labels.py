"""Labelled incidents of a history, and how they match its pages."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from detectors.evaluation.history.page_log import PagedEpisode
from detectors.evaluation.synthetic.incidents import LINGER
from detectors.evaluation.tables import Share, quantile

ANY: Final = ""
"""Tenant of a label that names none."""


@dataclass(frozen=True, kw_only=True)
class Label:
    """One incident as people recorded it. Times are in seconds since 1970."""

    start: float
    end: float
    area: str | None = None
    """None: the whole tenant; a page about any of its areas then matches."""
    tenant: str = ANY

    def fits(self, run: PagedEpisode) -> float | None:
        """Return when an episode reported this incident; None if it did not.

        Pages up to an hour after the end match (`incidents.LINGER`).
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
    """Minutes from its start to the page: 0 if the page came before, infinite if there was none."""
    before: bool = False
    """Whether an episode that was already running before the start had paged."""


@dataclass(frozen=True)
class Judgement:
    """The comparison of labels with pages."""

    met: tuple[Met, ...]
    right: tuple[bool, ...]
    """For each page in order, whether it belongs to a label."""
    outside: int = 0
    """Labels that were not judged, because they are in the warm-up or outside the history."""

    @property
    def precision(self) -> Share:
        """Return the share of pages that belong to a label."""
        return Share(sum(self.right), len(self.right))

    @property
    def recall(self) -> Share:
        """Return the share of labels that were paged."""
        return Share(sum(math.isfinite(one.delay) for one in self.met), len(self.met))

    def delay(self, share: float) -> float:
        """Return the delay in minutes that a *share* of the found labels does not exceed."""
        return quantile([one.delay for one in self.met if math.isfinite(one.delay)], share)


def judge_labels(
    labels: Sequence[Label], runs: Sequence[PagedEpisode], begin: float, end: float
) -> Judgement:
    """Compare *runs* with *labels*, from *begin* to *end* (seconds since 1970).

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
