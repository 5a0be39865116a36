"""Apply a verdict when it arrives; `detectors.alerting.verdict_effects` computes its later effects.

- ``incident``: removes the remaining amount by which the page raised its series' threshold.
- ``expected_event``: the model learns nothing from the event until its end. A running episode
  reports only its resolution, and windows that begin during the event do not page. After a
  withdrawal, hours that have already been excluded from learning stay excluded.
- ``false_alarm``: raises the threshold of the series for some time; windows that resemble the page
  must score higher.
- ``new_normal``: sets the level to the one observed since the episode began, and resolves the
  episode. A withdrawal restores the part of the level that has not been relearned; the episode
  stays resolved, and the expected share of a slice is relearned day by day.
- ``duplicate_of``: counts the page together with the other page.

A withdrawal undoes all other effects exactly.
"""

from typing import Final

from detectors.alerting.context import Stage, StepContext, Transitions
from detectors.alerting.lifecycle import resolve
from detectors.alerting.verdict_effects import VERDICTS, page_of
from detectors.foundation.units import SECONDS_PER_DAY
from detectors.state.episode import Episode
from detectors.state.tenant import TENANT_SERIES, PageRecord, Tenant
from schemas.signals import Verdict

WITHDRAW: Final = "withdraw"
"""The action that withdraws the current verdict."""
MOST_FACTOR: Final = 10.0
"""The largest factor by which a new normal changes the level."""
LEVEL_HALF_LIFE_HOURS: Final = 168.0
"""Half-life of a new normal's influence on the level; a withdrawal undoes only the remaining
influence."""

EFFECTS: Final = {
    "incident": "a true page: it does not raise the threshold of its series",
    "expected_event": (
        "an announced event on the tenant's calendar: nothing is learned from it, and it does not "
        "page again"
    ),
    "false_alarm": (
        "raises the threshold of its series for some weeks; a similar excess at that hour of the "
        "week must score 1.5 times as high to page"
    ),
    "new_normal": (
        "the level observed since the episode began is now the expected level; the episode is "
        "resolved"
    ),
    "duplicate_of": "counted together with the other page, not separately",
    WITHDRAW: "withdraws the previous verdict and its effects",
}
"""The effect of each verdict, as shown to people."""


def apply_verdict(context: StepContext, verdict: Verdict) -> Stage:
    """Apply a verdict on a page; it replaces the page's earlier verdict.

    A verdict with an unknown action, or on a page that is not remembered, is ignored.
    """
    tenant = context.tenant
    page = page_of(tenant, verdict.episode_id)
    if page is None or tenant.clock is None:
        return "verdict_ignored"
    action = verdict.action
    if action == WITHDRAW:
        _withdraw(tenant, page)
        return "verdict"
    if action not in VERDICTS:
        return "verdict_ignored"
    other = verdict.duplicate_of or ""
    if action == "duplicate_of" and not _can_be_duplicate_of(tenant, page, other):
        return "verdict_ignored"
    if (action, verdict.until or 0.0, other) == (page.verdict, page.until, page.duplicate_of):
        return "verdict"  # the same verdict was repeated
    _withdraw(tenant, page)
    page.verdict, page.verdict_at = action, tenant.clock
    page.duplicate_of = other
    if action == "expected_event":
        _expect(tenant, page, verdict.until or 0.0)
    elif action == "new_normal":
        yield from _rebase(context, page)
    return "verdict"


def running(tenant: Tenant, page: PageRecord) -> Episode | None:
    """Return the episode of a page if it is still running."""
    if page.key != TENANT_SERIES and page.key not in tenant.areas:
        return None
    episode = tenant.series(page.key).running
    return episode if episode is not None and episode.id == page.episode_id else None


def _withdraw(tenant: Tenant, page: PageRecord) -> None:
    """Undo the verdict on a page, as far as possible."""
    assert tenant.clock is not None
    episode = running(tenant, page)
    if page.verdict == "expected_event" and episode is not None:
        episode.is_expected_event = False
        tenant.touch(page.key)
    age = (tenant.clock - page.verdict_at) / 3600.0
    for key, factor in page.rebase_factors.items():
        tenant.series(key).model.advance(tenant.clock)
        tenant.series(key).model.rebase(factor ** -(0.5 ** (age / LEVEL_HALF_LIFE_HOURS)))
        tenant.touch(key)
    masked = page.is_on_calendar
    page.verdict, page.verdict_at, page.until, page.duplicate_of = "", 0.0, 0.0, ""
    page.rebase_factors, page.is_on_calendar = {}, False
    page.suppressed_at = page.dismissed_at = 0.0
    if masked:
        tenant.refresh_calendar(page.key)


def _expect(tenant: Tenant, page: PageRecord, until: float) -> None:
    page.until, page.is_on_calendar = until, True
    tenant.refresh_calendar(page.key)
    episode = running(tenant, page)
    if episode is not None:
        episode.is_expected_event = True
        tenant.touch(page.key)


def _rebase(context: StepContext, page: PageRecord) -> Transitions:
    """Make the level observed in a running episode the expected level, and resolve the episode."""
    tenant = context.tenant
    episode, clock = running(tenant, page), tenant.clock
    if episode is None or clock is None:
        return
    if episode.slice is not None:
        share = episode.share * episode.observed / max(episode.expected, 1e-6)
        tenant.areas[page.key].slices.accept(episode.slice, share)
    else:
        keys = [page.key] if page.key != TENANT_SERIES else [TENANT_SERIES, *sorted(episode.areas)]
        for key in keys:
            model = tenant.series(key).model
            model.advance(clock)
            factor = _factor(tenant, key, episode, clock, own=key == page.key)
            page.rebase_factors[key] = factor
            model.rebase(factor)
            tenant.touch(key)
    yield from resolve(context, page.key, clock)


def _factor(tenant: Tenant, key: str, episode: Episode, clock: float, *, own: bool) -> float:
    """Return the factor between observed and expected counts since the episode began.

    It covers at most the last day.

    Args:
        tenant: The tenant with the series.
        key: The area, or `TENANT_SERIES`.
        episode: The running episode.
        clock: Now, seconds since 1970.
        own: Whether the episode's counts are those of the series itself.
    """
    expected, observed = episode.expected, episode.observed
    if not own or clock - episode.since > SECONDS_PER_DAY:
        since = max(episode.since, clock - SECONDS_PER_DAY)
        expected, observed = tenant.series(key).expected_and_observed(since, clock)
    return min(max((observed + 1.0) / (expected + 1.0), 1.0 / MOST_FACTOR), MOST_FACTOR)


def _can_be_duplicate_of(tenant: Tenant, page: PageRecord, other: str) -> bool:
    """Return whether a page can be a duplicate of the page of another episode.

    The other page must be remembered, and following its own ``duplicate_of`` must not form a cycle.
    """
    original = page_of(tenant, other)
    for _ in tenant.pages:
        if original is None or original is page:
            return False
        if original.verdict != "duplicate_of":
            return True
        original = page_of(tenant, original.duplicate_of)
    return False
