"""Message to a receiver, in the form that all sinks render."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from urllib.parse import quote, urlsplit

from detectors.foundation.units import SECONDS_PER_DAY
from schemas.codec import clean
from schemas.escalation import Account, EscalationEvent, Severity
from stream.escalations.phrases import rounded
from stream.escalations.plain_text import BUDGET_LINE, for_accounts, headline, render, subject

Action = Literal["open", "update", "resolve", "acknowledge", "answer"]
TITLE_CHARACTERS: Final = 300
LINE_CHARACTERS: Final = 600
LABEL_CHARACTERS: Final = 256
MOST_LINES: Final = 60
MOST_ACCOUNTS: Final = 20
LINK_FIELDS: Final = ("{tenant}", "{episode}")
EPISODE_LINK: Final = "Open the episode"
"""Text of the link to the episode's page."""
WHY: Final[Mapping[str, str]] = {
    "reopened": "the episode was reopened",
    "severity_raised": "the severity was raised",
    "severity_lowered": "the severity was lowered",
    "became_tenant_wide": "the episode is no longer limited to one area",
    "new_explanation": "the main driver changed",
    "grew": "the episode grew",
    "amended": "late, moved or withdrawn tickets changed the counts",
    "hold_ended": "the notification was muted and the episode is still open",
    "fallback": "another receiver could not be notified",
}


@dataclass(frozen=True)
class Message:
    """One message to one receiver. All text is plain and literal; sinks escape it.

    Attributes:
        key: Key shared by all messages of an episode to a receiver, by which providers deduplicate.
        id: Id of this message; a retry has the same id.
        action: Effect on the receiver's view of the episode.
        reason: Reason of the message, from the closed list of `schemas.audit`.
        title: Title, on one line.
        lines: Lines of text after the title.
        severity: Current severity of the episode.
        labels: Labels that silences and routes match, such as tenant and product_area.
        links: Pairs of text and http or https URL.
        since: Start of the episode.
        answerable: Whether people can acknowledge the episode or give a verdict.
        address: Address of the account owner; empty: the receiver's own recipients.
        event: The escalation; None for digests and notices.
        accounts: Affected customers of the account owner.
        by: Name of the person who responded.
        facts: Names and values of key figures.
    """

    key: str
    id: str
    action: Action
    reason: str
    title: str
    lines: tuple[str, ...]
    severity: Severity
    labels: Mapping[str, str]
    since: datetime
    links: tuple[tuple[str, str], ...] = ()
    answerable: bool = False
    address: str = ""
    event: EscalationEvent | None = None
    accounts: tuple[Account, ...] = ()
    by: str = ""
    facts: tuple[tuple[str, str], ...] = field(default=())
    subject: str = ""
    """Subject of an e-mail, the same for all messages of an episode; empty: the title."""

    @property
    def text(self) -> str:
        """Title and lines."""
        return "\n".join((self.title, *self.lines))

    @property
    def page(self) -> str | None:
        """URL of the episode on the web page; None: there is none."""
        return next((url for text, url in self.links if text == EPISODE_LINK), None)

    def links_within(self, characters: int, most: int) -> list[tuple[str, str]]:
        """Return the first links, except those whose URL is too long, since a cut URL is useless.

        Args:
            characters: Maximum number of characters of a URL.
            most: Number of links to consider.
        """
        return [link for link in self.links[:most] if len(link[1]) <= characters]


def labels_of(event: EscalationEvent) -> dict[str, str]:
    """Return the labels that routes and silences match, without those that are unknown.

    Alerts in Alertmanager have a part of these labels, with the values of the first message.
    ``receiver_key`` is the id of the episode.
    """
    data = event.data
    labels = {
        "alertname": "TicketSpike",
        "tenant": data.tenant,
        "product": data.product or "",
        "product_area": data.product_area or "",
        "issue_type": data.issue_type or "",
        "severity": data.severity,
        "team": (data.actions.team if data.actions else None) or "",
        "reason": data.reason,
        "receiver_key": data.episode_id,
    }
    for driver in data.explanation[:1]:
        if driver.dimension == "issue_type":
            labels["issue_type"] = labels["issue_type"] or driver.value
        elif driver.dimension.isidentifier():
            labels.setdefault(driver.dimension, driver.value)
    if data.slice is not None and data.slice.dimension.isidentifier():
        labels[data.slice.dimension] = data.slice.value
    cleaned = {name: clean(value, LABEL_CHARACTERS) for name, value in labels.items()}
    return {name: value for name, value in cleaned.items() if value}


@dataclass(frozen=True)
class MessageContext:
    """Content of a message about an event besides the event.

    Attributes:
        link: URL template of the page, with ``{tenant}`` and ``{episode}``; empty: no link.
        address: Address of the account owner; empty: the receiver's own recipients.
        accounts: Affected customers of the account owner.
        identity: Key of the episode at providers; empty: derived from its id and the address.
        number: Id of the message; empty: derived from the event and the reason.
        now: Wall clock, seconds since 1970, to state the age of the episode; None: omit the age.
        note: Text to begin with, such as which receiver could not be notified.
        by: Name of the person who responded.
        peak: Highest ratio of observed to expected rate in the whole episode.
    """

    link: str = ""
    address: str = ""
    accounts: Sequence[Account] = ()
    identity: str = ""
    number: str = ""
    now: float | None = None
    note: str = ""
    by: str = ""
    peak: float = 0.0


def of_event(
    event: EscalationEvent, action: Action, reason: str, context: MessageContext
) -> Message:
    """Return the message about an event.

    Args:
        event: The escalation.
        action: Effect of the message on the receiver's view of the episode.
        reason: Reason of the message, from the closed list of `schemas.audit`.
        context: Further content.
    """
    data, address = event.data, context.address
    number = context.number or f"{data.episode_id}.{data.sequence}.{reason}"
    lines = list(_lines(event, action, reason, context))
    return Message(
        key=context.identity or (f"{data.episode_id}/{address}" if address else data.episode_id),
        id=number + _mark(address),
        action=action,
        reason=reason,
        title=clean(headline(event), TITLE_CHARACTERS),
        lines=tuple(clean(line, LINE_CHARACTERS) for line in lines[:MOST_LINES]),
        severity=data.severity,
        labels=labels_of(event),
        since=data.since,
        links=tuple(_links(event, context.link, examples=not address)),
        answerable=not address,
        address=address,
        event=event,
        accounts=tuple(context.accounts),
        by=context.by,
        facts=tuple(_facts(event)),
        subject=clean(subject(event), TITLE_CHARACTERS),
    )


def _lines(
    event: EscalationEvent, action: Action, reason: str, context: MessageContext
) -> Iterable[str]:
    """Yield the lines of a message about an event, without a limit on their length."""
    data = event.data
    if reason in WHY and (action != "open" or reason == "reopened"):
        yield f"Reason for this message: {context.note or WHY[reason]}."
    elif context.note:
        yield context.note
    if context.accounts:
        named = ""
        if data.impact is not None and data.impact.customers > len(data.impact.accounts):
            named = f" (the event lists {len(data.impact.accounts)} of {data.impact.customers})"
        yield f"Your affected customers: {len(context.accounts)}{named}"
        for account in _accounts(context.accounts):
            yield f"- {account}"
    if context.now is not None and action == "open":
        age = context.now - data.detected_at.timestamp()
        if 1_800.0 <= age < 30.0 * SECONDS_PER_DAY:
            yield f"The episode opened {age / 3600.0:.1f} hours ago and is still open."
    text = for_accounts(event) if context.address else render(event).split("\n")[1:]
    for line in text:
        if not line.lstrip().startswith(BUDGET_LINE):
            yield line.strip()
    if event.transition == "resolved" and context.peak > 0.0:
        yield f"Peak: {rounded(context.peak)} times the expected rate."


def notice(
    key: str,
    number: str,
    action: Action,
    reason: str,
    tenant: str,
    text: str,
    since: datetime,
    address: str = "",
) -> Message:
    """Return a minimal message about an episode or digest whose event is missing or unreadable."""
    return Message(
        key=key,
        id=number + _mark(address),
        action=action,
        reason=reason,
        title=clean(f"[NOTICE] {text or 'an episode whose details this release cannot read'}",
                    TITLE_CHARACTERS),
        lines=(f"Episode or digest {key} of {clean(tenant, 128) or 'several tenants'}",),
        severity="error",
        labels={"alertname": "TicketNotice", "tenant": clean(tenant, LABEL_CHARACTERS)},
        since=since,
        address=address,
    )  # fmt: skip


def _mark(address: str) -> str:
    """Return a suffix that distinguishes messages to several owners and is valid in a header."""
    return f".{hashlib.sha256(address.encode()).hexdigest()[:12]}" if address else ""


def _facts(event: EscalationEvent) -> Iterable[tuple[str, str]]:
    """Yield the key figures, for sinks that have fields."""
    data = event.data
    yield "Tickets", f"{data.tickets} ({rounded(data.expected)} expected)"
    yield "Customers", str(data.customers)
    yield "Since", f"{data.since:%Y-%m-%d %H:%M} UTC"
    yield "Times the expected rate", rounded(data.ratio)
    if data.actions is not None and data.actions.team:
        yield "Team", clean(data.actions.team, 100)


def _links(event: EscalationEvent, link: str, *, examples: bool) -> Iterable[tuple[str, str]]:
    data = event.data
    if link:
        url = link.replace("{tenant}", quote(data.tenant, safe="")).replace(
            "{episode}", data.episode_id
        )
        yield EPISODE_LINK, url
    if data.actions is not None and is_web(data.actions.runbook):
        yield "Runbook", str(data.actions.runbook)
    for example in data.examples if examples else ():  # examples may be from any customer
        if is_web(example.url):
            yield f"Ticket {clean(example.ticket_id, 60)}", str(example.url)


def is_web(url: str | None) -> bool:
    """Return whether a text is an http or https URL."""
    try:
        parts = urlsplit(url or "")
        if not (url or "").isprintable() or " " in (url or ""):
            return False  # urlsplit ignores line breaks
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def _accounts(accounts: Sequence[Account]) -> Iterable[str]:
    for account in accounts[:MOST_ACCOUNTS]:
        parts = [
            account.tier or "",
            f"{account.tickets} ticket" + ("s" if account.tickets > 1 else ""),
        ]
        if account.revenue:
            parts.append(f"{account.revenue:,.0f} a year")
        yield f"{clean(account.customer, 100)} ({', '.join(filter(None, parts))})"
    if len(accounts) > MOST_ACCOUNTS:
        yield f"and {len(accounts) - MOST_ACCOUNTS} more"
