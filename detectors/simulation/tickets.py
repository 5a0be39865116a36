"""Streams of simulated tickets: healthy traffic with seasonality and noise, and incidents.

No data comes from a real company. The same seed gives the same bytes.

In healthy traffic, the tickets of an area follow a Poisson distribution with mean rate x
hour-of-week profile x daily noise (gamma, shared by all areas) x hourly noise (gamma, per area).
Customers follow a Zipf-like distribution, so that a few of them write often.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from detectors.simulation.texts import write

HOUR: Final = 3600.0
SHAPE: Final = tuple(
    (0.25 + 1.7 * math.exp(-0.5 * ((h % 24 - 13) / 4.0) ** 2)) * (0.45 if h >= 120 else 1.15)
    for h in range(168)
)
"""Hour-of-week profile with a peak at 13:00 and quieter weekends; its mean is about 1."""
FLAT: Final = (1.0,) * 168

COMPANY: Final = {
    "login": 14.0,
    "billing": 6.0,
    "checkout": 5.0,
    "search": 3.0,
    "notifications": 2.5,
    "mobile app": 4.0,
    "reports": 1.5,
    "integrations": 1.2,
    "permissions": 0.8,
    "exports": 0.5,
    "api": 2.0,
    "onboarding": 1.0,
}
"""Tickets per hour in the areas of a simulated company."""
ISSUES: Final = {
    "login": ("password reset", "sso error", "locked out", "two-factor code"),
    "billing": ("wrong amount", "refund", "card declined"),
    "checkout": ("payment failed", "coupon", "empty cart"),
}
VERSIONS: Final = (("4.1.0", 5), ("4.2.0", 3), ("4.2.1", 2))
REGIONS: Final = (("eu", 4), ("us", 5), ("apac", 2))
CHANNELS: Final = (("web", 5), ("email", 4), ("chat", 3), ("phone", 1))
TIERS: Final = ("free", "team", "team", "enterprise")
SEGMENTS: Final = ("retail", "health", "finance", "education", "public")
LANGUAGES: Final = (("en", 8), ("de", 2), ("fr", 1))
SOURCES: Final = (("helpdesk", 9), ("shop", 1))
REVENUES: Final = {"free": 0.0, "team": 2_400.0, "enterprise": 60_000.0}
"""Annual revenue by tier."""


@dataclass(frozen=True)
class Incident:
    """An incident in one area: additional tickets multiply the rate of the area.

    With an app version or other values, the additional tickets have these values, so that the total
    rate of the area is multiplied.
    """

    area: str
    start: float
    """Seconds since 1970."""
    hours: float
    multiple: float
    """Rate during the incident as a multiple of the usual rate."""
    app_version: str | None = None
    issue_type: str | None = None
    region: str | None = None
    channel: str | None = None
    share: float = 1.0
    """Share of the additional tickets that have these values, 0 to 1; the others have usual values.
    """
    word: str | None = None
    """A word in the text of the tickets with these values."""


@dataclass(frozen=True)
class World:
    """A simulated company and its incidents."""

    start: float
    """Seconds since 1970; the hour of the week follows UTC."""
    hours: float
    areas: dict[str, float] = field(default_factory=lambda: dict(COMPANY))
    incidents: Sequence[Incident] = ()
    seed: int = 1
    tenant: str = "acme"
    shape: Sequence[float] = SHAPE
    day_noise: float = 0.02
    """Variance of the daily factor; 0: no noise."""
    hour_noise: float = 0.05
    """Variance of the hourly factor of each area; 0: no noise."""
    customers: int = 4_000


def tickets(world: World) -> Iterator[dict[str, object]]:
    """Yield the ticket events of a simulated company as JSON objects, the oldest first.

    Example:
        >>> world = World(start=0.0, hours=24.0, seed=7)
        >>> day = list(tickets(world))
        >>> day == list(tickets(world)), day[0]["created_at"] < day[-1]["created_at"]
        (True, True)
    """
    rng = random.Random(world.seed)  # noqa: S311 - a generator of test data
    number = 0
    day_factor = 1.0
    first = int(world.start // HOUR)
    for hour in range(first, math.ceil(world.start / HOUR + world.hours)):
        if hour == first or hour % 24 == 0:
            day_factor = _gamma(rng, world.day_noise)
        arrivals: list[tuple[float, str, Incident | None]] = []
        for area, rate in world.areas.items():
            mean = (
                rate * world.shape[(hour + 72) % 168] * day_factor * _gamma(rng, world.hour_noise)
            )
            arrivals += ((at, area, None) for at in _arrivals(rng, mean, hour * HOUR, HOUR))
            for incident in world.incidents:
                if incident.area == area:
                    begin = max(incident.start, hour * HOUR)
                    end = min(incident.start + incident.hours * HOUR, (hour + 1) * HOUR)
                    if begin < end:
                        extra = mean * (incident.multiple - 1.0) * (end - begin) / HOUR
                        times = _arrivals(rng, extra, begin, end - begin)
                        arrivals += ((at, area, incident) for at in times)
        for at, area, cause in sorted(arrivals, key=lambda arrival: arrival[0]):
            if world.start <= at < world.start + world.hours * HOUR:
                number += 1
                yield _ticket(rng, world, number, at, area, cause)


def _gamma(rng: random.Random, variance: float) -> float:
    return rng.gammavariate(1.0 / variance, variance) if variance > 0.0 else 1.0


def _arrivals(rng: random.Random, mean: float, start: float, seconds: float) -> Iterator[float]:
    if mean <= 0.0:
        return
    at = rng.expovariate(mean)
    while at < 1.0:
        yield start + at * seconds
        at += rng.expovariate(mean)


def _pick(rng: random.Random, weighted: Sequence[tuple[str, int]]) -> str:
    return rng.choices([value for value, _ in weighted], [weight for _, weight in weighted])[0]


def _ticket(
    rng: random.Random, world: World, number: int, at: float, area: str, cause: Incident | None
) -> dict[str, object]:
    customer = (
        int(world.customers ** rng.random()) if cause is None else rng.randrange(world.customers)
    )
    issues = ISSUES.get(area, ("question", "error", "slow"))
    tied = cause if cause is not None and rng.random() < cause.share else None
    issue = (tied and tied.issue_type) or rng.choice(issues)
    version = (tied and tied.app_version) or _pick(rng, VERSIONS)
    subject, body = write(rng, area, issue, version, tied.word if tied else None)
    tier = TIERS[customer % len(TIERS)]
    ticket = f"{world.tenant}-{world.seed}-{number}"
    return {
        "ticket_id": ticket,
        "event_id": f"{ticket}-created",
        "created_at": _iso(at),
        "tenant": world.tenant,
        "product_area": area,
        "issue_type": issue,
        "subject": subject,
        "body": body,
        "customer": {
            "id": f"customer-{customer}",
            "tier": tier,
            "segment": SEGMENTS[customer % len(SEGMENTS)],
            "region": (tied and tied.region) or _pick(rng, REGIONS),
            "arr": REVENUES[tier],
            "renewal_at": _iso(world.start + (customer * 37 % 365) * 24 * HOUR),
        },
        "channel": (tied and tied.channel) or _pick(rng, CHANNELS),
        "app_version": version,
        "language": _pick(rng, LANGUAGES),
        "source": _pick(rng, SOURCES),
        "url": f"https://{world.tenant}.example.com/tickets/{number}",
    }


def _iso(at: float) -> str:
    created = datetime.fromtimestamp(round(at, 3), UTC).isoformat(timespec="milliseconds")
    return created.replace("+00:00", "Z")
