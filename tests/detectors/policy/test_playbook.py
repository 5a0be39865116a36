"""The playbook: which entry matches an escalation, and how its customer text is filled in."""

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
    """Return the name of the matching entry."""
    entry = Playbook(entries=entries).match(area, issue_type, severity, of)
    return None if entry is None else entry.name


@pytest.mark.parametrize("entries", [ALL, ALL[::-1]], ids=["in order", "reversed"])
def test_the_most_specific_entry_matches(entries: tuple[Entry, ...]) -> None:
    """Issue type outranks area, product and severity, whatever the order of the entries."""
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


def test_the_first_of_equally_specific_entries_matches() -> None:
    """Of two equally specific entries the first in the file matches."""
    other = Entry(name="other", team="t", areas=("login", "api"))
    assert matched("login", entries=(LOGIN, other)) == "login"
    assert matched("login", entries=(other, LOGIN)) == "other"


def test_tenant_wide_pages_match_only_tenant_wide_entries() -> None:
    """Only entries without areas and issue types, or for the whole tenant, match."""
    assert matched(None, entries=(LOGIN, SSO, SSO_LOGIN)) is None
    assert matched(None, "sso error", entries=(SSO, SSO_LOGIN)) is None
    assert matched(None, entries=(ANY, LOGIN)) == "any"
    assert matched(None, of="commerce", entries=(COMMERCE,)) == "commerce"
    both = Entry(name="both", team="t", areas=("login", WHOLE_TENANT))
    assert matched(None, entries=(ANY, both)) == matched("login", entries=(ANY, both)) == "both"
    assert matched("login", entries=(TENANT,)) is None


def test_a_ticket_cannot_name_the_whole_tenant() -> None:
    """An area with the name of the whole tenant is treated like any other area."""
    assert matched(WHOLE_TENANT) == "any"
    assert matched(WHOLE_TENANT, entries=(TENANT,)) is None


def test_no_entry_matches_without_a_suitable_one() -> None:
    """Neither an empty playbook nor entries for higher severities match."""
    assert matched("login", entries=()) is None
    assert matched("login", severity="warning", entries=(GRAVE,)) is None


def test_no_applicable_entry_is_more_specific_than_the_match() -> None:
    """For every kind of escalation the matching entry is the most specific one that applies."""
    areas = (None, "login", "billing", "search")
    issues = (None, "sso error", "locked out")
    for area, issue, severity, of in product(areas, issues, SEVERITIES, (None, "commerce")):
        entry = Playbook(entries=ALL).match(area, issue, severity, of)
        assert entry is not None
        assert entry.fits(area, issue, severity, of)
        for other in ALL:
            if other.fits(area, issue, severity, of):
                assert other.specificity <= entry.specificity


def test_a_playbook_is_an_immutable_value() -> None:
    """Equal playbooks have equal hashes, and no part of them can be changed."""
    assert Playbook(entries=ALL) == Playbook(entries=tuple(ALL))
    assert hash(Playbook(entries=ALL)) == hash(Playbook(entries=tuple(ALL)))
    with pytest.raises(AttributeError):
        ANY.team = "u"  # type: ignore[misc]


def test_every_placeholder_is_filled_in() -> None:
    """A placeholder that occurs several times is filled in each time."""
    template = " ".join(f"{{{name}}}" for name in FIELDS) + " {area}"
    values = {name: name.upper() for name in FIELDS}
    assert customer_text(template, values) == "AREA SINCE CUSTOMERS PRODUCT ISSUE STATUS AREA"


@pytest.mark.parametrize(
    "value",
    ["{0.__class__}", "{{7*7}}", "<!channel>", "{status}", "{area}", r"\1 \g<0>", "%s", "$status"],
)
def test_placeholders_within_a_value_are_not_filled_in(value: str) -> None:
    """Text from outside is inserted as it was written."""
    filled = customer_text("{area} since {since}", {"area": value, "since": "9:00", "status": "x"})
    assert filled == f"{value} since 9:00"


@pytest.mark.parametrize(
    "template",
    ["{0.__class__}", "{{7*7}}", "{}", "{ area }", "{AREA}", "{area.upper}", "{area!r}", "{", "}{"],
)
def test_other_braces_are_left_unchanged(template: str) -> None:
    """Braces around unknown names, and placeholders without a value, stay as they are."""
    assert customer_text(template, {"area": "login"}) == template
    assert customer_text("{status}", {"area": "login"}) == "{status}"


@given(before=st.text("a{} "), value=st.text(), after=st.text("a{} "))
def test_any_value_is_inserted_unchanged(before: str, value: str, after: str) -> None:
    """Neither the text around a placeholder nor its value is changed."""
    assert customer_text(f"{before}|{{area}}|{after}", {"area": value}) == (
        f"{before}|{value}|{after}"
    )
