"""What would be normal: rates, shapes and scatter that a series teaches."""

from collections.abc import Callable

import numpy as np
import pytest

from detectors.foundation import state_codec
from detectors.foundation.calendar import Calendar, Event, hour_of_week
from detectors.models.baseline import (
    LEAST_RATE,
    LONGEST_GAP_HOURS,
    LONGEST_HOLD_HOURS,
    NEWBORN_HOURS,
    YOUNG_HOURS,
    Baseline,
)
from detectors.models.seasonal_profile import Context, Profile
from detectors.simulation.tickets import SHAPE

DAY = 24
WEEK = 168
MONDAY = 96  # hours after 1970
Counts = Callable[[int], float]


def whole(calendar: Calendar | None = None) -> Context:
    """Of a tenant's own baseline, with a profile of its own."""
    return Context(
        calendar=calendar or Calendar(), profile=Profile(), tenant_born=MONDAY, teaches=True
    )


def of_area(tenant: Context, area: str = "login") -> Context:
    """Of an area of that tenant."""
    return Context(
        calendar=tenant.calendar, profile=tenant.profile, area=area, tenant_born=tenant.tenant_born
    )


def run(baseline: Baseline, count: Counts, hours: int, context: Context) -> list[float]:
    """Teach it so many *hours*, with *count* tickets in each; the rates it expected of them."""
    expected = []
    for _ in range(hours):
        expected.append(baseline.rate)
        baseline.add(baseline.hour, count(baseline.hour))
        baseline.advance(baseline.hour + 1, context)
    return expected


def taught(count: Counts, weeks: int, context: Context | None = None) -> tuple[Baseline, Context]:
    """A baseline after *weeks* with so many tickets in each hour: the tenant's own by default."""
    context = context or whole()
    baseline = Baseline.starting(MONDAY, context)
    run(baseline, count, weeks * WEEK, context)
    return baseline, context


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
    count = poisson(lambda _: rate)
    baseline, context = taught(count, 8)
    week = run(baseline, count, WEEK, context)
    assert sum(week) / WEEK == pytest.approx(rate, rel=0.25)


@pytest.mark.parametrize("teaches", [True, False])
def test_the_shape_of_the_week_is_learned(teaches: bool) -> None:
    """After eight weeks noon and night, working day and weekend have rates of their own.

    For the tenant, and for an area whose tenant knows no shape at all.
    """
    count = poisson(shaped)
    context = whole() if teaches else of_area(whole())
    baseline, _ = taught(count, 8, context)
    week = run(baseline, count, WEEK, context)
    times = {
        "noon": [day * 24 + hour for day in range(5) for hour in (12, 13, 14)],
        "night": [day * 24 + hour for day in range(5) for hour in (1, 2, 3, 4)],
        "weekend": [day * 24 + hour for day in (5, 6) for hour in range(9, 18)],
    }
    for name, slots in times.items():
        found = sum(week[slot] for slot in slots)
        right = sum(shaped(MONDAY + slot) for slot in slots)
        assert found == pytest.approx(right, rel=0.35), name


def test_the_local_week_is_followed() -> None:
    """The same tickets, told another time zone, give the same rates at the same instants."""
    here, there = whole(), whole(Calendar(timezone="Asia/Tokyo"))
    one, _ = taught(poisson(shaped), 6, here)
    other, _ = taught(poisson(shaped), 6, there)
    again, also = poisson(shaped, 2), poisson(shaped, 2)
    rates, others = run(one, again, WEEK, here), run(other, also, WEEK, there)
    noon = 13
    assert hour_of_week(MONDAY + noon, "Asia/Tokyo") != hour_of_week(MONDAY + noon, "UTC")
    assert rates[noon] == pytest.approx(others[noon], rel=0.25)


def test_a_young_series_borrows_the_tenants_shape() -> None:
    """A new area of a known tenant expects little at night from its first day on."""
    baseline, context = taught(poisson(shaped), 8)
    young = Baseline.starting(baseline.hour, of_area(context))
    assert young.rate_at(young.hour + 13) > 3 * young.rate_at(young.hour + 3)


def test_an_area_does_not_teach_the_tenants_shape() -> None:
    """Only the tenant's own baseline changes the profile."""
    context = whole()
    before = state_codec.encode(context.profile)
    area = Baseline.starting(MONDAY, of_area(context))
    run(area, lambda _: 3.0, 4 * WEEK, of_area(context))
    assert state_codec.encode(context.profile) == before


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


def test_one_wild_day_is_not_the_noise_of_days() -> None:
    """A holiday or an incident of a day does not make all days seem noisy."""
    calm, _ = taught(poisson(lambda _: 20.0), 12)
    wild, _ = taught(poisson(lambda hour: 100.0 if hour // DAY == MONDAY // DAY + 70 else 20.0), 12)
    assert wild.day_dispersion < calm.day_dispersion + 0.02


def test_a_day_is_learned_a_day_later() -> None:
    """What comes now changes the level of the day after tomorrow, not the one it is judged by."""
    count = poisson(lambda _: 5.0)
    baseline, context = taught(count, 4)
    assert baseline.hour - baseline.learned == DAY
    level = baseline.observed / baseline.expected
    today = baseline.start
    baseline.add(baseline.hour, 500.0)
    run(baseline, count, DAY, context)
    assert baseline.learned == today
    assert baseline.observed / baseline.expected == pytest.approx(level, rel=0.1)
    assert baseline.pending[today] >= 500.0
    run(baseline, count, DAY, context)
    assert baseline.learned == today + DAY
    assert today not in baseline.pending


def test_a_young_series_learns_its_day_when_it_ends() -> None:
    """In its first two weeks a day is learned as soon as it is over."""
    baseline, _ = taught(lambda _: 1.0, 1)
    assert baseline.learned == baseline.hour
    assert baseline.hour - baseline.born <= YOUNG_HOURS


def test_a_newborn_series_learns_each_hour() -> None:
    """In its first three days an hour is learned as soon as it is over, and expected anew."""
    context = whole()
    baseline = Baseline.starting(MONDAY, context)
    for hour in range(1, NEWBORN_HOURS):
        run(baseline, lambda _: 4.0, 1, context)
        assert baseline.learned == MONDAY + hour
    assert baseline.rate == pytest.approx(4.0, rel=0.25)


def test_what_may_be_an_incident_is_learned_later() -> None:
    """While a slow rise is suspected its days are not learned, but five days at most."""
    count = poisson(lambda _: 5.0)
    baseline, context = taught(count, 6)
    since = baseline.hour
    level = baseline.observed / baseline.expected
    while baseline.hour < since + LONGEST_HOLD_HOURS:
        baseline.add(baseline.hour, 15.0)
        baseline.advance(baseline.hour + 1, context, suspect=since)
    assert baseline.learned == since
    assert baseline.observed / baseline.expected == pytest.approx(level, rel=0.05)
    for _ in range(3 * DAY):
        baseline.add(baseline.hour, 15.0)
        baseline.advance(baseline.hour + 1, context, suspect=since)
    assert baseline.hour - baseline.learned == LONGEST_HOLD_HOURS
    assert baseline.observed / baseline.expected > 1.1 * level


def test_a_spike_barely_moves_the_level() -> None:
    """An hour of a thousand tickets teaches no more than four standard deviations."""
    calm, context = taught(lambda _: 5.0, 8)
    struck, other = taught(lambda hour: 1000.0 if hour == MONDAY + 7 * WEEK else 5.0, 8)
    normal = sum(run(calm, lambda _: 5.0, DAY, context))
    after = sum(run(struck, lambda _: 5.0, DAY, other))
    assert normal < after < 1.05 * normal


@pytest.mark.parametrize(("age", "half_life"), [(0, 24), (96, 24), (200, 50), (600, 150)])
def test_the_level_forgets_more_slowly_with_age(age: int, half_life: int) -> None:
    """What the level rests on is halved after a quarter of the age, a day at least."""
    baseline = Baseline.starting(MONDAY, whole())
    baseline.hour += age
    assert baseline._level_decay() ** half_life == pytest.approx(0.5)


def test_the_level_never_remembers_for_longer_than_ten_days() -> None:
    """A series of years follows as quickly as one of six weeks: half-life five to ten days."""
    baseline = Baseline.starting(MONDAY, whole())
    decays = []
    for age in (960, 5_000, 50_000):
        baseline.hour = MONDAY + age
        decays.append(baseline._level_decay())
    assert len(set(decays)) == 1
    assert 0.5 ** (1 / 120) <= decays[0] <= 0.5 ** (1 / 240)


def test_growth_is_followed() -> None:
    """A series that trebles has learned it after three weeks."""
    count = poisson(lambda hour: 5.0 if hour < MONDAY + 6 * WEEK else 15.0)
    baseline, context = taught(count, 9)
    assert sum(run(baseline, count, WEEK, context)) / WEEK == pytest.approx(15.0, rel=0.2)


def test_ignorance_fades_with_age() -> None:
    """The less is known the more may still be normal: a week, a month, and a quarter differ."""
    told = [taught(poisson(lambda _: 5.0), weeks)[0].ignorance for weeks in (1, 4, 13)]
    assert told[0] > 2 * told[1] > 2 * told[2]
    assert told[2] < 0.05


def test_a_rare_series_is_known_less_well() -> None:
    """Of two series of the same age the one with fewer tickets may be wrong by more."""
    rare, busy = (taught(poisson(mean), 13)[0] for mean in (lambda _: 0.02, lambda _: 5.0))
    assert rare.ignorance > busy.ignorance + 0.05


def test_a_new_area_of_an_old_tenant_is_known_better_than_a_new_tenant() -> None:
    """The tenant's shape is known by then; the level is not."""
    _, context = taught(poisson(lambda _: 5.0), 13)
    later = MONDAY + 13 * WEEK
    of_old = Baseline.starting(later, of_area(context))
    of_new = Baseline.starting(later, Context(profile=Profile(), tenant_born=later, area="login"))
    assert of_new.ignorance > of_old.ignorance + 1.0


def test_today_so_far_is_counted_in_bounded_hours() -> None:
    """What came in the hours of the day that are over: as it is, but no hour beyond its bound."""
    baseline, context = taught(poisson(lambda _: 20.0), 8)
    assert baseline.today_so_far(baseline.totals()) == (0.0, 0.0)
    run(baseline, lambda _: 30.0, 6, context)
    came, due = baseline.today_so_far(baseline.totals())
    assert came / due == pytest.approx(1.5, rel=0.2)
    run(baseline, lambda _: 5_000.0, 1, context)
    more, _ = baseline.today_so_far(baseline.totals())
    assert more - came <= 3.0 * 20.0 * 1.3 + 3.0
    run(baseline, lambda _: 20.0, DAY - 7, context)
    assert baseline.today_so_far(baseline.totals()) == (0.0, 0.0), "forgotten at midnight"


def test_what_is_due_adds_up_over_days() -> None:
    """What is expected from birth on grows by the rate of each hour, over midnight as well."""
    context = whole()
    baseline, _ = taught(poisson(shaped), 4, context)
    count = poisson(shaped)
    total = baseline.totals().expected[baseline.hour - baseline.start]
    for _ in range(60):
        rate = baseline.rate
        run(baseline, count, 1, context)
        before, total = total, baseline.totals().expected[baseline.hour - baseline.start]
        assert total - before == pytest.approx(rate, rel=1e-4)


def test_silence_never_expects_nothing() -> None:
    """After a year without a ticket the rate is small and above zero."""
    baseline, _ = taught(lambda _: 0.0, 52)
    assert LEAST_RATE * 0.999 <= baseline.rate < 0.05
    assert baseline.ignorance > 0.0


def test_a_long_gap_costs_no_more_than_eight_weeks() -> None:
    """A gap of ten years teaches eight weeks of silence, and forgets what was pending."""
    baseline, context = taught(poisson(lambda _: 5.0), 4)
    later = baseline.hour + 10 * 52 * WEEK
    before = baseline.expected_before
    baseline.advance(later, context)
    assert baseline.hour == later
    assert baseline.rate < 2.0
    assert len(baseline.pending) == 0
    assert baseline.expected_before - before <= 5.0 * 1.5 * (LONGEST_GAP_HOURS + 2 * DAY)


def test_silence_of_weeks_is_learned_day_by_day() -> None:
    """Less than eight weeks in one go teach the same as hour by hour."""
    at_once, context = taught(lambda _: 1.0, 3)
    step_by_step, other = taught(lambda _: 1.0, 3)
    at_once.advance(at_once.hour + 6 * WEEK, context)
    run(step_by_step, lambda _: 0.0, 6 * WEEK, other)
    assert at_once.rate == step_by_step.rate
    assert at_once.observed == step_by_step.observed


def test_what_is_learned_cannot_be_added_to() -> None:
    """An hour takes tickets until it is learned, and none from before the series was born."""
    baseline, _ = taught(lambda _: 1.0, 4)
    assert baseline.add(baseline.learned, 1.0)
    assert not baseline.add(baseline.learned - 1, 1.0)
    young = Baseline.starting(1000, whole())
    assert not young.add(999, 1.0)


def test_a_late_ticket_of_history_raises_the_level() -> None:
    """A ticket for a learned hour is counted as far as it has not faded: less the older it is."""
    raised = []
    for age in (30, 300, 600):
        baseline, context = taught(lambda _: 1.0, 8)
        before = baseline.observed
        assert baseline.learn_late(baseline.learned - age, 1.0, context)
        raised.append(baseline.observed - before)
    assert raised == sorted(raised, reverse=True)
    assert raised[-1] > 0.0
    baseline, context = taught(lambda _: 1.0, 1)
    assert not baseline.learn_late(MONDAY - 1, 1.0, context)


def test_history_in_any_order_teaches_about_the_same() -> None:
    """Tickets of history that come after their hours were learned give a similar level."""
    inorder, _ = taught(lambda _: 4.0, 4)
    half, context = taught(lambda _: 2.0, 4)
    for hour in range(MONDAY, half.learned):
        half.learn_late(hour, 2.0, context)
    assert half.observed / half.expected == pytest.approx(
        inorder.observed / inorder.expected, rel=0.25
    )


def test_a_rebased_level_is_the_new_normal() -> None:
    """After a re-base by three the expected rate is three times as high, at once and tomorrow."""
    baseline, context = taught(lambda _: 4.0, 4)
    run(baseline, lambda _: 12.0, DAY + 8, context)
    rate = baseline.rate
    assert rate == pytest.approx(4.0, rel=0.1)
    baseline.rebase(3.0)
    assert baseline.rate == pytest.approx(3 * rate)
    run(baseline, lambda _: 12.0, DAY, context)
    assert baseline.rate == pytest.approx(3 * rate, rel=0.1)


def test_a_rebase_leaves_the_hours_that_are_over() -> None:
    """What was due this morning stays as it was told."""
    baseline, context = taught(lambda _: 4.0, 4)
    run(baseline, lambda _: 4.0, 10, context)
    before = list(baseline.rates)
    baseline.rebase(3.0)
    assert list(baseline.rates[:10]) == before[:10]
    assert list(baseline.rates[10:]) == pytest.approx([3 * rate for rate in before[10:]])


def test_hours_without_a_feed_teach_nothing() -> None:
    """Three days of a silent source leave the level as it was; three days of silence do not."""
    levels = []
    for silent in (True, False):
        baseline, context = taught(lambda _: 4.0, 6)
        since = baseline.hour
        if silent:
            baseline.mark_gap(since, since + 3 * DAY)
        run(baseline, lambda _: 0.0, 3 * DAY, context)
        levels.append(sum(run(baseline, lambda _: 4.0, 2 * DAY, context)[DAY:]) / DAY)
    assert levels[0] == pytest.approx(4.0, rel=0.05)
    assert levels[1] < 3.8


def test_gaps_that_were_passed_are_forgotten() -> None:
    """However many gaps there are, the state holds a few."""
    baseline, context = taught(lambda _: 4.0, 4)
    for _ in range(50):
        baseline.mark_gap(baseline.hour, baseline.hour + 2)
        run(baseline, lambda _: 4.0, 12, context)
    assert len(baseline.gaps) <= 8


def test_an_announced_event_is_expected_and_teaches_nothing() -> None:
    """During an event the rate is its multiple, before and after it the usual."""
    begin = MONDAY + 6 * WEEK + 10
    event = Event(name="sale", start=begin * 3600.0, end=(begin + 6) * 3600.0, factor=3.0)
    context = whole(Calendar(events=(event,)))
    baseline, _ = taught(lambda _: 4.0, 6, context)
    rates = run(baseline, lambda hour: 12.0 if begin <= hour < begin + 6 else 4.0, 96, context)
    assert rates[8] == pytest.approx(4.0, rel=0.1)
    assert rates[10:16] == pytest.approx([12.0] * 6, rel=0.1)
    assert rates[20] == pytest.approx(4.0, rel=0.1)
    assert rates[72:] == pytest.approx([4.0] * 24, rel=0.1)


def test_an_heir_carries_on_with_what_was_known() -> None:
    """A renamed area expects what the old one did; half of a split one half of it."""
    context = of_area(whole())
    old, _ = taught(poisson(shaped), 8, context)
    for share in (1.0, 0.5):
        young = Baseline.starting(old.hour, context)
        young.inherit(old, share, context)
        assert young.rate_at(young.hour + 12) == pytest.approx(
            share * old.rate_at(young.hour + 12), rel=0.05
        )
        assert young.ignorance < 0.2


def test_an_heir_does_not_share_memory_with_the_old_one() -> None:
    """What the heir learns the old area does not."""
    context = of_area(whole())
    old, _ = taught(poisson(shaped), 4, context)
    young = Baseline.starting(old.hour, context)
    young.inherit(old, 1.0, context)
    before = state_codec.encode(old)
    run(young, lambda _: 50.0, 3 * DAY, context)
    assert state_codec.encode(old) == before


def test_asking_changes_nothing() -> None:
    """`rate`, `rate_at` and the totals leave no trace."""
    baseline, context = taught(poisson(shaped), 2)
    before = state_codec.encode(baseline), state_codec.encode(context.profile)
    for hour in range(MONDAY, MONDAY + WEEK):
        baseline.rate_at(hour)
        baseline.totals()
    assert (state_codec.encode(baseline), state_codec.encode(context.profile)) == before


@pytest.mark.parametrize("teaches", [True, False])
def test_a_restart_changes_no_digit(teaches: bool) -> None:
    """Encoded and decoded every day, it is the same to the last bit as one that ran through."""
    count, again = poisson(shaped), poisson(shaped)
    first = whole() if teaches else of_area(whole())
    ran, _ = taught(count, 5, first)
    context = whole() if teaches else of_area(whole())
    broken = Baseline.starting(MONDAY, context)
    for number in range(5 * WEEK):
        run(broken, again, 1, context)
        if number % 24 == 7:
            broken = state_codec.decode(state_codec.encode(broken), Baseline)
            profile = state_codec.decode(state_codec.encode(context.profile), Profile)
            context = Context(
                profile=profile, tenant_born=MONDAY, area=context.area, teaches=teaches
            )
    assert state_codec.encode(ran) == state_codec.encode(broken)
    assert state_codec.encode(first.profile) == state_codec.encode(context.profile)


def test_instances_share_nothing() -> None:
    """What one series is taught no other knows of."""
    one, other = Baseline.starting(5, whole()), Baseline.starting(5, whole())
    before = state_codec.encode(other)
    run(one, lambda _: 3.0, 50, whole())
    assert state_codec.encode(other) == before
