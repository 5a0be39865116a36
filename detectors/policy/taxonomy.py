"""Product areas as their owner names them: products, aliases, and the words that point to an area.

Pure. Who reads the file is `stream.config.policy_files.taxonomy`; all names that arrive here are
folded as `schemas.codec.area_name` folds them, keywords are case-folded with single spaces.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations
from typing import Final, NamedTuple

import msgspec

WORD: Final = re.compile(r"[^\W_]+")
"""What a word of a keyword or of a text is: letters and digits; "sign-on" is two words."""


class IssueType(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """A kind of trouble within an area, and the words that point to it."""

    name: str
    keywords: tuple[str, ...] = ()


class AreaEntry(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """One product area."""

    name: str
    product: str = ""
    """What it is a part of; empty: of none."""
    aliases: tuple[str, ...] = ()
    """What tickets call it besides."""
    keywords: tuple[str, ...] = ()
    issue_types: tuple[IssueType, ...] = ()

    @property
    def all_keywords(self) -> tuple[str, ...]:
        """Its keywords and those of its issue types, which point to it too."""
        return self.keywords + tuple(word for one in self.issue_types for word in one.keywords)


class Taxonomy(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """All areas; none: every name is taken as it comes.

    Example:
        >>> sso = IssueType(name="sso error", keywords=("saml",))
        >>> login = AreaEntry(
        ...     name="login", product="platform", aliases=("sign-in",), keywords=("log in",),
        ...     issue_types=(sso,),
        ... )
        >>> taxonomy = Taxonomy(areas=(login, AreaEntry(name="billing", keywords=("invoice",))))
        >>> taxonomy.canonical("sign-in"), taxonomy.canonical("search")
        ('login', 'search')
        >>> taxonomy.place("i cannot log in since the saml change".split())
        ('login', 'sso error')
    """

    areas: tuple[AreaEntry, ...] = ()

    def canonical(self, area: str) -> str:
        """The area that an alias stands for; any other name as it is."""
        return _index(self).names.get(area, area)

    def knows(self, area: str) -> bool:
        """Whether it is an area or an alias of one."""
        return area in _index(self).names

    def product_of(self, area: str) -> str | None:
        """The product of an area (or of an alias of it); None if it has none or is unknown."""
        return _index(self).product_by_area.get(self.canonical(area))

    @property
    def products(self) -> dict[str, tuple[str, ...]]:
        """The areas of each product, both in the order of the file."""
        return dict(_index(self).areas_by_product)

    def place(self, terms: Sequence[str]) -> tuple[str, str | None] | None:
        """The area that a text is about, by its keywords, and the issue type if one stands out.

        A keyword counts as many points as it has words, once, however often it occurs; one of an
        issue type counts for its area as well. The area with most points wins.

        Args:
            terms: The text's words in their order, case-folded, none left out; how they were cut
                does not matter, they are cut again at everything but letters and digits.

        Returns:
            Area and issue type; None if no keyword occurs, or two areas have equally many points.

        Example:
            >>> login = AreaEntry(name="login", keywords=("password", "log in"))
            >>> taxonomy = Taxonomy(areas=(login, AreaEntry(name="api", keywords=("token",))))
            >>> taxonomy.place(["cannot", "log-in", "with", "my", "token"])
            ('login', None)
            >>> taxonomy.place(["password", "or", "token?"])
        """
        starts = _index(self).phrases_by_first_word
        if not starts:
            return None
        words: list[str] = []
        for term in terms:
            if term.isalnum():  # nearly always, and to ask is much cheaper than to cut
                words.append(term)
            else:
                words.extend(WORD.findall(term))
        found: dict[tuple[str, ...], _Phrase] = {}
        points: dict[str, int] = {}
        for at, word in enumerate(words):
            if word in starts:
                for phrase in starts[word]:
                    own = phrase.words
                    size = len(own)
                    if own not in found and (size == 1 or tuple(words[at : at + size]) == own):
                        found[own] = phrase
                        for area in phrase.areas:
                            points[area] = points.get(area, 0) + size
        winner = _leader(points)
        if winner is None:
            return None
        points = {}
        for phrase in found.values():
            for area, issue_type in phrase.issue_types:
                if area == winner:
                    points[issue_type] = points.get(issue_type, 0) + len(phrase.words)
        return winner, _leader(points)


def check_overlap(taxonomy: Taxonomy) -> list[tuple[str, str, tuple[str, ...]]]:
    """Pairs of areas that share keywords, and which: such a word cannot tell the two apart.

    Two keywords are the same if they have the same words; it is written as the first of the two
    areas writes it.

    Example:
        >>> billing = AreaEntry(name="billing", keywords=("payment", "refund"))
        >>> checkout = AreaEntry(name="checkout", keywords=("cart", "payment"))
        >>> check_overlap(Taxonomy(areas=(billing, checkout)))
        [('billing', 'checkout', ('payment',))]
    """
    claims: dict[tuple[str, ...], dict[int, str]] = {}
    for number, area in enumerate(taxonomy.areas):
        for keyword in area.all_keywords:
            claims.setdefault(_words(keyword), {}).setdefault(number, keyword)
    shared: dict[tuple[int, int], list[str]] = {}
    for spelling_by_area in claims.values():
        for one, other in combinations(spelling_by_area, 2):
            shared.setdefault((one, other), []).append(spelling_by_area[one])
    return [
        (taxonomy.areas[one].name, taxonomy.areas[other].name, tuple(keywords))
        for (one, other), keywords in sorted(shared.items())
    ]


class _Phrase(NamedTuple):
    words: tuple[str, ...]
    areas: tuple[str, ...]
    issue_types: tuple[tuple[str, str], ...]
    """Area and issue type."""


class _Index(NamedTuple):
    names: dict[str, str]
    """Areas and aliases to areas."""
    product_by_area: dict[str, str]
    areas_by_product: dict[str, tuple[str, ...]]
    phrases_by_first_word: dict[str, tuple[_Phrase, ...]]


@lru_cache(maxsize=64)
def _index(taxonomy: Taxonomy) -> _Index:
    areas = taxonomy.areas
    names = {alias: area.name for area in areas for alias in area.aliases}
    names |= {area.name: area.name for area in areas}
    products: dict[str, tuple[str, ...]] = {}
    for area in areas:
        if area.product:
            products[area.product] = (*products.get(area.product, ()), area.name)
    starts: dict[str, tuple[_Phrase, ...]] = {}
    for phrase in _phrases(areas):
        starts[phrase.words[0]] = (*starts.get(phrase.words[0], ()), phrase)
    product_by_area = {area.name: area.product for area in areas if area.product}
    return _Index(names, product_by_area, products, starts)


def _phrases(areas: tuple[AreaEntry, ...]) -> Iterator[_Phrase]:
    """Each keyword that has a word, once, with all areas and issue types that claim it."""
    area_claims: dict[tuple[str, ...], dict[str, None]] = {}
    issue_claims: dict[tuple[str, ...], dict[tuple[str, str], None]] = {}
    for area in areas:
        for keyword in area.all_keywords:
            area_claims.setdefault(_words(keyword), {})[area.name] = None
        for issue_type in area.issue_types:
            for keyword in issue_type.keywords:
                issue_claims.setdefault(_words(keyword), {})[area.name, issue_type.name] = None
    for words, claimants in area_claims.items():
        if words:
            yield _Phrase(words, tuple(claimants), tuple(issue_claims.get(words, ())))


def _words(keyword: str) -> tuple[str, ...]:
    return tuple(WORD.findall(keyword))


def _leader(points: dict[str, int]) -> str | None:
    """Who has most, if only one has."""
    most = max(points.values(), default=0)
    leaders = [name for name, count in points.items() if count == most]
    return leaders[0] if len(leaders) == 1 else None
