"""Why nothing was sent: the true cause, and how many more tickets would have paged."""

import pytest

from detectors.forensics.redecide import LoggedSignal
from detectors.forensics.why_not import MOST_MORE, why_not
from detectors.policy.settings import Settings
from schemas.signals import Tick, Ticket
from tests.support.companies import HOUR, MONDAY, TenantFeed
from tests.support.near_misses import KINDS, Story, expected, near_miss


@pytest.mark.slow
def test_the_true_cause_is_named() -> None:
    """Of two near misses of each cause, at most one in twenty is attributed to another."""
    found = [near_miss(number) for number in range(2 * len(KINDS))]
    wrong = [(true, answer) for true, answer in found if answer.because != true]
    assert len(wrong) <= 0.05 * len(found), wrong
    assert {answer.because for _, answer in found} >= {kind.because for kind in KINDS}


@pytest.mark.slow
def test_an_announced_event_is_no_cause_if_no_score_crossed() -> None:
    """If too few tickets arrive during an event, the event suppressed nothing."""
    story = Story(7)
    expected(story)
    story.around.clear()
    story.burst(story.at - 300.0, 5, minutes=6.0)
    answer = story.ask()
    assert answer.nearest is not None
    assert 0.0 <= answer.nearest.score < answer.nearest.bar
    assert answer.because == "too_few"


def log_of(signals: list[Ticket]) -> list[LoggedSignal]:
    """Return the tickets as logged signals."""
    return [LoggedSignal(f"{number}", signal) for number, signal in enumerate(signals)]


def quiet_weeks() -> list[Ticket]:
    """Return three weeks of one ticket an hour, each by a customer of its own."""
    return [
        Ticket("acme", f"{n}", MONDAY + n * HOUR, "login", customer=f"c{n}", mode="simulated")
        for n in range(3 * 168)
    ]


def test_the_number_of_missing_tickets_is_the_smallest_that_pages() -> None:
    """That many more tickets page, and one fewer does not."""
    signals = quiet_weeks()
    at = signals[-1].created_at
    answer = why_not(log_of(signals), Settings(), "acme", "login", at)
    assert answer.because == "too_few"
    assert answer.more is not None
    assert 4 <= answer.more < 50

    def pages(more: int) -> bool:
        added = [
            Ticket("acme", f"m{n}", at - 900.0 + 900.0 * (n + 0.5) / more, "login",
                   customer=f"m{n}", mode="simulated")
            for n in range(more)
        ]  # fmt: skip
        feed = TenantFeed(Settings())
        for ticket in sorted([*signals, *added], key=lambda one: one.created_at):
            feed.take(ticket)
        return bool([page for page in feed.pages if page.time.timestamp() > at - 1000.0])

    assert pages(answer.more)
    assert not pages(answer.more - 1)


def test_no_number_is_given_if_no_number_of_tickets_would_page() -> None:
    """With almost no budget, no small number of tickets is given."""
    signals = quiet_weeks()
    settings = Settings(false_pages_per_week=1e-300)
    at = MONDAY + 400 * HOUR
    answer = why_not(log_of(signals), settings, "acme", "login", at)
    assert answer.more is None or answer.more > MOST_MORE / 4


@pytest.mark.slow
def test_simulated_time_is_analysed_by_its_own_clock() -> None:
    """Wall-clock ticks and arrival times on the topic do not change the answer."""
    wall = MONDAY + 3e8
    log = [LoggedSignal("tick 0", Tick(wall), wall)]
    for number, signal in enumerate(quiet_weeks()):
        log.append(LoggedSignal(f"{number}", signal, wall + number))
        log.append(LoggedSignal(f"tick {number}", Tick(wall + number), wall + number))
    at = MONDAY + 400.5 * HOUR
    answer = why_not(log, Settings(), "acme", "login", at)
    alone = why_not(log_of(quiet_weeks()), Settings(), "acme", "login", at)
    assert (answer.because, answer.outcomes, answer.rate) == (
        alone.because,
        alone.outcomes,
        alone.rate,
    )
    assert answer.because == "too_few"
    assert answer.outcomes == {"counted": 2}
