"""Lengths of time in seconds and hours."""

from typing import Final

SECONDS_PER_MINUTE: Final = 60.0
SECONDS_PER_HOUR: Final = 3_600.0
SECONDS_PER_DAY: Final = 86_400.0
SECONDS_PER_WEEK: Final = 604_800.0
HOURS_PER_DAY: Final = 24
HOURS_PER_WEEK: Final = 168
