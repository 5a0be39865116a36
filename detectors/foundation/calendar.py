"""Local time: hours of the week, public holidays, announced events, the resolution of timestamps.

The functions are pure. Their results depend only on the arguments and on the installed time zone
and holiday data.
"""

import math
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

SLOTS: Final = 168
"""Hours of a week; slot 0 is Monday, 0:00 to 1:00 local time."""
SATURDAY: Final = 120
"""The first slot of the weekend."""

_HOUR: Final = 3600
_DAY: Final = 86_400
_QUARTER: Final = 900
"""Since 1973 every offset from UTC has been a multiple of this many seconds (IANA tz database)."""
_SUNDAY: Final = 6
_TOUCHED: Final = math.nextafter(1.0, 2.0)
"""Replaces a factor of exactly 1, so that an hour with an event differs from an hour without."""


class Event(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """An announced event that changes the number of tickets: a release, a campaign, a migration.

    During the event, the expected rate is multiplied by `factor`, and nothing is learned.
    """

    name: str
    start: float
    """Seconds since 1970."""
    end: float
    """Seconds since 1970, exclusive."""
    factor: float = 2.0
    areas: tuple[str, ...] = ()
    """The affected areas; empty: all."""


class Calendar(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """The time zone, public holidays and announced events of a tenant.

    Example:
        >>> Calendar(country="DE").slots(20_089)[12]  # New Year's Day of 2025, a Wednesday
        156
    """

    timezone: str = "UTC"
    """IANA name."""
    country: str = ""
    """ISO 3166 code; empty: no public holidays."""
    subdivision: str = ""
    """Code of a state or province of `country`; empty: the whole country."""
    events: tuple[Event, ...] = ()

    def slots(self, day: int) -> tuple[int, ...]:
        """Return the slots of the hours of a day; see `day_slots`."""
        return day_slots(day, self.timezone, self.country, self.subdivision)

    def factors(self, day: int, area: str) -> tuple[float, ...] | None:
        """Return the factors of the events on a day; see `day_factors`."""
        return day_factors(day, self.events, area)

    def is_masked(self, hour: int, area: str) -> bool:
        """Return whether an hour of an area is excluded from learning; see `is_masked`."""
        return is_masked(hour, self.events, area)


@lru_cache(maxsize=65_536)
def hour_of_week(hour: int, timezone: str) -> int:
    """Return the local hour of the week, 0 to 167, of an hour counted from 1970 UTC.

    With daylight saving time, the slot of a skipped hour does not occur in that week, and the slot
    of a repeated hour occurs twice.

    Example:
        >>> hour_of_week(0, "UTC")  # 1970 began on a Thursday
        72
        >>> hour_of_week(0, "Asia/Tokyo")
        81
    """
    local = datetime.fromtimestamp(hour * _HOUR, ZoneInfo(timezone))
    return local.weekday() * 24 + local.hour


@lru_cache(maxsize=16_384)
def day_slots(day: int, timezone: str, country: str = "", subdivision: str = "") -> tuple[int, ...]:
    """Return the slots of the 24 hours of a UTC day; public holidays count as days of rest.

    If the local date of an hour is a public holiday on a weekday, the hour has the slot of the same
    local hour on the last day of the weekend: Sunday nearly everywhere, Saturday where the weekend
    is Friday and Saturday. The holidays come from the package `holidays`. They include substitute
    days, but no bank or school holidays.

    Args:
        day: Days since 1970, UTC.
        timezone: IANA name.
        country: ISO 3166 code that the package `holidays` supports; empty: no holidays.
        subdivision: Code of a state or province in that package; empty: national holidays only.

    Example:
        >>> day_slots(20_089, "UTC")[:3]  # 1 January 2025, a Wednesday
        (48, 49, 50)
        >>> day_slots(20_089, "UTC", "DE")[:3]
        (144, 145, 146)
        >>> day_slots(20_089, "Asia/Tokyo", "JP")[14:17]  # where 2 January begins at 15:00 UTC
        (167, 72, 73)
    """
    if not country:
        return tuple(hour_of_week(hour, timezone) for hour in range(day * 24, day * 24 + 24))
    zone = ZoneInfo(timezone)
    slots = []
    for hour in range(day * 24, day * 24 + 24):
        local = datetime.fromtimestamp(hour * _HOUR, zone)
        rest = _rest_days(country, subdivision, local.year).get(local.date())
        slots.append((local.weekday() if rest is None else rest) * 24 + local.hour)
    return tuple(slots)


@lru_cache(maxsize=1024)
def _rest_days(country: str, subdivision: str, year: int) -> dict[date, int]:
    """Return the weekday holidays of a year, each with the day of the week that it counts as."""
    from holidays import country_holidays  # noqa: PLC0415  (0.2 s; most runs do not need it)

    # With expand=True, the object would add further years whenever it is asked about their days.
    country_days = country_holidays(country, subdiv=subdivision or None, years=year, expand=False)
    rest_days = {}
    for holiday in country_days:
        if holiday.year == year and not country_days.is_weekend(holiday):
            monday = holiday - timedelta(days=holiday.weekday())
            week = [
                day for day in range(7) if country_days.is_weekend(monday + timedelta(days=day))
            ]
            rest_days[holiday] = max(week, default=_SUNDAY)
    return rest_days


def day_factors(day: int, events: tuple[Event, ...], area: str) -> tuple[float, ...] | None:
    """Return the factors of announced events for the 24 hours of a UTC day.

    The factor of an event is weighted by the share of the hour that the event covers; the factors
    of several events are multiplied. The factor of an hour with an event is never exactly 1, and
    that of any other hour is always exactly 1.

    Args:
        day: Days since 1970, UTC.
        events: All announced events.
        area: The name as `schemas.codec.area_name` returns it; empty for the tenant as a whole,
            which is affected only by events without a list of areas.

    Returns:
        24 factors; None if no event affects the area on that day.

    Example:
        >>> launch = Event(name="launch", start=9.5 * 3600, end=11 * 3600, factor=3)
        >>> day_factors(0, (launch,), "login")[8:12]
        (1.0, 2.0, 3.0, 1.0)
        >>> day_factors(1, (launch,), "login")
    """
    if not events:
        return None
    overlapping = _events_overlapping(day, events)
    return _factors(day, overlapping, area) if overlapping else None


@lru_cache(maxsize=4096)
def _events_overlapping(day: int, events: tuple[Event, ...]) -> tuple[Event, ...]:
    """Return the events that overlap a UTC day."""
    return tuple(e for e in events if e.start < (day + 1) * _DAY and e.end > day * _DAY)


@lru_cache(maxsize=16_384)
def _factors(day: int, overlapping: tuple[Event, ...], area: str) -> tuple[float, ...] | None:
    events = [event for event in overlapping if not event.areas or area in event.areas]
    if not events:
        return None
    factors = []
    for begin in range(day * _DAY, (day + 1) * _DAY, _HOUR):
        covered = [(event.factor, _covered_share(event, begin)) for event in events]
        factor = math.prod(1.0 - share + share * factor for factor, share in covered)
        has_event = any(share > 0.0 for _, share in covered)
        factors.append(_TOUCHED if has_event and factor == 1.0 else factor)
    return tuple(factors)


def _covered_share(event: Event, begin: int) -> float:
    """Return the share of an hour that an event covers, 0 to 1; the hour is given by its start."""
    return max(min(event.end, begin + _HOUR) - max(event.start, begin), 0.0) / _HOUR


def is_masked(hour: int, events: tuple[Event, ...], area: str) -> bool:
    """Return whether an event affects an hour of an area; such an hour is excluded from learning.

    Args:
        hour: Hours since 1970, UTC.
        events: All announced events.
        area: As in `day_factors`.

    Example:
        >>> drill = Event(name="drill", start=9.5 * 3600, end=11 * 3600, factor=1, areas=("login",))
        >>> [is_masked(hour, (drill,), "login") for hour in range(8, 12)]
        [False, True, True, False]
        >>> is_masked(9, (drill,), "billing")
        False
    """
    factors = day_factors(hour // 24, events, area)
    return factors is not None and factors[hour % 24] != 1.0


def resolution(at: float, timezone: str) -> int:
    """Return the coarsest step of the local clock to which a time may have been rounded.

    Args:
        at: Seconds since 1970.
        timezone: IANA name.

    Returns:
        Seconds: 86400 at the start of a local date, 3600 at the start of any other local hour, else
        0.

    Example:
        >>> resolution(0.0, "UTC"), resolution(3600.0, "UTC"), resolution(3600.5, "UTC")
        (86400, 3600, 0)
        >>> resolution(18.5 * 3600, "Asia/Kolkata"), resolution(3600.0, "Asia/Kolkata")
        (86400, 0)
    """
    if at % _QUARTER:
        return 0
    zone = ZoneInfo(timezone)
    local = datetime.fromtimestamp(at, zone)
    if local.minute or local.second:
        return 0
    # Where clocks go forward at midnight, the date begins at 1:00; where they go back at midnight,
    # 0:00 occurs twice and only the first one begins the date.
    before = datetime.fromtimestamp(at - 1, zone)
    return _DAY if before.date() != local.date() else _HOUR
