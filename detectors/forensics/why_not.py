"""Why an area did not page around a moment, and how much more it would have needed.

The log is processed up to an hour before the moment, and the state is copied. The hours around the
moment are then processed as they were, and again with one thing changed at a time: repeated tickets
as tickets of other customers, agents' tickets as customers', and so on. What pages once it is
changed is the cause of the silence. If nothing does, there were too few tickets: tickets of new
customers are added until there are enough.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from detectors.alerting.lifecycle import NEWBORN_HOURS
from detectors.forensics.counterfactuals import COUNTERFACTUALS, Counterfactual
from detectors.forensics.redecide import LoggedSignal
from detectors.models.base import LEAST_EVIDENCE
from detectors.policy.settings import Settings
from detectors.state.tenant import TENANT_SERIES, Tenant, ThresholdCheck
from detectors.state.threshold import LEAST
from detectors.step.partition import Partition
from detectors.step.pipeline import step
from schemas.escalation import EscalationEvent
from schemas.signals import Tick, Ticket

AROUND_SECONDS: Final = 3600.0
"""Time before and after the moment that is examined."""
WITHIN_SECONDS: Final = 900.0
"""Time before the moment in which more tickets are tried."""
MOST_MORE: Final = 1000
MATURE_HOURS: Final = 336.0
"""Below this age, uncertainty about an area makes its pages rare."""

GROWN_HOURS: Final = 2_016
"""After twelve weeks an area is no longer young."""

Because = Literal[
    "sent",
    "unknown_tenant",
    "unknown_area",
    "history",
    "open_episode",
    "cooldown",
    "inside_tenant",
    "same_slice",
    "storm",
    "announced",
    "called_false",
    "inherited",
    "cold_start",
    "late",
    "duplicate",
    "agent_created",
    "imported",
    "repeated_customer",
    "withdrawn",
    "reclassified",
    "raised_limit",
    "too_few",
    "no_tickets",
]
"""The cause of the silence; ``sent``: there was a page."""


class NearMiss(msgspec.Struct, frozen=True):
    """The score that was closest to its threshold."""

    at: float
    kind: str
    score: float
    bar: float
    observed: float
    expected: float
    customers: int


class WhyNot(msgspec.Struct, frozen=True):
    """The answer. Times are in seconds since 1970."""

    because: Because
    detail: str
    """The numbers behind it, or the episode."""
    tenant: str
    area: str
    at: float
    nearest: NearMiss | None
    """The highest score within an hour; None: there was none."""
    outcomes: dict[str, int]
    """Tickets of the area within the hour before and after, by outcome."""
    guards: dict[str, int]
    """What kept them from counting fully, or from a page."""
    more: int | None
    """Tickets of new customers in the quarter of an hour before that would have paged; None: not
    even `MOST_MORE` would have, or it was not asked."""
    rate: float
    """Expected customer-equivalents per hour; 0: unknown."""
    episode: str = ""
    """The episode that was running or paged."""


@dataclass
class _Played:
    """The result of processing the hours around the moment."""

    tenant: Tenant
    outcomes: Counter[str] = field(default_factory=Counter)
    guards: Counter[str] = field(default_factory=Counter)
    checked: list[ThresholdCheck] = field(default_factory=list)
    opened: str = ""
    """The id of an episode of the area that paged."""
    reopened: str = ""
    suppressed: Because | None = None
    """Why an episode that opened did not page."""
    running: Because | None = None
    """What was running at the moment; None: nothing."""
    episode: str = ""
    """The episode that was running or suppressed."""
    in_history: bool = False
    """Whether the tenant was in history at the moment."""


def why_not(
    log: Iterable[LoggedSignal],
    settings: Settings,
    tenant: str,
    area: str,
    at: float,
    number: int = 0,
) -> WhyNot:
    """Return why an area did not page around a moment.

    Args:
        log: All signals, in their order; it must reach back to the tenant's first ticket.
        settings: The settings that decided.
        tenant: The name of the tenant.
        area: The name of the area, as in events.
        at: The moment, seconds since 1970.
        number: The number of the partition.
    """
    partition = Partition(number, owner=0, settings=settings)
    area = settings.taxonomy.canonical(area)
    around: list[LoggedSignal] = []
    for record in log:
        signal = record.signal
        if signal.tenant not in (tenant, None):
            continue
        known = partition.tenants.get(tenant)
        when = _arrived(record, ticking=known is not None and known.live)
        if around or (when is not None and when >= at - AROUND_SECONDS):
            if when is not None and when > at + AROUND_SECONDS:
                break
            around.append(record)
        else:
            partition.take(signal, record.received_at)
    before = partition.tenants.get(tenant)
    return SilenceInvestigation(before, around, settings, tenant, area, at).answer()


def _arrived(record: LoggedSignal, *, ticking: bool) -> float | None:
    """Return when a record arrived by its tenant's clock, or None if it does not say.

    *ticking* says whether that is the wall clock; ticks of the wall clock say nothing about a
    tenant in history or in simulated time.
    """
    signal = record.signal
    if isinstance(signal, Ticket):
        if signal.mode != "live":
            return signal.created_at
        return record.received_at or max(signal.created_at, signal.occurred_at or 0.0)
    if isinstance(signal, Tick) and (ticking or signal.tenant is not None):
        return signal.now if record.received_at is None else min(signal.now, record.received_at)
    return None


class SilenceInvestigation:
    """One question: the tenant as it was, and the signals around the moment."""

    def __init__(
        self,
        tenant: Tenant | None,
        around: Sequence[LoggedSignal],
        settings: Settings,
        name: str,
        area: str,
        at: float,
    ) -> None:
        self._tenant, self._around, self._settings = tenant, around, settings
        self._name, self._area, self._at = name, area, at

    def answer(self) -> WhyNot:
        """Try one cause after the other, the most certain first."""
        real = self._play()
        because, detail = self._because(real)
        episode = real.opened if because == "sent" else real.episode or real.reopened
        more = self._more() if because in ("too_few", "no_tickets", "raised_limit") else None
        series = real.tenant.areas.get(self._area) if real.tenant.clock is not None else None
        return WhyNot(
            because=because,
            detail=detail,
            tenant=self._name,
            area=self._area,
            at=self._at,
            nearest=_nearest(real.checked),
            outcomes=dict(sorted(real.outcomes.items())),
            guards=dict(sorted(real.guards.items())),
            more=more,
            rate=series.model.rate_at(self._at) if series is not None else 0.0,
            episode=episode,
        )

    def _because(self, real: _Played) -> tuple[Because, str]:
        tenant = real.tenant
        if tenant.clock is None:
            return "unknown_tenant", f"the log has no ticket of {self._name} up to then"
        series = tenant.areas.get(self._area)
        if series is None:
            return "unknown_area", f"it had {', '.join(sorted(tenant.areas)) or 'none'}"
        if real.in_history:
            return "history", "its tickets were sent as history, which pages nobody"
        if real.reopened:
            return "cooldown", "it was reopened within the cool-down, as the same episode"
        if real.running is not None:
            return real.running, "an episode of this area ran already"
        if real.opened:
            return "sent", "an episode of this area went out within the hour"
        if real.suppressed is not None:
            return real.suppressed, "its episode opened, and was no page of its own"
        for outcome in ("announced", "called_false", "inherited"):
            held = [
                one
                for one in real.checked
                if one.outcome == outcome and one.score.value >= one.computed.limit
            ]
            if held:
                best = max(held, key=lambda one: one.score.value)
                numbers = f"scored {best.score.value:.2f}, limit {best.computed.limit:.2f}"
                higher = f", raised to {best.bar:.2f}" if best.bar > best.computed.limit else ""
                return outcome, numbers + higher
        for because, change, names in COUNTERFACTUALS:
            count = max(max(real.guards[name], real.outcomes[name]) for name in names)
            if count and self._play(change).opened:
                return because, f"{count} tickets; without that it would have paged"
        return self._too_few(real, tenant.clock / 3600.0 - series.born)

    def _too_few(self, real: _Played, age: float) -> tuple[Because, str]:
        """Return the answer if no single cause kept it silent."""
        counted = real.outcomes["counted"]
        if age < NEWBORN_HOURS["area"] + AROUND_SECONDS / 3600.0 and counted >= LEAST_EVIDENCE:
            return "cold_start", f"first heard of {age:.1f} h before"
        if age < MATURE_HOURS and self._play(grown=True).opened:
            return "cold_start", f"known for {age:.0f} h: a grown area would have paged"
        if not counted:
            return "no_tickets", "none of this area counted within the hour before and after"
        best = _best(real.checked)
        if best is not None and best.score.value >= max(best.computed.reach, LEAST):
            return "raised_limit", (
                f"scored {best.score.value:.2f}; the limit is {best.computed.limit:.2f}, of it "
                f"{best.computed.by_pages:.2f} by its pages and {best.computed.by_verdicts:.2f} by "
                "verdicts"
            )
        if best is None:
            return "too_few", (
                f"{counted} tickets within the hour before and after scored nothing: chance brings "
                f"as much once a week, or they were of fewer than {LEAST_EVIDENCE:g} customers"
            )
        return "too_few", f"scored {best.score.value:.2f} of {best.bar:.2f}"

    def _play(
        self, change: Counterfactual | None = None, more: int = 0, *, grown: bool = False
    ) -> _Played:
        """Process the hours around the moment in a copy."""
        known = self._tenant is not None and self._tenant.clock is not None
        tenant = self._tenant.copy() if known else Tenant(self._name, self._settings)  # type: ignore[union-attr]  # known says so
        if grown and known:
            _grow(tenant)
        played = _Played(tenant)
        looked = False
        for record in self._records(tenant, change, more):
            when = _arrived(record, ticking=tenant.live)
            if not looked and when is not None and when > self._at:
                looked = True
                self._look(played)
            if tenant.clock is None and not isinstance(record.signal, Ticket):
                continue
            done = step(tenant, record.signal, self._settings, record.received_at)
            if isinstance(record.signal, Ticket) and record.signal.area == self._area:
                played.outcomes[done.outcome] += 1
                played.guards.update(done.guards)
            played.checked += [one for one in done.checks if one.key == self._area]
            for event in done.escalations:
                self._hear(event, played)
        if not looked:
            self._look(played)
        return played

    def _look(self, played: _Played) -> None:
        """Record what is running at the moment."""
        tenant = played.tenant
        if tenant.clock is None:
            return
        played.in_history = tenant.in_history
        series = tenant.areas.get(self._area)
        episode = series.running if series is not None else None
        if episode is not None:
            played.episode = episode.id
            played.running = (
                "announced" if episode.is_expected_event else episode.suppressed or "open_episode"
            )
        elif tenant.whole.running is not None and self._area in tenant.whole.running.areas:
            played.episode, played.running = tenant.whole.running.id, "inside_tenant"

    def _hear(self, event: EscalationEvent, played: _Played) -> None:
        data = event.data
        if self._area not in (data.product_area, *(data.areas or ())):
            return
        if event.transition == "reopened" and data.suppressed is None:
            played.reopened = data.episode_id
        elif event.transition == "opened" and data.suppressed is None:
            played.opened = data.episode_id
        elif event.transition == "opened":
            played.suppressed, played.episode = data.suppressed, data.episode_id

    def _records(
        self, tenant: Tenant, change: Counterfactual | None, more: int
    ) -> Iterator[LoggedSignal]:
        """Yield the signals, with each ticket of the area changed, and *more* tickets added."""
        added = self._added(tenant, more)
        clock = tenant.clock or 0.0
        for number, record in enumerate(self._around):
            when = _arrived(record, ticking=tenant.live)
            while added and when is not None and added[0].created_at <= when:
                yield LoggedSignal("added", added.pop(0))
            signal = record.signal
            if isinstance(signal, Ticket):
                clock = max(clock, when or signal.created_at)
                if change is not None and signal.area == self._area:
                    changed = change(signal, number, clock)
                    if changed is not None:
                        yield record._replace(signal=changed)
                    continue
            yield record
        yield from (LoggedSignal("added", ticket) for ticket in added)

    def _added(self, tenant: Tenant, more: int) -> list[Ticket]:
        last = next(
            (one.signal for one in reversed(self._around) if isinstance(one.signal, Ticket)), None
        )
        mode = last.mode if last is not None else "live" if tenant.live else "simulated"
        begin = self._at - WITHIN_SECONDS
        return [
            Ticket(
                self._name,
                f"\x1fmore {number}",
                begin + WITHIN_SECONDS * (number + 0.5) / more,
                self._area,
                customer=f"\x1fnew {number}",
                mode=mode,
            )
            for number in range(more)
        ]

    def _more(self) -> int | None:
        """Return by bisection how many more tickets would have paged."""
        if not self._play(more=MOST_MORE).opened:
            return None
        few, enough = 0, MOST_MORE
        while enough - few > 1:
            middle = (few + enough) // 2
            if self._play(more=middle).opened:
                enough = middle
            else:
                few = middle
        return enough


def _grow(tenant: Tenant) -> None:
    """Treat all areas as if they were known for long enough."""
    tenant.born -= GROWN_HOURS
    tenant.refresh_calendar(TENANT_SERIES)
    for series in (tenant.whole, *tenant.areas.values()):
        series.born -= GROWN_HOURS
        series.model.mature()


def _best(checked: Sequence[ThresholdCheck]) -> ThresholdCheck | None:
    """Return the check whose score was closest to what it needed."""
    return max(checked, key=lambda one: one.score.value - one.bar, default=None)


def _nearest(checked: Sequence[ThresholdCheck]) -> NearMiss | None:
    best = _best(checked)
    if best is None:
        return None
    score = best.score
    return NearMiss(
        best.at, best.kind, score.value, best.bar, score.observed, score.expected, score.customers
    )
