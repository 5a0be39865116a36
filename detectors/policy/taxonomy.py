"""The taxonomy: product areas, their products and aliases, and the keywords that point to them.

`stream.config.policy_files.taxonomy` reads the file. Names are expected as
`schemas.codec.area_name` folds them; keywords are expected case-folded, with single spaces.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations
from typing import Final, NamedTuple

import msgspec

WORD: Final = re.compile(r"[^\W_]+")
"""A word of a keyword or a text consists of letters and digits; "sign-on" is two words."""


class IssueType(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """A kind of problem within an area, and the keywords that point to it."""

    name: str
    keywords: tuple[str, ...] = ()


class AreaEntry(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """One product area."""

    name: str
    product: str = ""
    """The product that the area belongs to; empty: none."""
    aliases: tuple[str, ...] = ()
    """Other names that tickets use for the area."""
    keywords: tuple[str, ...] = ()
    issue_types: tuple[IssueType, ...] = ()

    @property
    def all_keywords(self) -> tuple[str, ...]:
        """The keywords of the area and of its issue types; both point to the area."""
        return self.keywords + tuple(word for kind in self.issue_types for word in kind.keywords)


class Taxonomy(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """All areas; without any, every area name is used as it is.

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
        """Return the area of an alias; return any other name unchanged."""
        return _index(self).names.get(area, area)

    def knows(self, area: str) -> bool:
        """Return whether a name is that of an area or an alias."""
        return area in _index(self).names

    def product_of(self, area: str) -> str | None:
        """Return the product of an area or alias; None if it has no product or is unknown."""
        return _index(self).product_by_area.get(self.canonical(area))

    @property
    def products(self) -> dict[str, tuple[str, ...]]:
        """The areas of each product, both in the order of the file."""
        return dict(_index(self).areas_by_product)

    def place(self, terms: Sequence[str]) -> tuple[str, str | None] | None:
        """Classify a text by its keywords: return its area and, if one leads, its issue type.

        Each keyword that occurs scores one point per word, once, however often it occurs. The
        keyword of an issue type also scores for its area. The area with the highest score wins.

        Args:
            terms: All words of the text in order, case-folded. They are split again at every
                character other than letters and digits.

        Returns:
            Area and issue type; None if no keyword occurs or several areas share the highest score.

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
            if term.isalnum():  # true for nearly all terms, and much cheaper than splitting
                words.append(term)
            else:
                words.extend(WORD.findall(term))
        matches: dict[tuple[str, ...], _Phrase] = {}
        points: dict[str, int] = {}
        for at, word in enumerate(words):
            if word in starts:
                for phrase in starts[word]:
                    key = phrase.words
                    size = len(key)
                    if key not in matches and (size == 1 or tuple(words[at : at + size]) == key):
                        matches[key] = phrase
                        for area in phrase.areas:
                            points[area] = points.get(area, 0) + size
        winner = _leader(points)
        if winner is None:
            return None
        points = {}
        for phrase in matches.values():
            for area, issue_type in phrase.issue_types:
                if area == winner:
                    points[issue_type] = points.get(issue_type, 0) + len(phrase.words)
        return winner, _leader(points)


def check_overlap(taxonomy: Taxonomy) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return pairs of areas that share keywords, with the shared keywords.

    A shared keyword cannot distinguish the two areas. Two keywords are equal if their words are
    equal; the result uses the spelling of the first area.

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
        for first, second in combinations(spelling_by_area, 2):
            shared.setdefault((first, second), []).append(spelling_by_area[first])
    return [
        (taxonomy.areas[first].name, taxonomy.areas[second].name, tuple(keywords))
        for (first, second), keywords in sorted(shared.items())
    ]


class _Phrase(NamedTuple):
    words: tuple[str, ...]
    areas: tuple[str, ...]
    issue_types: tuple[tuple[str, str], ...]
    """Pairs of area and issue type."""


class _Index(NamedTuple):
    names: dict[str, str]
    """Area by name and by alias."""
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
    """Yield each keyword that has a word once, with all areas and issue types that list it."""
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
    """Return the name with the most points, or None if several names or none have them."""
    most = max(points.values(), default=0)
    leaders = [name for name, count in points.items() if count == most]
    return leaders[0] if len(leaders) == 1 else None
