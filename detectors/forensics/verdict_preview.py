"""What a verdict would have changed: the same weeks with it and without it, from one log."""

from collections.abc import Iterable
from typing import Final

import msgspec

from detectors.forensics.redecide import LoggedSignal
from detectors.policy.settings import Settings
from detectors.step.partition import Partition
from detectors.step.pipeline import step
from schemas.escalation import EscalationEvent
from schemas.signals import Signal, Tick, Verdict

DAYS: Final = 30.0


class Preview(msgspec.Struct, frozen=True):
    """The pages of the last days of a log, opened or reopened."""

    page: EscalationEvent
    """The page that the verdict is about."""
    since: float
    """Seconds since 1970: `DAYS` before the end of the log, or the page if that is later."""
    until: float
    without: list[EscalationEvent]
    with_it: list[EscalationEvent]
    effects: list[EscalationEvent]
    """The events that the verdict itself leads to."""


def preview(
    log: Iterable[LoggedSignal], settings: Settings, episode: str, verdict: Verdict
) -> Preview | None:
    """Process a log; from the page on in two copies, one of which receives the verdict.

    That copy ignores verdicts of the log on the same page. The other processes the log as it is.

    Args:
        log: All signals, in their order.
        settings: The settings that decide.
        episode: The id of the episode, or its first digits.
        verdict: The verdict; its tenant and episode are filled in.

    Returns:
        What differs; None if that episode has no page.
    """
    log = iter(log)
    partition = Partition(0, owner=0, settings=settings)
    page = _find(partition, log, episode)
    if page is None:
        return None
    name = page.data.tenant
    plain = partition.tenants[name]
    twin = plain.copy()
    answer = msgspec.structs.replace(verdict, tenant=name, episode_id=page.data.episode_id)
    effects = step(twin, answer, settings).escalations
    found: tuple[list[EscalationEvent], list[EscalationEvent]] = ([], [])
    for record in log:
        signal = record.signal
        if signal.tenant == name or (isinstance(signal, Tick) and signal.tenant is None):
            for tenant, events in zip((plain, twin), found, strict=True):
                if tenant is twin and _is_on(signal, answer.episode_id):
                    continue  # it would replace the one that is asked about
                events += step(tenant, signal, settings, record.received_at).escalations
    until = plain.clock or 0.0
    since = max(until - DAYS * 86_400.0, page.time.timestamp())
    without, with_it = (
        [event for event in events if _pages(event) and event.time.timestamp() >= since]
        for events in found
    )
    return Preview(page, since, until, without, with_it, effects)


def _find(
    partition: Partition, log: Iterable[LoggedSignal], episode: str
) -> EscalationEvent | None:
    for record in log:
        for event in partition.take(record.signal, record.received_at).escalations:
            if event.data.episode_id.startswith(episode) and _pages(event):
                return event
    return None


def _is_on(signal: Signal, episode: str) -> bool:
    return isinstance(signal, Verdict) and signal.episode_id == episode


def _pages(event: EscalationEvent) -> bool:
    return event.data.suppressed is None and event.transition in ("opened", "reopened")
