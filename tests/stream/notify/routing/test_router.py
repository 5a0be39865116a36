"""Test which receivers an escalation is routed to, and when their quiet hours mute it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.escalation import SEVERITIES, EscalationEvent, Severity
from stream.notify.routing.router import Chosen, grave, quiet_until, route
from stream.notify.routing.rules import (
    WEEKDAYS,
    AccountOwnerRoute,
    DeliveryOptions,
    NotificationConfig,
    QuietHours,
    Route,
    Weekday,
)
from tests.support.escalations import account, escalation

HOUR = 3_600.0
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe",
         "America/Havana", "Africa/Casablanca")  # fmt: skip
"""Zones without clock changes, and with a change of half an hour, at midnight, or in winter."""


def routed(event: EscalationEvent, *routes: Mapping[str, Any], **more: Any) -> list[Chosen]:
    """Route an escalation through a configuration with these routes."""
    parsed = [
        Route.model_validate({"name": "r", "receivers": ("a",)} | dict(fields)) for fields in routes
    ]
    return route(
        event, NotificationConfig(DeliveryOptions(), {}, tuple(parsed), ("fallback",), **more)
    )


def receivers_of(event: EscalationEvent, *routes: Mapping[str, Any]) -> list[str]:
    """Return the names of the receivers of an escalation."""
    return [recipient.receiver for recipient in routed(event, *routes)]


# Routes.


def test_the_first_matching_route_selects_the_receivers() -> None:
    """Routes after the first match are ignored."""
    routes = (
        {"areas": ("billing",), "receivers": ("money",)},
        {"areas": ("login",), "receivers": ("identity", "chat"), "name": "mine"},
        {"receivers": ("rest",)},
    )
    recipients = routed(escalation(), *routes)
    assert [(recipient.receiver, recipient.route) for recipient in recipients] == [
        ("identity", "mine"),
        ("chat", "mine"),
    ]


def test_a_route_with_continue_also_selects_later_routes() -> None:
    """Each receiver is selected once, by the first route that names it, and not the default."""
    routes = (
        {"receivers": ("chat",), "continue": True, "name": "all"},
        {"receivers": ("identity", "chat"), "name": "mine", "go_on": True},
    )
    recipients = routed(escalation(), *routes)
    assert [(recipient.receiver, recipient.route) for recipient in recipients] == [
        ("chat", "all"),
        ("identity", "mine"),
    ]


def test_an_escalation_without_a_matching_route_goes_to_the_default() -> None:
    """The default receivers have no quiet hours."""
    recipients = routed(escalation(), {"areas": ("billing",), "continue": True})
    assert [(recipient.receiver, recipient.route, recipient.quiet) for recipient in recipients] == [
        ("fallback", "default", None)
    ]


@pytest.mark.parametrize(
    ("criteria", "changes", "fits"),
    [
        ({}, {}, True),
        ({"tenants": ("acme",)}, {}, True),
        ({"tenants": ("other",)}, {}, False),
        ({"products": ("suite", "x")}, {}, True),
        ({"products": ("suite",)}, {"product": None}, False),
        ({"areas": ("login",)}, {}, True),
        ({"areas": (" Login ",)}, {}, True),
        ({"areas": ("billing",)}, {}, False),
        ({"areas": ("billing",)}, {"product_area": None, "areas": ["login", "billing"]}, True),
        ({"areas": ("search",)}, {"product_area": None, "areas": ["login", "billing"]}, False),
        ({"areas": ("search",)}, {"product_area": None, "areas": None}, False),
        ({"issue_types": ("sso error",)}, {}, True),
        ({"issue_types": ("sso error",)}, {"explanation": []}, False),
        ({"issue_types": ("other",)}, {"issue_type": "other"}, True),
        ({"issue_types": ("sso error",)}, {"issue_type": "other"}, False),
        ({"teams": ("identity",)}, {}, True),
        ({"teams": ("identity",)}, {"actions": None}, False),
        ({"tiers": ("Enterprise",)}, {}, True),
        ({"tiers": ("free",)}, {}, False),
        ({"tiers": ("free",)}, {"impact": None}, False),
        ({"areas": ("login",), "tiers": ("free",)}, {}, False),
        ({"areas": ("login",), "teams": ("identity",), "severity": "warning"}, {}, True),
    ],
)
def test_a_route_matches_only_if_all_of_its_criteria_match(
    criteria: dict[str, Any], changes: dict[str, Any], fits: bool
) -> None:
    """A missing criterion matches anything, and names are compared like the names in tickets."""
    expected = ["a"] if fits else ["fallback"]
    assert receivers_of(escalation(**changes), criteria) == expected


@pytest.mark.parametrize("least", SEVERITIES)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_route_matches_from_its_minimum_severity(least: Severity, severity: Severity) -> None:
    """A route with a severity matches escalations of that severity or a higher one."""
    fits = SEVERITIES.index(severity) >= SEVERITIES.index(least)
    assert grave(severity, least) is fits
    expected = ["a"] if fits else ["fallback"]
    assert receivers_of(escalation(severity=severity), {"severity": least}) == expected


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "receivers": st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(tuple),
                "areas": st.sampled_from([(), ("login",), ("billing",)]),
                "severity": st.sampled_from(SEVERITIES),
                "continue": st.booleans(),
            }
        ),
        max_size=6,
    ),
    st.sampled_from(SEVERITIES),
)
def test_every_escalation_has_receivers_and_no_receiver_is_selected_twice(
    routes: list[dict[str, Any]], severity: Severity
) -> None:
    """For any set of routes, no escalation is lost and no receiver is notified twice."""
    event = escalation(severity=severity)
    receivers = receivers_of(event, *routes)
    assert receivers
    assert len(set(receivers)) == len(receivers)
    matching = [each for each in routes if receivers_of(event, each) != ["fallback"]]
    assert (receivers == ["fallback"]) == (not matching)
    if matching:
        assert set(matching[0]["receivers"]) <= set(receivers)


# Account owners.

OWNERS = {
    "c1": {"executive": "ann", "success": "eve"},
    "c2": {"executive": "bo"},
    "c3": {"executive": "ann"},
    "c9": {"executive": "zoe"},
}


def owners_notified(audience: Mapping[str, Any], **changes: Any) -> dict[str, list[str]]:
    """Return the customers of which each account owner is notified."""
    owner_route = AccountOwnerRoute.model_validate(
        {"name": "owners", "owner": "executive", "receiver": "mail"} | dict(audience)
    )
    recipients = routed(escalation(**changes), audiences=(owner_route,), owners=OWNERS)
    people = [person for person in recipients if person.address]
    assert all(person.receiver == "mail" and person.route == "owners" for person in people)
    assert all(person.quiet is owner_route for person in people)
    return {person.address: [account.customer for account in person.accounts] for person in people}


def test_each_account_owner_is_notified_of_their_affected_customers() -> None:
    """Each owner gets one message with all of their affected customers and no others."""
    assert owners_notified({}) == {"ann": ["c1", "c3"], "bo": ["c2"]}
    assert owners_notified({"owner": "success"}) == {"eve": ["c1"]}


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"tiers": ("enterprise",)}, {"ann": ["c1"]}),
        ({"least_revenue": 900.0}, {"ann": ["c1"], "bo": ["c2"]}),
        ({"least_revenue": 900.01}, {"ann": ["c1"]}),
        ({"least_tickets": 2}, {"ann": ["c1"]}),
        ({"severity": "error"}, {}),
    ],
)
def test_an_audience_filters_by_tier_revenue_tickets_and_severity(
    criteria: dict[str, Any], expected: dict[str, list[str]]
) -> None:
    """Customers below the minimum of an audience are left out."""
    assert owners_notified(criteria) == expected


def test_a_customer_without_an_owner_notifies_no_account_owner() -> None:
    """A customer that the owners file does not list is not an error."""
    assert owners_notified({}, impact=None) == {}
    impact = escalation().data.impact
    assert impact is not None
    other = impact.model_copy(update={"accounts": [account("unknown")]})
    assert owners_notified({}, impact=other.model_dump()) == {}


def test_the_team_is_notified_in_addition_to_the_account_owners() -> None:
    """A receiver and a person reached through the same receiver are separate recipients."""
    audience = AccountOwnerRoute(name="owners", owner="executive", receiver="a")
    recipients = routed(escalation(), {"receivers": ("a",)}, audiences=(audience,), owners=OWNERS)
    assert [(recipient.receiver, recipient.address) for recipient in recipients] == [
        ("a", ""),
        ("a", "ann"),
        ("a", "bo"),
    ]


# Quiet hours.


def at(text: str, zone: str = "UTC") -> float:
    """Return seconds since 1970 for a local time in a time zone."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


NIGHT = QuietHours(quiet_start="22:00", quiet_end="07:00", quiet_zone="Europe/Berlin")


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-03-03 21:59:59", None),
        ("2026-03-03 22:00:00", "2026-03-04 07:00"),
        ("2026-03-03 23:59:59", "2026-03-04 07:00"),
        ("2026-03-04 00:00:00", "2026-03-04 07:00"),
        ("2026-03-04 06:59:59", "2026-03-04 07:00"),
        ("2026-03-04 07:00:00", None),
        ("2026-03-28 22:30:00", "2026-03-29 07:00"),  # eight hours, because the clocks go forward
        ("2026-03-29 03:30:00", "2026-03-29 07:00"),
        ("2026-10-24 22:00:00", "2026-10-25 07:00"),  # ten hours, because the clocks go back
        ("2026-10-25 02:30:00", "2026-10-25 07:00"),
        ("2026-12-31 23:00:00", "2027-01-01 07:00"),
    ],
)
def test_quiet_hours_can_span_midnight(now: str, until: str | None) -> None:
    """Quiet hours end at their local time, also on nights on which the clocks change."""
    expected = None if until is None else at(until, "Europe/Berlin")
    assert quiet_until(NIGHT, "error", at(now, "Europe/Berlin")) == expected


def test_the_repeated_hour_of_a_clock_change_is_quiet_both_times() -> None:
    """When the clocks go back, both occurrences of the hour are within the quiet hours."""
    first = at("2026-10-25 02:30", "Europe/Berlin")
    end = at("2026-10-25 07:00", "Europe/Berlin")
    assert quiet_until(NIGHT, "error", first) == quiet_until(NIGHT, "error", first + HOUR) == end


@pytest.mark.parametrize(
    ("now", "quiet"),
    [
        ("2026-03-06 23:00", True),  # Friday's night
        ("2026-03-07 03:00", True),  # still Friday's
        ("2026-03-07 23:00", False),
        ("2026-03-08 03:00", False),
        ("2026-03-08 23:00", True),  # Sunday's
        ("2026-03-09 03:00", True),
        ("2026-03-09 23:00", False),
    ],
)
def test_quiet_days_are_the_days_on_which_quiet_hours_begin(now: str, quiet: bool) -> None:
    """A night belongs to the day of its evening."""
    hours = NIGHT.model_copy(update={"quiet_days": ("fri", "sun")})
    assert (quiet_until(hours, "error", at(now, "Europe/Berlin")) is not None) is quiet


@pytest.mark.parametrize("below", SEVERITIES)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_escalations_from_quiet_below_on_ignore_quiet_hours(
    below: Severity, severity: Severity
) -> None:
    """Quiet hours mute only escalations below the severity in quiet_below."""
    hours = NIGHT.model_copy(update={"quiet_below": below})
    held = quiet_until(hours, severity, at("2026-03-03 23:00", "Europe/Berlin")) is not None
    assert held is (SEVERITIES.index(severity) < SEVERITIES.index(below))


def test_without_quiet_hours_nothing_is_muted() -> None:
    """A missing route and a route without quiet hours mute nothing."""
    assert quiet_until(None, "info", 0.0) is None
    assert quiet_until(QuietHours(), "info", 0.0) is None


MINUTES = st.integers(0, 1439).map(lambda minute: f"{minute // 60:02d}:{minute % 60:02d}")
MOMENTS = st.floats(at("2020-01-01 00:00"), at("2035-01-01 00:00"))
CHANGES = st.sampled_from(
    [
        at(f"{day} {hour:02d}:00")
        for day in ("2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25",
                    "2026-11-01", "2025-10-26")
        for hour in range(0, 24, 2)
    ]
)  # fmt: skip
NEAR_CHANGES = st.tuples(CHANGES, st.floats(-2 * HOUR, 2 * HOUR)).map(sum)
QUIET = MINUTES.flatmap(
    lambda start: st.builds(
        QuietHours,
        quiet_start=st.just(start),
        quiet_end=MINUTES.filter(lambda end: end != start),
        quiet_days=st.lists(st.sampled_from(WEEKDAYS), unique=True).map(tuple),
        quiet_zone=st.sampled_from(ZONES),
        quiet_below=st.just("critical"),
    )
)


def windows(hours: QuietHours, around: date) -> list[tuple[float, float]]:
    """Return start and end of the quiet hours on the days around a date."""
    zone = ZoneInfo(hours.quiet_zone)
    start, end = time.fromisoformat(hours.quiet_start), time.fromisoformat(hours.quiet_end)
    quiet_windows = []
    for offset in range(-3, 4):
        day = around + timedelta(days=offset)
        name: Weekday = WEEKDAYS[day.weekday()]
        if not hours.quiet_days or name in hours.quiet_days:
            last = day if start < end else day + timedelta(days=1)
            first = datetime.combine(day, start).replace(tzinfo=zone).astimezone(UTC)
            then = datetime.combine(last, end).replace(tzinfo=zone).astimezone(UTC)
            quiet_windows.append((first.timestamp(), then.timestamp()))
    return quiet_windows


@given(QUIET, MOMENTS | NEAR_CHANGES)
def test_a_time_is_quiet_if_and_only_if_it_is_in_a_quiet_window(
    hours: QuietHours, now: float
) -> None:
    """This holds in every zone, past midnight and on days on which the clocks change."""
    here = datetime.fromtimestamp(now, ZoneInfo(hours.quiet_zone)).date()
    inside = [end for begin, end in windows(hours, here) if begin <= now < end]
    until = quiet_until(hours, "error", now)
    assert (until is not None) == bool(inside)
    if until is not None:
        assert until in inside


@given(QUIET, MOMENTS | NEAR_CHANGES)
def test_quiet_hours_end_within_a_day_at_their_local_time(hours: QuietHours, now: float) -> None:
    """Quiet hours end in the future, within 26 hours, at the configured local time."""
    until = quiet_until(hours, "error", now)
    if until is None:
        return
    assert now < until <= now + 26 * HOUR
    wall = datetime.fromtimestamp(until, ZoneInfo(hours.quiet_zone))
    end = time.fromisoformat(hours.quiet_end)
    passes = datetime.combine(wall.date(), end, wall.tzinfo)
    skipped = passes.astimezone(UTC).astimezone(wall.tzinfo).time() != end
    assert wall.time() == end or skipped
    assert quiet_until(hours, "critical", now) is None


def test_a_receiver_has_the_quiet_hours_of_its_route() -> None:
    """The quiet hours are those of the route that selected the receiver."""
    night_route = Route(name="by night", receivers=("a",), quiet_start="22:00", quiet_end="07:00")
    plan = NotificationConfig(DeliveryOptions(), {}, (night_route,), ("fallback",))
    assert [recipient.quiet for recipient in route(escalation(), plan)] == [night_route]
    assert [recipient.quiet for recipient in route(escalation(), replace(plan, routes=()))] == [
        None
    ]
