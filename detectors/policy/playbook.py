"""The playbook: who handles an escalation, which runbook applies, and what customers may be told.

`stream.config.policy_files.playbook` reads the file.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from schemas.escalation import SEVERITIES, Severity

WHOLE_TENANT: Final = "*tenant*"
"""The name of tenant-wide escalations in the areas of an entry."""
FIELDS: Final = ("area", "since", "customers", "product", "issue", "status")
"""Placeholders that a text for customers may contain in braces."""
MOST_STEPS: Final = 3
"""The most steps of an entry: a person who was just woken up reads no more than this."""

_FIELD: Final = re.compile(r"\{(" + "|".join(FIELDS) + r")\}")


class Entry(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """What to do about a kind of escalation; an empty criterion matches every escalation."""

    name: str
    areas: tuple[str, ...] = ()
    """Names as in tickets; `WHOLE_TENANT` for a tenant-wide escalation."""
    issue_types: tuple[str, ...] = ()
    severity: Severity = "info"
    """The lowest severity that the entry matches."""
    products: tuple[str, ...] = ()
    team: str
    """The responsible team."""
    runbook: str = ""
    """URL or relative path; empty: no runbook."""
    steps: tuple[str, ...] = ()
    """The first steps to take, at most `MOST_STEPS`."""
    tell: tuple[str, ...] = ()
    """Who else must be notified."""
    customer_text: str = ""
    """What customers may be told, with `FIELDS` in braces; empty: nothing."""

    @property
    def specificity(self) -> tuple[bool, bool, bool, int]:
        """Sort key that is greater for more specific criteria."""
        grade = SEVERITIES.index(self.severity)
        return bool(self.issue_types), bool(self.areas), bool(self.products), grade

    def fits(
        self, area: str | None, issue_type: str | None, severity: Severity, product: str | None
    ) -> bool:
        """Return whether the entry matches an escalation; see `Playbook.match`."""
        if area is None:
            area, issue_type = WHOLE_TENANT, None
        elif area == WHOLE_TENANT:
            area = None  # tickets are untrusted: an area of this name is not the whole tenant
        return (
            SEVERITIES.index(severity) >= SEVERITIES.index(self.severity)
            and (not self.areas or area in self.areas)
            and (not self.issue_types or issue_type in self.issue_types)
            and (not self.products or product in self.products)
        )


class Playbook(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """All entries, in the order of the file.

    Example:
        >>> general = Entry(name="anything", team="support")
        >>> login = Entry(name="login", areas=("login",), team="identity")
        >>> outage = Entry(name="outage", areas=(WHOLE_TENANT,), team="platform")
        >>> playbook = Playbook(entries=(general, login, outage))
        >>> [
        ...     entry and entry.team
        ...     for area in ("login", "billing", None)
        ...     for entry in [playbook.match(area, None, "warning", None)]
        ... ]
        ['identity', 'support', 'platform']
    """

    entries: tuple[Entry, ...] = ()

    def match(
        self, area: str | None, issue_type: str | None, severity: Severity, product: str | None
    ) -> Entry | None:
        """Return the most specific entry that matches an escalation, or None.

        Entries that name issue types come first, then entries that name areas, then entries that
        name products, then entries with a higher severity. Among entries that are equal in all of
        these, the first one in the file is returned.

        Args:
            area: The canonical name of the area, not an alias; None: the whole tenant, which has no
                issue type.
            issue_type: The issue type of the escalation; with None, an entry that names issue types
                does not match.
            severity: The severity of the escalation.
            product: The product of the area; None if it has none.
        """
        matching = [e for e in self.entries if e.fits(area, issue_type, severity, product)]
        return max(matching, key=lambda entry: entry.specificity, default=None)


def customer_text(template: str, fields: Mapping[str, str]) -> str:
    """Return a text for customers with its placeholders filled in.

    Placeholders inside inserted values are not filled in.

    Args:
        template: Text with `FIELDS` in braces; other text in braces is left unchanged.
        fields: Value of each placeholder; a placeholder without a value is left unchanged.

    Example:
        >>> customer_text("{area} fails since {since}.", {"area": "{since}", "since": "9:00"})
        '{since} fails since 9:00.'
    """
    return _FIELD.sub(lambda match: fields.get(match[1], match[0]), template)
