"""Synthetic tenants for tests of the whole step: seeded traffic, and a feed that passes it on."""

import random
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from detectors.foundation.outcomes import Guard
from detectors.policy.settings import Settings
from detectors.simulation.tickets import CHANNELS, REGIONS, SHAPE, VERSIONS
from detectors.state.tenant import Tenant
from detectors.step.pipeline import step
from detectors.step.result import Step
from schemas.escalation import EscalationEvent
from schemas.signals import HistoryEnd, Signal, Tick, Ticket
from tests.support.warm_tenants import warm_tenant

HOUR = 3600.0
DAY = 24 * HOUR
WEEK = 7 * DAY
MONDAY = 1772409600.0
"""Monday, 2 March 2026, 0:00 UTC."""
NOW = MONDAY + 8 * WEEK
"""When the companies below are eight weeks old: Monday, 27 April 2026, 0:00 UTC."""
MORNING = NOW + 10 * HOUR
COMPANY = {"login": 4.0, "billing": 2.0, "api": 2.0, "search": 1.0, "exports": 0.3}
"""Tickets per hour of each area."""
SETTINGS = Settings(slice_dimensions=("region", "app_version", "channel"))

Factor = Callable[[float], float]
"""Function from a time in seconds since 1970 to a factor of the usual rate."""


def as_usual(at: float) -> float:
    """Return a constant factor."""
    del at
    return 1.0


def in_shape(at: float) -> float:
    """Return a factor that is high by day, and low by night and at weekends, in UTC."""
    return SHAPE[(int(at // HOUR) + 72) % 168]


def pick(rng: random.Random, weighted: tuple[tuple[str, int], ...]) -> str:
    """Return a random value, drawn by weight."""
    return rng.choices([value for value, _ in weighted], [weight for _, weight in weighted])[0]


class TenantFeed:
    """A tenant, the signals that a test passes to it, and the resulting events.

    Args:
        config: Settings of the step.
        tenant: Continue with this tenant; a new one if not given.
        sliced: Whether tickets have a region, a version and a channel, drawn by usual weights.
    """

    def __init__(
        self, config: Settings = SETTINGS, tenant: Tenant | None = None, *, sliced: bool = True
    ) -> None:
        self.config = config
        self.sliced = sliced
        self.tenant = tenant or Tenant("acme", config)
        self.rng = random.Random(4)
        self.number = (
            0 if tenant is None else int(1_000 * (tenant.clock or 0.0))
        )  # so that ids are unique
        self.events: list[EscalationEvent] = []
        self.guards: list[Guard] = []

    def take(self, signal: Signal, received_at: float | None = None) -> Step:
        """Take one signal."""
        done = step(self.tenant, signal, self.config, received_at)
        self.events += done.escalations
        self.guards += done.guards
        return done

    def make(self, at: float, area: str = "login", **fields: Any) -> Ticket:
        """Return a ticket with an id, usual slices and, by default, a customer of its own."""
        self.number += 1
        usual = {"customer": f"c{self.number}"}
        if self.sliced:
            usual |= {
                "region": pick(self.rng, REGIONS),
                "app_version": pick(self.rng, VERSIONS),
                "channel": pick(self.rng, CHANNELS),
            }
        return Ticket("acme", f"{self.number}", at, area, **(usual | fields))

    def ticket(self, at: float, area: str = "login", **fields: Any) -> Step:
        """Take a ticket as made by `make`; *fields* may contain ``received_at``."""
        received_at = fields.pop("received_at", None)
        return self.take(self.make(at, area, **fields), received_at)

    def burst(
        self, at: float, count: int, hours: float, area: str = "login", **fields: Any
    ) -> None:
        """Take *count* evenly spaced tickets, each from a different customer."""
        for number in range(count):
            self.ticket(at + number * hours * HOUR / count, area, **fields)

    def feed(
        self,
        begin: float,
        end: float,
        areas: Mapping[str, float] | None = None,
        factor: Factor = in_shape,
        seed: int = 1,
        **fields: Any,
    ) -> None:
        """Take Poisson traffic of *areas* from *begin* to *end*, in order."""
        for at, area in arrivals(begin, end, COMPANY if areas is None else areas, factor, seed):
            self.ticket(at, area, **fields)

    def mature(
        self,
        weeks: int = 8,
        areas: Mapping[str, float] | None = None,
        factor: Factor = in_shape,
        seed: int = 1,
    ) -> "TenantFeed":
        """Take history from `MONDAY` on, and discard its events."""
        self.feed(MONDAY, MONDAY + weeks * WEEK, areas, factor, seed, mode="history")
        self.take(HistoryEnd("acme"))
        self.events.clear()
        self.guards.clear()
        return self

    def transitions(self) -> list[str]:
        """Return the transition of each event so far."""
        return [event.transition for event in self.events]

    def tick(self, at: float) -> None:
        """Take a tick."""
        self.take(Tick(at, "acme"))

    @property
    def pages(self) -> list[EscalationEvent]:
        """Events that page somebody: opened or reopened, and not suppressed."""
        return [
            event
            for event in self.events
            if event.data.suppressed is None and event.transition in ("opened", "reopened")
        ]

    def paged(self, area: str | None = None) -> list[str]:
        """Return a line for each page of one area or of all, for an assertion message."""
        return [
            f"{e.time:%a %d %H:%M} {e.data.product_area} {e.data.reason} {e.data.slice}"
            f" {e.data.observed:g}/{e.data.expected:.2f} score {e.data.score:g}"
            f" limit {e.data.limit:g}"
            for e in self.pages
            if area is None or e.data.product_area == area
        ]

    def rate(self, area: str = "login") -> float:
        """Return the customer-equivalents per hour that are expected of *area* now."""
        return self.tenant.areas[area].model.rate


def arrivals(
    begin: float, end: float, areas: Mapping[str, float], factor: Factor, seed: int
) -> Iterator[tuple[float, str]]:
    """Yield times and areas of Poisson traffic in order."""
    rng = random.Random(seed)
    at = begin
    while at < end:
        until = min((at // HOUR + 1.0) * HOUR, end)
        within_hour = []
        for area, rate in areas.items():
            mean = rate * factor(at) / HOUR
            moment = at
            while mean > 0.0 and (moment := moment + rng.expovariate(mean)) < until:
                within_hour.append((round(moment, 3), area))
        yield from sorted(within_hour)
        at = until


@lru_cache(maxsize=8)
def _grown(config: Settings, seed: int) -> Tenant:
    return warm_tenant(lambda: TenantFeed(config).mature(seed=seed).tenant, config, "company", seed)


def company(config: Settings = SETTINGS, seed: int = 1, until: float = NOW) -> TenantFeed:
    """Return a copy of `COMPANY` at the age of eight weeks, continued to *until*."""
    tenant_feed = TenantFeed(config, _grown(config, seed).copy())
    if until > NOW:
        tenant_feed.feed(NOW, until, seed=seed + 1_000)
        tenant_feed.events.clear()
        tenant_feed.guards.clear()
    return tenant_feed
