"""What the series of a tenant share: the weekly profile, and the calendar."""

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
"""Weekly decay of a season: half-life six weeks."""
_PROFILE: Final = 2.0


def zeros(length: int) -> Floats:
    """Return a compact array of *length* zeros."""
    return array("f", bytes(4 * length))


def view(row: Floats) -> npt.NDArray[np.float32]:
    """Return *row* as a numpy array that shares its memory."""
    return np.frombuffer(row, dtype=np.float32)


class Profile(msgspec.Struct, array_like=True, dict=True):
    """The hour-of-week profile of a tenant; its mean over a week is about 1."""

    observed: Floats = msgspec.field(default_factory=lambda: array("f", [_PROFILE] * SLOTS))
    expected: Floats = msgspec.field(default_factory=lambda: array("f", [_PROFILE] * SLOTS))

    def at(self, slots: npt.NDArray[np.intp]) -> Row:
        """Return the factors of the hours of the week *slots* (0 to 167), one for each."""
        factors: Row = view(self.observed)[slots] / view(self.expected)[slots].astype(np.float64)
        return factors

    def of_day(self, day: Day) -> list[float]:
        """Return the factors of a whole day; cached, because all areas need them."""
        kept: dict[int, list[float]] = self.__dict__.setdefault("days", {})
        if day.start not in kept:
            kept[day.start] = self.at(day.slots).tolist()
        return kept[day.start]

    def learn(self, slots: npt.NDArray[np.intp], observed: Row, expected: float) -> None:
        """Learn the hours *slots*: *observed* tickets where the level expected *expected*."""
        self.__dict__.pop("days", None)
        mine = view(self.observed)
        mine[slots] = mine[slots] * SEASON_DECAY + observed / expected
        mine = view(self.expected)
        mine[slots] = mine[slots] * SEASON_DECAY + 1.0


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a baseline knows of its tenant."""

    calendar: Calendar = Calendar()
    profile: Profile
    area: str = ""
    """The area, for announced events; empty: the tenant's own series."""
    tenant_born: int
    """The tenant's first hour."""
    teaches: bool = False
    """Whether this is the tenant's own baseline, which learns the profile."""


def zone(context: Context) -> tuple[str, str, str]:
    """Return time zone, country and subdivision, which determine local days."""
    calendar = context.calendar
    return calendar.timezone, calendar.country, calendar.subdivision
