"""What a model is: a score for each ticket, a forecast, and a state in bytes.

`Model` puts three small interfaces together. A new model implements their abstract methods; what a
model may know better (corrections of late or withdrawn tickets, seasons, windows) has a default.
"""

import copy
from abc import ABC, abstractmethod
from typing import ClassVar, Final, NamedTuple, Self

import msgspec

from detectors.foundation.units import HOURS_PER_DAY, HOURS_PER_WEEK, SECONDS_PER_HOUR
from detectors.models.seasonal_profile import Context

NO_SCORE: Final = -99.0
LEAST_EVIDENCE: Final = 4.0
"""Customer-equivalents, and distinct customers, that a window needs before it is scored at all."""


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """One ticket of a series, as a model sees it."""

    at: float
    """Seconds since 1970."""
    weight: float = 1.0
    """Customer-equivalents, above 0: 2^-(k-1) for the customer's k-th ticket within 24 hours."""
    last_seen: float = float("-inf")
    """When this customer was last seen in the series, seconds since 1970; minus infinity: never."""
    until: float = 0.0
    """The latest time at which the ticket can have been created, if `at` has day resolution only;
    else 0."""


class Score(NamedTuple):
    """How surprising the most surprising window is that ends now, and its evidence.

    ``value`` is -log(how often chance alone would bring as much in a week), in natural logarithms:
    chance reaches 0 once a week at most, and 3 once in 20 weeks. Only excess scores, silence never
    does. The value is `NO_SCORE` where there is too little evidence, or nothing that chance would
    not bring within a week.
    """

    value: float = NO_SCORE
    since: float = 0.0
    """Start of the window, seconds since 1970."""
    observed: float = 0.0
    """Customer-equivalents in the window."""
    expected: float = 0.0
    """Customer-equivalents that the model expects in it."""
    tickets: int = 0
    """Tickets in the window."""
    customers: int = 0
    """Distinct customers in the window."""
    negative_log_p: float = 0.0
    """-log of the chance of at least as many in this window."""
    variance: float = 0.0
    """Relative variance of the expectation: dispersion and uncertainty of the rate."""


class WindowShare(msgspec.Struct, frozen=True):
    """One window that contributed to a score."""

    multiple: float
    """The multiple of the expected rate that this window looks for."""
    since: float
    """Seconds since 1970."""
    observed: float
    """Customer-equivalents."""
    expected: float
    """Customer-equivalents."""
    variance: float
    """Relative variance of what was expected."""
    log_ratio: float
    """Log likelihood ratio of the observed count at that multiple against the expected rate."""
    hours_of_starts: float
    """How many hours of possible starts are about as likely as this one."""
    share: float
    """Share of the sum over all windows that the score is made of, 0 to 1."""


class Expectation(msgspec.Struct, frozen=True):
    """What a model expects, and what the expectation is based on."""

    rate: float
    """Customer-equivalents per hour, in the current hour."""
    level: float
    """Customer-equivalents per hour without seasons."""
    season: float
    """Factor of the current hour: rate over level."""
    hour_dispersion: float
    """Relative variance from hour to hour."""
    day_dispersion: float
    """Relative variance from day to day."""
    ignorance: float
    """Relative variance because the rate is not known exactly."""
    rests_on: float
    """Effective number of customer-equivalents that the level was learned from."""
    weeks: float
    """Weeks of data the model has learned from."""


class Scorer(ABC):
    """Score first, learn second.

    Arrivals may come in any order; one older than the newest counts as now.
    """

    @abstractmethod
    def observe(self, x: Arrival) -> Score:
        """Return the score of an arrival given all that was learned before, and learn from it."""

    @abstractmethod
    def advance(self, at: float) -> None:
        """Move to a time (seconds since 1970) up to which no ticket of this series arrived."""

    @abstractmethod
    def restart(self) -> None:
        """Begin all windows anew and keep what is normal: what was seen has been dealt with."""


class Forecast(ABC):
    """What is expected, and how sure the model is of it."""

    @property
    @abstractmethod
    def rate(self) -> float:
        """Expected customer-equivalents per hour now, above 0."""

    @abstractmethod
    def variance(self, hours: float) -> float:
        """Return the relative variance, above 0, of what is expected in a number of hours."""

    @abstractmethod
    def expected_until(self, at: float) -> float:
        """Return the customer-equivalents expected from the first hour until *at*.

        Args:
            at: Seconds since 1970, in the hour that `advance` or `observe` last reached. A time
                before the last ticket counts as that ticket's.
        """

    @property
    @abstractmethod
    def maturity_hours(self) -> float:
        """How many hours the model has learned from."""


class Persistent(ABC):
    """The whole state as bytes; the same state gives the same bytes."""

    @abstractmethod
    def encode(self) -> bytes:
        """Return the whole state, field by field."""

    @classmethod
    @abstractmethod
    def restore(cls, data: bytes, context: Context) -> Self:
        """Return the model that `encode` returned *data* for.

        Raises:
            msgspec.MsgspecError: *data* is not a state of this model.
        """


class Model(Scorer, Forecast, Persistent):
    """The expectation of one series, and its surprise.

    A subclass names itself in `name`, which is also the name of its module, and implements the
    abstract methods of the three interfaces.
    """

    name: ClassVar[str]
    _context: Context

    @abstractmethod
    def __init__(self, context: Context, start: float) -> None:
        """Begin a series that was first seen at *start*, seconds since 1970, in *context*."""

    def score_one(self, x: Arrival) -> Score:
        """Return the score that an arrival would have now; changes nothing."""
        return self._copy().observe(x)

    def learn_one(self, x: Arrival) -> None:
        """Learn from an arrival without its score."""
        self.observe(x)

    def update_context(self, context: Context) -> None:
        """Replace the context of the series, for instance after a change of its calendar."""
        self._context = context

    def learn_late(self, at: float, weight: float, *, bounded: bool = False) -> bool:
        """Learn from a ticket that arrived too late to be scored.

        Args:
            at: When it was created, seconds since 1970.
            weight: Customer-equivalents.
            bounded: Whether many of them, for hours that were learned already, teach little.

        Returns:
            Whether it could be learned; by default no model can.
        """
        del at, weight, bounded
        return False

    def withdraw(self, at: float, weight: float) -> None:
        """Take back a ticket that was counted: it was merged, deleted or reclassified.

        Args:
            at: When it was created, seconds since 1970.
            weight: Customer-equivalents.
        """

    def mark_gap(self, since: float, until: float) -> None:
        """Learn nothing from a time without a feed; by default all windows begin anew.

        Args:
            since: Seconds since 1970.
            until: Seconds since 1970.
        """
        del since, until
        self.restart()

    def inherit(self, other: "Model", share: float) -> None:
        """Continue what another model of the same class has learned, at a share of its level.

        Args:
            other: The model of the series that lost its tickets to this one.
            share: Share of its level, 0 to 1.
        """

    def rebase(self, factor: float) -> None:
        """Multiply the level by *factor* from the hour on that `advance` reached."""
        del factor
        self.restart()

    def mature(self) -> None:
        """Be as sure from here on as a model that has learned for a long time."""

    def rate_at(self, at: float) -> float:
        """Return the expected rate per hour at a later time (seconds since 1970)."""
        del at
        return self.rate

    def expected_between(self, since: float, until: float) -> float:
        """Return the customer-equivalents expected between two times, in whole hours.

        Args:
            since: Seconds since 1970.
            until: Seconds since 1970; at most a week later.
        """
        return max(until - since, 0.0) / SECONDS_PER_HOUR * self.rate

    def expected_and_observed(self, since: float, at: float) -> tuple[float, float]:
        """Return expected and observed customer-equivalents of the recent past, in whole hours.

        A model that keeps no hours reports the expected count as observed. Changes nothing.

        Args:
            since: Seconds since 1970; at most a day before *at*.
            at: Seconds since 1970.
        """
        hours = min(max(at / SECONDS_PER_HOUR - since / SECONDS_PER_HOUR, 0.0), HOURS_PER_DAY)
        return hours * self.rate, hours * self.rate

    @property
    def ticket_weight(self) -> float:
        """Information of a ticket beside one of a quiet series, 0 to 1: 1 / (1 + noise x rate)."""
        return 1.0 / (1.0 + self.variance(1.0) * self.rate)

    def expectation(self) -> Expectation:
        """Return what the model expects now, for people."""
        noise = self.variance(1.0)
        rate, weeks = self.rate, self.maturity_hours / HOURS_PER_WEEK
        return Expectation(rate, rate, 1.0, noise, 0.0, 0.0, rate * self.maturity_hours, weeks)

    def window_shares(self) -> list[WindowShare]:
        """Return the windows that the score of the last ticket was made of; changes nothing."""
        return []

    def _copy(self) -> Self:
        return self.restore(self.encode(), copy.deepcopy(self._context))
