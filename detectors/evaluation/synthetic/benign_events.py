"""Benign events that must not page; each kind changes the tickets of a live tenant.

*Structural* events are noise from systems or from one person; the others are healthy traffic that
looks unusual. For *paired* events, the same hours are played with and without the event, and every
additional page is wrong. For the others, the pages are compared with the number of pages that
chance alone causes in such weeks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from detectors.evaluation.synthetic.company import Numbers, Spec, World
from detectors.evaluation.synthetic.traffic import Feed
from detectors.foundation.units import SECONDS_PER_HOUR
from schemas.signals import Ticket

Arrival = tuple[float, Ticket]
"""The time at which a ticket arrives, in seconds since 1970, and the ticket."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Where and when a benign event happens."""

    world: World
    rng: np.random.Generator
    start: float
    """Seconds since 1970."""
    end: float
    area: int
    recent: Sequence[Ticket]
    """The last healthy tickets before the start, the oldest first."""

    @property
    def name(self) -> str:
        """The name of the area."""
        return self.world.names[self.area]

    def between(self, low: float, high: float) -> float:
        """Return a log-uniform random number between two bounds."""
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def times(self, count: int, hours: float, after: float = 0.0) -> list[float]:
        """Return random times in order, in seconds since 1970.

        Args:
            count: Number of times.
            hours: Length of the time in which they lie, in hours.
            after: Start of that time, in seconds after the start of the event.
        """
        drawn = np.sort(self.rng.random(count)) * hours * SECONDS_PER_HOUR
        return [round(self.start + after + at, 3) for at in drawn.tolist()]

    def ticket(self, number: int, at: float, customer: str | None) -> Ticket:
        """Return a new ticket of the area.

        Args:
            number: Number in the ticket id.
            at: When the ticket is created, seconds since 1970.
            customer: The customer; None: unknown.
        """
        issues = self.world.issue_names[self.area]
        return Ticket(
            "acme",
            f"guard-{number}",
            at,
            area=self.name,
            customer=customer,
            issue_type=issues[int(self.rng.integers(len(issues)))],
            region="eu",
            channel="web",
            app_version=self.world.versions(int(at // SECONDS_PER_HOUR))[-1],
        )

    def someone(self) -> str:
        """Return a random customer; all are equally likely."""
        names = self.world.customer_names
        return names[int(self.rng.integers(len(names)))]


Change = Callable[[list[Arrival], Situation], list[Arrival]]
"""Returns the arrivals with the event, in any order, given the healthy arrivals."""


@dataclass(frozen=True, kw_only=True)
class Guard:
    """A kind of benign event that must not page."""

    name: str
    change: Change | None = None
    hours: float = 30.0
    """Length of the window in which pages count."""
    lead_hours: int = 0
    """Hours that are played before the window, with `scale` in effect."""
    whole_tenant: bool = False
    """Whether pages of every area count, or only those of the area of the event."""
    paired: bool = True
    """Whether the same hours are also played without the event; pages that occur without it do not
    count."""
    structural: bool = True
    """Whether the event is noise from systems or one person, for which the target is stricter."""
    scale: Callable[[Situation, int], float | Numbers] | None = None
    """Returns a factor of the healthy rate in an hour."""
    new_area: bool = False
    """Whether a new area with ordinary traffic appears at the start; its pages count."""
    new_tenant: bool = False
    """Whether the tenant is new and has learned nothing yet."""


def noisy_customer(healthy: list[Arrival], here: Situation) -> list[Arrival]:
    """Let one customer send 30 to 200 tickets within hours."""
    times = here.times(int(here.between(30, 200)), here.between(0.5, 6.0))
    return healthy + [(at, here.ticket(n, at, "noisy")) for n, at in enumerate(times)]


def _same_ticket(healthy: list[Arrival], here: Situation) -> list[Arrival]:
    """Repeat the ``created`` event of one ticket, sometimes with the same event id."""
    times = here.times(int(here.between(30, 200)), here.between(0.2, 3.0))
    arrivals = list(healthy)
    for number, at in enumerate(times):
        ticket = here.ticket(0, times[0], "impatient")
        event = f"event-{0 if number % 2 else number}"
        arrivals.append((at, msgspec.structs.replace(ticket, event_id=event)))
    return arrivals


def _merged(healthy: list[Arrival], here: Situation) -> list[Arrival]:
    """Let a form submit each ticket two to five times, and agents merge the copies in minutes."""
    end = here.start + here.between(1.0, 6.0) * SECONDS_PER_HOUR
    arrivals = list(healthy)
    for arrives_at, ticket in healthy:
        if ticket.area != here.name or not here.start <= arrives_at < end:
            continue
        for copy in range(int(here.rng.integers(1, 5))):
            at = round(arrives_at + float(here.rng.uniform(0.5, 60.0)), 3)
            duplicate = msgspec.structs.replace(
                ticket, ticket_id=f"{ticket.ticket_id}-copy{copy}", created_at=at
            )
            merged_at = round(at + float(here.rng.uniform(60.0, 600.0)), 3)
            merged = msgspec.structs.replace(
                duplicate, event_type="merged", occurred_at=merged_at, merged_into=ticket.ticket_id
            )
            arrivals += [(at, duplicate), (merged_at, merged)]
    return arrivals


def _batch(created_by: str, fewest: int, most: int) -> Change:
    def change(healthy: list[Arrival], here: Situation) -> list[Arrival]:
        times = here.times(int(here.between(fewest, most)), here.between(0.15, 2.0))
        return healthy + [
            (
                at,
                msgspec.structs.replace(
                    here.ticket(number, at, here.someone()), created_by=created_by
                ),
            )
            for number, at in enumerate(times)
        ]

    return change


def _retagged(healthy: list[Arrival], here: Situation) -> list[Arrival]:
    """Reclassify up to four hundred old tickets of other areas into this area."""
    others = [ticket for ticket in here.recent if ticket.area != here.name]
    chosen = here.rng.permutation(len(others))[:400]
    times = here.times(len(chosen), here.between(0.1, 1.5))
    return healthy + [
        (
            at,
            msgspec.structs.replace(
                others[index],
                event_type="reclassified",
                area=here.name,
                occurred_at=at,
                event_id=f"moved-{number}",
                mode="live",
            ),
        )
        for number, (at, index) in enumerate(zip(times, chosen.tolist(), strict=True))
    ]


def _retries(healthy: list[Arrival], here: Situation) -> list[Arrival]:
    """Let a webhook resend the tickets of the last hours in two to eight bursts."""
    recent = [
        ticket for ticket in here.recent if ticket.created_at > here.start - 6.0 * SECONDS_PER_HOUR
    ]
    arrivals = list(healthy)
    for _ in range(int(here.rng.integers(2, 9))):
        burst = here.start + float(here.rng.uniform(0.0, 12.0)) * SECONDS_PER_HOUR
        for ticket in recent:
            at = round(burst + float(here.rng.uniform(0.0, 60.0)), 3)
            arrivals.append((at, msgspec.structs.replace(ticket, mode="live")))
    return arrivals


def _backfill(healthy: list[Arrival], here: Situation) -> list[Arrival]:
    """Add tickets from another system that are ten to thirty-four hours old and have new ids."""
    first = int(here.start // SECONDS_PER_HOUR)
    other = Feed(here.world, [9, int(here.rng.integers(1 << 30))], mode="live")
    old = [ticket for hour in range(first - 34, first - 10) for ticket in other.hour(hour)]
    old = [ticket for ticket in old if here.rng.random() < 0.5]
    times = here.times(len(old), here.between(0.05, 1.0))
    return healthy + list(zip(times, old, strict=True))


def _gap(healthy: list[Arrival], here: Situation) -> list[Arrival]:
    """Interrupt the feed for three to eight hours, then deliver all delayed tickets."""
    end = here.start + here.between(3.0, 8.0) * SECONDS_PER_HOUR
    catch_up_seconds = here.between(60.0, 1200.0)
    arrivals = []
    for arrives_at, ticket in healthy:
        if here.start <= arrives_at < end:
            part = (arrives_at - here.start) / (end - here.start)
            arrives_at = round(end + part * catch_up_seconds, 3)
        arrivals.append((arrives_at, ticket))
    return arrivals


def _quiet_weekend(here: Situation, hour: int) -> float:
    return 0.35 if hour * SECONDS_PER_HOUR < here.start else 1.1


def _growing(here: Situation, hour: int) -> Numbers:
    scale = np.ones(len(here.world.rates))
    scale[here.area] = 1.1 ** (
        max(0.0, hour * SECONDS_PER_HOUR - here.start) / (168.0 * SECONDS_PER_HOUR)
    )
    return scale


def new_area(here: Situation, number: int) -> Feed:
    """Return the feed of a new area with 0.3 to 20 tickets per hour."""
    rate = here.between(0.3, 20.0)
    spec = here.world.spec
    world = World(
        Spec(
            seed=1_000 + spec.seed * 50 + number,
            areas=1,
            lowest_rate=rate,
            highest_rate=rate,
            growing_areas=0,
            timezone=spec.timezone,
            country=spec.country,
            first_week=0,
            weeks=120,
        )
    )
    world.names[0] = NEW_AREA
    return Feed(world, [8, number], mode="live")


NEW_AREA: Final = "new area"
GUARDS: Final = {
    guard.name: guard
    for guard in (
        Guard(name="noisy customer", change=noisy_customer),
        Guard(name="same ticket again", change=_same_ticket),
        Guard(name="duplicates, merged", change=_merged),
        Guard(name="agent batch", change=_batch("agent", 20, 300)),
        Guard(name="import batch", change=_batch("import", 200, 1_000)),
        Guard(name="re-tagged", change=_retagged),
        Guard(name="webhook retries", change=_retries, whole_tenant=True),
        Guard(name="backfill", change=_backfill, whole_tenant=True),
        Guard(name="feed gap", change=_gap, whole_tenant=True, structural=False),
        Guard(
            name="holiday and day after",
            hours=48.0,
            whole_tenant=True,
            paired=False,
            structural=False,
        ),
        Guard(
            name="Monday after a quiet weekend",
            hours=24.0,
            lead_hours=48,
            whole_tenant=True,
            paired=False,
            structural=False,
            scale=_quiet_weekend,
        ),
        Guard(name="new area", hours=168.0, paired=False, structural=False, new_area=True),
        Guard(
            name="new tenant",
            hours=168.0,
            whole_tenant=True,
            paired=False,
            structural=False,
            new_tenant=True,
        ),
        Guard(name="growing area", hours=336.0, paired=False, structural=False, scale=_growing),
        Guard(
            name="daylight saving", hours=48.0, whole_tenant=True, paired=False, structural=False
        ),
    )
}
HIDDEN_SPIKE: Final = "x5 with a noisy customer"
"""A real spike beside a benign event. It must still be found, and measures the cost of a guard."""
