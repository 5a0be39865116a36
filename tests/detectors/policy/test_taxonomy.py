"""Product areas: aliases, products, and where the words of a text point to."""

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


def test_an_alias_is_its_area_and_the_unknown_stays() -> None:
    """Names of areas, aliases of them, and names that nobody listed."""
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


def test_products() -> None:
    """A product's areas in the order of the file; an area without one, and an alias."""
    assert TAXONOMY.products == {"platform": ("login",), "commerce": ("billing", "checkout")}
    assert [TAXONOMY.product_of(name) for name in ("login", "cart", "search", "other")] == [
        "platform",
        "commerce",
        None,
        None,
    ]


def test_what_is_handed_out_can_be_changed() -> None:
    """The table of products is a copy: changing it changes no later answer."""
    TAXONOMY.products.clear()
    assert TAXONOMY.products


def test_equal_ones_are_equal_keys() -> None:
    """A taxonomy is a value: equal, hashed alike, and no part of it can be changed."""
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
def test_where_words_point(text: str, placed: tuple[str, str | None] | None) -> None:
    """Whole words and phrases; the longer counts more, each once, and a tie is nobody's."""
    assert TAXONOMY.place(text.split()) == placed
    assert TAXONOMY.place([text]) == placed
    assert TAXONOMY.place(tuple(text.split())) == placed


def test_no_keywords_no_place() -> None:
    """Areas without keywords, and keywords without a letter, place nothing."""
    bare = Taxonomy(areas=(AreaEntry(name="login"), AreaEntry(name="api", keywords=("!", ""))))
    assert bare.place(["login", "!", ""]) is None
    assert Taxonomy().place(["login"]) is None


def test_two_issue_types_alike_leave_the_area() -> None:
    """The area is known, which of two kinds of trouble is not."""
    two = AreaEntry(
        name="api",
        issue_types=(
            IssueType(name="slow", keywords=("slow",)),
            IssueType(name="error", keywords=("error",)),
        ),
    )
    assert Taxonomy(areas=(two,)).place(["slow", "error"]) == ("api", None)


def test_a_shared_keyword_points_to_both() -> None:
    """A word that two areas claim cannot tell them apart, a second word can."""
    one = AreaEntry(name="one", keywords=("payment", "card"))
    two = AreaEntry(name="two", issue_types=(IssueType(name="failed", keywords=("payment",)),))
    both = Taxonomy(areas=(one, two))
    assert both.place(["payment"]) is None
    assert both.place(["payment", "card"]) == ("one", None)


def test_overlap_names_pairs_and_keywords() -> None:
    """Keywords of issue types count, and so does another spelling of the same words."""
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


def test_the_example_places_simulated_tickets() -> None:
    """deploy/config/taxonomy.toml: no overlap; most are placed, nearly all of them rightly."""
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


def test_to_place_a_ticket_takes_microseconds() -> None:
    """Twelve areas and 200 characters: about 8 microseconds, with room for a busy machine."""
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
def test_any_terms_have_an_answer(terms: list[str]) -> None:
    """Whatever the words, the answer is an area that there is, or nothing."""
    placed = TAXONOMY.place(terms)
    assert placed is None or TAXONOMY.knows(placed[0])
