"""Listening to the production step: which pages came, and which episodes run."""

from collections.abc import Iterable
from dataclasses import dataclass

from detectors.policy.settings import Settings
from detectors.state.tenant import Tenant
from detectors.step.pipeline import step
from schemas.escalation import EscalationEvent
from schemas.signals import Signal


@dataclass(frozen=True)
class Page:
    """Somebody was called (or told that a page reaches further). Times: seconds since 1970."""

    at: float
    area: str | None
    """None: the whole tenant."""
    areas: tuple[str, ...] = ()
    """Inside, if it is the whole tenant; empty: all."""
    transition: str = "opened"
    reason: str = "area_spike"
    slice: tuple[str, str] | None = None

    def includes(self, area: str | None) -> bool:
        """Whether it is about *area*; None: any will do."""
        if area is None:
            return True
        return self.area == area or (self.area is None and (not self.areas or area in self.areas))


class PageRecorder:
    """What the step said so far about one tenant."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self.pages: list[Page] = []
        """Opened and reopened ones that page, and updates of tenant-wide ones."""
        self._last: dict[str, tuple[Page, float | None]] = {}

    def hear(self, events: Iterable[EscalationEvent]) -> None:
        """Take in what a step led to."""
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
        """Whether no episode about *area* runs, or ran later than *since*.

        None: no episode of the tenant as a whole.
        """
        return not any(
            (ended is None or ended > since)
            and (page.area is None if area is None else page.includes(area))
            for page, ended in self._last.values()
        )

    def opened(self, begin: float, end: float, area: str | None = None) -> list[Page]:
        """Pages opened from *begin* to *end* that include *area* (None: any)."""
        return [
            page
            for page in self.pages
            if page.transition == "opened" and begin <= page.at <= end and page.includes(area)
        ]

    def first(self, begin: float, end: float, area: str | None = None) -> float | None:
        """When somebody was first told about *area* from *begin* to *end*."""
        return min(
            (page.at for page in self.pages if begin <= page.at <= end and page.includes(area)),
            default=None,
        )


def fork(tenant: Tenant) -> Tenant:
    """A copy that goes its own way."""
    return tenant.copy()


def run_signals(
    tenant: Tenant,
    signals: Iterable[Signal],
    settings: Settings,
    watch: PageRecorder,
    received_at: float | None = None,
) -> None:
    """Take *signals* in, and hear what comes of it."""
    for signal in signals:
        events = step(tenant, signal, settings, received_at).escalations
        if events:
            watch.hear(events)
