"""What the series of a tenant share: the shape of its week, and what is known of its days."""

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
"""Of what a season rests on, a week: half-life six weeks."""
_PROFILE: Final = 2.0


def zeros(length: int) -> Floats:
    """A compact row of zeros."""
    return array("f", bytes(4 * length))


def view(row: Floats) -> npt.NDArray[np.float32]:
    """*row* as an array that shares its memory."""
    return np.frombuffer(row, dtype=np.float32)


class Profile(msgspec.Struct, array_like=True, dict=True):
    """Hour-of-week shape of a whole tenant: what its areas share. Mean 1 over a week, roughly."""

    observed: Floats = msgspec.field(default_factory=lambda: array("f", [_PROFILE] * SLOTS))
    expected: Floats = msgspec.field(default_factory=lambda: array("f", [_PROFILE] * SLOTS))

    def at(self, slots: npt.NDArray[np.intp]) -> Row:
        """Factors of the hours of week *slots*."""
        factors: Row = view(self.observed)[slots] / view(self.expected)[slots].astype(np.float64)
        return factors

    def of_day(self, day: Day) -> list[float]:
        """The same of a whole day; kept until something is learned, since all areas ask for it."""
        kept: dict[int, list[float]] = self.__dict__.setdefault("days", {})
        if day.start not in kept:
            kept[day.start] = self.at(day.slots).tolist()
        return kept[day.start]

    def learn(self, slots: npt.NDArray[np.intp], observed: Row, expected: float) -> None:
        """The hours *slots* are over: *came* tickets where the level alone said *due*."""
        self.__dict__.pop("days", None)
        mine = view(self.observed)
        mine[slots] = mine[slots] * SEASON_DECAY + observed / expected
        mine = view(self.expected)
        mine[slots] = mine[slots] * SEASON_DECAY + 1.0


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a baseline is told about the world around its series."""

    calendar: Calendar = Calendar()
    profile: Profile
    area: str = ""
    """For announced events; empty: the tenant as a whole."""
    tenant_born: int
    """The tenant's first hour."""
    teaches: bool = False
    """Whether this is the tenant's own baseline, which makes the profile."""


def zone(context: Context) -> tuple[str, str, str]:
    """Whose days: time zone, country, subdivision."""
    calendar = context.calendar
    return calendar.timezone, calendar.country, calendar.subdivision
