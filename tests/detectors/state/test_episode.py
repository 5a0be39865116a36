"""The lifecycle of an episode: opened, updated, amended, recovering, resolved and reopened."""

import pytest

from detectors.foundation import state_codec
from detectors.memory.episode_tickets import EpisodeTickets, TicketSummary
from detectors.models import Score
from detectors.policy.settings import Settings
from detectors.policy.severity_rules import RULES
from detectors.state.episode import (
    CLEAR_RATIO,
    FADE_HOURS,
    LONGEST_DOUBT_HOURS,
    LONGEST_FADE_HOURS,
    Episode,
    episode_id,
    opened,
)

SETTINGS = Settings(clear_minutes=30, update_percent=100.0, update_tickets=10.0)
START = 1_000_000.0 * 60.0
"""A whole minute."""


def score(
    value: float = 5.0,
    observed: float = 8.0,
    expected: float = 1.0,
    customers: int = 8,
    at: float = START,
) -> Score:
    """Return the score of a window over the half hour before *at*."""
    return Score(value, at - 1_800.0, observed, expected, int(observed), customers, 9.0, 0.1)


def open_episode(**of_score: float) -> Episode:
    """Return an episode that was opened at `START`."""
    episode = opened("e" * 32, 1, START, score(**of_score), 4.0, None)  # type: ignore[arg-type]  # customers is whole
    episode.begin(EpisodeTickets(since=START), RULES)
    return episode


def add(
    episode: Episode,
    at: float,
    weight: float = 1.0,
    last_seen: float = 0.0,
    score: Score | None = None,
    rate: float = 1.0,
) -> None:
    """Advance the expectation to *at* and add one ticket, as the pipeline does."""
    episode.expect_until(at, rate)
    if (
        last_seen < episode.since and episode.collected is not None
    ):  # a customer not seen since the episode began
        mark = episode.collected.tickets
        episode.collected.add(
            TicketSummary(mark, f"T-{mark}", at, weight, (), f"customer {mark}"), 90
        )
    episode.add(weight, score or Score())


def minutes_until_resolved(episode: Episode, rate: float, most: int = 10_000) -> int:
    """Return how many further minutes of silence resolve the episode."""
    for minute in range(1, most):
        at = episode.accounted - episode.accounted % 60.0 + 60.0
        episode.expect_until(at, rate)
        if episode.pass_minute(at, SETTINGS):
            return minute
    raise AssertionError(f"the episode was not resolved within {most} minutes")


def test_an_episode_id_depends_on_tenant_series_and_ordinal() -> None:
    """Equal episodes have the same id everywhere, and different episodes have different ids."""
    named = {
        episode_id(tenant, kind, series, ordinal)
        for tenant in ("a", "b", "ab")
        for kind in ("area", "slice")
        for series in ("x", "bx", "y")
        for ordinal in (1, 2, 11)
    }
    assert len(named) == 3 * 2 * 3 * 3
    assert all(len(name) == 32 and int(name, 16) >= 0 for name in named)
    assert episode_id("acme", "area", "login", 1) == "ba0e80aba3f94e1f6d88d17fb72c73a6"


def test_an_episode_opens_with_the_evidence_of_its_window() -> None:
    """The first event has the counts of the window and starts where the window does."""
    episode = open_episode()
    assert (episode.phase, episode.sequence, episode.running) == ("opened", 1, True)
    assert (episode.since, episode.detected_at) == (START - 1_800.0, START)
    assert (episode.observed, episode.expected, episode.tickets, episode.customers) == (
        8.0,
        1.0,
        8,
        8,
    )
    assert episode.severity == "warning"


def test_observed_and_expected_counts_accumulate() -> None:
    """Tickets add their weight, time adds what is expected, and known customers add nothing."""
    episode = open_episode()
    add(episode, START + 3_600.0, 1.0, START - 7_200.0, rate=2.0)
    add(episode, START + 5_400.0, 0.5, START + 3_600.0, rate=2.0)
    assert episode.observed == 9.5
    assert episode.expected == pytest.approx(1.0 + 2.0 + 1.0)
    assert (episode.tickets, episode.customers) == (10, 9)


def test_the_highest_score_is_kept() -> None:
    """An episode keeps the highest of its scores."""
    episode = open_episode()
    add(episode, START + 1.0, score=score(value=9.0))
    add(episode, START + 2.0, score=score(value=7.0))
    assert episode.score.value == 9.0


def test_time_is_accounted_once() -> None:
    """Advancing twice to the same time, or to an earlier time, changes nothing."""
    episode = open_episode()
    episode.expect_until(START + 600.0, 3.0)
    before = state_codec.encode(episode)
    episode.expect_until(START + 600.0, 3.0)
    episode.expect_until(START + 60.0, 3.0)
    assert state_codec.encode(episode) == before


def test_silence_leads_from_opened_over_recovering_to_resolved() -> None:
    """The episode is resolved after the configured calm minutes."""
    episode = open_episode()
    phases = []
    for minute in range(1, 600):
        at = START + minute * 60.0
        episode.expect_until(at, 20.0)
        over = episode.pass_minute(at, SETTINGS)
        phases.append(episode.phase)
        if over:
            break
    calm = phases.count("recovering")
    assert phases == ["opened"] * (len(phases) - calm) + ["recovering"] * calm
    assert calm == SETTINGS.clear_minutes + 1
    assert len(phases) > calm
    assert episode.resolve(at) == "resolved"
    assert (episode.phase, episode.running, episode.resolved_at, episode.calm_since) == (
        "resolved",
        False,
        at,
        None,
    )


def test_new_tickets_during_recovery_restart_the_calm_minutes() -> None:
    """If complaints return before the episode is resolved, the calm minutes start over."""
    episode = open_episode()
    at = START
    while episode.phase == "opened":
        at += 60.0
        episode.expect_until(at, 2.0)
        episode.pass_minute(at, SETTINGS)
    for _ in range(15):
        add(episode, at + 1.0, rate=2.0)
    episode.expect_until(at + 60.0, 2.0)
    assert not episode.pass_minute(at + 60.0, SETTINGS)
    assert (episode.phase, episode.calm_since) == ("opened", None)
    assert minutes_until_resolved(episode, 2.0) > SETTINGS.clear_minutes


@pytest.mark.parametrize("rate", [1e-4, 0.1, 5.0, 1000.0])
@pytest.mark.parametrize("observed", [4.0, 100.0, 1e6])
def test_silence_always_resolves_an_episode(rate: float, observed: float) -> None:
    """Silence resolves an episode within a week, whatever its size and expected rate."""
    episode = open_episode(observed=observed)
    assert SETTINGS.clear_minutes < minutes_until_resolved(episode, rate, 7 * 24 * 60)


def test_a_continuing_incident_is_not_resolved() -> None:
    """An episode stays open while tickets arrive at the rate that opened it."""
    episode = open_episode(observed=10.0, expected=1.0)
    for minute in range(1, 24 * 60):
        at = START + minute * 60.0
        episode.expect_until(at, 2.0)
        if minute % 3 == 0:  # 20 an hour, where 2 are expected
            add(episode, at, rate=2.0)
        assert not episode.pass_minute(at, SETTINGS)
    assert episode.phase == "opened"


def test_the_hysteresis_of_an_episode_is_bounded() -> None:
    """Fade time and clear ratio stay in bounds for the smallest and the largest window."""
    tiny = opened("e" * 32, 1, START, Score(5.0, START, 4.0, 3.9, 4, 4), 4.0, None)
    assert (tiny.fade_hours, tiny.clear_ratio) == (FADE_HOURS[0], CLEAR_RATIO[0])
    huge = opened("e" * 32, 1, START, Score(5.0, START - 4e5, 900.0, 1.0, 4, 4), 4.0, None)
    assert (huge.fade_hours, huge.clear_ratio) == (LONGEST_FADE_HOURS, CLEAR_RATIO[1])
    busy = opened("e" * 32, 1, START, Score(5.0, START - 4e5, 9e3, 900.0, 4, 4), 4.0, None)
    assert (busy.fade_hours, busy.clear_ratio) == (FADE_HOURS[1], CLEAR_RATIO[1])


def test_an_update_needs_growth_in_percent_and_in_tickets() -> None:
    """Growth beyond only one of the two minimums sends no update."""
    few = open_episode(observed=4.0)
    few.severity = "critical"  # the highest severity, which cannot rise
    for number in range(10):
        add(few, START + 60.0 + number)
    assert not few.next_update(SETTINGS), (
        "10 more tickets are too few, although they are 250 % more"
    )
    add(few, START + 70.0)
    assert few.next_update(SETTINGS)
    many = open_episode(observed=100.0)
    many.severity = "critical"
    for number in range(100):
        add(many, START + 60.0 + number)
    assert not many.next_update(SETTINGS), (
        "100 more tickets are no update, since they are not more than 100 %"
    )
    add(many, START + 160.0)
    assert many.next_update(SETTINGS)


def test_an_update_resets_the_growth_of_the_next_update() -> None:
    """After an update, growth is measured from the count of that update."""
    episode = open_episode(observed=4.0)
    episode.severity = "critical"
    for number in range(20):
        add(episode, START + 60.0 + number)
    assert episode.next_update(SETTINGS)
    assert episode.update() == "updated"
    assert episode.sequence == 2
    assert not episode.next_update(SETTINGS)


def test_a_rising_severity_is_updated_once() -> None:
    """A higher severity sends one update whatever the count; a lower one sends none."""
    episode = open_episode(observed=8.0)
    seen = [episode.severity]
    for number in range(8):
        add(episode, START + 60.0 + number)
    assert episode.customers == 16
    assert episode.next_update(SETTINGS)
    seen.append(episode.severity)
    episode.update()
    assert not episode.next_update(SETTINGS)
    episode.expect_until(START + 100 * 3_600.0, 5.0)
    assert not episode.next_update(SETTINGS)
    seen.append(episode.severity)
    assert seen == ["warning", "error", "error"]


def test_a_burst_sends_at_most_one_event_a_minute() -> None:
    """No update is sent within a minute of the last event, however many tickets arrive."""
    episode = open_episode(observed=4.0)
    for number in range(500):
        add(episode, START + number / 10.0)
        assert not episode.next_update(SETTINGS)
    add(episode, START + 60.0)
    assert episode.next_update(SETTINGS)


def test_a_reopened_episode_keeps_its_identity() -> None:
    """Reopening keeps id, ordinal and first detection, and takes the new window."""
    episode = open_episode()
    episode.resolve(START + 7_200.0)
    back = START + 10_000.0
    assert episode.reopen(back, score(value=6.0, observed=20.0, at=back), 4.5) == "reopened"
    assert (episode.id, episode.ordinal, episode.detected_at) == ("e" * 32, 1, START)
    assert (episode.sequence, episode.phase, episode.running) == (3, "opened", True)
    assert (episode.observed, episode.since, episode.limit) == (20.0, back - 1_800.0, 4.5)
    assert episode.reported_observed == 20.0
    assert minutes_until_resolved(episode, 1.0) > SETTINGS.clear_minutes


def test_sequence_numbers_have_no_gaps() -> None:
    """Every transition that is sent has the next sequence number."""
    episode = open_episode()
    sequences = [episode.sequence]
    episode.update()
    sequences.append(episode.sequence)
    episode.resolve(START + 60.0)
    sequences.append(episode.sequence)
    episode.reopen(START + 120.0, score(), 4.0)
    sequences.append(episode.sequence)
    episode.resolve(START + 180.0)
    sequences.append(episode.sequence)
    assert sequences == [1, 2, 3, 4, 5]


def test_an_episode_survives_encoding() -> None:
    """An encoded and decoded episode is equal in every field."""
    episode = open_episode()
    add(episode, START + 3.0, 0.5, score=score(value=8.0))
    episode.pass_minute(START + 60.0, SETTINGS)
    assert state_codec.decode(state_codec.encode(episode), Episode) == episode


def test_withdrawn_tickets_amend_an_episode_once_they_matter() -> None:
    """Withdrawing three tenths of the reported tickets sends one amendment, a few send none."""
    episode = open_episode(observed=20.0, customers=20)
    episode.expect_until(START + 61.0, 0.0)
    transitions = [episode.withdraw(START, 1.0) for _ in range(6)]
    assert transitions == [None] * 5 + ["amended"]
    assert (episode.observed, episode.tickets, episode.customers, episode.sequence) == (
        14.0,
        14,
        14,
        2,
    )
    assert episode.withdraw(START, 1.0) is None


def test_tickets_from_before_the_window_are_not_withdrawn_from_it() -> None:
    """A ticket from before the episode began was never part of it."""
    episode = open_episode()
    before = state_codec.encode(episode)
    assert episode.withdraw(episode.since - 1.0, 1.0) is None
    assert state_codec.encode(episode) == before


def test_tickets_are_not_withdrawn_from_a_resolved_episode() -> None:
    """Withdrawing a ticket does not change a resolved episode."""
    episode = open_episode()
    episode.resolve(START + 60.0)
    before = state_codec.encode(episode)
    assert episode.withdraw(START, 1.0) is None
    assert state_codec.encode(episode) == before


def test_withdrawing_never_makes_counts_negative() -> None:
    """Counts stop at zero, however many tickets are withdrawn."""
    episode = open_episode()
    for _ in range(50):
        episode.withdraw(START, 1.0)
    assert (episode.observed, episode.recent_observed, episode.tickets, episode.customers) == (
        0.0,
        0.0,
        0,
        0,
    )


def test_an_episode_of_a_slice_expects_its_share_of_the_area() -> None:
    """The expected count grows by the slice's share of the area's rate."""
    episode = open_episode()
    episode.share = 0.25
    episode.expect_until(START + 3_600.0, 8.0)
    assert episode.expected == pytest.approx(1.0 + 2.0)


def test_an_episode_becomes_tenant_wide_under_the_same_id() -> None:
    """An area's episode that becomes tenant-wide keeps id, detection time and sequence."""
    episode = open_episode()
    wide = START + 600.0
    episode.become_tenant_wide(
        wide, score(value=7.0, observed=40.0, at=wide), 3.0, ["api", "login"]
    )
    assert (episode.id, episode.ordinal, episode.detected_at, episode.sequence) == (
        "e" * 32,
        1,
        START,
        1,
    )
    assert (episode.reason, episode.areas, episode.slice) == (
        "became_tenant_wide",
        ["api", "login"],
        None,
    )
    assert (episode.observed, episode.limit) == (40.0, 3.0)
    assert episode.update() == "updated"


def test_a_quiet_area_waits_for_enough_tickets_to_be_sure() -> None:
    """Half an hour without tickets shows nothing if one ticket is expected in two hours."""
    busy, quiet = open_episode(), open_episode()
    assert minutes_until_resolved(busy, 20.0) < 60
    assert 120 < minutes_until_resolved(quiet, 0.5) <= 60 * LONGEST_DOUBT_HOURS


def test_an_excess_that_goes_on_keeps_the_episode_open() -> None:
    """Tickets at 1.8 times the usual rate for two days never resolve the episode."""
    episode = open_episode(observed=40.0, expected=20.0)
    for minute in range(1, 2 * 24 * 60):
        at = START + minute * 60.0
        episode.expect_until(at, 20.0)
        if minute % 5 < 3:
            episode.add(1.0, Score())
        assert not episode.pass_minute(at, SETTINGS), minute


def test_a_calm_episode_ends_after_a_day_at_the_latest() -> None:
    """In a very quiet area, the evidence never suffices, so time alone resolves the episode."""
    episode = open_episode(observed=4.0, expected=0.1)
    hours = 0.0
    for minute in range(1, 4 * 24 * 60):
        at = START + minute * 60.0
        episode.expect_until(at, 0.05)
        if episode.pass_minute(at, SETTINGS):
            hours = minute / 60.0
            break
    assert LONGEST_DOUBT_HOURS <= hours <= LONGEST_DOUBT_HOURS + 2.0 * LONGEST_FADE_HOURS
