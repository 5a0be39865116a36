"""A simulated company: the ticket rates of its areas, and the shares of values in their tickets.

Everything here depends only on the seed and the hour. Two continuations of the same history, one
healthy and one with an incident, therefore have the same seasonality, daily noise, releases and
shares; they differ only by chance within the hour.
"""

import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib import import_module
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from detectors.foundation.units import HOURS_PER_WEEK, SECONDS_PER_HOUR

Numbers = NDArray[np.float64]

FIRST_MONDAY: Final = 491_999
"""Hours from 1970 to Sunday, 15 February 2026, 23:00 UTC, when a Monday begins in Berlin."""
VERSIONS_IN_USE: Final = 4
DIMENSIONS: Final = ("issue_type", "region", "app_version", "channel")
REGIONS: Final = ("eu", "us", "apac", "latam")
CHANNELS: Final = ("web", "email", "chat", "phone")
MOST_ISSUE_TYPES: Final = 8


@dataclass(frozen=True, kw_only=True)
class Spec:
    """The parameters of a company.

    Rates are in tickets per hour. Noise is given as the variance of a factor with mean 1. The
    defaults are meant to be realistic and not to favour any detector.
    """

    seed: int = 1
    areas: int = 12
    lowest_rate: float = 0.1
    highest_rate: float = 60.0
    """The rates of the areas are log-spaced between the lowest and the highest rate."""
    timezone: str = "Europe/Berlin"
    country: str = "DE"
    """ISO 3166 code of the country whose public holidays have Sunday traffic. Empty: no holidays.
    """
    tenant_day_noise: float = 0.015
    area_day_noise: float = 0.01
    hour_noise: float = 0.04
    """Median hourly noise of the areas; it ranges from almost 0 to `most_hour_noise`."""
    most_hour_noise: float = 0.1
    slice_noise: float = 0.03
    """Noise of the share of each value, both per hour and per day."""
    region_swing: float = 0.2
    """Amplitude of each region's share over the day, because time zones differ."""
    trend_a_week: float = 0.02
    """The weekly drift of each area is uniform between minus and plus this value."""
    growing_areas: int = 1
    growth_a_week: float = 0.05
    release_every_weeks: float = 3.0
    """Mean time between releases. After each, a quarter of the areas get 1.3 to 1.8 times as many
    tickets for 3 to 8 hours."""
    quiet_week_every: float = 15.0
    """Mean time between quiet weeks, in weeks."""
    quiet_level: float = 0.6
    """Factor of a quiet week."""
    after_holiday: float = 1.1
    """Factor of the day after a holiday, in office areas."""
    version_every_weeks: float = 5.0
    customers: int = 4_000
    clumps: float = 0.03
    """Share of tickets whose customer sends one to four more within the hour."""
    weeks: int = 60
    """Number of weeks for which releases, versions and quiet weeks are planned."""
    first_week: int | None = None
    """Weeks from `FIRST_MONDAY` to the Monday on which the history begins; None: derived from the
    seed."""

    @property
    def first_hour(self) -> int:
        """The first hour of the history, hours since 1970."""
        week = self.seed * 11 % 52 if self.first_week is None else self.first_week
        return FIRST_MONDAY + HOURS_PER_WEEK * week


class World:
    """The company that a `Spec` describes.

    Example:
        >>> world = World(Spec(seed=1, country=""))
        >>> hour = world.spec.first_hour + 34  # Tuesday, 10 o'clock
        >>> bool(world.means(hour).sum() > world.means(hour - 8).sum())
        True
    """

    def __init__(self, spec: Spec) -> None:
        """Draw all constants, and plan the releases, versions and quiet weeks."""
        self.spec = spec
        rng = np.random.default_rng([spec.seed, 0])
        count = spec.areas
        self.rates: Numbers = np.geomspace(spec.lowest_rate, spec.highest_rate, count)
        self.names = [f"area {number:02d}" for number in range(count)]
        self.office = rng.uniform(0.0, 1.0, count)
        """Weight of office hours on workdays for each area: 1 for business customers, 0 for
        consumers, who are also active in the evening and at weekends."""
        self._shapes = np.array([_shape(rng, office) for office in self.office])
        spread = math.log(spec.most_hour_noise / spec.hour_noise) if spec.hour_noise else 0.0
        self.hour_noise: Numbers = np.minimum(
            spec.hour_noise * np.exp(rng.normal(0.0, max(spread, 0.0), count)), spec.most_hour_noise
        )
        self._trends = rng.uniform(-spec.trend_a_week, spec.trend_a_week, count)
        growing = rng.choice(count, min(spec.growing_areas, count), replace=False)
        self._trends[growing] = spec.growth_a_week
        self._zone = ZoneInfo(spec.timezone)
        self._plan(rng)
        self._means: dict[int, Numbers] = {}
        self._days: dict[int, tuple[Numbers, list[Numbers]]] = {}
        self._issue_shares, self.issue_names = _issues(rng, self.names)
        self._channel_shares = _dirichlet(rng, (0.5, 0.25, 0.2, 0.05), count)
        self._region_shares = _dirichlet(rng, (0.45, 0.3, 0.15, 0.1), count)
        ranks = 1.0 / (np.arange(spec.customers) + 10.0)
        self.customer_shares: Numbers = np.cumsum(ranks / ranks.sum())
        self.customer_names = [f"customer {number}" for number in range(spec.customers)]

    def local(self, hour: int) -> datetime:
        """Return the local time at which an hour (counted from 1970) begins."""
        return datetime.fromtimestamp(hour * SECONDS_PER_HOUR, self._zone)

    def means(self, hour: int) -> Numbers:
        """Return the expected tickets of an hour by area, without noise; read-only."""
        means = self._means.get(hour)
        if means is None:
            means = self._means[hour] = self._compute(hour)
        return means

    def day_factors(self, hour: int) -> Numbers:
        """Return the noise factor of the local day, by area."""
        return self._day(hour)[0]

    def shares(self, hour: int) -> list[Numbers]:
        """Return, by dimension, the share of each value (column) in each area (row).

        The shares include daily noise, so that rows need not sum to 1.
        """
        local = self.local(hour)
        angle = 2.0 * math.pi * (local.hour + local.minute / 60.0) / 24.0
        phases = np.array([0.0, 1.6, -2.2, 1.9]) + math.pi * 13.0 / 12.0
        swing = 1.0 + self.spec.region_swing * np.cos(angle - phases)
        plain = [
            self._issue_shares,
            self._region_shares * swing,
            np.tile(self._version_shares(hour), (self.spec.areas, 1)),
            self._channel_shares,
        ]
        return [share * noise for share, noise in zip(plain, self._day(hour)[1], strict=True)]

    def share(self, hour: int, area: int, dimension: str, value: str) -> float:
        """Return the share of one value, without noise and daily variation."""
        if dimension == "issue_type":
            names = self.issue_names[area]
            return float(self._issue_shares[area][names.index(value)]) if value in names else 0.0
        if dimension == "region":
            return float(self._region_shares[area][REGIONS.index(value)])
        if dimension == "channel":
            return float(self._channel_shares[area][CHANNELS.index(value)])
        versions = self.versions(hour)
        if value not in versions:
            return 0.0
        return float(self._version_shares(hour)[versions.index(value)])

    def versions(self, hour: int) -> list[str]:
        """Return the names of the four versions in use, the newest last."""
        newest = self._newest(hour)
        return [f"4.{newest - VERSIONS_IN_USE + 1 + index}.0" for index in range(VERSIONS_IN_USE)]

    def is_holiday(self, day: date) -> bool:
        """Return whether a day is a public holiday of the country."""
        return day in self._holidays

    def _compute(self, hour: int) -> Numbers:
        spec = self.spec
        local = self.local(hour)
        day = local.date()
        slot = local.weekday() * 24 + local.hour
        holiday = day in self._holidays
        if holiday:
            slot = 144 + local.hour
        weeks = (hour - spec.first_hour) / HOURS_PER_WEEK
        expected: Numbers = self.rates * self._shapes[:, slot] * np.exp(self._trends * weeks)
        if not holiday and day - timedelta(days=1) in self._holidays:
            expected = expected * (1.0 + (spec.after_holiday - 1.0) * self.office)
        if int(weeks // 1) in self._quiet:
            expected = expected * spec.quiet_level
        for begin, end, factors in self._releases:
            if begin <= hour < end:
                expected = expected * factors
        return expected

    def _day(self, hour: int) -> tuple[Numbers, list[Numbers]]:
        ordinal = self.local(hour).toordinal()
        noise = self._days.get(ordinal)
        if noise is None:
            spec = self.spec
            rng = np.random.default_rng([spec.seed, 1, ordinal])
            level = gamma(rng, spec.tenant_day_noise, 1) * gamma(
                rng, spec.area_day_noise, spec.areas
            )
            widths = (MOST_ISSUE_TYPES, len(REGIONS), VERSIONS_IN_USE, len(CHANNELS))
            mixes = [gamma(rng, spec.slice_noise, (spec.areas, width)) for width in widths]
            noise = self._days[ordinal] = level, mixes
        return noise

    def _plan(self, rng: np.random.Generator) -> None:
        """Draw the releases, versions, quiet weeks and holidays of all weeks."""
        spec = self.spec
        self._releases: list[tuple[int, int, Numbers]] = []
        self._quiet: set[int] = set()
        for week in range(spec.weeks):
            if spec.quiet_week_every and rng.random() < 1.0 / spec.quiet_week_every:
                self._quiet.add(week)
            if spec.release_every_weeks and rng.random() < 1.0 / spec.release_every_weeks:
                day, hour = int(rng.integers(1, 4)), int(rng.integers(8, 15))
                begin = spec.first_hour + week * HOURS_PER_WEEK + day * 24 + hour
                hit = rng.random(spec.areas) < 0.25
                factors = np.where(hit, rng.uniform(1.3, 1.8, spec.areas), 1.0)
                self._releases.append((begin, begin + int(rng.integers(3, 9)), factors))
        self._version_hours: list[int] = []
        at = spec.first_hour - 4.5 * spec.version_every_weeks * HOURS_PER_WEEK
        while at < spec.first_hour + spec.weeks * HOURS_PER_WEEK:
            self._version_hours.append(int(at))
            at += spec.version_every_weeks * HOURS_PER_WEEK * float(rng.uniform(0.7, 1.3))
        self._holidays: set[date] = set()
        if spec.country:
            first = self.local(spec.first_hour).year
            calendar = import_module("holidays")  # slow; only worlds with a country need it
            self._holidays = set(
                calendar.country_holidays(spec.country, years=range(first, first + 3))
            )

    def _newest(self, hour: int) -> int:
        return max(sum(begin <= hour for begin in self._version_hours) - 1, VERSIONS_IN_USE - 1)

    def _version_shares(self, hour: int) -> Numbers:
        """Return the shares of the versions; a new version reaches three quarters in a week."""
        remaining, shares = 1.0, []
        newest = self._newest(hour)
        for index in range(VERSIONS_IN_USE - 1):
            weeks = (hour - self._version_hours[newest - index]) / HOURS_PER_WEEK
            adopted = 0.75 * min(1.0, max(0.0, weeks) + 0.02)
            shares.append(remaining * adopted)
            remaining *= 1.0 - adopted
        return np.array([remaining, *reversed(shares)])


def gamma(rng: np.random.Generator, variance: float, size: int | tuple[int, ...]) -> Numbers:
    """Return random factors with mean 1 and the given variance; all are 1 if it is 0."""
    if variance <= 0.0:
        return np.ones(size)
    return rng.gamma(1.0 / variance, variance, size)


def _shape(rng: np.random.Generator, office: float) -> Numbers:
    """Return factors with mean 1 for the 168 local hours of the week, with random variation."""
    hours = np.arange(24)
    work = 0.06 + np.exp(-0.5 * ((hours - 12.5) / 3.2) ** 2)
    leisure = 0.2 + 0.6 * np.exp(-0.5 * ((hours - 11.5) / 3.5) ** 2)
    leisure += 0.7 * np.exp(-0.5 * ((hours - 20.0) / 2.5) ** 2)
    day = office * work / work.mean() + (1.0 - office) * leisure / leisure.mean()
    day = day * np.exp(np.convolve(rng.normal(0.0, 0.15, 26), [0.25, 0.5, 0.25], "valid"))
    weekend = 0.25 * office + 1.0 * (1.0 - office)
    levels = np.array([1.15, 1.05, 1.0, 1.0, 0.9, weekend, weekend * 0.85])
    levels = levels * np.exp(rng.normal(0.0, 0.05, 7))
    week = np.concatenate([level * day for level in levels])
    return np.asarray(week / week.mean(), dtype=np.float64)


def _issues(rng: np.random.Generator, areas: list[str]) -> tuple[Numbers, list[list[str]]]:
    """Return the Zipf-like shares and the names of four to eight issue types per area."""
    shares = np.zeros((len(areas), MOST_ISSUE_TYPES))
    names = []
    for row, area in enumerate(areas):
        count = int(rng.integers(4, MOST_ISSUE_TYPES + 1))
        ranks = 1.0 / np.arange(1, count + 1) * np.exp(rng.normal(0.0, 0.15, count))
        shares[row, :count] = ranks / ranks.sum()
        names.append([f"{area} issue {number}" for number in range(count)])
    return shares, names


def _dirichlet(rng: np.random.Generator, shares: tuple[float, ...], areas: int) -> Numbers:
    return rng.dirichlet(30.0 * np.array(shares), areas)
