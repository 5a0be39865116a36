"""Local hours of the week, through changes of the clock and in odd zones."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from detectors.calendar import SATURDAY, SLOTS, hour_of_week

SUNDAY = 6 * 24


def hour(text: str) -> int:
    """The hour since 1970 that begins at *text*, in UTC."""
    at = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(at.timestamp()) // 3600


def test_slot_0_is_monday_midnight() -> None:
    """The week begins on Monday at midnight, the weekend at slot 120."""
    assert hour_of_week(hour("2026-03-02T00:00"), "UTC") == 0
    assert hour_of_week(hour("2026-03-06T23:00"), "UTC") == SATURDAY - 1
    assert hour_of_week(hour("2026-03-07T00:00"), "UTC") == SATURDAY
    assert hour_of_week(hour("2026-03-08T23:00"), "UTC") == SLOTS - 1


def test_the_hour_that_is_skipped_has_no_slot() -> None:
    """When clocks go forward, 1:00 to 2:00 is followed by 3:00 to 4:00."""
    first = hour("2026-03-29T00:00")  # in Berlin clocks go forward at 1:00 UTC
    slots = [hour_of_week(first + i, "Europe/Berlin") - SUNDAY for i in range(4)]
    assert slots == [1, 3, 4, 5]


def test_the_hour_that_is_repeated_has_its_slot_twice() -> None:
    """When clocks go back, the hour from 2:00 to 3:00 comes twice."""
    first = hour("2026-10-24T23:00")
    slots = [hour_of_week(first + i, "Europe/Berlin") - SUNDAY for i in range(5)]
    assert slots == [1, 2, 2, 3, 4]


def test_clocks_change_in_the_other_half_of_the_world_too() -> None:
    """South of the equator the hour is skipped in October and repeated in April."""
    forward = hour("2026-10-03T15:00")  # Sydney: at 16:00 UTC
    assert [hour_of_week(forward + i, "Australia/Sydney") - SUNDAY for i in range(3)] == [1, 3, 4]
    back = hour("2026-04-04T15:00")
    assert [hour_of_week(back + i, "Australia/Sydney") - SUNDAY for i in range(3)] == [2, 2, 3]


@pytest.mark.parametrize(
    ("zone", "slot"),
    [
        ("UTC", 0),
        ("Asia/Kolkata", 5),  # +5:30
        ("Asia/Kathmandu", 5),  # +5:45
        ("America/St_Johns", 164),  # -3:30, so Sunday 20:30
        ("Australia/Eucla", 8),  # +8:45
        ("Pacific/Kiritimati", 14),  # +14
        ("Pacific/Pago_Pago", 157),  # -11
    ],
)
def test_an_hour_belongs_to_the_slot_it_begins_in(zone: str, slot: int) -> None:
    """Where the offset is no whole hour, an hour of UTC counts for the local hour it begins in."""
    assert hour_of_week(hour("2026-03-02T00:00"), zone) == slot


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_every_slot_comes_once_a_week_but_for_the_changes(zone: str) -> None:
    """Over a year each slot comes about 52 times, and always agrees with the local clock."""
    first = hour("2026-01-01T00:00")
    seen = [0] * SLOTS
    for each in range(first, first + 365 * 24):
        slot = hour_of_week(each, zone)
        local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=each)).astimezone(
            ZoneInfo(zone)
        )
        assert (slot // 24, slot % 24) == (local.weekday(), local.hour)
        seen[slot] += 1
    assert min(seen) >= 51
    assert max(seen) <= 54


def test_the_hours_before_1970_have_slots() -> None:
    """An hour before 1970 has a slot like any other."""
    assert hour_of_week(-1, "UTC") == hour_of_week(167, "UTC")
