"""The result of a step."""

import msgspec

from detectors.foundation.outcomes import Guard, Outcome
from detectors.memory.area_classifier import ClassifiedBy
from detectors.state.tenant import ThresholdCheck
from schemas.escalation import EscalationEvent


class Step(msgspec.Struct, frozen=True):
    """What one signal led to."""

    outcome: Outcome
    escalations: list[EscalationEvent]
    guards: tuple[Guard, ...] = ()
    """What kept the ticket from counting fully, or from a page of its own."""
    placed: ClassifiedBy | None = None
    """How a counted ticket that named no area was classified."""
    checks: tuple[ThresholdCheck, ...] = ()
    """The scores that were compared with their thresholds, in order."""
