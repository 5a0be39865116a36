"""One series of a tenant: today a product area. Its model, its limit, its customers, its episode."""

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
            )
        )

    @classmethod
    def restore(cls, data: bytes, shared: Shared, name: ModelName, at: float) -> "Series":
        """The series that `encode` gave *data* for.

        Where the settings name another model than the state was made with, the model alone starts anew *at*.
        """
        record = state_codec.decode(data, _Record)
        chosen = model_class(name)
        if record.model_name == name:
            model = chosen.restore(record.model, shared)
        else:
            model = chosen(shared, at)
        self = cls(model, record.limit)
        self.customers = record.customers
        self.ordinal, self.episode = record.ordinal, record.episode
        self.pending, self.tickets = record.pending, record.tickets
        return self
