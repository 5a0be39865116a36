"""The life of one episode: opened, updated, recovering, resolved, reopened within the cool-down.

The state before, pending, belongs to the series: its score is within a factor of ten of the
threshold. An episode keeps one id, made of the tenant, the series and the ordinal of the episode in
that series, never of a clock or an offset.
"""

import hashlib
import math
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from detectors.memory.episode_tickets import EpisodeTickets, TicketSummary
from detectors.models import Score
from detectors.policy.settings import Settings
from detectors.policy.severity_rules import Rule, is_graver, severity_of
from schemas.escalation import Reason, Severity, Suppressed, Transition

Phase = Literal["opened", "recovering", "resolved"]

FADE_HOURS: Final = (0.5, 6.0)
"""Bounds of the time constant of the recent rate; within them, half of the window that opened
it."""
QUIET_SECONDS: Final = 60.0
"""No update follows sooner after the last event: one burst is one message."""
CLEAR_RATIO: Final = (1.2, 1.5)
"""Bounds of the ratio below which an episode is calm; within them, a third of its opening ratio."""

AMENDED_SHARE: Final = 0.3
"""Share of the reported count that must change by corrections before an amendment is reported."""


def episode_id(tenant: str, kind: str, series: str, ordinal: int) -> str:
    """Return the id of an episode, 32 hexadecimal digits, the same everywhere.

    Example:
        >>> episode_id("acme", "area", "login", 1) == episode_id("acme", "area", "login", 2)
        False
    """
    parts = "\x1f".join((tenant, kind, series, str(ordinal)))
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


class Episode(msgspec.Struct, array_like=True):
    """One episode of one series. Times are in seconds since 1970."""

    id: str
    ordinal: int
    detected_at: float
    since: float
    accounted: float
    """The time up to which `expected` is counted."""
    limit: float
    score: Score
    """The highest score so far."""
    observed: float
    expected: float
    tickets: int
    customers: int
    severity: Severity
    severity_rule: str
    recent_observed: float
    recent_expected: float
    fade_hours: float
    clear_ratio: float
    phase: Phase = "opened"
    sequence: int = 1
    reported_observed: float = 0.0
    """The count that the last event reported."""
    reported_at: float = 0.0
    calm_since: float | None = None
    resolved_at: float = 0.0
    suppressed: Suppressed | None = None
    reason: Reason = "area_spike"
    slice: str | None = None
    """The key of the slice that crossed its threshold; None if the whole series did."""
    share: float = 1.0
    """The slice's expected share of its series' rate, 0 to 1."""
    areas: list[str] = []
    """The areas of a tenant-wide episode."""
    allowed: float = 1.0
    """False pages per week that the series may spend."""
    expected_pages: float = 0.0
    """False pages per week that are expected at its threshold."""
    collected: EpisodeTickets | None = None
    """What is known of its tickets; None once it is resolved."""
    joined_at: float = 0.0
    """When an area last joined the episode."""
    reported_areas: int = 1
    """How many areas the last event listed."""
    before: int = 0
    """Customers of the opening window that are not among the collected tickets."""
    too_late: int = 0
    """Tickets of the episode that arrived too late to be scored, since the last event."""
    is_expected_event: bool = False
    """Whether a verdict called it an expected event; then only its end is reported."""

    @property
    def hours(self) -> float:
        """Hours from the start of its window to its end, or until now."""
        return (max(self.accounted, self.resolved_at) - self.since) / 3600.0

    @property
    def running(self) -> bool:
        """Whether it is not resolved."""
        return self.phase != "resolved"

    @property
    def calm(self) -> bool:
        """Whether it is recovering: the rate is normal again."""
        return self.phase != "opened"

    def add(self, weight: float, score: Score) -> None:
        """Count a ticket that is among the collected ones; call `expect_until` first."""
        self.observed += weight
        self.recent_observed += weight
        self.tickets += 1
        if self.collected is not None:
            self.customers = max(0, self.before + self.collected.affected.customers)
        if score.value > self.score.value:
            self.score = score

    def begin(self, collected: EpisodeTickets, rules: Sequence[Rule]) -> None:
        """Start with the collected tickets of the opening window."""
        self.collected = collected
        self.before = max(0, self.customers - collected.affected.customers)
        self.customers = self.before + collected.affected.customers
        rule = self.grade(rules)
        self.severity, self.severity_rule = rule.severity, rule.words

    def inside(self, note: TicketSummary) -> bool:
        """Whether a ticket belongs to it: to its slice, if a slice paged."""
        return self.slice is None or self.slice in note.keys

    def grade(self, rules: Sequence[Rule]) -> Rule:
        """Set the severity by the rules."""
        affected = self.collected.affected if self.collected is not None else None
        if not any(rule.tier or rule.revenue for rule in rules):
            affected = None  # what they ask for takes a while
        return severity_of(
            rules,
            self.customers,
            self.observed,
            self.expected,
            (self.accounted - self.since) / 3600.0,
            affected.by_tier() if affected is not None else None,
            affected.revenue if affected is not None else 0.0,
        )

    def expect_until(self, until: float, rate: float) -> None:
        """Add what was expected until *until* (seconds since 1970) at *rate* per hour."""
        hours = (until - self.accounted) / 3600.0
        if hours <= 0.0:
            return
        rate *= self.share
        self.accounted = until
        fade = math.exp(-hours / self.fade_hours)
        self.expected += rate * hours
        self.recent_observed *= fade
        self.recent_expected = self.recent_expected * fade + rate * hours

    def next_update(self, settings: Settings) -> bool:
        """Whether an update is worth an event: a graver severity, or growth beyond both bounds."""
        if self.is_expected_event or self.accounted - self.reported_at < QUIET_SECONDS:
            return False
        rule = self.grade(settings.severity_rules)
        if is_graver(rule.severity, self.severity):
            self.severity, self.severity_rule = rule.severity, rule.words
            return True
        change = self.observed - self.reported_observed
        return (
            change > settings.update_tickets
            and change > self.reported_observed * settings.update_percent / 100.0
        )

    def pass_minute(self, minute: float, settings: Settings) -> bool:
        """Whether, at a whole minute, it has been calm for long enough to be resolved."""
        recent = (self.recent_observed + 1.0) / (self.recent_expected + 1.0)
        if recent >= self.clear_ratio:
            self.phase, self.calm_since = "opened", None
            return False
        if self.calm_since is None:
            self.phase, self.calm_since = "recovering", minute
        return minute - self.calm_since >= settings.clear_minutes * 60.0

    def resolve(self, at: float) -> Transition:
        """Resolve it; the event may still need its tickets, so call `close` after that."""
        self.phase, self.calm_since, self.resolved_at = "resolved", None, at
        return self._told("resolved")

    def close(self) -> None:
        """Forget its tickets."""
        self.collected = None

    def withdraw(self, at: float, weight: float) -> Transition | None:
        """Take back a ticket; return a transition if the reported count changed enough."""
        if at < self.since or not self.running:
            return None
        self.observed = max(0.0, self.observed - weight)
        self.recent_observed = max(0.0, self.recent_observed - weight)
        self.tickets = max(0, self.tickets - 1)
        if weight >= 1.0:
            self.before -= 1
            self.customers = max(0, min(self.customers - 1, self.tickets))
        if self.is_expected_event or self.accounted - self.reported_at < QUIET_SECONDS:
            return None
        if self.reported_observed - self.observed < max(
            2.0, AMENDED_SHARE * self.reported_observed
        ):
            return None
        return self._told("amended")

    def amend(self, at: float, settings: Settings) -> Transition | None:
        """Count a late ticket; return a transition if there are enough of them."""
        if at < self.since or not self.running:
            return None
        self.observed += 1.0
        self.tickets += 1
        self.too_late += 1
        if self.collected is not None:
            self.customers = max(0, self.before + self.collected.affected.customers)
        enough = max(settings.update_tickets, AMENDED_SHARE * self.reported_observed)
        if (
            self.is_expected_event
            or self.too_late < enough
            or self.accounted - self.reported_at < QUIET_SECONDS
        ):
            return None
        return self._told("amended")

    def become_tenant_wide(self, at: float, score: Score, limit: float, areas: list[str]) -> None:
        """Turn the episode of an area into the tenant's, under the same id."""
        fresh = opened(self.id, self.ordinal, at, score, limit, self.suppressed)
        for name in _EVIDENCE:
            setattr(self, name, getattr(fresh, name))
        self.reason, self.slice, self.share, self.areas = "became_tenant_wide", None, 1.0, areas
        self.phase, self.calm_since = "opened", None

    def reopen(self, at: float, score: Score, limit: float) -> Transition:
        """Continue within the cool-down, with the new window as evidence."""
        fresh = opened(self.id, self.ordinal, at, score, limit, self.suppressed)
        for name in _EVIDENCE:
            setattr(self, name, getattr(fresh, name))
        self.phase, self.is_expected_event = "opened", False
        return self._told("reopened")

    def update(self) -> Transition:
        """Report the present state."""
        return self._told("updated")

    def _told(self, transition: Transition) -> Transition:
        """Record that an event reports the present state."""
        self.sequence += 1
        self.reported_observed, self.reported_at = self.observed, self.accounted
        self.too_late = 0
        self.reported_areas = max(len(self.areas), 1)
        return transition


_EVIDENCE: Final = (
    "since",
    "accounted",
    "limit",
    "score",
    "observed",
    "expected",
    "tickets",
    "customers",
    "severity",
    "severity_rule",
    "recent_observed",
    "recent_expected",
    "fade_hours",
    "clear_ratio",
)


def opened(
    identity: str,
    ordinal: int,
    at: float,
    score: Score,
    limit: float,
    suppressed: Suppressed | None,
) -> Episode:
    """Return the episode that a score opens; `Episode.begin` sets its severity.

    Args:
        identity: Its id.
        ordinal: Its number in its series.
        at: When it opens, seconds since 1970.
        score: The score that crossed.
        limit: The threshold that it crossed.
        suppressed: Why it does not page, or None.
    """
    hours = max(at - score.since, 0.0) / 3600.0
    ratio = score.observed / max(score.expected, 1e-9)
    return Episode(
        id=identity,
        ordinal=ordinal,
        detected_at=at,
        since=score.since,
        accounted=at,
        limit=limit,
        score=score,
        observed=score.observed,
        expected=score.expected,
        tickets=score.tickets,
        customers=score.customers,
        severity="info",
        severity_rule="",
        recent_observed=score.observed,
        recent_expected=score.expected,
        fade_hours=min(max(hours / 2.0, FADE_HOURS[0]), FADE_HOURS[1]),
        clear_ratio=min(max(1.0 + (ratio - 1.0) / 3.0, CLEAR_RATIO[0]), CLEAR_RATIO[1]),
        reported_observed=score.observed,
        reported_at=at,
        suppressed=suppressed,
    )
