"""Local hours of the week, holidays, announced events and days, in odd zones and years."""

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
    """The hour since 1970 that begins at *text*, in UTC."""
    at = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(at.timestamp()) // 3600


def day(text: str) -> int:
    """The number of that day, since 1970."""
    return date.fromisoformat(text).toordinal() - date(1970, 1, 1).toordinal()


def local_hours(text: str, zone: str) -> list[int]:
    """The local hours of day of the 24 hours of UTC of a day."""
    return [slot % 24 for slot in day_slots(day(text), zone)]


def event(start: str, end: str, factor: float = 2.0, areas: tuple[str, ...] = ()) -> Event:
    """An event between two times of 2 March 2026, UTC."""
    times = [datetime.fromisoformat(f"2026-03-02T{at}+00:00").timestamp() for at in (start, end)]
    return Event(name="launch", start=times[0], end=times[1], factor=factor, areas=areas)


LAUNCH_DAY = day("2026-03-02")


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


@pytest.mark.parametrize(
    ("zone", "forward", "back", "skipped", "repeated"),
    [
        ("Europe/Berlin", "2026-03-29", "2026-10-25", 2, 2),
        ("Australia/Adelaide", "2026-10-03", "2026-04-04", 2, 2),
    ],
)
def test_a_day_follows_changes_of_the_clock(
    zone: str, forward: str, back: str, skipped: int, repeated: int
) -> None:
    """On the day clocks go forward one local hour is missing, when they go back one comes twice."""
    hours = local_hours(forward, zone)
    assert skipped not in hours
    assert hours[-1] == hours[0]  # 23 hours later, the clock shows 24 more
    hours = local_hours(back, zone)
    assert hours.count(repeated) == 2
    assert len(set(hours)) == 23


def test_half_an_hour_of_change_keeps_the_local_hour() -> None:
    """On Lord Howe clocks move by half an hour: a slot is that in which the hour begins."""
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


def test_a_holiday_within_the_week_is_a_sunday() -> None:
    """The hours of a public holiday have the slots of Sunday, those around it their own."""
    slots = day_slots(day("2026-05-01"), "Europe/Berlin", "DE")  # a Friday
    assert slots[:22] == tuple(range(SUNDAY + 2, SUNDAY + 24))
    assert slots[22:] == (SATURDAY, SATURDAY + 1)
    assert day_slots(day("2026-04-30"), "Europe/Berlin", "DE")[21:] == (
        THURSDAY + 23,
        SUNDAY,
        SUNDAY + 1,
    )


def test_a_holiday_on_a_weekend_stays_what_it_is() -> None:
    """German Unity Day of 2026 is a Saturday, and a Saturday it stays."""
    unity = day("2026-10-03")
    assert day_slots(unity, "UTC", "DE") == day_slots(unity, "UTC")


def test_a_substitute_for_a_holiday_on_a_weekend_is_a_sunday() -> None:
    """In America, Independence Day of 2027 is a Sunday, so Monday is off."""
    assert day_slots(day("2027-07-05"), "UTC", "US") == tuple(range(SUNDAY, SUNDAY + 24))


def test_the_subdivision_matters() -> None:
    """Epiphany is a holiday in Bavaria, not in Berlin."""
    epiphany = day("2026-01-06")  # a Tuesday
    assert day_slots(epiphany, "UTC", "DE", "BY")[0] == SUNDAY
    assert day_slots(epiphany, "UTC", "DE", "BE")[0] == 24
    assert day_slots(epiphany, "UTC", "DE")[0] == 24


def test_where_sunday_is_a_working_day_a_holiday_is_a_saturday() -> None:
    """In Israel the last day of the weekend is Saturday: Independence Day has its hours."""
    independence = day("2026-04-22")  # a Wednesday
    assert day_slots(independence, "UTC", "IL") == tuple(range(SATURDAY, SATURDAY + 24))


@given(day=DAYS, zone=ZONES, country=st.sampled_from(["", "DE", "AU", "US", "IL", "BR"]))
def test_slots_are_those_of_the_hours_but_for_holidays(day: int, zone: str, country: str) -> None:
    """There are 24, all of the week, of the local hour; without holidays of the weekday too."""
    slots = day_slots(day, zone, country)
    plain = tuple(hour_of_week(day * 24 + i, zone) for i in range(24))
    assert len(slots) == 24
    assert all(0 <= slot < SLOTS for slot in slots)
    assert [slot % 24 for slot in slots] == [slot % 24 for slot in plain]
    assert all(a == b or a >= SATURDAY for a, b in zip(slots, plain, strict=True))
    assert day_slots(day, zone) == plain


def test_an_event_counts_by_the_share_of_the_hour_that_it_covers() -> None:
    """A factor of 3 for half an hour makes 2 of the hour, for a quarter 1.5."""
    factors = day_factors(LAUNCH_DAY, (event("09:30", "11:15", 3.0),), "login")
    assert factors is not None
    assert factors[9:12] == (2.0, 3.0, 1.5)
    assert factors[:9] + factors[12:] == (1.0,) * 21


def test_events_at_once_multiply() -> None:
    """Twice and thrice the usual is six times it."""
    events = (event("09:00", "11:00", 2.0), event("10:00", "12:00", 3.0))
    factors = day_factors(LAUNCH_DAY, events, "login")
    assert factors is not None
    assert factors[9:12] == (2.0, 6.0, 3.0)


def test_an_event_touches_its_areas_and_not_the_tenant_as_a_whole() -> None:
    """An event of some areas says nothing of the others; one of all touches the tenant too."""
    ours, all_areas = event("09:00", "10:00", areas=("login", "sso")), event("09:00", "10:00")
    assert day_factors(LAUNCH_DAY, (ours,), "sso") is not None
    assert day_factors(LAUNCH_DAY, (ours,), "billing") is None
    assert day_factors(LAUNCH_DAY, (ours,), "") is None
    assert day_factors(LAUNCH_DAY, (all_areas,), "") is not None


def test_days_without_events_have_no_factors() -> None:
    """The day before and the day after, and every day where nothing is announced."""
    events = (event("00:00", "23:59"),)
    assert day_factors(LAUNCH_DAY - 1, events, "login") is None
    assert day_factors(LAUNCH_DAY + 1, events, "login") is None
    assert day_factors(LAUNCH_DAY, (), "login") is None


def test_an_event_over_midnight_touches_both_days() -> None:
    """What ends at midnight does not touch the next day, what ends later does."""
    start, midnight = (LAUNCH_DAY + 0.5) * 86_400, (LAUNCH_DAY + 1) * 86_400.0
    assert day_factors(LAUNCH_DAY + 1, (Event(name="", start=start, end=midnight),), "") is None
    longer = day_factors(LAUNCH_DAY + 1, (Event(name="", start=start, end=midnight + 1800),), "")
    assert longer is not None
    assert longer[:2] == (1.5, 1.0)


def test_hours_of_events_teach_nothing_even_if_their_factor_is_one() -> None:
    """Twice the usual and half of it at once is the usual, and still not what it seems."""
    events = (event("09:00", "10:01", 2.0), event("09:00", "10:01", 0.5))
    masked = [is_masked(LAUNCH_DAY * 24 + i, events, "login") for i in range(24)]
    assert [i for i, each in enumerate(masked) if each] == [9, 10]
    assert day_factors(LAUNCH_DAY, events, "login") == pytest.approx([1.0] * 24, abs=0.02)


@given(
    spans=st.lists(
        st.tuples(st.floats(-1e5, 2e5), st.floats(1.0, 1e5), st.floats(0.1, 100)), max_size=4
    )
)
def test_an_hour_has_a_factor_if_and_only_if_an_event_touches_it(
    spans: list[tuple[float, float, float]],
) -> None:
    """Factors lie between those of the events, and differ from 1 where there is an event."""
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
def test_the_resolution_of_a_time_is_that_of_the_local_clock(zone: str, at: str, step: int) -> None:
    """Midnight is midnight where the tenant is, whatever the hour of UTC."""
    assert resolution(datetime.fromisoformat(at).timestamp(), zone) == step


def test_settings_make_one_calendar() -> None:
    """Equal settings have the same calendar, which knows zone, holidays and events."""
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
