"""One series of a tenant: its model, thresholds, slices, customers and episode.

Each product area is a series. The tenant as a whole is another one, without slices.
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
"""A score this close to its threshold is pending: ten times less surprising than a page."""
HEAT_HOURS: Final = (0.25, 2.0)
"""Time constants of the recent counts that joint elevation is computed from: a burst, and a slower
rise."""
COARSE_STEP: Final = 0.05
"""Weight of one ticket in the share of timestamps with day resolution."""
HANDLED: Final = 32
LEAST_HANDLED: Final = 5
"""Number of solved tickets whose handling times are kept, and the least number for a median."""
RECENT: Final = 36
"""Number of tickets whose weights are kept, so that they can be taken back."""

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
    """Packed like the next field, because text then takes a third of the space."""
    usual: bytes
    collected: bytes
    """Evidence of the episode."""
    handled: Floats
    elapsed: bool
    shared: bool


class Series:
    """Everything that is known about one area. It has plain attributes; the pipeline decides."""

    def __init__(self, model: Model, born: float) -> None:
        """Create a series that was first seen at *born* (hours since 1970)."""
        self.model = model
        self.born = born
        self.limit = SeriesThreshold(born)
        self.slice_threshold = SeriesThreshold(born)
        """The threshold of all its slices together."""
        self.slices = Slices()
        self.customers = CustomerMemory()
        self.ordinal = 0
        """Number of its last episode."""
        self.episode: Episode | None = None
        """The last episode, running or not; the area's own or that of one of its slices."""
        self.pending = False
        self.day = int(born // 24.0)
        """The day up to which its thresholds have learned."""
        self.tickets = 0
        """Number of tickets counted so far."""
        self.seen = 0.0
        """Number of customer-equivalents counted so far."""
        self.coarse = 0.0
        """Recent share of tickets whose timestamps have day resolution, 0 to 1."""
        self._heat = (0.0, 0.0)
        self._heat_at = born
        self._hour = 0
        self._this_hour = 0.0
        self._hour_before = 0.0
        self._recent: Integers = array("Q")
        self._weights: Floats = array("f")
        self.recent_tickets: list[TicketSummary] = []
        """The last tickets, which may belong to an episode that a later one opens."""
        self.usual_values = ValueReservoir()
        self.usual_terms = TermSketch()
        self._usual: bytes | None = None
        """The two sketches of usual tickets, packed; None if they changed since."""
        self._handled: Floats = array("f")
        self.elapsed = False
        """Whether handling times are from creation to solution, rather than of work."""
        self.last_score = (0.0, 0.0)
        """Time and score of its last scored ticket; for display, not part of the state."""
        self.named = False
        """Whether the taxonomy lists the area; not part of the state."""
        self.shared = False
        """Whether it counts all areas that have no series of their own."""

    @classmethod
    def starting(cls, name: ModelName, context: Context, at: float) -> "Series":
        """Return the series of an area that was first seen at *at*, seconds since 1970."""
        return cls(model_class(name)(context, at), at / 3600.0)

    @property
    def running(self) -> Episode | None:
        """The running episode, or None."""
        return self.episode if self.episode is not None and self.episode.running else None

    @property
    def phase(self) -> Phase:
        """The phase of its episode."""
        episode = self.running
        if episode is None:
            return "pending" if self.pending else "calm"
        return "recovering" if episode.phase == "recovering" else "opened"

    def threshold_of(self, kind: Kind) -> SeriesThreshold:
        """Return the threshold of the scores of one kind."""
        return self.slice_threshold if kind == "slice" else self.limit

    def record_time_resolution(self, *, alone: bool) -> bool:
        """Record whether a ticket's timestamp had day resolution only.

        Returns:
            Whether this timestamp and most recent ones had.
        """
        self.coarse += COARSE_STEP * (alone - self.coarse)
        return alone and self.coarse > 0.5

    def count(self, at: float, weight: float, ticket_hash: int) -> None:
        """Count a ticket in the recent hours, and remember its weight by its hash."""
        self.remember(weight, ticket_hash)
        hours = at / 3600.0
        gone = self._heat_at - hours
        quick, slow = self._heat
        self._heat = (
            quick * math.exp(gone / HEAT_HOURS[0]) + weight,
            slow * math.exp(gone / HEAT_HOURS[1]) + weight,
        )
        self._heat_at = hours
        hour = int(hours)
        if hour != self._hour:
            self._hour_before = self._this_hour if hour == self._hour + 1 else 0.0
            self._hour, self._this_hour = hour, 0.0
        self._this_hour += weight

    def remember(self, weight: float, ticket_hash: int) -> None:
        """Remember the weight of a ticket by its hash, without counting recent hours."""
        self.tickets += 1
        self.seen += weight
        if len(self._recent) >= RECENT:
            del self._recent[0], self._weights[0]
        self._recent.append(ticket_hash)
        self._weights.append(weight)

    def remembers(self, ticket_hash: int) -> bool:
        """Whether the ticket with that hash was counted here recently."""
        return ticket_hash in self._recent

    def forget(self, ticket_hash: int, at: float) -> float:
        """Take back the count of a ticket; return its weight, 0 if it is not remembered."""
        if ticket_hash not in self._recent:
            return 0.0
        place = self._recent.index(ticket_hash)
        weight = self._weights[place]
        del self._recent[place], self._weights[place]
        self.seen -= weight
        self.tickets -= 1
        gone = min(at / 3600.0 - self._heat_at, 0.0)
        quick, slow = self._heat
        self._heat = (
            max(0.0, quick - weight * math.exp(gone / HEAT_HOURS[0])),
            max(0.0, slow - weight * math.exp(gone / HEAT_HOURS[1])),
        )
        return weight

    def record_handling_time(self, seconds: float, *, elapsed: bool) -> None:
        """Record how long a ticket took: seconds of work, or *elapsed* until its solution."""
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
        """Median handling time of the last solved tickets in seconds; None if there are too few."""
        return statistics.median(self._handled) if len(self._handled) >= LEAST_HANDLED else None

    def heat(self, at: float, which: int) -> tuple[float, float]:
        """Return the recent excess, weighted by its information, and its variance.

        Args:
            at: Now, seconds since 1970.
            which: Index into `HEAT_HOURS`.
        """
        worth = self.model.ticket_weight
        hours = HEAT_HOURS[which]
        expected = self.model.rate_at(at) * hours
        more = self._heat[which] * math.exp((self._heat_at - at / 3600.0) / hours) - expected
        noise = 0.5 * expected + self.model.variance(hours) * expected * expected
        return more * worth, noise * worth * worth

    def elevation(self, at: float) -> float:
        """Return how far the recent counts are above expectation, in standard deviations."""
        found = [self.heat(at, which) for which in range(len(HEAT_HOURS))]
        return max(more / math.sqrt(noise + 0.5) for more, noise in found)

    def expected_and_observed(self, since: float, at: float) -> tuple[float, float]:
        """Return expected and observed customer-equivalents between two times; see `Model`."""
        return self.model.expected_and_observed(since, at)

    def last_hour(self, at: float) -> float:
        """Return the customer-equivalents of the 60 minutes before *at*, for display."""
        hour, into = int(at // 3600), at % 3600 / 3600
        if hour == self._hour:
            return self._hour_before * (1.0 - into) + self._this_hour
        return self._this_hour * (1.0 - into) if hour == self._hour + 1 else 0.0

    def usual_changed(self) -> None:
        """Note that a sketch of usual tickets has learned."""
        self._usual = None

    def _packed_usual(self) -> bytes:
        if self._usual is None:
            self._usual = state_codec.pack((self.usual_values, self.usual_terms))
        return self._usual

    def encode(self) -> bytes:
        """Return the whole state."""
        episode, collected = self.episode, None
        if episode is not None and episode.collected is not None:
            collected = episode.collected
            episode = msgspec.structs.replace(episode, collected=None)
        return state_codec.encode(
            _Record(
                self.model.name,  # type: ignore[arg-type]  # the names in the registry are ModelNames
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
        """Return the series that *data* encodes.

        If the settings name another model than the one the state was made with, the model alone
        starts anew at *at*.
        """
        record = state_codec.decode(data, _Record)
        chosen = model_class(name)
        same = record.model_name == name
        model = chosen.restore(record.model, context) if same else chosen(context, at)
        self = cls(model, record.born)
        if same:
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
