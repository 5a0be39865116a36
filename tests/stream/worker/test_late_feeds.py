"""A feed whose tickets arrive too late to page is reported."""

import json
import time
from datetime import UTC, datetime

import pytest

from detectors.policy.settings import Settings
from detectors.step.partition import Partition
from schemas.signals import Mode, Tick, Ticket
from stream.worker.feed_lateness import LEAST_TICKETS, FeedLateness, LateFeed
from tests.support.kafka_rig import Rig, wait_for

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()


def feed(
    delay: float, count: int = 40, mode: Mode = "live", tenant: str = "acme"
) -> list[tuple[Ticket, float]]:
    """Return tickets of one half hour, each with the time at which the broker received it."""
    tickets = []
    for number in range(count):
        at = NOON + 0.5 + 45.0 * number
        ticket = Ticket(tenant, str(number), at, "login", customer=f"c{number}", mode=mode)
        tickets.append((ticket, at + delay))
    return tickets


def late_feeds(*feeds: list[tuple[Ticket, float]], lateness: float = 60.0) -> list[LateFeed]:
    """Return the late feeds an hour after noon at most."""
    watched = FeedLateness(lateness, "UTC")
    for ticket, received_at in sorted((t for f in feeds for t in f), key=lambda t: t[1]):
        watched.observe(ticket, received_at)
    return watched.late_feeds(NOON + 3_000.0)


def outcomes(lateness: float) -> list[str]:
    """Return the outcomes of a feed that is 150 seconds late, in a live tenant with a ticker."""
    partition = Partition(0, 1, Settings(lateness_seconds=lateness))
    partition.take(Ticket("acme", "first", NOON - 600.0, "login"), NOON - 600.0)
    found: list[str] = []
    for ticket, received_at in feed(150.0):
        partition.take(Tick(received_at - lateness), received_at)
        found.append(partition.take(ticket, received_at).outcome)
    return found


def test_the_reported_lateness_makes_the_tickets_count() -> None:
    """The step counts none of the late tickets, and all of them with the recommended lateness."""
    (late,) = late_feeds(feed(150.0))
    assert late == LateFeed("acme", 40, 40, 150)
    assert set(outcomes(60.0)) == {"late"}
    assert set(outcomes(late.needed_seconds)) == {"counted"}
    assert late_feeds(feed(150.0), lateness=late.needed_seconds) == []


@pytest.mark.parametrize(
    "tickets",
    [
        feed(30.0),
        feed(110.0),  # the ticker keeps the clock a minute behind, so these count as well
        feed(150.0, count=LEAST_TICKETS - 1),
        feed(9_000.0, mode="history"),
        feed(9_000.0, mode="simulated"),
    ],
)
def test_feeds_in_time_and_history_are_not_reported(tickets: list[tuple[Ticket, float]]) -> None:
    """Nor is a feed with too few tickets to judge."""
    assert late_feeds(tickets) == []


def test_only_the_late_tenant_is_reported() -> None:
    """Another tenant in the same topic does not hide it, and dates without a time do not count."""
    dates = [
        (Ticket("dates", str(number), NOON - 43_200.0, "login"), NOON + number)
        for number in range(40)
    ]
    reported = late_feeds(feed(150.0), feed(1.0, tenant="quick"), dates)
    assert [late.tenant for late in reported] == ["acme"]


def test_a_feed_that_no_lateness_can_admit_is_told_so() -> None:
    """The configuration allows an hour at most."""
    assert "make the feed faster" in str(LateFeed("acme", 40, 40, 7_000))
    assert "lateness_seconds = 7000" not in str(LateFeed("acme", 40, 40, 7_000))


@pytest.mark.kafka
def test_status_and_the_worker_report_a_late_feed(rig: Rig) -> None:
    """Live tickets that are handed over three minutes late are reported with what they need."""
    rig.create_topics()
    worker = rig.start("worker")
    rig.start("ticker")
    now = time.time()
    tickets = [
        {
            "ticket_id": str(number),
            "created_at": datetime.fromtimestamp(now - 180.0 - 0.01 * number, UTC).isoformat(),
            "product_area": "login",
            "customer": f"c{number}",
        }
        for number in range(40)
    ]
    wait_for(lambda: "assigned" in worker.text(), 30, "the assignment", rig)
    rig.put(rig.topics.tickets, [(json.dumps(ticket).encode(), []) for ticket in tickets])
    said = "tenant 'default' can hardly page: 40 of its 40 live tickets"
    wait_for(lambda: said in worker.text(), 30, "the warning", rig)
    status = rig.run("status")
    assert said in " ".join(status.stdout.split()), status.stderr
    (reported,) = json.loads(rig.run("status", "--json").stdout)["late_feeds"]
    assert 180 <= reported["needed_seconds"] <= 200
