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
    """One incident to play. Times: seconds since 1970."""

    kind: Kind
    multiple: float
    """Of the usual rate (of the value's, for a slice)."""
    tenant: str
    area: str | None
    """None: all of the tenant."""
    number: int
    start: float
    seconds: float
    """How long it lasts; it must be found in that time."""
    seed: int = 1

    @property
    def end(self) -> float:
        """When it is given up."""
        return self.start + self.seconds

    def starting(self, start: float) -> "Injection":
        """The same at another time."""
        return replace(self, start=start)

    def generator(self, purpose: int) -> np.random.Generator:
        """Random numbers for one *purpose*, the same whenever and wherever it is played."""
        name = f"{self.tenant}\x1f{self.area}".encode()
        size = round(self.multiple * 1000.0)
        return np.random.default_rng(
            [self.seed, KINDS.index(self.kind), crc32(name), size, self.number, purpose]
        )


@dataclass(frozen=True, kw_only=True)
class Injected:
    """What became of one incident."""

    injection: Injection
    slice: tuple[str, str] | None
    delay: float
    """Minutes from its start to the page; infinite if nobody was paged in time."""
    added: int
    """Tickets more than usual that had come by then."""
    disturbed: bool = False
    """The history itself paged for it in that time: this tells nothing, and is not counted."""


@dataclass(frozen=True)
class Branch:
    """A copy of a warm tenant, and what it is to live through."""

    injection: Injection
    tenant: Tenant
    """To be used up."""
    partition: int
    recent: Mapping[str, Sequence[Ticket]]
    """The last tickets of each area that the incident is in."""


def play(branch: Branch, following: Iterable[Taken], settings: Settings) -> Injected | None:
    """Live through one incident; None where its area has no value that a slice could be of.

    Args:
        branch: The copy, as it stood before *following*.
        following: What the history brings from there on; read until the window ends.
        settings: Those that the tenant has lived by.
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
    """What follows for the branch's tenant, with *more* tickets in between, until the window ends.

    The flag: whether it is one of *more*.
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
    """The tickets that the incident adds, oldest first."""
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
    """Their tickets by customer; one without a customer is that of somebody else."""
    found: dict[str, list[Ticket]] = {}
    for one in recent:
        found.setdefault(one.customer or f"\x1f{one.ticket_id}", []).append(one)
    return list(found.values())


def _has(ticket: Ticket, chosen: tuple[str, str]) -> bool:
    return bool(getattr(ticket, chosen[0]) == chosen[1])


def _slice_of(
    branch: Branch, settings: Settings, rng: np.random.Generator
) -> tuple[str, str] | None:
    """One value of the area's recent tickets, each as likely as it is frequent."""
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
    """*found*, marked where the history's own *runs* paged in that window, and not later."""
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
    """What became of incidents of one kind and size in one area."""

    kind: Kind
    tenant: str
    area: str | None
    multiple: float
    played: int
    found: int
    median: float
    """Minutes, of those that were found; not a number where none was."""
    slowest: float
    """Minutes that 90 of 100 that were found waited at most."""


def sizes(injected: Iterable[Injected]) -> list[Size]:
    """By area, kind and size; what was disturbed is left out."""
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
