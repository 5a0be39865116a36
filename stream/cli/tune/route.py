"""The command ``spikewatch route``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.escalation import SEVERITIES, EscalationEvent
from stream.cli.look.escalation_events import events_of
from stream.cli.options import AsJson, ConfigPath
from stream.cli.output import say, say_json
from stream.cli.run_it.notify import plan_of
from stream.config.loading import load
from stream.errors import UserError
from stream.escalations.plain_text import headline
from stream.notify.routing import router
from stream.notify.routing.rules import NotificationConfig


def route(
    episode: Annotated[
        str,
        typer.Argument(
            metavar="EPISODE",
            help="Id of an episode or its first digits; or an escalation file, as with --from.",
        ),
    ] = "",
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Escalation file written by replay; default: Kafka.",
        ),
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help="Show every transition; default: the most severe of each episode."
        ),
    ] = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Show which receivers would be notified, and why.

    Nothing is sent.
    """
    loaded = load(config)
    plan = plan_of(loaded)
    if source is None and Path(episode).is_file():
        episode, source = "", episode
    events = events_of(loaded, episode, source)
    if not every:
        events = _most_severe(events)
    if not events:
        raise UserError("no escalations were found")
    routed = [(event, _notified(event, plan)) for event in events]
    if as_json:
        say_json([_as_json(event, notified) for event, notified in routed])
        return
    for event, notified in routed:
        say(f"{event.data.episode_id} #{event.data.sequence} {headline(event)}")
        if event.data.suppressed is not None:
            say(f"    nobody: suppressed ({event.data.suppressed})")
        for each in notified:
            say(f"    {_as_text(each)}")


def _most_severe(events: list[EscalationEvent]) -> list[EscalationEvent]:
    """Return the first of the most severe transitions of each episode."""
    best: dict[str, EscalationEvent] = {}
    for event in events:
        current = best.get(event.data.episode_id)
        grade = SEVERITIES.index(event.data.severity)
        if current is None or grade > SEVERITIES.index(current.data.severity):
            best[event.data.episode_id] = event
    return list(best.values())


def _notified(event: EscalationEvent, plan: NotificationConfig) -> list[dict[str, Any]]:
    """Return the receivers of an event and the route of each; empty if it is suppressed."""
    if event.data.suppressed is not None:
        return []
    notified = []
    for target in router.route(event, plan):
        quiet = router.quiet_until(target.quiet, event.data.severity, event.time.timestamp())
        notified.append(
            {
                "receiver": target.receiver,
                "kind": plan.receivers[target.receiver].sink.kind,
                "address": target.address or None,
                "route": target.route,
                "customers": [account.customer for account in target.accounts],
                "muted_by_quiet_hours": quiet is not None,
            }
        )
    return notified


def _as_text(notified: dict[str, Any]) -> str:
    address = f" to {notified['address']}" if notified["address"] else ""
    reason = f"by {notified['route']}"
    if notified["customers"]:
        reason += f", as account owner of {', '.join(notified['customers'])}"
    muted = "; muted by its quiet hours" if notified["muted_by_quiet_hours"] else ""
    return f"{notified['receiver']} ({notified['kind']}){address}: {reason}{muted}"


def _as_json(event: EscalationEvent, notified: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "episode_id": event.data.episode_id,
        "sequence": event.data.sequence,
        "transition": event.transition,
        "severity": event.data.severity,
        "suppressed": event.data.suppressed,
        "notified": notified,
    }
