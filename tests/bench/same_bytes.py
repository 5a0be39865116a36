"""Check that two checkouts of spikewatch decide the same, byte for byte.

    tests/bench/same_bytes.py CHECKOUT_A CHECKOUT_B

Use it before and after a refactoring. Each checkout needs its own ``.venv`` (``make
.venv/.installed``). The program generates seeded streams of ticket events and runs each of them
through both checkouts, in two ways:

- ``spikewatch replay`` with a configuration; its escalation events and dead letters are compared.
- A driver in the checkout's own Python feeds the same stream to the partition, takes snapshots,
  and restarts from them half-way; the records of all snapshots are compared. For some streams the
  driver runs once more with live tickets and ticks.

The exit code is 0 if everything is equal, 1 if anything differs, and 2 if a run fails.

The file needs the standard library alone. The driver finds the few names that it needs by the
tables ``NAMES`` and ``MEMBERS``: add a candidate there when something moves or is renamed.
"""

import argparse
import hashlib
import importlib
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

NAMES: Final[dict[str, list[tuple[str, str]]]] = {
    "Partition": [("detectors.partition", "Partition"), ("detectors.step.partition", "Partition")],
    "Recovery": [("detectors.twins", "Recovery"), ("detectors.state.snapshots", "Recovery")],
    "load": [("stream.config", "load"), ("stream.config.loading", "load")],
    "settings_of": [
        ("stream.settings", "settings_of"),
        ("stream.config.step_settings", "settings_of"),
        ("stream.config.step_settings", "step_settings"),
    ],
    "read_ticket": [("schemas.codec", "read_ticket")],
    "to_signal": [("schemas.codec", "to_signal")],
    "read_feedback": [("schemas.codec", "read_feedback")],
    "write_escalation": [("schemas.codec", "write_escalation")],
    "Rejected": [("schemas.dead_letter", "Rejected")],
    "Tick": [("schemas.signals", "Tick")],
    "HistoryEnd": [("schemas.signals", "HistoryEnd")],
}
"""Imports of the driver: (module, name) candidates, of which the first that exists is used."""

MEMBERS: Final[dict[str, list[str]]] = {
    "take": ["take"],  # Partition: (signal, received_at=None) -> result
    "snapshot": ["snapshot"],  # Partition: (next_offset, now, rewrite_seconds) -> records
    "tenants": ["tenants"],  # Partition: tenants by name
    "read": ["read"],  # Recovery: (key, data, written_at)
    "escalations": ["escalations", "events"],  # result of take
    "outcome": ["outcome"],  # result of take
    "guards": ["guards"],  # result of take
}
"""Methods and attributes that the driver uses, with candidates in the same way."""

HOUR: Final = 3600.0
DAY: Final = 86_400.0
START: Final = datetime(2026, 3, 2, tzinfo=UTC).timestamp()
"""A Monday. The week of Easter is the fifth one, 2026-03-30 to 2026-04-05."""
MOST_BYTES: Final = 65_536
"""Longer lines are dead letters by default."""
SNAPSHOT_EVERY: Final = 1500
"""Lines between two snapshots of the driver."""
TICK_SECONDS: Final = 300.0
SHOWN_FIELDS: Final = 12
TRANSITIONS: Final = ("opened", "updated", "resolved", "reopened", "amended")

Event = dict[str, Any]


# --- The streams -------------------------------------------------------------------------------

AREAS: Final = {
    "login": 2.6,
    "billing": 1.6,
    "checkout": 1.4,
    "search": 1.0,
    "notifications": 0.8,
    "mobile app": 1.1,
    "reports": 0.6,
    "integrations": 0.5,
    "permissions": 0.4,
    "api": 0.7,
}
"""Tickets per hour."""
ISSUES: Final = ("question", "error", "slow", "refund", "sso error")
VERSIONS: Final = ("4.1.0", "4.1.0", "4.1.0", "4.2.0", "4.2.0", "4.2.1")
REGIONS: Final = ("eu", "eu", "us", "us", "us", "apac")
CHANNELS: Final = ("web", "web", "email", "chat", "phone")
TIERS: Final = ("free", "team", "team", "enterprise")
REVENUES: Final = {"free": 0.0, "team": 2_400.0, "enterprise": 60_000.0}
OPENINGS: Final = ("Hello, since this morning", "Again", "Today", "For our whole team", "Hi,")
ENDINGS: Final = ("please help", "thank you", "this is urgent", "can you look at it", "any news?")
WORDS: Final = {
    "login": ("password", "the session", "signing in", "two-factor code"),
    "billing": ("the invoice", "a charge", "our subscription", "money back"),
    "checkout": ("the basket", "the payment page", "a voucher", "an order"),
    "search": ("the filter", "search results", "sorting", "finding a document"),
}
"""Phrases in the tickets of an area; the other areas use their own names."""


@dataclass
class Incident:
    """Additional tickets of some areas for a while.

    Attributes:
        day: Begin in days after the start of the stream.
        hours: Duration in hours.
        multiple: Factor of the usual rate of the areas.
        areas: Names of areas; empty for all areas.
        stagger_minutes: Delay in minutes by which each further area begins.
        tied: Fields that all additional tickets share, such as ``app_version``.
    """

    day: float
    hours: float
    multiple: float
    areas: tuple[str, ...] = ()
    stagger_minutes: float = 0.0
    tied: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Stream:
    """Input of one comparison.

    Attributes:
        name: Name of the stream and of its folder.
        lines: Ticket events, each a JSON object or unreadable bytes.
        config: Configuration in TOML.
        files: Contents of other files that the configuration names, by file name.
        history: Earlier ticket events, read with ``--history``.
        until: Seconds since 1970 to which the clock advances at the end; None for no advance.
        feedback: Whether feedback is given on the pages of the first checkout.
        live: Whether the driver also runs with live tickets and ticks.
    """

    name: str
    lines: list[bytes]
    config: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    history: list[bytes] = field(default_factory=list)
    until: float | None = None
    feedback: bool = False
    live: bool = False


def iso(at: float) -> str:
    """Return seconds since 1970 as RFC 3339 in UTC."""
    text = datetime.fromtimestamp(round(at, 3), UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def shape(at: float) -> float:
    """Return the factor of the hour of the week: high on working days, with a peak at 13:00."""
    hour = (at - START) / HOUR % 168
    day = 0.25 + 1.7 * math.exp(-0.5 * ((hour % 24 - 13) / 4.0) ** 2)
    return day * (0.45 if hour >= 120 else 1.15)


class Company:
    """Ticket events of one tenant with the time at which each event is sent."""

    def __init__(
        self,
        tenant: str,
        seed: int,
        days: float,
        incidents: Sequence[Incident] = (),
        areas: Mapping[str, float] = AREAS,
        begin: float = 0.0,
        scale: float = 1.0,
    ) -> None:
        """Generate the tickets; *begin* and *days* are in days after `START`."""
        self.rng = random.Random(f"{tenant} {seed}")
        self.tenant, self.areas = tenant, areas
        self.sent: list[tuple[float, Event | bytes]] = []
        self.number = 0
        first = START + begin * DAY
        for hour in range(int(days * 24)):
            at = first + hour * HOUR
            for area, rate in areas.items():
                noise = self.rng.gammavariate(20.0, 0.05)
                self._add(at, at + HOUR, rate * scale * shape(at) * noise, area, {})
                for incident in incidents:
                    if incident.areas and area not in incident.areas:
                        continue
                    names = incident.areas or tuple(areas)
                    delay = names.index(area) * incident.stagger_minutes * 60.0
                    start = START + incident.day * DAY + delay
                    low, high = max(at, start), min(at + HOUR, start + incident.hours * HOUR)
                    if low < high:
                        base = max(rate * scale * shape(at), 0.4)
                        extra = base * (incident.multiple - 1.0) * (high - low) / HOUR
                        self._add(low, high, extra, area, incident.tied)

    def _add(
        self, low: float, high: float, mean: float, area: str, tied: Mapping[str, str]
    ) -> None:
        at = self.rng.expovariate(mean) if mean > 0.0 else 1.0
        while at < 1.0:
            created = low + at * (high - low)
            self.sent.append((created, self.ticket(created, area, tied)))
            at += self.rng.expovariate(mean)

    def ticket(self, at: float, area: str, tied: Mapping[str, str] | None = None) -> Event:
        """Return a ``created`` event."""
        rng, tied = self.rng, tied or {}
        self.number += 1
        account = rng.randrange(900) if tied else int(900 ** rng.random())
        issue = tied.get("issue_type") or rng.choice(ISSUES)
        thing = rng.choice(WORDS.get(area, (area, f"the {area} page")))
        word = tied.get("word", "")
        tier = TIERS[account % 4]
        return {
            "ticket_id": f"{self.tenant}-{self.number}",
            "event_id": f"{self.tenant}-{self.number}-created",
            "created_at": iso(at),
            "tenant": self.tenant,
            "product_area": area,
            "issue_type": issue,
            "subject": f"{issue}: {thing}",
            "body": f"{rng.choice(OPENINGS)} {thing} fails {word} {rng.choice(ENDINGS)}",
            "customer": {
                "id": f"customer-{account}",
                "tier": tier,
                "segment": ("retail", "health", "public")[account % 3],
                "region": tied.get("region") or rng.choice(REGIONS),
                "arr": REVENUES[tier],
                "renewal_at": iso(START + (account * 37 % 365) * DAY),
            },
            "channel": tied.get("channel") or rng.choice(CHANNELS),
            "app_version": tied.get("app_version") or rng.choice(VERSIONS),
            "language": rng.choice(("en", "en", "de")),
            "source": rng.choice(("helpdesk", "helpdesk", "shop")),
            "url": f"https://{self.tenant}.example.com/tickets/{self.number}",
        }

    def created(self) -> list[tuple[float, Event]]:
        """Return all ``created`` events."""
        return [(at, event) for at, event in self.sent if isinstance(event, dict)]

    def noisy_customer(self, day: float, tickets: int, area: str) -> None:
        """Add *tickets* of a single customer within two hours."""
        for i in range(tickets):
            at = START + day * DAY + i * 2 * HOUR / tickets
            ticket = self.ticket(at, area)
            ticket["customer"]["id"] = "customer-noisy"
            self.sent.append((at, ticket))

    def duplicates(self, share: float) -> None:
        """Send a *share* of the events again within a day."""
        for at, event in self.created():
            if self.rng.random() < share:
                self.sent.append((at + self.rng.random() * DAY, event))

    def late(self, share: float) -> None:
        """Send a *share* of the events late by seconds, minutes or hours."""
        self.sent = [
            (at + self.rng.choice((20.0, 50.0, 900.0, 7 * HOUR, 60 * HOUR)), event)
            if self.rng.random() < share
            else (at, event)
            for at, event in self.sent
        ]

    def without_area(self, share: float) -> None:
        """Remove everything but the text from a *share* of the tickets."""
        for _, ticket in self.created():
            if self.rng.random() < share:
                del ticket["product_area"]
                if self.rng.random() < 0.5:
                    del ticket["issue_type"]

    def taken_back(self, day: float, hours: float, area: str) -> None:
        """Delete most tickets of an area in these hours while the incident is in progress."""
        low, high = START + day * DAY, START + day * DAY + hours * HOUR
        for at, created in self.created():
            if low <= at < high and created.get("product_area") == area and self.rng.random() < 0.8:
                event = created | {"event_type": "deleted", "occurred_at": iso(high)}
                event["event_id"] = f"{created['ticket_id']}-taken-back"
                self.sent.append((high + self.rng.random() * HOUR, event))

    def by_others(self, share: float) -> None:
        """Make a *share* of the tickets created by agents, by an import or without a customer."""
        for _, ticket in self.created():
            if self.rng.random() < share:
                how = self.rng.randrange(3)
                if how == 2:
                    del ticket["customer"]
                else:
                    ticket["created_by"] = ("agent", "import")[how]

    def corrections(self, share: float) -> None:
        """Merge, delete, reclassify, solve or rate a *share* of the tickets later."""
        names = list(self.areas)
        before = f"{self.tenant}-0"
        for at, created in self.created():
            if self.rng.random() < share:
                kind = self.rng.choice(
                    ("merged", "deleted", "reclassified", "reclassified", "solved", "rated")
                )
                then = at + self.rng.choice((300.0, 1800.0, 3 * HOUR, 30 * HOUR))
                event = created | {"event_type": kind, "occurred_at": iso(then)}
                event["event_id"] = f"{created['ticket_id']}-{kind}"
                if kind == "merged":
                    event["merged_into"] = before
                elif kind == "reclassified":
                    event["product_area"] = self.rng.choice(names)
                elif kind == "solved" and self.rng.random() < 0.5:
                    event["handling_minutes"] = round(self.rng.uniform(3, 60), 1)
                elif kind == "solved":
                    event["solved_at"] = iso(then)
                self.sent.append((then, event))
            before = created["ticket_id"]

    def silence(self, day: float, hours: float) -> None:
        """Withhold all events for some hours, and send them all at once afterwards."""
        low, high = START + day * DAY, START + day * DAY + hours * HOUR
        self.sent = [(max(at, high) if at >= low else at, event) for at, event in self.sent]

    def unknown_areas(self, day: float, tickets: int) -> None:
        """Add *tickets* within three hours, each of an area that nobody knows."""
        for i in range(tickets):
            at = START + day * DAY + i * 3 * HOUR / tickets
            self.sent.append((at, self.ticket(at, f"made up {i % 40}")))

    def unreadable(self, until: float) -> None:
        """Add a line for each reason of rejection, and a ticket in a CloudEvents envelope."""
        at = START + 5 * DAY
        whole = self.ticket(at, "login")
        for i, line in enumerate(
            (
                b"{",
                b"[]",
                b"\xff\xfe",
                json.dumps(whole | {"created_at": "2026-03-07T00:00:00"}).encode(),
                json.dumps(whole | {"created_at": 1772841600}).encode(),
                json.dumps({"tenant": self.tenant, "ticket_id": "1"}).encode(),
                json.dumps(whole | {"schema_version": 9}).encode(),
                json.dumps(whole | {"body": "x" * 70_000}).encode(),
                json.dumps(whole | {"ticket_id": "future", "created_at": iso(until + 9)}).encode(),
                json.dumps(
                    {
                        "specversion": "1.0",
                        "id": "envelope",
                        "source": "/helpdesk",
                        "type": "ticket",
                        "data": self.ticket(at, "billing"),
                    }
                ).encode(),
            )
        ):
            self.sent.append((at + i, line))


def lines_of(*companies: Company) -> list[bytes]:
    """Return the events of *companies* in the order in which they are sent."""
    sent = [
        (at, index, place, event)
        for index, company in enumerate(companies)
        for place, (at, event) in enumerate(company.sent)
    ]
    sent.sort(key=lambda entry: entry[:3])
    return [
        event if isinstance(event, bytes) else json.dumps(event, ensure_ascii=False).encode()
        for *_, event in sent
    ]


TAXONOMY: Final = """
[[product]]
name = "platform"
[[product]]
name = "commerce"
[[area]]
name = "login"
product = "platform"
aliases = ["sign-in", "sso"]
keywords = ["password", "signing in", "two-factor code"]
[[area.issue_type]]
name = "sso error"
keywords = ["sso error"]
[[area]]
name = "billing"
product = "commerce"
aliases = ["invoices"]
keywords = ["invoice", "subscription", "money back"]
[[area.issue_type]]
name = "refund"
keywords = ["money back"]
[[area]]
name = "checkout"
product = "commerce"
keywords = ["basket", "payment page", "voucher"]
[[area]]
name = "search"
keywords = ["search results"]
[[area]]
name = "api"
product = "platform"
aliases = ["integrations"]
"""
PLAYBOOK: Final = """
[[entry]]
name = "Single sign-on fails"
areas = ["login"]
issue_types = ["sso error"]
team = "identity"
runbook = "https://runbooks.example.com/sso"
steps = ["Look at the status page of the identity provider"]
tell = ["customer success"]
customer_text = "Since {since} {customers} customers cannot use {area} ({issue}). {status}"
[[entry]]
name = "Commerce is in trouble"
products = ["commerce"]
severity = "error"
team = "payments"
steps = ["Look at the payment provider", "Stop the run of invoices"]
customer_text = "Since {since} we see errors in {area} of {product}. Status: {status}."
[[entry]]
name = "Everything at once"
areas = ["*tenant*"]
team = "platform"
steps = ["Open a bridge"]
[[entry]]
name = "Anything else"
team = "support lead"
"""
CALENDAR: Final = """
[[event]]
name = "Release 5.0"
start = 2026-03-18T09:00:00+01:00
end = 2026-03-20T18:00:00+01:00
factor = 3.0
areas = ["login", "mobile app"]
[[event]]
name = "Campaign"
start = 2026-03-25T00:00:00+01:00
end = 2026-03-27T00:00:00+01:00
factor = 1.5
"""
LOUD: Final = "[budget]\nfalse_pages_per_week = 4\n"


def _defaults() -> Stream:
    until = START + 29 * DAY
    acme = Company(
        "acme",
        1,
        28,
        [
            Incident(15.45, 3, 9, ("login",)),
            Incident(17.5, 5, 14, ("billing",), tied={"app_version": "4.2.1", "word": "err_77"}),
            Incident(20.4, 4, 8, ("search",), tied={"region": "apac"}),
            Incident(23.5, 4, 9, ("checkout",), tied={"app_version": "5.0.0", "word": "blank"}),
            Incident(25.5, 2, 9, ("login",)),
            Incident(25.7, 2, 9, ("login",)),
        ],
    )
    acme.noisy_customer(18.6, 250, "reports")
    acme.duplicates(0.02)
    acme.late(0.03)
    acme.unreadable(until)
    globex = Company("globex", 2, 28, [Incident(19.5, 6, 6, ("api", "reports"))], scale=0.4)
    initech = Company("initech", 3, 20, [Incident(16.4, 9, 3, ("login",))], scale=0.8)
    return Stream("defaults", lines_of(acme, globex, initech), until=until, live=True)


def _outage() -> Stream:
    acme = Company(
        "acme",
        4,
        27,
        [
            Incident(15.5, 4, 9),
            Incident(19.45, 5, 14, stagger_minutes=7.0),
            Incident(
                22.5, 4, 20, tuple(AREAS)[:6], tied={"app_version": "6.0.0"}, stagger_minutes=25
            ),
        ],
    )
    globex = Company(
        "globex", 5, 27, [Incident(18.4, 8, 10, tuple(AREAS)[:7], stagger_minutes=12)], scale=0.8
    )
    acme.noisy_customer(16.5, 150, "login")
    config = LOUD + "[storm]\npages = 2\nminutes = 60\n[episode]\nclear_minutes = 20\n"
    return Stream("outage", lines_of(acme, globex), config, until=START + 28 * DAY)


def _texts() -> Stream:
    acme = Company(
        "acme",
        6,
        35,
        [
            Incident(16.4, 4, 6, ("login",)),
            Incident(17.4, 4, 9, ("login",), tied={"issue_type": "sso error", "word": "err_401"}),
            Incident(22.4, 4, 12, ("billing",), tied={"region": "eu", "channel": "phone"}),
            Incident(28.5, 5, 9, ("checkout", "billing")),
            Incident(32.5, 3, 12),
        ],
    )
    acme.taken_back(22.4, 3, "billing")
    acme.without_area(0.25)
    acme.corrections(0.15)
    acme.by_others(0.06)
    acme.duplicates(0.01)
    for _, ticket in acme.created():
        if ticket.get("product_area") == "login" and acme.rng.random() < 0.3:
            ticket["product_area"] = acme.rng.choice(("SSO ", "Sign-In"))
    config = (
        LOUD
        + '[time]\ntimezone = "Europe/Berlin"\n'
        + '[calendar]\ncountry = "DE"\nsubdivision = "BY"\nfile = "calendar.toml"\n'
        + '[text]\ntaxonomy = "taxonomy.toml"\nplaybook = "playbook.toml"\n'
        + '[severity]\ntier = "enterprise"\ncritical_tier_customers = 12\n'
        + "error_tier_customers = 5\nerror_revenue = 400000\nwarning_customers = 3\n"
        + "[impact]\nrenewal_days = 40\nhandling_minutes = 12\n"
    )
    files = {"taxonomy.toml": TAXONOMY, "playbook.toml": PLAYBOOK, "calendar.toml": CALENDAR}
    return Stream("texts", lines_of(acme), config, files, until=START + 36 * DAY)


def _answers() -> Stream:
    past = Company("acme", 7, 21, [Incident(12.5, 4, 9, ("login",)), Incident(17.5, 3, 8)])
    now = Company(
        "acme",
        8,
        21,
        [Incident(22.5 + 1.5 * i, 3, 10, (name,)) for i, name in enumerate(AREAS)]
        + [
            Incident(29.4, 20, 4, ("login",)),
            Incident(36.5, 4, 12, ("login",)),
            Incident(38.5, 4, 12, ("billing",), tied={"app_version": "4.2.1"}),
            Incident(40.5, 3, 9),
        ],
        begin=21.0,
    )
    for _, ticket in now.created():
        ticket["ticket_id"] = f"new-{ticket['ticket_id']}"
        ticket["event_id"] = f"new-{ticket['event_id']}"
    now.corrections(0.05)
    return Stream(
        "answers",
        lines_of(now),
        LOUD,
        history=lines_of(past),
        feedback=True,
        until=START + 43 * DAY,
    )


def _model(name: str, seed: int) -> Stream:
    acme = Company(
        "acme",
        seed,
        26,
        [
            Incident(15.5, 4, 12, ("login",)),
            Incident(18.5, 4, 14, ("billing",), tied={"app_version": "4.2.1"}),
            Incident(21.5, 4, 9),
            Incident(24.4, 4, 12, ("search", "api"), tied={"region": "apac"}),
        ],
        scale=1.5,
    )
    acme.late(0.01)
    config = LOUD.replace("4", "20") + f'[model]\nname = "{name}"\n'
    return Stream(name, lines_of(acme), config, until=START + 27 * DAY)


def _limits() -> Stream:
    acme = Company(
        "acme",
        11,
        28,
        [
            Incident(22.35, 10, 9, ("login",)),
            Incident(22.5, 8, 14, ("api",), tied={"app_version": "4.2.0"}),
            Incident(22.6, 5, 14, ("billing",), tied={"region": "apac"}),
            Incident(25.5, 5, 12, ("login", "api")),
        ],
    )
    acme.unknown_areas(20.5, 260)
    acme.silence(18.3, 9.0)
    acme.by_others(0.03)
    days = Company("globex", 12, 28, [Incident(22.3, 10, 8, ("login",))], scale=0.7)
    for _, ticket in days.created():  # a helpdesk that gives only the day
        ticket["created_at"] = ticket["created_at"][:10] + "T00:00:00Z"
        del ticket["channel"]
    small = [Company(f"small-{i}", 20 + i, 12, areas={"login": 0.3}) for i in range(6)]
    config = (
        LOUD
        + "[limits]\nareas_per_tenant = 8\ntenants_per_partition = 5\n"
        + '[slices]\ndimensions = ["region", "app_version"]\n'
        + "[text]\nexamples = false\n[episode]\ncooldown_minutes = 0\nupdate_percent = 20\n"
        + "[storm]\npages = 1\nminutes = 600\n"
    )
    return Stream("limits", lines_of(acme, days, *small), config, live=True)


STREAMS: Final[dict[str, Callable[[], Stream]]] = {
    "defaults": _defaults,
    "outage": _outage,
    "texts": _texts,
    "answers": _answers,
    "gaussian": lambda: _model("gaussian", 9),
    "half_space_trees": lambda: _model("half_space_trees", 10),
    "limits": _limits,
}


def feedback_on(events: bytes) -> list[bytes]:
    """Return feedback on the pages among *events*, with each kind of feedback in turn."""
    pages = [
        event
        for event in map(json.loads, events.splitlines())
        if event["type"].endswith(".opened.v1") and event["data"]["suppressed"] is None
    ]
    kinds = ("false_alarm", "incident", "expected_event", "new_normal", "duplicate_of", "note")
    answers = []
    for i, page in enumerate(pages):
        kind = kinds[i % len(kinds)]
        at = datetime.fromisoformat(page["time"]).timestamp() + 900.0
        feedback = {
            "feedback_id": f"answer-{i}",
            "tenant": page["data"]["tenant"],
            "episode_id": page["data"]["episode_id"],
            "action": kind,
            "by": "on-call",
            "at": iso(at),
        }
        if kind == "expected_event":
            feedback["until"] = iso(at + 30 * HOUR)
        if kind == "duplicate_of":
            feedback["duplicate_of"] = pages[i - 1]["data"]["episode_id"]
        answers.append(feedback)
        if i % 7 == 3:
            later = {"feedback_id": f"back-{i}", "action": "withdraw", "at": iso(at + 2 * DAY)}
            answers.append(feedback | later)
    answers.sort(key=lambda one: one["at"])
    return [json.dumps(one).encode() for one in answers]


# --- The driver: runs in the Python of a checkout ----------------------------------------------


def named(name: str) -> Any:
    """Return the object that `NAMES` gives for *name* in this checkout."""
    for module, attribute in NAMES[name]:
        try:
            imported = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name and (module == error.name or module.startswith(f"{error.name}.")):
                continue
            raise
        if hasattr(imported, attribute):
            return getattr(imported, attribute)
    raise LookupError(f"{name}: none of {NAMES[name]} exists: add where it is now to NAMES")


def member(thing: Any, name: str) -> Any:
    """Return the method or attribute that `MEMBERS` gives for *name*."""
    for candidate in MEMBERS[name]:
        if hasattr(thing, candidate):
            return getattr(thing, candidate)
    raise LookupError(f"{type(thing).__name__} has none of {MEMBERS[name]}: add to MEMBERS")


class Driver:
    """Feed one stream to a partition, and record all results."""

    def __init__(self, folder: Path, job: Mapping[str, Any]) -> None:
        """Read the settings of the stream in *folder*."""
        self.folder, self.live, self.until = folder, bool(job["live"]), job["until"]
        settings_of, load = named("settings_of"), named("load")
        self.settings = settings_of(load(folder / "config.toml"))
        self.make, self.recover = named("Partition"), named("Recovery")
        self.write, self.tick = named("write_escalation"), named("Tick")
        self.partition = self.make(0, 1, self.settings)
        self.written: list[tuple[bytes, bytes, float]] = []
        self.events, self.state = hashlib.sha256(), hashlib.sha256()
        self.of_answers, self.all_events = hashlib.sha256(), hashlib.sha256()
        """Digests of the events that feedback causes at once, and of all events in order."""
        self.count_of_answers = 0
        self.snapshots: list[str] = []
        self.records: dict[str, str] = {}
        self.outcomes: Counter[str] = Counter()
        self.guards: Counter[str] = Counter()

    def take(
        self, signal: Any, received_at: float | None = None, *, is_answer: bool = False
    ) -> None:
        """Feed one signal to the partition and record the result."""
        digest = self.of_answers if is_answer else self.events
        done = member(self.partition, "take")(signal, received_at)
        self.outcomes[member(done, "outcome")] += 1
        self.guards.update(member(done, "guards"))
        for event in member(done, "escalations"):
            line = self.write(event) + b"\n"
            digest.update(line)
            self.all_events.update(line)
            self.count_of_answers += is_answer

    def snapshot(self, position: int) -> None:
        """Take the records that a worker would write now."""
        now = float(position)
        records = member(self.partition, "snapshot")(position, now, 5.0 * SNAPSHOT_EVERY)
        for key, data in records:
            self.state.update(len(key).to_bytes(4, "big") + key)
            self.state.update(len(data).to_bytes(4, "big") + data)
            self.records[key.decode()] = hashlib.sha256(data).hexdigest()[:16]
            self.written.append((key, data, now))
        self.snapshots.append(self.state.hexdigest()[:16])

    def restart(self) -> None:
        """Continue as another owner with nothing but the records."""
        recovery = self.recover()
        for record in self.written:
            member(recovery, "read")(*record)
        self.partition = self.make(0, 2, self.settings, recovery)

    def run(self) -> dict[str, Any]:
        """Feed the stream and return the digests of its results."""
        to_signal, read_ticket = named("to_signal"), named("read_ticket")
        rejected, history_end = named("Rejected"), named("HistoryEnd")
        lines = [("simulated", line) for line in _read(self.folder / "tickets.jsonl")]
        history = [("history", line) for line in _read(self.folder / "history.jsonl")]
        read_feedback = named("read_feedback")
        answers = [read_feedback(line) for line in _read(self.folder / "feedback.jsonl")]
        everything = history + lines
        half = len(everything) // 2
        clock = ticked = 0.0
        for position, (mode, line) in enumerate(everything, start=1):
            if history and position == len(history) + 1:
                for tenant in sorted(member(self.partition, "tenants")):
                    self.take(history_end(tenant))
            try:
                if len(line) > MOST_BYTES:
                    continue
                signal = to_signal(read_ticket(line), "live" if self.live else mode)
            except rejected:
                continue
            if self.until is not None and signal.created_at > self.until:
                continue
            if self.live:
                clock = max(clock, signal.created_at)
                ticked = ticked or clock
                while ticked + TICK_SECONDS < clock:
                    ticked += TICK_SECONDS
                    self.take(self.tick(ticked), ticked + 60.0)
            while answers and answers[0].at <= signal.created_at:
                self.take(answers.pop(0), is_answer=True)
            self.take(signal, clock + 1.0 if self.live else None)
            if position % SNAPSHOT_EVERY == 0 or position == half:
                self.snapshot(position)
            if position == half:
                self.restart()
        for answer in answers:
            self.take(answer, is_answer=True)
        if self.until is not None:
            for tenant in sorted(member(self.partition, "tenants")):
                self.take(self.tick(self.until, tenant))
        self.snapshot(len(everything) + 1)
        return {
            "module": sys.modules[self.make.__module__].__file__,
            "events": self.events.hexdigest(),
            "of_answers": self.of_answers.hexdigest(),
            "all_events": self.all_events.hexdigest(),
            "count_of_answers": self.count_of_answers,
            "state": self.state.hexdigest(),
            "snapshots": self.snapshots,
            "records": self.records,
            "outcomes": self.outcomes,
            "guards": self.guards,
        }


def _read(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.exists() else []


# --- The comparison ----------------------------------------------------------------------------


class RunError(Exception):
    """A checkout could not run a stream."""


@dataclass
class Result:
    """The results of one stream in one checkout."""

    events: bytes
    dead: bytes
    states: dict[str, dict[str, Any]]
    """Results of the driver by mode, simulated or live."""


def call(checkout: Path, folder: Path, *command: str | Path) -> bytes:
    """Run a program of a checkout in *folder* without settings from our environment.

    Raises:
        RunError: The program exits with a code other than 0.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SPIKEWATCH_")}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [str(checkout / ".venv" / "bin" / command[0]), *map(str, command[1:])],
        cwd=folder,
        env=environment,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()[-3000:]
        raise RunError(f"{checkout}, stream {folder.name}: {command[0]} failed:\n{words}")
    return done.stdout


def replay(checkout: Path, folder: Path, stream: Stream, label: str) -> tuple[bytes, bytes]:
    """Return the escalation events and the dead letters of ``spikewatch replay``."""
    out, dead = folder / f"{label}.out", folder / f"{label}.dead"
    command: list[str | Path] = ["spikewatch", "replay", "tickets.jsonl", "--out", out]
    command += ["--dead", dead, "--config", "config.toml"]
    if stream.until is not None:
        command += ["--until", iso(stream.until)]
    if stream.history:
        command += ["--history", "history.jsonl"]
    if (folder / "feedback.jsonl").exists():
        command += ["--feedback", "feedback.jsonl"]
    call(checkout, folder, *command)
    return out.read_bytes(), dead.read_bytes()


def run(checkout: Path, folder: Path, stream: Stream, label: str) -> Result:
    """Run one stream through one checkout, with replay and with the driver."""
    events, dead = replay(checkout, folder, stream, label)
    states = {}
    for mode in ("simulated", "live") if stream.live else ("simulated",):
        job = json.dumps({"folder": str(folder), "live": mode == "live", "until": stream.until})
        output = call(checkout, folder, "python", "-P", Path(__file__).resolve(), "--driver", job)
        states[mode] = json.loads(output)
        module = Path(states[mode]["module"]).resolve()
        if not module.is_relative_to(checkout):
            raise RunError(f"{checkout}: its Python imports {module}, from elsewhere")
    return Result(events, dead, states)


def prepare(folder: Path, stream: Stream) -> None:
    """Write the files of a stream."""
    folder.mkdir(parents=True)
    (folder / "tickets.jsonl").write_bytes(b"\n".join(stream.lines) + b"\n")
    if stream.history:
        (folder / "history.jsonl").write_bytes(b"\n".join(stream.history) + b"\n")
    (folder / "config.toml").write_text(stream.config)
    for name, text in stream.files.items():
        (folder / name).write_text(text)


def mask(value: Any, fields: Sequence[str], path: str = "") -> Any:
    """Return *value* with *fields* hidden; a field is a path such as ``data.terms.term``."""
    if path and path in fields:
        return "(masked)"
    if isinstance(value, dict):
        return {
            key: mask(item, fields, f"{path}.{key}" if path else key) for key, item in value.items()
        }
    if isinstance(value, list):
        return [mask(item, fields, path) for item in value]
    return value


def masked(lines: bytes, fields: Sequence[str]) -> bytes:
    """Return JSON lines with *fields* hidden, or unchanged if there are no fields."""
    if not fields:
        return lines
    parsed = (json.loads(line) for line in lines.splitlines())
    return b"".join(json.dumps(mask(item, fields)).encode() + b"\n" for item in parsed)


def differing(one: Any, other: Any, path: str = "$") -> Iterator[str]:
    """Return the paths at which two JSON values differ, with both values."""
    if isinstance(one, dict) and isinstance(other, dict):
        if list(one) != list(other) and sorted(one) == sorted(other):
            yield f"{path}: the same keys in another order"
        for key in [*one, *(key for key in other if key not in one)]:
            if key not in other:
                yield f"{path}.{key}: only in A"
            elif key not in one:
                yield f"{path}.{key}: only in B"
            else:
                yield from differing(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            yield f"{path}: {len(one)} items in A, {len(other)} in B"
        for place, (left, right) in enumerate(zip(one, other, strict=False)):
            yield from differing(left, right, f"{path}[{place}]")
    elif one != other or type(one) is not type(other):
        yield f"{path}: A {json.dumps(one)[:150]}  B {json.dumps(other)[:150]}"


def show_lines(title: str, one: bytes, other: bytes, shown: int) -> None:
    """Print the first lines that differ."""
    left, right = one.splitlines(), other.splitlines()
    if len(left) != len(right):
        print(f"    {title}: {len(left)} lines in A, {len(right)} in B")
    places = [i for i, pair in enumerate(zip(left, right, strict=False), 1) if pair[0] != pair[1]]
    print(f"    {title}: {len(places)} lines differ")
    for place in places[:shown]:
        fields = list(differing(json.loads(left[place - 1]), json.loads(right[place - 1])))
        print(f"    {title}, line {place}: {len(fields)} fields differ")
        for text in fields[:SHOWN_FIELDS] or ["the JSON is equal, the bytes are not"]:
            print(f"      {text}")


def show_state(mode: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Print where two states first differ."""
    pairs = enumerate(zip(one["snapshots"], other["snapshots"], strict=False), 1)
    first = next((number for number, (left, right) in pairs if left != right), None)
    keys = sorted({*one["records"], *other["records"]})
    wrong = [key for key in keys if one["records"].get(key) != other["records"].get(key)]
    names = ", ".join(key.replace("\x1f", "/") for key in wrong[:8])
    print(f"    state ({mode}): snapshot {first} is the first that differs")
    print(f"      at the end {len(wrong)} of {len(keys)} records differ: {names}")
    for counts in ("outcomes", "guards"):
        for text in differing(one[counts], other[counts], counts):
            print(f"      {text}")


def compare(stream: Stream, one: Result, other: Result, fields: Sequence[str], shown: int) -> bool:
    """Print the comparison of one stream, and return whether both sides are equal."""
    events = [json.loads(line) for line in one.events.splitlines()]
    episodes = len({event["data"]["episode_id"] for event in events})
    tickets = len(stream.lines) + len(stream.history)
    print(f"{stream.name}: {tickets} lines, {len(events)} events, {episodes} episodes")
    rows = [("dead letters", masked(one.dead, fields), masked(other.dead, fields))]
    scopes = [replay_scope(result) for result in (one, other)]
    if None in scopes or scopes[0] == scopes[1]:
        rows.insert(0, ("replay", masked(one.events, fields), masked(other.events, fields)))
    else:
        print(f"  replay: A writes {scopes[0]}, B writes {scopes[1]}; the driver compares both")
    equal = True
    for title, left, right in rows:
        equal &= row(title, *(hashlib.sha256(text).hexdigest() for text in (left, right)))
        if left != right:
            show_lines(title, left, right, shown)
    for mode, state in one.states.items():
        present = other.states[mode]
        equal &= row(f"state ({mode})", state["state"], present["state"])
        if state["state"] != present["state"]:
            show_state(mode, state, present)
        if not fields:
            equal &= row(f"events ({mode})", state["events"], present["events"])
            if stream.feedback:
                title = f"{state['count_of_answers']} of answers"
                equal &= row(title, state["of_answers"], present["of_answers"])
                equal &= row("all in order", state["all_events"], present["all_events"])
    for label, scope in zip("AB", scopes, strict=True):
        if scope is None:
            print(f"    {label}: replay and the driver, which restarts half-way, differ in events")
            equal = False
    return equal


def replay_scope(result: Result) -> str | None:
    """Return which of the driver's events replay wrote, or None if neither all nor the known part.

    Up to commit 3e1ec0a, replay left out the events that feedback causes at once.
    """
    digest, state = hashlib.sha256(result.events).hexdigest(), result.states["simulated"]
    if digest == state["all_events"]:
        return "all events"
    return "no events of answers" if digest == state["events"] else None


def row(title: str, one: str, other: str) -> bool:
    """Print a pair of digests, and return whether they are equal."""
    print(f"  {title:18} A {one[:32]}  B {other[:32]}  {'equal' if one == other else 'DIFFERENT'}")
    return one == other


def coverage(results: Iterable[Result]) -> None:
    """Print which values the events and outcomes of the first checkout contain."""
    counters: dict[str, Counter[str]] = {}
    for result in results:
        for event in map(json.loads, result.events.splitlines()):
            data = event["data"]
            for title, value in (
                ("transition", event["type"].split(".")[-2]),
                ("reason", data["reason"]),
                ("suppressed", str(data["suppressed"])),
                ("severity", data["severity"]),
                ("severity rule", data["severity_rule"].split(":")[0]),
                ("model", data["model"]),
            ):
                counters.setdefault(title, Counter())[value] += 1
            present = counters.setdefault("with", Counter())
            named_lists = ("explanation", "terms", "examples", "children", "slice", "issue_type")
            present.update(name for name in (*named_lists, "product", "areas") if data[name])
            impact, actions = data["impact"] or {}, data["actions"] or {}
            present.update(f"impact.{name}" for name in ("revenue", "renewals") if impact.get(name))
            present.update(f"actions.{name}" for name in ("entry", "steps") if actions.get(name))
            present.update(["actions.customer_text"] if actions.get("customer_text") else [])
            present.update(f"handling by {b}" for b in [impact.get("handling_basis")] if b)
            present.update(
                ["two values together"] if any(one["also"] for one in data["explanation"]) else []
            )
        counters.setdefault("dead letter", Counter()).update(
            json.loads(line)["reason"] for line in result.dead.splitlines()
        )
        for state in result.states.values():
            counters.setdefault("outcome", Counter()).update(state["outcomes"])
            counters.setdefault("guard", Counter()).update(state["guards"])
    print("\nCoverage (events of replay; outcomes and guards of the driver), A:")
    for title, counts in counters.items():
        print(f"  {title}: {', '.join(f'{name} {n}' for name, n in sorted(counts.items()))}")
    missing = [name for name in TRANSITIONS if not counters["transition"][name]]
    if missing:
        print(f"  no event is {', '.join(missing)}")


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("a", type=Path, metavar="CHECKOUT_A", help="folder of the first checkout")
    parser.add_argument("b", type=Path, metavar="CHECKOUT_B", help="folder of the second checkout")
    parser.add_argument(
        "--words-may-differ",
        nargs="*",
        default=[],
        metavar="FIELD",
        help="fields of events and dead letters to leave out of the comparison, such as "
        "data.severity_rule or data.terms.term (list indexes are left out); default: none",
    )
    parser.add_argument(
        "--streams", nargs="*", choices=list(STREAMS), metavar="STREAM", default=list(STREAMS),
        help=f"which streams to run: {', '.join(STREAMS)}; default: all",
    )  # fmt: skip
    parser.add_argument(
        "--show", type=int, default=3, help="differing lines to show per stream (default: 3)"
    )
    parser.add_argument(
        "--keep", type=Path, help="folder to keep input and output in (must be empty)"
    )
    return parser.parse_args()


def main() -> int:
    """Run all streams through both checkouts."""
    options = arguments()
    began = time.monotonic()
    one, other = options.a.resolve(), options.b.resolve()
    results: list[tuple[Stream, Result, Result]] = []
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(2) as pool:
        base = options.keep.resolve() if options.keep else Path(scratch)
        equal = True
        try:
            for name in options.streams:
                stream, folder = STREAMS[name](), base / name
                prepare(folder, stream)
                if stream.feedback:
                    answers = feedback_on(replay(one, folder, stream, "first")[0])
                    (folder / "feedback.jsonl").write_bytes(b"\n".join(answers) + b"\n")
                made = [
                    pool.submit(run, checkout, folder, stream, label)
                    for checkout, label in ((one, "A"), (other, "B"))
                ]
                left, right = (future.result() for future in made)
                equal &= compare(stream, left, right, options.words_may_differ, options.show)
                results.append((stream, left, right))
                sys.stdout.flush()
        except RunError as error:
            print(error, file=sys.stderr)
            return 2
    coverage(left for _, left, _ in results)
    print(f"\n{'All equal' if equal else 'DIFFERENT'}, {time.monotonic() - began:.0f} s")
    return 0 if equal else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--driver"]:
        task = json.loads(sys.argv[2])
        print(json.dumps(Driver(Path(task["folder"]), task).run()))
    else:
        sys.exit(main())
