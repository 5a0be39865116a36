"""Measure how well a taxonomy fits the tickets: which areas are used, which tie, what is missing.

Memory is bounded whatever the tickets contain. Names and terms come from untrusted tickets, so the
rarer half of them is dropped when there are too many; the count of a rare name is therefore a lower
bound.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import combinations
from typing import Final, Generic, TypeVar

import msgspec

from detectors.foundation.tokens import terms, tokens
from detectors.policy.taxonomy import WORD, Taxonomy, check_overlap
from schemas.signals import UNCLASSIFIED

MOST_COUNTED: Final = 50_000
MOST_NAMES: Final = 10
MOST_TERMS: Final = 20
MOST_TIED: Final = 6
"""The most areas tied in one ticket for which pairs are counted."""
MOST_WORDS: Final = 4
"""The most keywords that are listed for a pair."""

T = TypeVar("T", bound=Hashable)


class Overlap(msgspec.Struct, frozen=True):
    """Two areas that share keywords."""

    one: str
    other: str
    keywords: tuple[str, ...]


class Size(msgspec.Struct, frozen=True):
    """The size of a taxonomy."""

    products: int
    areas: int
    aliases: int
    issue_types: int
    keywords: int
    """Includes the keywords of issue types."""


class Frequent(msgspec.Struct, frozen=True):
    """A name or a term, and the number of tickets that contain it."""

    name: str
    tickets: int


class Tie(msgspec.Struct, frozen=True):
    """Two areas that shared the highest score in some tickets."""

    one: str
    other: str
    tickets: int
    keywords: tuple[str, ...]
    """Some of the keywords that occurred in those tickets."""


class Fit(msgspec.Struct, frozen=True):
    """How well the rules find one area, measured on tickets that have text and name an area."""

    area: str
    named: int
    """Tickets that name the area."""
    placed: int
    """Tickets that the rules classify into the area."""
    right: int
    """Tickets that name the area and that the rules classify into it."""
    precision: float | None
    """`right` / `placed`; None if `placed` is 0."""
    recall: float | None
    """`right` / `named`; None if `named` is 0."""


class OnTickets(msgspec.Struct, frozen=True, kw_only=True):
    """What a set of tickets shows about the taxonomy."""

    tickets: int
    """New tickets; other events are not counted."""
    left_out: int
    known: int
    """Tickets that name an area of the taxonomy."""
    alias: int
    """Tickets that name an alias of an area."""
    unknown: int
    """Tickets that name something that is neither an area nor an alias."""
    unknown_names: tuple[Frequent, ...]
    by_rules: int
    """Tickets without an area that the rules classify."""
    ambiguous: int
    """Tickets without an area in which several areas share the highest score."""
    unplaced: int
    """Tickets without an area and without any keyword."""
    missing_terms: tuple[Frequent, ...]
    """Frequent terms of the ambiguous and unplaced tickets."""
    never: tuple[str, ...]
    """Areas that no ticket names and into which the rules classify no ticket."""
    ties: tuple[Tie, ...]
    """The most frequent pair first."""
    agree: int
    """Tickets with text that name an area of the taxonomy, and for which the rules choose the same
    area."""
    differ: int
    """Tickets with text that name an area of the taxonomy, and for which the rules choose another
    area."""
    undecided: int
    """Tickets with text that name an area of the taxonomy, and for which the rules choose no
    area."""
    fits: tuple[Fit, ...]
    """The worst area first, by the harmonic mean of precision and recall."""


class Findings(msgspec.Struct, frozen=True):
    """The findings about a taxonomy."""

    size: Size
    overlaps: tuple[Overlap, ...]
    on_tickets: OnTickets | None = None


class Tally(Generic[T]):
    """Count the most frequent items in bounded memory.

    Example:
        >>> tally: Tally[str] = Tally(most=3)
        >>> tally.add(["a", "b", "a", "c", "d"])
        >>> tally.top(2), len(tally)
        ([('a', 2)], 1)
    """

    def __init__(self, most: int = MOST_COUNTED) -> None:
        """Start an empty tally.

        Args:
            most: The most distinct items that are counted at a time.
        """
        self._counts: Counter[T] = Counter()
        self._most = most

    def __len__(self) -> int:
        """Return how many distinct items are counted now."""
        return len(self._counts)

    def add(self, items: Iterable[T]) -> None:
        """Count each item once."""
        self._counts.update(items)
        if len(self._counts) > self._most:
            self._counts = Counter(dict(self._counts.most_common(self._most // 2)))

    def top(self, count: int) -> list[tuple[T, int]]:
        """Return the most frequent items; equally frequent items are in alphabetical order."""
        ranked = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        return ranked[:count]


class Points:
    """The score of each area for a text, computed as in `Taxonomy.place`.

    Example:
        >>> from detectors.policy.taxonomy import AreaEntry
        >>> login = AreaEntry(name="login", keywords=("password", "log in"))
        >>> api = AreaEntry(name="api", keywords=("token",))
        >>> points = Points(Taxonomy(areas=(login, api)))
        >>> points.of(["cannot", "log-in", "with", "my", "token"])
        {'login': ['log in'], 'api': ['token']}
        >>> points.leaders(["password", "or", "token?"])
        {'login': ['password'], 'api': ['token']}
    """

    def __init__(self, taxonomy: Taxonomy) -> None:
        """Index the keywords of a taxonomy."""
        claims: dict[tuple[str, ...], dict[str, None]] = {}
        for area in taxonomy.areas:
            for keyword in area.all_keywords:
                if words := tuple(WORD.findall(keyword)):
                    claims.setdefault(words, {})[area.name] = None
        self._starts: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
        for words, areas in claims.items():
            self._starts.setdefault(words[0], []).append((words, tuple(areas)))

    def of(self, terms: Sequence[str]) -> dict[str, list[str]]:
        """Return each area that has a keyword in a text, with those keywords."""
        words = [word for term in terms for word in WORD.findall(term)]
        matches = {
            phrase: areas
            for at, word in enumerate(words)
            for phrase, areas in self._starts.get(word, ())
            if tuple(words[at : at + len(phrase)]) == phrase
        }
        keywords: dict[str, list[str]] = {}
        for phrase, areas in matches.items():
            for area in areas:
                keywords.setdefault(area, []).append(" ".join(phrase))
        return keywords

    def leaders(self, terms: Sequence[str]) -> dict[str, list[str]]:
        """Return the areas with the highest score, with their keywords: one, several, or none."""
        keywords = self.of(terms)
        points = {area: sum(len(k.split()) for k in words) for area, words in keywords.items()}
        most = max(points.values(), default=0)
        return {area: words for area, words in keywords.items() if points[area] == most}


class Check:
    """Compare a taxonomy with tickets, one ticket at a time.

    Example:
        >>> from detectors.policy.taxonomy import AreaEntry
        >>> login = AreaEntry(name="login", aliases=("sso",), keywords=("password",))
        >>> check = Check(Taxonomy(areas=(login, AreaEntry(name="api", keywords=("token",)))))
        >>> check.add("sso", "i forgot my password")
        >>> check.add("unclassified", "my password or my token?")
        >>> found = check.findings().on_tickets
        >>> found.alias, found.ambiguous, found.never, found.agree
        (1, 1, ('api',), 1)
    """

    def __init__(self, taxonomy: Taxonomy) -> None:
        """Start the check of a taxonomy without tickets."""
        self._taxonomy = taxonomy
        self._points = Points(taxonomy)
        self._names = frozenset(area.name for area in taxonomy.areas)
        self._counts: Counter[str] = Counter()
        self._unknown: Tally[str] = Tally()
        self._terms: Tally[str] = Tally()
        self._ties: Tally[tuple[str, str]] = Tally()
        self._tied_words: dict[tuple[str, str], dict[str, None]] = {}
        self._fired: set[str] = set()
        self._named: Counter[str] = Counter()
        self._placed: Counter[str] = Counter()
        self._right: Counter[str] = Counter()

    def leave_out(self) -> None:
        """Count an event that is not a new ticket."""
        self._counts["left_out"] += 1

    def add(self, area: str, text: str | None) -> None:
        """Add a new ticket.

        Args:
            area: The folded area name on the ticket; `UNCLASSIFIED` if it names none.
            text: Subject and body; None: no text.
        """
        self._counts["tickets"] += 1
        leaders = self._points.leaders(tokens(text)) if text else {}
        if len(leaders) > 1:
            self._tie(leaders)
        placed = next(iter(leaders)) if len(leaders) == 1 else None
        if area == UNCLASSIFIED:
            self._place(placed, leaders, text or "")
        elif self._taxonomy.knows(area):
            canonical = self._taxonomy.canonical(area)
            self._counts["known" if area in self._names else "alias"] += 1
            self._fired.add(canonical)
            if text:
                self._compare(canonical, placed)
        else:
            self._counts["unknown"] += 1
            self._unknown.add([area])

    def findings(self) -> Findings:
        """Return all findings, including those from the tickets added so far."""
        counts, taxonomy = self._counts, self._taxonomy
        areas = [area.name for area in taxonomy.areas]
        fits = [self._fit(area) for area in areas if self._named[area] or self._placed[area]]
        agree = sum(self._right.values())
        differ = sum(self._placed.values()) - agree
        on_tickets = OnTickets(
            tickets=counts["tickets"],
            left_out=counts["left_out"],
            known=counts["known"],
            alias=counts["alias"],
            unknown=counts["unknown"],
            unknown_names=_frequent(self._unknown, MOST_NAMES),
            by_rules=counts["by_rules"],
            ambiguous=counts["ambiguous"],
            unplaced=counts["unplaced"],
            missing_terms=_frequent(self._terms, MOST_TERMS),
            never=tuple(area for area in areas if area not in self._fired),
            ties=tuple(
                Tie(*pair, count, tuple(self._tied_words.get(pair, ())))
                for pair, count in self._ties.top(MOST_TERMS)
            ),
            agree=agree,
            differ=differ,
            undecided=sum(self._named.values()) - agree - differ,
            fits=tuple(sorted(fits, key=_goodness)),
        )
        return msgspec.structs.replace(findings(taxonomy), on_tickets=on_tickets)

    def _place(self, placed: str | None, leaders: dict[str, list[str]], text: str) -> None:
        if placed is not None:
            self._counts["by_rules"] += 1
            self._fired.add(placed)
            return
        self._counts["ambiguous" if leaders else "unplaced"] += 1
        self._terms.add(terms(text))

    def _compare(self, named: str, placed: str | None) -> None:
        self._named[named] += 1
        if placed is not None:
            self._placed[placed] += 1
            self._right[named] += named == placed

    def _tie(self, leaders: dict[str, list[str]]) -> None:
        names = sorted(leaders)[:MOST_TIED]
        pairs = list(combinations(names, 2))
        self._ties.add(pairs)
        for pair in pairs:
            words = self._tied_words.setdefault(pair, {})
            for word in (*leaders[pair[0]], *leaders[pair[1]]):
                if len(words) < MOST_WORDS:
                    words[word] = None
        if len(self._tied_words) > 2 * MOST_COUNTED:
            kept = dict(self._ties.top(MOST_COUNTED))
            self._tied_words = {pair: w for pair, w in self._tied_words.items() if pair in kept}

    def _fit(self, area: str) -> Fit:
        named, placed, right = self._named[area], self._placed[area], self._right[area]
        return Fit(
            area=area,
            named=named,
            placed=placed,
            right=right,
            precision=round(right / placed, 4) if placed else None,
            recall=round(right / named, 4) if named else None,
        )


def findings(taxonomy: Taxonomy) -> Findings:
    """Return the findings that do not depend on tickets.

    Example:
        >>> from detectors.policy.taxonomy import AreaEntry
        >>> cart = AreaEntry(name="cart", product="shop", keywords=("order", "Order"))
        >>> found = findings(Taxonomy(areas=(cart, AreaEntry(name="bills", keywords=("order",)))))
        >>> found.size.products, found.size.areas, found.size.keywords, found.overlaps[0].keywords
        (1, 2, 3, ('order',))
    """
    size = Size(
        products=len(taxonomy.products),
        areas=len(taxonomy.areas),
        aliases=sum(len(area.aliases) for area in taxonomy.areas),
        issue_types=sum(len(area.issue_types) for area in taxonomy.areas),
        keywords=sum(len(area.all_keywords) for area in taxonomy.areas),
    )
    return Findings(size, tuple(Overlap(*found) for found in check_overlap(taxonomy)))


def _frequent(tally: Tally[str], count: int) -> tuple[Frequent, ...]:
    return tuple(Frequent(name, tickets) for name, tickets in tally.top(count))


def _goodness(fit: Fit) -> tuple[float, int, str]:
    """Return a sort key: the harmonic mean of precision and recall, then tickets, descending."""
    return 2.0 * fit.right / (fit.named + fit.placed), -fit.named - fit.placed, fit.area
