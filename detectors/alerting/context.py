"""The context of one step, and the transitions of episodes that decisions yield.

A decision changes the state of a tenant and yields plain data: which episode changed, how, and
when. `detectors.step.events` turns each transition into an event as soon as it is yielded, while
the tenant is still in the state that the transition describes.
"""

from collections.abc import Generator, Iterator
from typing import NamedTuple, TypeAlias

import msgspec

from detectors.foundation.outcomes import Guard, Outcome
from detectors.policy.settings import Settings
from detectors.state.tenant import Tenant, ThresholdCheck
from schemas.escalation import Transition


class EpisodeTransition(NamedTuple):
    """A change of an episode that an event reports."""

    key: str
    """The series whose episode changed: an area, or `detectors.state.tenant.TENANT_SERIES`."""
    kind: Transition
    at: float
    """Time of the decision, seconds since 1970."""


Transitions: TypeAlias = Iterator[EpisodeTransition]
"""The transitions that a decision yields. The decision is a generator: it takes effect only while
it is consumed, and must be consumed exactly once."""
Stage: TypeAlias = Generator[EpisodeTransition, None, Outcome]
"""The generator that processes one signal: it yields transitions and returns the outcome."""


class StepContext(msgspec.Struct):
    """Inputs of one step, and the guards and threshold checks that it collects.

    Attributes:
        tenant: The tenant, changed in place.
        settings: The settings, the same for all steps of a run.
        received_at: When the internal topic received the signal, seconds since 1970; None for a
            signal from a file.
        guards: Reasons why the ticket did not count fully or opened no page of its own.
        checks: Comparisons of scores with thresholds.
    """

    tenant: Tenant
    settings: Settings
    received_at: float | None = None
    guards: list[Guard] = []
    checks: list[ThresholdCheck] = []
