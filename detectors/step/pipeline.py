"""One signal through one tenant. This file alone knows the order.

A ticket: of this tenant? in time? new? on time? -> the clock moves on, and what time alone decides
is decided -> was the feed silent? -> its area -> its customer's weight -> the scores of the area,
of its slices, of the whole tenant -> the limits and the episode (`detectors.alerting.decision`). A
merged, deleted or re-tagged one is taken back. A tick: the clock moves on.

Time. The clock of a tenant is moved by its tickets and by ticks, never back. A ticket older than
the clock by no more than the lateness counts as now; an older one is learned, but never a reason to
page. What time alone decides (calm, resolved) is decided on whole minutes, in order, when the clock
passes them, so that the number and the times of ticks leave no trace.
"""

import msgspec

from detectors.alerting.verdict_handling import apply_verdict
from detectors.foundation.calendar import resolution
from detectors.foundation.outcomes import Outcome
from detectors.foundation.tokens import tokens
from detectors.memory.area_classifier import ClassifiedBy, classify
from detectors.memory.deduplication import fingerprints
from detectors.policy.settings import Settings
from detectors.state.tenant import Tenant
from detectors.step.clock import apply_tick, end_history, pass_time
from detectors.step.corrections import reclassify, record_resolution_time, withdraw
from detectors.step.counting import count_ticket, learn_late
from detectors.step.result import Step
from schemas.escalation import EscalationEvent
from schemas.signals import (
    UNCLASSIFIED,
    Signal,
    Tick,
    Ticket,
    Verdict,
)

DAY_SECONDS = 86_400


def step(
    tenant: Tenant, signal: Signal, settings: Settings, received_at: float | None = None
) -> Step:
    """Take *signal* into *tenant*.

    Args:
        tenant: Changed in place.
        signal: Of this tenant.
        settings: The same for all signals of a run; they are part of every decision.
        received_at: When the internal topic took the signal in, seconds since 1970: a live ticket
            much later than that is ``future`` and changes nothing, one a little later counts as
            then. None: no such rule.

    Returns:
        What became of the signal, and the escalations it led to, in order.

    Example:
        >>> settings = Settings()
        >>> tenant = Tenant("acme", settings)
        >>> step(tenant, Ticket("acme", "1", created_at=0.0, area="login"), settings).outcome
        'counted'
        >>> step(tenant, Ticket("acme", "1", created_at=9.0, area="login"), settings).outcome
        'duplicate'
    """
    if isinstance(signal, Ticket):
        tenant.guarded.clear()
        signal, placed = _named(tenant, signal, settings)
        outcome, escalations = _ticket(tenant, signal, settings, received_at, placed)
        counted = placed if outcome == "counted" else None
        return Step(outcome, escalations, tuple(tenant.guarded), counted)
    if isinstance(signal, Tick):
        return apply_tick(tenant, signal, settings, received_at)
    if isinstance(signal, Verdict):
        answered = apply_verdict(tenant, signal, settings)
        return Step("verdict_ignored" if answered is None else "verdict", answered or [])
    return end_history(tenant, settings)


def _named(
    tenant: Tenant, ticket: Ticket, settings: Settings
) -> tuple[Ticket, ClassifiedBy | None]:
    """The ticket with the area that its alias, or else its words, stand for."""
    taxonomy = settings.taxonomy
    area, issue_type, placed = taxonomy.canonical(ticket.area), ticket.issue_type, None
    if ticket.text is not None and ticket.event_type == "created":
        if area == UNCLASSIFIED:
            found = classify(ticket.text, taxonomy, tenant.placer, settings.placing_confidence)
            placed = "unclassified" if found is None else found.how
            if found is not None:
                area = taxonomy.canonical(found.area)
                issue_type = issue_type or found.issue_type
        elif issue_type is None and taxonomy.areas:
            told = taxonomy.place(tokens(ticket.text))
            issue_type = told[1] if told is not None and told[0] == area else None
    if area == ticket.area and issue_type == ticket.issue_type:
        return ticket, placed
    return msgspec.structs.replace(ticket, area=area, issue_type=issue_type), placed


def _ticket(
    tenant: Tenant,
    ticket: Ticket,
    settings: Settings,
    received_at: float | None,
    placed: ClassifiedBy | None,
) -> tuple[Outcome, list[EscalationEvent]]:
    at = ticket.created_at
    mode = ticket.mode
    if mode == "simulated":
        if tenant.live:
            return "not_simulated", []
    elif received_at is not None:
        if at > received_at + settings.future_seconds:
            return "future", []
        at = min(at, received_at)
    if ticket.event_type in ("merged", "deleted"):
        return withdraw(tenant, ticket, at, settings)
    if ticket.event_type == "reclassified":
        return reclassify(tenant, ticket, at, settings)
    if ticket.event_type == "solved":
        return record_resolution_time(tenant, ticket)
    if ticket.event_type != "created":
        return "not_created", []
    if ticket.created_by != "customer":
        tenant.guarded.append("agent_created" if ticket.created_by == "agent" else "imported")
        return "not_by_customer", []
    before = tenant.clock
    clock = at if before is None or at > before else before
    of_the_day = resolution(at, settings.timezone) == DAY_SECONDS
    late = clock - at > settings.lateness_seconds
    if late and of_the_day and before is not None and tenant.whole.coarse > 0.5:
        late = clock - at > settings.lateness_seconds + DAY_SECONDS  # its hour is not known
    marks = fingerprints(ticket.ticket_id, ticket.event_id, ticket.source)
    if not tenant.duplicates.is_new(marks, int(clock // 3600), late=late, quick=mode != "live"):
        tenant.guarded.append("duplicate")
        return "duplicate", []
    if before is None:
        tenant.start(at)
    tenant.live = tenant.live or mode == "live"
    if late:
        return learn_late(tenant, ticket, at, marks[0], settings)
    tenant.in_history = mode == "history"
    tenant.simulated = mode == "simulated"
    events = pass_time(tenant, clock, settings) if clock != before else []
    of_the_day = tenant.whole.told_the_day(alone=of_the_day) and at == clock
    until = at + DAY_SECONDS if of_the_day else 0.0
    if placed in ("rule", "model"):
        tenant.note_placed(marks[0])
    return "counted", events + count_ticket(
        tenant, ticket, clock, marks[0], settings, until, guessed=placed == "model"
    )
