"""Local days: every hour belongs to one, however the clocks are put."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.foundation.calendar import hour_of_week
from detectors.foundation.local_days import day_of
from tests.support.examples import examples

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Cairo",
    "America/Havana",
)
zones = st.sampled_from(ZONES)
hours = st.integers(262_968, 525_936)
"""2000 to 2030."""


def hour_at(text: str) -> int:
    """Hours from 1970 to a time in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() // 3600)


@given(hours, zones)
@settings(max_examples=examples(300))
def test_an_hour_lies_in_its_day(hour: int, zone: str) -> None:
    """The day of an hour holds it, and every hour of that day has the same one."""
    day = day_of(hour, zone)
    assert day.start <= hour < day.end
    assert day_of(day.start, zone) is day
    assert day_of(day.end - 1, zone) is day


@given(hours, zones)
@settings(max_examples=examples(300))
def test_days_leave_no_hour_out(hour: int, zone: str) -> None:
    """The next day begins where this one ends, and it is another."""
    day = day_of(hour, zone)
    following = day_of(day.end, zone)
    assert following.start == day.end
    assert 1 <= day.end - day.start <= 25
    assert len(day.slots) == len(day.shapes) == day.end - day.start


@given(hours, zones)
@settings(max_examples=examples(200))
def test_slots_are_the_local_hours_of_the_week(hour: int, zone: str) -> None:
    """Without a country the slot of each hour is that of the calendar."""
    day = day_of(hour, zone)
    assert list(day.slots) == [hour_of_week(each, zone) for each in range(day.start, day.end)]
    assert all(slot % 24 == shape % 24 for slot, shape in zip(day.slots, day.shapes, strict=True))
    assert not day.holiday


@pytest.mark.parametrize(
    ("zone", "noon", "length"),
    [
        ("Europe/Berlin", "2026-03-28T11:00", 24),
        ("Europe/Berlin", "2026-03-29T11:00", 23),
        ("Europe/Berlin", "2026-10-25T11:00", 25),
        ("America/New_York", "2026-03-08T17:00", 23),
        ("America/New_York", "2026-11-01T17:00", 25),
        ("Africa/Cairo", "2026-04-24T10:00", 23),
        ("America/Havana", "2026-03-08T17:00", 23),
        ("Asia/Kolkata", "2026-03-29T11:00", 24),
    ],
)
def test_a_day_is_as_long_as_its_clock_makes_it(zone: str, noon: str, length: int) -> None:
    """23 hours where the clocks go forward, also at midnight; 25 where they go back."""
    day = day_of(hour_at(noon), zone)
    assert day.end - day.start == length
    assert 12 in [slot % 24 for slot in day.slots]


def test_weekends_have_shapes_of_their_own() -> None:
    """Hours of Saturday and Sunday lie in the second half of the shapes."""
    saturday, monday = hour_at("2026-03-07T12:00"), hour_at("2026-03-09T12:00")
    assert list(day_of(saturday, "UTC").shapes) == list(range(24, 48))
    assert list(day_of(monday, "UTC").shapes) == list(range(24))


def test_a_holiday_is_a_sunday() -> None:
    """Labour Day, a Friday in 2026, has the hours of a Sunday where it is one."""
    friday = hour_at("2026-05-01T12:00")
    german = day_of(friday, "Europe/Berlin", "DE")
    assert german.holiday
    assert list(german.slots) == list(range(144, 168))
    assert list(german.shapes) == list(range(24, 48))
    assert not day_of(friday, "Europe/Berlin").holiday


def test_a_holiday_of_a_state_is_one_there_alone() -> None:
    """Corpus Christi is a holiday in Bavaria and not in Berlin."""
    thursday = hour_at("2026-06-04T12:00")
    assert day_of(thursday, "Europe/Berlin", "DE", "BY").holiday
    assert not day_of(thursday, "Europe/Berlin", "DE", "BE").holiday


def test_a_day_that_was_skipped_is_no_day() -> None:
    """Samoa went from the 29th to the 31st of December 2011: days go on without a gap."""
    day = day_of(hour_at("2011-12-30T09:00"), "Pacific/Apia")
    following = day_of(day.end, "Pacific/Apia")
    assert following.start == day.end
    assert len(following.slots) == 24
