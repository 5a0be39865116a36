"""The playbook: which entry is for an escalation, and what becomes of a text for customers."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.policy.playbook import FIELDS, WHOLE_TENANT, Entry, Playbook, customer_text
from schemas.escalation import SEVERITIES, Severity

ANY = Entry(name="any", team="t")
GRAVE = Entry(name="grave", team="t", severity="error")
COMMERCE = Entry(name="commerce", team="t", products=("commerce",))
LOGIN = Entry(name="login", team="t", areas=("login", "billing"))
LOGIN_GRAVE = Entry(name="login grave", team="t", areas=("login",), severity="critical")
SSO = Entry(name="sso", team="t", issue_types=("sso error",))
SSO_LOGIN = Entry(name="sso of login", team="t", areas=("login",), issue_types=("sso error",))
TENANT = Entry(name="tenant", team="t", areas=(WHOLE_TENANT,))
ALL = (ANY, GRAVE, COMMERCE, LOGIN, LOGIN_GRAVE, SSO, SSO_LOGIN, TENANT)


def matched(
    area: str | None,
    issue_type: str | None = None,
    severity: Severity = "warning",
    of: str | None = None,
    entries: tuple[Entry, ...] = ALL,
) -> str | None:
    """The name of the entry that counts."""
    entry = Playbook(entries=entries).match(area, issue_type, severity, of)
    return None if entry is None else entry.name


@pytest.mark.parametrize("entries", [ALL, ALL[::-1]], ids=["as written", "backwards"])
def test_the_most_specific_counts(entries: tuple[Entry, ...]) -> None:
    """Issue type before area before product before severity, in whatever order they stand."""
    assert matched("search", entries=entries) == "any"
    assert matched("search", severity="critical", entries=entries) == "grave"
    assert matched("checkout", severity="critical", of="commerce", entries=entries) == "commerce"
    assert matched("billing", severity="critical", of="commerce", entries=entries) == "login"
    assert matched("login", severity="error", entries=entries) == "login"
    assert matched("login", severity="critical", entries=entries) == "login grave"
    assert matched("search", "sso error", entries=entries) == "sso"
    assert matched("login", "sso error", "critical", entries=entries) == "sso of login"
    assert matched("login", "locked out", entries=entries) == "login"
    assert matched(None, severity="critical", entries=entries) == "tenant"


def test_the_first_of_equals_counts() -> None:
    """Two entries as specific as each other: the one that stands first."""
    other = Entry(name="other", team="t", areas=("login", "api"))
    assert matched("login", entries=(LOGIN, other)) == "login"
    assert matched("login", entries=(other, LOGIN)) == "other"


def test_the_whole_tenant_is_no_area() -> None:
    """Only entries without areas and issue types, or for the whole tenant, are for it."""
    assert matched(None, entries=(LOGIN, SSO, SSO_LOGIN)) is None
    assert matched(None, "sso error", entries=(SSO, SSO_LOGIN)) is None
    assert matched(None, entries=(ANY, LOGIN)) == "any"
    assert matched(None, of="commerce", entries=(COMMERCE,)) == "commerce"
    both = Entry(name="both", team="t", areas=("login", WHOLE_TENANT))
    assert matched(None, entries=(ANY, both)) == matched("login", entries=(ANY, both)) == "both"
    assert matched("login", entries=(TENANT,)) is None


def test_a_ticket_cannot_name_the_whole_tenant() -> None:
    """An area that a stranger calls as the whole tenant is called here is just some area."""
    assert matched(WHOLE_TENANT) == "any"
    assert matched(WHOLE_TENANT, entries=(TENANT,)) is None


def test_nothing_fits_an_empty_playbook() -> None:
    """No entry, and none grave enough."""
    assert matched("login", entries=()) is None
    assert matched("login", severity="warning", entries=(GRAVE,)) is None


def test_what_is_matched_fits_and_none_that_fits_is_more_specific() -> None:
    """Over all combinations of what an escalation may be."""
    areas = (None, "login", "billing", "search")
    issues = (None, "sso error", "locked out")
    for area, issue, severity, of in product(areas, issues, SEVERITIES, (None, "commerce")):
        entry = Playbook(entries=ALL).match(area, issue, severity, of)
        assert entry is not None
        assert entry.fits(area, issue, severity, of)
        for other in ALL:
            if other.fits(area, issue, severity, of):
                assert other.specificity <= entry.specificity


def test_equal_ones_are_equal_keys() -> None:
    """A playbook is a value: equal, hashed alike, and no part of it can be changed."""
    assert Playbook(entries=ALL) == Playbook(entries=tuple(ALL))
    assert hash(Playbook(entries=ALL)) == hash(Playbook(entries=tuple(ALL)))
    with pytest.raises(AttributeError):
        ANY.team = "u"  # type: ignore[misc]


def test_every_field_is_filled_in() -> None:
    """Each field, more than once if it stands there more than once."""
    template = " ".join(f"{{{name}}}" for name in FIELDS) + " {area}"
    values = {name: name.upper() for name in FIELDS}
    assert customer_text(template, values) == "AREA SINCE CUSTOMERS PRODUCT ISSUE STATUS AREA"


@pytest.mark.parametrize(
    "value",
    ["{0.__class__}", "{{7*7}}", "<!channel>", "{status}", "{area}", r"\1 \g<0>", "%s", "$status"],
)
def test_a_value_is_never_read_again(value: str) -> None:
    """What strangers write stands in the text as they wrote it."""
    told = customer_text("{area} since {since}", {"area": value, "since": "9:00", "status": "x"})
    assert told == f"{value} since 9:00"


@pytest.mark.parametrize(
    "template",
    ["{0.__class__}", "{{7*7}}", "{}", "{ area }", "{AREA}", "{area.upper}", "{area!r}", "{", "}{"],
)
def test_other_braces_stay(template: str) -> None:
    """Braces around anything but a field are text, and a field without a value is too."""
    assert customer_text(template, {"area": "login"}) == template
    assert customer_text("{status}", {"area": "login"}) == "{status}"


@given(before=st.text("a{} "), value=st.text(), after=st.text("a{} "))
def test_any_value_stands_between_what_is_around(before: str, value: str, after: str) -> None:
    """A text's own letters and the value's stay what they are."""
    assert customer_text(f"{before}|{{area}}|{after}", {"area": value}) == (
        f"{before}|{value}|{after}"
    )
