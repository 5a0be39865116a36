"""The tickets of a simulated company, hour by hour: healthy traffic and surges."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.evaluation.synthetic.company import (
    CHANNELS,
    DIMENSIONS,
    MOST_ISSUE_TYPES,
    REGIONS,
    Numbers,
    World,
)
from detectors.foundation.units import SECONDS_PER_HOUR
from schemas.signals import Mode, Ticket

CLUMP_MEAN: Final = 2.5
"""Mean number of tickets that follow the first ticket of a clump."""


@dataclass(frozen=True, kw_only=True)
class Surge:
    """Additional tickets in an area, in a slice of it, or in all areas."""

    start: float
    """Seconds since 1970."""
    end: float
    multiple: float
    """Rate during the surge as a multiple of the usual rate of the area or slice."""
    area: int | None = None
    """Index of the area; None: all areas."""
    growing_until: float | None = None
    """When a surge that grows linearly from 1 reaches its multiple, seconds since 1970; None: it
    has the full multiple from the start."""
    dimension: str | None = None
    value: str | None = None
    share: float = 1.0
    """Share of the slice in the rate of the area; for a new value, the share to which the multiple
    applies."""

    def multiple_at(self, at: float) -> float:
        """Return the multiple of the expected rate at a time, in seconds since 1970."""
        if not self.start <= at < self.end:
            return 1.0
        if self.growing_until is None or at >= self.growing_until:
            return self.multiple
        progress = (at - self.start) / (self.growing_until - self.start)
        return 1.0 + (self.multiple - 1.0) * progress


class _Batch:
    """Tickets in columns: indices of areas and customers, times as fractions of the hour."""

    def __init__(
        self,
        areas: NDArray[np.int64],
        at: Numbers,
        customers: NDArray[np.int64],
        forced: tuple[str, str] | None = None,
    ) -> None:
        self.areas, self.at, self.customers, self.forced = areas, at, customers, forced


class Feed:
    """One random continuation of the tickets of a simulated company.

    Example:
        >>> from detectors.evaluation.synthetic.company import Spec, World
        >>> world = World(Spec(country=""))
        >>> first = Feed(world, [1]).hour(world.spec.first_hour + 10)
        >>> first == Feed(world, [1]).hour(world.spec.first_hour + 10)
        True
        >>> first == Feed(world, [2]).hour(world.spec.first_hour + 10)
        False
    """

    def __init__(
        self, world: World, key: Sequence[int], tenant: str = "acme", mode: Mode = "simulated"
    ) -> None:
        """Start without tickets.

        Args:
            world: The company.
            key: Numbers that are part of the seed and the prefix of the ticket ids.
            tenant: The tenant of the tickets.
            mode: The mode of the tickets.
        """
        self.world = world
        self.tenant = tenant
        self.mode: Mode = mode
        self._rng = np.random.default_rng([world.spec.seed, 2, *key])
        self._prefix = "-".join(map(str, key)) + "-"
        self._number = 0
        noise = np.maximum(world.hour_noise, 1e-9)
        self._noise_shapes, self._noise_scales = 1.0 / noise, noise
        spec = world.spec
        self._thinned = 1.0 / (1.0 + spec.clumps * CLUMP_MEAN)
        self._issues = np.array(
            [names + [""] * (MOST_ISSUE_TYPES - len(names)) for names in world.issue_names],
            dtype=object,
        )
        self._areas = np.array(world.names, dtype=object)
        self._customers = np.array(world.customer_names, dtype=object)

    def hour(
        self, hour: int, surges: Sequence[Surge] = (), scale: float | Numbers = 1.0
    ) -> list[Ticket]:
        """Return all tickets of an hour, the oldest first.

        Args:
            hour: Hours since 1970. Call this once per hour, in order.
            surges: Surges to add; surges outside the hour are ignored.
            scale: Factor of the healthy rate, or one factor per area.
        """
        world, rng = self.world, self._rng
        expected = world.means(hour) * world.day_factors(hour) * scale
        expected = expected * rng.gamma(self._noise_shapes, self._noise_scales)
        batches = [self._healthy(expected)]
        for surge in surges:
            batches += self._surge(hour, expected, surge)
        areas = np.concatenate([batch.areas for batch in batches])
        if not len(areas):
            return []
        at = np.concatenate([batch.at for batch in batches])
        customers = np.concatenate([batch.customers for batch in batches])
        columns = self._values(hour, areas)
        begin = 0
        for batch in batches:
            end = begin + len(batch.areas)
            if batch.forced is not None:
                dimension, value = batch.forced
                columns[DIMENSIONS.index(dimension)][begin:end] = value
            begin = end
        order = np.argsort(at, kind="stable")
        times = np.round(hour * SECONDS_PER_HOUR + at[order] * SECONDS_PER_HOUR, 3)
        tenant, mode, prefix, first = self.tenant, self.mode, self._prefix, self._number
        self._number += len(order)
        return [
            Ticket(
                tenant,
                f"{prefix}{number}",
                time,
                area,
                "created",
                None,
                None,
                customer,
                "customer",
                "",
                mode,
                issue,
                region,
                version,
                channel,
            )
            for number, time, area, customer, issue, region, version, channel in zip(
                range(first, first + len(order)),
                times.tolist(),
                self._areas[areas[order]].tolist(),
                self._customers[customers[order]].tolist(),
                *(column[order].tolist() for column in columns),
                strict=True,
            )
        ]

    def _healthy(self, expected: Numbers) -> _Batch:
        rng, world = self._rng, self.world
        areas = np.repeat(np.arange(len(expected)), rng.poisson(expected * self._thinned))
        at = rng.random(len(areas))
        customers = self._busy(len(areas))
        if world.spec.clumps and len(areas):
            starts = np.flatnonzero(rng.random(len(areas)) < world.spec.clumps)
            if len(starts):
                again = np.repeat(starts, rng.integers(1, 5, len(starts)))
                later = at[again] + rng.random(len(again)) * (1.0 - at[again])
                areas = np.concatenate([areas, areas[again]])
                at = np.concatenate([at, later])
                customers = np.concatenate([customers, customers[again]])
        return _Batch(areas, at, customers)

    def _surge(self, hour: int, expected: Numbers, surge: Surge) -> list[_Batch]:
        """Return the tickets of a surge; all customers are equally likely."""
        begin = max(surge.start / SECONDS_PER_HOUR - hour, 0.0)
        end = min(surge.end / SECONDS_PER_HOUR - hour, 1.0)
        if begin >= end:
            return []
        rng = self._rng
        middle = (hour + 0.5 * (begin + end)) * SECONDS_PER_HOUR
        extra = (surge.multiple_at(middle) - 1.0) * surge.share * (end - begin)
        affected = range(len(expected)) if surge.area is None else (surge.area,)
        counts = [int(rng.poisson(expected[area] * extra)) for area in affected]
        areas = np.repeat(np.array(affected, dtype=np.int64), counts)
        at = begin + rng.random(len(areas)) * (end - begin)
        customers = rng.integers(0, self.world.spec.customers, len(areas))
        forced = None
        if surge.dimension is not None and surge.value is not None:
            forced = surge.dimension, surge.value
        return [_Batch(areas, at, customers, forced)]

    def _busy(self, count: int) -> NDArray[np.int64]:
        return np.searchsorted(self.world.customer_shares, self._rng.random(count))

    def _values(self, hour: int, areas: NDArray[np.int64]) -> list[NDArray[np.object_]]:
        """Return the value of each ticket in each dimension, given noisy shares."""
        rng, noise = self._rng, self.world.spec.slice_noise
        versions = np.array(self.world.versions(hour), dtype=object)
        columns: list[NDArray[np.object_]] = []
        for dimension, shares in zip(DIMENSIONS, self.world.shares(hour), strict=True):
            if noise:
                shares = shares * rng.gamma(1.0 / noise, noise, shares.shape)
            sums = np.cumsum(shares, axis=1)
            drawn = rng.random(len(areas)) * sums[areas, -1]
            indices = (sums[areas] <= drawn[:, None]).sum(axis=1)
            if dimension == "issue_type":
                columns.append(self._issues[areas, indices])
            elif dimension == "app_version":
                columns.append(versions[indices])
            else:
                names = REGIONS if dimension == "region" else CHANNELS
                columns.append(np.array(names, dtype=object)[indices])
        return columns
