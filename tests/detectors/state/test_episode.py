"""The life of an episode, from the first page to the last word."""

import pytest

from detectors.foundation import state_codec
from detectors.memory.episode_tickets import EpisodeTickets, TicketSummary
from detectors.models import Score
from detectors.policy.settings import Settings
from detectors.policy.severity_rules import RULES
from detectors.state.episode import CLEAR_RATIO, FADE_HOURS, Episode, episode_id, opened

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
    """A window of the last half hour before *at*."""
    return Score(value, at - 1_800.0, observed, expected, int(observed), customers, 9.0, 0.1)


def episode(**of_score: float) -> Episode:
    """One that was opened at `START`."""
    it = opened("e" * 32, 1, START, score(**of_score), 4.0, None)  # type: ignore[arg-type]  # customers is whole
    it.begin(EpisodeTickets(since=START), RULES)
    return it


def add(
    it: Episode,
    at: float,
    weight: float = 1.0,
    last_seen: float = 0.0,
    score: Score | None = None,
    rate: float = 1.0,
) -> None:
    """One more ticket *at*, accounted up to it as the pipeline does."""
    it.expect_until(at, rate)
    if last_seen < it.since and it.collected is not None:  # a customer not seen since it began
        mark = it.collected.tickets
        it.collected.add(TicketSummary(mark, f"T-{mark}", at, weight, (), f"customer {mark}"), 90)
    it.add(weight, score or Score())


def minutes_until_resolved(it: Episode, rate: float, most: int = 10_000) -> int:
    """How many minutes of silence it takes from where it stands."""
    for minute in range(1, most):
        at = it.accounted - it.accounted % 60.0 + 60.0
        it.expect_until(at, rate)
        if it.pass_minute(at, SETTINGS):
            return minute
    raise AssertionError("it is never resolved")


def test_an_id_is_made_of_tenant_series_and_ordinal() -> None:
    """The same episode has the same id everywhere, and no other has it."""
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


def test_it_opens_with_the_evidence_of_its_window() -> None:
    """The first event tells what the window held, from its start."""
    it = episode()
    assert (it.phase, it.sequence, it.running) == ("opened", 1, True)
    assert (it.since, it.detected_at) == (START - 1_800.0, START)
    assert (it.observed, it.expected, it.tickets, it.customers) == (8.0, 1.0, 8, 8)
    assert it.severity == "warning"


def test_tickets_add_up() -> None:
    """Each ticket adds its weight, the time between adds what was due, known customers do not."""
    it = episode()
    add(it, START + 3_600.0, 1.0, START - 7_200.0, rate=2.0)
    add(it, START + 5_400.0, 0.5, START + 3_600.0, rate=2.0)
    assert it.observed == 9.5
    assert it.expected == pytest.approx(1.0 + 2.0 + 1.0)
    assert (it.tickets, it.customers) == (10, 9)


def test_the_highest_score_is_kept() -> None:
    """An episode is remembered by its most surprising moment."""
    it = episode()
    add(it, START + 1.0, score=score(value=9.0))
    add(it, START + 2.0, score=score(value=7.0))
    assert it.score.value == 9.0


def test_time_is_accounted_once() -> None:
    """Accounting up to a time twice, or to an earlier one, changes nothing."""
    it = episode()
    it.expect_until(START + 600.0, 3.0)
    before = state_codec.encode(it)
    it.expect_until(START + 600.0, 3.0)
    it.expect_until(START + 60.0, 3.0)
    assert state_codec.encode(it) == before


def test_opened_recovering_resolved() -> None:
    """Silence leads from opened over recovering to resolved, when the calm minutes are over."""
    it = episode()
    phases = []
    for minute in range(1, 600):
        at = START + minute * 60.0
        it.expect_until(at, 2.0)
        over = it.pass_minute(at, SETTINGS)
        phases.append(it.phase)
        if over:
            break
    calm = phases.count("recovering")
    assert phases == ["opened"] * (len(phases) - calm) + ["recovering"] * calm
    assert calm == SETTINGS.clear_minutes + 1
    assert len(phases) > calm
    assert it.resolve(at) == "resolved"
    assert (it.phase, it.running, it.resolved_at, it.calm_since) == ("resolved", False, at, None)


def test_a_return_during_calm_starts_the_calm_anew() -> None:
    """When complaints come back before it was resolved, the calm minutes begin again."""
    it = episode()
    at = START
    while it.phase == "opened":
        at += 60.0
        it.expect_until(at, 2.0)
        it.pass_minute(at, SETTINGS)
    for _ in range(15):
        add(it, at + 1.0, rate=2.0)
    it.expect_until(at + 60.0, 2.0)
    assert not it.pass_minute(at + 60.0, SETTINGS)
    assert (it.phase, it.calm_since) == ("opened", None)
    assert minutes_until_resolved(it, 2.0) > SETTINGS.clear_minutes


@pytest.mark.parametrize("rate", [1e-4, 0.1, 5.0, 1000.0])
@pytest.mark.parametrize("observed", [4.0, 100.0, 1e6])
def test_silence_always_resolves(rate: float, observed: float) -> None:
    """However big it was and however little is expected, silence ends an episode within a week."""
    it = episode(observed=observed)
    assert SETTINGS.clear_minutes < minutes_until_resolved(it, rate, 7 * 24 * 60)


def test_what_goes_on_is_not_resolved() -> None:
    """While tickets keep coming at the rate that opened it, it stays open."""
    it = episode(observed=10.0, expected=1.0)
    for minute in range(1, 24 * 60):
        at = START + minute * 60.0
        it.expect_until(at, 2.0)
        if minute % 3 == 0:  # 20 an hour, where 2 are due
            add(it, at, rate=2.0)
        assert not it.pass_minute(at, SETTINGS)
    assert it.phase == "opened"


def test_the_bounds_of_hysteresis_hold() -> None:
    """Memory and clear ratio stay within their bounds, for the smallest and the greatest window."""
    tiny = opened("e" * 32, 1, START, Score(5.0, START, 4.0, 3.9, 4, 4), 4.0, None)
    assert (tiny.fade_hours, tiny.clear_ratio) == (FADE_HOURS[0], CLEAR_RATIO[0])
    huge = opened("e" * 32, 1, START, Score(5.0, START - 4e5, 900.0, 1.0, 4, 4), 4.0, None)
    assert (huge.fade_hours, huge.clear_ratio) == (FADE_HOURS[1], CLEAR_RATIO[1])


def test_an_update_needs_both_bounds() -> None:
    """More than the percentage and more than the count: one of them alone is not told."""
    few = episode(observed=4.0)
    few.severity = "critical"  # nothing is graver
    for number in range(10):
        add(few, START + 60.0 + number)
    assert not few.next_update(SETTINGS), "250 % more, but only 10 tickets"
    add(few, START + 70.0)
    assert few.next_update(SETTINGS)
    many = episode(observed=100.0)
    many.severity = "critical"
    for number in range(100):
        add(many, START + 60.0 + number)
    assert not many.next_update(SETTINGS), "100 tickets, but not more than 100 %"
    add(many, START + 160.0)
    assert many.next_update(SETTINGS)


def test_what_was_told_is_not_told_again() -> None:
    """After an update the next one counts from there."""
    it = episode(observed=4.0)
    it.severity = "critical"
    for number in range(20):
        add(it, START + 60.0 + number)
    assert it.next_update(SETTINGS)
    assert it.update() == "updated"
    assert it.sequence == 2
    assert not it.next_update(SETTINGS)


def test_a_graver_severity_is_told_once() -> None:
    """A severity that rises is an update, whatever the change in count; one that falls is none."""
    it = episode(observed=8.0)
    seen = [it.severity]
    for number in range(8):
        add(it, START + 60.0 + number)
    assert it.customers == 16
    assert it.next_update(SETTINGS)
    seen.append(it.severity)
    it.update()
    assert not it.next_update(SETTINGS)
    it.expect_until(START + 100 * 3_600.0, 5.0)
    assert not it.next_update(SETTINGS)
    seen.append(it.severity)
    assert seen == ["warning", "error", "error"]


def test_one_burst_is_one_message() -> None:
    """Within a minute of the last event nothing is told, however much comes; then it is."""
    it = episode(observed=4.0)
    for number in range(500):
        add(it, START + number / 10.0)
        assert not it.next_update(SETTINGS)
    add(it, START + 60.0)
    assert it.next_update(SETTINGS)


def test_a_reopened_episode_is_the_same_with_new_evidence() -> None:
    """Reopening keeps id, ordinal and first detection, counts on, and takes the new window."""
    it = episode()
    it.resolve(START + 7_200.0)
    back = START + 10_000.0
    assert it.reopen(back, score(value=6.0, observed=20.0, at=back), 4.5) == "reopened"
    assert (it.id, it.ordinal, it.detected_at) == ("e" * 32, 1, START)
    assert (it.sequence, it.phase, it.running) == (3, "opened", True)
    assert (it.observed, it.since, it.limit) == (20.0, back - 1_800.0, 4.5)
    assert it.reported_observed == 20.0
    assert minutes_until_resolved(it, 1.0) > SETTINGS.clear_minutes


def test_sequences_have_no_gaps() -> None:
    """Every transition that is told has the next number."""
    it = episode()
    told = [it.sequence]
    it.update()
    told.append(it.sequence)
    it.resolve(START + 60.0)
    told.append(it.sequence)
    it.reopen(START + 120.0, score(), 4.0)
    told.append(it.sequence)
    it.resolve(START + 180.0)
    told.append(it.sequence)
    assert told == [1, 2, 3, 4, 5]


def test_an_episode_survives_encoding() -> None:
    """Encoded and decoded, it is equal in every field."""
    it = episode()
    add(it, START + 3.0, 0.5, score=score(value=8.0))
    it.pass_minute(START + 60.0, SETTINGS)
    assert state_codec.decode(state_codec.encode(it), Episode) == it


def test_what_is_taken_back_is_told_once_it_matters() -> None:
    """Of what was told, three tenths taken back are told as an amendment; a few tickets are not."""
    it = episode(observed=20.0, customers=20)
    it.expect_until(START + 61.0, 0.0)
    told = [it.withdraw(START, 1.0) for _ in range(6)]
    assert told == [None] * 5 + ["amended"]
    assert (it.observed, it.tickets, it.customers, it.sequence) == (14.0, 14, 14, 2)
    assert it.withdraw(START, 1.0) is None


def test_what_came_before_the_window_is_not_taken_back_from_it() -> None:
    """A ticket from before the episode began was never part of it."""
    it = episode()
    before = state_codec.encode(it)
    assert it.withdraw(it.since - 1.0, 1.0) is None
    assert state_codec.encode(it) == before


def test_nothing_is_taken_back_from_what_is_over() -> None:
    """A resolved episode stands as it was told."""
    it = episode()
    it.resolve(START + 60.0)
    before = state_codec.encode(it)
    assert it.withdraw(START, 1.0) is None
    assert state_codec.encode(it) == before


def test_more_cannot_be_taken_back_than_came() -> None:
    """However often it is asked, counts end at nothing."""
    it = episode()
    for _ in range(50):
        it.withdraw(START, 1.0)
    assert (it.observed, it.recent_observed, it.tickets, it.customers) == (0.0, 0.0, 0, 0)


def test_a_slice_is_due_its_share() -> None:
    """An episode of a slice accounts for the slice's part of the area's rate."""
    it = episode()
    it.share = 0.25
    it.expect_until(START + 3_600.0, 8.0)
    assert it.expected == pytest.approx(1.0 + 2.0)


def test_it_becomes_the_tenants_under_the_same_id() -> None:
    """An area's episode that turns out to be the tenant's keeps id, detection and sequence."""
    it = episode()
    wide = START + 600.0
    it.become_tenant_wide(wide, score(value=7.0, observed=40.0, at=wide), 3.0, ["api", "login"])
    assert (it.id, it.ordinal, it.detected_at, it.sequence) == ("e" * 32, 1, START, 1)
    assert (it.reason, it.areas, it.slice) == ("became_tenant_wide", ["api", "login"], None)
    assert (it.observed, it.limit) == (40.0, 3.0)
    assert it.update() == "updated"
