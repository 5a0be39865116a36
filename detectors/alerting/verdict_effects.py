"""The effects of current verdicts on decisions.

A verdict is an attribute of its page, and each effect is computed from all remembered pages when it
is needed. Nothing is accumulated, so a verdict that is replaced or withdrawn has no more effect.
"""

from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from detectors.models import Score
from detectors.policy.settings import Settings
from detectors.state.tenant import TENANT_SERIES, PageRecord, Tenant
from detectors.state.threshold_priors import Kind

VERDICTS: Final = ("incident", "expected_event", "false_alarm", "new_normal", "duplicate_of")
"""The verdicts that people can give on a page."""
FALSE: Final = frozenset(("false_alarm", "expected_event"))
"""Verdicts that make a page count as false in the budget."""
REMEMBERED_SECONDS: Final = 91.0 * 86_400.0
"""How long a page with a verdict is remembered."""

STEP: Final = 0.5
"""How much one false alarm raises the threshold of its series; chance alone then crosses it 1.6
times less often.
"""
MOST_RAISED: Final = 1.5
"""The most by which all false alarms of a series together raise its threshold."""
HALF_LIFE_SECONDS: Final = 28.0 * 86_400.0
"""Half-life of `STEP`."""
TOLERANCE_HOURS: Final = 2.0
"""A window can resemble a false alarm only if both start within this time in the week."""
REACH: Final = 1.5
"""A window that resembles false alarms must score this multiple of their highest score, which takes
about half as many tickets again.
"""
KEPT_SECONDS: Final = 28.0 * 86_400.0
"""How long the threshold stays raised by the full amount after a false alarm."""
FORGOTTEN_SECONDS: Final = 84.0 * 86_400.0
"""Age of a false alarm at which the raised threshold, falling linearly, is back to the normal one.
"""
MOST_PAGES: Final = 200
"""The most pages that are remembered."""
TAUGHT_SECONDS: Final = 7.0 * 86_400.0
"""Time after an event by which all its hours are either learned or excluded from learning."""
ALIKE: Final = 0.5
"""Share of the excess, as far as its tickets are remembered, that must have the value that the
false alarm shared.
"""
DOMINANT_SHARE: Final = 0.8
"""Share of the excess that a value must explain to dominate a page."""
HELD_SECONDS: Final = (1800.0, 4.0 * 3600.0)
"""The shortest and the longest time for which a similar window is suppressed. Between these bounds,
it is suppressed for as long as the longest of the false alarms lasted. An excess that continues is
then scored by new windows.
"""


class RaisedThreshold(NamedTuple):
    """The raised threshold of a window that resembles earlier false alarms."""

    peak_score: float
    """The score that the window must reach."""
    pages: tuple[PageRecord, ...]
    """The false alarms that the window resembles."""
    seconds: float
    """Age at which the window is dismissed, in seconds since its start."""


def page_of(tenant: Tenant, episode_id: str) -> PageRecord | None:
    """Return the page of an episode, or None if it is not remembered."""
    return next((page for page in tenant.pages if page.episode_id == episode_id), None)


def raised(tenant: Tenant, key: str, kind: Kind, at: float) -> float:
    """Return how much verdicts raise the threshold of a series.

    Args:
        tenant: The tenant with the pages.
        key: The area, or `TENANT_SERIES`.
        kind: The kind of the series.
        at: Now, seconds since 1970.

    Example:
        >>> tenant = Tenant("acme", Settings())
        >>> tenant.pages = [PageRecord(0.0, "e1", "false_alarm", "login")]
        >>> [raised(tenant, "login", "area", at) for at in (0.0, HALF_LIFE_SECONDS)]
        [0.5, 0.25]
        >>> raised(tenant, "login", "slice", 0.0)
        0.0
    """
    total = 0.0
    for page in tenant.pages:
        if page.verdict == "false_alarm" and page.key == key and page.kind == kind:
            total += STEP * 0.5 ** (max(at - page.at, 0.0) / HALF_LIFE_SECONDS)
    return min(total, MOST_RAISED)


def confirmed(tenant: Tenant, key: str, kind: Kind) -> list[float]:
    """Return the times of a series' true pages and duplicates, in hours since 1970.

    These pages do not raise the threshold of the series.
    """
    return [
        page.at / 3600.0
        for page in tenant.pages
        if page.verdict in ("incident", "duplicate_of") and page.key == key and page.kind == kind
    ]


def is_expected(tenant: Tenant, key: str, since: float, at: float, settings: Settings) -> bool:
    """Return whether a window belongs to an event with the verdict ``expected_event``.

    If the verdict gave no end, the event lasts until the end of its episode's cool-down.

    Args:
        tenant: The tenant with the pages.
        key: The area, or `TENANT_SERIES`.
        since: Start of the window, seconds since 1970.
        at: Now, seconds since 1970.
        settings: Settings with the cool-down.
    """
    for page in tenant.pages:
        if page.verdict != "expected_event" or page.key not in (key, TENANT_SERIES):
            continue
        end = page.event_end
        if not page.until and page.ended:
            end += settings.cooldown_minutes * 60.0
        if page.since <= at and since < end:
            return True
    return False


def repeat_false_alarm_threshold(
    tenant: Tenant, key: str, score: Score, limit: float, at: float, settings: Settings
) -> RaisedThreshold | None:
    """Return the raised threshold for a score that resembles an earlier false alarm, or None.

    Two windows resemble each other if they belong to the same series, start within
    `TOLERANCE_HOURS` of the same hour of the week (in the tenant's time zone), and, if the false
    alarm had a dominant value, share that value.

    Args:
        tenant: The tenant with the pages.
        key: The area, or `TENANT_SERIES`.
        score: The score of the window.
        limit: The normal threshold of the series.
        at: Now, seconds since 1970.
        settings: Settings with the time zone and `clear_minutes`.
    """
    threshold, pages, seconds = limit, [], HELD_SECONDS[0]
    for page in tenant.pages:
        if page.verdict != "false_alarm" or page.key != key or at <= page.at:
            continue
        age = at - page.at
        if age >= FORGOTTEN_SECONDS or not _near(page.since, score.since, settings.timezone):
            continue
        if page.dismissed_at <= score.since < page.dismissed_at + 2.0 * TOLERANCE_HOURS * 3600.0:
            continue
        # A window that was suppressed before still resembles the page.
        resembles = score.since <= page.suppressed_at <= at
        if (
            page.shared_value
            and not resembles
            and not _has_shared_value(tenant, key, page.shared_value, score)
        ):
            continue
        decay = max(age - KEPT_SECONDS, 0.0) / (FORGOTTEN_SECONDS - KEPT_SECONDS)
        threshold = max(threshold, limit + (1.0 - decay) * (REACH * page.peak_score - limit))
        lasted = page.ended - page.since - settings.clear_minutes * 60.0
        seconds = max(seconds, min(lasted, HELD_SECONDS[1]))
        pages.append(page)
    return RaisedThreshold(threshold, tuple(pages), seconds) if threshold > limit else None


def forget(tenant: Tenant, at: float, weeks: float) -> None:
    """Drop pages that are no longer needed.

    Args:
        tenant: The tenant, changed in place.
        at: Now, seconds since 1970.
        weeks: How long a page without a verdict is kept, in weeks.
    """
    before = tenant.pages
    tenant.pages = [
        page
        for page in before
        if at - page.at <= (REMEMBERED_SECONDS if page.verdict else weeks * 604_800.0)
    ][-MOST_PAGES:]
    kept = {page.episode_id for page in tenant.pages}
    for page in before:
        # A dropped page leaves the calendar, as it would after a restart.
        if page.is_on_calendar and page.episode_id not in kept:
            tenant.refresh_calendar(page.key)


def remove_past_events(tenant: Tenant, at: float) -> None:
    """Remove expected events from the calendar once all their hours have been processed."""
    for page in tenant.pages:
        if page.is_on_calendar and at > page.event_end + TAUGHT_SECONDS:
            page.is_on_calendar = False
            tenant.refresh_calendar(page.key)


def _near(at: float, other: float, timezone: str) -> bool:
    """Return whether two times (seconds since 1970) are close in the local week."""
    distance = abs(_hours_into_week(at, timezone) - _hours_into_week(other, timezone))
    return min(distance, 168.0 - distance) <= TOLERANCE_HOURS


def _hours_into_week(at: float, timezone: str) -> float:
    local = datetime.fromtimestamp(at, ZoneInfo(timezone))
    return local.weekday() * 24.0 + local.hour + local.minute / 60.0


def _has_shared_value(tenant: Tenant, key: str, shared_value: str, score: Score) -> bool:
    """Return whether the excess of an area has a value; always true for the tenant's series."""
    if key == TENANT_SERIES:
        return True
    tickets = [ticket for ticket in tenant.areas[key].recent_tickets if ticket.at >= score.since]
    excess = min(score.observed - score.expected, float(len(tickets)))
    return sum(shared_value in ticket.keys for ticket in tickets) >= ALIKE * max(excess, 1.0)
