"""Local days: every hour belongs to exactly one, whatever the clock changes."""

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
    """Return the hours from 1970 to a time in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() // 3600)


@given(hours, zones)
@settings(max_examples=examples(300))
def test_an_hour_lies_in_its_day(hour: int, zone: str) -> None:
    """The day of an hour contains it, and every hour of that day has the same day."""
    day = day_of(hour, zone)
    assert day.start <= hour < day.end
    assert day_of(day.start, zone) is day
    assert day_of(day.end - 1, zone) is day


@given(hours, zones)
@settings(max_examples=examples(300))
def test_days_are_contiguous(hour: int, zone: str) -> None:
    """The next day begins where this one ends, and it has another number."""
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
def test_the_length_of_a_day_follows_clock_changes(zone: str, noon: str, length: int) -> None:
    """A day has 23 hours when clocks go forward, also at midnight, and 25 when they go back."""
    day = day_of(hour_at(noon), zone)
    assert day.end - day.start == length
    assert 12 in [slot % 24 for slot in day.slots]


def test_weekends_have_profiles_of_their_own() -> None:
    """Hours of Saturday and Sunday lie in the second half of the profiles."""
    saturday, monday = hour_at("2026-03-07T12:00"), hour_at("2026-03-09T12:00")
    assert list(day_of(saturday, "UTC").shapes) == list(range(24, 48))
    assert list(day_of(monday, "UTC").shapes) == list(range(24))


def test_a_holiday_has_the_hours_of_a_sunday() -> None:
    """Labour Day 2026, a Friday, has the hours of a Sunday in countries that observe it."""
    friday = hour_at("2026-05-01T12:00")
    german = day_of(friday, "Europe/Berlin", "DE")
    assert german.holiday
    assert list(german.slots) == list(range(144, 168))
    assert list(german.shapes) == list(range(24, 48))
    assert not day_of(friday, "Europe/Berlin").holiday


def test_a_regional_holiday_applies_only_to_its_region() -> None:
    """Corpus Christi is a holiday in Bavaria and not in Berlin."""
    thursday = hour_at("2026-06-04T12:00")
    assert day_of(thursday, "Europe/Berlin", "DE", "BY").holiday
    assert not day_of(thursday, "Europe/Berlin", "DE", "BE").holiday


def test_a_skipped_date_leaves_no_gap_between_days() -> None:
    """Samoa went from 29 to 31 December 2011, and its days are contiguous."""
    day = day_of(hour_at("2011-12-30T09:00"), "Pacific/Apia")
    following = day_of(day.end, "Pacific/Apia")
    assert following.start == day.end
    assert len(following.slots) == 24
