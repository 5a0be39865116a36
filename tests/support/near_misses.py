"""Near misses with a known cause: tickets around a moment at which nobody was paged.

Each near miss begins with a mature company (`tests.support.companies`). Its tenant takes the
signals before the moment, and the signals within some hours of the moment are passed on as a log.
"""

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from detectors.forensics.hours_around import HoursAround
from detectors.forensics.redecide import LoggedSignal
from detectors.forensics.why_not import AROUND_SECONDS, Because, SilenceInvestigation, WhyNot
from detectors.state.tenant import PageRecord
from schemas.signals import Signal, Verdict
from tests.support.companies import (
    COMPANY,
    DAY,
    HOUR,
    NOW,
    SETTINGS,
    WEEK,
    TenantFeed,
    arrivals,
    company,
    in_shape,
)

AREA = "billing"
FRESH_SEEDS = 2


class UnfitError(Exception):
    """The lead-up caused another page, such as a tenant-wide one; draw another near miss."""


class Story:
    """A company, a moment, and the signals around that moment."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        day = self.rng.randrange(4)
        self.at = NOW + day * DAY + self.rng.uniform(9.0, 16.0) * HOUR
        self.seed = seed
        self.tenant_feed = company(seed=1 + seed % FRESH_SEEDS)
        self.around: list[tuple[float, Signal]] = []
        self.area, self.tenant = AREA, "acme"
        self.usual = True
        """Whether the area also gets its usual tickets."""

    def live(self, begin: float, end: float, **fields: Any) -> None:
        """Take the usual traffic of a period."""
        self.tenant_feed.feed(begin, end, seed=self.seed + 50, **fields)

    def add(self, signal: Signal, at: float) -> None:
        """Add a signal that arrives *at* a time within some hours of the moment."""
        self.around.append((at, signal))

    def burst(self, begin: float, count: int, minutes: float = 12.0, **fields: Any) -> None:
        """Add evenly spaced tickets of the area, each from a different customer."""
        for number in range(count):
            at = begin + 60.0 * minutes * (number + 0.5) / count
            self.add(self.tenant_feed.make(at, self.area, **fields), at)

    def page(self, since: float) -> PageRecord:
        """Return the page of the area that was sent *since* a time."""
        for page in self.tenant_feed.tenant.pages:
            if page.key == AREA and page.at >= since:
                return page
        raise UnfitError

    def count(self) -> int:
        """Return a number of tickets that is certain to page."""
        return self.rng.randrange(25, 60)

    def ask(self) -> WhyNot:
        """Take the remaining signals, and ask why there was no page."""
        tenant = self.tenant_feed.tenant
        begin = self.at - AROUND_SECONDS
        clock = tenant.clock or begin
        quiet = TenantFeed(SETTINGS, tenant)
        quiet.number, quiet.rng = self.tenant_feed.number, self.tenant_feed.rng
        areas = {name: rate for name, rate in COMPANY.items() if self.usual or name != self.area}
        if clock < begin:
            quiet.feed(clock, begin, areas, seed=self.seed + 60, mode=self.mode())
        usual = arrivals(
            max(begin, clock), self.at + AROUND_SECONDS, areas, in_shape, self.seed + 61
        )
        mixed: list[tuple[float, Signal]] = [
            (at, quiet.make(at, area, mode=self.mode())) for at, area in usual
        ]
        mixed += self.around
        log = [
            LoggedSignal(f"{number}", signal, None if self.mode() == "history" else at)
            for number, (at, signal) in enumerate(sorted(mixed, key=lambda arrival: arrival[0]))
        ]
        known = None if self.tenant != "acme" else tenant
        if known is None:
            log = []
        hours = HoursAround(known, log, SETTINGS, self.tenant, self.area, self.at)
        return SilenceInvestigation(hours).answer()

    def mode(self) -> str:
        """Return the mode of the usual tickets."""
        return "history" if self.tenant_feed.tenant.in_history else "live"


def too_few(story: Story) -> None:
    """Add one ticket; with the usual ones, that is less than an incident."""
    story.burst(story.at - 600.0, 1)


def nothing(story: Story) -> None:
    """Leave the area without any ticket."""
    story.usual = False


def repeated(story: Story) -> None:
    """Add tickets that all come from two customers."""
    for number in range(story.count()):
        at = story.at - 720.0 + 20.0 * number
        story.add(story.tenant_feed.make(at, AREA, customer=f"noisy {number % 2}"), at)


def duplicates(story: Story) -> None:
    """Add the same ticket repeatedly."""
    ticket = story.tenant_feed.make(story.at - 720.0, AREA)
    for number in range(story.count()):
        story.add(ticket, story.at - 720.0 + 20.0 * number)


def late(story: Story) -> None:
    """Add tickets that arrive hours after they were created."""
    for number in range(story.count()):
        at = story.at - 720.0 + 20.0 * number
        created = at - story.rng.uniform(2.0, 6.0) * HOUR
        story.add(story.tenant_feed.make(created, AREA), at)


def by_agents(story: Story) -> None:
    """Add tickets that were created by agents."""
    story.burst(story.at - 720.0, story.count(), created_by="agent")


def by_machines(story: Story) -> None:
    """Add tickets that were created by an import."""
    story.burst(story.at - 720.0, story.count(), created_by="import")


def merged(story: Story) -> None:
    """Add tickets that are all merged away within seconds."""
    for number in range(story.count()):
        at = story.at - 720.0 + 20.0 * number
        ticket = story.tenant_feed.make(at, AREA)
        story.add(ticket, at)
        gone = msgspec.structs.replace(ticket, event_type="merged", occurred_at=at + 5.0)
        story.add(gone, at + 5.0)


def retagged(story: Story) -> None:
    """Add old tickets of another area that are reclassified into this area."""
    for number in range(story.count()):
        at = story.at - 720.0 + 20.0 * number
        ticket = story.tenant_feed.make(at - DAY, AREA, event_type="reclassified", occurred_at=at)
        story.add(ticket, at)


def newborn(story: Story) -> None:
    """Add tickets of an area that had no ticket before."""
    story.area = "brand new"
    story.burst(story.at - 1200.0, story.rng.randrange(8, 30))


def in_history(story: Story) -> None:
    """Add tickets that are sent as history."""
    story.tenant_feed.feed(NOW, story.at - 2.0 * HOUR, seed=story.seed + 50, mode="history")
    story.burst(story.at - 720.0, story.count(), mode="history")


def already_open(story: Story) -> None:
    """Open an episode two hours before the moment, and let it continue."""
    begin = story.at - 2.0 * HOUR
    story.live(NOW, begin)
    story.tenant_feed.burst(begin, 60, 0.9, AREA)
    story.burst(story.at - 3300.0, 60, 100.0)


def again(story: Story) -> None:
    """Open and resolve an episode, and let it return within the cool-down."""
    begin = story.at - 7.0 * HOUR
    story.live(NOW, begin)
    story.tenant_feed.burst(begin, story.count(), 0.2, AREA)
    at = begin + 0.3 * HOUR
    while story.tenant_feed.tenant.areas[AREA].running is not None:
        story.live(at, at + 0.25 * HOUR)
        at += 0.25 * HOUR
    story.at = at + 0.5 * HOUR
    story.burst(story.at - 720.0, 80)


def everywhere(story: Story) -> None:
    """Raise all areas of the tenant, after a tenant-wide page."""
    begin = story.at - 2.0 * HOUR
    story.live(NOW, begin)
    areas = {name: 12.0 * rate for name, rate in COMPANY.items()}
    story.tenant_feed.feed(begin, story.at - HOUR, areas, seed=story.seed + 9)
    for name in COMPANY:
        for number in range(40):
            at = story.at - HOUR + 90.0 * number
            story.add(story.tenant_feed.make(at, name), at)


def expected(story: Story) -> None:
    """Give the verdict "expected event", valid until the evening."""
    begin = story.at - 6.0 * HOUR
    story.live(NOW, begin)
    story.tenant_feed.burst(begin, story.count(), 0.2, AREA)
    page = story.page(begin)
    until = story.at + 4.0 * HOUR
    verdict = Verdict("acme", page.episode_id, "expected_event", begin + 900.0, until)
    story.tenant_feed.take(verdict)
    story.live(begin + 0.3 * HOUR, story.at - HOUR)
    story.burst(story.at - 720.0, story.count())


def called_false(story: Story) -> None:
    """Give the verdict "false alarm" on the same burst a week before."""
    begin = story.at - 720.0
    story.live(NOW, begin)
    story.tenant_feed.burst(begin, 35, 0.2, AREA, channel="batch")
    page = story.page(begin)
    story.tenant_feed.take(Verdict("acme", page.episode_id, "false_alarm", begin + 900.0))
    story.live(begin + 900.0, begin + WEEK - HOUR)
    story.at += WEEK
    story.burst(begin + WEEK, 33, channel="batch")


def unknown_area(story: Story) -> None:
    """Ask about an area that no ticket ever named."""
    story.area = "no such area"


def unknown_tenant(story: Story) -> None:
    """Ask about a tenant without tickets."""
    story.tenant = "nobody"


class Kind(NamedTuple):
    """A cause of silence, and the name that the answer must give it."""

    arrange: Callable[[Story], None]
    because: Because


KINDS: tuple[Kind, ...] = (
    Kind(too_few, "too_few"),
    Kind(nothing, "no_tickets"),
    Kind(repeated, "repeated_customer"),
    Kind(duplicates, "duplicate"),
    Kind(late, "late"),
    Kind(by_agents, "agent_created"),
    Kind(by_machines, "imported"),
    Kind(merged, "withdrawn"),
    Kind(retagged, "reclassified"),
    Kind(newborn, "cold_start"),
    Kind(in_history, "history"),
    Kind(already_open, "open_episode"),
    Kind(again, "cooldown"),
    Kind(everywhere, "inside_tenant"),
    Kind(expected, "announced"),
    Kind(called_false, "called_false"),
    Kind(unknown_area, "unknown_area"),
    Kind(unknown_tenant, "unknown_tenant"),
)


def near_miss(number: int) -> tuple[Because, WhyNot]:
    """Return the true cause of a near miss, and the answer of the investigation."""
    kind = KINDS[number % len(KINDS)]
    for attempt in range(5):
        story = Story(number + 10_000 * attempt)
        try:
            kind.arrange(story)
        except UnfitError:
            continue
        break
    return kind.because, story.ask()
