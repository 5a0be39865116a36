"""Corrections of counted tickets: merged, deleted, reclassified, solved."""

from typing import Final

from detectors.alerting.context import Stage, StepContext, Transitions
from detectors.alerting.decision import decide
from detectors.alerting.lifecycle import tenant_keys_of, transition_of
from detectors.foundation.outcomes import Outcome
from detectors.foundation.tokens import terms
from detectors.foundation.units import SECONDS_PER_HOUR
from detectors.memory.deduplication import fingerprint, fingerprints
from detectors.memory.episode_tickets import TicketSummary
from detectors.models.slices import keys_of
from detectors.state.series import Series
from detectors.state.tenant import TENANT_SERIES, Tenant
from detectors.step.counting import amend_episode, count_ticket, summarize, values_of
from schemas.signals import MOST_HANDLING_SECONDS, UNCLASSIFIED, Ticket

FRESH_SECONDS: Final = SECONDS_PER_HOUR
"""A ticket without an area that is reclassified within this time after its creation counts in the
new area as if it arrived now. Any other reclassified ticket is only learned there, because it is
not a new complaint."""


def record_resolution_time(context: StepContext, ticket: Ticket) -> Outcome:
    """Learn the handling time of an area from a solved ticket."""
    series = context.tenant.areas.get(ticket.area)
    if series is None or ticket.handled is None:
        return "not_created"
    series.record_handling_time(min(ticket.handled, MOST_HANDLING_SECONDS), elapsed=ticket.elapsed)
    context.tenant.touched.add(ticket.area)
    return "solved"


def withdraw(context: StepContext, ticket: Ticket, at: float) -> Stage:
    """Remove a ticket that was merged or deleted."""
    area = _counted_in(context.tenant, ticket)
    if context.tenant.clock is None or area is None:
        return "not_created"
    yield from _take_back(context, area, ticket, at)
    context.guards.append("merged" if ticket.event_type == "merged" else "deleted")
    return "withdrawn"


def reclassify(context: StepContext, ticket: Ticket, at: float) -> Stage:
    """Move a ticket to its new area.

    A recent ticket that had no area counts there as a new ticket; an older one is only learned. See
    `FRESH_SECONDS`.
    """
    tenant = context.tenant
    clock = tenant.clock
    if clock is None:
        return "not_created"
    ticket_hash = _hash_of(ticket)
    series = tenant.areas.get(ticket.area)
    if series is not None and series.remembers(ticket_hash):
        return "duplicate"
    was_unclassified = _was_unclassified(tenant, ticket_hash)
    move = fingerprint(f"{ticket.source}\x1fmoved\x1f{ticket.ticket_id}\x1f{ticket.area}")
    if not tenant.duplicates.is_new([move], int(clock // SECONDS_PER_HOUR)):
        return "duplicate"
    counted_in = _counted_in(tenant, ticket, but=ticket.area)
    if counted_in is not None:
        yield from _take_back(context, counted_in, ticket, at)
    context.guards.append("reclassified")
    if ticket.text and ticket.area in tenant.areas:
        tenant.learn_words(ticket.area, terms(ticket.text), tested=False)
        tenant.touched.add(ticket.area)
    if was_unclassified and counted_in is not None and clock - at <= FRESH_SECONDS:
        scored = yield from count_ticket(
            context, ticket, clock, ticket_hash, is_classified_by_model=True
        )
        if scored is not None:
            yield from decide(context, scored)
        return "moved"
    if series is not None:
        series.model.learn_late(at, 1.0, bounded=True)
        tenant.touched.add(ticket.area)
    yield from amend_episode(context, ticket.area, ticket, at, ticket_hash)
    return "moved"


def _hash_of(ticket: Ticket) -> int:
    return fingerprints(ticket.ticket_id, None, ticket.source)[0]


def _was_unclassified(tenant: Tenant, ticket_hash: int) -> bool:
    unclassified = tenant.areas.get(UNCLASSIFIED)
    return ticket_hash in tenant.placed or (
        unclassified is not None and unclassified.remembers(ticket_hash)
    )


def _counted_in(tenant: Tenant, ticket: Ticket, but: str | None = None) -> str | None:
    """Return the area in which a ticket was recently counted, or None; skip the area *but*."""
    ticket_hash = _hash_of(ticket)
    for area in dict.fromkeys((ticket.area, *tenant.areas)):
        series = tenant.areas.get(area)
        if series is not None and area != but and series.remembers(ticket_hash):
            return area
    return None


def _take_back(context: StepContext, area: str, ticket: Ticket, at: float) -> Transitions:
    """Remove a counted ticket from its area, from the tenant's series and from running episodes."""
    tenant = context.tenant
    ticket_hash, series = _hash_of(ticket), tenant.areas[area]
    weight = series.forget(ticket_hash, at)
    tenant.touched.add(area)
    if weight == 0.0:  # the ticket never counted, because the same form was submitted twice
        return
    values = values_of(ticket)
    series.model.withdraw(at, weight)
    watched, _ = keys_of(values, context.settings.slice_dimensions)
    series.slices.withdraw(at / SECONDS_PER_HOUR, weight, watched)
    summary = _summary_of(series, ticket_hash) or summarize(
        ticket, at, weight, ticket_hash, values, guessed=False
    )
    series.recent_tickets = [one for one in series.recent_tickets if one.ticket_hash != ticket_hash]
    tenant_weight = tenant.whole.forget(ticket_hash, at)
    if tenant_weight > 0.0:
        tenant.whole.model.withdraw(at, tenant_weight)
    for key, lost in ((area, weight), (TENANT_SERIES, tenant_weight)):
        episode = tenant.series(key).running
        if episode is None or not episode.inside(summary):
            continue
        if episode.collected is not None:
            also = tenant_keys_of(area) if key == TENANT_SERIES else ()
            episode.collected.withdraw(summary, at, inside=True, also=also)
        kind = episode.withdraw(at, lost)
        if kind:
            assert tenant.clock is not None
            yield transition_of(tenant, key, kind, tenant.clock)


def _summary_of(series: Series, ticket_hash: int) -> TicketSummary | None:
    """Return the remembered summary of a ticket, which may be more complete than its last event."""
    known = list(series.recent_tickets)
    if series.running is not None and series.running.collected is not None:
        known += series.running.collected.candidates
    return next((summary for summary in known if summary.ticket_hash == ticket_hash), None)
