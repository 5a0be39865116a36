"""Reader of the playbook: TOML with one table ``[[entry]]`` per kind of escalation."""

import difflib
import re
import unicodedata
from pathlib import Path
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, model_validator

from detectors.policy.playbook import FIELDS, MOST_STEPS, WHOLE_TENANT, Entry, Playbook
from detectors.policy.taxonomy import Taxonomy
from schemas.codec import value_name
from schemas.escalation import Severity
from schemas.signals import OTHER, UNCLASSIFIED
from stream.config.errors import Disagreement, Sources, disagree, find_mistakes, found, nearest
from stream.config.files import read_toml
from stream.config.policy_files.toml_tables import Part, numbered, parts_of, tables_of
from stream.config.values import Section, folded_names, one_line

MOST_ENTRIES: Final = 2000
"""Limit on the entries in a file: every escalation scans all of them once."""
NAME_CHARACTERS: Final = 200
TEXT_CHARACTERS: Final = 2000

_BRACES: Final = re.compile(r"\{([^{}]*)\}")
_ALWAYS_THERE: Final = (WHOLE_TENANT, UNCLASSIFIED, OTHER)
"""Areas that exist without being in the taxonomy."""


_name = one_line(NAME_CHARACTERS)


def _people(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_name(name) for name in names))


def _text(text: str) -> str:
    controls = [c for c in text if unicodedata.category(c) == "Cc" and c not in "\n\t"]
    if controls or len(text) > TEXT_CHARACTERS:
        raise ValueError(f"text of up to {TEXT_CHARACTERS} characters, without control characters")
    return text.strip()


def _steps(steps: tuple[str, ...]) -> tuple[str, ...]:
    steps = tuple(_text(step) for step in steps)
    if len(steps) > MOST_STEPS or not all(steps):
        raise ValueError(f"up to {MOST_STEPS} steps, none of them empty")
    return steps


def _customer_text(text: str) -> str:
    text = _text(text)
    wrong = []
    for inside in dict.fromkeys(_BRACES.findall(text)):
        if inside not in FIELDS:
            close = difflib.get_close_matches(inside.strip().lower(), FIELDS, n=1)
            meant = f" (did you mean {{{close[0]}}}?)" if close else ""
            wrong.append(f"{found('{' + inside + '}')}{meant}")
    if wrong:
        raise ValueError(f"only {', '.join(FIELDS)} in braces, not {', '.join(wrong)}")
    return text


def _runbook(text: str) -> str:
    """Check that a text is the URL of a web page or a relative path."""
    example = (
        'a URL such as "https://runbooks.example.com/login", or a relative path, '
        f"up to {TEXT_CHARACTERS} characters on one line"
    )
    text = text.strip()
    if not text.isprintable() or len(text) > TEXT_CHARACTERS:
        raise ValueError(example)
    try:
        url = urlsplit(text)
        host = url.hostname
    except ValueError:
        raise ValueError(example) from None
    is_page = url.scheme in {"http", "https"} and bool(host) and " " not in text
    is_path = not url.scheme and not text.startswith(("/", "\\"))
    if not (is_page or is_path):
        raise ValueError(example)
    return text


Names = Annotated[tuple[str, ...], AfterValidator(folded_names)]


class _Entry(Section):
    """One table ``[[entry]]``."""

    name: Annotated[str, AfterValidator(_name)] = Field(description="name of the entry, in quotes")
    areas: Names = ()
    issue_types: Names = ()
    products: Names = ()
    severity: Severity = "info"
    team: Annotated[str, AfterValidator(_name)] = Field(description="team that responds, in quotes")
    runbook: Annotated[str, AfterValidator(_runbook)] = ""
    steps: Annotated[tuple[str, ...], AfterValidator(_steps)] = ()
    tell: Annotated[tuple[str, ...], AfterValidator(_people)] = ()
    customer_text: Annotated[str, AfterValidator(_customer_text)] = ""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.areas == (WHOLE_TENANT,) and self.issue_types:
            text = "a tenant-wide episode has no issue type: remove either areas or issue_types"
            disagree([Disagreement("entry.issue_types", ("entry.areas",), text)])
        return self


class _File(BaseModel):
    entry: _Entry


def read_playbook(path: Path, taxonomy: Taxonomy | None = None) -> tuple[Playbook, list[str]]:
    """Return the entries of a file, in the order of the file, and all its mistakes.

    Args:
        path: Path of the TOML file.
        taxonomy: Known areas and products; aliases are replaced by their areas. None: any name
            is accepted.

    Returns:
        The playbook, empty if there are mistakes; and the mistakes, one line each with its
        location.
    """
    text, data, mistakes = read_toml(path, "playbook")
    if mistakes:
        return Playbook(), mistakes
    tables, mistakes = tables_of(data, "entry", str(path), "[[entry]]", MOST_ENTRIES)
    sources = Sources(path, text, {})
    mistakes += [
        f"{sources.where(key)}: {key}: no such key; {nearest(key, ['entry'])}" for key in data
    ]
    parts = [part for _, part in parts_of(path, text, ("entry",))]
    entries: dict[tuple[object, ...], Entry] = {}
    for table, place in zip(tables, numbered(parts, len(tables), str(path), "entry"), strict=True):
        wrong = find_mistakes(_File, {"entry": table}, place)
        wrong += _unknown(table, place, taxonomy) if taxonomy is not None else []
        mistakes += wrong
        if not wrong:
            entry = _entry(_Entry.model_validate(table), taxonomy)
            same = entries.setdefault(_matches(entry), entry)
            if same is not entry:
                problem = (
                    f"matches the same as the entry {found(same.name)}, so it would never apply"
                )
                mistakes.append(place.mistake("entry.name", problem))
    return (Playbook(), mistakes) if mistakes else (Playbook(entries=tuple(entries.values())), [])


def _matches(entry: Entry) -> tuple[object, ...]:
    """Return a key that is the same for entries that match the same escalations."""
    names = (entry.areas, entry.issue_types, entry.products)
    return (*map(frozenset, names), entry.severity)


def _entry(made: _Entry, taxonomy: Taxonomy | None) -> Entry:
    areas = made.areas
    if taxonomy is not None:
        areas = tuple(dict.fromkeys(taxonomy.canonical(area) for area in areas))
    return Entry(
        name=made.name,
        areas=areas,
        issue_types=made.issue_types,
        severity=made.severity,
        products=made.products,
        team=made.team,
        runbook=made.runbook,
        steps=made.steps,
        tell=made.tell,
        customer_text=made.customer_text,
    )


def _unknown(table: dict[str, Any], place: Part, taxonomy: Taxonomy) -> list[str]:
    """Return a mistake for each area and product that is not in the taxonomy."""
    areas = [area.name for area in taxonomy.areas]
    aliases = [alias for area in taxonomy.areas for alias in area.aliases]
    allowed_names = {
        "areas": [*areas, *aliases, *_ALWAYS_THERE],
        "products": list(taxonomy.products),
    }
    mistakes = []
    for key, names in allowed_names.items():
        listed = table.get(key)
        for text in listed if isinstance(listed, list) else []:
            folded = value_name(text) if isinstance(text, str) else None
            if folded is not None and folded not in names:
                problem = f"{found(text)} is not in the taxonomy; {nearest(folded, names)}"
                mistakes.append(place.mistake(f"entry.{key}", problem))
    return mistakes
