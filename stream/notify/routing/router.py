"""Choose the receivers of an escalation, and say why. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from schemas.escalation import SEVERITIES, Account, Escalation, EscalationEvent, Severity
from stream.notify.model.message import labels_of
from stream.notify.model.threads import ReceiverThread
from stream.notify.routing.rules import (
    WEEKDAYS,
    AccountOwnerRoute,
    NotificationConfig,
    QuietHours,
    Route,
)

DEFAULT: Final = "default"


class Chosen(NamedTuple):
    """A receiver that was chosen for an escalation."""

    receiver: str
    address: str
    """Address of an account owner; empty: the receiver itself."""
    route: str
    """Name of the route or audience, or ``default``."""
    quiet: QuietHours | None
    """The route or audience whose quiet hours apply; None: none do."""
    accounts: tuple[Account, ...] = ()
    """The affected customers of the account owner."""


def route(event: EscalationEvent, plan: NotificationConfig) -> list[Chosen]:
    """Return the receivers of an escalation, each once: of routes, the default and audiences.

    Routes are tried in order. The first that matches decides, unless it has ``continue = true``.
    """
    chosen: dict[tuple[str, str], Chosen] = {}
    for one in (*_by_routes(event, plan), *_by_accounts(event, plan)):
        chosen.setdefault((one.receiver, one.address), one)
    return list(chosen.values())


def chosen_for(thread: ReceiverThread, event: EscalationEvent, plan: NotificationConfig) -> Chosen:
    """Return the routing result for the receiver of *thread*.

    Args:
        thread: What one receiver knows of the episode.
        event: An event of that episode.
        plan: The notification file.

    Returns:
        The current result. If the routes no longer choose that receiver, the route that chose it
        first, without quiet hours.
    """
    chosen = {(one.receiver, one.address): one for one in route(event, plan)}
    return chosen.get(
        (thread.receiver, thread.address),
        Chosen(thread.receiver, thread.address, thread.route, None),
    )


def _by_routes(event: EscalationEvent, plan: NotificationConfig) -> Iterator[Chosen]:
    matched = False
    for one in plan.routes:
        if fits(one, event):
            matched = True
            for name in one.receivers:
                yield Chosen(name, "", one.name, one)
            if not one.continue_:
                return
    if not matched:
        for name in plan.default:
            yield Chosen(name, "", DEFAULT, None)


def fits(one: Route, event: EscalationEvent) -> bool:
    """Return whether a route matches *event*.

    A tenant-wide escalation matches a list of areas if one of its areas is listed.
    """
    data = event.data
    labels = labels_of(event)
    areas = {data.product_area} if data.product_area is not None else set(data.areas or ())
    products = {data.product} if data.product is not None else set()
    return (
        _any_of(one.tenants, {data.tenant})
        and _any_of(one.products, products)
        and _any_of(one.areas, areas)
        and _any_of(one.issue_types, {labels.get("issue_type")})
        and _any_of(one.teams, {labels.get("team")})
        and _any_of(one.tiers, set(data.impact.by_tier) if data.impact else set())
        and grave(data.severity, one.severity)
    )


def _any_of(wanted: tuple[str, ...], there: Iterable[str | None]) -> bool:
    return not wanted or any(one in wanted for one in there)


def grave(severity: Severity, least: Severity) -> bool:
    """Return whether *severity* is at least *least*."""
    return SEVERITIES.index(severity) >= SEVERITIES.index(least)


def _by_accounts(event: EscalationEvent, plan: NotificationConfig) -> Iterator[Chosen]:
    for audience in plan.audiences:
        if grave(event.data.severity, audience.severity):
            for address, accounts in sorted(owned(event.data, audience, plan).items()):
                yield Chosen(audience.receiver, address, audience.name, audience, tuple(accounts))


def owned(
    data: Escalation, audience: AccountOwnerRoute, plan: NotificationConfig
) -> dict[str, list[Account]]:
    """Return the affected customers by address of their owner, if they match *audience*."""
    found: dict[str, list[Account]] = {}
    for account in data.impact.accounts if data.impact is not None else ():
        address = plan.owners.get(account.customer, {}).get(audience.owner)
        if (
            address
            and _any_of(audience.tiers, {account.tier})
            and (account.revenue or 0.0) >= audience.least_revenue
            and account.tickets >= audience.least_tickets
        ):
            found.setdefault(address, []).append(account)
    return found


def quiet_until(quiet: QuietHours | None, severity: Severity, now: float) -> float | None:
    """Return when the current quiet hours end, in seconds since 1970; None: there are none.

    Days are those on which the quiet hours start; without days it is every day.

    Example:
        >>> hours = QuietHours(quiet_start="22:00", quiet_end="07:00")
        >>> quiet_until(hours, "error", 23 * 3600.0) == 31 * 3600.0
        True
        >>> quiet_until(hours, "critical", 23 * 3600.0) is None
        True
    """
    if quiet is None or not quiet.quiet_start or grave(severity, quiet.quiet_below):
        return None
    where = ZoneInfo(quiet.quiet_zone)
    here = datetime.fromtimestamp(now, where)
    start, end = time.fromisoformat(quiet.quiet_start), time.fromisoformat(quiet.quiet_end)
    for days in (1, 0):
        day = here.date() - timedelta(days=days)
        if quiet.quiet_days and WEEKDAYS[day.weekday()] not in quiet.quiet_days:
            continue
        begins = datetime.combine(day, start, where)
        last = day if end > start else day + timedelta(days=1)
        ends = datetime.combine(last, end, where)
        if begins.timestamp() <= now < ends.timestamp():
            return ends.timestamp()
    return None
