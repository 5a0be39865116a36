"""The taxonomy: areas, aliases and products, and classification of a text by keywords."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.policy.taxonomy import AreaEntry, IssueType, Taxonomy, check_overlap
from detectors.simulation.tickets import ISSUES, World, tickets
from stream.config.policy_files.taxonomy import read_taxonomy

ROOT = Path(__file__).parents[3]
LOGIN = AreaEntry(
    name="login",
    product="platform",
    aliases=("sso", "sign-in"),
    keywords=("log in", "password"),
    issue_types=(
        IssueType(name="sso error", keywords=("saml", "single sign-on")),
        IssueType(name="locked out", keywords=("locked out",)),
    ),
)
BILLING = AreaEntry(name="billing", product="commerce", keywords=("invoice", "refund"))
CHECKOUT = AreaEntry(name="checkout", product="commerce", aliases=("cart",), keywords=("coupon",))
SEARCH = AreaEntry(name="search", keywords=("results", "log in page"))
TAXONOMY = Taxonomy(areas=(LOGIN, BILLING, CHECKOUT, SEARCH))


def test_an_alias_is_resolved_and_an_unknown_name_is_kept() -> None:
    """Names of areas, aliases and unlisted names are all accepted."""
    names = ("login", "sso", "sign-in", "cart", "unclassified", "")
    assert [TAXONOMY.canonical(name) for name in names] == [
        "login",
        "login",
        "login",
        "checkout",
        "unclassified",
        "",
    ]
    assert [TAXONOMY.knows(name) for name in names] == [True, True, True, True, False, False]
    assert Taxonomy().canonical("login") == "login"
    assert not Taxonomy().knows("login")


def test_products_list_their_areas() -> None:
    """A product lists its areas in file order, and an alias has the product of its area."""
    assert TAXONOMY.products == {"platform": ("login",), "commerce": ("billing", "checkout")}
    assert [TAXONOMY.product_of(name) for name in ("login", "cart", "search", "other")] == [
        "platform",
        "commerce",
        None,
        None,
    ]


def test_the_table_of_products_is_a_copy() -> None:
    """A change to the returned table does not change the taxonomy."""
    TAXONOMY.products.clear()
    assert TAXONOMY.products


def test_a_taxonomy_is_an_immutable_value() -> None:
    """Equal taxonomies have equal hashes, and no part of them can be changed."""
    again = Taxonomy(areas=(LOGIN, BILLING, CHECKOUT, SEARCH))
    assert again == TAXONOMY
    assert hash(again) == hash(TAXONOMY)
    assert hash(Taxonomy(areas=(LOGIN,))) != hash(TAXONOMY)
    with pytest.raises(AttributeError):
        TAXONOMY.areas = ()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "placed"),
    [
        ("my password does not work", ("login", None)),
        ("i cannot log in", ("login", None)),
        ("the log of yesterday is in there", None),
        ("passwords", None),
        ("saml fails", ("login", "sso error")),
        ("no single sign-on any more", ("login", "sso error")),
        ("no single_sign on any more", ("login", "sso error")),
        ("locked out by saml", ("login", "locked out")),
        ("locked out by saml and single sign-on", ("login", "sso error")),
        ("refund the invoice, my password is of no use", ("billing", None)),
        ("invoice and password", None),
        ("invoice invoice invoice and my password", None),
        ("the log in page shows no coupon", ("search", None)),
        ("", None),
        ("?!", None),
    ],
)
def test_keywords_classify_a_text(text: str, placed: tuple[str, str | None] | None) -> None:
    """Whole words and phrases match once each, longer ones weigh more, and a tie has no winner."""
    assert TAXONOMY.place(text.split()) == placed
    assert TAXONOMY.place([text]) == placed
    assert TAXONOMY.place(tuple(text.split())) == placed


def test_a_text_is_not_classified_without_keywords() -> None:
    """Neither areas without keywords nor keywords without a letter match."""
    bare = Taxonomy(areas=(AreaEntry(name="login"), AreaEntry(name="api", keywords=("!", ""))))
    assert bare.place(["login", "!", ""]) is None
    assert Taxonomy().place(["login"]) is None


def test_a_tie_of_issue_types_still_gives_the_area() -> None:
    """The area is known although the issue type is not."""
    two = AreaEntry(
        name="api",
        issue_types=(
            IssueType(name="slow", keywords=("slow",)),
            IssueType(name="error", keywords=("error",)),
        ),
    )
    assert Taxonomy(areas=(two,)).place(["slow", "error"]) == ("api", None)


def test_a_shared_keyword_matches_both_areas() -> None:
    """A keyword of two areas gives a tie, which a second keyword can break."""
    one = AreaEntry(name="one", keywords=("payment", "card"))
    two = AreaEntry(name="two", issue_types=(IssueType(name="failed", keywords=("payment",)),))
    both = Taxonomy(areas=(one, two))
    assert both.place(["payment"]) is None
    assert both.place(["payment", "card"]) == ("one", None)


def test_overlaps_list_pairs_of_areas_and_their_keywords() -> None:
    """Keywords of issue types, and other spellings of the same words, are included."""
    areas = (
        AreaEntry(name="a", keywords=("payment", "sign-on")),
        AreaEntry(name="b", issue_types=(IssueType(name="i", keywords=("payment",)),)),
        AreaEntry(name="c", keywords=("sign on", "payment", "own")),
    )
    assert check_overlap(Taxonomy(areas=areas)) == [
        ("a", "b", ("payment",)),
        ("a", "c", ("payment", "sign-on")),
        ("b", "c", ("payment",)),
    ]
    assert check_overlap(TAXONOMY) == []


def test_the_example_taxonomy_classifies_simulated_tickets() -> None:
    """The example has no overlap and classifies most tickets, nearly all of them correctly."""
    taxonomy, lines = read_taxonomy(ROOT / "deploy/config/taxonomy.toml")
    assert lines == []
    assert check_overlap(taxonomy) == []
    right, placed, every = 0, 0, 0
    for ticket in tickets(World(start=0.0, hours=24.0, seed=3)):
        area, issue_type = str(ticket["product_area"]), str(ticket["issue_type"])
        text = f"{ticket['subject']} {ticket['body']}".casefold()
        found = taxonomy.place(text.split())
        every += 1
        placed += found is not None
        right += found == (area, issue_type if area in ISSUES else None)
    assert placed > 0.75 * every
    assert right > 0.9 * placed


def test_classifying_a_ticket_takes_microseconds() -> None:
    """Twelve areas and 200 characters take about 8 microseconds, with a margin."""
    taxonomy, _ = read_taxonomy(ROOT / "deploy/config/taxonomy.toml")
    terms = ("since this morning i cannot log in with single sign on the page says no " * 3).split()
    taxonomy.place(terms[:36])
    durations = []
    for _ in range(200):
        start = time.perf_counter()
        for _ in range(10):
            taxonomy.place(terms[:36])
        durations.append((time.perf_counter() - start) / 10)
    assert min(durations) < 30e-6


@given(terms=st.lists(st.text(), max_size=20))
def test_any_terms_give_an_existing_area_or_none(terms: list[str]) -> None:
    """Whatever the words, the answer is an existing area or nothing."""
    placed = TAXONOMY.place(terms)
    assert placed is None or TAXONOMY.knows(placed[0])
