"""The lifecycle of one episode: opened, updated, recovering, resolved, reopened in the cool-down.

The phase before that, pending, belongs to the series: its score is within a factor of ten of the
threshold. The id of an episode never changes. It is computed from the tenant, the series and the
ordinal of the episode in that series, not from a clock or an offset.
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
"""Bounds of the time constant of the recent rate. Between them, it is half the length of the
opening window."""
FADE_TICKETS: Final = 2.0
"""The time constant is longer, up to `LONGEST_FADE_HOURS`, if fewer tickets than this are expected
in it, because a single ticket does not show that the rate is high again."""
LONGEST_FADE_HOURS: Final = 12.0
QUIET_SECONDS: Final = 60.0
"""The shortest time between an event and an update, so that a burst causes only one message."""
CLEAR_RATIO: Final = (1.2, 1.5)
"""Bounds of the ratio below which an episode is calm. Between them, the excess of the ratio over 1
is a third of that of the opening ratio."""

END_ODDS: Final = 30.0
"""An episode ends if its latest tickets are this many times as likely at the usual rate as at the
geometric mean of the usual rate and a rate that the episode surely had. Every ticket that is
expected in the episode adds 1 to the number, because a long episode has more opportunities to end
by chance. Where hours differ by more than chance, each ticket counts less. The comparison is a
CUSUM for the return to the usual rate (Page 1954, "Continuous inspection schemes").
"""
LEAST_END_RATIO: Final = 2.0
"""The lowest multiple of the usual rate that the latest tickets are compared with."""
SURE_DEVIATIONS: Final = 2.5
"""The rate that an episode surely had is this many standard deviations below the observed rate."""
LONGEST_DOUBT_HOURS: Final = 24.0
"""An episode that has been calm for this long ends, whatever the odds."""
AMENDED_SHARE: Final = 0.3
"""Share of the reported count that corrections must change before an amendment is reported."""


def episode_id(tenant: str, kind: str, series: str, ordinal: int) -> str:
    """Return the id of an episode: 32 hexadecimal digits that depend only on the arguments.

    Example:
        >>> episode_id("acme", "area", "login", 1) == episode_id("acme", "area", "login", 2)
        False
    """
    parts = "\x1f".join((tenant, kind, series, str(ordinal)))
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


class Episode(msgspec.Struct, array_like=True):
    """An episode of a series. Times are in seconds since 1970."""

    id: str
    ordinal: int
    detected_at: float
    since: float
    accounted: float
    """The time up to which `expected` is computed."""
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
    """Expected share of the slice in the rate of its series, 0 to 1."""
    areas: list[str] = []
    """The areas of a tenant-wide episode."""
    allowed: float = 1.0
    """False pages per week that the budget allows the series."""
    expected_pages: float = 0.0
    """Expected false pages per week at the threshold."""
    collected: EpisodeTickets | None = None
    """The collected tickets; None once the episode is resolved."""
    joined_at: float = 0.0
    """When an area last joined the episode."""
    reported_areas: int = 1
    """How many areas the last event listed."""
    before: int = 0
    """Customers of the opening window that are not among the collected tickets."""
    too_late: int = 0
    """Tickets of the episode that arrived too late to be scored, since the last event."""
    is_expected_event: bool = False
    """Whether its verdict is ``expected_event``; then only the resolution is reported."""
    end_odds: float = 0.0
    """Natural log of the odds that the episode is over, never below 0; see `END_ODDS`."""
    end_ratio: float = LEAST_END_RATIO
    """The multiple of the usual rate that the latest tickets are compared with."""
    information: float = 1.0
    """Information of a ticket relative to one in a quiet series, 0 to 1; see `Model.ticket_weight`.
    """
    holds: list[str] = []
    """The keys of the series whose models do not learn during the episode."""
    is_learned: bool = False
    """Whether its threshold has learned its peak."""

    @property
    def hours(self) -> float:
        """Hours from the start of the opening window to the resolution, or until now."""
        return (max(self.accounted, self.resolved_at) - self.since) / 3600.0

    @property
    def running(self) -> bool:
        """Whether the episode is not resolved."""
        return self.phase != "resolved"

    @property
    def calm(self) -> bool:
        """Whether the rate is normal again, so that the episode is recovering or resolved."""
        return self.phase != "opened"

    def add(self, weight: float, score: Score) -> None:
        """Count a ticket that is already collected; call `expect_until` first."""
        self.observed += weight
        self.recent_observed += weight
        sure = self.observed - SURE_DEVIATIONS * math.sqrt(self.observed)
        if sure > 0.0:
            self.end_ratio = max(self.end_ratio, math.sqrt(sure / (self.expected + 0.5)))
        evidence = self.information * weight * math.log(self.end_ratio)
        self.end_odds = max(0.0, self.end_odds - evidence)
        self.tickets += 1
        if self.collected is not None:
            self.customers = max(0, self.before + self.collected.affected.customers)
        if score.value > self.score.value:
            self.score = score

    def begin(self, collected: EpisodeTickets, rules: Sequence[Rule]) -> None:
        """Set the collected tickets of the opening window, and the severity."""
        self.collected = collected
        self.before = max(0, self.customers - collected.affected.customers)
        self.customers = self.before + collected.affected.customers
        rule = self.grade(rules)
        self.severity, self.severity_rule = rule.severity, rule.words

    def inside(self, ticket: TicketSummary) -> bool:
        """Return whether a ticket belongs to the episode; if a slice paged, to that slice."""
        return self.slice is None or self.slice in ticket.keys

    def grade(self, rules: Sequence[Rule]) -> Rule:
        """Return the severity rule that holds for the episode."""
        affected = self.collected.affected if self.collected is not None else None
        if not any(rule.tier or rule.revenue for rule in rules):
            affected = None  # tiers and revenue are slow to compute and no rule needs them
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
        """Add the expected count up to a time.

        Args:
            until: Seconds since 1970.
            rate: Expected customer-equivalents per hour of the series.
        """
        hours = (until - self.accounted) / 3600.0
        if hours <= 0.0:
            return
        rate *= self.share
        self.accounted = until
        fade = math.exp(-hours / self.fade_hours)
        self.expected += rate * hours
        self.end_odds += self.information * rate * hours * (self.end_ratio - 1.0)
        self.recent_observed *= fade
        self.recent_expected = self.recent_expected * fade + rate * hours

    def next_update(self, settings: Settings) -> bool:
        """Return whether an update is due: the severity rose or the count grew enough.

        If the severity rose, it is set.
        """
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
        """Update the phase at a whole minute (seconds since 1970).

        Returns:
            Whether the episode has been calm for long enough to be resolved.
        """
        recent = (self.recent_observed + 1.0) / (self.recent_expected + 1.0)
        if recent >= self.clear_ratio:
            self.phase, self.calm_since = "opened", None
            return False
        if self.calm_since is None:
            self.phase, self.calm_since = "recovering", minute
        calm_seconds = minute - self.calm_since
        if calm_seconds < settings.clear_minutes * 60.0:
            return False
        is_over = self.end_odds >= math.log(END_ODDS + self.expected)
        return is_over or calm_seconds >= LONGEST_DOUBT_HOURS * 3600.0

    def resolve(self, at: float) -> Transition:
        """Resolve the episode; call `close` once the event, which needs the tickets, is made."""
        self.phase, self.calm_since, self.resolved_at = "resolved", None, at
        return self._record_report("resolved")

    def close(self) -> None:
        """Drop the collected tickets."""
        self.collected = None

    def withdraw(self, at: float, weight: float) -> Transition | None:
        """Remove a ticket; return a transition if the reported count changed enough.

        Args:
            at: When the ticket was created, seconds since 1970.
            weight: Customer-equivalents of the ticket.
        """
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
        return self._record_report("amended")

    def amend(self, at: float, settings: Settings) -> Transition | None:
        """Count a late ticket; return a transition if there are enough late tickets.

        Args:
            at: When the ticket was created, seconds since 1970.
            settings: Settings with `update_tickets`.
        """
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
        return self._record_report("amended")

    def become_tenant_wide(self, at: float, score: Score, limit: float, areas: list[str]) -> None:
        """Make an area's episode the tenant's episode, with the same id.

        Args:
            at: Now, seconds since 1970.
            score: The score of the tenant's series.
            limit: The threshold of the tenant's series.
            areas: The areas of the episode.
        """
        new = opened(self.id, self.ordinal, at, score, limit, self.suppressed)
        for name in _EVIDENCE:
            setattr(self, name, getattr(new, name))
        self.reason, self.slice, self.share, self.areas = "became_tenant_wide", None, 1.0, areas
        self.phase, self.calm_since = "opened", None

    def reopen(self, at: float, score: Score, limit: float) -> Transition:
        """Reopen the episode within the cool-down, with the new window as its evidence.

        Args:
            at: Now, seconds since 1970.
            score: The score that crossed.
            limit: The threshold that the score crossed.
        """
        new = opened(self.id, self.ordinal, at, score, limit, self.suppressed)
        for name in _EVIDENCE:
            setattr(self, name, getattr(new, name))
        self.phase, self.is_expected_event = "opened", False
        return self._record_report("reopened")

    def update(self) -> Transition:
        """Report the current state as an update."""
        return self._record_report("updated")

    def _record_report(self, transition: Transition) -> Transition:
        """Record that an event reports the current state."""
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
    "end_odds",
    "end_ratio",
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
    """Return a new episode; `Episode.begin` sets its severity.

    Args:
        identity: The id of the episode.
        ordinal: The number of the episode in its series.
        at: When the episode opens, seconds since 1970.
        score: The score that crossed.
        limit: The threshold that the score crossed.
        suppressed: Why the episode is suppressed; None: it pages.
    """
    hours = max(at - score.since, 0.0) / 3600.0
    ratio = score.observed / max(score.expected, 1e-9)
    tickets_per_hour = score.expected / max(hours, 1.0 / 60.0)
    longest = min(FADE_TICKETS / max(tickets_per_hour, 1e-9), LONGEST_FADE_HOURS)
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
        fade_hours=max(min(max(hours / 2.0, FADE_HOURS[0]), FADE_HOURS[1]), longest),
        clear_ratio=min(max(1.0 + (ratio - 1.0) / 3.0, CLEAR_RATIO[0]), CLEAR_RATIO[1]),
        reported_observed=score.observed,
        reported_at=at,
        suppressed=suppressed,
    )
