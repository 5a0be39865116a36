"""The calendar: local hours of the week, holidays, announced events and days in many time zones."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.foundation.calendar import (
    SATURDAY,
    SLOTS,
    Event,
    day_factors,
    day_slots,
    hour_of_week,
    is_masked,
    resolution,
)
from detectors.policy.settings import Settings

SUNDAY = 6 * 24
THURSDAY = 3 * 24
DAYS = st.integers(-20_000, 60_000)
ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/St_Johns",
        "America/Sao_Paulo",
        "Asia/Kathmandu",
        "Australia/Adelaide",
        "Australia/Lord_Howe",
        "Pacific/Apia",
    ]
)


def hour(text: str) -> int:
    """Return the hour since 1970 that begins at *text* in UTC."""
    at = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(at.timestamp()) // 3600


def day(text: str) -> int:
    """Return the number of the day since 1970."""
    return date.fromisoformat(text).toordinal() - date(1970, 1, 1).toordinal()


def local_hours(text: str, zone: str) -> list[int]:
    """Return the local hours of day of the 24 UTC hours of a day."""
    return [slot % 24 for slot in day_slots(day(text), zone)]


def event(start: str, end: str, factor: float = 2.0, areas: tuple[str, ...] = ()) -> Event:
    """Return an event between two UTC times on 2 March 2026."""
    times = [datetime.fromisoformat(f"2026-03-02T{at}+00:00").timestamp() for at in (start, end)]
    return Event(name="launch", start=times[0], end=times[1], factor=factor, areas=areas)


LAUNCH_DAY = day("2026-03-02")


def test_slot_0_is_monday_midnight() -> None:
    """The week begins on Monday at midnight, the weekend at slot 120."""
    assert hour_of_week(hour("2026-03-02T00:00"), "UTC") == 0
    assert hour_of_week(hour("2026-03-06T23:00"), "UTC") == SATURDAY - 1
    assert hour_of_week(hour("2026-03-07T00:00"), "UTC") == SATURDAY
    assert hour_of_week(hour("2026-03-08T23:00"), "UTC") == SLOTS - 1


def test_a_skipped_hour_has_no_slot() -> None:
    """When clocks go forward, the hour from 1:00 is followed by the hour from 3:00."""
    first = hour("2026-03-29T00:00")  # in Berlin clocks go forward at 1:00 UTC
    slots = [hour_of_week(first + i, "Europe/Berlin") - SUNDAY for i in range(4)]
    assert slots == [1, 3, 4, 5]


def test_a_repeated_hour_has_its_slot_twice() -> None:
    """When clocks go back, the hour from 2:00 to 3:00 occurs twice."""
    first = hour("2026-10-24T23:00")
    slots = [hour_of_week(first + i, "Europe/Berlin") - SUNDAY for i in range(5)]
    assert slots == [1, 2, 2, 3, 4]


def test_clock_changes_in_the_southern_hemisphere() -> None:
    """In Sydney the hour is skipped in October and repeated in April."""
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
    """If the UTC offset is no whole hour, an hour counts for the local hour in which it begins."""
    assert hour_of_week(hour("2026-03-02T00:00"), zone) == slot


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_every_slot_occurs_weekly_except_for_clock_changes(zone: str) -> None:
    """Over a year each slot occurs about 52 times and agrees with the local clock."""
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


@pytest.mark.parametrize(
    ("zone", "forward", "back", "skipped", "repeated"),
    [
        ("Europe/Berlin", "2026-03-29", "2026-10-25", 2, 2),
        ("Australia/Adelaide", "2026-10-03", "2026-04-04", 2, 2),
    ],
)
def test_a_day_follows_clock_changes(
    zone: str, forward: str, back: str, skipped: int, repeated: int
) -> None:
    """One local hour is missing when clocks go forward and occurs twice when they go back."""
    hours = local_hours(forward, zone)
    assert skipped not in hours
    assert hours[-1] == hours[0]  # 23 hours later, the clock shows 24 more
    hours = local_hours(back, zone)
    assert hours.count(repeated) == 2
    assert len(set(hours)) == 23


def test_a_half_hour_clock_change_keeps_the_local_hour() -> None:
    """On Lord Howe Island a slot is the local hour in which the hour begins."""
    forward, back = day("2026-10-03"), day("2026-04-04")  # both at 15:30 and 15:00 UTC
    assert [slot - SUNDAY for slot in day_slots(forward, "Australia/Lord_Howe")[13:18]] == [
        -1,
        0,
        1,
        3,
        4,
    ]
    assert [slot - SUNDAY for slot in day_slots(back, "Australia/Lord_Howe")[13:18]] == [
        0,
        1,
        1,
        2,
        3,
    ]


def test_a_weekday_holiday_has_the_slots_of_a_sunday() -> None:
    """The hours before and after the holiday keep their own slots."""
    slots = day_slots(day("2026-05-01"), "Europe/Berlin", "DE")  # a Friday
    assert slots[:22] == tuple(range(SUNDAY + 2, SUNDAY + 24))
    assert slots[22:] == (SATURDAY, SATURDAY + 1)
    assert day_slots(day("2026-04-30"), "Europe/Berlin", "DE")[21:] == (
        THURSDAY + 23,
        SUNDAY,
        SUNDAY + 1,
    )


def test_a_holiday_on_a_weekend_keeps_its_slots() -> None:
    """German Unity Day 2026 is a Saturday and has the slots of a Saturday."""
    unity = day("2026-10-03")
    assert day_slots(unity, "UTC", "DE") == day_slots(unity, "UTC")


def test_an_observed_holiday_has_the_slots_of_a_sunday() -> None:
    """Independence Day 2027 in the US is a Sunday, so Monday is a holiday."""
    assert day_slots(day("2027-07-05"), "UTC", "US") == tuple(range(SUNDAY, SUNDAY + 24))


def test_holidays_depend_on_the_subdivision() -> None:
    """Epiphany is a holiday in Bavaria and not in Berlin."""
    epiphany = day("2026-01-06")  # a Tuesday
    assert day_slots(epiphany, "UTC", "DE", "BY")[0] == SUNDAY
    assert day_slots(epiphany, "UTC", "DE", "BE")[0] == 24
    assert day_slots(epiphany, "UTC", "DE")[0] == 24


def test_a_holiday_is_a_saturday_where_sunday_is_a_working_day() -> None:
    """In Israel the weekend ends on Saturday, so Independence Day has its slots."""
    independence = day("2026-04-22")  # a Wednesday
    assert day_slots(independence, "UTC", "IL") == tuple(range(SATURDAY, SATURDAY + 24))


@given(day=DAYS, zone=ZONES, country=st.sampled_from(["", "DE", "AU", "US", "IL", "BR"]))
def test_slots_follow_the_local_hours_except_on_holidays(day: int, zone: str, country: str) -> None:
    """All 24 slots have the local hour of day, and the weekday too if there is no holiday."""
    slots = day_slots(day, zone, country)
    plain = tuple(hour_of_week(day * 24 + i, zone) for i in range(24))
    assert len(slots) == 24
    assert all(0 <= slot < SLOTS for slot in slots)
    assert [slot % 24 for slot in slots] == [slot % 24 for slot in plain]
    assert all(a == b or a >= SATURDAY for a, b in zip(slots, plain, strict=True))
    assert day_slots(day, zone) == plain


def test_an_event_counts_by_its_share_of_the_hour() -> None:
    """A factor of 3 over half an hour gives 2 for the hour, over a quarter 1.5."""
    factors = day_factors(LAUNCH_DAY, (event("09:30", "11:15", 3.0),), "login")
    assert factors is not None
    assert factors[9:12] == (2.0, 3.0, 1.5)
    assert factors[:9] + factors[12:] == (1.0,) * 21


def test_factors_of_simultaneous_events_multiply() -> None:
    """Factors of 2 and 3 give a factor of 6."""
    events = (event("09:00", "11:00", 2.0), event("10:00", "12:00", 3.0))
    factors = day_factors(LAUNCH_DAY, events, "login")
    assert factors is not None
    assert factors[9:12] == (2.0, 6.0, 3.0)


def test_an_event_applies_only_to_its_areas() -> None:
    """An event of all areas applies to the tenant too."""
    ours, all_areas = event("09:00", "10:00", areas=("login", "sso")), event("09:00", "10:00")
    assert day_factors(LAUNCH_DAY, (ours,), "sso") is not None
    assert day_factors(LAUNCH_DAY, (ours,), "billing") is None
    assert day_factors(LAUNCH_DAY, (ours,), "") is None
    assert day_factors(LAUNCH_DAY, (all_areas,), "") is not None


def test_days_without_events_have_no_factors() -> None:
    """Neither the days around an event nor other days have factors."""
    events = (event("00:00", "23:59"),)
    assert day_factors(LAUNCH_DAY - 1, events, "login") is None
    assert day_factors(LAUNCH_DAY + 1, events, "login") is None
    assert day_factors(LAUNCH_DAY, (), "login") is None


def test_an_event_over_midnight_applies_to_both_days() -> None:
    """An event that ends at midnight does not apply to the next day."""
    start, midnight = (LAUNCH_DAY + 0.5) * 86_400, (LAUNCH_DAY + 1) * 86_400.0
    assert day_factors(LAUNCH_DAY + 1, (Event(name="", start=start, end=midnight),), "") is None
    longer = day_factors(LAUNCH_DAY + 1, (Event(name="", start=start, end=midnight + 1800),), "")
    assert longer is not None
    assert longer[:2] == (1.5, 1.0)


def test_hours_of_events_are_masked_even_if_their_factor_is_one() -> None:
    """Simultaneous factors of 2 and 0.5 cancel out, and the hour is still not learned."""
    events = (event("09:00", "10:01", 2.0), event("09:00", "10:01", 0.5))
    masked = [is_masked(LAUNCH_DAY * 24 + i, events, "login") for i in range(24)]
    assert [i for i, each in enumerate(masked) if each] == [9, 10]
    assert day_factors(LAUNCH_DAY, events, "login") == pytest.approx([1.0] * 24, abs=0.02)


@given(
    spans=st.lists(
        st.tuples(st.floats(-1e5, 2e5), st.floats(1.0, 1e5), st.floats(0.1, 100)), max_size=4
    )
)
def test_an_hour_has_a_factor_if_and_only_if_an_event_covers_it(
    spans: list[tuple[float, float, float]],
) -> None:
    """Factors lie within those of the events and differ from 1 where there is an event."""
    events = tuple(Event(name="", start=a, end=a + b, factor=f) for a, b, f in spans)
    factors = day_factors(0, events, "login") or (1.0,) * 24
    for i, factor in enumerate(factors):
        touched = any(one.start < (i + 1) * 3600 and one.end > i * 3600 for one in events)
        assert (factor != 1.0) == touched == is_masked(i, events, "login")
        assert 0.1 ** len(events) * 0.999 <= factor <= 100.0 ** len(events) * 1.001


@pytest.mark.parametrize(
    ("zone", "at", "step"),
    [
        ("UTC", "2026-03-02T00:00:00+00:00", 86_400),
        ("UTC", "2026-03-02T07:00:00+00:00", 3600),
        ("UTC", "2026-03-02T07:15:00+00:00", 0),
        ("UTC", "2026-03-02T07:00:00.5+00:00", 0),
        ("Europe/Berlin", "2026-03-02T00:00:00+00:00", 3600),
        ("Europe/Berlin", "2026-07-02T00:00:00+02:00", 86_400),
        ("Australia/Adelaide", "2026-03-02T00:00:00+10:30", 86_400),
        ("Australia/Adelaide", "2026-03-02T00:00:00+00:00", 0),
        ("America/Sao_Paulo", "2018-11-04T01:00:00-02:00", 86_400),  # there was no 0:00
        ("America/Havana", "2026-11-01T00:00:00-04:00", 86_400),
        ("America/Havana", "2026-11-01T00:00:00-05:00", 3600),  # 0:00 for the second time
    ],
)
def test_the_resolution_of_a_time_follows_the_local_clock(zone: str, at: str, step: int) -> None:
    """A local midnight has the resolution of a day whatever the UTC hour."""
    assert resolution(datetime.fromisoformat(at).timestamp(), zone) == step


def test_equal_settings_share_one_calendar() -> None:
    """The calendar has the time zone, holidays and events of the settings."""
    events = (event("09:00", "10:00"),)
    settings = Settings(timezone="Europe/Berlin", country="DE", subdivision="BY", events=events)
    calendar = settings.calendar
    again = Settings(timezone="Europe/Berlin", country="DE", subdivision="BY", events=events)
    assert calendar is again.calendar
    assert hash(calendar) == hash(again.calendar)
    assert calendar.slots(day("2026-01-06"))[12] == SUNDAY + 13
    assert calendar.factors(LAUNCH_DAY, "login") == day_factors(LAUNCH_DAY, events, "login")
    assert calendar.is_masked(LAUNCH_DAY * 24 + 9, "")
    assert not Settings().calendar.is_masked(LAUNCH_DAY * 24 + 9, "")
