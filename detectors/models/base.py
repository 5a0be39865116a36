"""What every model owes: river's two verbs, a state in bytes, and evidence for its score."""

import copy
from abc import ABC, abstractmethod
from typing import ClassVar, Final, NamedTuple, Self

import msgspec

from detectors.models.seasonal_profile import Context

NO_SCORE: Final = -99.0
LEAST_EVIDENCE: Final = 4.0
"""Customer-equivalents, and distinct customers, that a window needs before it is judged at all."""
HOURS_A_WEEK: Final = 168.0


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """One ticket of a series, as a model sees it."""

    at: float
    """Seconds since 1970."""
    weight: float = 1.0
    """Customer-equivalents, above 0: 2^-(k-1) for the customer's k-th ticket within 24 hours."""
    last_seen: float = float("-inf")
    """When this customer was last seen in the series; never: minus infinity."""
    until: float = 0.0
    """It came no later than that, where `at` tells the day alone; else 0."""


class Score(NamedTuple):
    """How surprising the best window is that ends now, and what it rests on.

    ``value`` is -log(how often chance brings as much in a week), in natural logarithms: 0 is
    expected by chance once a week at most, 3 once in 20 weeks. Only too many complaints score;
    quiet never does. `NO_SCORE` where there is no evidence, or nothing that chance would not bring
    within a week.
    """

    value: float = NO_SCORE
    since: float = 0.0
    """Start of the window, seconds since 1970."""
    observed: float = 0.0
    """Customer-equivalents in the window."""
    expected: float = 0.0
    """Customer-equivalents that were due in it."""
    tickets: int = 0
    customers: int = 0
    """Distinct ones."""
    negative_log_p: float = 0.0
    """-log of the chance of so many in this window."""
    variance: float = 0.0
    """Relative variance of what was due: dispersion and ignorance."""


class WindowShare(msgspec.Struct, frozen=True):
    """One window that a score is made of."""

    multiple: float
    """Of the expected rate, that it looks for."""
    since: float
    """Seconds since 1970."""
    observed: float
    expected: float
    variance: float
    """Relative, of what was expected."""
    log_ratio: float
    """How much likelier what came is at that multiple."""
    hours_of_starts: float
    """How many starts are about as likely as this one."""
    share: float
    """Of the score's sum over all members."""


class Expectation(msgspec.Struct, frozen=True):
    """What a model expects, and what that rests on."""

    rate: float
    """Customer-equivalents an hour, in the hour that runs."""
    level: float
    """The same, seasons left out."""
    season: float
    """Of this hour: rate over level."""
    hour_dispersion: float
    day_dispersion: float
    ignorance: float
    """Relative variances: of hours, of days, and of not knowing the rate."""
    rests_on: float
    """Customer-equivalents, faded."""
    weeks: float
    """Of which it has learned."""


class Model(ABC):
    """The expectation of one series, and its surprise.

    *Score first, learn second*: `score_one` leaves no trace. Both may be called with arrivals in
    any order; one older than the newest counts as now. `observe` is both in one go.
    """

    name: ClassVar[str]

    @abstractmethod
    def __init__(self, context: Context, start: float) -> None:
        """A model of a series first seen at *start*, seconds since 1970, in *context*."""

    def score_one(self, x: Arrival) -> Score:
        """How surprising it is that *x* comes now, after all that was learned. Changes nothing."""
        return copy.copy(self)._observe_on_copy(x)

    def learn_one(self, x: Arrival) -> None:
        """Take *x* in."""
        self.observe(x)

    @abstractmethod
    def observe(self, x: Arrival) -> Score:
        """`score_one`, then `learn_one`, sharing what both compute."""

    @abstractmethod
    def advance(self, at: float) -> None:
        """Time has come to *at* without a ticket of this series."""

    @abstractmethod
    def learn_late(self, at: float, weight: float, *, bounded: bool = False) -> bool:
        """Count a ticket that came too late to be scored. False where it cannot be learned.

        *bounded*: a flood of them, for hours that were learned already, teaches little.
        """

    @abstractmethod
    def withdraw(self, at: float, weight: float) -> None:
        """Take back a ticket that was counted *at*: it was merged, deleted or moved away."""

    @abstractmethod
    def mark_gap(self, since: float, until: float) -> None:
        """From *since* to *until* the feed was silent: that teaches nothing."""

    @abstractmethod
    def adopt(self, other: "Model", share: float) -> None:
        """Carry on what *other*, of the same kind, has learned, at *share* of its level."""

    @abstractmethod
    def rebase(self, factor: float) -> None:
        """The level is *factor* times what was thought, from the hour on that `advance` came to."""

    def inform(self, context: Context) -> None:
        """The world around the series is *context* from here on."""
        self._context = context

    @abstractmethod
    def restart(self) -> None:
        """Forget the windows that run, not what is normal: what was seen has been dealt with."""

    @property
    @abstractmethod
    def rate(self) -> float:
        """Customer-equivalents an hour that are expected now."""

    @abstractmethod
    def rate_at(self, at: float) -> float:
        """The same *at* a later moment (seconds), as far as is known now; changes nothing."""

    @abstractmethod
    def lately(self, since: float, at: float) -> tuple[float, float]:
        """Customer-equivalents due and come from hour *since* until *at* (seconds), at most a day.

        In whole hours; changes nothing. A model that keeps no hours says that all came as due.
        """

    @abstractmethod
    def due_between(self, since: float, until: float) -> float:
        """What was to be expected from *since* to *until* (seconds), by their own hours and days.

        In whole hours, a week at most; changes nothing.
        """

    @abstractmethod
    def due_by(self, at: float) -> float:
        """Customer-equivalents expected from the first hour until *at*, not before the last ticket.

        *at* (seconds) lies in the hour that `advance` or `observe` last came to.
        """

    @abstractmethod
    def variance(self, hours: float) -> float:
        """Relative variance, above 0, of what is expected in so many *hours*: noise, ignorance."""

    @property
    @abstractmethod
    def information(self) -> float:
        """What a ticket is worth beside one of a quiet series, 0 to 1: 1 / (1 + noise x rate)."""

    @property
    @abstractmethod
    def maturity_hours(self) -> float:
        """How many hours it has learned from."""

    def grow(self) -> None:  # noqa: B027 - most models know no youth
        """As sure from here on as a model that has learned for long."""

    def expectation(self) -> Expectation:
        """What it expects now, for people."""
        noise = self.variance(1.0)
        rate, weeks = self.rate, self.maturity_hours / HOURS_A_WEEK
        return Expectation(rate, rate, 1.0, noise, 0.0, 0.0, rate * self.maturity_hours, weeks)

    def members(self) -> list[WindowShare]:
        """The windows that the score of its last ticket was made of; changes nothing."""
        return []

    @abstractmethod
    def encode(self) -> bytes:
        """The whole state, field by field."""

    @classmethod
    @abstractmethod
    def restore(cls, data: bytes, context: Context) -> Self:
        """The model that `encode` gave *data* for.

        Raises:
            msgspec.MsgspecError: *data* is not of this model.
        """

    def _observe_on_copy(self, x: Arrival) -> Score:
        return self.restore(self.encode(), copy.deepcopy(self._context)).observe(x)

    _context: Context
