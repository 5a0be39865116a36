"""What travels through one step, and the transitions of episodes that decisions return.

A decision changes the state of a tenant and yields plain data: which episode changed, how, when.
It writes no message. `detectors.step.events` turns each transition into an event as soon as it is
yielded, while the tenant is still in the state that the transition describes.
"""

from collections.abc import Generator, Iterator
from typing import NamedTuple, TypeAlias

import msgspec

from detectors.foundation.outcomes import Guard, Outcome
from detectors.policy.settings import Settings
from detectors.state.tenant import Tenant, ThresholdCheck
from schemas.escalation import Transition


class EpisodeTransition(NamedTuple):
    """One change of an episode that an event reports."""

    key: str
    """The series whose episode changed: an area, or `detectors.state.tenant.TENANT_SERIES`."""
    kind: Transition
    at: float
    """When it was decided, seconds since 1970."""


Transitions: TypeAlias = Iterator[EpisodeTransition]
"""What a decision yields. It works only while it is consumed, and is consumed exactly once."""
Stage: TypeAlias = Generator[EpisodeTransition, None, Outcome]
"""What handles one signal: it yields transitions like a decision, and returns the outcome."""


class StepContext(msgspec.Struct):
    """One step: the tenant and the settings that decide, and what the step found on its way.

    Attributes:
        tenant: Changed in place.
        settings: The same for all steps of a run.
        received_at: When the internal topic received the signal, seconds since 1970; None for a
            signal from a file.
        guards: What kept the ticket from counting fully, or from a page of its own.
        checks: Scores that were compared with their thresholds.
    """

    tenant: Tenant
    settings: Settings
    received_at: float | None = None
    guards: list[Guard] = []
    checks: list[ThresholdCheck] = []
