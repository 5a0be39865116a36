"""Benign events that must not page; each kind is a change of the tickets of a live tenant.

*Structural* events are noise from systems or from one person; the others are healthy traffic that
looks unusual. *Paired* events are played twice, the same hours with and without them, and every
additional page is wrong. The pages of the others are compared with the number that such weeks page
by chance.
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
    """The last healthy tickets before the start, oldest first."""

    @property
    def name(self) -> str:
        """Return the name of the area."""
        return self.world.names[self.area]

    def between(self, low: float, high: float) -> float:
        """Return a log-uniform random number between *low* and *high*."""
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def times(self, count: int, hours: float, after: float = 0.0) -> list[float]:
        """Return *count* random times in order, within *hours*, *after* seconds after the start."""
        drawn = np.sort(self.rng.random(count)) * hours * SECONDS_PER_HOUR
        return [round(self.start + after + at, 3) for at in drawn.tolist()]

    def ticket(self, number: int, at: float, customer: str | None) -> Ticket:
        """Return a new ticket of the area, created when it arrives."""
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
"""Turns the healthy arrivals into those that happen instead, in any order."""


@dataclass(frozen=True, kw_only=True)
class Guard:
    """One kind of event that must not page."""

    name: str
    change: Change | None = None
    hours: float = 30.0
    """Length of the window in which pages count."""
    lead_hours: int = 0
    """Hours that are played before the window, with the change of level in effect."""
    whole_tenant: bool = False
    """Whether pages of every area count, or only those of the area where it happens."""
    paired: bool = True
    """Whether the same hours are also played without the event, so that their own pages do not
    count."""
    structural: bool = True
    """Whether it is noise from systems or one person, for which the target is stricter."""
    scale: Callable[[Situation, int], float | Numbers] | None = None
    """Level of the healthy traffic in an hour, as a factor."""
    new_area: bool = False
    """Whether a second, new area opens at the start with ordinary traffic; its pages count."""
    new_tenant: bool = False
    """Whether the tenant is new and has learned nothing yet."""


def noisy_customer(healthy: list[Arrival], here: Situation) -> list[Arrival]:
    """Let one customer send 30 to 200 tickets within hours."""
    times = here.times(int(here.between(30, 200)), here.between(0.5, 6.0))
    return healthy + [(at, here.ticket(n, at, "noisy")) for n, at in enumerate(times)]


def _same_ticket(healthy: list[Arrival], here: Situation) -> list[Arrival]:
    """Repeat the ``created`` event of one ticket, sometimes with the same event id."""
    times = here.times(int(here.between(30, 200)), here.between(0.2, 3.0))
    found = list(healthy)
    for number, at in enumerate(times):
        ticket = here.ticket(0, times[0], "impatient")
        event = f"event-{0 if number % 2 else number}"
        found.append((at, msgspec.structs.replace(ticket, event_id=event)))
    return found


def _merged(healthy: list[Arrival], here: Situation) -> list[Arrival]:
    """Let a form submit each ticket two to five times; agents merge the copies within minutes."""
    end = here.start + here.between(1.0, 6.0) * SECONDS_PER_HOUR
    found = list(healthy)
    for arrives, ticket in healthy:
        if ticket.area != here.name or not here.start <= arrives < end:
            continue
        for copy in range(int(here.rng.integers(1, 5))):
            at = round(arrives + float(here.rng.uniform(0.5, 60.0)), 3)
            again = msgspec.structs.replace(
                ticket, ticket_id=f"{ticket.ticket_id}-copy{copy}", created_at=at
            )
            merged_at = round(at + float(here.rng.uniform(60.0, 600.0)), 3)
            merged = msgspec.structs.replace(
                again, event_type="merged", occurred_at=merged_at, merged_into=ticket.ticket_id
            )
            found += [(at, again), (merged_at, merged)]
    return found


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
    """Move four hundred old tickets of other areas into this area."""
    others = [ticket for ticket in here.recent if ticket.area != here.name]
    chosen = here.rng.permutation(len(others))[:400]
    times = here.times(len(chosen), here.between(0.1, 1.5))
    return healthy + [
        (
            at,
            msgspec.structs.replace(
                others[place],
                event_type="reclassified",
                area=here.name,
                occurred_at=at,
                event_id=f"moved-{number}",
                mode="live",
            ),
        )
        for number, (at, place) in enumerate(zip(times, chosen.tolist(), strict=True))
    ]


def _retries(healthy: list[Arrival], here: Situation) -> list[Arrival]:
    """Let a webhook send the tickets of the last hours again, in bursts, up to eight times."""
    recent = [
        ticket for ticket in here.recent if ticket.created_at > here.start - 6.0 * SECONDS_PER_HOUR
    ]
    found = list(healthy)
    for _ in range(int(here.rng.integers(2, 9))):
        burst = here.start + float(here.rng.uniform(0.0, 12.0)) * SECONDS_PER_HOUR
        for ticket in recent:
            at = round(burst + float(here.rng.uniform(0.0, 60.0)), 3)
            found.append((at, msgspec.structs.replace(ticket, mode="live")))
    return found


def _backfill(healthy: list[Arrival], here: Situation) -> list[Arrival]:
    """Add yesterday's tickets from another system: new ids, ten to thirty-four hours old."""
    hour = int(here.start // SECONDS_PER_HOUR)
    other = Feed(here.world, [9, int(here.rng.integers(1 << 30))], mode="live")
    old = [ticket for each in range(hour - 34, hour - 10) for ticket in other.hour(each)]
    old = [ticket for ticket in old if here.rng.random() < 0.5]
    times = here.times(len(old), here.between(0.05, 1.0))
    return healthy + list(zip(times, old, strict=True))


def _gap(healthy: list[Arrival], here: Situation) -> list[Arrival]:
    """Silence the source for three to eight hours, then deliver everything that was held back."""
    end = here.start + here.between(3.0, 8.0) * SECONDS_PER_HOUR
    catch_up = here.between(60.0, 1200.0)
    found = []
    for arrives, ticket in healthy:
        if here.start <= arrives < end:
            part = (arrives - here.start) / (end - here.start)
            arrives = round(end + part * catch_up, 3)
        found.append((arrives, ticket))
    return found


def _quiet_weekend(here: Situation, hour: int) -> float:
    return 0.35 if hour * SECONDS_PER_HOUR < here.start else 1.1


def _growing(here: Situation, hour: int) -> Numbers:
    scale = np.ones(len(here.world.rates))
    scale[here.area] = 1.1 ** (
        max(0.0, hour * SECONDS_PER_HOUR - here.start) / (168.0 * SECONDS_PER_HOUR)
    )
    return scale


def new_area(here: Situation, number: int) -> Feed:
    """Return the feed of an area that opens at the start, at 0.3 to 20 tickets per hour."""
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
"""A real spike during a benign event, which must still be found. It measures the cost of a
guard."""
