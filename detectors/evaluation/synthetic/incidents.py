"""Incidents of every class, drawn at random, and a lower bound of the delay of each.

*Lorden's bound* of an incident is the first-order delay of a detector that knows the rate and the
multiple m. It is the time after which the information, the sum of rate x (m log m - m + 1), reaches
log(ARL). ARL is the expected number of tickets of the series between two false pages, given an
equal part of the tenant's budget. An incident is *possible* if it lasts longer than its bound.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.evaluation.synthetic.company import REGIONS, World
from detectors.evaluation.synthetic.traffic import Surge
from detectors.foundation.units import HOURS_PER_WEEK, SECONDS_PER_DAY, SECONDS_PER_HOUR

UNSEEN_SHARE: Final = 0.002
"""Assumed share of a value that has never been seen, for the bound."""
LEAST_CUSTOMERS: Final = 4.0
"""The fewest customers before which nothing pages; part of the bound for new values."""
NIGHT_CUSTOMERS: Final = 8.0
"""The fewest expected customers of a burst at night: with four expected, there are often only
three."""
SHIFT_DEADLINE: Final = 4.0 * SECONDS_PER_DAY
SHIFT_AFTERMATH: Final = 14.0 * SECONDS_PER_DAY
LINGER: Final = SECONDS_PER_HOUR
"""Pages within this time after the end still belong to the incident."""


@dataclass(frozen=True, kw_only=True)
class Incident:
    """A simulated incident. Times are in seconds since 1970."""

    kind: str
    surge: Surge
    start: float
    end: float
    """The time by which the incident must be found."""
    plays_until: float
    """The time up to which signals are processed."""
    bound: float
    """Lorden's bound in minutes; infinite if the incident ends before it."""

    @property
    def possible(self) -> bool:
        """Whether the incident lasts longer than its bound."""
        return self.bound * 60.0 < self.end - self.start


Draw = Callable[[World, np.random.Generator, float], tuple[Surge, float]]
"""Returns a surge, given its start (seconds since 1970), and how long signals are processed after
its end, in seconds."""


def draw(
    kind: str, world: World, rng: np.random.Generator, start: float, budget: float
) -> Incident:
    """Draw an incident.

    Args:
        kind: The class of the incident, one of `KINDS`.
        world: The company.
        rng: The random generator, for area, size and duration.
        start: When the incident begins, seconds since 1970; ``night`` incidents begin in the next
            night.
        budget: False pages per week of the tenant, for the bound.
    """
    surge, after = _KINDS[kind](world, rng, start)
    end = surge.start + SHIFT_DEADLINE if kind == "level shift" else surge.end
    return Incident(
        kind=kind,
        surge=surge,
        start=surge.start,
        end=end,
        plays_until=surge.end + after,
        bound=bound(world, surge, end, budget),
    )


def bound(world: World, surge: Surge, end: float, budget: float) -> float:
    """Return Lorden's bound of a surge.

    Args:
        world: The company.
        surge: The surge.
        end: The time by which the surge must be found, seconds since 1970.
        budget: False pages per week of the tenant.

    Returns:
        Minutes; infinite if the bound is not reached by *end*.
    """
    share = surge.share
    scale = 1.0
    if surge.dimension is not None and surge.value is not None:
        hour = int(surge.start // SECONDS_PER_HOUR)
        if world.share(hour, surge.area or 0, surge.dimension, surge.value) == 0.0:
            scale = share / UNSEEN_SHARE  # the value is new: its excess is relative to a prior
            share = UNSEEN_SHARE

    def rate(hour: int) -> float:
        expected = world.means(hour)
        return share * float(expected.sum() if surge.area is None else expected[surge.area])

    first = int(surge.start // SECONDS_PER_HOUR)
    weekly = sum(rate(hour) for hour in range(first - HOURS_PER_WEEK, first))
    needed = max(1.0, math.log(max(weekly * world.spec.areas / budget, math.e)))
    information = tickets = 0.0
    at = surge.start
    while at < end:
        until = min(end, (at // SECONDS_PER_HOUR + 1.0) * SECONDS_PER_HOUR)
        hour = int(at // SECONDS_PER_HOUR)
        multiple = 1.0 + (surge.multiple_at(0.5 * (at + until)) - 1.0) * scale
        gain = rate(hour) * (multiple * math.log(multiple) - multiple + 1.0)
        observed = rate(hour) * multiple
        step = (until - at) / SECONDS_PER_HOUR
        wait = max(
            (needed - information) / gain if gain else math.inf,
            (LEAST_CUSTOMERS - tickets) / observed if scale != 1.0 and observed else 0.0,
        )
        if wait <= step:
            return (at - surge.start) / 60.0 + 60.0 * max(wait, 0.0)
        information += gain * step
        tickets += observed * step
        at = until
    return math.inf


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a log-uniform random number between two bounds."""
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))


def _area(world: World, rng: np.random.Generator, least: float = 0.0, most: float = 1e9) -> int:
    """Return a random area with a mean rate between two bounds; if there is none, the nearest."""
    matching = [area for area, rate in enumerate(world.rates) if least <= rate <= most]
    if matching:
        return matching[int(rng.integers(len(matching)))]
    return int(np.argmin(np.abs(np.log(world.rates / min(max(least, 1e-9), most)))))


def _step(multiple: float) -> Draw:
    def make(world: World, rng: np.random.Generator, start: float) -> tuple[Surge, float]:
        end = start + SECONDS_PER_HOUR * _between(rng, 0.5, 24.0)
        return Surge(start=start, end=end, multiple=multiple, area=_area(world, rng)), LINGER

    return make


def _busy(world: World, rng: np.random.Generator, start: float) -> tuple[Surge, float]:
    end = start + SECONDS_PER_HOUR * _between(rng, 1.0, 12.0)
    area = _area(world, rng, 20.0, 61.0)
    return Surge(start=start, end=end, multiple=_between(rng, 1.5, 3.0), area=area), LINGER


def _ramp(world: World, rng: np.random.Generator, start: float) -> tuple[Surge, float]:
    top = start + SECONDS_PER_DAY * rng.uniform(2.0, 4.0)
    area = _area(world, rng)
    surge = Surge(
        start=start, end=top + SECONDS_PER_DAY, multiple=3.0, area=area, growing_until=top
    )
    return surge, LINGER


def _night(world: World, rng: np.random.Generator, start: float) -> tuple[Surge, float]:
    """Draw a surge that starts in the night, with at least `NIGHT_CUSTOMERS` expected customers."""
    hour = int(start // SECONDS_PER_HOUR)
    while world.local(hour).hour >= 4:
        hour += 1
    start = (hour + rng.random()) * SECONDS_PER_HOUR
    end = start + SECONDS_PER_HOUR * _between(rng, 0.5, 4.0)
    area = _area(world, rng, 0.0, 10.0)
    expected = sum(
        float(world.means(h)[area])
        * (min(end, (h + 1) * SECONDS_PER_HOUR) - max(start, h * SECONDS_PER_HOUR))
        / SECONDS_PER_HOUR
        for h in range(int(start // SECONDS_PER_HOUR), int(end // SECONDS_PER_HOUR) + 1)
    )
    multiple = max(_between(rng, 5.0, 20.0), 1.0 + NIGHT_CUSTOMERS / expected)
    return Surge(start=start, end=end, multiple=multiple, area=area), LINGER


def _rare_issue(world: World, rng: np.random.Generator, start: float) -> tuple[Surge, float]:
    hour = int(start // SECONDS_PER_HOUR)
    issues = [
        (area, name, world.share(hour, area, "issue_type", name))
        for area, names in enumerate(world.issue_names)
        for name in names
        if world.rates[area] >= min(10.0, world.rates[-1])
    ]
    rare = [issue for issue in issues if 0.02 <= issue[2] <= 0.1]
    area, value, share = (rare or [min(issues, key=lambda issue: issue[2])])[
        int(rng.integers(len(rare) or 1))
    ]
    return _slice(rng, start, area, "issue_type", value, share, _between(rng, 4.0, 10.0))


def _new_issue(world: World, rng: np.random.Generator, start: float) -> tuple[Surge, float]:
    area = _area(world, rng, 2.0)
    name = f"new error {int(rng.integers(1_000_000))}"
    # With a multiple of 2, the surge adds the share once: healthy traffic has none of a new value.
    return _slice(rng, start, area, "issue_type", name, rng.uniform(0.05, 0.2), 2.0)


def _one_region(world: World, rng: np.random.Generator, start: float) -> tuple[Surge, float]:
    area, value = _area(world, rng, 1.0), REGIONS[int(rng.integers(len(REGIONS)))]
    share = world.share(int(start // SECONDS_PER_HOUR), area, "region", value)
    return _slice(rng, start, area, "region", value, share, _between(rng, 3.0, 6.0))


def _one_version(world: World, rng: np.random.Generator, start: float) -> tuple[Surge, float]:
    hour, area = int(start // SECONDS_PER_HOUR), _area(world, rng, 1.0)
    names = [
        name
        for name in world.versions(hour)
        if world.share(hour, area, "app_version", name) >= 0.03
    ]
    value = names[int(rng.integers(len(names)))]
    share = world.share(hour, area, "app_version", value)
    return _slice(rng, start, area, "app_version", value, share, _between(rng, 3.0, 6.0))


def _slice(
    rng: np.random.Generator,
    start: float,
    area: int,
    dimension: str,
    value: str,
    share: float,
    multiple: float,
) -> tuple[Surge, float]:
    return Surge(
        start=start,
        end=start + SECONDS_PER_HOUR * _between(rng, 1.0, 24.0),
        multiple=multiple,
        area=area,
        dimension=dimension,
        value=value,
        share=share,
    ), LINGER


def _platform(_: World, rng: np.random.Generator, start: float) -> tuple[Surge, float]:
    end = start + SECONDS_PER_HOUR * _between(rng, 1.0, 8.0)
    return Surge(start=start, end=end, multiple=_between(rng, 1.5, 4.0)), LINGER


def _level_shift(world: World, rng: np.random.Generator, start: float) -> tuple[Surge, float]:
    end = start + SHIFT_DEADLINE + SHIFT_AFTERMATH
    area = _area(world, rng)
    return Surge(start=start, end=end, multiple=_between(rng, 1.5, 2.5), area=area), 0.0


_KINDS: Final[dict[str, Draw]] = {
    "step x2": _step(2.0),
    "step x3": _step(3.0),
    "step x5": _step(5.0),
    "step x10": _step(10.0),
    "busy": _busy,
    "ramp": _ramp,
    "night": _night,
    "rare issue type": _rare_issue,
    "new issue type": _new_issue,
    "one region": _one_region,
    "one version": _one_version,
    "platform": _platform,
    "level shift": _level_shift,
}
KINDS: Final = tuple(_KINDS)
