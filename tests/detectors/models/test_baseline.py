"""The baseline of a series: rate, weekly profile and dispersion, learned from its counts."""

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


def tenant_context(calendar: Calendar | None = None) -> Context:
    """Return the context of a tenant's own baseline, with a new profile."""
    return Context(
        calendar=calendar or Calendar(), profile=Profile(), tenant_born=MONDAY, teaches=True
    )


def area_context(tenant: Context, area: str = "login") -> Context:
    """Return the context of an area of *tenant*."""
    return Context(
        calendar=tenant.calendar, profile=tenant.profile, area=area, tenant_born=tenant.tenant_born
    )


def run(baseline: Baseline, count: Counts, hours: int, context: Context) -> list[float]:
    """Teach the baseline the counts of some hours and return the rates that it expected."""
    expected = []
    for _ in range(hours):
        expected.append(baseline.rate)
        baseline.add(baseline.hour, count(baseline.hour))
        baseline.advance(baseline.hour + 1, context)
    return expected


def trained(count: Counts, weeks: int, context: Context | None = None) -> tuple[Baseline, Context]:
    """Return a baseline after *weeks* of counts, by default the tenant's own."""
    context = context or tenant_context()
    baseline = Baseline.starting(MONDAY, context)
    run(baseline, count, weeks * WEEK, context)
    return baseline, context


def poisson(mean: Counts, seed: int = 1) -> Counts:
    """Return Poisson counts around *mean*."""
    rng = np.random.default_rng(seed)
    return lambda hour: float(rng.poisson(mean(hour)))


def weekly_rate(hour: int) -> float:
    """Return ten tickets an hour on average, with the profile of a working week."""
    return 10.0 * SHAPE[hour_of_week(hour, "UTC")]


@pytest.mark.parametrize("rate", [0.05, 1.0, 30.0])
def test_a_steady_rate_is_learned(rate: float) -> None:
    """After eight weeks the expected rate is near the true one for rare and busy series."""
    count = poisson(lambda _: rate)
    baseline, context = trained(count, 8)
    week = run(baseline, count, WEEK, context)
    assert sum(week) / WEEK == pytest.approx(rate, rel=0.25)


@pytest.mark.parametrize("teaches", [True, False])
def test_the_weekly_profile_is_learned(teaches: bool) -> None:
    """After eight weeks noon, night and weekend have rates of their own.

    This holds for the tenant and for an area whose tenant has no profile.
    """
    count = poisson(weekly_rate)
    context = tenant_context() if teaches else area_context(tenant_context())
    baseline, _ = trained(count, 8, context)
    week = run(baseline, count, WEEK, context)
    times = {
        "noon": [day * 24 + hour for day in range(5) for hour in (12, 13, 14)],
        "night": [day * 24 + hour for day in range(5) for hour in (1, 2, 3, 4)],
        "weekend": [day * 24 + hour for day in (5, 6) for hour in range(9, 18)],
    }
    for name, slots in times.items():
        found = sum(week[slot] for slot in slots)
        right = sum(weekly_rate(MONDAY + slot) for slot in slots)
        assert found == pytest.approx(right, rel=0.35), name


def test_the_rate_at_an_instant_does_not_depend_on_the_time_zone() -> None:
    """The same tickets in another time zone give the same rates at the same instants."""
    utc, tokyo = tenant_context(), tenant_context(Calendar(timezone="Asia/Tokyo"))
    utc_baseline, _ = trained(poisson(weekly_rate), 6, utc)
    tokyo_baseline, _ = trained(poisson(weekly_rate), 6, tokyo)
    utc_counts, tokyo_counts = poisson(weekly_rate, 2), poisson(weekly_rate, 2)
    utc_rates, tokyo_rates = (
        run(utc_baseline, utc_counts, WEEK, utc),
        run(tokyo_baseline, tokyo_counts, WEEK, tokyo),
    )
    noon = 13
    assert hour_of_week(MONDAY + noon, "Asia/Tokyo") != hour_of_week(MONDAY + noon, "UTC")
    assert utc_rates[noon] == pytest.approx(tokyo_rates[noon], rel=0.25)


def test_a_new_series_borrows_the_profile_of_its_tenant() -> None:
    """A new area of a known tenant expects few tickets at night from its first day on."""
    baseline, context = trained(poisson(weekly_rate), 8)
    young = Baseline.starting(baseline.hour, area_context(context))
    assert young.rate_at(young.hour + 13) > 3 * young.rate_at(young.hour + 3)


def test_an_area_does_not_change_the_profile_of_its_tenant() -> None:
    """Only the tenant's own baseline changes the profile."""
    context = tenant_context()
    before = state_codec.encode(context.profile)
    area = Baseline.starting(MONDAY, area_context(context))
    run(area, lambda _: 3.0, 4 * WEEK, area_context(context))
    assert state_codec.encode(context.profile) == before


def test_the_dispersion_of_hours_is_learned() -> None:
    """Overdispersed hours raise the hour dispersion, and Poisson counts do not."""
    rng = np.random.default_rng(7)
    noisy, _ = trained(lambda _: float(rng.poisson(20.0 * rng.gamma(4.0, 0.25))), 12)
    plain, _ = trained(poisson(lambda _: 20.0), 12)
    assert noisy.hour_dispersion == pytest.approx(0.25, rel=0.5)
    assert plain.hour_dispersion < 0.05


def test_the_dispersion_of_days_is_learned() -> None:
    """A series whose days differ as a whole has a higher day dispersion."""
    rng = np.random.default_rng(7)
    days = rng.gamma(5.0, 0.2, 200)
    noisy, _ = trained(lambda hour: float(rng.poisson(20.0 * days[hour // 24])), 16)
    plain, _ = trained(poisson(lambda _: 20.0), 16)
    assert noisy.day_dispersion > 0.05
    assert noisy.day_dispersion > 4 * plain.day_dispersion


def test_one_extreme_day_barely_raises_the_dispersion_of_days() -> None:
    """A holiday or an incident of a day does not make all days seem noisy."""
    calm, _ = trained(poisson(lambda _: 20.0), 12)
    wild, _ = trained(
        poisson(lambda hour: 100.0 if hour // DAY == MONDAY // DAY + 70 else 20.0), 12
    )
    assert wild.day_dispersion < calm.day_dispersion + 0.02


def test_a_day_is_learned_a_day_later() -> None:
    """A ticket changes the level of the day after tomorrow, not the one it is compared with."""
    count = poisson(lambda _: 5.0)
    baseline, context = trained(count, 4)
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


def test_a_young_series_learns_a_day_when_it_ends() -> None:
    """In its first two weeks a series learns each day as soon as it is over."""
    baseline, _ = trained(lambda _: 1.0, 1)
    assert baseline.learned == baseline.hour
    assert baseline.hour - baseline.born <= YOUNG_HOURS


def test_a_series_in_its_first_days_learns_each_hour() -> None:
    """In its first three days a series learns each hour as soon as it is over."""
    context = tenant_context()
    baseline = Baseline.starting(MONDAY, context)
    for hour in range(1, NEWBORN_HOURS):
        run(baseline, lambda _: 4.0, 1, context)
        assert baseline.learned == MONDAY + hour
    assert baseline.rate == pytest.approx(4.0, rel=0.25)


def test_a_suspected_incident_is_learned_later() -> None:
    """The days of a suspected slow rise are learned up to five days later."""
    count = poisson(lambda _: 5.0)
    baseline, context = trained(count, 6)
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
    """An hour of a thousand tickets counts as at most four standard deviations."""
    calm, context = trained(lambda _: 5.0, 8)
    struck, other = trained(lambda hour: 1000.0 if hour == MONDAY + 7 * WEEK else 5.0, 8)
    normal = sum(run(calm, lambda _: 5.0, DAY, context))
    after = sum(run(struck, lambda _: 5.0, DAY, other))
    assert normal < after < 1.05 * normal


@pytest.mark.parametrize(("age", "half_life"), [(0, 24), (96, 24), (200, 50), (600, 150)])
def test_the_level_forgets_more_slowly_with_age(age: int, half_life: int) -> None:
    """The half-life of the level is a quarter of the age of the series, at least a day."""
    baseline = Baseline.starting(MONDAY, tenant_context())
    baseline.hour += age
    assert baseline._level_decay() ** half_life == pytest.approx(0.5)


def test_the_half_life_of_the_level_is_at_most_ten_days() -> None:
    """A series of years adapts as quickly as one of six weeks."""
    baseline = Baseline.starting(MONDAY, tenant_context())
    decays = []
    for age in (960, 5_000, 50_000):
        baseline.hour = MONDAY + age
        decays.append(baseline._level_decay())
    assert len(set(decays)) == 1
    assert 0.5 ** (1 / 120) <= decays[0] <= 0.5 ** (1 / 240)


def test_the_baseline_follows_growth() -> None:
    """A rate that triples is learned after three weeks."""
    count = poisson(lambda hour: 5.0 if hour < MONDAY + 6 * WEEK else 15.0)
    baseline, context = trained(count, 9)
    assert sum(run(baseline, count, WEEK, context)) / WEEK == pytest.approx(15.0, rel=0.2)


def test_uncertainty_falls_with_age() -> None:
    """The uncertainty differs after a week, a month and a quarter."""
    uncertainties = [trained(poisson(lambda _: 5.0), weeks)[0].ignorance for weeks in (1, 4, 13)]
    assert uncertainties[0] > 2 * uncertainties[1] > 2 * uncertainties[2]
    assert uncertainties[2] < 0.05


def test_a_rare_series_is_more_uncertain() -> None:
    """Of two series of the same age the one with fewer tickets has the higher uncertainty."""
    rare, busy = (trained(poisson(mean), 13)[0] for mean in (lambda _: 0.02, lambda _: 5.0))
    assert rare.ignorance > busy.ignorance + 0.05


def test_a_new_area_of_an_old_tenant_is_less_uncertain_than_a_new_tenant() -> None:
    """The area borrows the tenant's profile, and only its level is unknown."""
    _, context = trained(poisson(lambda _: 5.0), 13)
    later = MONDAY + 13 * WEEK
    of_old = Baseline.starting(later, area_context(context))
    of_new = Baseline.starting(later, Context(profile=Profile(), tenant_born=later, area="login"))
    assert of_new.ignorance > of_old.ignorance + 0.5


def test_the_count_of_today_bounds_each_hour() -> None:
    """The completed hours of the day are summed, each limited to its bound."""
    baseline, context = trained(poisson(lambda _: 20.0), 8)
    assert baseline.today_so_far(baseline.totals()) == (0.0, 0.0)
    run(baseline, lambda _: 30.0, 6, context)
    observed, expected = baseline.today_so_far(baseline.totals())
    assert observed / expected == pytest.approx(1.5, rel=0.2)
    run(baseline, lambda _: 5_000.0, 1, context)
    observed_later, _ = baseline.today_so_far(baseline.totals())
    assert observed_later - observed <= 3.0 * 20.0 * 1.3 + 3.0
    run(baseline, lambda _: 20.0, DAY - 7, context)
    assert baseline.today_so_far(baseline.totals()) == (0.0, 0.0), (
        "the count of today must restart at midnight"
    )


def test_the_expected_count_accumulates_over_days() -> None:
    """The total grows by the rate of each hour, also over midnight."""
    context = tenant_context()
    baseline, _ = trained(poisson(weekly_rate), 4, context)
    count = poisson(weekly_rate)
    total = baseline.totals().expected[baseline.hour - baseline.start]
    for _ in range(60):
        rate = baseline.rate
        run(baseline, count, 1, context)
        before, total = total, baseline.totals().expected[baseline.hour - baseline.start]
        assert total - before == pytest.approx(rate, rel=1e-4)


def test_the_rate_stays_positive_in_silence() -> None:
    """After a year without a ticket the rate is small and above zero."""
    baseline, _ = trained(lambda _: 0.0, 52)
    assert LEAST_RATE * 0.999 <= baseline.rate < 0.05
    assert baseline.ignorance > 0.0


def test_a_long_gap_is_learned_as_eight_weeks_at_most() -> None:
    """A gap of ten years is learned as eight weeks of silence and clears pending days."""
    baseline, context = trained(poisson(lambda _: 5.0), 4)
    later = baseline.hour + 10 * 52 * WEEK
    before = baseline.expected_before
    baseline.advance(later, context)
    assert baseline.hour == later
    assert baseline.rate < 2.0
    assert len(baseline.pending) == 0
    assert baseline.expected_before - before <= 5.0 * 1.5 * (LONGEST_GAP_HOURS + 2 * DAY)


def test_advancing_weeks_at_once_equals_advancing_by_hour() -> None:
    """Up to eight weeks of silence are learned as if they were advanced hour by hour."""
    at_once, context = trained(lambda _: 1.0, 3)
    step_by_step, other = trained(lambda _: 1.0, 3)
    at_once.advance(at_once.hour + 6 * WEEK, context)
    run(step_by_step, lambda _: 0.0, 6 * WEEK, other)
    assert at_once.rate == step_by_step.rate
    assert at_once.observed == step_by_step.observed


def test_a_learned_hour_takes_no_more_tickets() -> None:
    """An hour from before the series began takes none either."""
    baseline, _ = trained(lambda _: 1.0, 4)
    assert baseline.add(baseline.learned, 1.0)
    assert not baseline.add(baseline.learned - 1, 1.0)
    young = Baseline.starting(1000, tenant_context())
    assert not young.add(999, 1.0)


def test_a_late_ticket_of_history_raises_the_level() -> None:
    """A ticket of a learned hour counts less the older the hour is."""
    raised = []
    for age in (30, 300, 600):
        baseline, context = trained(lambda _: 1.0, 8)
        before = baseline.observed
        assert baseline.learn_late(baseline.learned - age, 1.0, context)
        raised.append(baseline.observed - before)
    assert raised == sorted(raised, reverse=True)
    assert raised[-1] > 0.0
    baseline, context = trained(lambda _: 1.0, 1)
    assert not baseline.learn_late(MONDAY - 1, 1.0, context)


def test_history_in_any_order_gives_a_similar_level() -> None:
    """Tickets of history may arrive after their hours were learned."""
    inorder, _ = trained(lambda _: 4.0, 4)
    half, context = trained(lambda _: 2.0, 4)
    for hour in range(MONDAY, half.learned):
        half.learn_late(hour, 2.0, context)
    assert half.observed / half.expected == pytest.approx(
        inorder.observed / inorder.expected, rel=0.25
    )


def test_rebasing_scales_the_expected_rate() -> None:
    """After a re-base by three the rate is three times as high, now and tomorrow."""
    baseline, context = trained(lambda _: 4.0, 4)
    run(baseline, lambda _: 12.0, DAY + 8, context)
    rate = baseline.rate
    assert rate == pytest.approx(4.0, rel=0.1)
    baseline.rebase(3.0)
    assert baseline.rate == pytest.approx(3 * rate)
    run(baseline, lambda _: 12.0, DAY, context)
    assert baseline.rate == pytest.approx(3 * rate, rel=0.1)


def test_rebasing_leaves_past_hours_unchanged() -> None:
    """The expected counts of this morning stay as they were reported."""
    baseline, context = trained(lambda _: 4.0, 4)
    run(baseline, lambda _: 4.0, 10, context)
    before = list(baseline.rates)
    baseline.rebase(3.0)
    assert list(baseline.rates[:10]) == before[:10]
    assert list(baseline.rates[10:]) == pytest.approx([3 * rate for rate in before[10:]])


def test_hours_of_a_feed_gap_are_not_learned() -> None:
    """Three days of a feed gap leave the level unchanged; three days of silence do not."""
    levels = []
    for silent in (True, False):
        baseline, context = trained(lambda _: 4.0, 6)
        since = baseline.hour
        if silent:
            baseline.mark_gap(since, since + 3 * DAY)
        run(baseline, lambda _: 0.0, 3 * DAY, context)
        levels.append(sum(run(baseline, lambda _: 4.0, 2 * DAY, context)[DAY:]) / DAY)
    assert levels[0] == pytest.approx(4.0, rel=0.05)
    assert levels[1] < 3.8


def test_past_gaps_are_forgotten() -> None:
    """The state holds few gaps, however many there were."""
    baseline, context = trained(lambda _: 4.0, 4)
    for _ in range(50):
        baseline.mark_gap(baseline.hour, baseline.hour + 2)
        run(baseline, lambda _: 4.0, 12, context)
    assert len(baseline.gaps) <= 8


def test_an_announced_event_is_expected_and_not_learned() -> None:
    """During an event the rate is its multiple, before and after it the usual one."""
    begin = MONDAY + 6 * WEEK + 10
    event = Event(name="sale", start=begin * 3600.0, end=(begin + 6) * 3600.0, factor=3.0)
    context = tenant_context(Calendar(events=(event,)))
    baseline, _ = trained(lambda _: 4.0, 6, context)
    rates = run(baseline, lambda hour: 12.0 if begin <= hour < begin + 6 else 4.0, 96, context)
    assert rates[8] == pytest.approx(4.0, rel=0.1)
    assert rates[10:16] == pytest.approx([12.0] * 6, rel=0.1)
    assert rates[20] == pytest.approx(4.0, rel=0.1)
    assert rates[72:] == pytest.approx([4.0] * 24, rel=0.1)


def test_a_renamed_area_takes_over_the_baseline() -> None:
    """A renamed area expects the old rate, and half of a split area expects half of it."""
    context = area_context(tenant_context())
    old, _ = trained(poisson(weekly_rate), 8, context)
    for share in (1.0, 0.5):
        young = Baseline.starting(old.hour, context)
        young.inherit(old, share, context)
        assert young.rate_at(young.hour + 12) == pytest.approx(
            share * old.rate_at(young.hour + 12), rel=0.05
        )
        assert young.ignorance < 0.2


def test_an_inherited_baseline_is_independent_of_the_old_one() -> None:
    """What the new area learns does not change the old area."""
    context = area_context(tenant_context())
    old, _ = trained(poisson(weekly_rate), 4, context)
    young = Baseline.starting(old.hour, context)
    young.inherit(old, 1.0, context)
    before = state_codec.encode(old)
    run(young, lambda _: 50.0, 3 * DAY, context)
    assert state_codec.encode(old) == before


def test_reading_rates_changes_nothing() -> None:
    """`rate`, `rate_at` and the totals leave the state unchanged."""
    baseline, context = trained(poisson(weekly_rate), 2)
    before = state_codec.encode(baseline), state_codec.encode(context.profile)
    for hour in range(MONDAY, MONDAY + WEEK):
        baseline.rate_at(hour)
        baseline.totals()
    assert (state_codec.encode(baseline), state_codec.encode(context.profile)) == before


@pytest.mark.parametrize("teaches", [True, False])
def test_a_restart_changes_no_bit(teaches: bool) -> None:
    """A baseline that is encoded and decoded every day equals one that ran through."""
    count, again = poisson(weekly_rate), poisson(weekly_rate)
    first = tenant_context() if teaches else area_context(tenant_context())
    ran, _ = trained(count, 5, first)
    context = tenant_context() if teaches else area_context(tenant_context())
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


def test_baselines_are_independent() -> None:
    """What one series learns does not change another."""
    one, other = Baseline.starting(5, tenant_context()), Baseline.starting(5, tenant_context())
    before = state_codec.encode(other)
    run(one, lambda _: 3.0, 50, tenant_context())
    assert state_codec.encode(other) == before
