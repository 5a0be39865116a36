"""The command ``spikewatch why-not``."""

import asyncio
import json
import math
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from detectors.forensics import why_not as counterfactuals
from detectors.forensics.redecide import LoggedSignal
from schemas.signals import Tick, Ticket
from stream.analysis.why_not import as_text
from stream.cli.dead_letters import DeadFile
from stream.cli.look.decision_log import (
    FromFile,
    HistoryFile,
    LogFeedbackFile,
    signals_of_files,
)
from stream.cli.options import AsJson, ConfigPath, local_time
from stream.cli.output import keep_files_apart, say
from stream.cli.ticket_files import TicketFormat, with_ticket_format
from stream.config.loading import load
from stream.config.sections import Config
from stream.errors import UserError
from stream.inputs.signal_log import from_topics
from stream.kafka.partitioner import partition_of
from stream.notify.store.episode_history import lines

SECONDS_PER_HOUR = 3600.0
_NOT_NOTIFIED = re.compile(r"decided +do not ")


@with_ticket_format
def why_not(
    area: Annotated[str, typer.Argument(help="Product area, in any case.")],
    moment: Annotated[
        datetime,
        typer.Argument(parser=local_time, metavar="TIME", help="Time at which nothing was sent."),
    ],
    ticket_format: TicketFormat,
    tenant: Annotated[str, typer.Option(help="Tenant of the area.")] = "default",
    source: FromFile = None,
    history: HistoryFile = None,
    feedback: LogFeedbackFile = None,
    dead: DeadFile = None,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Show why nothing was sent, and what it would have taken.

    The tickets are reprocessed several times, each time with one change.
    """
    keep_files_apart(
        reads={
            "--from": source,
            "--history": history,
            "--feedback": feedback,
            "--config": config,
        },
        writes={"--dead": dead},
    )
    loaded = load(config)
    settings, at = ticket_format.settings(loaded), ticket_format.moment(moment).timestamp()
    decisions: list[str] = []
    span = _LogSpan(tenant)
    if source is None:
        if history or feedback or dead:
            raise typer.BadParameter("--history, --feedback and --dead need --from")
        topics = asyncio.run(from_topics(loaded, tenant))
        number = partition_of(tenant, loaded.kafka.partitions)
        answer = counterfactuals.why_not(span.watch(topics.log), settings, tenant, area, at, number)
        span.require(at)
        decisions = _not_notified(loaded, answer.episode, tenant) if answer.episode else []
        if topics.begins:
            decisions.append(
                f"{topics.place} begins at offset {topics.begins}: what the workers learned before "
                "that is missing here"
            )
    else:
        with signals_of_files(source, history, feedback, ticket_format, loaded, dead=dead) as log:
            answer = counterfactuals.why_not(span.watch(log), settings, tenant, area, at)
            span.require(at)
    if as_json:
        say(json.dumps(msgspec.to_builtins(answer) | {"decisions": decisions}))
        return
    for line in as_text(answer, decisions):
        say(line)
    if answer.because in ("unknown_tenant", "unknown_area"):
        raise UserError(f"tenant {tenant} had no area {area} at that time; see above")


class _LogSpan:
    """Time range that a signal log covers for one tenant."""

    def __init__(self, tenant: str) -> None:
        self._tenant, self._live = tenant, False
        self._first, self._last = math.inf, -math.inf

    def watch(self, log: Iterable[LoggedSignal]) -> Iterator[LoggedSignal]:
        """Yield the log, and record the first and the last time of the tenant."""
        for record in log:
            signal = record.signal
            if isinstance(signal, Ticket) and signal.tenant == self._tenant:
                at = signal.created_at
                self._first, self._last = min(self._first, at), max(self._last, at)
                self._live = signal.mode == "live"
            elif isinstance(signal, Tick) and (self._live or signal.tenant == self._tenant):
                self._last = max(self._last, signal.now)
            yield record

    def require(self, at: float) -> None:
        """Check that the log covers a time, to within an hour.

        Args:
            at: Seconds since 1970.

        Raises:
            UserError: The log has no tickets of the tenant, or does not cover the time.
        """
        if self._last < self._first:
            raise UserError(
                f"the records contain no tickets of tenant {self._tenant}, so there is no answer"
            )
        if not self._first - SECONDS_PER_HOUR <= at <= self._last + SECONDS_PER_HOUR:
            first, last = (datetime.fromtimestamp(t, UTC) for t in (self._first, self._last))
            raise UserError(
                f"that time is outside the records of tenant {self._tenant}, which cover "
                f"{first:%Y-%m-%d %H:%M}Z to {last:%Y-%m-%d %H:%M}Z"
            )


def _not_notified(config: Config, episode: str, tenant: str) -> list[str]:
    """Return the decisions not to notify of an episode: silences, snoozes, quiet hours."""
    history = asyncio.run(lines(config, episode, tenant))
    return [line for line in history if _NOT_NOTIFIED.search(line)]
