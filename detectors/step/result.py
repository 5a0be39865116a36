"""The result of a step."""

import msgspec

from detectors.foundation.outcomes import Guard, Outcome
from detectors.memory.area_classifier import ClassifiedBy
from detectors.state.tenant import ThresholdCheck
from schemas.escalation import EscalationEvent


class Step(msgspec.Struct, frozen=True):
    """The result of processing one signal."""

    outcome: Outcome
    escalations: list[EscalationEvent]
    guards: tuple[Guard, ...] = ()
    """Reasons why the ticket did not count fully or opened no page of its own."""
    placed: ClassifiedBy | None = None
    """How a counted ticket that named no area was classified."""
    checks: tuple[ThresholdCheck, ...] = ()
    """The comparisons of scores with thresholds, in order."""
