"""Why nothing was sent: the true cause, and how many more tickets would have paged."""

import pytest

from detectors.forensics.redecide import LoggedSignal
from detectors.forensics.why_not import MOST_MORE, why_not
from detectors.policy.settings import Settings
from schemas.escalation import EscalationEvent
from schemas.signals import Tick, Ticket
from stream.analysis.why_not import as_text
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
    story.burst(story.at - 600.0, 5, minutes=11.0)
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


def beside_an_incident() -> tuple[list[Ticket], float]:
    """Return three weeks of five areas, an incident of login at the end, and a time during it.

    Three other areas are slightly elevated.
    """
    areas = ("login", "billing", "api", "search", "exports")
    signals = [
        Ticket("acme", f"{name}{n}", MONDAY + (n / 3.0) * HOUR, name, customer=f"{name}{n}",
               mode="simulated")
        for n in range(3 * 3 * 168)
        for name in areas
    ]  # fmt: skip
    begin = signals[-1].created_at - 2.0 * HOUR
    signals += [
        Ticket("acme", f"i{n}", begin + 60.0 * n, "login", customer=f"i{n}", mode="simulated")
        for n in range(90)
    ]
    signals += [
        Ticket("acme", f"{name}+{n}", begin + 1000.0 + 240.0 * n, name, customer=f"{name}+{n}",
               mode="simulated")
        for n in range(5)
        for name in ("api", "search", "exports")
    ]  # fmt: skip
    return sorted(signals, key=lambda ticket: ticket.created_at), begin + 2400.0


def events_with(signals: list[Ticket], at: float, more: int) -> list[EscalationEvent]:
    """Return the events if more tickets of billing arrive in the quarter of an hour before."""
    added = [
        Ticket("acme", f"m{n}", at - 900.0 + 900.0 * (n + 0.5) / more, "billing",
               customer=f"m{n}", mode="simulated")
        for n in range(more)
    ]  # fmt: skip
    feed = TenantFeed(Settings())
    for ticket in sorted([*signals, *added], key=lambda ticket: ticket.created_at):
        feed.take(ticket)
    return feed.events


@pytest.mark.slow
def test_tickets_beside_an_open_episode_would_have_joined_it() -> None:
    """On-call would have been notified by that episode, so "would not have paged" is false."""
    signals, at = beside_an_incident()
    answer = why_not(log_of(signals), Settings(), "acme", "billing", at)
    assert answer.because in ("too_few", "no_tickets")
    assert answer.more is not None
    assert answer.effect is not None
    assert (answer.effect.kind, answer.effect.area) == ("joined", "")
    (text,) = (line for line in as_text(answer) if "more ticket" in line)
    assert text.endswith(
        f"would have joined the open episode {answer.effect.episode} (the whole tenant)"
    )

    def has_joined(more: int) -> bool:
        return any(
            event.data.product_area is None and "billing" in (event.data.areas or ())
            for event in events_with(signals, at, more)
            if event.time.timestamp() <= at + HOUR
        )

    assert has_joined(answer.more)
    assert not has_joined(answer.more - 1)


def test_an_area_is_found_in_any_case() -> None:
    """The argument is folded as intake folds the areas of tickets."""
    signals = quiet_weeks()
    at = signals[-1].created_at
    answer = why_not(log_of(signals), Settings(), "acme", " LOGIN\u200b", at)
    assert answer.area == "login"
    assert answer.because == "too_few"


def test_a_misspelt_area_is_answered_with_similar_ones() -> None:
    """A company can have hundreds of areas, so the answer does not list them all."""
    signals = quiet_weeks()
    at = signals[-1].created_at
    answer = why_not(log_of(signals), Settings(), "acme", "Loggin", at)
    assert (answer.because, answer.detail) == ("unknown_area", "did you mean login?")
    many = [
        Ticket("acme", f"{n}", MONDAY + n, f"part {n:03}", customer=f"{n}", mode="simulated")
        for n in range(50)
    ]
    answer = why_not(log_of(many), Settings(), "acme", "zebra", MONDAY + 50.0)
    assert answer.detail.startswith("known areas: part 000, part 001, ")
    assert answer.detail.endswith(" more")
