"""Near misses whose true cause is known: what happened around a moment at which nobody was paged.

Each begins with a grown company (`tests.support.companies`); what leads up to the moment is taken
in, and what comes within the hours around it is handed over as it would stand in the log.
"""

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

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
FRESH_SEEDS = 6


class UnfitError(Exception):
    """What led up to the moment was another page, such as one of the whole tenant: draw anew."""


class Story:
    """A company, a moment, and what comes around it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        day = self.rng.randrange(4)
        self.at = NOW + day * DAY + self.rng.uniform(9.0, 16.0) * HOUR
        self.seed = seed
        self.desk = company(seed=1 + seed % FRESH_SEEDS)
        self.around: list[tuple[float, Signal]] = []
        self.area, self.tenant = AREA, "acme"
        self.usual = True
        """Whether the usual tickets of the area come as well."""

    def live(self, begin: float, end: float, **fields: Any) -> None:
        """Usual traffic that is taken in."""
        self.desk.feed(begin, end, seed=self.seed + 50, **fields)

    def say(self, signal: Signal, at: float) -> None:
        """Something that arrives *at*, within the hours around."""
        self.around.append((at, signal))

    def burst(self, begin: float, count: int, minutes: float = 12.0, **fields: Any) -> None:
        """Tickets of the area, each of a customer of its own, evenly."""
        for number in range(count):
            at = begin + 60.0 * minutes * (number + 0.5) / count
            self.say(self.desk.make(at, self.area, **fields), at)

    def page(self, since: float) -> PageRecord:
        """The page of the area that went out *since*."""
        for page in self.desk.tenant.pages:
            if page.key == AREA and page.at >= since:
                return page
        raise UnfitError

    def count(self) -> int:
        """Of tickets that page without doubt."""
        return self.rng.randrange(25, 60)

    def ask(self) -> WhyNot:
        """Take in what is left, and put the question."""
        tenant = self.desk.tenant
        begin = self.at - AROUND_SECONDS
        clock = tenant.clock or begin
        quiet = TenantFeed(SETTINGS, tenant)
        quiet.number, quiet.rng = self.desk.number, self.desk.rng
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
            for number, (at, signal) in enumerate(sorted(mixed, key=lambda one: one[0]))
        ]
        known = None if self.tenant != "acme" else tenant
        if known is None:
            log = []
        return SilenceInvestigation(known, log, SETTINGS, self.tenant, self.area, self.at).answer()

    def mode(self) -> str:
        """Of the usual tickets."""
        return "history" if self.desk.tenant.in_history else "live"


def too_few(story: Story) -> None:
    """Two or three tickets more: fewer than four customers."""
    story.burst(story.at - 600.0, story.rng.randrange(2, 4))


def nothing(story: Story) -> None:
    """No ticket of the area at all."""
    story.usual = False


def repeated(story: Story) -> None:
    """All of two customers."""
    for number in range(story.count()):
        at = story.at - 720.0 + 20.0 * number
        story.say(story.desk.make(at, AREA, customer=f"noisy {number % 2}"), at)


def duplicates(story: Story) -> None:
    """One ticket, again and again."""
    ticket = story.desk.make(story.at - 720.0, AREA)
    for number in range(story.count()):
        story.say(ticket, story.at - 720.0 + 20.0 * number)


def late(story: Story) -> None:
    """Created hours before they arrive."""
    for number in range(story.count()):
        at = story.at - 720.0 + 20.0 * number
        created = at - story.rng.uniform(2.0, 6.0) * HOUR
        story.say(story.desk.make(created, AREA), at)


def by_agents(story: Story) -> None:
    """Created by agents."""
    story.burst(story.at - 720.0, story.count(), created_by="agent")


def by_machines(story: Story) -> None:
    """Created by an import."""
    story.burst(story.at - 720.0, story.count(), created_by="import")


def merged(story: Story) -> None:
    """Each one is merged away within seconds."""
    for number in range(story.count()):
        at = story.at - 720.0 + 20.0 * number
        ticket = story.desk.make(at, AREA)
        story.say(ticket, at)
        gone = msgspec.structs.replace(ticket, event_type="merged", occurred_at=at + 5.0)
        story.say(gone, at + 5.0)


def retagged(story: Story) -> None:
    """Old tickets of another area are re-tagged into this one."""
    for number in range(story.count()):
        at = story.at - 720.0 + 20.0 * number
        ticket = story.desk.make(at - DAY, AREA, event_type="reclassified", occurred_at=at)
        story.say(ticket, at)


def newborn(story: Story) -> None:
    """An area that nobody has heard of before."""
    story.area = "brand new"
    story.burst(story.at - 1200.0, story.rng.randrange(8, 30))


def in_history(story: Story) -> None:
    """Sent as history."""
    story.desk.feed(NOW, story.at - 2.0 * HOUR, seed=story.seed + 50, mode="history")
    story.burst(story.at - 720.0, story.count(), mode="history")


def already_open(story: Story) -> None:
    """It paged two hours before, and goes on."""
    begin = story.at - 2.0 * HOUR
    story.live(NOW, begin)
    story.desk.burst(begin, 60, 0.9, AREA)
    story.burst(story.at - 3300.0, 60, 100.0)


def again(story: Story) -> None:
    """It came, went, and comes back within the cool-down."""
    begin = story.at - 5.0 * HOUR
    story.live(NOW, begin)
    story.desk.burst(begin, story.count(), 0.2, AREA)
    story.live(begin + 0.3 * HOUR, story.at - HOUR)
    story.burst(story.at - 720.0, 80)


def everywhere(story: Story) -> None:
    """The whole tenant is up, and has paged."""
    begin = story.at - 2.0 * HOUR
    story.live(NOW, begin)
    areas = {name: 12.0 * rate for name, rate in COMPANY.items()}
    story.desk.feed(begin, story.at - HOUR, areas, seed=story.seed + 9)
    for name in COMPANY:
        for number in range(40):
            at = story.at - HOUR + 90.0 * number
            story.say(story.desk.make(at, name), at)


def expected(story: Story) -> None:
    """Somebody called it an expected event until the evening."""
    begin = story.at - 6.0 * HOUR
    story.live(NOW, begin)
    story.desk.burst(begin, story.count(), 0.2, AREA)
    page = story.page(begin)
    until = story.at + 4.0 * HOUR
    verdict = Verdict("acme", page.episode_id, "expected_event", begin + 900.0, until)
    story.desk.take(verdict)
    story.live(begin + 0.3 * HOUR, story.at - HOUR)
    story.burst(story.at - 720.0, story.count())


def called_false(story: Story) -> None:
    """The same came a week before, and was called false."""
    begin = story.at - 720.0
    story.live(NOW, begin)
    story.desk.burst(begin, 35, 0.2, AREA, channel="batch")
    page = story.page(begin)
    story.desk.take(Verdict("acme", page.episode_id, "false_alarm", begin + 900.0))
    story.live(begin + 900.0, begin + WEEK - HOUR)
    story.at += WEEK
    story.burst(begin + WEEK, 33, channel="batch")


def unknown_area(story: Story) -> None:
    """No ticket ever named it."""
    story.area = "no such area"


def unknown_tenant(story: Story) -> None:
    """No ticket is of this tenant."""
    story.tenant = "nobody"


class Kind(NamedTuple):
    """One way to stay silent, and its true name."""

    tell: Callable[[Story], None]
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
    """The true cause of a near miss, and the answer."""
    kind = KINDS[number % len(KINDS)]
    for attempt in range(5):
        story = Story(number + 10_000 * attempt)
        try:
            kind.tell(story)
        except UnfitError:
            continue
        break
    return kind.because, story.ask()
