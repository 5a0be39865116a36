"""The whole configuration: all sections and the rules between them."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr, model_validator

from detectors.policy.playbook import Playbook
from detectors.policy.taxonomy import Taxonomy
from stream.config.detection_sections import (
    Budget,
    Episode,
    Impact,
    Model,
    Severity,
    Slices,
    Storm,
    Text,
    Time,
)
from stream.config.errors import Disagreement, disagree
from stream.config.kafka import Kafka
from stream.config.policy_files.calendar import Calendar
from stream.config.process_sections import (
    Canary,
    Health,
    Limits,
    Log,
    Metrics,
    Notify,
    Page,
    State,
    Traces,
)


class Config(BaseModel):
    """The whole configuration. ``Config()`` has the defaults and reads no file.

    Example:
        >>> Config().kafka.partitions
        4
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kafka: Kafka = Kafka()
    budget: Budget = Budget()
    time: Time = Time()
    calendar: Calendar = Calendar()
    model: Model = Model()
    slices: Slices = Slices()
    episode: Episode = Episode()
    storm: Storm = Storm()
    severity: Severity = Severity()
    text: Text = Text()
    impact: Impact = Impact()
    limits: Limits = Limits()
    state: State = State()
    metrics: Metrics = Metrics()
    health: Health = Health()
    notify: Notify = Notify()
    canary: Canary = Canary()
    page: Page = Page()
    traces: Traces = Traces()
    log: Log = Log()
    _taxonomy: Taxonomy = PrivateAttr(default=Taxonomy())
    _playbook: Playbook = PrivateAttr(default=Playbook())

    @property
    def known_areas(self) -> Taxonomy:
        """Return the taxonomy that was read when the configuration was loaded."""
        return self._taxonomy

    @property
    def what_to_do(self) -> Playbook:
        """Return the playbook that was read when the configuration was loaded."""
        return self._playbook

    def model_post_init(self, context: Any) -> None:
        """Keep the policy files of the validation context, if it has any."""
        self._taxonomy = (context or {}).get("taxonomy", Taxonomy())
        self._playbook = (context or {}).get("playbook", Playbook())

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.health.port and self.health.port == self.metrics.port:
            text = (
                f"found {self.health.port}, the same as metrics.port; allowed: another port, or 0"
            )
            disagree([Disagreement("health.port", ("metrics.port",), text)])
        return self
