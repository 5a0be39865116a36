"""Preview a verdict: re-evaluate the same log with the verdict and without it."""

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
    """The pages (opened or reopened) in the last days of a log, with and without a verdict."""

    page: EscalationEvent
    """The page that the verdict is about."""
    since: float
    """Start of these days, seconds since 1970: `DAYS` before the end of the log, but not before the
    page."""
    until: float
    """End of the log, seconds since 1970."""
    without: list[EscalationEvent]
    """Pages without the verdict."""
    with_it: list[EscalationEvent]
    """Pages with the verdict."""
    effects: list[EscalationEvent]
    """Events that the verdict itself causes."""


def preview(
    log: Iterable[LoggedSignal], settings: Settings, episode: str, verdict: Verdict
) -> Preview | None:
    """Process a log, from the page on with two copies of the tenant: with and without the verdict.

    The copy that receives the verdict ignores other verdicts of the log on the same page.

    Args:
        log: All signals, in order.
        settings: The settings for all decisions.
        episode: The id of the episode, or its first digits.
        verdict: The verdict; its tenant and episode are filled in.

    Returns:
        The pages of both copies; None if the episode has no page.
    """
    log = iter(log)
    partition = Partition(0, owner=0, settings=settings)
    page = _find_page(partition, log, episode)
    if page is None:
        return None
    name = page.data.tenant
    original = partition.tenants[name]
    copy = original.copy()
    verdict = msgspec.structs.replace(verdict, tenant=name, episode_id=page.data.episode_id)
    effects = step(copy, verdict, settings).escalations
    both: tuple[list[EscalationEvent], list[EscalationEvent]] = ([], [])
    for record in log:
        signal = record.signal
        if signal.tenant == name or (isinstance(signal, Tick) and signal.tenant is None):
            for tenant, events in zip((original, copy), both, strict=True):
                if tenant is copy and _is_verdict_on(signal, verdict.episode_id):
                    continue  # it would replace the previewed verdict
                events += step(tenant, signal, settings, record.received_at).escalations
    until = original.clock or 0.0
    since = max(until - DAYS * 86_400.0, page.time.timestamp())
    without, with_it = (
        [event for event in events if _pages(event) and event.time.timestamp() >= since]
        for events in both
    )
    return Preview(page, since, until, without, with_it, effects)


def _find_page(
    partition: Partition, log: Iterable[LoggedSignal], episode: str
) -> EscalationEvent | None:
    for record in log:
        for event in partition.take(record.signal, record.received_at).escalations:
            if event.data.episode_id.startswith(episode) and _pages(event):
                return event
    return None


def _is_verdict_on(signal: Signal, episode: str) -> bool:
    return isinstance(signal, Verdict) and signal.episode_id == episode


def _pages(event: EscalationEvent) -> bool:
    return event.data.suppressed is None and event.transition in ("opened", "reopened")
