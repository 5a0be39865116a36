"""The weekly profile and the context that all series of a tenant share."""

from array import array
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.foundation.calendar import SLOTS, Calendar
from detectors.foundation.local_days import Day, shapes_of
from detectors.foundation.state_codec import Floats

Row = npt.NDArray[np.float64]

SEASON_DECAY: Final = 0.5 ** (1 / 6)
"""Decay of seasonal counts per week: half-life six weeks."""
FADES: Final = np.array(
    [1.0 - (1.0 - SEASON_DECAY) / 5.0] * 24 + [1.0 - (1.0 - SEASON_DECAY) / 2.0] * 24
)
"""Decay of seasonal counts per day, for the hours of a weekday and of a weekend day."""
_WEEKS: Final = 1.0
"""Weeks after which an hour of the week has the same weight as the same hour of similar days."""
_DAYS: Final = 0.5
"""Days after which an hour of the day has the same weight as a constant rate."""


def zeros(length: int) -> Floats:
    """Return a compact array of zeros."""
    return array("f", bytes(4 * length))


def view(row: Floats) -> npt.NDArray[np.float32]:
    """Return a numpy array that shares the memory of a compact array."""
    return np.frombuffer(row, dtype=np.float32)


class Profile(msgspec.Struct, array_like=True, dict=True):
    """The hour-of-week profile of a tenant; its mean over a week is about 1.

    Each hour of the week is shrunk towards the same hour of all weekdays or weekend days, so that
    the second day of a tenant already has the shape of the first.
    """

    observed: Floats = msgspec.field(default_factory=lambda: zeros(SLOTS))
    expected: Floats = msgspec.field(default_factory=lambda: zeros(SLOTS))
    day_observed: Floats = msgspec.field(default_factory=lambda: zeros(0))
    """48 counts, for the hours of a weekday and of a weekend day; empty until `learn`."""
    day_expected: Floats = msgspec.field(default_factory=lambda: zeros(0))

    def __post_init__(self) -> None:
        """Derive the daily counts of a state that has none."""
        if not self.day_observed:
            shapes = shapes_of(np.arange(SLOTS))
            self.day_observed = _summed(self.observed, shapes)
            self.day_expected = _summed(self.expected, shapes)

    def at(self, slots: npt.NDArray[np.intp]) -> Row:
        """Return the factor of each hour of the week (0 to 167)."""
        shapes = shapes_of(slots)
        by_day = (view(self.day_observed)[shapes] + _DAYS) / (
            view(self.day_expected)[shapes].astype(np.float64) + _DAYS
        )
        factors: Row = (view(self.observed)[slots] + _WEEKS * by_day) / (
            view(self.expected)[slots] + _WEEKS
        )
        return factors

    def days_seen(self, shape: int) -> float:
        """Return the effective number of days from which an hour is known; see `Day.shapes`."""
        return self.day_expected[shape]

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
        shapes = shapes_of(slots)
        for by_week, by_day, learned in (
            (self.observed, self.day_observed, observed / expected),
            (self.expected, self.day_expected, np.ones(len(slots))),
        ):
            counts = view(by_week)
            counts[slots] = counts[slots] * SEASON_DECAY + learned
            counts = view(by_day)
            counts[shapes] = counts[shapes] * FADES[shapes] + learned


def _summed(counts: Floats, shapes: npt.NDArray[np.intp]) -> Floats:
    """Add up the counts of the hours of the week by the hour of similar days."""
    return array("f", np.bincount(shapes, view(counts), 48).astype(np.float32).tobytes())


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
