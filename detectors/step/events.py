"""Turn a transition of an episode into the escalation event that reports it."""

from detectors.alerting.budget import budget_of_event
from detectors.alerting.context import EpisodeTransition, StepContext
from detectors.alerting.verdict_effects import update_page_record
from detectors.evidence.assembly import assemble_evidence
from detectors.evidence.event import to_event
from detectors.state.tenant import TENANT_SERIES
from schemas.escalation import EscalationEvent


def build_event(context: StepContext, transition: EpisodeTransition) -> EscalationEvent:
    """Return the event for a transition that was just yielded.

    The tenant must still be in the state that the transition describes. The page record is updated
    from the event, because a later verdict may refer to it.
    """
    tenant, settings = context.tenant, context.settings
    key, kind, at = transition
    series = tenant.series(key)
    episode = series.episode
    assert episode is not None
    event = to_event(
        episode,
        kind,
        at,
        tenant=tenant.name,
        area=None if key == TENANT_SERIES else key,
        model=series.model.name,
        config_hash=settings.config_hash,
        budget=budget_of_event(tenant, episode, at, settings),
        evidence=assemble_evidence(tenant, key, episode, settings, at),
    )
    update_page_record(tenant, episode, event.data.explanation)
    return event
