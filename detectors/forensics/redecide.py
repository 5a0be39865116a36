"""Decide again from the log of all signals: the same events, and what they are based on.

Nothing is stored for this. The step is deterministic, so the same signals under the same settings
lead to the same decision, and every number that enters it can be read while it is made again.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, get_args

import msgspec

from detectors.alerting.decision import BROAD_DEVIATIONS
from detectors.alerting.guards import HEIR_HOURS, breadth
from detectors.alerting.lifecycle import NEWBORN_HOURS
from detectors.alerting.tenant_wide import NEIGHBOUR_DEVIATIONS
from detectors.foundation.outcomes import Guard
from detectors.models.base import Expectation, WindowShare
from detectors.policy.settings import DECISIONS
from detectors.state.tenant import TENANT_SERIES, Tenant, ThresholdCheck
from detectors.state.threshold import ComputedThreshold
from detectors.step.partition import Partition
from detectors.step.result import Step
from schemas.escalation import EscalationEvent
from schemas.signals import Signal, Ticket

REMEMBERED: Final = 50_000
"""Tickets whose place in the log is remembered, to name the start of a window."""


class LoggedSignal(NamedTuple):
    """One record of the log."""

    place: str
    """Its place: a line of a file, or topic, partition and offset."""
    signal: Signal
    received_at: float | None = None
    """When the internal topic received it, seconds since 1970; None: it is from a file."""


class GuardCheck(msgspec.Struct, frozen=True):
    """One guard, and whether it held."""

    name: str
    held: bool
    why: str
    """The numbers that it was decided by; empty: it did not apply."""


class Decision(msgspec.Struct, frozen=True):
    """What one event is based on. Times are in seconds since 1970; numbers are not rounded."""

    event_id: str
    decisions: int
    """Version of the rules, part of the config hash."""
    config_hash: str
    model: str
    series: str
    """The area; empty: the tenant as a whole."""
    kind: str
    at: float
    score: float
    bar: float
    """The score that was needed; infinite for a transition without a threshold (an update, an
    end)."""
    limit: ComputedThreshold | None
    since: float
    observed: float
    expected: float
    customers: int
    negative_log_p: float
    expectation: Expectation
    members: list[WindowShare]
    """The windows whose sum is the score; empty for a slice."""
    guards: list[GuardCheck]
    pages: int
    """Pages of the tenant that are remembered."""
    decided_by: str
    """The place of the record that led to it ..."""
    begins_at: str
    """... and of the first ticket of its window; empty: it is no longer known."""


def redecide(
    partition: Partition,
    log: Iterable[LoggedSignal],
    wanted: Callable[[EscalationEvent], bool],
) -> Iterator[tuple[EscalationEvent, Decision]]:
    """Process a log again, and yield each wanted event with what it is based on.

    Args:
        partition: Without a state, with the settings that decided. Changed in place.
        log: All records of its tenants, in their order.
        wanted: Selects events.
    """
    tickets: deque[tuple[float, str, str, str]] = deque(maxlen=REMEMBERED)
    for record in log:
        signal = record.signal
        done = partition.take(signal, record.received_at)
        if isinstance(signal, Ticket) and done.outcome == "counted":
            tickets.append((signal.created_at, signal.tenant, signal.area, record.place))
        for event in done.escalations:
            if wanted(event):
                tenant = partition.tenants[event.data.tenant]
                begins = _begins(tickets, event, tenant)
                yield event, _decision(tenant, event, done, record.place, begins)


def _begins(
    tickets: Iterable[tuple[float, str, str, str]], event: EscalationEvent, tenant: Tenant
) -> str:
    since = event.data.since.timestamp() - 0.001  # events tell milliseconds
    area = event.data.product_area
    for at, name, its, place in tickets:
        if at >= since and name == tenant.name and area in (None, its):
            return place
    return ""


def _decision(
    tenant: Tenant, event: EscalationEvent, done: Step, place: str, begins: str
) -> Decision:
    data = event.data
    key = TENANT_SERIES if data.product_area is None else data.product_area
    series = tenant.series(key)
    kind = "tenant" if key == TENANT_SERIES else "slice" if data.slice is not None else "area"
    crossed = [
        one
        for one in done.checks
        if one.key == key and one.kind == kind and one.outcome == "crossed"
    ]
    checked = crossed[-1] if crossed else None
    episode = series.episode
    score = checked.score if checked is not None else episode.score if episode is not None else None
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
        bar=checked.bar if checked is not None else float("inf"),
        limit=checked.computed if checked is not None else None,
        since=data.since.timestamp(),
        observed=score.observed if score is not None else data.observed,
        expected=score.expected if score is not None else data.expected,
        customers=data.customers,
        negative_log_p=score.negative_log_p if score is not None else 0.0,
        expectation=series.model.expectation(),
        members=series.model.window_shares() if checked is not None and kind != "slice" else [],
        guards=_guards(tenant, key, done, checked, at),
        pages=len(tenant.pages),
        decided_by=place,
        begins_at=begins,
    )


def _guards(
    tenant: Tenant, key: str, done: Step, checked: ThresholdCheck | None, at: float
) -> list[GuardCheck]:
    """Return every guard, with the numbers that it was decided by."""
    series = tenant.series(key)
    age = at / 3600.0 - series.born
    least = NEWBORN_HOURS["tenant" if key == TENANT_SERIES else "area"]
    others = [tenant.areas[name] for name in sorted(tenant.areas) if name != key]
    up = breadth(others, at) if others else 0.0
    broad = BROAD_DEVIATIONS if key == TENANT_SERIES else NEIGHBOUR_DEVIATIONS
    suppressed = series.episode.suppressed if series.episode is not None else None
    numbers = {
        "inherited": f"it is {age:.0f} h old, heirs are younger than {HEIR_HOURS:g} h",
        "called_false": (
            f"score {checked.score.value:.3f} against {checked.bar:.3f}" if checked else ""
        ),
        "announced": ", ".join(
            page.episode_id[:12] for page in tenant.pages if page.verdict == "expected_event"
        ),
        "storm": f"{sum(at - page.at < 600.0 for page in tenant.pages)} pages in ten minutes",
    }
    found = [
        GuardCheck("newborn", age < least, f"it is {age:.0f} h old, {least:g} h are needed"),
        GuardCheck("history", suppressed == "history", ""),
        GuardCheck(
            "neighbours",
            key != TENANT_SERIES and up >= broad,
            f"up by {up:.2f}, {broad:g} make it broad",
        ),
    ]
    held = {*done.guards, suppressed}
    return found + [
        GuardCheck(name, name in held, numbers.get(name, "")) for name in get_args(Guard)
    ]


def differences(
    stored: EscalationEvent, found: EscalationEvent, most: int = 5
) -> list[tuple[str, object, object]]:
    """Return the first fields in which two events differ: path, stored value, value found again.

    Example:
        >>> from schemas.examples import EVENT
        >>> later = EVENT.model_copy(update={"id": "0" * 32})
        >>> [path for path, _, _ in differences(EVENT, later)]
        ['id']
    """
    one, other = stored.model_dump(mode="json"), found.model_dump(mode="json")
    return list(_differ("", one, other))[:most]


def _differ(path: str, one: object, other: object) -> Iterator[tuple[str, object, object]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in dict.fromkeys((*one, *other)):
            below = f"{path}.{name}" if path else str(name)
            yield from _differ(below, one.get(name), other.get(name))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _differ(f"{path}[{number}]", left, right)
    elif one != other:
        yield path, one, other
