"""Recommended actions for an episode, from the playbook."""

from typing import Final

from detectors.evidence.explanation import Drivers
from detectors.foundation.timestamps import moment
from detectors.memory.episode_tickets import EpisodeTickets
from detectors.models.slices import OF_AN_AREA
from detectors.policy.playbook import customer_text
from detectors.policy.settings import Settings
from detectors.state.episode import Episode
from detectors.state.tenant import TENANT_SERIES
from schemas.escalation import Actions, Child

PRODUCT_SHARE: Final = 0.8
"""A product that holds at least this share of a tenant-wide episode's excess is the episode's
product."""


def product_of(
    key: str, children: list[Child] | None, collected: EpisodeTickets | None, settings: Settings
) -> str | None:
    """Return the product of an area, or the product that dominates a tenant-wide episode."""
    taxonomy = settings.taxonomy
    if key != TENANT_SERIES:
        return taxonomy.product_of(key)
    if collected is None or not taxonomy.areas:
        return None
    excess: dict[str, float] = {}
    for child in children or ():
        name = taxonomy.product_of(child.product_area) or ""
        excess[name] = excess.get(name, 0.0) + child.observed - child.expected
    top = max(excess, key=lambda name: (excess[name], name), default="")
    return (
        top
        if top and excess[top] >= PRODUCT_SHARE * (collected.observed - collected.expected)
        else None
    )


def actions_for(
    key: str,
    episode: Episode,
    settings: Settings,
    product: str | None,
    drivers: Drivers | None = None,
) -> Actions | None:
    """Return the actions of the playbook entry that matches an episode; None without a playbook."""
    playbook = settings.playbook
    if not playbook.entries:
        return None
    area = None if key == TENANT_SERIES else key
    issue = _issue_type(episode, drivers)
    entry = playbook.match(area, issue, episode.severity, product)
    if entry is None:
        return Actions(entry=None)
    fields = {
        "area": area or "several areas",
        "since": f"{moment(episode.since):%Y-%m-%d %H:%M} UTC",
        "customers": str(episode.customers),
        "product": product or "",
        "issue": issue if issue and issue in _issue_types(settings) else "",
        "status": "resolved" if not episode.running else "being worked on",
    }
    return Actions(
        entry=entry.name,
        team=entry.team or None,
        runbook=entry.runbook or None,
        steps=list(entry.steps),
        tell=list(entry.tell),
        customer_text=customer_text(entry.customer_text, fields) if entry.customer_text else None,
    )


def _issue_type(episode: Episode, drivers: Drivers | None) -> str | None:
    """Return the issue type of the slice that paged, else of the strongest driver that has one."""
    keys = [episode.slice] if episode.slice is not None else []
    keys += [key for driver in (drivers.values if drivers else ()) for key in driver.keys]
    return next((key[len(OF_AN_AREA) :] for key in keys if key.startswith(OF_AN_AREA)), None)


def _issue_types(settings: Settings) -> set[str]:
    """Return the issue types in the operator's files; customers are never shown other names."""
    in_taxonomy = {kind.name for area in settings.taxonomy.areas for kind in area.issue_types}
    in_playbook = {name for entry in settings.playbook.entries for name in entry.issue_types}
    return in_taxonomy | in_playbook
