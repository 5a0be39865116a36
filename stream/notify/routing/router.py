"""Router that chooses the receivers of an escalation, each with a reason. Pure."""

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
    """Receiver chosen for an escalation."""

    receiver: str
    address: str
    """Address of an account owner; empty: the receiver's own recipients."""
    route: str
    """Name of the route or audience, or ``default``."""
    quiet: QuietHours | None
    """Route or audience whose quiet hours apply; None: there is none."""
    accounts: tuple[Account, ...] = ()
    """Affected customers of the account owner."""


def route(event: EscalationEvent, plan: NotificationConfig) -> list[Chosen]:
    """Return the receivers of an escalation without duplicates: by routes, default and audiences.

    Routes are tried in order. The first match ends the search unless it has ``continue = true``.
    """
    chosen: dict[tuple[str, str], Chosen] = {}
    for choice in (*_by_routes(event, plan), *_by_accounts(event, plan)):
        chosen.setdefault((choice.receiver, choice.address), choice)
    return list(chosen.values())


def chosen_for(thread: ReceiverThread, event: EscalationEvent, plan: NotificationConfig) -> Chosen:
    """Return the routing result for the receiver of a thread.

    Args:
        thread: Thread of one receiver and the episode.
        event: An event of that episode.
        plan: The notification file.

    Returns:
        The current result, or, if the routes no longer choose the receiver, the route that
        originally chose it, without quiet hours.
    """
    chosen = {(choice.receiver, choice.address): choice for choice in route(event, plan)}
    return chosen.get(
        (thread.receiver, thread.address),
        Chosen(thread.receiver, thread.address, thread.route, None),
    )


def _by_routes(event: EscalationEvent, plan: NotificationConfig) -> Iterator[Chosen]:
    matched = False
    for candidate in plan.routes:
        if fits(candidate, event):
            matched = True
            for name in candidate.receivers:
                yield Chosen(name, "", candidate.name, candidate)
            if not candidate.continue_:
                return
    if not matched:
        for name in plan.default:
            yield Chosen(name, "", DEFAULT, None)


def fits(route: Route, event: EscalationEvent) -> bool:
    """Return whether a route matches an event.

    A tenant-wide escalation matches a list of areas if at least one of its areas is listed.
    """
    data = event.data
    labels = labels_of(event)
    areas = {data.product_area} if data.product_area is not None else set(data.areas or ())
    products = {data.product} if data.product is not None else set()
    return (
        _any_of(route.tenants, {data.tenant})
        and _any_of(route.products, products)
        and _any_of(route.areas, areas)
        and _any_of(route.issue_types, {labels.get("issue_type")})
        and _any_of(route.teams, {labels.get("team")})
        and _any_of(route.tiers, set(data.impact.by_tier) if data.impact else set())
        and grave(data.severity, route.severity)
    )


def _any_of(wanted: tuple[str, ...], actual: Iterable[str | None]) -> bool:
    return not wanted or any(value in wanted for value in actual)


def grave(severity: Severity, least: Severity) -> bool:
    """Return whether a severity reaches a minimum severity."""
    return SEVERITIES.index(severity) >= SEVERITIES.index(least)


def _by_accounts(event: EscalationEvent, plan: NotificationConfig) -> Iterator[Chosen]:
    for audience in plan.audiences:
        if grave(event.data.severity, audience.severity):
            for address, accounts in sorted(owned(event.data, audience, plan).items()):
                yield Chosen(audience.receiver, address, audience.name, audience, tuple(accounts))


def owned(
    data: Escalation, audience: AccountOwnerRoute, plan: NotificationConfig
) -> dict[str, list[Account]]:
    """Return the affected customers that match an audience, by the address of their owner."""
    accounts_by_address: dict[str, list[Account]] = {}
    for account in data.impact.accounts if data.impact is not None else ():
        address = plan.owners.get(account.customer, {}).get(audience.owner)
        if (
            address
            and _any_of(audience.tiers, {account.tier})
            and (account.revenue or 0.0) >= audience.least_revenue
            and account.tickets >= audience.least_tickets
        ):
            accounts_by_address.setdefault(address, []).append(account)
    return accounts_by_address


def quiet_until(quiet: QuietHours | None, severity: Severity, now: float) -> float | None:
    """Return the end of the current quiet hours, in seconds since 1970; None: there are none.

    The days are those on which quiet hours start; without days, they start every day.

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
    local_time = datetime.fromtimestamp(now, where)
    start, end = time.fromisoformat(quiet.quiet_start), time.fromisoformat(quiet.quiet_end)
    for days in (1, 0):
        day = local_time.date() - timedelta(days=days)
        if quiet.quiet_days and WEEKDAYS[day.weekday()] not in quiet.quiet_days:
            continue
        begins = datetime.combine(day, start, where)
        last = day if end > start else day + timedelta(days=1)
        ends = datetime.combine(last, end, where)
        if begins.timestamp() <= now < ends.timestamp():
            return ends.timestamp()
    return None
