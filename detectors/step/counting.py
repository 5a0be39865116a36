"""Counting a ticket in every series that it belongs to."""

import operator

from detectors.alerting.decision import decide, learn_thresholds
from detectors.alerting.guards import LEAST_GAP_HOURS, is_feed_gap
from detectors.alerting.lifecycle import ScoredTicket, resolve, tell
from detectors.foundation.dimensions import DIMENSIONS, customer_key
from detectors.foundation.local_days import day_of
from detectors.foundation.outcomes import Outcome
from detectors.foundation.tokens import terms
from detectors.memory.episode_tickets import TicketSummary, remember
from detectors.models import Arrival, Score
from detectors.models.slices import Area, SliceScore, keys_of
from detectors.policy.settings import Settings
from detectors.state.series import Series
from detectors.state.tenant import KNOWN_HOURS, TENANT_SERIES, Tenant
from schemas.escalation import EscalationEvent
from schemas.signals import MOST_REVENUE, OTHER, UNCLASSIFIED, Ticket

URL_CHARACTERS = 300


ID_CHARACTERS = 128


TESTED = 64
"""One ticket in so many tells how well words tell areas."""


UNKNOWN_AREAS = 10


LEAST_UNKNOWN = 10
"""One in so many areas may be unknown at a time, but at least so many; the rest shares one."""


def count_ticket(
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
        events += resolve(tenant, TENANT_SERIES, at, settings)
    weight, last_seen = series.customers.see(ticket.customer, at)
    if weight < 1.0:
        tenant.guarded.append("repeated_customer")
    series.count(at, weight, mark)
    if weight == 0.0:
        return events
    score = series.model.observe(Arrival(at, weight, last_seen, until))
    series.last_score = (at, score.value)
    values = values_of(ticket)
    watched, others = keys_of(values, settings.slice_dimensions)
    known = tenant.knows(series)
    found = _slices(tenant, series, at, weight, last_seen, watched, known=known)
    if until:
        found = None  # a slice knows no other clock than its area's
    series.slices.count(weight, others)
    note = summarize(ticket, at, weight, mark, values, guessed=guessed)
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
            learn_thresholds(tenant, each, at)
    arrived = ScoredTicket(area, at, note, last_seen, score, found, of_whole, weight_there)
    return events + decide(tenant, arrived, settings)


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
) -> SliceScore | None:
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


values_of = operator.attrgetter(*("feed" if name == "source" else name for name in DIMENSIONS))


def summarize(
    ticket: Ticket,
    at: float,
    weight: float,
    mark: int,
    values: tuple[str | None, ...],
    *,
    guessed: bool,
) -> TicketSummary:
    """Return what is remembered of a ticket."""
    return TicketSummary(
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


def _learn_usual(tenant: Tenant, area: str, note: TicketSummary) -> None:
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


def learn_late(
    tenant: Tenant, ticket: Ticket, at: float, mark: int, settings: Settings
) -> tuple[Outcome, list[EscalationEvent]]:
    """Learn what came too late to be scored; it makes no area, for nobody knows how old that is."""
    tenant.guarded.append("backfill")
    area = ticket.area if ticket.area in tenant.areas else OTHER
    series = tenant.areas.get(area)
    live = ticket.mode == "live"
    events = count_late_in_episode(tenant, area, ticket, at, mark, settings)
    if series is None or not series.model.learn_late(at, 1.0, bounded=live):
        return "too_late", events
    series.tickets += 1
    if tenant.knows(series):
        tenant.whole.model.learn_late(at, series.model.information, bounded=live)
    tenant.touched.add(area)
    return "late", events


def count_late_in_episode(
    tenant: Tenant, area: str, ticket: Ticket, at: float, mark: int, settings: Settings
) -> list[EscalationEvent]:
    """Count in an area's running episode what was heard of too late to be a reason for it."""
    series = tenant.areas.get(area)
    episode = series.running if series is not None else None
    if series is None or episode is None or episode.suppressed == "history" or at < episode.since:
        return []
    note = summarize(ticket, at, 1.0, mark, values_of(ticket), guessed=False)
    inside = episode.inside(note)
    if episode.dossier is not None:
        episode.dossier.add(note, settings.renewal_days, inside=inside, calm=episode.calm)
    tenant.touched.add(area)
    transition = episode.belated(at, settings) if inside else None
    assert tenant.clock is not None
    return [tell(tenant, area, transition, tenant.clock, settings)] if transition else []


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
