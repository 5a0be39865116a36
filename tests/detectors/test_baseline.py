"""What would be normal: rates, shapes and scatter that a series teaches."""

from collections.abc import Callable

import numpy as np
import pytest

from detectors import state_codec
from detectors.baseline import (
    GUARD_HOURS,
    LEAST_RATE,
    LONGEST_GAP_HOURS,
    YOUNG_HOURS,
    Baseline,
    Profile,
)
from detectors.calendar import SLOTS, hour_of_week
from detectors.simulate import SHAPE

WEEK = 168
MONDAY = 96  # hours after 1970
Counts = Callable[[int], float]


def taught(count: Counts, weeks: int, baseline: Baseline | None = None) -> tuple[Baseline, Profile]:
    """The tenant's own baseline after *weeks* with so many tickets in each hour."""
    profile = Profile()
    baseline = baseline or Baseline.starting(MONDAY)
    for _ in range(weeks * WEEK):
        baseline.add(baseline.hour, count(baseline.hour))
        baseline.advance_one("UTC", profile, None)
    return baseline, profile


def poisson(mean: Counts, seed: int = 1) -> Counts:
    """Poisson counts around *mean*."""
    rng = np.random.default_rng(seed)
    return lambda hour: float(rng.poisson(mean(hour)))


def shaped(hour: int) -> float:
    """Ten tickets an hour on average, in the shape of a working week."""
    return 10.0 * SHAPE[hour_of_week(hour, "UTC")]


@pytest.mark.parametrize("rate", [0.05, 1.0, 30.0])
def test_a_steady_rate_is_learned(rate: float) -> None:
    """After eight weeks the expected rate is near the true one, for rare and for busy series."""
    baseline, profile = taught(poisson(lambda _: rate), 8)
    mean = sum(baseline.expected(MONDAY + h, "UTC", profile) for h in range(WEEK)) / WEEK
    assert mean == pytest.approx(rate, rel=0.25)


def test_the_shape_of_the_week_is_learned() -> None:
    """After eight weeks noon and night, working day and weekend have rates of their own."""
    baseline, profile = taught(poisson(shaped), 8)
    times = {
        "noon": [day * 24 + hour for day in range(5) for hour in (12, 13, 14)],
        "night": [day * 24 + hour for day in range(5) for hour in (1, 2, 3, 4)],
        "weekend": [day * 24 + hour for day in (5, 6) for hour in range(9, 18)],
    }
    for name, slots in times.items():
        found = sum(baseline.expected(MONDAY + slot, "UTC", profile) for slot in slots)
        right = sum(shaped(MONDAY + slot) for slot in slots)
        assert found == pytest.approx(right, rel=0.35), name


def test_the_local_week_is_followed() -> None:
    """The same tickets, told another time zone, give the same rates at the same instants."""
    here, there = Profile(), Profile()
    one, other = Baseline.starting(MONDAY), Baseline.starting(MONDAY)
    count = poisson(shaped)
    for _ in range(6 * WEEK):
        came = count(one.hour)
        one.add(one.hour, came)
        other.add(other.hour, came)
        one.advance_one("UTC", here, None)
        other.advance_one("Asia/Tokyo", there, None)
    noon = MONDAY + 13
    assert hour_of_week(noon, "Asia/Tokyo") != hour_of_week(noon, "UTC")
    assert one.expected(noon, "UTC", here) == pytest.approx(
        other.expected(noon, "Asia/Tokyo", there), rel=0.25
    )


def test_a_young_series_borrows_the_tenants_shape() -> None:
    """A new area of a known tenant expects little at night from its first day on."""
    _, profile = taught(poisson(shaped), 8)
    young = Baseline.starting(MONDAY + 8 * WEEK)
    day = young.expected(MONDAY + 13, "UTC", profile)
    night = young.expected(MONDAY + 3, "UTC", profile)
    assert day > 3 * night


def test_an_area_does_not_teach_the_tenants_shape() -> None:
    """Only the tenant's own baseline, which is told no age, changes the profile."""
    profile = Profile()
    before = state_codec.encode(profile)
    area = Baseline.starting(MONDAY)
    for _ in range(WEEK):
        area.add(area.hour, 3.0)
        area.advance_one("UTC", profile, 500.0)
    assert state_codec.encode(profile) == before


def test_noise_of_hours_is_learned() -> None:
    """A series whose hours scatter is known to scatter; a plain Poisson is not."""
    rng = np.random.default_rng(7)
    noisy, _ = taught(lambda _: float(rng.poisson(20.0 * rng.gamma(4.0, 0.25))), 12)
    plain, _ = taught(poisson(lambda _: 20.0), 12)
    assert noisy.hour_dispersion == pytest.approx(0.25, rel=0.5)
    assert plain.hour_dispersion < 0.05


def test_noise_of_days_is_learned() -> None:
    """A series whose days differ as a whole has more day dispersion than one whose do not."""
    rng = np.random.default_rng(7)
    days = rng.gamma(5.0, 0.2, 200)
    noisy, _ = taught(lambda hour: float(rng.poisson(20.0 * days[hour // 24])), 16)
    plain, _ = taught(poisson(lambda _: 20.0), 16)
    assert noisy.day_dispersion > 0.05
    assert noisy.day_dispersion > 4 * plain.day_dispersion


def test_an_hour_is_learned_a_day_later() -> None:
    """What comes now changes tomorrow's level, not the rate it is judged by."""
    baseline, profile = taught(poisson(lambda _: 5.0), 4)
    assert baseline.hour - baseline.learned == GUARD_HOURS
    before = baseline.expected(baseline.hour, "UTC", profile)
    hour = baseline.hour
    baseline.add(hour, 500.0)
    for _ in range(GUARD_HOURS):
        baseline.advance_one("UTC", profile, None)
    assert baseline.learned == hour
    assert baseline.expected(hour, "UTC", profile) == pytest.approx(before, rel=0.5)


def test_a_young_series_learns_at_once() -> None:
    """In its first two weeks an hour is learned as soon as it is over."""
    baseline, _ = taught(lambda _: 1.0, 1)
    assert baseline.learned == baseline.hour
    assert baseline.hour - baseline.born <= YOUNG_HOURS


def test_a_spike_barely_moves_the_level() -> None:
    """An hour of a thousand tickets teaches no more than four standard deviations."""
    calm, profile = taught(lambda _: 5.0, 8)
    struck, struck_profile = taught(lambda hour: 1000.0 if hour == MONDAY + 7 * WEEK else 5.0, 8)
    normal = calm.expected(calm.hour + 12, "UTC", profile)
    after = struck.expected(struck.hour + 12, "UTC", struck_profile)
    assert normal < after < 1.05 * normal


@pytest.mark.parametrize(
    ("age", "half_life"), [(0, 24), (96, 24), (200, 50), (600, 150), (960, 240), (5_000, 240)]
)
def test_the_level_forgets_more_slowly_with_age(age: int, half_life: int) -> None:
    """What the level rests on is halved after a quarter of the age, within one and ten days."""
    baseline = Baseline.starting(MONDAY)
    baseline.hour += age
    assert baseline._level_decay() ** half_life == pytest.approx(0.5)


def test_growth_is_followed() -> None:
    """A series that trebles has learned it after three weeks."""
    baseline, profile = taught(poisson(lambda hour: 5.0 if hour < MONDAY + 6 * WEEK else 15.0), 9)
    week = [baseline.expected(MONDAY + hour, "UTC", profile) for hour in range(WEEK)]
    assert sum(week) / WEEK == pytest.approx(15.0, rel=0.2)


def test_ignorance_fades_with_age() -> None:
    """The less is known the more may still be normal: a week, a month, and a quarter differ."""
    told = [taught(poisson(lambda _: 5.0), weeks)[0].ignorance for weeks in (1, 4, 13)]
    assert told[0] > 2 * told[1] > 2 * told[2]
    assert told[2] < 0.05


def test_a_rare_series_is_known_less_well() -> None:
    """Of two series of the same age the one with fewer tickets may be wrong by more."""
    rare, busy = (taught(poisson(mean), 13)[0] for mean in (lambda _: 0.02, lambda _: 5.0))
    assert rare.ignorance > busy.ignorance + 0.05


def test_today_is_bounded() -> None:
    """Today's factor follows today's counts, within 0.4 and 1.5, and is forgotten at midnight."""
    baseline, profile = taught(poisson(lambda _: 20.0), 8)
    for count, bound in ((400.0, 1.5), (0.0, 0.4)):
        for hour in range(20):
            baseline.add(baseline.hour, count)
            baseline.advance_one("UTC", profile, None)
            assert 0.4 <= baseline.today <= 1.5, hour
        assert baseline.today == pytest.approx(bound, abs=0.3)
        while hour_of_week(baseline.hour, "UTC") % 24 != 0:
            baseline.advance_one("UTC", profile, None)
        assert baseline.today == 1.0


def test_silence_never_expects_nothing() -> None:
    """After a year without a ticket the rate is small and above zero."""
    baseline, _ = taught(lambda _: 0.0, 52)
    assert LEAST_RATE <= baseline.rate < 0.05
    assert baseline.ignorance > 0.0


def test_a_long_gap_costs_no_more_than_eight_weeks() -> None:
    """A gap of ten years leaves eight weeks of hours to learn, and forgets what was pending."""
    baseline, profile = taught(poisson(lambda _: 5.0), 4)
    later = baseline.hour + 10 * 52 * WEEK
    baseline.skip_gap(later)
    assert later - baseline.hour == LONGEST_GAP_HOURS
    while baseline.hour < later:
        baseline.advance_one("UTC", profile, None)
    assert baseline.rate < 2.0
    assert len(baseline.pending) == 0


def test_a_short_gap_is_not_skipped() -> None:
    """Silence of less than eight weeks is learned hour by hour."""
    baseline, _ = taught(lambda _: 1.0, 3)
    before = baseline.hour
    baseline.skip_gap(before + LONGEST_GAP_HOURS)
    assert baseline.hour == before


def test_what_is_learned_cannot_be_added_to() -> None:
    """An hour takes tickets until it is learned, and none from before the series was born."""
    baseline, _ = taught(lambda _: 1.0, 4)
    assert baseline.add(baseline.learned, 1.0)
    assert not baseline.add(baseline.learned - 1, 1.0)
    young = Baseline.starting(1000)
    assert not young.add(999, 1.0)


def test_a_late_ticket_of_history_raises_the_level() -> None:
    """A ticket for a learned hour is counted as far as it has not faded: less the older it is."""
    raised = []
    for age in (30, 300, 600):
        baseline, _ = taught(lambda _: 1.0, 8)
        before = baseline.came
        assert baseline.learn_late(baseline.learned - age, 1.0, "UTC")
        raised.append(baseline.came - before)
    assert raised == sorted(raised, reverse=True)
    assert raised[-1] > 0.0
    baseline, _ = taught(lambda _: 1.0, 1)
    assert not baseline.learn_late(MONDAY - 1, 1.0, "UTC")


def test_history_in_any_order_teaches_about_the_same() -> None:
    """Tickets of history that come after their hours were learned give a similar level."""
    inorder, _ = taught(lambda _: 4.0, 4)
    half, _ = taught(lambda _: 2.0, 4)
    for hour in range(MONDAY, half.learned):
        half.learn_late(hour, 2.0, "UTC")
    assert half.came / half.due == pytest.approx(inorder.came / inorder.due, rel=0.25)


def test_a_rebased_level_is_the_new_normal() -> None:
    """After a re-base by three the expected rate is three times as high, at once."""
    baseline, profile = taught(lambda _: 4.0, 4)
    before = baseline.expected(baseline.hour, "UTC", profile)
    rate = baseline.rate
    baseline.rebase(3.0)
    assert baseline.expected(baseline.hour, "UTC", profile) == pytest.approx(3 * before)
    assert baseline.rate == pytest.approx(3 * rate)


def test_asking_changes_nothing() -> None:
    """`expected` and `season` leave no trace."""
    baseline, profile = taught(poisson(shaped), 2)
    before = state_codec.encode(baseline), state_codec.encode(profile)
    for hour in range(MONDAY, MONDAY + WEEK):
        baseline.expected(hour, "UTC", profile)
        baseline.season(hour % SLOTS, profile)
    assert (state_codec.encode(baseline), state_codec.encode(profile)) == before


def test_a_restart_changes_no_digit() -> None:
    """Encoded and decoded every day, it is the same to the last bit as one that ran through."""
    count, again = poisson(shaped), poisson(shaped)
    whole, whole_profile = taught(count, 5)
    broken, profile = Baseline.starting(MONDAY), Profile()
    for number in range(5 * WEEK):
        broken.add(broken.hour, again(broken.hour))
        broken.advance_one("UTC", profile, None)
        if number % 24 == 7:
            broken = state_codec.decode(state_codec.encode(broken), Baseline)
            profile = state_codec.decode(state_codec.encode(profile), Profile)
    assert state_codec.encode(whole) == state_codec.encode(broken)
    assert state_codec.encode(whole_profile) == state_codec.encode(profile)


def test_instances_share_nothing() -> None:
    """What one series is taught no other knows of."""
    one, other = Baseline.starting(5), Baseline.starting(5)
    before = state_codec.encode(other)
    one.add(5, 3.0)
    one.advance_one("UTC", Profile(), None)
    assert state_codec.encode(other) == before
