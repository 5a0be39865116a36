"""A series of a tenant: its model, thresholds, slices, customers and episode.

Each product area is a series. The tenant as a whole is one more series, without slices.
"""

import math
import statistics
from array import array
from typing import Final, Literal

import msgspec

from detectors.foundation import state_codec
from detectors.foundation.state_codec import Floats, Integers
from detectors.memory.customer_weights import CustomerMemory
from detectors.memory.episode_tickets import EpisodeTickets, TicketSummary
from detectors.memory.reference_tickets import TermSketch, ValueReservoir
from detectors.models import Model, model_class
from detectors.models.seasonal_profile import Context
from detectors.models.slices import Slices
from detectors.policy.settings import ModelName
from detectors.state.episode import Episode
from detectors.state.threshold import SeriesThreshold
from detectors.state.threshold_priors import Kind

PENDING_MARGIN: Final = math.log(10.0)
"""A series is pending if its score is less than this below the threshold: chance alone reaches such
a score up to ten times as often as the threshold."""
HEAT_HOURS: Final = (0.25, 2.0)
"""Time constants of the recent counts from which joint elevation is computed: for bursts and for
slower rises."""
COARSE_STEP: Final = 0.05
"""Weight of one ticket in the moving share of timestamps with day resolution."""
HANDLED: Final = 32
"""Number of solved tickets whose handling times are kept."""
LEAST_HANDLED: Final = 5
"""The fewest handling times from which a median is computed."""
RECENT: Final = 36
"""Number of recent tickets whose weights are kept, so that the tickets can be withdrawn."""

Phase = Literal["calm", "pending", "opened", "recovering"]


class _Record(msgspec.Struct, array_like=True):
    model_name: ModelName
    model: bytes
    born: float
    limit: SeriesThreshold
    slice_threshold: SeriesThreshold
    slices: Slices
    customers: CustomerMemory
    ordinal: int
    episode: Episode | None
    pending: bool
    day: int
    tickets: int
    seen: float
    coarse: float
    heat: tuple[float, float]
    heat_at: float
    hour: int
    this_hour: float
    hour_before: float
    recent: Integers
    weights: Floats
    recent_tickets: bytes
    """Packed like the next field, because compressed text takes a third of the space."""
    usual: bytes
    collected: bytes
    """The collected tickets of the episode, packed; empty: none."""
    handled: Floats
    elapsed: bool
    shared: bool


class Series:
    """The state of one series. It holds data; `detectors.alerting` makes the decisions."""

    def __init__(self, model: Model, born: float) -> None:
        """Create a series.

        Args:
            model: The model of the series.
            born: When the series was first seen, hours since 1970.
        """
        self.model = model
        self.born = born
        self.limit = SeriesThreshold(born)
        self.slice_threshold = SeriesThreshold(born)
        """The threshold that all slices share."""
        self.slices = Slices()
        self.customers = CustomerMemory()
        self.ordinal = 0
        """Number of the last episode."""
        self.episode: Episode | None = None
        """The last episode of the series or of one of its slices, running or not."""
        self.pending = False
        self.day = int(born // 24.0)
        """The day up to which the thresholds have learned, days since 1970."""
        self.tickets = 0
        """Number of tickets counted so far."""
        self.seen = 0.0
        """Number of customer-equivalents counted so far."""
        self.coarse = 0.0
        """Recent share of tickets whose timestamps have only day resolution, 0 to 1."""
        self._heat = (0.0, 0.0)
        self._heat_at = born
        self._hour = 0
        self._this_hour = 0.0
        self._hour_before = 0.0
        self._recent: Integers = array("Q")
        self._weights: Floats = array("f")
        self.recent_tickets: list[TicketSummary] = []
        """The last tickets, which may belong to an episode that a later ticket opens."""
        self.usual_values = ValueReservoir()
        self.usual_terms = TermSketch()
        self._usual: bytes | None = None
        """The two sketches of usual tickets, packed; None if a sketch has changed since."""
        self._handled: Floats = array("f")
        self.elapsed = False
        """Whether handling times run from creation to solution; otherwise they are working time."""
        self.last_score = (0.0, 0.0)
        """Time (seconds since 1970) and value of the last score, for display; not part of the
        encoded state."""
        self.named = False
        """Whether the taxonomy lists the area; not part of the encoded state."""
        self.shared = False
        """Whether this series counts all areas that have no series of their own."""

    @classmethod
    def starting(cls, name: ModelName, context: Context, at: float) -> "Series":
        """Return a new series.

        Args:
            name: The name of the model.
            context: The context of the series.
            at: When the series was first seen, seconds since 1970.
        """
        return cls(model_class(name)(context, at), at / 3600.0)

    @property
    def running(self) -> Episode | None:
        """The running episode, or None."""
        return self.episode if self.episode is not None and self.episode.running else None

    @property
    def phase(self) -> Phase:
        """The phase of the running episode; without one, pending or calm."""
        episode = self.running
        if episode is None:
            return "pending" if self.pending else "calm"
        return "recovering" if episode.phase == "recovering" else "opened"

    def threshold_of(self, kind: Kind) -> SeriesThreshold:
        """Return the threshold for slices or the threshold of the series itself."""
        return self.slice_threshold if kind == "slice" else self.limit

    def record_time_resolution(self, *, alone: bool) -> bool:
        """Record whether a ticket's timestamp has only day resolution.

        Args:
            alone: Whether the timestamp has only day resolution.

        Returns:
            Whether this timestamp and most recent timestamps have only day resolution.
        """
        self.coarse += COARSE_STEP * (alone - self.coarse)
        return alone and self.coarse > 0.5

    def count(self, at: float, weight: float, ticket_hash: int) -> None:
        """Count a ticket in the recent counts and remember its weight.

        Args:
            at: Time of the ticket, seconds since 1970.
            weight: Customer-equivalents of the ticket.
            ticket_hash: Hash of the ticket's id.
        """
        self.remember(weight, ticket_hash)
        hours = at / 3600.0
        elapsed = self._heat_at - hours
        quick, slow = self._heat
        self._heat = (
            quick * math.exp(elapsed / HEAT_HOURS[0]) + weight,
            slow * math.exp(elapsed / HEAT_HOURS[1]) + weight,
        )
        self._heat_at = hours
        hour = int(hours)
        if hour != self._hour:
            self._hour_before = self._this_hour if hour == self._hour + 1 else 0.0
            self._hour, self._this_hour = hour, 0.0
        self._this_hour += weight

    def remember(self, weight: float, ticket_hash: int) -> None:
        """Remember the weight of a ticket without adding it to the recent counts."""
        self.tickets += 1
        self.seen += weight
        if len(self._recent) >= RECENT:
            del self._recent[0], self._weights[0]
        self._recent.append(ticket_hash)
        self._weights.append(weight)

    def remembers(self, ticket_hash: int) -> bool:
        """Return whether a ticket was recently counted in this series."""
        return ticket_hash in self._recent

    def forget(self, ticket_hash: int, at: float) -> float:
        """Remove a ticket from the counts.

        Args:
            ticket_hash: Hash of the ticket's id.
            at: Time of the ticket, seconds since 1970.

        Returns:
            The weight of the ticket; 0 if the ticket is not remembered.
        """
        if ticket_hash not in self._recent:
            return 0.0
        index = self._recent.index(ticket_hash)
        weight = self._weights[index]
        del self._recent[index], self._weights[index]
        self.seen -= weight
        self.tickets -= 1
        elapsed = min(at / 3600.0 - self._heat_at, 0.0)
        quick, slow = self._heat
        self._heat = (
            max(0.0, quick - weight * math.exp(elapsed / HEAT_HOURS[0])),
            max(0.0, slow - weight * math.exp(elapsed / HEAT_HOURS[1])),
        )
        return weight

    def record_handling_time(self, seconds: float, *, elapsed: bool) -> None:
        """Record the handling time of a ticket.

        Working times replace elapsed times; elapsed times are ignored once there are working times.

        Args:
            seconds: The handling time.
            elapsed: Whether it runs from creation to solution; otherwise it is working time.
        """
        if elapsed and not self.elapsed and self._handled:
            return
        if self.elapsed and not elapsed:
            del self._handled[:]
        self.elapsed = elapsed
        if len(self._handled) >= HANDLED:
            del self._handled[0]
        self._handled.append(seconds)

    @property
    def handling(self) -> float | None:
        """Median handling time of the last solved tickets, in seconds; None if too few."""
        return statistics.median(self._handled) if len(self._handled) >= LEAST_HANDLED else None

    def heat(self, at: float, which: int) -> tuple[float, float, float]:
        """Return the recent excess, its variance, and the expectation, weighted by information.

        Args:
            at: Now, seconds since 1970.
            which: Index into `HEAT_HOURS`.
        """
        weight = self.model.ticket_weight
        hours = HEAT_HOURS[which]
        expected = self.model.rate_at(at) * hours
        excess = self._heat[which] * math.exp((self._heat_at - at / 3600.0) / hours) - expected
        variance = 0.5 * expected + self.model.variance(hours) * expected * expected
        return excess * weight, variance * weight * weight, expected * weight

    def elevation(self, at: float) -> float:
        """Return how far the recent counts are above the expectation, in standard deviations."""
        heats = [self.heat(at, which) for which in range(len(HEAT_HOURS))]
        return max(excess / math.sqrt(variance + 0.5) for excess, variance, _ in heats)

    def expected_and_observed(self, since: float, at: float) -> tuple[float, float]:
        """Return expected and observed customer-equivalents between two times; see `Model`."""
        return self.model.expected_and_observed(since, at)

    def last_hour(self, at: float) -> float:
        """Return the approximate customer-equivalents of the last 60 minutes, for display."""
        hour, fraction = int(at // 3600), at % 3600 / 3600
        if hour == self._hour:
            return self._hour_before * (1.0 - fraction) + self._this_hour
        return self._this_hour * (1.0 - fraction) if hour == self._hour + 1 else 0.0

    def usual_changed(self) -> None:
        """Mark the sketches of usual tickets as changed."""
        self._usual = None

    def _packed_usual(self) -> bytes:
        if self._usual is None:
            self._usual = state_codec.pack((self.usual_values, self.usual_terms))
        return self._usual

    def encode(self) -> bytes:
        """Encode the whole state."""
        episode, collected = self.episode, None
        if episode is not None and episode.collected is not None:
            collected = episode.collected
            episode = msgspec.structs.replace(episode, collected=None)
        return state_codec.encode(
            _Record(
                self.model.name,  # type: ignore[arg-type]  # every model's name is a ModelName
                self.model.encode(),
                self.born,
                self.limit,
                self.slice_threshold,
                self.slices,
                self.customers,
                self.ordinal,
                episode,
                self.pending,
                self.day,
                self.tickets,
                self.seen,
                self.coarse,
                self._heat,
                self._heat_at,
                self._hour,
                self._this_hour,
                self._hour_before,
                self._recent,
                self._weights,
                state_codec.pack(self.recent_tickets),
                self._packed_usual(),
                b"" if collected is None else state_codec.pack(collected),
                self._handled,
                self.elapsed,
                self.shared,
            )
        )

    @classmethod
    def restore(cls, data: bytes, context: Context, name: ModelName, at: float) -> "Series":
        """Restore a series from its encoded state.

        If the state was made with another model, the model and its threshold start from scratch.

        Args:
            data: What `encode` returned.
            context: The context of the series.
            name: The name of the model in the settings.
            at: Now, seconds since 1970.
        """
        record = state_codec.decode(data, _Record)
        model_type = model_class(name)
        is_same_model = record.model_name == name
        if is_same_model:
            model = model_type.restore(record.model, context)
        else:
            model = model_type(context, at)
        self = cls(model, record.born)
        if is_same_model:
            self.limit = record.limit
        else:
            self.limit = SeriesThreshold(at / 3600.0)
        self.slice_threshold, self.slices = record.slice_threshold, record.slices
        self.customers = record.customers
        self.ordinal, self.episode = record.ordinal, record.episode
        self.pending, self.day = record.pending, record.day
        self.tickets, self.seen, self.coarse = record.tickets, record.seen, record.coarse
        self._heat, self._heat_at = record.heat, record.heat_at
        self._hour, self._this_hour = record.hour, record.this_hour
        self._hour_before = record.hour_before
        self._recent, self._weights = record.recent, record.weights
        if self.episode is not None and record.collected:
            self.episode.collected = state_codec.unpack(record.collected, EpisodeTickets)
        self.recent_tickets = state_codec.unpack(record.recent_tickets, list[TicketSummary])
        self.usual_values, self.usual_terms = state_codec.unpack(
            record.usual, tuple[ValueReservoir, TermSketch]
        )
        self._handled, self.elapsed = record.handled, record.elapsed
        self.shared = record.shared
        return self
