"""What the verdicts in force mean for decisions: read from the pages that they stand on.

Nothing is added up anywhere: a verdict is a word on its page, and each of these is computed from
all pages whenever it is asked for. So a verdict that is replaced or withdrawn leaves no trace here.
"""

from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from detectors.models import Score
from detectors.policy.settings import Settings
from detectors.state.tenant import TENANT_SERIES, PageRecord, Tenant
from detectors.state.threshold_priors import Kind

VERDICTS: Final = ("incident", "expected_event", "false_alarm", "new_normal", "duplicate_of")
FALSE: Final = frozenset(("false_alarm", "expected_event"))
"""What makes a page a false one in the budget."""
REMEMBERED_SECONDS: Final = 91.0 * 86_400.0
"""How long a page with a verdict is remembered."""

STEP: Final = 0.5
"""By how much one false alarm raises the limit of its series: chance passes it 1.6 times as rarely.
"""
MOST_RAISED: Final = 1.5
HALF_LIFE_SECONDS: Final = 28.0 * 86_400.0
TOLERANCE_HOURS: Final = 2.0
"""How far from the hour of the week of a false alarm its like may begin."""
REACH: Final = 1.5
"""How high its like must score, in multiples of the highest score of the false ones: about half as
many tickets again."""
KEPT_SECONDS: Final = 28.0 * 86_400.0
"""So long that bar holds whole ..."""
FORGOTTEN_SECONDS: Final = 84.0 * 86_400.0
"""... and until then it sinks in a straight line to the plain limit."""
MOST_PAGES: Final = 200
TAUGHT_SECONDS: Final = 7.0 * 86_400.0
"""After an event all of its hours are learned, or passed over, within so long."""
ALIKE: Final = 0.5
"""Of the excess, as far as its tickets are known, that must have what the false ones shared."""
DOMINANT_SHARE: Final = 0.8
"""Of the excess, that one value must explain to be what a page was about."""
HELD_SECONDS: Final = (1800.0, 4.0 * 3600.0)
"""Bounds of how long its like is held back; within them as long as the longest false one lasted.
After that it is dealt with: what goes on is judged by windows of its own."""


class RaisedThreshold(NamedTuple):
    """What a score must reach where its like was called false."""

    peak_score: float
    pages: tuple[PageRecord, ...]
    """Those that were called so."""
    seconds: float
    """From its begin on, after which it is dealt with."""


def page_of(tenant: Tenant, episode_id: str) -> PageRecord | None:
    """The page of an episode, if it is remembered."""
    return next((page for page in tenant.pages if page.episode_id == episode_id), None)


def raised(tenant: Tenant, key: str, kind: Kind, at: float) -> float:
    """By how much verdicts raise the limit of a series *at* (seconds), and less as time goes by.

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
    """When pages of a series went out (hours) that were true, or another page's double.

    They make it no more cautious than it was.
    """
    return [
        page.at / 3600.0
        for page in tenant.pages
        if page.verdict in ("incident", "duplicate_of") and page.key == key and page.kind == kind
    ]


def is_expected(tenant: Tenant, key: str, since: float, at: float, settings: Settings) -> bool:
    """Whether what began *since* and crosses *at* belongs to an event that was expected.

    Without an end that was said, its like belongs to it until the cool-down is over.
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
    """What a *score* must reach *at*, where its like was called false.

    Its like: of the same series, begun at about that hour of the week (the tenant's time zone),
    and with the value that the false one shared, if it did. None: the *limit* alone counts.
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
    """Drop pages that nothing asks for any more: unanswered after so many *weeks*, or too old."""
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
    """Take expected events off the calendar that keep no hour from teaching any more."""
    for page in tenant.pages:
        if page.is_on_calendar and at > page.event_end + TAUGHT_SECONDS:
            page.is_on_calendar = False
            tenant.refresh_calendar(page.key)


def _near(one: float, other: float, timezone: str) -> bool:
    """Whether two times are close in the week."""
    apart = abs(_hours_into_week(one, timezone) - _hours_into_week(other, timezone))
    return min(apart, 168.0 - apart) <= TOLERANCE_HOURS


def _hours_into_week(at: float, timezone: str) -> float:
    local = datetime.fromtimestamp(at, ZoneInfo(timezone))
    return local.weekday() * 24.0 + local.hour + local.minute / 60.0


def _shares(tenant: Tenant, key: str, shared_value: str, score: Score) -> bool:
    """Whether what a series has too much has the value *cause*; of the whole tenant: any."""
    if key == TENANT_SERIES:
        return True
    notes = [note for note in tenant.areas[key].recent_tickets if note.at >= score.since]
    excess = min(score.observed - score.expected, float(len(notes)))
    return sum(shared_value in note.keys for note in notes) >= ALIKE * max(excess, 1.0)
