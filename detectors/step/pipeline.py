"""Process one signal of one tenant. Only this module defines the order of the stages.

A ticket passes these stages:

1. Classify: determine the canonical area, by alias, keywords or classifier.
2. Admit: check the mode, the author, duplicates and lateness. A late ticket is learned but never
   pages; a merged, deleted or reclassified ticket corrects earlier counts.
3. Advance the watermark, and resolve episodes that have ended by then.
4. Count (`detectors.step.counting`): detect feed gaps, weight the ticket by its customer, and score
   the area, its slices and the tenant.
5. Decide (`detectors.alerting.decision`): compare scores with thresholds; open and update episodes.
6. Report (`detectors.step.events`): turn each transition of an episode into an event.

Tickets and ticks move the watermark of a tenant forward, never back. A ticket that is behind the
watermark by no more than the allowed lateness counts as arriving now. Decisions that depend on time
alone (calm, resolved) are made for each whole minute, in order, when the watermark passes it.
Results therefore do not depend on the number and the times of ticks.

Each stage yields transitions of episodes. They are turned into events one by one, while the tenant
is in the state that the transition describes. To add a stage to the processing of counted tickets,
write a function that returns `Transitions`, and ``yield from`` it in `_count`. To handle a new kind
of signal or event, write a `Stage`, return it from `_handle` or `_ticket`, and add its outcome to
`detectors.foundation.outcomes`.
"""

import msgspec

from detectors.alerting.context import Stage, StepContext
from detectors.alerting.decision import decide
from detectors.alerting.verdict_handling import apply_verdict
from detectors.foundation.calendar import resolution
from detectors.foundation.outcomes import Outcome
from detectors.foundation.tokens import tokens
from detectors.foundation.units import SECONDS_PER_DAY, SECONDS_PER_HOUR
from detectors.memory.area_classifier import ClassifiedBy, classify
from detectors.memory.deduplication import fingerprints
from detectors.policy.settings import Settings
from detectors.state.tenant import Tenant
from detectors.step.clock import advance_clock, apply_tick, end_history
from detectors.step.corrections import reclassify, record_resolution_time, withdraw
from detectors.step.counting import count_ticket, learn_late
from detectors.step.events import build_event
from detectors.step.result import Step
from schemas.escalation import EscalationEvent
from schemas.signals import UNCLASSIFIED, Signal, Tick, Ticket, Verdict

COARSE_SHARE = 0.5
"""If a tenant has a higher share of timestamps with day resolution, such a ticket may be a day
later before it counts as late."""


def step(
    tenant: Tenant, signal: Signal, settings: Settings, received_at: float | None = None
) -> Step:
    """Process one signal of a tenant.

    Args:
        tenant: The tenant, changed in place.
        signal: A signal of this tenant.
        settings: The settings, the same for all signals of a run.
        received_at: When the internal topic received the signal, seconds since 1970. A ticket
            created later than that by more than `future_seconds` has the outcome ``future`` and
            changes nothing; one created later by less counts as created at that time. Only the
            canary's simulated time may run ahead. None: tickets are not checked for this.

    Returns:
        The outcome of the signal, and the resulting events in order.

    Example:
        >>> settings = Settings()
        >>> tenant = Tenant("acme", settings)
        >>> step(tenant, Ticket("acme", "1", created_at=0.0, area="login"), settings).outcome
        'counted'
        >>> step(tenant, Ticket("acme", "1", created_at=9.0, area="login"), settings).outcome
        'duplicate'
    """
    context = StepContext(tenant, settings, received_at)
    classified_by = None
    if isinstance(signal, Ticket):
        signal, classified_by = _classify(tenant, signal, settings)
    stage = _handle(context, signal, classified_by)
    escalations: list[EscalationEvent] = []
    while True:
        try:
            transition = next(stage)
        except StopIteration as end:
            outcome = end.value
            break
        escalations.append(build_event(context, transition))
    return Step(
        outcome,
        escalations,
        tuple(context.guards),
        classified_by if outcome == "counted" else None,
        tuple(context.checks),
    )


def _handle(context: StepContext, signal: Signal, classified_by: ClassifiedBy | None) -> Stage:
    """Return the stage that processes a signal."""
    if isinstance(signal, Ticket):
        return _ticket(context, signal, classified_by)
    if isinstance(signal, Tick):
        return apply_tick(context, signal)
    if isinstance(signal, Verdict):
        return apply_verdict(context, signal)
    return end_history(context)


def _only(outcome: Outcome) -> Stage:
    """Return a stage without transitions that has a given outcome."""
    yield from ()
    return outcome


def _classify(
    tenant: Tenant, ticket: Ticket, settings: Settings
) -> tuple[Ticket, ClassifiedBy | None]:
    """Return the ticket with its canonical area, and how the area was determined from its text.

    The latter is None if the ticket names an area.
    """
    taxonomy = settings.taxonomy
    area, issue_type, how = taxonomy.canonical(ticket.area), ticket.issue_type, None
    if ticket.text is not None and ticket.event_type == "created":
        if area == UNCLASSIFIED:
            found = classify(ticket.text, taxonomy, tenant.classifier, settings.placing_confidence)
            how = "unclassified" if found is None else found.how
            if found is not None:
                area = taxonomy.canonical(found.area)
                issue_type = issue_type or found.issue_type
        elif issue_type is None and taxonomy.areas:
            match = taxonomy.place(tokens(ticket.text))
            issue_type = match[1] if match is not None and match[0] == area else None
    if area == ticket.area and issue_type == ticket.issue_type:
        return ticket, how
    return msgspec.structs.replace(ticket, area=area, issue_type=issue_type), how


def _ticket(context: StepContext, ticket: Ticket, classified_by: ClassifiedBy | None) -> Stage:
    """Check the mode and the creation time of a ticket, and return the stage for its event type."""
    at = ticket.created_at
    if ticket.mode == "simulated" and context.tenant.live:
        return _only("not_simulated")
    if context.received_at is not None and not context.tenant.is_canary:
        # This includes simulated tickets: one of them would otherwise move the watermark so far
        # ahead that every live ticket of the tenant is late.
        if at > context.received_at + context.settings.future_seconds:
            return _only("future")
        at = min(at, context.received_at)
    if ticket.event_type in ("merged", "deleted"):
        return withdraw(context, ticket, at)
    if ticket.event_type == "reclassified":
        return reclassify(context, ticket, at)
    if ticket.event_type == "solved":
        return _only(record_resolution_time(context, ticket))
    if ticket.event_type != "created":
        return _only("not_created")
    if ticket.created_by != "customer":
        context.guards.append("agent_created" if ticket.created_by == "agent" else "imported")
        return _only("not_by_customer")
    return _count(context, ticket, at, classified_by)


def _count(
    context: StepContext, ticket: Ticket, at: float, classified_by: ClassifiedBy | None
) -> Stage:
    """Count a customer's ticket if it is new and on time; only learn from it if it is late."""
    tenant = context.tenant
    before = tenant.clock
    clock = at if before is None or at > before else before
    has_day_only = resolution(at, context.settings.timezone) == SECONDS_PER_DAY
    is_late = _is_late(context, clock - at, has_day_only=has_day_only)
    hashes = fingerprints(ticket.ticket_id, ticket.event_id, ticket.source)
    hour = int(clock // SECONDS_PER_HOUR)
    if not tenant.duplicates.is_new(hashes, hour, late=is_late, quick=ticket.mode != "live"):
        context.guards.append("duplicate")
        return "duplicate"
    if before is None:
        tenant.start(at)
    tenant.live = tenant.live or ticket.mode == "live"
    if is_late:
        return (yield from learn_late(context, ticket, at, hashes[0]))
    tenant.in_history = ticket.mode == "history"
    tenant.simulated = ticket.mode == "simulated"
    if clock != before:
        yield from advance_clock(context, clock)
    is_coarse = tenant.whole.record_time_resolution(alone=has_day_only) and at == clock
    until = at + SECONDS_PER_DAY if is_coarse else 0.0
    if classified_by in ("rule", "model"):
        tenant.remember_classified(hashes[0])
    by_model = classified_by == "model"
    scored = yield from count_ticket(
        context, ticket, clock, hashes[0], until, is_classified_by_model=by_model
    )
    if scored is not None:
        yield from decide(context, scored)
    return "counted"


def _is_late(context: StepContext, lag_seconds: float, *, has_day_only: bool) -> bool:
    """Return whether a ticket with this lag behind the watermark is too late to be scored."""
    tenant, lateness = context.tenant, context.settings.lateness_seconds
    if has_day_only and tenant.clock is not None and tenant.whole.coarse > COARSE_SHARE:
        lateness += SECONDS_PER_DAY  # the ticket may have been created at any hour of its day
    return lag_seconds > lateness
