"""How well a taxonomy fits tickets: counts, ties, agreement, and bounded memory."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.foundation.tokens import tokens
from detectors.policy.taxonomy import AreaEntry, IssueType, Taxonomy
from detectors.policy.taxonomy_coverage import (
    MOST_COUNTED,
    Check,
    OnTickets,
    Points,
    Tally,
    findings,
)
from schemas.signals import UNCLASSIFIED

LOGIN = AreaEntry(
    name="login",
    product="platform",
    aliases=("sso",),
    keywords=("password", "log in"),
    issue_types=(IssueType(name="sso error", keywords=("saml",)),),
)
BILLING = AreaEntry(name="billing", product="commerce", keywords=("invoice", "payment"))
CHECKOUT = AreaEntry(name="checkout", product="commerce", keywords=("cart", "payment"))
API = AreaEntry(name="api", keywords=("rate limit",))
TAXONOMY = Taxonomy(areas=(LOGIN, BILLING, CHECKOUT, API))
WORDS = ("password", "log", "in", "saml", "invoice", "payment", "cart", "rate", "limit", "hello")


def checked(*tickets: tuple[str, str | None]) -> OnTickets:
    """Return the findings on these tickets."""
    check = Check(TAXONOMY)
    for area, text in tickets:
        check.add(area, text)
    found = check.findings().on_tickets
    assert found is not None
    return found


def test_the_size_and_shared_keywords_need_no_tickets() -> None:
    """Both are derived from the taxonomy alone."""
    found = findings(TAXONOMY)
    size = found.size
    assert (size.products, size.areas, size.aliases, size.issue_types, size.keywords) == (
        *(2, 4, 1, 1),
        8,
    )
    assert [(one.one, one.other, one.keywords) for one in found.overlaps] == [
        ("billing", "checkout", ("payment",))
    ]
    assert found.on_tickets is None


def test_an_empty_taxonomy_matches_nothing() -> None:
    """Every name is unknown, and no ticket is classified."""
    check = Check(Taxonomy())
    check.add("login", "password")
    check.add(UNCLASSIFIED, "password")
    found = check.findings().on_tickets
    assert found is not None
    assert (found.unknown, found.unplaced, found.never, found.fits) == (1, 1, (), ())


def test_names_are_counted_as_known_alias_or_unknown() -> None:
    """Unknown names are sorted by frequency."""
    found = checked(
        ("login", None), ("sso", None), ("sso", ""), *[("crm", None)] * 2, ("ads", None)
    )
    assert (found.tickets, found.known, found.alias, found.unknown) == (6, 1, 2, 3)
    assert [(one.name, one.tickets) for one in found.unknown_names] == [("crm", 2), ("ads", 1)]


def test_tickets_without_an_area_are_classified_ambiguous_or_neither() -> None:
    """The terms that no rule covers are listed."""
    found = checked(
        (UNCLASSIFIED, "my password"),
        (UNCLASSIFIED, "the payment of the coupon"),
        (UNCLASSIFIED, "a coupon"),
        (UNCLASSIFIED, None),
    )
    assert (found.by_rules, found.ambiguous, found.unplaced) == (1, 1, 2)
    assert found.missing_terms[0].name == "coupon"
    assert found.missing_terms[0].tickets == 2
    assert "password" not in [one.name for one in found.missing_terms]


def test_areas_that_neither_a_name_nor_a_rule_reaches_are_listed() -> None:
    """An alias counts as a name, and rules count only for tickets without an area."""
    assert checked(("sso", "the invoice"), (UNCLASSIFIED, "cart")).never == ("billing", "api")


def test_ties_are_counted_in_pairs_of_areas_with_their_keywords() -> None:
    """Tickets with and without an area are counted."""
    found = checked(
        (UNCLASSIFIED, "payment"), ("login", "payment password"), (UNCLASSIFIED, "log in, cart")
    )
    ties = [(tie.one, tie.other, tie.tickets) for tie in found.ties]
    assert ties == [("billing", "checkout", 2), ("billing", "login", 1), ("checkout", "login", 1)]
    assert found.ties[0].keywords == ("payment",)
    assert set(found.ties[1].keywords) == {"payment", "password"}


def test_rules_are_compared_with_the_areas_of_tickets() -> None:
    """Precision and recall of each area are listed with the worst first."""
    found = checked(
        *[("login", "password")] * 3,
        ("sso", "saml"),
        ("login", "the invoice"),
        ("billing", "invoice"),
        ("billing", "hello"),
        ("api", "payment"),
        ("crm", "password"),
    )
    assert (found.agree, found.differ, found.undecided) == (5, 1, 2)
    assert [(fit.area, fit.named, fit.placed, fit.right) for fit in found.fits] == [
        ("api", 1, 0, 0),
        ("billing", 2, 2, 1),
        ("login", 5, 4, 4),
    ]
    assert [(fit.precision, fit.recall) for fit in found.fits] == [
        *[(None, 0.0), (0.5, 0.5), (1.0, 0.8)]
    ]


def test_an_area_without_named_tickets_has_no_recall() -> None:
    """The precision of an area that is classified but never named is zero."""
    fits = {fit.area: fit for fit in checked(("login", "cart")).fits}
    assert (fits["checkout"].precision, fits["checkout"].recall) == (0.0, None)


def test_events_that_are_left_out_are_counted() -> None:
    """Events that are left out do not contribute to the number of tickets."""
    check = Check(TAXONOMY)
    check.leave_out()
    found = check.findings().on_tickets
    assert found is not None
    assert (found.tickets, found.left_out) == (0, 1)


@given(st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join))
def test_a_single_leading_area_is_the_classification(text: str) -> None:
    """A text with several leading areas, or none, is not classified."""
    leaders = list(Points(TAXONOMY).leaders(tokens(text)))
    placed = TAXONOMY.place(tokens(text))
    assert (placed[0] if placed else None) == (leaders[0] if len(leaders) == 1 else None)


@pytest.mark.parametrize("most", [10, 1_000])
def test_a_tally_forgets_the_rare_and_keeps_the_frequent(most: int) -> None:
    """The number of names is bounded, and the most frequent names are kept."""
    rng, tally = random.Random(7), Tally[str](most=most)
    for number in range(5_000):
        tally.add({"often", f"rare {number}", *(["half"] if rng.random() < 0.5 else [])})
        assert len(tally) <= most
    assert tally.top(1) == [("often", 5_000)]
    assert tally.top(2)[1][0] == "half"


def test_memory_is_bounded_for_arbitrary_tickets(monkeypatch: pytest.MonkeyPatch) -> None:
    """New names and new words in every ticket do not grow the memory beyond its bound."""
    check = Check(TAXONOMY)
    small: dict[str, Any] = {"_unknown": Tally[str](50), "_terms": Tally[str](200)}
    for name, tally in small.items():
        monkeypatch.setattr(check, name, tally)
    for number in range(2_000):
        check.add(f"name {number}", None)
        check.add(UNCLASSIFIED, f"common word{number} other{number}x")
    found = check.findings().on_tickets
    assert found is not None
    assert found.missing_terms[0].name == "common"
    assert found.missing_terms[0].tickets == 2_000
    assert len(small["_unknown"]) <= 50
    assert len(small["_terms"]) <= 200
    assert len(Tally[str]()) < MOST_COUNTED
