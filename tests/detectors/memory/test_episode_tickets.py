"""Tickets of an episode: enough of them is kept to explain it, in bounded memory."""

import random
from collections.abc import Iterable
from typing import Any

import pytest

from detectors.foundation import state_codec
from detectors.foundation.dimensions import DIMENSIONS
from detectors.memory.affected_customers import EXACT
from detectors.memory.episode_tickets import (
    LEAST_NOTES,
    MOST_CANDIDATES,
    MOST_NOTES,
    MOST_PAIRS,
    MOST_VALUES,
    NOTE_CHARACTERS,
    TOGETHER,
    EpisodeTickets,
    TicketSummary,
    remember,
)

HOUR = 3_600.0
EU, US = "region\x1feu", "region\x1fus"


def summary(
    number: int,
    at: float = 0.0,
    text: str = "",
    customer: str | None = "",
    weight: float = 1.0,
    **values: str,
) -> TicketSummary:
    """Return a ticket with *values*, by default of a customer of its own."""
    return TicketSummary(
        ticket_hash=number,
        ticket_id=f"T-{number}",
        at=at,
        weight=weight,
        values=tuple(values.get(name) for name in DIMENSIONS),
        customer=f"c{number}" if customer == "" else customer,
        text=text,
    )


def filled(recent_tickets: Iterable[TicketSummary]) -> EpisodeTickets:
    """Return an episode with all *recent_tickets*."""
    dossier = EpisodeTickets(since=0.0)
    for one in recent_tickets:
        dossier.add(one, 90)
    return dossier


# --- recent tickets before an episode opens -------------------------------------------------------


def test_recent_tickets_span_the_time_of_a_few_expected_tickets() -> None:
    """At one ticket an hour, those of three hours are kept, and those of a spike longer."""
    recent: list[TicketSummary] = []
    for number in range(60):
        remember(recent, summary(number, number * 0.5 * HOUR), rate=1.0)
    assert [one.ticket_hash for one in recent] == [*range(53, 60)]
    remember(recent, summary(60, 100 * HOUR), rate=1.0)
    assert [one.ticket_hash for one in recent] == [58, 59, 60]
    for number in range(61, 90):
        remember(recent, summary(number, 100 * HOUR + number), rate=1.0)
    assert [one.ticket_hash for one in recent] == [*range(80, 90)]


def test_the_number_of_recent_tickets_is_bounded() -> None:
    """At any rate the latest tickets are kept, within both bounds and in order."""
    rng = random.Random(1)
    for rate in (0.0, 0.01, 1.0, 1_000.0):
        recent: list[TicketSummary] = []
        at = 0.0
        for number in range(300):
            at += rng.expovariate(1.0) * rng.choice((1.0, HOUR, 100 * HOUR))
            remember(recent, summary(number, at), rate)
            assert min(number + 1, LEAST_NOTES) <= len(recent) <= MOST_NOTES
            assert [one.ticket_hash for one in recent] == [
                *range(number + 1 - len(recent), number + 1)
            ]


def test_recent_tickets_keep_the_beginning_of_a_text() -> None:
    """As much text is kept as examples and terms need."""
    recent: list[TicketSummary] = []
    remember(recent, summary(1, text="a" * 5_000), rate=1.0)
    remember(recent, summary(2, text="short"), rate=1.0)
    assert [len(one.text) for one in recent] == [NOTE_CHARACTERS, 5]


def test_a_recent_ticket_has_keys_of_the_dimensions_it_has() -> None:
    """The keys are those of its values in the order of dimensions, without missing ones."""
    one = summary(1, region="eu", app_version="4.2.1", tier="team")
    assert one.keys == (EU, "app_version\x1f4.2.1", "tier\x1fteam")
    assert (one.tier, one.region) == ("team", "eu")
    bare = TicketSummary(1, "T-1", 0.0, 1.0, ())
    assert (bare.keys, bare.tier, bare.region) == ((), None, None)


# --- inside an episode ----------------------------------------------------------------------------


def test_values_and_pairs_are_counted_by_weight() -> None:
    """The counts are customer-equivalents: a customer's second ticket counts half."""
    dossier = filled(
        [
            summary(1, region="eu", channel="web"),
            summary(2, region="eu", channel="chat"),
            summary(3, weight=0.5, region="us", channel="web"),
        ]
    )
    assert dossier.values == {EU: 2.0, "channel\x1fweb": 1.5, "channel\x1fchat": 1.0, US: 0.5}
    assert dossier.pairs[f"{EU}{TOGETHER}channel\x1fweb"] == 1.0
    assert dossier.pairs[f"{US}{TOGETHER}channel\x1fweb"] == 0.5
    assert (dossier.observed, dossier.tickets) == (2.5, 3)


def test_terms_count_once_per_ticket_and_not_for_forms_sent_twice() -> None:
    """A ticket with a weight of zero adds no terms and is no example."""
    dossier = filled(
        [
            summary(1, text="sso error, sso error!"),
            summary(2, text="sso"),
            summary(3, text="sso again", weight=0.0),
            summary(4),
        ]
    )
    assert dossier.terms() == {"sso": 2, "error": 1, "sso error": 1, "error sso": 1}
    assert [one.ticket_hash for one in dossier.candidates] == [1, 2]


def test_tickets_outside_the_slice_are_compared_but_not_affected() -> None:
    """The rest of the area is the comparison of a slice that paged."""
    dossier = EpisodeTickets(since=0.0)
    dossier.add(summary(1, region="eu", text="sso"), 90)
    dossier.add(summary(2, region="us", text="coupon"), 90, inside=False)
    assert dossier.values == {EU: 1.0, US: 1.0}
    assert dossier.observed == 2.0
    assert (dossier.tickets, dossier.affected.customers) == (1, 1)
    assert dossier.terms() == {"sso": 1}
    assert [one.ticket_hash for one in dossier.candidates] == [1]


def test_tickets_during_the_calm_count_but_explain_nothing() -> None:
    """Tickets that arrive during recovery add customers, but no drivers and no terms."""
    dossier = filled([summary(1, region="eu", text="sso error")])
    dossier.expect_until(HOUR, 2.0)
    before = (dict(dossier.values), dict(dossier.pairs), dossier.terms(), dossier.observed)
    for number in range(2, 40):
        dossier.expect_until(HOUR + 60.0 * number, 2.0, calm=True)
        dossier.add(summary(number, region="us", channel="web", text="coupon"), 90, calm=True)
    assert (dossier.values, dossier.pairs, dossier.terms(), dossier.observed) == before
    assert dossier.expected == 2.0
    assert [one.ticket_hash for one in dossier.candidates] == [1]
    assert dossier.tickets == dossier.affected.customers == 39


def test_the_expected_count_is_accumulated_once() -> None:
    """The expected count grows by the current rate, and time never goes back."""
    dossier = EpisodeTickets(since=0.0)
    dossier.expect_until(HOUR, 4.0)
    dossier.expect_until(HOUR, 400.0)
    dossier.expect_until(0.5 * HOUR, 400.0)
    assert dossier.expected == 4.0
    dossier.expect_until(2 * HOUR, 400.0, calm=True)
    dossier.expect_until(3 * HOUR, 1.0)
    assert dossier.expected == 5.0
    assert dossier.accounted == 3 * HOUR


def test_an_area_is_counted_like_any_other_value() -> None:
    """The area of a ticket is counted as a value and in pairs."""
    dossier = EpisodeTickets(since=0.0)
    dossier.add(summary(1, region="eu"), 90, also=("product_area\x1flogin",))
    assert dossier.values == {"product_area\x1flogin": 1.0, EU: 1.0}
    assert [*dossier.pairs] == [f"product_area\x1flogin{TOGETHER}{EU}"]


def test_a_renewal_is_soon_within_the_configured_days() -> None:
    """The days are counted from the time of the ticket."""
    for days, renewing in ((90, 1), (10, 0)):
        dossier = EpisodeTickets(since=0.0)
        one = TicketSummary(1, "T-1", 0.0, 1.0, (), "acme", 9_000.0, 30 * 24 * HOUR)
        dossier.add(one, days)
        assert dossier.affected.renewing_customers == renewing
        assert dossier.affected.revenue == 9_000.0


# --- examples -------------------------------------------------------------------------------------


def test_examples_are_a_fair_sample_by_ticket_hash() -> None:
    """The tickets with the smallest hashes are kept in any order, if they have text."""
    numbers = [*range(1, 200)]
    random.Random(3).shuffle(numbers)
    dossier = filled(summary(number, text="text" if number % 2 else "") for number in numbers)
    assert sorted(one.ticket_hash for one in dossier.candidates) == [
        *range(1, 2 * MOST_CANDIDATES, 2)
    ]


def test_terms_are_those_of_a_fair_sample() -> None:
    """The sample of thousands of tickets does not depend on their order."""
    rng = random.Random(5)
    shares = []
    for _ in range(100):
        dossier = EpisodeTickets(since=0.0)
        for number in range(300):
            text = "kaboom" if number < 150 else "coupon"
            dossier.add(summary(rng.getrandbits(64), text=text), 90)
        assert sum(dossier.terms().values()) == MOST_CANDIDATES
        shares.append(dossier.terms()["kaboom"] / MOST_CANDIDATES)
    assert sum(shares) / len(shares) == pytest.approx(0.5, abs=0.04)


def test_a_withdrawn_ticket_is_no_longer_an_example() -> None:
    """A merged or deleted ticket is neither shown nor counted."""
    recent = [summary(number, text="kaboom") for number in range(1, 6)]
    dossier = filled(recent)
    dossier.withdraw(recent[1], 1e9)
    assert [one.ticket_hash for one in dossier.candidates] == [1, 3, 4, 5]
    assert (dossier.tickets, dossier.observed, dossier.terms()) == (4, 4.0, {"kaboom": 4})
    for _ in range(9):
        dossier.withdraw(recent[2], 1e9)
    assert (dossier.tickets, dossier.observed) == (0, 0.0)


def test_values_and_pairs_of_withdrawn_tickets_are_subtracted() -> None:
    """The weight of each value and pair is subtracted, and never below zero."""
    area = ("product_area\x1flogin",)
    kept = [
        summary(1, region="eu", channel="web"),
        summary(2, weight=0.5, region="us", channel="web"),
    ]
    withdrawn = [
        summary(3, weight=0.5, region="eu", channel="web"),
        summary(4, region="us", tier="team"),
    ]
    dossier, without = EpisodeTickets(since=0.0), EpisodeTickets(since=0.0)
    for one in kept + withdrawn:
        dossier.add(one, 90, also=area)
    for one in kept:
        without.add(one, 90, also=area)
    for one in withdrawn:
        dossier.withdraw(one, 1e9, also=area)
    assert {key: count for key, count in dossier.values.items() if count} == without.values
    assert {key: count for key, count in dossier.pairs.items() if count} == without.pairs
    assert (dossier.observed, dossier.tickets) == (without.observed, without.tickets)
    for one in kept + kept:
        dossier.withdraw(one, 1e9, also=area)
    assert set(dossier.values.values()) | set(dossier.pairs.values()) == {0.0}


# --- bounds ---------------------------------------------------------------------------------------


def unique_ticket(number: int, words: int) -> TicketSummary:
    """Return a ticket whose values and words appear in no other ticket."""
    values: dict[str, Any] = {name: f"{name[0]}{number}" for name in DIMENSIONS}
    text = " ".join(f"w{number}x{place}" for place in range(words))
    return summary(number, text=text, **values)


def test_the_size_of_episode_tickets_is_bounded() -> None:
    """Unique values, pairs and words do not grow the state beyond its bound."""
    dossier = EpisodeTickets(since=0.0)
    sizes = []
    for number in range(10_000):
        dossier.add(unique_ticket(number, words=40), 90)
        assert len(dossier.values) <= MOST_VALUES
        assert len(dossier.pairs) <= MOST_PAIRS
        assert len(dossier.candidates) <= MOST_CANDIDATES
        if number >= EXACT and number % 500 == 0:
            sizes.append(len(state_codec.encode(dossier)))
    assert len(dossier.affected.hashes) <= EXACT
    assert max(sizes) < 32_000
    assert max(sizes[-5:]) < 1.3 * max(sizes[:5])


@pytest.mark.parametrize("seed", range(3))
def test_a_shared_value_survives_a_flood_of_unique_values(seed: int) -> None:
    """The version and the term of three in five tickets are counted among thousands."""
    rng = random.Random(seed)
    dossier = EpisodeTickets(since=0.0)
    shared_count = 0
    for number in range(3_000):
        one = unique_ticket(number, words=15)
        if rng.random() < 0.6:
            shared_count += 1
            values: dict[str, Any] = {name: f"{name[0]}{number}" for name in DIMENSIONS}
            one = summary(
                number, text=f"{one.text} err_401_sso", **(values | {"app_version": "4.2.1"})
            )
        dossier.add(one, 90)
    assert dossier.values["app_version\x1f4.2.1"] == shared_count
    assert dossier.terms()["err_401_sso"] == pytest.approx(0.6 * MOST_CANDIDATES, abs=8)
    assert all(count == 1 for term, count in dossier.terms().items() if term.startswith("w"))


def test_episode_tickets_continue_after_a_restart() -> None:
    """Restored tickets end in the same state as those that never stopped."""
    ran = filled(unique_ticket(number, words=5) for number in range(300))
    restored = state_codec.decode(state_codec.encode(ran), EpisodeTickets)
    for number in range(300, 600):
        for dossier in (ran, restored):
            dossier.expect_until(number * 60.0, 3.0)
            dossier.add(unique_ticket(number, words=5), 90)
    assert state_codec.encode(restored) == state_codec.encode(ran)
    assert restored == ran
