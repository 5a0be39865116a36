"""The interface of a model: a score for each ticket, a forecast, and state encoded as bytes.

`Model` combines three small interfaces. A new model implements their abstract methods. The optional
methods (for late or withdrawn tickets, seasonality, windows) have defaults.
"""

import copy
from abc import ABC, abstractmethod
from typing import ClassVar, Final, NamedTuple, Self

import msgspec

from detectors.foundation.units import HOURS_PER_DAY, HOURS_PER_WEEK, SECONDS_PER_HOUR
from detectors.models.seasonal_profile import Context

NO_SCORE: Final = -99.0
LEAST_EVIDENCE: Final = 4.0
"""The fewest customer-equivalents, and also the fewest distinct customers, of a scored window."""


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """One ticket of a series, as passed to a model."""

    at: float
    """Seconds since 1970."""
    weight: float = 1.0
    """Customer-equivalents, above 0: 2^-(k-1) for the customer's k-th ticket within 24 hours."""
    last_seen: float = float("-inf")
    """When this customer was last seen in the series, seconds since 1970; minus infinity: never."""
    until: float = 0.0
    """The latest possible creation time if `at` has only day resolution, seconds since 1970; else
    0."""


class Score(NamedTuple):
    """How surprising the most surprising window is that ends now, with the evidence of that window.

    ``value`` is -log(how often per week chance alone would do this), a natural logarithm: chance
    alone reaches 0 at most once a week, and 3 at most once in 20 weeks. Only an excess scores;
    silence does not. The value is `NO_SCORE` if there is too little evidence, or if chance alone
    would do this once a week or more often.
    """

    value: float = NO_SCORE
    since: float = 0.0
    """Start of the window, seconds since 1970."""
    observed: float = 0.0
    """Customer-equivalents in the window."""
    expected: float = 0.0
    """Customer-equivalents that the model expects in the window."""
    tickets: int = 0
    """Tickets in the window."""
    customers: int = 0
    """Distinct customers in the window."""
    negative_log_p: float = 0.0
    """Negative natural log of the probability of this count or more in the window."""
    variance: float = 0.0
    """Relative variance of the expectation: dispersion and uncertainty of the rate."""


class WindowShare(msgspec.Struct, frozen=True):
    """One window that contributed to a score."""

    multiple: float
    """The multiple of the expected rate that the window tests for."""
    since: float
    """Start of the window, seconds since 1970."""
    observed: float
    """Observed customer-equivalents."""
    expected: float
    """Expected customer-equivalents."""
    variance: float
    """Relative variance of the expectation."""
    log_ratio: float
    """Log likelihood ratio of the observed count at that multiple against the expected rate."""
    hours_of_starts: float
    """Width, in hours, of the range of starts that are about as likely as the window's own."""
    share: float
    """Share of the window in the sum from which the score is computed, 0 to 1."""


class Expectation(msgspec.Struct, frozen=True):
    """What a model expects, and the data on which the expectation is based."""

    rate: float
    """Customer-equivalents per hour, in the current hour."""
    level: float
    """Customer-equivalents per hour without seasonality."""
    season: float
    """Factor of the current hour: rate over level."""
    hour_dispersion: float
    """Relative variance from hour to hour."""
    day_dispersion: float
    """Relative variance from day to day."""
    ignorance: float
    """Relative variance due to uncertainty about the rate."""
    rests_on: float
    """Effective number of customer-equivalents that the level was learned from."""
    weeks: float
    """Weeks of data the model has learned from."""


class Scorer(ABC):
    """Score each arrival, then learn from it.

    Arrivals may come in any order; an arrival that is older than the newest one counts as arriving
    now.
    """

    @abstractmethod
    def observe(self, x: Arrival) -> Score:
        """Return the score of an arrival, given all earlier ones, then learn from it."""

    @abstractmethod
    def advance(self, at: float) -> None:
        """Move to a time (seconds since 1970) up to which no ticket of this series arrived."""

    @abstractmethod
    def restart(self) -> None:
        """Restart all windows, because their tickets have been handled; keep the baseline."""


class Forecast(ABC):
    """The expected count and its uncertainty."""

    @property
    @abstractmethod
    def rate(self) -> float:
        """Expected customer-equivalents per hour now, above 0."""

    @abstractmethod
    def variance(self, hours: float) -> float:
        """Return the relative variance, above 0, of the expected count of a number of hours."""

    @abstractmethod
    def expected_until(self, at: float) -> float:
        """Return the customer-equivalents expected since the series was first seen.

        Args:
            at: Seconds since 1970, in the hour that `advance` or `observe` last reached. An earlier
                time than that of the last ticket counts as the time of that ticket.
        """

    @property
    @abstractmethod
    def maturity_hours(self) -> float:
        """Hours that the model has learned from."""


class Persistent(ABC):
    """State that is encoded as bytes; equal states give equal bytes."""

    @abstractmethod
    def encode(self) -> bytes:
        """Encode the whole state."""

    @classmethod
    @abstractmethod
    def restore(cls, data: bytes, context: Context) -> Self:
        """Restore a model from its encoded state.

        Args:
            data: What `encode` returned.
            context: The context of the series.

        Raises:
            msgspec.MsgspecError: *data* is not a state of this model.
        """


class Model(Scorer, Forecast, Persistent):
    """A model of one series: it predicts counts and scores excess.

    A subclass sets `name` to the name of its module and implements the abstract methods of the
    three interfaces.
    """

    name: ClassVar[str]
    _context: Context

    @abstractmethod
    def __init__(self, context: Context, start: float) -> None:
        """Make the model of a new series.

        Args:
            context: The context of the series.
            start: When the series was first seen, seconds since 1970.
        """

    def score_one(self, x: Arrival) -> Score:
        """Return the score that an arrival would have now, without changing the model."""
        return self._copy().observe(x)

    def learn_one(self, x: Arrival) -> None:
        """Learn from an arrival and discard its score."""
        self.observe(x)

    def update_context(self, context: Context) -> None:
        """Replace the context of the series, for instance after a change of its calendar."""
        self._context = context

    def learn_late(self, at: float, weight: float, *, bounded: bool = False) -> bool:
        """Learn from a ticket that arrived too late to be scored.

        Args:
            at: When the ticket was created, seconds since 1970.
            weight: Customer-equivalents of the ticket.
            bounded: Whether to limit how much late tickets can change hours that are already
                learned.

        Returns:
            Whether the model learned from the ticket; by default it does not.
        """
        del at, weight, bounded
        return False

    def withdraw(self, at: float, weight: float) -> None:
        """Remove a counted ticket that was merged, deleted or reclassified.

        Args:
            at: When the ticket was created, seconds since 1970.
            weight: Customer-equivalents of the ticket.
        """

    def mark_gap(self, since: float, until: float) -> None:
        """Exclude a feed gap from learning; by default, only restart all windows.

        Args:
            since: Start of the gap, seconds since 1970.
            until: End of the gap, seconds since 1970.
        """
        del since, until
        self.restart()

    def hold(self, since: float) -> None:
        """Exclude the hours of an episode from learning until `release`.

        Args:
            since: Start of the episode, seconds since 1970.
        """

    def release(self, until: float, *, keeps: bool) -> None:
        """Learn again after an episode.

        Args:
            until: End of the episode, seconds since 1970.
            keeps: Whether the hours of the episode stay excluded from learning.
        """

    def inherit(self, other: "Model", share: float) -> None:
        """Take over what another model of the same class has learned, with a share of its level.

        Args:
            other: The model of the series that lost its tickets to this series.
            share: Share of the other model's level, 0 to 1.
        """

    def rebase(self, factor: float) -> None:
        """Multiply the level by a factor, from the current hour on."""
        del factor
        self.restart()

    def mature(self) -> None:
        """Drop the additional uncertainty of a young model."""

    @property
    def shared_variance(self) -> float:
        """The part of the relative variance that all series of a tenant share; by default, none."""
        return 0.0

    @property
    def level(self) -> float:
        """Expected customer-equivalents per hour without seasonality; by default, the rate."""
        return self.rate

    def rate_at(self, at: float) -> float:
        """Return the expected rate per hour at a later time (seconds since 1970)."""
        del at
        return self.rate

    def expected_between(self, since: float, until: float) -> float:
        """Return the customer-equivalents expected between two times, in whole hours.

        Args:
            since: Start, seconds since 1970.
            until: End, seconds since 1970; at most a week after *since*.
        """
        return max(until - since, 0.0) / SECONDS_PER_HOUR * self.rate

    def expected_and_observed(self, since: float, at: float) -> tuple[float, float]:
        """Return expected and observed customer-equivalents of the recent past, in whole hours.

        A model that keeps no hourly counts returns the expected count as the observed count.

        Args:
            since: Start, seconds since 1970; at most a day before *at*.
            at: Now, seconds since 1970.
        """
        hours = min(max(at / SECONDS_PER_HOUR - since / SECONDS_PER_HOUR, 0.0), HOURS_PER_DAY)
        return hours * self.rate, hours * self.rate

    @property
    def ticket_weight(self) -> float:
        """Information of a ticket relative to that in a quiet series: 1 / (1 + variance x rate)."""
        return 1.0 / (1.0 + self.variance(1.0) * self.rate)

    def expectation(self) -> Expectation:
        """Return what the model expects now, for display."""
        variance = self.variance(1.0)
        rate, weeks = self.rate, self.maturity_hours / HOURS_PER_WEEK
        return Expectation(rate, rate, 1.0, variance, 0.0, 0.0, rate * self.maturity_hours, weeks)

    def window_shares(self) -> list[WindowShare]:
        """Return the windows from which the score of the last ticket was computed."""
        return []

    def _copy(self) -> Self:
        return self.restore(self.encode(), copy.deepcopy(self._context))
