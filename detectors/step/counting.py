"""Count a ticket in every series that it belongs to."""

import operator
from collections.abc import Generator
from typing import Final

from detectors.alerting.context import EpisodeTransition, Stage, StepContext, Transitions
from detectors.alerting.decision import learn_thresholds
from detectors.alerting.guards import LEAST_GAP_HOURS, is_feed_gap
from detectors.alerting.lifecycle import ScoredTicket, resolve, transition_of
from detectors.foundation.dimensions import DIMENSIONS, customer_key
from detectors.foundation.local_days import day_of
from detectors.foundation.tokens import terms
from detectors.foundation.units import SECONDS_PER_DAY, SECONDS_PER_HOUR
from detectors.memory.customer_weights import customer_tag
from detectors.memory.episode_tickets import TicketSummary, remember
from detectors.models import Arrival, Score
from detectors.models.slices import Area, SliceScore, keys_of
from detectors.state.series import Series
from detectors.state.tenant import KNOWN_HOURS, TENANT_SERIES, Tenant
from schemas.signals import MOST_REVENUE, OTHER, UNCLASSIFIED, Ticket

URL_CHARACTERS: Final = 300
ID_CHARACTERS: Final = 128
TESTED_ONE_IN: Final = 64
"""One ticket in this many is used to measure how well tickets' terms predict their areas."""
UNKNOWN_ONE_IN: Final = 10
"""At most one in this many of `areas_per_tenant` may be unknown to the taxonomy at a time."""
LEAST_UNKNOWN: Final = 10
"""At least this many unknown areas are allowed; all other unknown areas share one series."""


def count_ticket(
    context: StepContext,
    ticket: Ticket,
    at: float,
    ticket_hash: int,
    until: float = 0.0,
    *,
    is_classified_by_model: bool = False,
) -> Generator[EpisodeTransition, None, ScoredTicket | None]:
    """Count a ticket in its area, in the slices of the area, and in the tenant's series.

    Args:
        context: The step.
        ticket: A customer's ticket with a canonical area.
        at: The time at which it counts, seconds since 1970; never before the tenant's watermark.
        ticket_hash: The fingerprint of the ticket's id.
        until: The end of its day if the timestamp has only day resolution; see `Arrival`.
        is_classified_by_model: Whether the classifier chose its area; the classifier must then not
            learn from it.

    Returns:
        The ticket with its scores; None if its weight is 0.
    """
    tenant = context.tenant
    whole = tenant.whole
    _mark_feed_gap(context, at)
    tenant.last_ticket = at
    whole.model.advance(at)
    area, series = _series_for(context, ticket.area, at)
    if series.running is not None or whole.running is not None:
        yield from _resolve_history(context, area, at)
    customer = customer_tag(ticket.customer)
    weight, last_seen = series.customers.see(customer, at)
    if weight < 1.0:
        context.guards.append("repeated_customer")
    series.count(at, weight, ticket_hash)
    if weight == 0.0:
        return None
    arrival = Arrival(at, weight, last_seen, until)
    score = series.model.observe(arrival)
    series.last_score = (at, score.value)
    values, is_known = values_of(ticket), tenant.knows(series)
    slice_score = _score_slices(context, series, arrival, values, is_known=is_known)
    summary = summarize(ticket, at, weight, ticket_hash, values, guessed=is_classified_by_model)
    _learn_usual_tickets(tenant, area, series, summary)
    tenant_score, tenant_weight = Score(), 0.0
    if is_known:
        tenant_score, tenant_weight = _score_tenant(whole, series, customer, arrival, ticket_hash)
    day = int(at // SECONDS_PER_DAY)
    if series.day != day or whole.day != day:
        _start_day(context, series, at, day)
    return ScoredTicket(
        area, at, summary, last_seen, score, slice_score, tenant_score, tenant_weight
    )


def _resolve_history(context: StepContext, area: str, at: float) -> Transitions:
    """Resolve the episodes of an area and the tenant that were opened in history once it ends."""
    tenant = context.tenant
    for key in (area, TENANT_SERIES):
        left_open = tenant.series(key).running
        if left_open is not None and left_open.suppressed == "history" and not tenant.in_history:
            yield from resolve(context, key, at)


def _score_slices(
    context: StepContext,
    series: Series,
    arrival: Arrival,
    values: tuple[str | None, ...],
    *,
    is_known: bool,
) -> SliceScore | None:
    """Count a ticket in its slices; return the highest score among the watched slices."""
    watched, others = keys_of(values, context.settings.slice_dimensions)
    found = None
    if watched:
        model, hours = series.model, arrival.at / SECONDS_PER_HOUR
        area = Area(
            model.expected_until(arrival.at),
            series.seen,
            model.rate,
            model.variance(6.0),
            hours - series.born,
        )
        found = series.slices.observe(
            hours,
            arrival.weight,
            arrival.last_seen / SECONDS_PER_HOUR,
            watched,
            area,
            context.tenant.shares,
            teaches=is_known,
        )
    series.slices.count(arrival.weight, others)
    # With day resolution, the time of a ticket is too uncertain to score a slice.
    return None if arrival.until else found


def _score_tenant(
    whole: Series, series: Series, customer: int, arrival: Arrival, ticket_hash: int
) -> tuple[Score, float]:
    """Count a ticket of a known area in the tenant's series; return the score and its weight."""
    weight, last_seen = whole.customers.see(customer, arrival.at)
    weight *= series.model.ticket_weight
    whole.remember(weight, ticket_hash)
    score = whole.model.observe(Arrival(arrival.at, weight, last_seen, arrival.until))
    return score, weight


def _start_day(context: StepContext, series: Series, at: float, day: int) -> None:
    """Name an unusual day, and let the thresholds of a series learn from the days before."""
    tenant = context.tenant
    if tenant.whole.day != day:
        _guard_unusual_day(context, at)
    for each in (series, tenant.whole):
        if each.day != day:
            learn_thresholds(tenant, each, at, context.settings)


def _guard_unusual_day(context: StepContext, at: float) -> None:
    """Record a guard for a day that differs from other days: a holiday or an announced event."""
    calendar = context.settings.calendar
    hour = int(at // SECONDS_PER_HOUR)
    if day_of(hour, calendar.timezone, calendar.country, calendar.subdivision).holiday:
        context.guards.append("holiday")
    if any(event.start < at + SECONDS_PER_DAY and event.end > at for event in calendar.events):
        context.guards.append("announced")


values_of = operator.attrgetter(*("feed" if name == "source" else name for name in DIMENSIONS))


def summarize(
    ticket: Ticket,
    at: float,
    weight: float,
    ticket_hash: int,
    values: tuple[str | None, ...],
    *,
    guessed: bool,
) -> TicketSummary:
    """Return the summary of a ticket, with bounded text, link and amounts."""
    return TicketSummary(
        ticket_hash,
        ticket.ticket_id[:ID_CHARACTERS],
        at,
        weight,
        values,
        ticket.customer,
        None if ticket.revenue is None else min(ticket.revenue, MOST_REVENUE),
        ticket.renewal_at,
        ticket.text or "",
        ticket.url if ticket.url is not None and len(ticket.url) <= URL_CHARACTERS else None,
        guessed,
    )


def _learn_usual_tickets(tenant: Tenant, area: str, series: Series, summary: TicketSummary) -> None:
    """Remember a ticket; outside episodes, learn from tickets too old for a new episode."""
    too_old = remember(series.recent_tickets, summary, series.model.rate)
    if too_old and series.running is None and tenant.whole.running is None:
        for older in too_old:
            _learn_usual_ticket(tenant, area, older)


def _learn_usual_ticket(tenant: Tenant, area: str, summary: TicketSummary) -> None:
    """Learn the values and the terms of a usual ticket."""
    if summary.weight < 1.0:
        return
    series = tenant.areas[area]
    rank = series.usual_values.rank(summary.ticket_hash, summary.at / SECONDS_PER_HOUR)
    if series.usual_values.wants(rank):
        keys = summary.keys
        if summary.customer is not None:
            keys = (*keys, customer_key(summary.customer))
        series.usual_values.take(rank, keys)
        series.usual_changed()
    if summary.text and not summary.guessed and series.usual_terms.wants(summary.ticket_hash):
        tested = summary.ticket_hash % TESTED_ONE_IN == 0
        tenant.learn_words(area, terms(summary.text), tested=tested)


def _mark_feed_gap(context: StepContext, at: float) -> None:
    """Exclude a feed gap from learning, and restart all windows."""
    tenant = context.tenant
    if at - tenant.last_ticket < SECONDS_PER_HOUR * LEAST_GAP_HOURS:
        return
    if is_feed_gap(tenant.whole.model, tenant.last_ticket, at):
        context.guards.append("feed_gap")
        tenant.whole.model.mark_gap(tenant.last_ticket, at)
        for name, series in tenant.areas.items():
            series.model.mark_gap(tenant.last_ticket, at)
            series.slices.restart()
            tenant.touched.add(name)


def learn_late(context: StepContext, ticket: Ticket, at: float, ticket_hash: int) -> Stage:
    """Learn from a ticket that arrived too late to be scored.

    It creates no area, because the age of such an area would be unknown.
    """
    tenant = context.tenant
    context.guards.append("backfill")
    area = ticket.area if ticket.area in tenant.areas else OTHER
    series = tenant.areas.get(area)
    is_live = ticket.mode == "live"
    yield from amend_episode(context, area, ticket, at, ticket_hash)
    if series is None or not series.model.learn_late(at, 1.0, bounded=is_live):
        return "too_late"
    series.tickets += 1
    if tenant.knows(series):
        tenant.whole.model.learn_late(at, series.model.ticket_weight, bounded=is_live)
    tenant.touched.add(area)
    return "late"


def amend_episode(
    context: StepContext, area: str, ticket: Ticket, at: float, ticket_hash: int
) -> Transitions:
    """Count a late or reclassified ticket in the running episode of its area."""
    tenant = context.tenant
    series = tenant.areas.get(area)
    episode = series.running if series is not None else None
    if episode is None or episode.suppressed == "history" or at < episode.since:
        return
    summary = summarize(ticket, at, 1.0, ticket_hash, values_of(ticket), guessed=False)
    inside = episode.inside(summary)
    if episode.collected is not None:
        renewal_days = context.settings.renewal_days
        episode.collected.add(summary, renewal_days, inside=inside, calm=episode.calm)
    tenant.touched.add(area)
    kind = episode.amend(at, context.settings) if inside else None
    if kind:
        assert tenant.clock is not None
        yield transition_of(tenant, area, kind, tenant.clock)


def _has_room(context: StepContext, area: str, at: float) -> bool:
    """Return whether a new area gets its own series; areas outside the taxonomy get only a few."""
    tenant, settings = context.tenant, context.settings
    if settings.taxonomy.knows(area) or area == UNCLASSIFIED:
        return True
    if len(tenant.areas) >= settings.areas_per_tenant:
        return False
    if at / SECONDS_PER_HOUR - tenant.born < KNOWN_HOURS:
        return True
    unknown = sum(not tenant.knows(series) for series in tenant.areas.values())
    return unknown < max(settings.areas_per_tenant // UNKNOWN_ONE_IN, LEAST_UNKNOWN)


def _series_for(context: StepContext, area: str, at: float) -> tuple[str, Series]:
    """Return the name and the series in which an area is counted; create the series if needed.

    Beyond the cap, all unknown areas share one series.
    """
    tenant = context.tenant
    if area not in tenant.areas and not _has_room(context, area, at):
        area = OTHER
    series = tenant.areas.get(area)
    if series is None:
        # The shared series of the unknown areas counts as existing since the tenant's first hour.
        born = tenant.born * SECONDS_PER_HOUR if area == OTHER else at
        series = Series.starting(context.settings.model, tenant.context(area), born)
        series.shared = area == OTHER
        series.model.advance(at)
        tenant.admit(area, series)
    tenant.touched.add(area)
    return area, series
