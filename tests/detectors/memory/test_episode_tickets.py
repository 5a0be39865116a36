"""What is kept of the tickets inside an episode: enough to explain it, and never much."""

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


def note(
    number: int,
    at: float = 0.0,
    text: str = "",
    customer: str | None = "",
    weight: float = 1.0,
    **values: str,
) -> TicketSummary:
    """A ticket with these *values*, by default of a customer of its own."""
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
    """With all *notes* inside."""
    dossier = EpisodeTickets(since=0.0)
    for one in recent_tickets:
        dossier.add(one, 90)
    return dossier


# --- before an episode opens ----------------------------------------------------------------------


def test_notes_go_back_as_far_as_a_few_tickets_are_due() -> None:
    """At one ticket an hour, those of the last three hours; a spike is remembered longer."""
    notes: list[TicketSummary] = []
    for number in range(60):
        remember(notes, note(number, number * 0.5 * HOUR), rate=1.0)
    assert [one.ticket_hash for one in notes] == [*range(53, 60)]
    remember(notes, note(60, 100 * HOUR), rate=1.0)
    assert [one.ticket_hash for one in notes] == [58, 59, 60]
    for number in range(61, 90):
        remember(notes, note(number, 100 * HOUR + number), rate=1.0)
    assert [one.ticket_hash for one in notes] == [*range(80, 90)]


def test_notes_are_never_too_many_nor_too_few() -> None:
    """At any rate and pace: the last ones, so many at most, some in any case, newest last."""
    rng = random.Random(1)
    for rate in (0.0, 0.01, 1.0, 1_000.0):
        notes: list[TicketSummary] = []
        at = 0.0
        for number in range(300):
            at += rng.expovariate(1.0) * rng.choice((1.0, HOUR, 100 * HOUR))
            remember(notes, note(number, at), rate)
            assert min(number + 1, LEAST_NOTES) <= len(notes) <= MOST_NOTES
            assert [one.ticket_hash for one in notes] == [
                *range(number + 1 - len(notes), number + 1)
            ]


def test_notes_hold_the_beginning_of_a_text() -> None:
    """As much as examples and words need."""
    notes: list[TicketSummary] = []
    remember(notes, note(1, text="a" * 5_000), rate=1.0)
    remember(notes, note(2, text="short"), rate=1.0)
    assert [len(one.text) for one in notes] == [NOTE_CHARACTERS, 5]


def test_a_note_has_keys_of_the_dimensions_it_has() -> None:
    """Those of the ticket's values, in the order of the dimensions; tier and region by name."""
    one = note(1, region="eu", app_version="4.2.1", tier="team")
    assert one.keys == (EU, "app_version\x1f4.2.1", "tier\x1fteam")
    assert (one.tier, one.region) == ("team", "eu")
    bare = TicketSummary(1, "T-1", 0.0, 1.0, ())
    assert (bare.keys, bare.tier, bare.region) == ((), None, None)


# --- inside an episode ----------------------------------------------------------------------------


def test_values_and_pairs_are_counted_by_weight() -> None:
    """In customer-equivalents: one customer's second ticket is half a complaint."""
    dossier = filled(
        [
            note(1, region="eu", channel="web"),
            note(2, region="eu", channel="chat"),
            note(3, weight=0.5, region="us", channel="web"),
        ]
    )
    assert dossier.values == {EU: 2.0, "channel\x1fweb": 1.5, "channel\x1fchat": 1.0, US: 0.5}
    assert dossier.pairs[f"{EU}{TOGETHER}channel\x1fweb"] == 1.0
    assert dossier.pairs[f"{US}{TOGETHER}channel\x1fweb"] == 0.5
    assert (dossier.observed, dossier.tickets) == (2.5, 3)


def test_words_are_counted_once_a_ticket_and_not_of_forms_sent_twice() -> None:
    """What counts nothing says nothing, and is no example."""
    dossier = filled(
        [
            note(1, text="sso error, sso error!"),
            note(2, text="sso"),
            note(3, text="sso again", weight=0.0),
            note(4),
        ]
    )
    assert dossier.terms() == {"sso": 2, "error": 1, "sso error": 1, "error sso": 1}
    assert [one.ticket_hash for one in dossier.candidates] == [1, 2]


def test_what_is_outside_the_slice_explains_but_is_not_hit() -> None:
    """Where a slice paged, the rest of its area is what it is held against."""
    dossier = EpisodeTickets(since=0.0)
    dossier.add(note(1, region="eu", text="sso"), 90)
    dossier.add(note(2, region="us", text="coupon"), 90, inside=False)
    assert dossier.values == {EU: 1.0, US: 1.0}
    assert dossier.observed == 2.0
    assert (dossier.tickets, dossier.affected.customers) == (1, 1)
    assert dossier.terms() == {"sso": 1}
    assert [one.ticket_hash for one in dossier.candidates] == [1]


def test_what_comes_when_it_is_calm_explains_nothing_but_counts() -> None:
    """Tickets as usual, after it seems to be over: customers inside, no reason and no word."""
    dossier = filled([note(1, region="eu", text="sso error")])
    dossier.expect_until(HOUR, 2.0)
    before = (dict(dossier.values), dict(dossier.pairs), dossier.terms(), dossier.observed)
    for number in range(2, 40):
        dossier.expect_until(HOUR + 60.0 * number, 2.0, calm=True)
        dossier.add(note(number, region="us", channel="web", text="coupon"), 90, calm=True)
    assert (dossier.values, dossier.pairs, dossier.terms(), dossier.observed) == before
    assert dossier.expected == 2.0
    assert [one.ticket_hash for one in dossier.candidates] == [1]
    assert dossier.tickets == dossier.affected.customers == 39


def test_what_is_due_is_counted_once() -> None:
    """Up to each moment, by the rate of then; time never goes back."""
    dossier = EpisodeTickets(since=0.0)
    dossier.expect_until(HOUR, 4.0)
    dossier.expect_until(HOUR, 400.0)
    dossier.expect_until(0.5 * HOUR, 400.0)
    assert dossier.expected == 4.0
    dossier.expect_until(2 * HOUR, 400.0, calm=True)
    dossier.expect_until(3 * HOUR, 1.0)
    assert dossier.expected == 5.0
    assert dossier.accounted == 3 * HOUR


def test_an_area_is_a_value_like_any_other() -> None:
    """Keys beside those of its dimensions, and pairs with them."""
    dossier = EpisodeTickets(since=0.0)
    dossier.add(note(1, region="eu"), 90, also=("product_area\x1flogin",))
    assert dossier.values == {"product_area\x1flogin": 1.0, EU: 1.0}
    assert [*dossier.pairs] == [f"product_area\x1flogin{TOGETHER}{EU}"]


def test_a_contract_ends_soon_within_the_days_that_are_set() -> None:
    """As many days after the ticket as the settings say."""
    for days, renewing in ((90, 1), (10, 0)):
        dossier = EpisodeTickets(since=0.0)
        one = TicketSummary(1, "T-1", 0.0, 1.0, (), "acme", 9_000.0, 30 * 24 * HOUR)
        dossier.add(one, days)
        assert dossier.affected.renewing_customers == renewing
        assert dossier.affected.revenue == 9_000.0


# --- examples -------------------------------------------------------------------------------------


def test_examples_are_a_fair_sample_by_marks() -> None:
    """The smallest marks are kept, in whatever order they came, and only where there is text."""
    numbers = [*range(1, 200)]
    random.Random(3).shuffle(numbers)
    dossier = filled(note(number, text="text" if number % 2 else "") for number in numbers)
    assert sorted(one.ticket_hash for one in dossier.candidates) == [
        *range(1, 2 * MOST_CANDIDATES, 2)
    ]


def test_words_are_those_of_a_fair_sample() -> None:
    """Of thousands of tickets some are looked at; who came first or last is none of it."""
    rng = random.Random(5)
    shares = []
    for _ in range(100):
        dossier = EpisodeTickets(since=0.0)
        for number in range(300):
            text = "kaboom" if number < 150 else "coupon"
            dossier.add(note(rng.getrandbits(64), text=text), 90)
        assert sum(dossier.terms().values()) == MOST_CANDIDATES
        shares.append(dossier.terms()["kaboom"] / MOST_CANDIDATES)
    assert sum(shares) / len(shares) == pytest.approx(0.5, abs=0.04)


def test_an_example_that_is_taken_back_is_none_any_more() -> None:
    """A merged or deleted ticket is shown to nobody, and not counted."""
    notes = [note(number, text="kaboom") for number in range(1, 6)]
    dossier = filled(notes)
    dossier.withdraw(notes[1], 1e9)
    assert [one.ticket_hash for one in dossier.candidates] == [1, 3, 4, 5]
    assert (dossier.tickets, dossier.observed, dossier.terms()) == (4, 4.0, {"kaboom": 4})
    for _ in range(9):
        dossier.withdraw(notes[2], 1e9)
    assert (dossier.tickets, dossier.observed) == (0, 0.0)


def test_values_and_pairs_that_are_taken_back_count_no_more() -> None:
    """Of each ticket what it had, by its weight, with the keys it had beside; never below zero."""
    area = ("product_area\x1flogin",)
    kept = [note(1, region="eu", channel="web"), note(2, weight=0.5, region="us", channel="web")]
    gone = [note(3, weight=0.5, region="eu", channel="web"), note(4, region="us", tier="team")]
    dossier, without = EpisodeTickets(since=0.0), EpisodeTickets(since=0.0)
    for one in kept + gone:
        dossier.add(one, 90, also=area)
    for one in kept:
        without.add(one, 90, also=area)
    for one in gone:
        dossier.withdraw(one, 1e9, also=area)
    assert {key: count for key, count in dossier.values.items() if count} == without.values
    assert {key: count for key, count in dossier.pairs.items() if count} == without.pairs
    assert (dossier.observed, dossier.tickets) == (without.observed, without.tickets)
    for one in kept + kept:
        dossier.withdraw(one, 1e9, also=area)
    assert set(dossier.values.values()) | set(dossier.pairs.values()) == {0.0}


# --- bounds ---------------------------------------------------------------------------------------


def made_up(number: int, words: int) -> TicketSummary:
    """A ticket whose every value and word nobody has seen before."""
    values: dict[str, Any] = {name: f"{name[0]}{number}" for name in DIMENSIONS}
    text = " ".join(f"w{number}x{place}" for place in range(words))
    return note(number, text=text, **values)


def test_it_is_bounded_whatever_comes() -> None:
    """A million values, pairs and words that come once each: no more state than after a few."""
    dossier = EpisodeTickets(since=0.0)
    sizes = []
    for number in range(10_000):
        dossier.add(made_up(number, words=40), 90)
        assert len(dossier.values) <= MOST_VALUES
        assert len(dossier.pairs) <= MOST_PAIRS
        assert len(dossier.candidates) <= MOST_CANDIDATES
        if number >= EXACT and number % 500 == 0:
            sizes.append(len(state_codec.encode(dossier)))
    assert len(dossier.affected.hashes) <= EXACT
    assert max(sizes) < 32_000
    assert max(sizes[-5:]) < 1.3 * max(sizes[:5])


@pytest.mark.parametrize("seed", range(3))
def test_what_most_tickets_share_outlives_what_is_made_up(seed: int) -> None:
    """Among thousands that come once, the version of three in five is counted, and their word."""
    rng = random.Random(seed)
    dossier = EpisodeTickets(since=0.0)
    told = 0
    for number in range(3_000):
        one = made_up(number, words=15)
        if rng.random() < 0.6:
            told += 1
            values: dict[str, Any] = {name: f"{name[0]}{number}" for name in DIMENSIONS}
            one = note(
                number, text=f"{one.text} err_401_sso", **(values | {"app_version": "4.2.1"})
            )
        dossier.add(one, 90)
    assert dossier.values["app_version\x1f4.2.1"] == told
    assert dossier.terms()["err_401_sso"] == pytest.approx(0.6 * MOST_CANDIDATES, abs=8)
    assert all(count == 1 for term, count in dossier.terms().items() if term.startswith("w"))


def test_it_goes_on_after_a_restart() -> None:
    """What is restored of its bytes takes in the same and ends the same."""
    ran = filled(made_up(number, words=5) for number in range(300))
    restored = state_codec.decode(state_codec.encode(ran), EpisodeTickets)
    for number in range(300, 600):
        for dossier in (ran, restored):
            dossier.expect_until(number * 60.0, 3.0)
            dossier.add(made_up(number, words=5), 90)
    assert state_codec.encode(restored) == state_codec.encode(ran)
    assert restored == ran
