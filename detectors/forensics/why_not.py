"""Explain why an area did not page around a given time, and how many more tickets it needed.

The log is processed up to an hour before that time, and the state is copied. The two hours around
that time are then processed unchanged, and again with one counterfactual at a time: repeated
tickets as tickets of other customers, agents' tickets as customers' tickets, and so on. If the area
pages with a counterfactual, that is the cause. If it pages with none of them, there were too few
tickets, and tickets of new customers are added until the area pages.
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
"""The examined time extends this long before and after the given time."""
WITHIN_SECONDS: Final = 900.0
"""Additional tickets are placed within this long before the given time."""
MOST_MORE: Final = 1000
MATURE_HOURS: Final = 336.0
"""Below this age, uncertainty about an area makes its pages rare."""
GROWN_HOURS: Final = 2_016
"""From this age, twelve weeks, an area has no additional uncertainty."""

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
"""Why there was no page; ``sent``: there was a page."""


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
    """Why an area did not page. Times are in seconds since 1970."""

    because: Because
    detail: str
    """The numbers or the episode behind the cause."""
    tenant: str
    area: str
    at: float
    nearest: NearMiss | None
    """The score within an hour that was closest to its threshold; None: there was no score."""
    outcomes: dict[str, int]
    """Tickets of the area within an hour before and after, by outcome."""
    guards: dict[str, int]
    """How often each guard applied to these tickets."""
    more: int | None
    """How many tickets of new customers in the quarter of an hour before would have caused a page;
    None: more than `MOST_MORE`, or not computed."""
    rate: float
    """Expected customer-equivalents per hour; 0: unknown."""
    episode: str = ""
    """The episode that was running or paged."""


@dataclass
class _Replay:
    """The result of processing the hours around the given time."""

    tenant: Tenant
    outcomes: Counter[str] = field(default_factory=Counter)
    guards: Counter[str] = field(default_factory=Counter)
    checked: list[ThresholdCheck] = field(default_factory=list)
    opened: str = ""
    """The id of an episode of the area that paged."""
    reopened: str = ""
    suppressed: Because | None = None
    """Why an episode that opened was suppressed."""
    running: Because | None = None
    """The cause if an episode was running at the given time; None: no episode was running."""
    episode: str = ""
    """The episode that was running or suppressed."""
    in_history: bool = False
    """Whether the tenant's tickets were history at the given time."""


def why_not(
    log: Iterable[LoggedSignal],
    settings: Settings,
    tenant: str,
    area: str,
    at: float,
    number: int = 0,
) -> WhyNot:
    """Return why an area did not page around a given time.

    Args:
        log: All signals, in order, from the tenant's first ticket on.
        settings: The settings of the original decisions.
        tenant: The name of the tenant.
        area: The name of the area, as in events.
        at: The time, seconds since 1970.
        number: The number of the partition.
    """
    partition = Partition(number, owner=0, settings=settings)
    area = settings.taxonomy.canonical(area)
    around: list[LoggedSignal] = []
    for record in log:
        signal = record.signal
        if signal.tenant not in (tenant, None):
            continue
        current = partition.tenants.get(tenant)
        arrived_at = _arrival_time(record, is_live=current is not None and current.live)
        if around or (arrived_at is not None and arrived_at >= at - AROUND_SECONDS):
            if arrived_at is not None and arrived_at > at + AROUND_SECONDS:
                break
            around.append(record)
        else:
            partition.take(signal, record.received_at)
    before = partition.tenants.get(tenant)
    return SilenceInvestigation(before, around, settings, tenant, area, at).answer()


def _arrival_time(record: LoggedSignal, *, is_live: bool) -> float | None:
    """Return when a record arrived by its tenant's time (seconds since 1970); None: unknown.

    Ticks of the wall clock have no meaning for a tenant in history or in simulated time.
    """
    signal = record.signal
    if isinstance(signal, Ticket):
        if signal.mode != "live":
            return signal.created_at
        return record.received_at or max(signal.created_at, signal.occurred_at or 0.0)
    if isinstance(signal, Tick) and (is_live or signal.tenant is not None):
        return signal.now if record.received_at is None else min(signal.now, record.received_at)
    return None


class SilenceInvestigation:
    """The state of a tenant an hour before the given time, and the signals around that time."""

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
        """Try one cause after another, the most certain first."""
        real = self._replay()
        because, detail = self._cause(real)
        episode = real.opened if because == "sent" else real.episode or real.reopened
        is_too_few = because in ("too_few", "no_tickets", "raised_limit")
        more = self._tickets_needed() if is_too_few else None
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

    def _cause(self, real: _Replay) -> tuple[Because, str]:
        tenant = real.tenant
        if tenant.clock is None:
            return "unknown_tenant", f"the log has no ticket of {self._name} up to that time"
        series = tenant.areas.get(self._area)
        if series is None:
            return "unknown_area", f"known areas: {', '.join(sorted(tenant.areas)) or 'none'}"
        if real.in_history:
            return "history", "its tickets were sent as history, which never pages"
        if real.reopened:
            return "cooldown", "its last episode was reopened within the cool-down"
        if real.running is not None:
            return real.running, "an episode of this area was already running"
        if real.opened:
            return "sent", "an episode of this area paged within an hour of that time"
        if real.suppressed is not None:
            return real.suppressed, "its episode opened but was suppressed"
        for outcome in ("announced", "called_false", "inherited"):
            suppressed = [
                check
                for check in real.checked
                if check.outcome == outcome and check.score.value >= check.computed.limit
            ]
            if suppressed:
                top = max(suppressed, key=lambda check: check.score.value)
                numbers = f"score {top.score.value:.2f}, threshold {top.computed.limit:.2f}"
                raised = f", raised to {top.bar:.2f}" if top.bar > top.computed.limit else ""
                return outcome, numbers + raised
        for because, change, names in COUNTERFACTUALS:
            count = max(max(real.guards[name], real.outcomes[name]) for name in names)
            if count and self._replay(change).opened:
                return because, f"{count} tickets; otherwise the area would have paged"
        return self._too_few(real, tenant.clock / 3600.0 - series.born)

    def _too_few(self, real: _Replay, age: float) -> tuple[Because, str]:
        """Return the cause if no counterfactual leads to a page; the age is in hours."""
        counted = real.outcomes["counted"]
        if age < NEWBORN_HOURS["area"] + AROUND_SECONDS / 3600.0 and counted >= LEAST_EVIDENCE:
            return "cold_start", f"the area was first seen {age:.1f} h before"
        if age < MATURE_HOURS and self._replay(mature=True).opened:
            return "cold_start", f"the area is {age:.0f} h old; a mature area would have paged"
        if not counted:
            return "no_tickets", "no ticket of this area was counted within an hour of that time"
        best = _best(real.checked)
        if best is not None and best.score.value >= max(best.computed.reach, LEAST):
            return "raised_limit", (
                f"score {best.score.value:.2f}, threshold {best.computed.limit:.2f}; pages raised "
                f"it by {best.computed.by_pages:.2f}, verdicts by {best.computed.by_verdicts:.2f}"
            )
        if best is None:
            return "too_few", (
                f"{counted} tickets within an hour of that time had no score: chance alone does "
                f"this once a week, or they came from fewer than {LEAST_EVIDENCE:g} customers"
            )
        return "too_few", f"score {best.score.value:.2f}, threshold {best.bar:.2f}"

    def _replay(
        self, change: Counterfactual | None = None, more: int = 0, *, mature: bool = False
    ) -> _Replay:
        """Process the hours around the given time with a copy of the tenant."""
        if self._tenant is None or self._tenant.clock is None:
            tenant = Tenant(self._name, self._settings)
        else:
            tenant = self._tenant.copy()
            if mature:
                _mature(tenant)
        replay = _Replay(tenant)
        is_recorded = False
        for record in self._records(tenant, change, more):
            arrived_at = _arrival_time(record, is_live=tenant.live)
            if not is_recorded and arrived_at is not None and arrived_at > self._at:
                is_recorded = True
                self._record_running(replay)
            if tenant.clock is None and not isinstance(record.signal, Ticket):
                continue
            result = step(tenant, record.signal, self._settings, record.received_at)
            if isinstance(record.signal, Ticket) and record.signal.area == self._area:
                replay.outcomes[result.outcome] += 1
                replay.guards.update(result.guards)
            replay.checked += [check for check in result.checks if check.key == self._area]
            for event in result.escalations:
                self._record_event(event, replay)
        if not is_recorded:
            self._record_running(replay)
        return replay

    def _record_running(self, replay: _Replay) -> None:
        """Record which episode is running at the given time."""
        tenant = replay.tenant
        if tenant.clock is None:
            return
        replay.in_history = tenant.in_history
        series = tenant.areas.get(self._area)
        episode = series.running if series is not None else None
        if episode is not None:
            replay.episode = episode.id
            replay.running = (
                "announced" if episode.is_expected_event else episode.suppressed or "open_episode"
            )
        elif tenant.whole.running is not None and self._area in tenant.whole.running.areas:
            replay.episode, replay.running = tenant.whole.running.id, "inside_tenant"

    def _record_event(self, event: EscalationEvent, replay: _Replay) -> None:
        data = event.data
        if self._area not in (data.product_area, *(data.areas or ())):
            return
        if event.transition == "reopened" and data.suppressed is None:
            replay.reopened = data.episode_id
        elif event.transition == "opened" and data.suppressed is None:
            replay.opened = data.episode_id
        elif event.transition == "opened":
            replay.suppressed, replay.episode = data.suppressed, data.episode_id

    def _records(
        self, tenant: Tenant, change: Counterfactual | None, more: int
    ) -> Iterator[LoggedSignal]:
        """Yield the signals, with the area's tickets changed and additional tickets inserted."""
        added = self._additional_tickets(tenant, more)
        clock = tenant.clock or 0.0
        for number, record in enumerate(self._around):
            arrived_at = _arrival_time(record, is_live=tenant.live)
            while added and arrived_at is not None and added[0].created_at <= arrived_at:
                yield LoggedSignal("added", added.pop(0))
            signal = record.signal
            if isinstance(signal, Ticket):
                clock = max(clock, arrived_at or signal.created_at)
                if change is not None and signal.area == self._area:
                    changed = change(signal, number, clock)
                    if changed is not None:
                        yield record._replace(signal=changed)
                    continue
            yield record
        yield from (LoggedSignal("added", ticket) for ticket in added)

    def _additional_tickets(self, tenant: Tenant, more: int) -> list[Ticket]:
        last = next(
            (r.signal for r in reversed(self._around) if isinstance(r.signal, Ticket)), None
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

    def _tickets_needed(self) -> int | None:
        """Find by bisection how many additional tickets would have caused a page."""
        if not self._replay(more=MOST_MORE).opened:
            return None
        too_few, enough = 0, MOST_MORE
        while enough - too_few > 1:
            middle = (too_few + enough) // 2
            if self._replay(more=middle).opened:
                enough = middle
            else:
                too_few = middle
        return enough


def _mature(tenant: Tenant) -> None:
    """Make the tenant and its areas old enough to have no additional uncertainty."""
    tenant.born -= GROWN_HOURS
    tenant.refresh_calendar(TENANT_SERIES)
    for series in (tenant.whole, *tenant.areas.values()):
        series.born -= GROWN_HOURS
        series.model.mature()


def _best(checked: Sequence[ThresholdCheck]) -> ThresholdCheck | None:
    """Return the check whose score was closest to its threshold."""
    return max(checked, key=lambda check: check.score.value - check.bar, default=None)


def _nearest(checked: Sequence[ThresholdCheck]) -> NearMiss | None:
    best = _best(checked)
    if best is None:
        return None
    score = best.score
    return NearMiss(
        best.at, best.kind, score.value, best.bar, score.observed, score.expected, score.customers
    )
