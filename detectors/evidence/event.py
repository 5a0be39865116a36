"""Turn an episode and its evidence into an escalation event."""

import math
from typing import Final, NamedTuple
from urllib.parse import quote

from detectors.foundation.count_statistics import ratio_interval
from detectors.foundation.dimensions import DimensionValue
from detectors.foundation.timestamps import moment, significant
from detectors.state.episode import Episode
from schemas.escalation import (
    EVENT_TYPE_PREFIX,
    Actions,
    Budget,
    Child,
    Escalation,
    EscalationEvent,
    Example,
    Explanation,
    Impact,
    Slice,
    Term,
    Transition,
    event_id,
)


class EscalationEvidence(NamedTuple):
    """The evidence of one episode, as an event reports it."""

    explanation: list[Explanation]
    not_explained_by: list[str]
    terms: list[Term]
    examples: list[Example]
    impact: Impact | None
    actions: Actions | None
    product: str | None
    children: list[Child] | None


MOST_DAYS: Final = 1_000_000.0
"""Cap of `once_in_days`: no data can show that something is rarer."""


def to_event(  # whole: the fields of one event in their order
    episode: Episode,
    transition: Transition,
    at: float,
    *,
    tenant: str,
    area: str | None,
    model: str,
    config_hash: str,
    budget: Budget,
    evidence: EscalationEvidence,
) -> EscalationEvent:
    """Return the event that reports a transition of an episode.

    Args:
        episode: The episode after the transition.
        transition: The transition to report.
        at: When the transition was decided, seconds since 1970.
        tenant: The name of the tenant.
        area: The area of the episode; None: the tenant as a whole.
        model: The name of the model that scored the episode.
        config_hash: The hash of the settings.
        budget: The alert budget and how much of it the tenant's pages use.
        evidence: Drivers, distinctive terms, impact and recommended actions.
    """
    expected = max(episode.expected, 1e-6)
    low, high = ratio_interval(episode.observed, expected, episode.score.variance)
    days = 7.0 * math.exp(min(episode.score.value, 50.0))
    slice_ = None
    if episode.slice is not None:
        dimension, value = DimensionValue.parse(episode.slice)
        slice_ = Slice(dimension=dimension, value=value)
    return EscalationEvent(
        id=event_id(episode.id, episode.sequence),
        source=f"/spikewatch/{quote(tenant, safe='')}",
        type=f"{EVENT_TYPE_PREFIX}{transition}.v1",
        subject=episode.id,
        time=moment(at),
        data=Escalation(
            episode_id=episode.id,
            sequence=episode.sequence,
            tenant=tenant,
            product_area=area,
            product=evidence.product,
            areas=sorted(episode.areas) if area is None else None,
            children=evidence.children,
            reason=episode.reason,
            issue_type=slice_.value if slice_ and slice_.dimension == "issue_type" else None,
            slice=slice_,
            severity=episode.severity,
            severity_rule=episode.severity_rule,
            since=moment(episode.since),
            detected_at=moment(episode.detected_at),
            observed=round(episode.observed, 3),
            expected=round(expected, 6),
            ratio=significant(episode.observed / expected, 4),
            ratio_low=significant(low, 4),
            ratio_high=significant(high, 4),
            p_value=significant(math.exp(-min(episode.score.negative_log_p, 700.0)), 3),
            once_in_days=significant(min(days, MOST_DAYS), 3),
            tickets=episode.tickets,
            customers=episode.customers,
            score=round(episode.score.value, 4),
            limit=round(episode.limit, 4),
            model=model,
            config_hash=config_hash,
            budget=budget,
            suppressed=episode.suppressed,
            explanation=evidence.explanation,
            not_explained_by=evidence.not_explained_by,
            terms=evidence.terms,
            examples=evidence.examples,
            impact=evidence.impact,
            actions=evidence.actions,
        ),
    )
