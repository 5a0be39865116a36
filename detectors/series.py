"""One series of a tenant, today a product area: its model, limit, customers and episode."""

import math
from typing import Final, Literal

import msgspec

from detectors import state_codec
from detectors.customers import CustomerMemory
from detectors.episode import Episode
from detectors.limit import Limit
from detectors.models import Model, Score, Shared, model_class
from detectors.settings import ModelName

PENDING_MARGIN: Final = math.log(10.0)
"""A score this close to its limit is pending: ten times less surprising than a page."""

Phase = Literal["calm", "pending", "opened", "recovering"]


class _Record(msgspec.Struct, array_like=True):
    model_name: ModelName
    model: bytes
    limit: Limit
    customers: CustomerMemory
    ordinal: int
    episode: Episode | None
    pending: bool
    tickets: int
    hour: int
    this_hour: float
    hour_before: float


class Series:
    """Everything that is known of one area. Plain attributes; the pipeline decides."""

    def __init__(self, model: Model, limit: Limit) -> None:
        """A new series."""
        self.model = model
        self.limit = limit
        self.customers = CustomerMemory()
        self.ordinal = 0
        """Of the last episode."""
        self.episode: Episode | None = None
        """The last one, running or not."""
        self.pending = False
        self.tickets = 0
        """All that were ever counted."""
        self._hour = 0
        self._this_hour = 0.0
        self._hour_before = 0.0

    @classmethod
    def starting(cls, name: ModelName, shared: Shared, at: float) -> "Series":
        """The series of an area first seen *at*, seconds since 1970."""
        return cls(model_class(name)(shared, at), Limit(at / 3600.0))

    @property
    def running(self) -> Episode | None:
        """The episode that runs, if one does."""
        return self.episode if self.episode is not None and self.episode.running else None

    @property
    def phase(self) -> Phase:
        """Where it stands in the life of an episode."""
        episode = self.running
        if episode is None:
            return "pending" if self.pending else "calm"
        return "recovering" if episode.phase == "recovering" else "opened"

    def count(self, hour: int, weight: float) -> None:
        """One more ticket in *hour*, of *weight* customer-equivalents."""
        self.tickets += 1
        if hour != self._hour:
            self._hour_before = self._this_hour if hour == self._hour + 1 else 0.0
            self._hour, self._this_hour = hour, 0.0
        self._this_hour += weight

    def last_hour(self, at: float) -> float:
        """Customer-equivalents of the 60 minutes before *at*; for display, the older pro rata."""
        hour, into = int(at // 3600), at % 3600 / 3600
        if hour == self._hour:
            return self._hour_before * (1.0 - into) + self._this_hour
        return self._this_hour * (1.0 - into) if hour == self._hour + 1 else 0.0

    def note(self, at: float, score: Score, limit: float) -> bool:
        """Remember *score* against *limit*, *at* in seconds. Whether it reaches the limit."""
        self.limit.note(at / 3600.0, score.value)
        self.pending = score.value >= limit - PENDING_MARGIN
        return score.value >= limit

    def encode(self) -> bytes:
        """The whole state."""
        return state_codec.encode(
            _Record(
                self.model.name,  # type: ignore[arg-type]  # the names in the registry are ModelNames
                self.model.encode(),
                self.limit,
                self.customers,
                self.ordinal,
                self.episode,
                self.pending,
                self.tickets,
                self._hour,
                self._this_hour,
                self._hour_before,
            )
        )

    @classmethod
    def restore(cls, data: bytes, shared: Shared, name: ModelName, at: float) -> "Series":
        """The series that `encode` gave *data* for.

        Where the settings name another model than the state was made with, the model alone starts
        anew *at*.
        """
        record = state_codec.decode(data, _Record)
        chosen = model_class(name)
        if record.model_name == name:
            model = chosen.restore(record.model, shared)
        else:
            model = chosen(shared, at)
        self = cls(model, record.limit if record.model_name == name else Limit(at / 3600.0))
        self.customers = record.customers
        self.ordinal, self.episode = record.ordinal, record.episode
        self.pending, self.tickets = record.pending, record.tickets
        self._hour, self._this_hour = record.hour, record.this_hour
        self._hour_before = record.hour_before
        return self
