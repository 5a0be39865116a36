"""Injected incidents in a company's own history: what would have been found, and how fast.

A mature tenant is copied before the incident begins. The copy receives the real tickets that follow
in the history, and additional ones: (multiple - 1) times the expected customer-equivalents, made of
the area's own recent tickets, so that customers, regions, versions and words are realistic. An
incident strikes customers, not
tickets: each customer of the recent tickets is equally likely, however often they write. The copy
is dropped at the first page, or when the window ends. Without additional tickets it repeats what
the history itself did.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal
from zlib import crc32

import msgspec
import numpy as np

from detectors.evaluation.experiments.page_recorder import PageRecorder
from detectors.evaluation.history.page_log import PagedEpisode
from detectors.evaluation.tables import quantile
from detectors.foundation.units import SECONDS_PER_HOUR
from detectors.policy.settings import Settings
from detectors.state.tenant import Tenant
from detectors.step.partition import Partition
from schemas.signals import Signal, Ticket

Kind = Literal["area", "slice", "tenant"]
KINDS: Final[tuple[Kind, ...]] = ("area", "slice", "tenant")
"""A step of one area; of one value in it (a region, a version); of all areas at once."""
SLICE_SHARES: Final = (0.05, 0.6)
"""Of its area's recent tickets: values that are rarer or more frequent are not chosen."""
SLICES: Final = ("region", "app_version")
"""Dimensions that a slice is chosen from; of others only where the tickets tell neither."""


class Taken(msgspec.Struct, array_like=True, frozen=True):
    """One signal of a history, in the order in which the step takes them."""

    at: float
    """What it is ordered by, seconds since 1970."""
    signal: Signal
    received_at: float | None = None
    """When a topic took it in; None: it stands in a file."""
    partition: int = 0


@dataclass(frozen=True, kw_only=True)
class Injection:
    """One incident to play. Times are in seconds since 1970."""

    kind: Kind
    multiple: float
    """Multiple of the usual rate (for a slice, of the rate of its value)."""
    tenant: str
    area: str | None
    """None: the whole tenant."""
    number: int
    start: float
    seconds: float
    """How long it lasts; it must be found within that time."""
    seed: int = 1

    @property
    def end(self) -> float:
        """Return when it ends."""
        return self.start + self.seconds

    def starting(self, start: float) -> "Injection":
        """Return the same incident at another time."""
        return replace(self, start=start)

    def generator(self, purpose: int) -> np.random.Generator:
        """Return a random generator for one *purpose*; it depends only on the incident."""
        name = f"{self.tenant}\x1f{self.area}".encode()
        size = round(self.multiple * 1000.0)
        return np.random.default_rng(
            [self.seed, KINDS.index(self.kind), crc32(name), size, self.number, purpose]
        )


@dataclass(frozen=True, kw_only=True)
class Injected:
    """The result of one injected incident."""

    injection: Injection
    slice: tuple[str, str] | None
    delay: float
    """Minutes from its start to the page; infinite if it was not found in time."""
    added: int
    """Number of added tickets up to that time."""
    disturbed: bool = False
    """Whether the history itself paged in that window. Such a result is not counted."""


@dataclass(frozen=True)
class Branch:
    """A copy of a mature tenant, and the incident that it receives."""

    injection: Injection
    tenant: Tenant
    """The copy; playing the incident changes it."""
    partition: int
    recent: Mapping[str, Sequence[Ticket]]
    """The last tickets of each area that the incident affects."""


def play(branch: Branch, following: Iterable[Taken], settings: Settings) -> Injected | None:
    """Play one incident; return None if its area has no value that a slice could be chosen from.

    Args:
        branch: The copy, as it was before *following*.
        following: The signals that follow in the history; read until the window ends.
        settings: The settings that the tenant has been running with.
    """
    injection = branch.injection
    rng = injection.generator(1)
    chosen = _slice_of(branch, settings, rng) if injection.kind == "slice" else None
    if injection.kind == "slice" and chosen is None:
        return None
    watch = PageRecorder()
    partition = Partition(branch.partition, 0, settings)
    partition.tenants[branch.tenant.name] = branch.tenant
    added = 0
    for taken, is_added in merged(branch, _more(branch, chosen, rng), following):
        added += is_added
        events = partition.take(taken.signal, taken.received_at).escalations
        if not events:
            continue
        watch.hear(event for event in events if event.data.tenant == injection.tenant)
        found = watch.first(injection.start, injection.end, injection.area)
        if found is not None:
            delay = (found - injection.start) / 60.0
            return Injected(injection=injection, slice=chosen, delay=delay, added=added)
    return Injected(injection=injection, slice=chosen, delay=math.inf, added=added)


def merged(
    branch: Branch, more: Iterator[Ticket], following: Iterable[Taken]
) -> Iterator[tuple[Taken, bool]]:
    """Yield the signals of the branch's tenant in the window, with *more* tickets in between.

    The flag says whether a signal is one of *more*.
    """
    injection, extra = branch.injection, next(more, None)
    for taken in following:
        signal = taken.signal
        if signal.tenant is None:
            if taken.partition != branch.partition:
                continue
        elif signal.tenant != injection.tenant:
            continue
        if isinstance(signal, Ticket):
            if signal.created_at > injection.end:
                break
            while extra is not None and extra.created_at <= signal.created_at:
                yield _beside(extra, taken, signal), True
                extra = next(more, None)
        yield taken, False
    else:
        return
    # The history goes on after the window; added tickets before its end still have to be played.
    assert isinstance(signal, Ticket)
    while extra is not None:
        yield _beside(extra, taken, signal), True
        extra = next(more, None)


def _beside(extra: Ticket, taken: Taken, signal: Ticket) -> Taken:
    received_at = None if taken.received_at is None else extra.created_at
    ticket = msgspec.structs.replace(extra, mode=signal.mode)
    return Taken(extra.created_at, ticket, received_at, taken.partition)


def _more(
    branch: Branch, chosen: tuple[str, str] | None, rng: np.random.Generator
) -> Iterator[Ticket]:
    """Return the tickets that the incident adds, oldest first."""
    injection, number = branch.injection, 0
    pools = {}
    for area, recent in sorted(branch.recent.items()):
        alike = [one for one in recent if chosen is None or _has(one, chosen)]
        if alike:
            pools[area] = _by_customer(alike), len(alike) / len(recent)
    hour = injection.start // SECONDS_PER_HOUR * SECONDS_PER_HOUR
    while hour < injection.end:
        begin, end = max(hour, injection.start), min(hour + SECONDS_PER_HOUR, injection.end)
        found: list[tuple[float, Ticket]] = []
        for area, (pool, share) in pools.items():
            expected = (
                branch.tenant.areas[area].model.expected_between(hour, hour + SECONDS_PER_HOUR)
                * share
            )
            count = int(
                rng.poisson(
                    expected * (injection.multiple - 1.0) * (end - begin) / SECONDS_PER_HOUR
                )
            )
            times = rng.uniform(begin, end, count).tolist()
            for at in times:
                theirs = pool[int(rng.integers(len(pool)))]
                found.append((at, theirs[int(rng.integers(len(theirs)))]))
        for at, like in sorted(found, key=lambda one: one[0]):
            number += 1
            yield msgspec.structs.replace(
                like,
                ticket_id=f"injected-{injection.number}-{number}",
                event_id=None,
                url=None,
                created_at=round(at, 3),
                occurred_at=None,
            )
        hour += SECONDS_PER_HOUR


def _by_customer(recent: Sequence[Ticket]) -> list[list[Ticket]]:
    """Return the tickets by customer; each ticket without a customer is a group of its own."""
    found: dict[str, list[Ticket]] = {}
    for one in recent:
        found.setdefault(one.customer or f"\x1f{one.ticket_id}", []).append(one)
    return list(found.values())


def _has(ticket: Ticket, chosen: tuple[str, str]) -> bool:
    return bool(getattr(ticket, chosen[0]) == chosen[1])


def _slice_of(
    branch: Branch, settings: Settings, rng: np.random.Generator
) -> tuple[str, str] | None:
    """Choose one value of the area's recent tickets, in proportion to its frequency."""
    assert branch.injection.area is not None
    recent = branch.recent[branch.injection.area]
    watched = settings.slice_dimensions
    for dimensions in ([d for d in watched if d in SLICES], watched):
        counts = Counter(
            (dimension, value)
            for ticket in recent
            for dimension in dimensions
            if (value := getattr(ticket, dimension)) is not None
        )
        low, high = SLICE_SHARES
        fitting = [
            (key, count)
            for key, count in sorted(counts.items())
            if low * len(recent) <= count <= high * len(recent)
        ]
        if fitting:
            chances = np.array([count for _, count in fitting], dtype=float)
            return fitting[int(rng.choice(len(fitting), p=chances / chances.sum()))][0]
    return None


def undisturbed(found: Iterable[Injected], runs: Sequence[PagedEpisode]) -> list[Injected]:
    """Return *found*, marked as disturbed if one of the history's *runs* paged first."""
    return [replace(one, disturbed=True) if _paged_anyway(one, runs) else one for one in found]


def _paged_anyway(one: Injected, runs: Sequence[PagedEpisode]) -> bool:
    injection = one.injection
    seconds = min(one.delay * 60.0, injection.seconds)
    return any(
        run.tenant == injection.tenant
        and (about := run.about(injection.area)) is not None
        and injection.start <= about <= injection.start + seconds
        for run in runs
    )


@dataclass(frozen=True, kw_only=True)
class Size:
    """The results of incidents of one kind and size in one area."""

    kind: Kind
    tenant: str
    area: str | None
    multiple: float
    played: int
    found: int
    median: float
    """Median delay of the found incidents, in minutes; not a number if none was found."""
    slowest: float
    """The delay in minutes that 90 % of the found incidents do not exceed."""


def sizes(injected: Iterable[Injected]) -> list[Size]:
    """Group the results by area, kind and size, without the disturbed ones."""
    groups: dict[tuple[str, str, int, float], list[Injected]] = {}
    for one in injected:
        if not one.disturbed:
            what = one.injection
            key = (what.tenant, what.area or "", KINDS.index(what.kind), what.multiple)
            groups.setdefault(key, []).append(one)
    result = []
    for (tenant, area, kind, multiple), group in sorted(groups.items()):
        delays = [one.delay for one in group if math.isfinite(one.delay)]
        result.append(
            Size(
                kind=KINDS[kind],
                tenant=tenant,
                area=area or None,
                multiple=multiple,
                played=len(group),
                found=len(delays),
                median=quantile(delays, 0.5),
                slowest=quantile(delays, 0.9),
            )
        )
    return result
