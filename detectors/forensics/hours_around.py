"""The hours around a time once more, unchanged or with one change, and what the change did."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from detectors.forensics.counterfactuals import Counterfactual
from detectors.forensics.redecide import LoggedSignal
from detectors.policy.settings import Settings
from detectors.state.tenant import TENANT_SERIES, Tenant, ThresholdCheck
from detectors.step.pipeline import step
from schemas.escalation import EscalationEvent, Suppressed
from schemas.signals import Tick, Ticket

WITHIN_SECONDS: Final = 900.0
"""Additional tickets are placed within this long before the given time."""
GROWN_HOURS: Final = 2_016
"""From this age, twelve weeks, an area has no additional uncertainty."""

EffectKind = Literal["paged", "reopened", "joined", "became_tenant_wide", "same_slice"]


class Effect(msgspec.Struct, frozen=True):
    """What a change would have caused for the area."""

    kind: EffectKind
    """``joined``: the area became part of a tenant-wide episode; ``became_tenant_wide``: it made
    the episode of another area tenant-wide; ``same_slice``: its episode would have been suppressed,
    because the same slice had paged for another area."""
    episode: str
    """The episode that would have paged, been reopened, been joined, or suppressed the area's."""
    area: str = ""
    """The area of that episode before; empty: the area itself, or the whole tenant."""

    def in_words(self) -> str:
        """Return what would have happened.

        Example:
            >>> Effect("became_tenant_wide", "ba0e80", "login").in_words()
            'would have joined the open episode ba0e80 (login) and made it tenant-wide'
        """
        episode = f"episode {self.episode} ({self.area or 'the whole tenant'})"
        match self.kind:
            case "paged":
                return "would have paged"
            case "reopened":
                return f"would have reopened the episode {self.episode}"
            case "joined":
                return f"would have joined the open {episode}"
            case "became_tenant_wide":
                return f"would have joined the open {episode} and made it tenant-wide"
            case "same_slice":
                return f"would have been reported by the open {episode}, which has the same slice"


@dataclass
class ReplayedHours:
    """The result of processing the hours around the given time."""

    tenant: Tenant
    outcomes: Counter[str] = field(default_factory=Counter)
    guards: Counter[str] = field(default_factory=Counter)
    checked: list[ThresholdCheck] = field(default_factory=list)
    opened: str = ""
    """The id of an episode of the area that paged."""
    reopened: str = ""
    suppressed: Suppressed | None = None
    """Why an episode that opened was suppressed."""
    running: Suppressed | Literal["announced", "open_episode"] | None = None
    """The cause if an episode was running at the given time; None: no episode was running."""
    episode: str = ""
    """The episode that was running or suppressed."""
    in_history: bool = False
    """Whether the tenant's tickets were history at the given time."""
    owners: dict[str, str] = field(default_factory=dict)
    """The area of each running episode by its id; empty: the whole tenant."""
    joined: dict[str, Effect] = field(default_factory=dict)
    """The running episodes that the area joined or that suppressed its own, by id."""

    def effect_since(self, unchanged: "ReplayedHours") -> Effect | None:
        """Return what happened here and not in the unchanged hours; None: nothing."""
        if self.opened:
            return Effect("paged", self.opened)
        if self.reopened:
            return Effect("reopened", self.reopened)
        effects = [e for key, e in self.joined.items() if key not in unchanged.joined]
        return effects[0] if effects else None


def arrival_time(record: LoggedSignal, *, is_live: bool) -> float | None:
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


class HoursAround:
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
        self.name, self.area, self.at = name, area, at

    def replay(
        self, change: Counterfactual | None = None, more: int = 0, *, mature: bool = False
    ) -> ReplayedHours:
        """Process the hours around the given time with a copy of the tenant."""
        if self._tenant is None or self._tenant.clock is None:
            tenant = Tenant(self.name, self._settings)
        else:
            tenant = self._tenant.copy()
            if mature:
                _mature(tenant)
        replay = ReplayedHours(tenant, owners=_owners(tenant))
        is_recorded = False
        for record in self._records(tenant, change, more):
            arrived_at = arrival_time(record, is_live=tenant.live)
            if not is_recorded and arrived_at is not None and arrived_at > self.at:
                is_recorded = True
                self._record_running(replay)
            if tenant.clock is None and not isinstance(record.signal, Ticket):
                continue
            result = step(tenant, record.signal, self._settings, record.received_at)
            if isinstance(record.signal, Ticket) and record.signal.area == self.area:
                replay.outcomes[result.outcome] += 1
                replay.guards.update(result.guards)
            replay.checked += [check for check in result.checks if check.key == self.area]
            for event in result.escalations:
                self._record_event(event, replay)
        if not is_recorded:
            self._record_running(replay)
        return replay

    def _record_running(self, replay: ReplayedHours) -> None:
        """Record which episode is running at the given time."""
        tenant = replay.tenant
        if tenant.clock is None:
            return
        replay.in_history = tenant.in_history
        series = tenant.areas.get(self.area)
        episode = series.running if series is not None else None
        if episode is not None:
            replay.episode = episode.id
            replay.running = (
                "announced" if episode.is_expected_event else episode.suppressed or "open_episode"
            )
        elif tenant.whole.running is not None and self.area in tenant.whole.running.areas:
            replay.episode, replay.running = tenant.whole.running.id, "inside_tenant"

    def _record_event(self, event: EscalationEvent, replay: ReplayedHours) -> None:
        data = event.data
        owner = replay.owners.get(data.episode_id)
        replay.owners[data.episode_id] = data.product_area or ""
        if self.area not in (data.product_area, *(data.areas or ())):
            return
        if event.transition == "reopened" and data.suppressed is None:
            replay.reopened = data.episode_id
        elif event.transition == "opened" and data.suppressed is None:
            replay.opened = data.episode_id
        elif event.transition == "opened":
            replay.suppressed, replay.episode = data.suppressed, data.episode_id
            self._record_suppressing(replay)
        elif data.product_area is None and data.suppressed is None and owner is not None:
            kind: EffectKind = "became_tenant_wide" if owner else "joined"
            replay.joined.setdefault(data.episode_id, Effect(kind, data.episode_id, owner))

    def _record_suppressing(self, replay: ReplayedHours) -> None:
        """Record the running episode because of which the area's own episode is suppressed."""
        tenant = replay.tenant
        whole = tenant.whole.running
        if replay.suppressed in ("inside_tenant", "storm") and whole is not None:
            replay.joined.setdefault(whole.id, Effect("joined", whole.id))
        own = tenant.areas[self.area].running
        if replay.suppressed != "same_slice" or own is None:
            return
        for key in sorted(tenant.running - {self.area}):
            other = tenant.series(key).running
            if other is not None and other.suppressed is None and other.slice == own.slice:
                area = "" if key == TENANT_SERIES else key
                replay.joined.setdefault(other.id, Effect("same_slice", other.id, area))

    def _records(
        self, tenant: Tenant, change: Counterfactual | None, more: int
    ) -> Iterator[LoggedSignal]:
        """Yield the signals, with the area's tickets changed and additional tickets inserted."""
        added = self._additional_tickets(tenant, more)
        clock = tenant.clock or 0.0
        for number, record in enumerate(self._around):
            arrived_at = arrival_time(record, is_live=tenant.live)
            while added and arrived_at is not None and added[0].created_at <= arrived_at:
                yield LoggedSignal("added", added.pop(0))
            signal = record.signal
            if isinstance(signal, Ticket):
                clock = max(clock, arrived_at or signal.created_at)
                if change is not None and signal.area == self.area:
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
        begin = self.at - WITHIN_SECONDS
        return [
            Ticket(
                self.name,
                f"\x1fmore {number}",
                begin + WITHIN_SECONDS * (number + 0.5) / more,
                self.area,
                customer=f"\x1fnew {number}",
                mode=mode,
            )
            for number in range(more)
        ]


def _owners(tenant: Tenant) -> dict[str, str]:
    """Return the area of each running episode by its id; empty: the whole tenant."""
    return {
        episode.id: "" if key == TENANT_SERIES else key
        for key in tenant.running
        if (episode := tenant.series(key).running) is not None
    }


def _mature(tenant: Tenant) -> None:
    """Make the tenant and its areas old enough to have no additional uncertainty."""
    tenant.born -= GROWN_HOURS
    tenant.refresh_calendar(TENANT_SERIES)
    for series in (tenant.whole, *tenant.areas.values()):
        series.born -= GROWN_HOURS
        series.model.mature()
