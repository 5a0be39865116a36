"""The collected tickets of an episode, in bounded memory, as its explanation needs them.

Before an episode opens, it is unknown which tickets belong to it. Each area therefore remembers
summaries of its recent tickets, and an episode starts with the summaries in its opening window.
"""

from collections import Counter
from itertools import combinations
from typing import Final

import msgspec

from detectors.foundation.dimensions import DIMENSIONS, SEPARATOR
from detectors.foundation.tokens import terms
from detectors.memory.affected_customers import AffectedCustomers

MOST_NOTES: Final = 10
LEAST_NOTES: Final = 3
NOTED_TICKETS: Final = 3.0
"""Summaries cover the time in which this many customer-equivalents are expected."""
NOTE_CHARACTERS: Final = 220
MOST_VALUES: Final = 160
MOST_PAIRS: Final = 96
MOST_CANDIDATES: Final = 24
"""The most tickets whose text is kept, for distinctive terms and for examples."""
TOGETHER: Final = "\x1e"
"""Separates the two keys of a pair."""
_PREFIXES: Final = tuple(f"{name}{SEPARATOR}" for name in DIMENSIONS)
_TIER: Final = DIMENSIONS.index("tier")
_REGION: Final = DIMENSIONS.index("region")


class TicketSummary(msgspec.Struct, array_like=True, gc=False):
    r"""The attributes of one ticket that an explanation needs.

    Example:
        >>> TicketSummary(7, "T-7", 60.0, 1.0, (None, "eu")).keys
        ('region\x1feu',)
    """

    ticket_hash: int
    ticket_id: str
    at: float
    weight: float
    values: tuple[str | None, ...]
    """The values of `DIMENSIONS`, in that order."""
    customer: str | None = None
    revenue: float | None = None
    renewal_at: float | None = None
    text: str = ""
    url: str | None = None
    guessed: bool = False
    """Whether its area was predicted from its words."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the values that the ticket has (`DimensionValue.key`)."""
        named = zip(_PREFIXES, self.values, strict=False)
        return tuple(prefix + value for prefix, value in named if value)

    @property
    def tier(self) -> str | None:
        """The tier of the ticket's customer."""
        return self.values[_TIER] if len(self.values) > _TIER else None

    @property
    def region(self) -> str | None:
        """The region of the ticket's customer."""
        return self.values[_REGION] if len(self.values) > _REGION else None


def horizon(at: float, rate: float) -> float:
    """Return the time before which summaries of tickets are forgotten, in seconds since 1970.

    Args:
        at: Now, seconds since 1970.
        rate: Expected customer-equivalents per hour of the area.
    """
    return at - NOTED_TICKETS / max(rate, 1e-6) * 3600.0


def remember(notes: list[TicketSummary], note: TicketSummary, rate: float) -> list[TicketSummary]:
    """Add the summary of a ticket to the summaries of its area.

    Args:
        notes: The summaries of the area, the oldest first; changed in place.
        note: The summary to add.
        rate: Expected customer-equivalents per hour of the area.

    Returns:
        The summaries that were removed because they are too old or too many.
    """
    forgotten = []
    note = _with_short_text(note)
    since = horizon(note.at, rate)
    notes.append(note)
    while len(notes) > MOST_NOTES or (len(notes) > LEAST_NOTES and notes[0].at < since):
        forgotten.append(notes.pop(0))
    return forgotten


class EpisodeTickets(msgspec.Struct, array_like=True):
    r"""Counts, affected customers and sample tickets of one episode.

    Example:
        >>> collected = EpisodeTickets(since=0.0)
        >>> ticket = TicketSummary(7, "T-7", 60.0, 1.0, (None, "eu"), "acme", text="sso error")
        >>> collected.add(ticket, 90)
        >>> collected.values, collected.terms()["sso"], collected.affected.customers
        ({'region\x1feu': 1.0}, 1, 1)
    """

    since: float
    """Tickets created before this time, in seconds since 1970, are not included."""
    accounted: float = 0.0
    """The time up to which `expected` is computed, seconds since 1970."""
    expected: float = 0.0
    """Customer-equivalents expected from `since` to `accounted`."""
    observed: float = 0.0
    tickets: int = 0
    values: dict[str, float] = {}
    """Observed customer-equivalents by key."""
    pairs: dict[str, float] = {}
    affected: AffectedCustomers = msgspec.field(default_factory=AffectedCustomers)
    candidates: list[TicketSummary] = []
    """The tickets with text that have the smallest hashes: a uniform sample."""

    def expect_until(self, until: float, rate: float, *, calm: bool = False) -> None:
        """Add the expected count up to a time.

        Args:
            until: Seconds since 1970.
            rate: Expected customer-equivalents per hour.
            calm: Whether the episode is calm again; then the expected count stays the same.
        """
        if until > self.accounted:
            if not calm:
                self.expected += rate * (until - self.accounted) / 3600.0
            self.accounted = until

    def add(
        self,
        note: TicketSummary,
        renewal_days: int,
        *,
        inside: bool = True,
        calm: bool = False,
        also: tuple[str, ...] = (),
    ) -> None:
        """Add a ticket of the area.

        All tickets count for the drivers; only tickets inside the episode count as affected.

        Args:
            note: The summary of the ticket.
            renewal_days: A contract that ends within this many days ends soon.
            inside: Whether the ticket belongs to the episode; if a slice paged, to that slice.
            calm: Whether the episode was calm again when the ticket arrived.
            also: Additional keys of the ticket.
        """
        if not calm:
            self._count_values(note, also)
        if not inside:
            return
        self.tickets += 1
        self.affected.add(
            note.customer,
            tier=note.tier,
            region=note.region,
            revenue=note.revenue,
            renewal_at=note.renewal_at,
            at=note.at,
            renewal_seconds=renewal_days * 86_400.0,
        )
        if note.text and note.weight > 0.0 and not calm:
            self.candidates.append(note)
            if len(self.candidates) > MOST_CANDIDATES:
                last = max(
                    self.candidates, key=lambda ticket: (ticket.ticket_hash, ticket.ticket_id)
                )
                self.candidates.remove(last)

    def terms(self) -> dict[str, int]:
        """Return the number of `candidates` that contain each term."""
        return Counter(term for note in self.candidates for term in terms(note.text))

    def _count_values(self, note: TicketSummary, also: tuple[str, ...]) -> None:
        weight = note.weight
        self.observed += weight
        keys = (*also, *note.keys)
        for key in keys:
            _count(self.values, key, weight, MOST_VALUES)
        for pair in _pairs(keys):
            _count(self.pairs, pair, weight, MOST_PAIRS)

    def withdraw(
        self, note: TicketSummary, at: float, *, inside: bool = True, also: tuple[str, ...] = ()
    ) -> None:
        """Remove a counted ticket from the counts and from the candidates.

        Args:
            note: The summary of the ticket.
            at: When the ticket was created, seconds since 1970.
            inside: Whether the ticket belongs to the episode; if a slice paged, to that slice.
            also: Additional keys of the ticket.
        """
        if at < self.since:
            return
        self.tickets = max(0, self.tickets - inside)
        self.observed = max(0.0, self.observed - note.weight)
        keys = (*also, *note.keys)
        for counts, names in ((self.values, keys), (self.pairs, _pairs(keys))):
            for name in names:
                if name in counts:
                    counts[name] = max(0.0, counts[name] - note.weight)
        self.candidates = [t for t in self.candidates if t.ticket_hash != note.ticket_hash]


def _pairs(keys: tuple[str, ...]) -> list[str]:
    return [TOGETHER.join(pair) for pair in combinations(keys, 2)]


def _with_short_text(note: TicketSummary) -> TicketSummary:
    if len(note.text) <= NOTE_CHARACTERS:
        return note
    return msgspec.structs.replace(note, text=note.text[:NOTE_CHARACTERS])


def _count(counts: dict[str, float], key: str, weight: float, most: int) -> None:
    if key not in counts and len(counts) >= most:
        for rare in sorted(counts, key=lambda name: (counts[name], name))[: most // 2]:
            del counts[rare]
    counts[key] = counts.get(key, 0.0) + weight
