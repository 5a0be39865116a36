"""Corrections of tickets that were counted: merged, deleted, reclassified, solved."""

from detectors.alerting.lifecycle import tell, tenant_keys_of
from detectors.foundation.outcomes import Outcome
from detectors.foundation.tokens import terms
from detectors.memory.deduplication import fingerprint, fingerprints
from detectors.memory.episode_tickets import TicketSummary
from detectors.models.slices import keys_of
from detectors.policy.settings import Settings
from detectors.state.series import Series
from detectors.state.tenant import TENANT_SERIES, Tenant
from detectors.step.counting import count_late_in_episode, count_ticket, summarize, values_of
from schemas.escalation import EscalationEvent
from schemas.signals import MOST_HANDLING_SECONDS, UNCLASSIFIED, Ticket

FRESH_SECONDS = 3600.0
"""A ticket without an area that is tagged within this time of its creation counts in its area as if
it came now. Any other one that is re-tagged is only learned there: nobody complained anew."""


def record_resolution_time(tenant: Tenant, ticket: Ticket) -> tuple[Outcome, list[EscalationEvent]]:
    """How long a ticket of its area takes."""
    series = tenant.areas.get(ticket.area)
    if series is None or ticket.handled is None:
        return "not_created", []
    series.handle(min(ticket.handled, MOST_HANDLING_SECONDS), elapsed=ticket.elapsed)
    tenant.touched.add(ticket.area)
    return "solved", []


def withdraw(
    tenant: Tenant, ticket: Ticket, at: float, settings: Settings
) -> tuple[Outcome, list[EscalationEvent]]:
    """A ticket was merged away or deleted: it is no complaint of its own any more."""
    if tenant.clock is None:
        return "not_created", []
    found = _take_back(tenant, ticket, at, settings)
    if found is None:
        return "not_created", []
    tenant.guarded.append("merged" if ticket.event_type == "merged" else "deleted")
    return "withdrawn", found


def _take_back(
    tenant: Tenant, ticket: Ticket, at: float, settings: Settings, but: str | None = None
) -> list[EscalationEvent] | None:
    """Take a ticket that was counted lately out of all series; None where none remembers it."""
    mark = fingerprints(ticket.ticket_id, None, ticket.source)[0]
    for area in dict.fromkeys((ticket.area, *tenant.areas)):
        series = tenant.areas.get(area)
        if series is None or area == but:
            continue
        if not series.remembers(mark):
            continue
        weight = series.forget(mark, at)
        tenant.touched.add(area)
        if weight == 0.0:  # the same form sent twice: it never counted
            return []
        series.model.withdraw(at, weight)
        series.slices.withdraw(
            at / 3600.0, weight, keys_of(values_of(ticket), settings.slice_dimensions)[0]
        )
        gone = _noted(series, mark) or summarize(
            ticket, at, weight, mark, values_of(ticket), guessed=False
        )
        series.notes = [note for note in series.notes if note.mark != mark]
        there = tenant.whole.forget(mark, at)
        if there > 0.0:
            tenant.whole.model.withdraw(at, there)
        events = []
        for key, lost in ((area, weight), (TENANT_SERIES, there)):
            episode = tenant.series(key).running
            if episode is not None and not episode.inside(gone):
                continue
            if episode is not None and episode.dossier is not None:
                also = tenant_keys_of(area) if key == TENANT_SERIES else ()
                episode.dossier.withdraw(gone, at, inside=episode.inside(gone), also=also)
            transition = episode and episode.withdraw(at, lost)
            if transition:
                assert tenant.clock is not None
                events.append(tell(tenant, key, transition, tenant.clock, settings))
        return events
    return None


def _noted(series: Series, mark: int) -> TicketSummary | None:
    """What is still known of the ticket with that *mark*, whose own event may tell less."""
    known = list(series.notes)
    if series.running is not None and series.running.dossier is not None:
        known += series.running.dossier.candidates
    return next((note for note in known if note.mark == mark), None)


def reclassify(
    tenant: Tenant, ticket: Ticket, at: float, settings: Settings
) -> tuple[Outcome, list[EscalationEvent]]:
    """A ticket was re-tagged into its area: one of just now counts there, an old one is learned."""
    clock = tenant.clock
    if clock is None:
        return "not_created", []
    mark = fingerprints(ticket.ticket_id, None, ticket.source)[0]
    there = tenant.areas.get(ticket.area)
    if there is not None and there.remembers(mark):
        return "duplicate", []
    unclassified = tenant.areas.get(UNCLASSIFIED)
    was_unclassified = mark in tenant.placed or (
        unclassified is not None and unclassified.remembers(mark)
    )
    told = fingerprint(f"{ticket.source}\x1fmoved\x1f{ticket.ticket_id}\x1f{ticket.area}")
    if not tenant.duplicates.is_new([told], int(clock // 3600)):
        return "duplicate", []
    events = _take_back(tenant, ticket, at, settings, but=ticket.area)
    tenant.guarded.append("reclassified")
    if ticket.text and ticket.area in tenant.areas:
        tenant.learn_words(ticket.area, terms(ticket.text), tested=False)
        tenant.touched.add(ticket.area)
    if was_unclassified and events is not None and clock - at <= FRESH_SECONDS:
        return "moved", events + count_ticket(tenant, ticket, clock, mark, settings, guessed=True)
    if there is not None:
        there.model.learn_late(at, 1.0, bounded=True)
        tenant.touched.add(ticket.area)
    return "moved", (events or []) + count_late_in_episode(
        tenant, ticket.area, ticket, at, mark, settings
    )
