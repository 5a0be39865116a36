"""The settings that a decision depends on, and nothing else."""

import hashlib
from functools import lru_cache
from typing import Final, Literal

import msgspec

from detectors.foundation.calendar import Calendar, Event
from detectors.policy.playbook import Playbook
from detectors.policy.severity_rules import RULES, Rule
from detectors.policy.taxonomy import Taxonomy

__all__ = ["DECISIONS", "Dimension", "Event", "ModelName", "Settings"]

Dimension = Literal["issue_type", "region", "app_version", "channel"]
ModelName = Literal["cusum_bank", "gaussian", "half_space_trees"]

DECISIONS: Final = 5
"""Raised by every change of the code that can change a decision; part of the config hash."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What `detectors.step.pipeline.step` reads.

    Example:
        >>> Settings().config_hash == Settings(false_pages_per_week=2.0).config_hash
        False
    """

    false_pages_per_week: float = 1.0
    """Alert budget of a tenant: false pages a week that on-call will stand, over all areas."""
    timezone: str = "UTC"
    """IANA name: whose hours of the week the seasons follow."""
    country: str = ""
    """ISO 3166 code whose public holidays count as Sundays (or as whatever day is the last of the
    weekend there); empty: none."""
    subdivision: str = ""
    """State or province of *country*, such as BY."""
    events: tuple[Event, ...] = ()
    slice_dimensions: tuple[Dimension, ...] = ("issue_type", "region", "app_version", "channel")
    """Dimensions whose values are watched within each area; empty: none."""
    lateness_seconds: float = 60.0
    """A ticket older than the clock by more than this is late: counted, never a reason to page."""
    future_seconds: float = 300.0
    """A ticket further ahead than this of its arrival is a dead letter."""
    model: ModelName = "cusum_bank"
    clear_minutes: int = 30
    """How long it must be calm before an episode is resolved."""
    cooldown_minutes: int = 360
    """A new crossing within this time of the resolution reopens the episode."""
    update_percent: float = 100.0
    """An update needs a change of more than so many per cent ..."""
    update_tickets: float = 10.0
    """... and of more than so many customer-equivalents; or a higher severity."""
    storm_pages: int = 5
    """More pages of a tenant than this ..."""
    storm_seconds: float = 600.0
    """... within this time become one."""
    severity_rules: tuple[Rule, ...] = RULES
    """The first that holds counts; info where none does."""
    taxonomy: Taxonomy = Taxonomy()
    playbook: Playbook = Playbook()
    placing_confidence: float = 0.7
    """How sure the model must be of the area of a ticket that says none; 1 or more: never."""
    show_examples: bool = True
    renewal_days: int = 90
    """A contract that ends within so many days ends soon."""
    handling_minutes: float = 0.0
    """Work per ticket, in minutes, for areas that have not learned it yet; 0: unknown."""
    areas_per_tenant: int = 500
    """Areas with a model of their own; what comes after them shares one."""
    tenants_per_partition: int = 10_000

    @property
    def config_hash(self) -> str:
        """Sixteen hexadecimal digits over every setting and `DECISIONS`."""
        return _hash(self)

    @property
    def calendar(self) -> Calendar:
        """Zone, holidays and events; the same object for equal ones."""
        return _calendar(self.timezone, self.country, self.subdivision, self.events)


@lru_cache(maxsize=16)
def _hash(settings: Settings) -> str:
    encoded = msgspec.json.encode([DECISIONS, msgspec.to_builtins(settings)])
    return hashlib.sha256(encoded).hexdigest()[:16]


@lru_cache(maxsize=256)
def _calendar(timezone: str, country: str, subdivision: str, events: tuple[Event, ...]) -> Calendar:
    return Calendar(timezone=timezone, country=country, subdivision=subdivision, events=events)
