"""Re-evaluate decisions from the log of all signals, and explain the resulting events.

Nothing is stored for this. The step is deterministic: the same signals and settings lead to the
same decision, and all its inputs can be read while it is made again.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, get_args

import msgspec

from detectors.alerting.guards import HEIR_HOURS, breadth
from detectors.alerting.lifecycle import NEWBORN_HOURS
from detectors.alerting.tenant_wide import NEIGHBOUR_DEVIATIONS
from detectors.foundation.outcomes import Guard
from detectors.foundation.units import SECONDS_PER_MINUTE
from detectors.models.base import Expectation, WindowShare
from detectors.policy.settings import DECISIONS, Settings
from detectors.state.tenant import TENANT_SERIES, Tenant, ThresholdCheck
from detectors.state.threshold import ComputedThreshold
from detectors.step.partition import Partition
from detectors.step.result import Step
from schemas.escalation import EscalationEvent
from schemas.signals import Signal, Ticket

REMEMBERED: Final = 50_000
"""Number of recent tickets whose log positions are remembered, to find the start of a window."""


class LoggedSignal(NamedTuple):
    """One record of the log."""

    place: str
    """Position in the log: a line of a file, or topic, partition and offset."""
    signal: Signal
    received_at: float | None = None
    """When the internal topic received the signal, seconds since 1970; None: it is from a file."""


class GuardCheck(msgspec.Struct, frozen=True):
    """A guard, and whether it applied."""

    name: str
    held: bool
    """Whether the guard applied."""
    why: str
    """The numbers on which the guard is based; empty: none."""


class Decision(msgspec.Struct, frozen=True):
    """The inputs of one event. Times are in seconds since 1970; numbers are not rounded."""

    event_id: str
    decisions: int
    """Version of the decision code, part of the config hash."""
    config_hash: str
    model: str
    series: str
    """The area; empty: the tenant as a whole."""
    kind: str
    at: float
    score: float
    bar: float
    """The score that was needed; infinite for a transition without a threshold, such as an update
    or a resolution."""
    limit: ComputedThreshold | None
    since: float
    observed: float
    expected: float
    customers: int
    negative_log_p: float
    expectation: Expectation
    members: list[WindowShare]
    """The windows from which the score was computed; empty for a slice."""
    guards: list[GuardCheck]
    pages: int
    """Number of remembered pages of the tenant."""
    decided_by: str
    """Log position of the record that caused the event."""
    begins_at: str
    """Log position of the first ticket in the window; empty: no longer remembered."""


def redecide(
    partition: Partition,
    log: Iterable[LoggedSignal],
    wanted: Callable[[EscalationEvent], bool],
) -> Iterator[tuple[EscalationEvent, Decision]]:
    """Process a log again, and yield each wanted event with its inputs.

    Args:
        partition: A partition without state, with the settings of the original decisions. It is
            changed in place.
        log: All records of the partition's tenants, in order.
        wanted: Returns whether an event is wanted.
    """
    tickets: deque[tuple[float, str, str, str]] = deque(maxlen=REMEMBERED)
    for record in log:
        signal = record.signal
        result = partition.take(signal, record.received_at)
        if isinstance(signal, Ticket) and result.outcome == "counted":
            tickets.append((signal.created_at, signal.tenant, signal.area, record.place))
        for event in result.escalations:
            if wanted(event):
                tenant = partition.tenants[event.data.tenant]
                begins_at = _first_position(tickets, event, tenant)
                yield (
                    event,
                    _decision(tenant, event, result, partition.settings, record.place, begins_at),
                )


def _first_position(
    tickets: Iterable[tuple[float, str, str, str]], event: EscalationEvent, tenant: Tenant
) -> str:
    """Return the log position of the first ticket in an event's window; empty: unknown."""
    since = event.data.since.timestamp() - 0.001  # event times are rounded to milliseconds
    area = event.data.product_area
    for at, tenant_name, ticket_area, position in tickets:
        if at >= since and tenant_name == tenant.name and area in (None, ticket_area):
            return position
    return ""


def _decision(
    tenant: Tenant,
    event: EscalationEvent,
    result: Step,
    settings: Settings,
    position: str,
    begins_at: str,
) -> Decision:
    data = event.data
    key = TENANT_SERIES if data.product_area is None else data.product_area
    series = tenant.series(key)
    kind = "tenant" if key == TENANT_SERIES else "slice" if data.slice is not None else "area"
    crossed = [
        check
        for check in result.checks
        if check.key == key and check.kind == kind and check.outcome == "crossed"
    ]
    check = crossed[-1] if crossed else None
    episode = series.episode
    score = check.score if check is not None else episode.score if episode is not None else None
    at = event.time.timestamp()
    return Decision(
        event_id=event.id,
        decisions=DECISIONS,
        config_hash=data.config_hash,
        model=data.model,
        series=key,
        kind=kind,
        at=at,
        score=score.value if score is not None else data.score,
        bar=check.bar if check is not None else float("inf"),
        limit=check.computed if check is not None else None,
        since=data.since.timestamp(),
        observed=score.observed if score is not None else data.observed,
        expected=score.expected if score is not None else data.expected,
        customers=data.customers,
        negative_log_p=score.negative_log_p if score is not None else 0.0,
        expectation=series.model.expectation(),
        members=series.model.window_shares() if check is not None and kind != "slice" else [],
        guards=_guards(tenant, key, result, check, at, settings),
        pages=len(tenant.pages),
        decided_by=position,
        begins_at=begins_at,
    )


def _guards(
    tenant: Tenant,
    key: str,
    result: Step,
    check: ThresholdCheck | None,
    at: float,
    settings: Settings,
) -> list[GuardCheck]:
    """Return every guard, with the numbers on which it is based."""
    series = tenant.series(key)
    age = at / 3600.0 - series.born
    least = NEWBORN_HOURS["tenant" if key == TENANT_SERIES else "area"]
    others = [
        tenant.areas[name] for name in sorted(tenant.areas) if name not in {key, *tenant.running}
    ]
    elevation = breadth(others, at)
    suppressed = series.episode.suppressed if series.episode is not None else None
    numbers = {
        "inherited": f"age {age:.0f} h; only areas younger than {HEIR_HOURS:g} h can inherit",
        "called_false": (
            f"score {check.score.value:.3f}, threshold {check.bar:.3f}" if check else ""
        ),
        "announced": ", ".join(
            page.episode_id[:12] for page in tenant.pages if page.verdict == "expected_event"
        ),
        "storm": (
            f"pages in the last {settings.storm_seconds / SECONDS_PER_MINUTE:g} minutes: "
            f"{sum(at - page.at < settings.storm_seconds for page in tenant.pages)}"
        ),
    }
    checks = [
        GuardCheck("newborn", age < least, f"age {age:.0f} h; at least {least:g} h required"),
        GuardCheck("history", suppressed == "history", ""),
        GuardCheck(
            "neighbours",
            key != TENANT_SERIES and elevation >= NEIGHBOUR_DEVIATIONS,
            f"other areas elevated by {elevation:.2f} standard deviations; tenant-wide from "
            f"{NEIGHBOUR_DEVIATIONS:g}",
        ),
    ]
    applied = {*result.guards, suppressed}
    return checks + [
        GuardCheck(name, name in applied, numbers.get(name, "")) for name in get_args(Guard)
    ]


def differences(
    stored: EscalationEvent, found: EscalationEvent, most: int = 5
) -> list[tuple[str, object, object]]:
    """Return the first fields in which two events differ: path, stored value, recomputed value.

    Example:
        >>> from schemas.examples import EVENT
        >>> later = EVENT.model_copy(update={"id": "0" * 32})
        >>> [path for path, _, _ in differences(EVENT, later)]
        ['id']
    """
    left, right = stored.model_dump(mode="json"), found.model_dump(mode="json")
    return list(_differ("", left, right))[:most]


def _differ(path: str, left: object, right: object) -> Iterator[tuple[str, object, object]]:
    if isinstance(left, dict) and isinstance(right, dict):
        for name in dict.fromkeys((*left, *right)):
            nested = f"{path}.{name}" if path else str(name)
            yield from _differ(nested, left.get(name), right.get(name))
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for index, (left_item, right_item) in enumerate(zip(left, right, strict=True)):
            yield from _differ(f"{path}[{index}]", left_item, right_item)
    elif left != right:
        yield path, left, right
