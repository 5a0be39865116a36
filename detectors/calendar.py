"""Local hours of the week: which of 168 slots an hour of event time falls into."""

from datetime import datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

SLOTS: Final = 168
"""Hours of a week; slot 0 is Monday, 0:00 to 1:00 local time."""
SATURDAY: Final = 120
"""The first slot of the weekend."""


@lru_cache(maxsize=65_536)
def hour_of_week(hour: int, timezone: str) -> int:
    """The slot of the hour that begins *hour* hours after 1970 UTC, in local time.

    Daylight saving is followed: the hour that is skipped has no slot, the one that is repeated has
    the same twice.

    Example:
        >>> hour_of_week(0, "UTC")  # 1970 began on a Thursday
        72
        >>> hour_of_week(0, "Asia/Tokyo")
        81
    """
    local = datetime.fromtimestamp(hour * 3600, ZoneInfo(timezone))
    return local.weekday() * 24 + local.hour
