"""What is kept of the tickets inside an episode: enough to explain it, bounded.

Before an episode opens nobody knows which tickets will be inside. So each area keeps
`TicketSummary`s last few, and an episode begins its `EpisodeTickets` with those of its own window.
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
"""Notes go back as far as so many tickets are due: a spike is remembered longer than calm."""
NOTE_CHARACTERS: Final = 220
MOST_VALUES: Final = 160
MOST_PAIRS: Final = 96
MOST_CANDIDATES: Final = 24
"""Tickets whose text is kept: words are counted in them, examples chosen from them."""
TOGETHER: Final = "\x1e"
"""Between the keys of a pair."""
_PREFIXES: Final = tuple(f"{name}{SEPARATOR}" for name in DIMENSIONS)
_TIER: Final = DIMENSIONS.index("tier")
_REGION: Final = DIMENSIONS.index("region")


class TicketSummary(msgspec.Struct, array_like=True, gc=False):
    r"""One ticket, as far as an explanation needs it.

    Example:
        >>> TicketSummary(7, "T-7", 60.0, 1.0, (None, "eu")).keys
        ('region\x1feu',)
    """

    ticket_hash: int
    ticket_id: str
    at: float
    weight: float
    values: tuple[str | None, ...]
    """Of `DIMENSIONS`, in that order."""
    customer: str | None = None
    revenue: float | None = None
    renewal_at: float | None = None
    text: str = ""
    url: str | None = None
    guessed: bool = False
    """Whether its area was told by its words."""

    @property
    def keys(self) -> tuple[str, ...]:
        """``dimension + 31 + value``, of all dimensions it has."""
        named = zip(_PREFIXES, self.values, strict=False)
        return tuple(prefix + value for prefix, value in named if value)

    @property
    def tier(self) -> str | None:
        """Of the customer."""
        return self.values[_TIER] if len(self.values) > _TIER else None

    @property
    def region(self) -> str | None:
        """Of the customer."""
        return self.values[_REGION] if len(self.values) > _REGION else None


def horizon(at: float, rate: float) -> float:
    """How far the notes of an area with *rate* tickets an hour go back, *at* (seconds)."""
    return at - NOTED_TICKETS / max(rate, 1e-6) * 3600.0


def remember(notes: list[TicketSummary], note: TicketSummary, rate: float) -> list[TicketSummary]:
    """Add *note* to the *notes* of an area with *rate* tickets an hour.

    Returns:
        Those that are too old to be kept.
    """
    forgotten = []
    note = _short(note)
    since = horizon(note.at, rate)
    notes.append(note)
    while len(notes) > MOST_NOTES or (len(notes) > LEAST_NOTES and notes[0].at < since):
        forgotten.append(notes.pop(0))
    return forgotten


class EpisodeTickets(msgspec.Struct, array_like=True):
    r"""All that is known of what came inside one episode.

    Example:
        >>> dossier = EpisodeTickets(since=0.0)
        >>> ticket = TicketSummary(7, "T-7", 60.0, 1.0, (None, "eu"), "acme", text="sso error")
        >>> dossier.add(ticket, 90)
        >>> dossier.values, dossier.terms()["sso"], dossier.affected.customers
        ({'region\x1feu': 1.0}, 1, 1)
    """

    since: float
    """What came before, seconds since 1970, is not in it."""
    accounted: float = 0.0
    """Up to when `expected` is counted."""
    expected: float = 0.0
    """Customer-equivalents that were expected since then."""
    observed: float = 0.0
    tickets: int = 0
    values: dict[str, float] = {}
    """Customer-equivalents by key."""
    pairs: dict[str, float] = {}
    affected: AffectedCustomers = msgspec.field(default_factory=AffectedCustomers)
    candidates: list[TicketSummary] = []
    """Of the tickets with text, those with the smallest marks: a fair sample."""

    def expect_until(self, until: float, rate: float, *, calm: bool = False) -> None:
        """Up to *until*, *rate* an hour were due; what is *calm* again explains nothing."""
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
        """One more ticket of the area.

        *inside*: of the slice as well, where a slice paged; *calm*: it came when the area was calm
        again; *also*: keys it has beside those of its dimensions.

        What explains it is told by all tickets of the area; who is hit and what they say, by those
        inside.
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
                last = max(self.candidates, key=lambda one: (one.ticket_hash, one.ticket_id))
                self.candidates.remove(last)

    def terms(self) -> dict[str, int]:
        """In how many of the `candidates` each word stands."""
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
        """A ticket that counted *at* was taken back: it counts no more, and is no example."""
        if at < self.since:
            return
        self.tickets = max(0, self.tickets - inside)
        self.observed = max(0.0, self.observed - note.weight)
        keys = (*also, *note.keys)
        for counts, names in ((self.values, keys), (self.pairs, _pairs(keys))):
            for name in names:
                if name in counts:
                    counts[name] = max(0.0, counts[name] - note.weight)
        self.candidates = [one for one in self.candidates if one.ticket_hash != note.ticket_hash]


def _pairs(keys: tuple[str, ...]) -> list[str]:
    return [TOGETHER.join(pair) for pair in combinations(keys, 2)]


def _short(note: TicketSummary) -> TicketSummary:
    if len(note.text) <= NOTE_CHARACTERS:
        return note
    return msgspec.structs.replace(note, text=note.text[:NOTE_CHARACTERS])


def _count(counts: dict[str, float], key: str, weight: float, most: int) -> None:
    if key not in counts and len(counts) >= most:
        for rare in sorted(counts, key=lambda name: (counts[name], name))[: most // 2]:
            del counts[rare]
    counts[key] = counts.get(key, 0.0) + weight
