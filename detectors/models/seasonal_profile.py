"""The weekly profile and the context that all series of a tenant share."""

from array import array
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.foundation.calendar import SLOTS, Calendar
from detectors.foundation.local_days import Day
from detectors.foundation.state_codec import Floats

Row = npt.NDArray[np.float64]

SEASON_DECAY: Final = 0.5 ** (1 / 6)
"""Decay of seasonal counts per week: half-life six weeks."""
_PROFILE: Final = 2.0


def zeros(length: int) -> Floats:
    """Return a compact array of zeros."""
    return array("f", bytes(4 * length))


def view(row: Floats) -> npt.NDArray[np.float32]:
    """Return a numpy array that shares the memory of a compact array."""
    return np.frombuffer(row, dtype=np.float32)


class Profile(msgspec.Struct, array_like=True, dict=True):
    """The hour-of-week profile of a tenant; its mean over a week is about 1."""

    observed: Floats = msgspec.field(default_factory=lambda: array("f", [_PROFILE] * SLOTS))
    expected: Floats = msgspec.field(default_factory=lambda: array("f", [_PROFILE] * SLOTS))

    def at(self, slots: npt.NDArray[np.intp]) -> Row:
        """Return the factor of each hour of the week (0 to 167)."""
        factors: Row = view(self.observed)[slots] / view(self.expected)[slots].astype(np.float64)
        return factors

    def of_day(self, day: Day) -> list[float]:
        """Return the factors of a whole day; they are cached because all areas need them."""
        cache: dict[int, list[float]] = self.__dict__.setdefault("days", {})
        if day.start not in cache:
            cache[day.start] = self.at(day.slots).tolist()
        return cache[day.start]

    def learn(self, slots: npt.NDArray[np.intp], observed: Row, expected: float) -> None:
        """Learn from the observed counts of some hours.

        Args:
            slots: Hours of the week, 0 to 167.
            observed: Observed customer-equivalents of each hour.
            expected: Customer-equivalents per hour that the level alone expects.
        """
        self.__dict__.pop("days", None)
        counts = view(self.observed)
        counts[slots] = counts[slots] * SEASON_DECAY + observed / expected
        counts = view(self.expected)
        counts[slots] = counts[slots] * SEASON_DECAY + 1.0


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """The data of a tenant that the models of its series use."""

    calendar: Calendar = Calendar()
    profile: Profile
    area: str = ""
    """The area, for announced events; empty: the tenant's own series."""
    tenant_born: int
    """The tenant's first hour, hours since 1970."""
    teaches: bool = False
    """Whether this is the context of the tenant's own series, which learns the profile."""


def zone(context: Context) -> tuple[str, str, str]:
    """Return the time zone, country and subdivision, which determine local days."""
    calendar = context.calendar
    return calendar.timezone, calendar.country, calendar.subdivision
