"""The result of a step."""

import msgspec

from detectors.foundation.outcomes import Guard, Outcome
from detectors.memory.area_classifier import ClassifiedBy
from schemas.escalation import EscalationEvent


class Step(msgspec.Struct, frozen=True):
    """What one signal led to."""

    outcome: Outcome
    escalations: list[EscalationEvent]
    guards: tuple[Guard, ...] = ()
    """What kept it from counting fully, or from a page of its own."""
    placed: ClassifiedBy | None = None
    """How a counted ticket that said no area was given one."""
