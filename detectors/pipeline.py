"""One signal through one tenant. This file alone knows the order.

A ticket: of this tenant? in time? new? on time? -> the clock moves on, and what time alone decides
is decided -> was the feed silent? -> its area -> its customer's weight -> the scores of the area,
of its slices, of the whole tenant -> the limits and the episode (`detectors.paging`). A merged,
deleted or re-tagged one is taken back. A tick: the clock moves on.

Time. The clock of a tenant is moved by its tickets and by ticks, never back. A ticket older than
the clock by no more than the lateness counts as now; an older one is learned, but never a reason to
page. What time alone decides (calm, resolved) is decided on whole minutes, in order, when the clock
passes them, so that the number and the times of ticks leave no trace.
"""

import operator
from typing import Literal

import msgspec

from detectors.answering import answer
from detectors.calendar import resolution
from detectors.days import day_of
from detectors.dossier import DIMENSIONS, Note, remember
from detectors.duplicates import fingerprint, fingerprints
from detectors.guard_names import Guard
from detectors.guards import LEAST_GAP_HOURS, is_feed_gap
from detectors.models import Arrival, Score
from detectors.paging import Arrived, account, also_of, judge, learn_limits, resolve, tell
from detectors.placing import Placed, place
from detectors.series import Series
from detectors.settings import Settings
from detectors.slices import Area, Found, keys_of
from detectors.telling import customer_key
from detectors.tenant import KNOWN_HOURS, WHOLE, Tenant
from detectors.words import terms, tokens
from schemas.escalation import EscalationEvent
from schemas.signals import (
    MOST_HANDLING_SECONDS,
    MOST_REVENUE,
    OTHER,
    UNCLASSIFIED,
    Signal,
    Tick,
    Ticket,
    Verdict,
)

Outcome = Literal[
    "counted",
    "late",
    "too_late",
    "duplicate",
    "withdrawn",
    "moved",
    "solved",
    "not_created",
    "not_by_customer",
    "not_simulated",
    "future",
    "tick",
    "tick_ignored",
    "history_end",
    "verdict",
    "verdict_ignored",
]
"""What became of a signal. Only ``future`` is a dead letter; ``not_simulated`` is a ticket of
simulated time for a tenant that had a live one; ``verdict_ignored`` is an answer to a page that is
not one of the last four weeks, or no verdict; ``withdrawn`` one that was merged or deleted and
``moved`` one that was re-tagged into another area; ``solved`` told how long its area takes."""

DAY_SECONDS = 86_400
URL_CHARACTERS = 300
ID_CHARACTERS = 128
TESTED = 64
"""One ticket in so many tells how well words tell areas."""
UNKNOWN_AREAS = 10
LEAST_UNKNOWN = 10
"""One in so many areas may be unknown at a time, but at least so many; the rest shares one."""
FRESH_SECONDS = 3600.0
"""A ticket without an area that is tagged within this time of its creation counts in its area as if
it came now. Any other one that is re-tagged is only learned there: nobody complained anew."""


class Step(msgspec.Struct, frozen=True):
    """What one signal led to."""

    outcome: Outcome
    escalations: list[EscalationEvent]
    guards: tuple[Guard, ...] = ()
    """What kept it from counting fully, or from a page of its own."""
    placed: Placed | None = None
    """How a counted ticket that said no area was given one."""


def step(
    tenant: Tenant, signal: Signal, settings: Settings, received_at: float | None = None
) -> Step:
    """Take *signal* into *tenant*.

    Args:
        tenant: Changed in place.
        signal: Of this tenant.
        settings: The same for all signals of a run; they are part of every decision.
        received_at: When the internal topic took the signal in, seconds since 1970: a live ticket
            much later than that is ``future`` and changes nothing, one a little later counts as
            then. None: no such rule.

    Returns:
        What became of the signal, and the escalations it led to, in order.

    Example:
        >>> settings = Settings()
        >>> tenant = Tenant("acme", settings)
        >>> step(tenant, Ticket("acme", "1", created_at=0.0, area="login"), settings).outcome
        'counted'
        >>> step(tenant, Ticket("acme", "1", created_at=9.0, area="login"), settings).outcome
        'duplicate'
    """
    if isinstance(signal, Ticket):
        tenant.guarded.clear()
        signal, placed = _named(tenant, signal, settings)
        outcome, escalations = _ticket(tenant, signal, settings, received_at, placed)
        counted = placed if outcome == "counted" else None
        return Step(outcome, escalations, tuple(tenant.guarded), counted)
    if isinstance(signal, Tick):
        return _tick(tenant, signal, settings, received_at)
    if isinstance(signal, Verdict):
        answered = answer(tenant, signal, settings)
        return Step("verdict_ignored" if answered is None else "verdict", answered or [])
    return _history_end(tenant, settings)


def _named(tenant: Tenant, ticket: Ticket, settings: Settings) -> tuple[Ticket, Placed | None]:
    """The ticket with the area that its alias, or else its words, stand for."""
    taxonomy = settings.taxonomy
    area, issue_type, placed = taxonomy.canonical(ticket.area), ticket.issue_type, None
    if ticket.text is not None and ticket.event_type == "created":
        if area == UNCLASSIFIED:
            found = place(ticket.text, taxonomy, tenant.placer, settings.placing_confidence)
            placed = "unclassified" if found is None else found.how
            if found is not None:
                area = taxonomy.canonical(found.area)
                issue_type = issue_type or found.issue_type
        elif issue_type is None and taxonomy.areas:
            told = taxonomy.place(tokens(ticket.text))
            issue_type = told[1] if told is not None and told[0] == area else None
    if area == ticket.area and issue_type == ticket.issue_type:
        return ticket, placed
    return msgspec.structs.replace(ticket, area=area, issue_type=issue_type), placed


def _ticket(
    tenant: Tenant,
    ticket: Ticket,
    settings: Settings,
    received_at: float | None,
    placed: Placed | None,
) -> tuple[Outcome, list[EscalationEvent]]:
    at = ticket.created_at
    mode = ticket.mode
    if mode == "simulated":
        if tenant.live:
            return "not_simulated", []
    elif received_at is not None:
        if at > received_at + settings.future_seconds:
            return "future", []
        at = min(at, received_at)
    if ticket.event_type in ("merged", "deleted"):
        return _withdraw(tenant, ticket, at, settings)
    if ticket.event_type == "reclassified":
        return _move(tenant, ticket, at, settings)
    if ticket.event_type == "solved":
        return _solved(tenant, ticket)
    if ticket.event_type != "created":
        return "not_created", []
    if ticket.created_by != "customer":
        tenant.guarded.append("agent_created" if ticket.created_by == "agent" else "imported")
        return "not_by_customer", []
    before = tenant.clock
    clock = at if before is None or at > before else before
    of_the_day = resolution(at, settings.timezone) == DAY_SECONDS
    late = clock - at > settings.lateness_seconds
    if late and of_the_day and before is not None and tenant.whole.coarse > 0.5:
        late = clock - at > settings.lateness_seconds + DAY_SECONDS  # its hour is not known
    marks = fingerprints(ticket.ticket_id, ticket.event_id, ticket.source)
    if not tenant.duplicates.is_new(marks, int(clock // 3600), late=late, quick=mode != "live"):
        tenant.guarded.append("duplicate")
        return "duplicate", []
    if before is None:
        tenant.start(at)
    tenant.live = tenant.live or mode == "live"
    if late:
        return _late(tenant, ticket, at, marks[0], settings)
    tenant.in_history = mode == "history"
    tenant.simulated = mode == "simulated"
    events = _pass_time(tenant, clock, settings) if clock != before else []
    of_the_day = tenant.whole.told_the_day(alone=of_the_day) and at == clock
    until = at + DAY_SECONDS if of_the_day else 0.0
    if placed in ("rule", "model"):
        tenant.note_placed(marks[0])
    return "counted", events + _count(
        tenant, ticket, clock, marks[0], settings, until, guessed=placed == "model"
    )


def _count(
    tenant: Tenant,
    ticket: Ticket,
    at: float,
    mark: int,
    settings: Settings,
    until: float = 0.0,
    *,
    guessed: bool = False,
) -> list[EscalationEvent]:
    """A complaint of *ticket*'s area, now: into every series it is part of, and judge.

    *until*: see `Arrival`. *guessed*: its words teach nothing (more).
    """
    events: list[EscalationEvent] = []
    whole = tenant.whole
    _look_for_gap(tenant, at)
    tenant.last_ticket = at
    whole.model.advance(at)
    area, series = _series(tenant, ticket.area, at, settings)
    left_open = series.running
    if left_open is not None and left_open.suppressed == "history" and not tenant.in_history:
        events += resolve(tenant, area, at, settings)
    left_open = whole.running
    if left_open is not None and left_open.suppressed == "history" and not tenant.in_history:
        events += resolve(tenant, WHOLE, at, settings)
    weight, last_seen = series.customers.see(ticket.customer, at)
    if weight < 1.0:
        tenant.guarded.append("repeated_customer")
    series.count(at, weight, mark)
    if weight == 0.0:
        return events
    score = series.model.observe(Arrival(at, weight, last_seen, until))
    series.last_score = (at, score.value)
    values = _values(ticket)
    watched, others = keys_of(values, settings.slice_dimensions)
    known = tenant.knows(series)
    found = _slices(tenant, series, at, weight, last_seen, watched, known=known)
    if until:
        found = None  # a slice knows no other clock than its area's
    series.slices.count(weight, others)
    note = _note(ticket, at, weight, mark, values, guessed=guessed)
    # What an episode could still begin with teaches nothing yet.
    forgotten = remember(series.notes, note, series.model.rate)
    if series.running is None and whole.running is None:
        for older in forgotten:
            _learn_usual(tenant, area, older)
    of_whole, weight_there = Score(), 0.0
    if known:
        weight_there, seen_there = whole.customers.see(ticket.customer, at)
        weight_there *= series.model.information
        whole.remember(weight_there, mark)
        of_whole = whole.model.observe(Arrival(at, weight_there, seen_there, until))
    if whole.day != int(at // 86_400.0):
        _name_the_day(tenant, at, settings)
    for each in (series, whole):
        if each.day != int(at // 86_400.0):
            learn_limits(tenant, each, at)
    arrived = Arrived(area, at, note, last_seen, score, found, of_whole, weight_there)
    return events + judge(tenant, arrived, settings)


def _name_the_day(tenant: Tenant, at: float, settings: Settings) -> None:
    """Once a day: say if it is expected to be another one than its weekday tells."""
    hour = int(at // 3600)
    calendar = settings.calendar
    if day_of(hour, calendar.timezone, calendar.country, calendar.subdivision).holiday:
        tenant.guarded.append("holiday")
    if any(event.start < at + 86_400.0 and event.end > at for event in calendar.events):
        tenant.guarded.append("announced")


def _slices(
    tenant: Tenant,
    series: Series,
    at: float,
    weight: float,
    last_seen: float,
    keys: tuple[str, ...],
    *,
    known: bool,
) -> Found | None:
    """The slice that scored highest with a ticket whose watched values are *keys*.

    *known*: what the area's tickets tell of the whole tenant counts.
    """
    if not keys:
        return None
    model = series.model
    hours = at / 3600.0
    area = Area(model.due_by(at), series.seen, model.rate, model.variance(6.0), hours - series.born)
    return series.slices.observe(
        hours, weight, last_seen / 3600.0, keys, area, tenant.shares, teaches=known
    )


_values = operator.attrgetter(*("feed" if name == "source" else name for name in DIMENSIONS))


def _note(
    ticket: Ticket,
    at: float,
    weight: float,
    mark: int,
    values: tuple[str | None, ...],
    *,
    guessed: bool,
) -> Note:
    return Note(
        mark,
        ticket.ticket_id[:ID_CHARACTERS],
        at,
        weight,
        values,
        ticket.customer,
        None if ticket.revenue is None else min(ticket.revenue, MOST_REVENUE),
        ticket.renewal_at,
        ticket.text or "",
        ticket.url if ticket.url is not None and len(ticket.url) <= URL_CHARACTERS else None,
        guessed,
    )


def _learn_usual(tenant: Tenant, area: str, note: Note) -> None:
    """Outside episodes: which values go together, and which words are used."""
    if note.weight < 1.0:
        return
    series = tenant.areas[area]
    rank = series.mix.rank(note.mark, note.at / 3600.0)
    if series.mix.wants(rank):
        keys = note.keys if note.customer is None else (*note.keys, customer_key(note.customer))
        series.mix.take(rank, keys)
        series.usual_changed()
    if note.text and not note.guessed and series.vocabulary.wants(note.mark):
        tenant.learn_words(area, terms(note.text), tested=note.mark % TESTED == 0)


def _look_for_gap(tenant: Tenant, at: float) -> None:
    """Where the source was silent, those hours teach nothing and no window spans them."""
    if at - tenant.last_ticket < 3_600.0 * LEAST_GAP_HOURS:
        return
    whole = tenant.whole
    if is_feed_gap(whole.model, tenant.last_ticket, at):
        tenant.guarded.append("feed_gap")
        whole.model.mark_gap(tenant.last_ticket, at)
        for name, series in tenant.areas.items():
            series.model.mark_gap(tenant.last_ticket, at)
            series.slices.restart()
            tenant.touched.add(name)


def _solved(tenant: Tenant, ticket: Ticket) -> tuple[Outcome, list[EscalationEvent]]:
    """How long a ticket of its area takes."""
    series = tenant.areas.get(ticket.area)
    if series is None or ticket.handled is None:
        return "not_created", []
    series.handle(min(ticket.handled, MOST_HANDLING_SECONDS), elapsed=ticket.elapsed)
    tenant.touched.add(ticket.area)
    return "solved", []


def _withdraw(
    tenant: Tenant, ticket: Ticket, at: float, settings: Settings
) -> tuple[Outcome, list[EscalationEvent]]:
    """A ticket was merged away or deleted: it is no complaint of its own any more."""
    if tenant.clock is None:
        return "not_created", []
    found = _take_back(tenant, ticket, at, settings)
    if found is None:
        return "not_created", []
    tenant.guarded.append("merged" if ticket.event_type == "merged" else "deleted")
    return "withdrawn", found


def _take_back(
    tenant: Tenant, ticket: Ticket, at: float, settings: Settings, but: str | None = None
) -> list[EscalationEvent] | None:
    """Take a ticket that was counted lately out of all series; None where none remembers it."""
    mark = fingerprints(ticket.ticket_id, None, ticket.source)[0]
    for area in dict.fromkeys((ticket.area, *tenant.areas)):
        series = tenant.areas.get(area)
        if series is None or area == but:
            continue
        if not series.remembers(mark):
            continue
        weight = series.forget(mark, at)
        tenant.touched.add(area)
        if weight == 0.0:  # the same form sent twice: it never counted
            return []
        series.model.withdraw(at, weight)
        series.slices.withdraw(
            at / 3600.0, weight, keys_of(_values(ticket), settings.slice_dimensions)[0]
        )
        gone = _noted(series, mark) or _note(
            ticket, at, weight, mark, _values(ticket), guessed=False
        )
        series.notes = [note for note in series.notes if note.mark != mark]
        there = tenant.whole.forget(mark, at)
        if there > 0.0:
            tenant.whole.model.withdraw(at, there)
        events = []
        for key, lost in ((area, weight), (WHOLE, there)):
            episode = tenant.series(key).running
            if episode is not None and not episode.inside(gone):
                continue
            if episode is not None and episode.dossier is not None:
                also = also_of(area) if key == WHOLE else ()
                episode.dossier.withdraw(gone, at, inside=episode.inside(gone), also=also)
            transition = episode and episode.withdraw(at, lost)
            if transition:
                assert tenant.clock is not None
                events.append(tell(tenant, key, transition, tenant.clock, settings))
        return events
    return None


def _noted(series: Series, mark: int) -> Note | None:
    """What is still known of the ticket with that *mark*, whose own event may tell less."""
    known = list(series.notes)
    if series.running is not None and series.running.dossier is not None:
        known += series.running.dossier.candidates
    return next((note for note in known if note.mark == mark), None)


def _move(
    tenant: Tenant, ticket: Ticket, at: float, settings: Settings
) -> tuple[Outcome, list[EscalationEvent]]:
    """A ticket was re-tagged into its area: one of just now counts there, an old one is learned."""
    clock = tenant.clock
    if clock is None:
        return "not_created", []
    mark = fingerprints(ticket.ticket_id, None, ticket.source)[0]
    there = tenant.areas.get(ticket.area)
    if there is not None and there.remembers(mark):
        return "duplicate", []
    unclassified = tenant.areas.get(UNCLASSIFIED)
    was_unclassified = mark in tenant.placed or (
        unclassified is not None and unclassified.remembers(mark)
    )
    told = fingerprint(f"{ticket.source}\x1fmoved\x1f{ticket.ticket_id}\x1f{ticket.area}")
    if not tenant.duplicates.is_new([told], int(clock // 3600)):
        return "duplicate", []
    events = _take_back(tenant, ticket, at, settings, but=ticket.area)
    tenant.guarded.append("reclassified")
    if ticket.text and ticket.area in tenant.areas:
        tenant.learn_words(ticket.area, terms(ticket.text), tested=False)
        tenant.touched.add(ticket.area)
    if was_unclassified and events is not None and clock - at <= FRESH_SECONDS:
        return "moved", events + _count(tenant, ticket, clock, mark, settings, guessed=True)
    if there is not None:
        there.model.learn_late(at, 1.0, bounded=True)
        tenant.touched.add(ticket.area)
    return "moved", (events or []) + _belated(tenant, ticket.area, ticket, at, mark, settings)


def _tick(tenant: Tenant, tick: Tick, settings: Settings, received_at: float | None) -> Step:
    wall_clock = tick.tenant is None
    too_far = received_at is not None and tick.now > received_at + settings.future_seconds
    not_ours = wall_clock and (tenant.in_history or tenant.simulated)
    if tenant.clock is None or not_ours or (too_far and not tenant.simulated):
        return Step("tick_ignored", [])
    now = tick.now
    if received_at is not None and not tenant.simulated:  # by the broker's clock, not the sender's
        now = min(now, received_at - settings.lateness_seconds)
    return Step("tick", _pass_time(tenant, now, settings))


def _history_end(tenant: Tenant, settings: Settings) -> Step:
    """From here on it pages. What history left open is closed: live tickets may open it anew."""
    if tenant.clock is None:
        return Step("history_end", [])
    clock = tenant.clock
    # Also where a live ticket came among the history: the tenant is in history no more, they are.
    left_open = [
        key
        for key in sorted(tenant.running)
        if (episode := tenant.series(key).episode) is not None and episode.suppressed == "history"
    ]
    events = [event for key in left_open for event in resolve(tenant, key, clock, settings)]
    if tenant.in_history:
        tenant.whole.model.restart()
        for area, series in tenant.areas.items():
            series.model.restart()
            series.slices.restart()
            tenant.touched.add(area)
    tenant.in_history = False
    return Step("history_end", events)


def _late(
    tenant: Tenant, ticket: Ticket, at: float, mark: int, settings: Settings
) -> tuple[Outcome, list[EscalationEvent]]:
    """Learn what came too late to be scored; it makes no area, for nobody knows how old that is."""
    tenant.guarded.append("backfill")
    area = ticket.area if ticket.area in tenant.areas else OTHER
    series = tenant.areas.get(area)
    live = ticket.mode == "live"
    events = _belated(tenant, area, ticket, at, mark, settings)
    if series is None or not series.model.learn_late(at, 1.0, bounded=live):
        return "too_late", events
    series.tickets += 1
    if tenant.knows(series):
        tenant.whole.model.learn_late(at, series.model.information, bounded=live)
    tenant.touched.add(area)
    return "late", events


def _belated(
    tenant: Tenant, area: str, ticket: Ticket, at: float, mark: int, settings: Settings
) -> list[EscalationEvent]:
    """Count in an area's running episode what was heard of too late to be a reason for it."""
    series = tenant.areas.get(area)
    episode = series.running if series is not None else None
    if series is None or episode is None or episode.suppressed == "history" or at < episode.since:
        return []
    note = _note(ticket, at, 1.0, mark, _values(ticket), guessed=False)
    inside = episode.inside(note)
    if episode.dossier is not None:
        episode.dossier.add(note, settings.renewal_days, inside=inside, calm=episode.calm)
    tenant.touched.add(area)
    transition = episode.belated(at, settings) if inside else None
    assert tenant.clock is not None
    return [tell(tenant, area, transition, tenant.clock, settings)] if transition else []


def _pass_time(tenant: Tenant, now: float, settings: Settings) -> list[EscalationEvent]:
    """Move the clock to *now*; on each whole minute passed, see whether episodes are over."""
    assert tenant.clock is not None
    if now <= tenant.clock:
        return []
    tenant.clock = now
    last = int(now // 60)
    events = []
    while tenant.running and tenant.minute < last:
        tenant.minute += 1
        minute = tenant.minute * 60.0
        tenant.whole.model.advance(minute)
        for key in sorted(tenant.running):
            series = tenant.series(key)
            if series.running is None:  # it ended with the one it was inside of
                continue
            series.model.advance(minute)
            if key != WHOLE:
                tenant.touched.add(key)
            account(tenant, key, minute)
            if _is_over(tenant, key, minute, settings):
                events += resolve(tenant, key, minute, settings)
    tenant.minute = last
    return events


def _has_room(tenant: Tenant, area: str, at: float, settings: Settings) -> bool:
    """Whether a new area gets a series of its own: names that anyone made up get few."""
    areas = tenant.areas
    if settings.taxonomy.knows(area) or area == UNCLASSIFIED:
        return True
    if len(areas) >= settings.areas_per_tenant:
        return False
    if at / 3600.0 - tenant.born < KNOWN_HOURS:
        return True
    unknown = sum(not tenant.knows(series) for series in areas.values())
    return unknown < max(settings.areas_per_tenant // UNKNOWN_AREAS, LEAST_UNKNOWN)


def _is_over(tenant: Tenant, key: str, minute: float, settings: Settings) -> bool:
    episode = tenant.series(key).running
    assert episode is not None
    over = episode.look(minute, settings)
    if episode.reason == "storm":  # it stands for the others, not for the tenant's own count
        return tenant.running == {WHOLE}
    return over


def _series(tenant: Tenant, area: str, at: float, settings: Settings) -> tuple[str, Series]:
    """The series that counts for *area*, made if there is room; beyond the cap all share one."""
    if area not in tenant.areas and not _has_room(tenant, area, at, settings):
        area = OTHER
    series = tenant.areas.get(area)
    if series is None:
        # What is shared by all that is unknown was there from the start, and silent.
        born = tenant.born * 3600.0 if area == OTHER else at
        series = Series.starting(settings.model, tenant.context(area), born)
        series.shared = area == OTHER
        series.model.advance(at)
        tenant.admit(area, series)
    tenant.touched.add(area)
    return area, series
