# whole: the slices of an area share their windows and their learned shares
"""Slices: the values of an area's dimensions, each compared with the rest of the area.

An incident of one app version is invisible in the total of a large area, but not in the count of
that version. A slice is compared with the rest of its area, so that noise, holidays and incidents
of the whole area cancel out. Given the count of the rest since the start of the window, the count
of the slice is negative binomial. The rest is modelled as its mean times a gamma factor with mean 1
and the area's variance v:

    mean     = share x M x level
    level    = (1/v + rest) / (1/v + (1 - share) x M), or rest / ((1 - share) x M) if that is larger
    1 / size = 1 / (1/v + rest)  +  1 / (tickets behind the share)  +  clumping

M is the expected count of the area. The score is computed as in `detectors.models.cusum_bank`, with
the number of the area's slices as a further divisor. A value that was never seen before is expected
to have the share that new values had recently (Good 1953, "The population frequencies of species").
If the share of a value changes in the other areas of the tenant, for instance because a version is
rolled out, the same change is expected here.

Shares are learned day by day, once a day is a day old, with winsorised counts.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from detectors.foundation.count_statistics import (
    hours_of_starts,
    log_likelihood_ratio,
)
from detectors.foundation.dimensions import DIMENSIONS, SEPARATOR
from detectors.foundation.units import HOURS_PER_WEEK
from detectors.models import Score
from detectors.models.base import LEAST_EVIDENCE
from detectors.models.baseline import DAY_CLIP, DAY_CLIP_KEEPS
from detectors.models.tenant_shares import HALF_LIVES, MOST_USUAL, Shares, Usual
from detectors.models.window_score import WindowEvidence, combine_windows

MOST_VALUES: Final = 32
"""The most values per area that are counted for explanations but not watched."""
MOST_SLICES: Final = 48
"""The most slices per area. Beyond this number, a new value replaces the slice with the fewest
tickets, if possible one without running windows."""
TREND_TICKETS: Final = 20.0
"""Recent tickets in other areas from which a change of the share there has half its full effect."""
MOST_TREND: Final = 4.0
MULTIPLES: Final = (2.5, 6.0)
LONGEST_HOURS: Final = 48.0
LEAST_KNOWN: Final = 40.0
"""Customer-equivalents that an area must have learned from before its slices are scored."""
LEAST_AGE_HOURS: Final = 336.0
_FADE: Final = 0.5 ** (1.0 / 28.0)
"""Daily decay of the long-term counts: half-life four weeks."""
_QUICK_FADE: Final = 0.5 ** (1.0 / 3.0)
"""Daily decay of the short-term counts, which have more weight, because versions come and go."""
LONG_TICKETS: Final = 20.0
"""Weight of the long-term share, in tickets of the short-term counts."""
YOUNG_HOURS: Final = 168.0
"""A value younger than this is expected to have at least the share that it has in other areas."""
OF_AN_AREA: Final = f"issue_type{SEPARATOR}"
"""Prefix of the keys of issue types. They belong to one area, so other areas are not compared."""
ROUTINE: Final = f"app_version{SEPARATOR}"
ROUTINE_SHARE: Final = 0.02
"""The lowest expected share of a new app version, because new versions are routine."""
BLOCK_HOURS: Final = 6.0
"""Length of the blocks over which the clumping of a slice is estimated."""
_CLUMP_FADE: Final = 0.995
_CLUMP_PRIOR: Final = (0.05, 60.0)
"""Prior of the relative variance of a share from block to block, and its weight in blocks."""
JUDGED_FROM: Final = 2.0
"""The CUSUM from which a window is scored; other windows contribute almost nothing."""
SHORTEST_HOURS: Final = 1.0 / 60.0
"""The shortest duration with which a window is scored, because many feeds have a resolution of one
minute."""
_NO_WINDOWS: Final = [None] * len(MULTIPLES)
_MEMBERS: Final = tuple((m - 1.0, math.log(m), m) for m in MULTIPLES)


class Window(msgspec.Struct, array_like=True, gc=False):
    """A running window; `expected` and `seen` are the area's totals when the window began.

    Each ticket replaces the windows that it counts in, because creating a struct takes less time
    than assigning its fields.
    """

    cusum: float = 0.0
    observed: float = 0.0
    start: float = 0.0
    expected: float = 0.0
    seen: float = 0.0
    tickets: int = 0
    customers: int = 0


class Slice(msgspec.Struct, array_like=True, gc=False):
    """One value of one dimension."""

    known: float = 0.0
    """Customer-equivalents of learned days, fading slowly."""
    recent: float = 0.0
    """Customer-equivalents of learned days, fading quickly."""
    yesterday: float = 0.0
    today: float = 0.0
    block: float = 0.0
    share: float = 0.0
    """The share that was expected at the last ticket, 0 to 1."""
    clump: float = _CLUMP_PRIOR[0] * _CLUMP_PRIOR[1]
    clump_days: float = _CLUMP_PRIOR[1]
    born: float = 0.0
    """When the value was first seen, hours since 1970."""
    novel: bool = True
    recent_units: tuple[float, float] = (0.0, 0.0)
    """Recent tickets as `Shares` counts them, in its units."""
    expected: float = 0.0
    """Expected total of the area at the last ticket of the slice."""
    rest: float = 0.0
    """Observed total of the area's other tickets at the last ticket of the slice."""
    seen: float = 0.0
    """Observed customer-equivalents since the value was first seen."""
    windows: list[Window | None] = msgspec.field(default_factory=lambda: [None] * len(MULTIPLES))
    """The running window for each of `MULTIPLES`, or None."""


class Value(msgspec.Struct, array_like=True, gc=False):
    """A value that is counted but not watched; the fields are those of `Slice`."""

    known: float = 0.0
    recent: float = 0.0
    yesterday: float = 0.0
    today: float = 0.0


_NOTHING: Final = Value()


class Area(NamedTuple):
    """The current figures of an area that its slices need."""

    expected: float
    """Customer-equivalents expected since the area was first seen."""
    seen: float
    """Customer-equivalents observed since the area was first seen."""
    rate: float
    variance: float
    age_hours: float


class SliceScore(NamedTuple):
    """The slice with the highest score."""

    score: Score
    key: str
    share: float
    is_new: bool


class Slices(msgspec.Struct, array_like=True):
    r"""All slices of one area.

    Example:
        >>> slices, shares = Slices(), Shares()
        >>> area = Area(expected=1.0, seen=1.0, rate=1.0, variance=0.05, age_hours=9.0)
        >>> slices.observe(0.0, 1.0, -1.0, ("region\x1feu",), area, shares)  # too young to judge
        >>> list(slices.of)
        ['region\x1feu']
    """

    of: dict[str, Slice] = {}
    day: int = 0
    known: float = 0.0
    """Customer-equivalents of learned days of the whole area, fading slowly."""
    recent: float = 0.0
    yesterday: float = 0.0
    today: float = 0.0
    block_of: int = 0
    block: float = 0.0
    """Customer-equivalents of the current block."""
    novelties: float = 0.5
    """Effective number of new values, fading like `known`."""
    recent_units: tuple[float, float] = (0.0, 0.0)
    """Recent tickets as `Shares` counts them, in its units."""
    since: float = 0.0
    """Start of the units of `recent_units`, hours since 1970; see `Shares`."""
    others: dict[str, Value] = {}
    """Values that are counted but not watched, by key."""

    def observe(
        self,
        at: float,
        weight: float,
        last_seen: float,
        keys: tuple[str, ...],
        area: Area,
        shares: Shares,
        *,
        teaches: bool = True,
    ) -> SliceScore | None:
        r"""Count a ticket of the area in its slices, and return the highest score among them.

        Args:
            at: Hours since 1970.
            weight: Customer-equivalents.
            last_seen: When the ticket's customer was last seen in the area, hours since 1970; minus
                infinity: never.
            keys: The keys of the ticket's watched values, at most one per dimension.
            area: The figures of the area, including this ticket.
            shares: The shares of the tenant.
            teaches: Whether to count the ticket in the shares of the tenant; False for an unknown
                area.

        Returns:
            The slice of the ticket with the highest score; None if no slice has a score.
        """
        block = int(at // BLOCK_HOURS)
        if block != self.block_of:
            self._turn(block)
        units = shares.units(at)
        if self.since != shares.since:
            self._renew(shares.since)
        taught = weight if teaches else 0.0
        lately, days = taught * units[0], taught * units[1]
        self.today += weight
        self.block += weight
        judged = self.known >= LEAST_KNOWN and area.age_hours >= LEAST_AGE_HOURS
        best: SliceScore | None = None
        for key in keys:
            slice_ = self.of.get(key)
            if slice_ is None:
                slice_ = self._admit(key, at, area)
            share, rests_on = self._share(key, slice_, shares, units)
            slice_.share = share
            slice_.today += weight
            slice_.block += weight
            slice_.recent_units = (slice_.recent_units[0] + lately, slice_.recent_units[1] + days)
            candidates = self._count_in_windows(slice_, at, weight, last_seen, share, area)
            if candidates is None or not judged:
                continue
            found = self._score_candidates(slice_, candidates, at, share, rests_on, area)
            if found is not None and (best is None or found.value > best.score.value):
                best = SliceScore(found, key, share, slice_.novel and slice_.known < LEAST_EVIDENCE)
        self.recent_units = (self.recent_units[0] + lately, self.recent_units[1] + days)
        if teaches:
            shares.add(lately, days, [key for key in keys if not key.startswith(OF_AN_AREA)])
        return best

    def withdraw(self, at: float, weight: float, keys: tuple[str, ...]) -> None:
        """Remove a counted ticket.

        Args:
            at: When the ticket was counted, hours since 1970.
            weight: Customer-equivalents of the ticket.
            keys: The keys of its watched values.
        """
        for key in keys:
            slice_ = self.of.get(key)
            if slice_ is None:
                continue
            slice_.today = max(0.0, slice_.today - weight)
            for window, (_, gain, _) in zip(slice_.windows, _MEMBERS, strict=True):
                if window is not None and window.start <= at:
                    window.cusum = max(0.0, window.cusum - weight * gain)
                    window.observed = max(0.0, window.observed - weight)
                    window.tickets = max(0, window.tickets - 1)
                    window.customers = max(0, window.customers - (weight >= 1.0))

    def count(self, weight: float, keys: Sequence[str]) -> None:
        """Count the values of a ticket that are not watched; call this after `observe`."""
        for key in keys:
            value = self.others.get(key)
            if value is None:
                if len(self.others) >= MOST_VALUES:
                    rare = ((v.known + v.yesterday + v.today, k) for k, v in self.others.items())
                    del self.others[min(rare)[1]]
                value = self.others[key] = Value()
            value.today += weight

    def usual(self, key: str) -> Usual | None:
        """Return the usual share of a value, without today; None if too few tickets are learned."""
        if self.known < LEAST_KNOWN:
            return None
        one = self.of.get(key) or self.others.get(key) or _NOTHING
        unseen = self.novelties / (self.known + LONG_TICKETS)
        long = (one.known + unseen) / (self.known + 1.0)
        share = (one.recent + LONG_TICKETS * long) / (self.recent + LONG_TICKETS)
        rests_on = share * (self.recent + min(LONG_TICKETS, self.known)) + 0.5
        yesterday = one.yesterday / (self.yesterday + 20.0)  # versions come and go
        if yesterday > share:
            share, rests_on = yesterday, one.yesterday + 0.5
        clump = one.clump / one.clump_days if isinstance(one, Slice) else _CLUMP_PRIOR[0]
        return Usual(min(share, MOST_USUAL), 1.0 / rests_on + clump)

    def accept(self, key: str, share: float) -> None:
        """Accept a share (0 to 1) of a value as its usual share."""
        slice_ = self.of.get(key)
        if slice_ is None:
            return
        share = min(share, MOST_USUAL)
        slice_.known = max(slice_.known, share * self.known)
        slice_.recent = max(slice_.recent, share * self.recent)
        slice_.yesterday = max(slice_.yesterday, share * self.yesterday)

    def restart(self) -> None:
        """Restart all windows."""
        for slice_ in self.of.values():
            slice_.windows = [None] * len(MULTIPLES)

    def _admit(self, key: str, at: float, area: Area) -> Slice:
        if len(self.of) >= MOST_SLICES:
            weights = [
                (
                    slice_.windows != _NO_WINDOWS,
                    slice_.known + slice_.yesterday + slice_.today,
                    name,
                )
                for name, slice_ in self.of.items()
            ]
            del self.of[min(weights)[2]]
        if area.age_hours >= LEAST_AGE_HOURS:
            self.novelties += 1.0
        made = Slice(
            born=at, expected=area.expected, rest=area.seen, novel=area.age_hours >= LEAST_AGE_HOURS
        )
        self.of[key] = made
        return made

    def _share(
        self, key: str, slice_: Slice, shares: Shares, units: tuple[float, float]
    ) -> tuple[float, float]:
        """Return the expected share of a value, and the effective number of tickets behind it."""
        unseen = self.novelties / (self.known + LONG_TICKETS)
        long = (slice_.known + unseen) / (self.known + 1.0)
        own = (slice_.recent + LONG_TICKETS * long) / (self.recent + LONG_TICKETS)
        known = self.known if self.known < LONG_TICKETS else LONG_TICKETS
        rests_on = own * (self.recent + known) + 0.5
        young = self.block_of * BLOCK_HOURS - slice_.born < YOUNG_HOURS
        if young:
            unseen = max(unseen, ROUTINE_SHARE) if key.startswith(ROUTINE) else unseen
            if unseen > own:
                own, rests_on = unseen, 1.0
        steady = TREND_TICKETS * units[0]
        there = shares.counts.get(key)
        if there is not None:
            lately, days = there[0] - slice_.recent_units[0], there[1] - slice_.recent_units[1]
            total = shares.total[0] - self.recent_units[0]
            total_days = shares.total[1] - self.recent_units[1]
            if days > 0.5 * units[1] and total_days > 0.0:  # how the share changed elsewhere
                usual = days / total_days
                trend = (lately + steady * usual) / (total + steady) / usual
                if trend > MOST_TREND:
                    trend = MOST_TREND
                own *= trend if trend > 1.0 / MOST_TREND else 1.0 / MOST_TREND
            if young and lately > own * (total + steady):
                own = lately / (total + steady)
                rests_on = lately / units[0] + 0.1
        yesterday = slice_.yesterday / (self.yesterday + 20.0)
        if yesterday > own:
            own, rests_on = yesterday, slice_.yesterday + 0.5
        return own if own < 0.95 else 0.95, rests_on

    def _score_candidates(
        self,
        slice_: Slice,
        candidates: list[tuple[Window, float, float]],
        at: float,
        share: float,
        rests_on: float,
        area: Area,
    ) -> Score | None:
        """Return the score of the windows of a slice that may have evidence, or None."""
        found = []
        for window, drift, multiple in candidates:
            mean, variance = self._expected(slice_, window, share, rests_on, area)
            size = 1.0 / variance
            ratio = log_likelihood_ratio(window.observed, mean, size, multiple)
            length = max(at - window.start, SHORTEST_HOURS)
            starts = max(
                1.0 / (drift * share * area.rate),
                hours_of_starts(window.observed, mean, size, multiple, ratio, length),
            )
            found.append(WindowEvidence(window, multiple, mean, variance, ratio, starts))
        return combine_windows(found, HOURS_PER_WEEK * len(MULTIPLES) * len(self.of))

    def _count_in_windows(
        self,
        slice_: Slice,
        at: float,
        weight: float,
        last_seen: float,
        share: float,
        area: Area,
    ) -> list[tuple[Window, float, float]] | None:
        """Count a ticket in the windows of a slice.

        Returns:
            The windows with enough evidence, each with the drift and the multiple of its member;
            None instead of an empty list, because that is faster for nearly every ticket.
        """
        slice_.seen += weight
        rest = area.seen - slice_.seen
        expected, seen = area.expected - slice_.expected, (rest - slice_.rest) / (1.0 - share)
        expected = expected if expected > seen else seen
        step = share * expected if expected > 0.0 else 0.0
        slice_.expected, slice_.rest = area.expected, rest
        candidates: list[tuple[Window, float, float]] | None = None
        windows = slice_.windows
        for place, (drift, gain, multiple) in enumerate(_MEMBERS):
            window = windows[place]
            cusum = window.cusum - drift * step if window is not None else 0.0
            if window is None or cusum <= 0.0 or at - window.start > LONGEST_HOURS:
                windows[place] = Window(
                    weight * gain, weight, at, area.expected, area.seen - weight, 1, 1
                )
                continue
            cusum += weight * gain
            observed, start, customers = window.observed + weight, window.start, window.customers
            if last_seen < start:
                customers += 1
            window = windows[place] = Window(
                cusum, observed, start, window.expected, window.seen, window.tickets + 1, customers
            )
            if cusum >= JUDGED_FROM and observed >= LEAST_EVIDENCE and customers >= LEAST_EVIDENCE:
                if candidates is None:
                    candidates = []
                candidates.append((window, drift, multiple))
        return candidates

    def _expected(
        self, slice_: Slice, window: Window, share: float, rests_on: float, area: Area
    ) -> tuple[float, float]:
        """Return mean and relative variance of a slice's count, given the rest of the area."""
        expected = max(area.expected - window.expected, area.rate / 60.0)
        rest = max(area.seen - window.seen - window.observed, 0.0)
        prior = 1.0 / area.variance
        others = (1.0 - share) * expected
        level = max((prior + rest) / (prior + others), rest / others)  # the whole area may be up
        return share * expected * level, 1.0 / (
            prior + rest
        ) + 1.0 / rests_on + slice_.clump / slice_.clump_days

    def _renew(self, since: float) -> None:
        """Convert the recent counts to new units of `Shares`.

        Args:
            since: Start of the new units, hours since 1970.
        """
        quick, slow = (2.0 ** ((self.since - since) / half_life) for half_life in HALF_LIVES)
        self.since = since
        self.recent_units = (self.recent_units[0] * quick, self.recent_units[1] * slow)
        for slice_ in self.of.values():
            slice_.recent_units = (slice_.recent_units[0] * quick, slice_.recent_units[1] * slow)

    def _turn(self, block: int) -> None:
        """Begin a block; on a new UTC day, also learn the day before yesterday."""
        if block == self.block_of + 1 and self.known >= LEAST_KNOWN:
            for slice_ in self.of.values():
                self._learn_clump(slice_)
        self.block_of, self.block = block, 0.0
        for slice_ in self.of.values():
            slice_.block = 0.0
            if slice_.windows != _NO_WINDOWS:
                slice_.windows = [
                    None if window is None or window.tickets < 2 else window
                    for window in slice_.windows
                ]
        day = int(block * BLOCK_HOURS // 24.0)
        if day == self.day:
            return
        gone = min(day - self.day, 400)
        for _ in range(min(gone, 2)):
            self._learn()
        if gone > 2:
            self.known *= _FADE ** (gone - 2)
            self.recent *= _QUICK_FADE ** (gone - 2)
            values: list[Slice | Value] = [*self.of.values(), *self.others.values()]
            for value in values:
                value.known *= _FADE ** (gone - 2)
                value.recent *= _QUICK_FADE ** (gone - 2)
        self.day = day

    def _learn_clump(self, slice_: Slice) -> None:
        """Learn the clumping of a slice from one block: its variance in excess of chance."""
        share = slice_.share
        mean = self.block * share
        if mean < 1.0:
            return
        clump = slice_.clump / slice_.clump_days
        scatter = mean * (1.0 - share)
        off = slice_.block - mean
        information = min(2.0, 0.5 / (1.0 / mean + clump) ** 2)
        bound = DAY_CLIP * (scatter + clump * mean * mean)
        moment = (min(off * off, bound) / DAY_CLIP_KEEPS - scatter) / (mean * mean)
        slice_.clump = max(slice_.clump * _CLUMP_FADE + information * moment, 0.0)
        slice_.clump_days = slice_.clump_days * _CLUMP_FADE + information
        slice_.clump = max(slice_.clump, 0.01 * slice_.clump_days)

    def _learn(self) -> None:
        """Learn yesterday, winsorised; today becomes yesterday."""
        total = self.yesterday
        mature = self.known >= LEAST_KNOWN
        forgotten = []
        for key, slice_ in self.of.items():
            count = slice_.yesterday
            if mature and slice_.known > 0.0:
                mean = total * (slice_.recent + 0.1) / (self.recent + 1.0)
                clump = slice_.clump / slice_.clump_days
                noise = mean + mean * mean * (clump + 1.0 / (slice_.recent + 1.0))
                count = min(count, mean + 4.0 * math.sqrt(noise) + 1.0)
            slice_.known = slice_.known * _FADE + count
            slice_.recent = slice_.recent * _QUICK_FADE + count
            slice_.yesterday, slice_.today = slice_.today, 0.0
            if slice_.known < 0.05 and slice_.yesterday == 0.0:
                forgotten.append(key)
        for key in forgotten:
            del self.of[key]
        for key, value in list(self.others.items()):
            value.known = value.known * _FADE + value.yesterday
            value.recent = value.recent * _QUICK_FADE + value.yesterday
            value.yesterday, value.today = value.today, 0.0
            if value.known < 0.05 and value.yesterday == 0.0:
                del self.others[key]
        self.known = self.known * _FADE + total
        self.recent = self.recent * _QUICK_FADE + total
        self.novelties *= _FADE
        self.yesterday, self.today = self.today, 0.0


def keys_of(
    values: Sequence[str | None], watched: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    r"""Return the keys of a ticket's watched values, and those of its other values.

    Args:
        values: The values of `DIMENSIONS`, in that order; None where the ticket has none.
        watched: The dimensions that are watched as slices.

    Example:
        >>> keys_of(("sso", "eu", None, None, None, None, None, None), ("region",))
        (('region\x1feu',), ('issue_type\x1fsso',))
    """
    mine, others = _places(watched)
    return (
        tuple([prefix + value for place, prefix in mine if (value := values[place])]),
        tuple([prefix + value for place, prefix in others if (value := values[place])]),
    )


@lru_cache(maxsize=64)
def _places(watched: tuple[str, ...]) -> tuple[tuple[tuple[int, str], ...], ...]:
    """Return the index and key prefix of each watched dimension, and of each other dimension."""
    others = [name for name in DIMENSIONS if name not in watched]
    return (
        tuple((DIMENSIONS.index(name), f"{name}{SEPARATOR}") for name in watched),
        tuple((DIMENSIONS.index(name), f"{name}{SEPARATOR}") for name in others),
    )
