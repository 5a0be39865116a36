"""Inject incidents into a company's own history: which would have been found, and how fast.

A mature tenant is copied before the incident begins. The copy receives the real tickets that follow
in the history and additional ones: (multiple - 1) times the expected customer-equivalents. The
additional tickets are copies of the area's recent tickets, so that customers, regions, versions and
texts are realistic. An incident affects customers, not tickets: each customer of the recent tickets
is equally likely, however often they write. The copy is dropped at the first page, or when the
window ends. Without additional tickets, it would repeat the decisions of the history itself.
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
"""A step in the rate of one area, of one slice of it (a region, a version), or of all areas."""
SLICE_SHARES: Final = (0.05, 0.6)
"""The smallest and the largest share of the area's recent tickets with which a value is chosen."""
SLICES: Final = ("region", "app_version")
"""Dimensions from which a slice is chosen; others are used only if these have no suitable value."""


class Taken(msgspec.Struct, array_like=True, frozen=True):
    """One signal of a history."""

    at: float
    """The time by which signals are ordered, seconds since 1970."""
    signal: Signal
    received_at: float | None = None
    """When the topic received the signal, seconds since 1970; None: it is from a file."""
    partition: int = 0


@dataclass(frozen=True, kw_only=True)
class Injection:
    """An incident to inject. Times are in seconds since 1970."""

    kind: Kind
    multiple: float
    """Multiple of the usual rate of the area, slice or tenant."""
    tenant: str
    area: str | None
    """None: the whole tenant."""
    number: int
    start: float
    seconds: float
    """Duration of the incident, within which it must be found."""
    seed: int = 1

    @property
    def end(self) -> float:
        """When the incident ends."""
        return self.start + self.seconds

    def starting(self, start: float) -> "Injection":
        """Return the same incident with another start."""
        return replace(self, start=start)

    def generator(self, purpose: int) -> np.random.Generator:
        """Return a random generator that depends only on the incident and a purpose number."""
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
    """Minutes from the start to the page; infinite if it was not found in time."""
    added: int
    """Number of additional tickets up to the page or the end."""
    disturbed: bool = False
    """Whether the history itself paged in that time; such a result is not counted."""


@dataclass(frozen=True)
class Branch:
    """A copy of a mature tenant and the incident to inject into it."""

    injection: Injection
    tenant: Tenant
    """The copy, which `play` changes."""
    partition: int
    recent: Mapping[str, Sequence[Ticket]]
    """The last tickets of each area that the incident affects."""


def play(branch: Branch, following: Iterable[Taken], settings: Settings) -> Injected | None:
    """Play one incident; return None if its area has no value that could be its slice.

    Args:
        branch: The branch; its tenant is in the state before the following signals.
        following: The signals that follow in the history; they are read until the window ends.
        settings: The settings of the history.
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
    for taken, is_added in merged(branch, _additional_tickets(branch, chosen, rng), following):
        added += is_added
        events = partition.take(taken.signal, taken.received_at).escalations
        if not events:
            continue
        watch.hear(event for event in events if event.data.tenant == injection.tenant)
        paged_at = watch.first(injection.start, injection.end, injection.area)
        if paged_at is not None:
            delay = (paged_at - injection.start) / 60.0
            return Injected(injection=injection, slice=chosen, delay=delay, added=added)
    return Injected(injection=injection, slice=chosen, delay=math.inf, added=added)


def merged(
    branch: Branch, more: Iterator[Ticket], following: Iterable[Taken]
) -> Iterator[tuple[Taken, bool]]:
    """Yield the signals of the branch's tenant in the window, merged with additional tickets.

    Args:
        branch: The branch.
        more: The additional tickets, the oldest first.
        following: The signals that follow in the history.

    Yields:
        A signal, and whether it is an additional ticket.
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
                yield _as_taken(extra, taken, signal), True
                extra = next(more, None)
        yield taken, False
    else:
        return
    # The history continues after the window, so the remaining additional tickets are still due.
    assert isinstance(signal, Ticket)
    while extra is not None:
        yield _as_taken(extra, taken, signal), True
        extra = next(more, None)


def _as_taken(extra: Ticket, taken: Taken, signal: Ticket) -> Taken:
    received_at = None if taken.received_at is None else extra.created_at
    ticket = msgspec.structs.replace(extra, mode=signal.mode)
    return Taken(extra.created_at, ticket, received_at, taken.partition)


def _additional_tickets(
    branch: Branch, chosen: tuple[str, str] | None, rng: np.random.Generator
) -> Iterator[Ticket]:
    """Yield the tickets that the incident adds, the oldest first."""
    injection, number = branch.injection, 0
    pools = {}
    for area, recent in sorted(branch.recent.items()):
        templates = [ticket for ticket in recent if chosen is None or _has(ticket, chosen)]
        if templates:
            pools[area] = _by_customer(templates), len(templates) / len(recent)
    hour = injection.start // SECONDS_PER_HOUR * SECONDS_PER_HOUR
    while hour < injection.end:
        begin, end = max(hour, injection.start), min(hour + SECONDS_PER_HOUR, injection.end)
        arrivals: list[tuple[float, Ticket]] = []
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
                customer_tickets = pool[int(rng.integers(len(pool)))]
                template = customer_tickets[int(rng.integers(len(customer_tickets)))]
                arrivals.append((at, template))
        for at, template in sorted(arrivals, key=lambda arrival: arrival[0]):
            number += 1
            yield msgspec.structs.replace(
                template,
                ticket_id=f"injected-{injection.number}-{number}",
                event_id=None,
                url=None,
                created_at=round(at, 3),
                occurred_at=None,
            )
        hour += SECONDS_PER_HOUR


def _by_customer(recent: Sequence[Ticket]) -> list[list[Ticket]]:
    """Group tickets by customer; each ticket without a customer is a separate group."""
    groups: dict[str, list[Ticket]] = {}
    for ticket in recent:
        groups.setdefault(ticket.customer or f"\x1f{ticket.ticket_id}", []).append(ticket)
    return list(groups.values())


def _has(ticket: Ticket, chosen: tuple[str, str]) -> bool:
    return bool(getattr(ticket, chosen[0]) == chosen[1])


def _slice_of(
    branch: Branch, settings: Settings, rng: np.random.Generator
) -> tuple[str, str] | None:
    """Choose a value of the area's recent tickets, weighted by frequency; None: there is none."""
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
    """Mark the results for which the history itself paged first as disturbed.

    Args:
        found: The results.
        runs: The episodes of the history that paged.
    """
    return [replace(r, disturbed=True) if _paged_anyway(r, runs) else r for r in found]


def _paged_anyway(result: Injected, runs: Sequence[PagedEpisode]) -> bool:
    injection = result.injection
    seconds = min(result.delay * 60.0, injection.seconds)
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
    """Median delay of all incidents, in minutes; infinite if half of them were not found."""
    slowest: float
    """The delay in minutes that 90% of all incidents do not exceed."""


def sizes(injected: Iterable[Injected]) -> list[Size]:
    """Summarize the results by area, kind and size, without the disturbed ones."""
    groups: dict[tuple[str, str, int, float], list[Injected]] = {}
    for result in injected:
        if not result.disturbed:
            incident = result.injection
            kind_index = KINDS.index(incident.kind)
            key = (incident.tenant, incident.area or "", kind_index, incident.multiple)
            groups.setdefault(key, []).append(result)
    summaries = []
    for (tenant, area, kind, multiple), group in sorted(groups.items()):
        delays = [result.delay for result in group]
        summaries.append(
            Size(
                kind=KINDS[kind],
                tenant=tenant,
                area=area or None,
                multiple=multiple,
                played=len(group),
                found=sum(map(math.isfinite, delays)),
                median=quantile(delays, 0.5),
                slowest=quantile(delays, 0.9),
            )
        )
    return summaries
