"""The settings that decisions depend on, and no others."""

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

DECISIONS: Final = 6
"""Version of the decision code, part of the config hash. Increase it with every change that can
change a decision."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that `detectors.step.pipeline.step` reads.

    Example:
        >>> Settings().config_hash == Settings(false_pages_per_week=2.0).config_hash
        False
    """

    false_pages_per_week: float = 1.0
    """Alert budget of a tenant: the false pages per week that on-call accepts, over all areas."""
    timezone: str = "UTC"
    """IANA name of the time zone that the weekly seasonality follows."""
    country: str = ""
    """ISO 3166 code of the country whose public holidays count as the last day of the weekend
    (Sunday in most countries). Empty: no holidays."""
    subdivision: str = ""
    """Code of a state or province of the country, such as BY."""
    events: tuple[Event, ...] = ()
    slice_dimensions: tuple[Dimension, ...] = ("issue_type", "region", "app_version", "channel")
    """Dimensions whose values are watched within each area. Empty: none."""
    lateness_seconds: float = 60.0
    """A ticket that is older than the watermark by more than this is late: it is counted but never
    pages."""
    future_seconds: float = 300.0
    """A ticket whose creation time is later than its arrival by more than this is a dead letter."""
    model: ModelName = "cusum_bank"
    clear_minutes: int = 30
    """How long the ticket rate must stay normal before an episode is resolved."""
    cooldown_minutes: int = 360
    """A new crossing within this time of the resolution reopens the episode."""
    update_percent: float = 100.0
    """An update is sent when the counts change by more than this percentage and by more than
    `update_tickets`, or when the severity rises."""
    update_tickets: float = 10.0
    """The smallest change for which an update is sent, in customer-equivalents."""
    storm_pages: int = 5
    """If a tenant has more pages than this within `storm_seconds`, they become one page."""
    storm_seconds: float = 600.0
    """The time within which `storm_pages` are counted."""
    severity_rules: tuple[Rule, ...] = RULES
    """The first rule that holds sets the severity; ``info`` if no rule holds."""
    taxonomy: Taxonomy = Taxonomy()
    playbook: Playbook = Playbook()
    placing_confidence: float = 0.7
    """The lowest probability at which the classifier may choose an area for a ticket that names
    none; 1 or more: never."""
    show_examples: bool = True
    renewal_days: int = 90
    """A contract that ends within this many days is reported as ending soon."""
    handling_minutes: float = 0.0
    """Minutes of work per ticket, for areas that have not learned their own value; 0: unknown."""
    areas_per_tenant: int = 500
    """How many areas have a model of their own; all other areas share one."""
    tenants_per_partition: int = 10_000

    @property
    def config_hash(self) -> str:
        """Sixteen hexadecimal digits that identify all settings and `DECISIONS`."""
        return _hash(self)

    @property
    def calendar(self) -> Calendar:
        """Time zone, holidays and events; equal settings share one object."""
        return _calendar(self.timezone, self.country, self.subdivision, self.events)


@lru_cache(maxsize=16)
def _hash(settings: Settings) -> str:
    encoded = msgspec.json.encode([DECISIONS, msgspec.to_builtins(settings)])
    return hashlib.sha256(encoded).hexdigest()[:16]


@lru_cache(maxsize=256)
def _calendar(timezone: str, country: str, subdivision: str, events: tuple[Event, ...]) -> Calendar:
    return Calendar(timezone=timezone, country=country, subdivision=subdivision, events=events)
