"""Reader of the taxonomy file: TOML with ``[[product]]``, ``[[area]]`` and issue types.

`stream.config.policy_files.toml_tables` locates the tables and their lines.
"""

import unicodedata
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

from pydantic import AfterValidator, BaseModel, Field

from detectors.policy.playbook import WHOLE_TENANT
from detectors.policy.taxonomy import WORD, AreaEntry, IssueType, Taxonomy
from schemas.codec import area_name, value_name
from schemas.signals import OTHER, UNCLASSIFIED
from stream.config.errors import Sources, find_mistakes, found, nearest
from stream.config.files import read_toml
from stream.config.policy_files.toml_tables import Part, numbered, parts_of, tables_of
from stream.config.values import Section

MOST_AREAS: Final = 2000
MOST_KEYWORDS: Final = 200
"""Limit on the keywords of an area, including those of its issue types."""
KEYWORD_CHARACTERS: Final = 100
RESERVED: Final = (UNCLASSIFIED, OTHER, WHOLE_TENANT)
"""Names with a special meaning, which no area may have."""

_ABSENT: Any = None


def keyword(text: str) -> str:
    """Normalize a keyword for matching: NFKC, case-folded, with single spaces."""
    for _ in range(2):  # case-folding can undo the normalization
        text = unicodedata.normalize("NFKC", text.casefold())
    return " ".join(text.split())


def _name(text: str) -> str:
    name = value_name(text)
    if name is None:
        raise ValueError("a name that is not empty")
    return name


def _area(text: str) -> str:
    name = _name(text)
    if name in RESERVED:
        raise ValueError(f"any name except the reserved {', '.join(RESERVED)}")
    return name


def _areas(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_area(text) for text in texts))


def _keywords(texts: tuple[str, ...]) -> tuple[str, ...]:
    keywords = tuple(dict.fromkeys(keyword(text) for text in texts))
    if not all(WORD.search(one) and len(one) <= KEYWORD_CHARACTERS for one in keywords):
        raise ValueError(
            f"words and phrases of up to {KEYWORD_CHARACTERS} characters, with letters or digits"
        )
    return keywords


Name = Annotated[str, AfterValidator(_name)]
Keywords = Annotated[tuple[str, ...], AfterValidator(_keywords)]


class _Product(Section):
    """One table ``[[product]]``."""

    name: Name = Field(description="name of the product, in quotes")


class _IssueType(Section):
    """One table ``[[area.issue_type]]``."""

    name: Name = Field(description="name of the issue type in tickets, in quotes")
    keywords: Keywords = ()


class _Area(Section):
    """One table ``[[area]]``; its issue types are validated separately."""

    name: Annotated[str, AfterValidator(_area)] = Field(
        description="name of the area in tickets, in quotes"
    )
    product: Annotated[str, AfterValidator(lambda text: value_name(text) or "")] = ""
    aliases: Annotated[tuple[str, ...], AfterValidator(_areas)] = ()
    keywords: Keywords = ()
    issue_type: Any = None


class _File(BaseModel):
    """Model of a file with one table, because tables are validated one at a time."""

    product: _Product = _ABSENT
    area: _Area = _ABSENT
    issue_type: _IssueType = _ABSENT


class _Known(NamedTuple):
    products: set[str] | None
    """Names of the products; None: products are not checked."""
    owners: dict[str, str]
    """Area as written in the file, by normalized name or alias."""


def read_taxonomy(path: Path) -> tuple[Taxonomy, list[str]]:
    """Return the taxonomy of a file, in the order of the file, and all its mistakes.

    Args:
        path: Path of the TOML file.

    Returns:
        The taxonomy, empty if there are mistakes; and the mistakes, one line each with its
        location.
    """
    text, data, mistakes = read_toml(path, "taxonomy file")
    if mistakes:
        return Taxonomy(), mistakes
    products, mistakes = tables_of(data, "product", str(path), "[[product]]", MOST_AREAS)
    areas, wrong = tables_of(data, "area", str(path), "[[area]]", MOST_AREAS)
    sources = Sources(path, text, {})
    mistakes += wrong
    for key in data:
        hint = nearest(key, ["area", "product"])
        mistakes.append(f"{sources.where(key)}: {key}: no such key; {hint}")
    parts = parts_of(path, text, ("product", "area", "area.issue_type"))
    places = [part for name, part in parts if name == "product"]
    places = numbered(places, len(products), str(path), "product")
    names, wrong = _read_products(products, places)
    known = _Known(names if products and not wrong else None, {})
    mistakes += wrong
    entries = []
    for table, (place, below) in zip(areas, _areas_in(path, parts, len(areas)), strict=True):
        entry, wrong = _read_area(table, place, below, known)
        mistakes += wrong
        entries += [entry] if entry else []
    return (Taxonomy(), mistakes) if mistakes else (Taxonomy(areas=tuple(entries)), [])


def _areas_in(
    path: Path, parts: list[tuple[str, Part]], count: int
) -> list[tuple[Part, list[Part]]]:
    """Return the part of the file for each area and for each of its issue types."""
    places: list[tuple[Part, list[Part]]] = []
    for name, part in parts:
        if name == "area":
            places.append((part, []))
        elif name == "area.issue_type" and places:
            places[-1][1].append(part)
    if len(places) == count:
        return places
    return [(part, []) for part in numbered([], count, str(path), "area")]


def _read_products(tables: list[dict[str, Any]], places: list[Part]) -> tuple[set[str], list[str]]:
    names: set[str] = set()
    mistakes = []
    for table, place in zip(tables, places, strict=True):
        wrong = find_mistakes(_File, {"product": table}, place)
        mistakes += wrong
        if not wrong:
            name = _Product.model_validate(table).name
            if name in names:
                text = f"found {found(table['name'])}, which is already defined"
                mistakes.append(place.mistake("product.name", text))
            names.add(name)
    return names, mistakes


def _read_area(
    table: dict[str, Any], place: Part, below: list[Part], known: _Known
) -> tuple[AreaEntry | None, list[str]]:
    where = place.where("area.issue_type")
    tables, mistakes = tables_of(table, "issue_type", where, "[[area.issue_type]]", MOST_KEYWORDS)
    mistakes += find_mistakes(_File, {"area": table}, place)
    mistakes += _claim_names(table, place, known)
    product = table.get("product")
    folded = value_name(product) if isinstance(product, str) else None
    if folded is not None and known.products is not None and folded not in known.products:
        hint = nearest(folded, known.products)
        mistakes.append(place.mistake("area.product", f"no such product; {hint}"))
    listed = [one.get("keywords") for one in (table, *tables)]
    count = sum(len(words) for words in listed if isinstance(words, list))
    if count > MOST_KEYWORDS:
        text = f"found {count}; allowed: up to {MOST_KEYWORDS}, including those of issue types"
        mistakes.append(place.mistake("area.keywords", text))
    places = numbered(below, len(tables), where, "issue_type")
    issue_types, wrong = _read_issue_types(tables, places)
    mistakes += wrong
    if mistakes:
        return None, mistakes
    area = _Area.model_validate(table)
    entry = AreaEntry(
        name=area.name,
        product=area.product,
        aliases=tuple(alias for alias in area.aliases if alias != area.name),
        keywords=area.keywords,
        issue_types=issue_types,
    )
    return entry, []


def _claim_names(table: dict[str, Any], place: Part, known: _Known) -> list[str]:
    """Return a mistake for each name that another area has, and record the new names."""
    aliases = table.get("aliases")
    given = [("name", table.get("name"))]
    given += [("aliases", alias) for alias in aliases] if isinstance(aliases, list) else []
    claims = [(key, text) for key, text in given if isinstance(text, str) and value_name(text)]
    mistakes = []
    for key, text in claims:
        if owner := known.owners.get(area_name(text)):
            problem = f"found {found(text)}, which already belongs to the area {found(owner)}"
            mistakes.append(
                place.mistake(f"area.{key}", f"{problem}; allowed: a name that no other area has")
            )
    for _, text in claims:
        known.owners.setdefault(area_name(text), claims[0][1])
    return mistakes


def _read_issue_types(
    tables: list[dict[str, Any]], places: list[Part]
) -> tuple[tuple[IssueType, ...], list[str]]:
    issue_types: dict[str, IssueType] = {}
    mistakes = []
    for table, place in zip(tables, places, strict=True):
        wrong = find_mistakes(_File, {"issue_type": table}, place)
        mistakes += wrong
        if not wrong:
            issue_type = _IssueType.model_validate(table)
            if issue_type.name in issue_types:
                text = f"found {found(table['name'])}, which is already defined in this area"
                mistakes.append(place.mistake("issue_type.name", text))
            issue_types[issue_type.name] = IssueType(
                name=issue_type.name, keywords=issue_type.keywords
            )
    return tuple(issue_types.values()), mistakes
