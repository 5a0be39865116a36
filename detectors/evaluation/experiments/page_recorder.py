"""Record the pages and the running episodes that result from the step."""

from collections.abc import Iterable
from dataclasses import dataclass

from detectors.policy.settings import Settings
from detectors.state.tenant import Tenant
from detectors.step.pipeline import step
from schemas.escalation import EscalationEvent
from schemas.signals import Signal


@dataclass(frozen=True)
class Page:
    """A page, or an update of a tenant-wide page. Times are in seconds since 1970."""

    at: float
    area: str | None
    """None: the whole tenant."""
    areas: tuple[str, ...] = ()
    """The areas of a tenant-wide page; empty: all."""
    transition: str = "opened"
    reason: str = "area_spike"
    slice: tuple[str, str] | None = None

    def includes(self, area: str | None) -> bool:
        """Return whether the page includes an area; None matches every page."""
        if area is None:
            return True
        return self.area == area or (self.area is None and (not self.areas or area in self.areas))


class PageRecorder:
    """The recorded pages of one tenant."""

    def __init__(self) -> None:
        """Start without pages."""
        self.pages: list[Page] = []
        """Opened and reopened episodes that page, and updates of tenant-wide episodes."""
        self._last: dict[str, tuple[Page, float | None]] = {}

    def hear(self, events: Iterable[EscalationEvent]) -> None:
        """Record the events of a step."""
        for event in events:
            data = event.data
            if data.suppressed is not None:
                self._last.pop(event.subject, None)
                continue
            transition = event.transition
            at = event.time.timestamp()
            page = Page(
                at,
                data.product_area,
                tuple(data.areas or ()),
                transition,
                data.reason,
                None if data.slice is None else (data.slice.dimension, data.slice.value),
            )
            if transition in ("opened", "reopened") or (
                transition == "updated" and data.product_area is None
            ):
                self.pages.append(page)
            if transition == "resolved":
                self._last[event.subject] = page, at
            elif transition != "amended":
                self._last[event.subject] = page, None

    def quiet(self, area: str | None, since: float) -> bool:
        """Return whether no episode has been running since a time.

        Args:
            area: Only episodes that include this area are considered; None: only tenant-wide
                episodes.
            since: Seconds since 1970.
        """
        return not any(
            (ended is None or ended > since)
            and (page.area is None if area is None else page.includes(area))
            for page, ended in self._last.values()
        )

    def opened(self, begin: float, end: float, area: str | None = None) -> list[Page]:
        """Return the pages that opened in a period and include an area (None: any area)."""
        return [
            page
            for page in self.pages
            if page.transition == "opened" and begin <= page.at <= end and page.includes(area)
        ]

    def first(self, begin: float, end: float, area: str | None = None) -> float | None:
        """Return the time of the first page in a period that includes an area; None: no page."""
        return min(
            (page.at for page in self.pages if begin <= page.at <= end and page.includes(area)),
            default=None,
        )


def fork(tenant: Tenant) -> Tenant:
    """Return an independent copy of a tenant."""
    return tenant.copy()


def run_signals(
    tenant: Tenant,
    signals: Iterable[Signal],
    settings: Settings,
    watch: PageRecorder,
    received_at: float | None = None,
) -> None:
    """Process signals and record the resulting events."""
    for signal in signals:
        events = step(tenant, signal, settings, received_at).escalations
        if events:
            watch.hear(events)
