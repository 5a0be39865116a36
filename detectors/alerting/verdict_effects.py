"""What the verdicts in force mean for decisions.

A verdict is an attribute of its page, and each effect is computed from all remembered pages when it
is needed. Nothing is accumulated, so a verdict that is replaced or withdrawn leaves no trace here.
"""

from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from detectors.models import Score
from detectors.policy.settings import Settings
from detectors.state.tenant import TENANT_SERIES, PageRecord, Tenant
from detectors.state.threshold_priors import Kind

VERDICTS: Final = ("incident", "expected_event", "false_alarm", "new_normal", "duplicate_of")
"""What people may say of a page."""
FALSE: Final = frozenset(("false_alarm", "expected_event"))
"""Verdicts that make a page a false one in the budget."""
REMEMBERED_SECONDS: Final = 91.0 * 86_400.0
"""How long a page with a verdict is remembered."""

STEP: Final = 0.5
"""How much one false alarm raises the threshold of its series: chance passes it 1.6 times as
rarely.
"""
MOST_RAISED: Final = 1.5
"""How much all false alarms of a series raise its threshold at most."""
HALF_LIFE_SECONDS: Final = 28.0 * 86_400.0
"""Half-life of that step."""
TOLERANCE_HOURS: Final = 2.0
"""A window resembles a false alarm if it begins within this time of the same hour of the week."""
REACH: Final = 1.5
"""A window that resembles false alarms must score this multiple of their highest score: about half
as many tickets again.
"""
KEPT_SECONDS: Final = 28.0 * 86_400.0
"""How long the raised threshold stays at its full height ..."""
FORGOTTEN_SECONDS: Final = 84.0 * 86_400.0
"""... and when, falling linearly, it reaches the plain threshold."""
MOST_PAGES: Final = 200
"""Pages that are remembered at most."""
TAUGHT_SECONDS: Final = 7.0 * 86_400.0
"""After this time all hours of an event are learned or excluded from learning."""
ALIKE: Final = 0.5
"""Share of the excess that must have the value that the false alarms shared, as far as its tickets
are known.
"""
DOMINANT_SHARE: Final = 0.8
"""Share of the excess that one value must explain to be what a page was about."""
HELD_SECONDS: Final = (1800.0, 4.0 * 3600.0)
"""Bounds of the time for which a resembling window is suppressed; within them, as long as the
longest of the false alarms lasted. What continues after that is scored by windows of its own.
"""


class RaisedThreshold(NamedTuple):
    """The threshold of a window that resembles earlier false alarms."""

    peak_score: float
    """The score that the window must reach."""
    pages: tuple[PageRecord, ...]
    """The false alarms that it resembles."""
    seconds: float
    """The time from its start after which the window is dismissed."""


def page_of(tenant: Tenant, episode_id: str) -> PageRecord | None:
    """Return the page of an episode, or None if it is not remembered."""
    return next((page for page in tenant.pages if page.episode_id == episode_id), None)


def raised(tenant: Tenant, key: str, kind: Kind, at: float) -> float:
    """Return how much verdicts raise the threshold of a series.

    Args:
        tenant: Holds the pages.
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
    """Return the times of the true pages of a series, and of duplicates, in hours since 1970.

    They do not raise its threshold.
    """
    return [
        page.at / 3600.0
        for page in tenant.pages
        if page.verdict in ("incident", "duplicate_of") and page.key == key and page.kind == kind
    ]


def is_expected(tenant: Tenant, key: str, since: float, at: float, settings: Settings) -> bool:
    """Whether a window belongs to an event that people called expected.

    If the verdict named no end, windows belong to the event until the cool-down of its episode is
    over.

    Args:
        tenant: Holds the pages.
        key: The area, or `TENANT_SERIES`.
        since: Start of the window, seconds since 1970.
        at: Now, seconds since 1970.
        settings: Hold the cool-down.
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
    alarm had a dominant value, share it.

    Args:
        tenant: Holds the pages.
        key: The area, or `TENANT_SERIES`.
        score: The score of the window.
        limit: The plain threshold of the series.
        at: Now, seconds since 1970.
        settings: Hold the time zone and the time after which an episode counts as calm.
    """
    height, pages, seconds = limit, [], HELD_SECONDS[0]
    for page in tenant.pages:
        if page.verdict != "false_alarm" or page.key != key or at <= page.at:
            continue
        age = at - page.at
        if age >= FORGOTTEN_SECONDS or not _near(page.since, score.since, settings.timezone):
            continue
        if page.dismissed_at <= score.since < page.dismissed_at + 2.0 * TOLERANCE_HOURS * 3600.0:
            continue
        known = score.since <= page.suppressed_at <= at  # this window was seen to be so before
        if page.shared_value and not known and not _shares(tenant, key, page.shared_value, score):
            continue
        gone = max(age - KEPT_SECONDS, 0.0) / (FORGOTTEN_SECONDS - KEPT_SECONDS)
        height = max(height, limit + (1.0 - gone) * (REACH * page.peak_score - limit))
        lasted = page.ended - page.since - settings.clear_minutes * 60.0
        seconds = max(seconds, min(lasted, HELD_SECONDS[1]))
        pages.append(page)
    return RaisedThreshold(height, tuple(pages), seconds) if height > limit else None


def forget(tenant: Tenant, at: float, weeks: float) -> None:
    """Drop pages that nothing needs any more.

    Args:
        tenant: Changed in place.
        at: Now, seconds since 1970.
        weeks: How long a page without a verdict is kept.
    """
    before = tenant.pages
    tenant.pages = [
        page
        for page in before
        if at - page.at <= (REMEMBERED_SECONDS if page.verdict else weeks * 604_800.0)
    ][-MOST_PAGES:]
    kept = {page.episode_id for page in tenant.pages}
    for page in before:
        if (
            page.is_on_calendar and page.episode_id not in kept
        ):  # off the calendar, as after a restart
            tenant.refresh_calendar(page.key)


def remove_past_events(tenant: Tenant, at: float) -> None:
    """Take expected events off the calendar once they no longer exclude any hour from learning."""
    for page in tenant.pages:
        if page.is_on_calendar and at > page.event_end + TAUGHT_SECONDS:
            page.is_on_calendar = False
            tenant.refresh_calendar(page.key)


def _near(one: float, other: float, timezone: str) -> bool:
    """Whether two times (seconds since 1970) are close in the week."""
    apart = abs(_hours_into_week(one, timezone) - _hours_into_week(other, timezone))
    return min(apart, 168.0 - apart) <= TOLERANCE_HOURS


def _hours_into_week(at: float, timezone: str) -> float:
    local = datetime.fromtimestamp(at, ZoneInfo(timezone))
    return local.weekday() * 24.0 + local.hour + local.minute / 60.0


def _shares(tenant: Tenant, key: str, shared_value: str, score: Score) -> bool:
    """Whether the excess of a series has a value; for a tenant-wide series always."""
    if key == TENANT_SERIES:
        return True
    notes = [note for note in tenant.areas[key].recent_tickets if note.at >= score.since]
    excess = min(score.observed - score.expected, float(len(notes)))
    return sum(shared_value in note.keys for note in notes) >= ALIKE * max(excess, 1.0)
