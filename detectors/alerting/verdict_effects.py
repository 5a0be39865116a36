"""The effects of current verdicts on decisions.

A verdict is an attribute of its page, and each effect is computed from all remembered pages when it
is needed, so a verdict that is replaced or withdrawn has no more effect.
"""

import math
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from detectors.foundation.dimensions import DimensionValue
from detectors.models import Score
from detectors.policy.settings import Settings
from detectors.state.episode import Episode
from detectors.state.tenant import TENANT_SERIES, PageRecord, Tenant
from detectors.state.threshold import faded
from detectors.state.threshold_priors import Kind
from schemas.escalation import Explanation

VERDICTS: Final = ("incident", "expected_event", "false_alarm", "new_normal", "duplicate_of")
"""The verdicts that people can give on a page."""
_FALSE_BY_VERDICT: Final = {
    "incident": 0.0,
    "duplicate_of": 0.0,
    "false_alarm": 1.0,
    "expected_event": 0.0,
}
"""The chance that a page is false for its threshold and the tenant's account. An expected event is
no error of the detector, although the reported budget counts it as false (`FALSE`)."""
MOST_UNSPENT: Final = -2.0
MOST_OVERSPENT: Final = 8.0
"""Bounds of the false pages of a tenant beyond its budget."""
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


def correction(tenant: Tenant, key: str, kind: Kind, at: float, allowed: float) -> float:
    """Return how much verdicts change what the pages of a series have raised its threshold by.

    A page raises the threshold by the chance that it is false. By its verdict, that chance is 0
    or 1.

    Args:
        tenant: The tenant with the pages.
        key: The area, or `TENANT_SERIES`.
        kind: The kind of the series.
        at: Now, seconds since 1970.
        allowed: False pages per week that the budget allows the series.
    """
    return sum(
        correction_of(page, at, allowed)
        for page in tenant.pages
        if page.verdict and page.key == key and page.kind == kind
    )


def correction_of(page: PageRecord, at: float, allowed: float) -> float:
    """Return how much the verdict on a page changes what it has raised; see `correction`."""
    remaining = faded(page.ended / 3600.0, at / 3600.0, allowed)
    return _doubt_removed(page) * page.step * remaining


def overspent(tenant: Tenant, at: float) -> float:
    """Return the false pages of a tenant beyond its budget, corrected by verdicts.

    Negative: unspent pages.

    Args:
        tenant: The tenant.
        at: Now, seconds since 1970.
    """
    change = sum(
        _doubt_removed(page) * math.exp2(-max(at - page.at, 0.0) / HALF_LIFE_SECONDS)
        for page in tenant.pages
        if page.verdict
    )
    return min(max(tenant.overspent + change, MOST_UNSPENT), MOST_OVERSPENT)


def _doubt_removed(page: PageRecord) -> float:
    """Return how much a verdict changes the chance that a page is false."""
    if page.doubt is None or page.verdict not in _FALSE_BY_VERDICT:
        return 0.0
    return _FALSE_BY_VERDICT[page.verdict] - page.doubt


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


def update_page_record(tenant: Tenant, episode: Episode, explanation: list[Explanation]) -> None:
    """Record in a page what its last event reported, for a later verdict.

    Args:
        tenant: The tenant; its pages are changed in place.
        episode: The episode; without a remembered page of it, nothing happens.
        explanation: The drivers of the episode as the event reports them, the strongest first.
    """
    page = page_of(tenant, episode.id)
    if page is None:
        return
    page.peak_score = max(page.peak_score, episode.score.value)
    page.ended = 0.0 if episode.running else episode.resolved_at
    if page.is_on_calendar:
        tenant.refresh_calendar(page.key)
    if episode.slice is not None:
        page.shared_value = episode.slice
    elif explanation:
        top = explanation[0]
        page.shared_value = (
            DimensionValue(top.dimension, top.value).key if top.share >= DOMINANT_SHARE else ""
        )


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
