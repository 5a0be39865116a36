"""The playbook: who handles an escalation, by which runbook, and what customers may be told.

`stream.config.policy_files.playbook` reads the file.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from schemas.escalation import SEVERITIES, Severity

WHOLE_TENANT: Final = "*tenant*"
"""The area of an entry for tenant-wide escalations."""
FIELDS: Final = ("area", "since", "customers", "product", "issue", "status")
"""Placeholders in a text for customers, in braces."""
MOST_STEPS: Final = 3
"""Somebody who was just woken up reads no more steps than this."""

_FIELD: Final = re.compile(r"\{(" + "|".join(FIELDS) + r")\}")


class Entry(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """What to do about one kind of escalation; an empty criterion matches everything."""

    name: str
    areas: tuple[str, ...] = ()
    """Names as in tickets; `WHOLE_TENANT` for a tenant-wide escalation."""
    issue_types: tuple[str, ...] = ()
    severity: Severity = "info"
    """The least severity that it matches."""
    products: tuple[str, ...] = ()
    team: str
    """The responsible team."""
    runbook: str = ""
    """URL or relative path; empty: none."""
    steps: tuple[str, ...] = ()
    """What to do first, at most `MOST_STEPS`."""
    tell: tuple[str, ...] = ()
    """Who else is to be notified."""
    customer_text: str = ""
    """What customers may be told, with `FIELDS` in braces; empty: nothing."""

    @property
    def specificity(self) -> tuple[bool, bool, bool, int]:
        """How specific its criteria are; greater for an entry that matches less."""
        grade = SEVERITIES.index(self.severity)
        return bool(self.issue_types), bool(self.areas), bool(self.products), grade

    def fits(
        self, area: str | None, issue_type: str | None, severity: Severity, product: str | None
    ) -> bool:
        """Whether it is for such an escalation: see `Playbook.match`."""
        if area is None:
            area, issue_type = WHOLE_TENANT, None
        elif area == WHOLE_TENANT:
            area = None  # a stranger's ticket may call its area so, and is not the whole tenant
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
        """The most specific entry that is for such an escalation.

        To name issue types is more specific than to name areas, that more than to name products,
        that more than to ask for a severity; of entries alike in these, the one that asks for the
        higher severity is. Else the first in the file.

        Args:
            area: The area, by its name and not an alias; None: the whole tenant, which has no
                issue type.
            issue_type: None unless that slice paged; then only entries for any issue type fit.
            severity: How bad it is.
            product: The area's product; None if it has none.
        """
        fitting = [one for one in self.entries if one.fits(area, issue_type, severity, product)]
        return max(fitting, key=lambda one: one.specificity, default=None)


def customer_text(template: str, fields: Mapping[str, str]) -> str:
    """The text with its fields filled in, in one pass: what a value holds is never read as a field.

    Args:
        template: With `FIELDS` in braces; any other braces stay as they are.
        fields: Values; a field without one stays as it is.

    Example:
        >>> customer_text("{area} fails since {since}.", {"area": "{since}", "since": "9:00"})
        '{since} fails since 9:00.'
    """
    return _FIELD.sub(lambda match: fields.get(match[1], match[0]), template)
