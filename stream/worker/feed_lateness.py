"""Feeds that hand over their tickets too late for them to page.

A live ticket that is further behind its tenant's clock than ``lateness_seconds`` never pages. The
clock is at least the time of the last tick, which a running ticker keeps `lateness_seconds` behind
the present. If most tickets of a tenant are that late, the tenant cannot page at all. Tickets that
wait while no worker runs are late as well, because ticks do not wait for them.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

from detectors.foundation.calendar import resolution
from detectors.foundation.units import SECONDS_PER_DAY, SECONDS_PER_HOUR
from schemas.signals import Ticket

WINDOW_SECONDS: Final = SECONDS_PER_HOUR
LEAST_TICKETS: Final = 20
"""Fewest live tickets within the window from which a feed is judged."""
LATE_SHARE: Final = 0.5
"""Share of late tickets from which a feed is reported."""
ADMITTED_SHARE: Final = 0.95
"""Share of the tickets that the recommended lateness would admit."""
LONGEST_LATENESS_SECONDS: Final = 3_600
"""The maximum of ``[time] lateness_seconds``."""
MOST_TICKETS: Final = 1_000
"""Most tickets that are remembered for a tenant."""
MOST_TENANTS: Final = 1_000
"""Most tenants that are remembered, those with the latest tickets."""


@dataclass(frozen=True)
class LateFeed:
    """A tenant most of whose recent live tickets arrived too late to page."""

    tenant: str
    tickets: int
    """Live tickets of the last hour."""
    late: int
    needed_seconds: int
    """Value of ``lateness_seconds`` that would admit 95 % of these tickets."""

    def __str__(self) -> str:
        """Return the message for the operator."""
        problem = (
            f"tenant {self.tenant!r} can hardly page: {self.late} of its {self.tickets} live "
            "tickets of the last hour arrived too late, or waited for a worker that was down. "
        )
        if self.needed_seconds > LONGEST_LATENESS_SECONDS:
            return problem + (
                f"[time] lateness_seconds, at most {LONGEST_LATENESS_SECONDS}, cannot admit 95 % "
                "of them: make the feed faster"
            )
        return problem + (
            f"[time] lateness_seconds = {self.needed_seconds} would admit 95 % of them; or make "
            "the feed faster"
        )


class _Feed:
    def __init__(self) -> None:
        self.newest = 0.0
        self.arrivals: deque[tuple[float, float, bool]] = deque(maxlen=MOST_TICKETS)
        """Time of arrival, delay in seconds, and whether the ticket was late."""


class FeedLateness:
    """Delays of the live tickets of each tenant over the last hour.

    Example:
        >>> feeds = FeedLateness(60.0, "UTC")
        >>> for number in range(40):
        ...     at = 1_772_440_000.0 + 10.0 * number
        ...     feeds.observe(Ticket("acme", f"{number}", at, "login"), at + 150.0)
        >>> feeds.late_feeds(1_772_440_600.0)
        [LateFeed(tenant='acme', tickets=40, late=40, needed_seconds=150)]
    """

    def __init__(self, lateness_seconds: float, timezone: str) -> None:
        """Start without tickets.

        Args:
            lateness_seconds: How far a ticket may be behind its tenant's clock.
            timezone: IANA time zone in which a timestamp at midnight has only a date.
        """
        self._lateness = lateness_seconds
        self._timezone = timezone
        self._feeds: dict[str, _Feed] = {}

    def observe(self, ticket: Ticket, received_at: float) -> None:
        """Note a ticket that the broker received at a time in seconds since 1970."""
        at = min(ticket.created_at, received_at)
        if (
            ticket.mode != "live"
            or ticket.event_type != "created"
            or resolution(at, self._timezone) == SECONDS_PER_DAY
        ):
            return
        feed = self._feeds.pop(ticket.tenant, None) or _Feed()
        self._feeds[ticket.tenant] = feed  # at the end, because the order is by the last ticket
        if len(self._feeds) > MOST_TENANTS:
            del self._feeds[next(iter(self._feeds))]
        clock = max(feed.newest, received_at - self._lateness)
        feed.arrivals.append((received_at, received_at - at, clock - at > self._lateness))
        feed.newest = max(feed.newest, at)

    def late_feeds(self, now: float) -> list[LateFeed]:
        """Return the tenants most of whose tickets were late in the hour before a time."""
        found = []
        for tenant, feed in sorted(self._feeds.items()):
            while feed.arrivals and feed.arrivals[0][0] < now - WINDOW_SECONDS:
                feed.arrivals.popleft()
            tickets = len(feed.arrivals)
            late = sum(is_late for _, _, is_late in feed.arrivals)
            if tickets >= LEAST_TICKETS and late >= LATE_SHARE * tickets:
                delays = sorted(delay for _, delay, _ in feed.arrivals)
                needed = delays[math.ceil(ADMITTED_SHARE * tickets) - 1]
                found.append(LateFeed(tenant, tickets, late, math.ceil(needed)))
        return found
