"""Explain why an area did not page around a given time, and how many more tickets it needed.

The log is processed up to an hour before that time, and the state is copied. The two hours around
that time are then processed unchanged, and again with one counterfactual at a time: repeated
tickets as tickets of other customers, agents' tickets as customers' tickets, and so on. If the area
pages with a counterfactual, or joins an episode that did, that is the cause. If it does so with
none of them, there were too few tickets, and tickets of new customers are added until it does.
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from detectors.alerting.lifecycle import NEWBORN_HOURS
from detectors.forensics.counterfactuals import COUNTERFACTUALS
from detectors.forensics.hours_around import Effect, HoursAround, ReplayedHours, arrival_time
from detectors.forensics.redecide import LoggedSignal
from detectors.models.base import LEAST_EVIDENCE
from detectors.policy.settings import Settings
from detectors.state.tenant import Tenant, ThresholdCheck
from detectors.state.threshold import LEAST
from detectors.step.partition import Partition
from schemas.codec import area_name

AROUND_SECONDS: Final = 3600.0
"""The examined time extends this long before and after the given time."""
MOST_MORE: Final = 1000
MATURE_HOURS: Final = 336.0
"""Below this age, uncertainty about an area makes its pages rare."""
MOST_LISTED: Final = 20
"""Maximum number of areas to list for an unknown one."""

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
    """How many tickets of new customers in the quarter of an hour before would have had an effect;
    None: more than `MOST_MORE`, or not computed."""
    rate: float
    """Expected customer-equivalents per hour; 0: unknown."""
    episode: str = ""
    """The episode that was running or paged."""
    effect: Effect | None = None
    """What that many more tickets would have caused: a page, or part in an open episode."""


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
        area: The name of the area, folded like the areas of tickets.
        at: The time, seconds since 1970.
        number: The number of the partition.
    """
    partition = Partition(number, owner=0, settings=settings)
    area = settings.taxonomy.canonical(area_name(area))
    around: list[LoggedSignal] = []
    for record in log:
        signal = record.signal
        if signal.tenant not in (tenant, None):
            continue
        current = partition.tenants.get(tenant)
        arrived_at = arrival_time(record, is_live=current is not None and current.live)
        if around or (arrived_at is not None and arrived_at >= at - AROUND_SECONDS):
            if arrived_at is not None and arrived_at > at + AROUND_SECONDS:
                break
            around.append(record)
        else:
            partition.take(signal, record.received_at)
    before = partition.tenants.get(tenant)
    hours = HoursAround(before, around, settings, tenant, area, at)
    return SilenceInvestigation(hours).answer()


class SilenceInvestigation:
    """Search for the cause of a silence, by processing the hours around it with changes."""

    def __init__(self, hours: HoursAround) -> None:
        self._hours = hours

    def answer(self) -> WhyNot:
        """Try one cause after another, the most certain first."""
        real = self._hours.replay()
        because, detail = self._cause(real)
        episode = real.opened if because == "sent" else real.episode or real.reopened
        is_too_few = because in ("too_few", "no_tickets", "raised_limit")
        more, effect = self._tickets_needed(real) if is_too_few else (None, None)
        series = real.tenant.areas.get(self._hours.area) if real.tenant.clock is not None else None
        return WhyNot(
            because=because,
            detail=detail,
            tenant=self._hours.name,
            area=self._hours.area,
            at=self._hours.at,
            nearest=_nearest(real.checked),
            outcomes=dict(sorted(real.outcomes.items())),
            guards=dict(sorted(real.guards.items())),
            more=more,
            rate=series.model.rate_at(self._hours.at) if series is not None else 0.0,
            episode=episode,
            effect=effect,
        )

    def _cause(self, real: ReplayedHours) -> tuple[Because, str]:
        tenant = real.tenant
        if tenant.clock is None:
            return "unknown_tenant", f"the log has no ticket of {self._hours.name} up to that time"
        series = tenant.areas.get(self._hours.area)
        if series is None:
            return "unknown_area", _known_areas(tenant, self._hours.area)
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
        if real.joined:
            return "inside_tenant", "it became part of a tenant-wide episode within the hour after"
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
            effect = self._hours.replay(change).effect_since(real) if count else None
            if effect is not None:
                return because, f"{_tickets(count)}; otherwise the area {effect.in_words()}"
        return self._too_few(real, tenant.clock / 3600.0 - series.born)

    def _too_few(self, real: ReplayedHours, age: float) -> tuple[Because, str]:
        """Return the cause if no counterfactual leads to a page; the age is in hours."""
        counted = real.outcomes["counted"]
        if age < NEWBORN_HOURS["area"] + AROUND_SECONDS / 3600.0 and counted >= LEAST_EVIDENCE:
            return "cold_start", f"the area was first seen {age:.1f} h before"
        if age < MATURE_HOURS and self._hours.replay(mature=True).opened:
            return "cold_start", f"the area is {age:.0f} h old; a mature area would have paged"
        if not counted:
            return "no_tickets", "no ticket of this area was counted within an hour of that time"
        best = _best(real.checked)
        if best is not None and best.score.value >= max(best.computed.reach, LEAST):
            return "raised_limit", (
                f"score {best.score.value:.2f}, threshold {best.computed.limit:.2f}; pages raised "
                f"it by {best.computed.by_pages:.2f}, verdicts by {best.computed.by_verdicts:.2f}, "
                f"the tenant's other pages by {best.computed.by_tenant:.2f}"
            )
        if best is None:
            return "too_few", (
                f"{_tickets(counted)} within an hour of that time had no score: chance alone does "
                f"this once a week, or they came from fewer than {LEAST_EVIDENCE:g} customers"
            )
        return "too_few", f"score {best.score.value:.2f}, threshold {best.bar:.2f}"

    def _tickets_needed(self, real: ReplayedHours) -> tuple[int | None, Effect | None]:
        """Find by bisection how many additional tickets would have had an effect, and which."""
        effect = self._hours.replay(more=MOST_MORE).effect_since(real)
        if effect is None:
            return None, None
        too_few, enough = 0, MOST_MORE
        while enough - too_few > 1:
            middle = (too_few + enough) // 2
            found = self._hours.replay(more=middle).effect_since(real)
            if found is not None:
                enough, effect = middle, found
            else:
                too_few = middle
        return enough, effect


def _known_areas(tenant: Tenant, area: str) -> str:
    """Return the areas that may have been meant, or some of those that there are."""
    close = difflib.get_close_matches(area, tenant.areas, n=3, cutoff=0.7)
    if close:
        return f"did you mean {' or '.join(close)}?"
    listed = sorted(tenant.areas)
    more = f", and {len(listed) - MOST_LISTED} more" if len(listed) > MOST_LISTED else ""
    return f"known areas: {', '.join(listed[:MOST_LISTED]) or 'none'}{more}"


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


def _tickets(count: int) -> str:
    """Return a number of tickets in words.

    Example:
        >>> _tickets(1), _tickets(2)
        ('1 ticket', '2 tickets')
    """
    return "1 ticket" if count == 1 else f"{count} tickets"
