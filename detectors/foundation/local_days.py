"""Local days: the blocks in which a baseline learns and predicts."""

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.foundation.calendar import SATURDAY, day_slots

Indices = npt.NDArray[np.intp]
_SUNDAY: Final = 144


class Day:
    """One local day, 23 to 25 hours long.

    Where clocks go back at midnight, the day is split in two. Hours are counted from 1970 UTC.
    """

    def __init__(self, start: int, local: list[int], slots: list[int]) -> None:
        """Make a local day.

        Args:
            start: First hour of the day.
            local: Hour of the week of each hour.
            slots: The same hours of the week, except that a holiday counts as the last day of the
                weekend.
        """
        self.start = start
        self.end = start + len(slots)
        """The first hour of the next day."""
        self.slots: Indices = np.array(slots, dtype=np.intp)
        """The hour of the week (0 to 167) of each hour."""
        self.shapes = shapes_of(self.slots)
        """The hour of the day (0 to 23) of each hour, plus 24 at weekends."""
        self.holiday = local != slots


def shapes_of(slots: Indices) -> Indices:
    """Return the hour of the day (0 to 23) of hours of the week, plus 24 at weekends."""
    shapes: Indices = slots % 24 + 24 * (slots >= SATURDAY)
    return shapes


def day_of(hour: int, timezone: str, country: str = "", subdivision: str = "") -> Day:
    """Return the local day of an hour.

    Example:
        >>> day = day_of(20, "Europe/Berlin")  # 21:00 on 1 January 1970, a Thursday
        >>> day.start, day.end, int(day.slots[0])
        (-1, 23, 72)
    """
    return _day(_start(hour, timezone), timezone, country, subdivision)


@lru_cache(maxsize=262_144)
def _start(hour: int, timezone: str) -> int:
    """Return the first hour of the local day, at most 25 hours back."""
    local_hour = _local_hour(hour, timezone)
    while (before := _local_hour(hour - 1, timezone)) < local_hour or (
        before == local_hour and before != 0
    ):
        hour, local_hour = hour - 1, before
    return hour


@lru_cache(maxsize=8_192)
def _day(start: int, timezone: str, country: str, subdivision: str) -> Day:
    end = start + 1
    while _start(end, timezone) == start:
        end += 1
    hours = range(start, end)
    return Day(
        start,
        [_slot(hour, timezone, "", "") for hour in hours],
        [_slot(hour, timezone, country, subdivision) for hour in hours],
    )


def _local_hour(hour: int, timezone: str) -> int:
    return _slot(hour, timezone, "", "") % 24


def _slot(hour: int, timezone: str, country: str, subdivision: str) -> int:
    return day_slots(hour // 24, timezone, country, subdivision)[hour % 24]
