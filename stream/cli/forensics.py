"""Commands that answer for what was decided: explain, why-not."""

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from stream.cli.options import ConfigPath, run_async, say, ticket_file, time, watched
from stream.config.loading import load
from stream.errors import UserError

if TYPE_CHECKING:
    from detectors.forensics.redecide import LoggedSignal
    from schemas.escalation import EscalationEvent
    from stream.analysis.explain import Explained
    from stream.config.sections import Config

From = Annotated[
    str | None,
    typer.Option("--from", help="File of tickets, .jsonl or .csv, also .gz; default: the topics."),
]
History = Annotated[
    str | None, typer.Option(help="With --from: file of earlier tickets, as replay takes them.")
]
FeedbackFile = Annotated[
    str | None, typer.Option("--feedback", help="With --from: file of answers, a Feedback a line.")
]
HOUR = 3600.0
AsJson = Annotated[bool, typer.Option("--json", help="All of it, as one JSON object.")]


def explain(
    episode: Annotated[
        str, typer.Argument(help="Id of the episode, or its first digits, 6 at least.")
    ],
    source: From = None,
    history: History = None,
    events: Annotated[
        str | None,
        typer.Option(help="File of escalations as they were written, to compare with."),
    ] = None,
    feedback: FeedbackFile = None,
    sequence: Annotated[int, typer.Option(min=1, help="Which event of the episode.")] = 1,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Decide again what led to an episode, and show every number that entered it.

    Exit code 1 where the decision is another one than was stored.
    """
    from stream.analysis import explain as explaining  # noqa: PLC0415 - scipy takes a while to import
    from stream.cli.report import events_of  # noqa: PLC0415 - the same
    from stream.config.step_settings import settings_of  # noqa: PLC0415 - the same

    loaded = load(config)
    settings = settings_of(loaded)
    digits = episode.strip().lower()
    if source is None:
        if history or feedback or events:
            raise typer.BadParameter("--history, --feedback and --events need --from")
        stored = events_of(loaded, episode, None)
        answer = _from_the_topics(loaded, stored, sequence)
    else:
        known = events_of(None, episode, events) if events else None
        until = max(event.time.timestamp() for event in known) if known else None
        with logged(source, history, feedback, until) as log:
            answer = explaining.explain(log, settings, digits, sequence, known)
    if as_json:
        say(json.dumps(explaining.as_json(answer)))
    else:
        for line in explaining.as_text(answer):
            say(line)
    if answer.wrong:
        raise UserError("the decision is another one when it is made again: see above")


def _from_the_topics(
    config: "Config", stored: "list[EscalationEvent]", sequence: int
) -> "Explained":
    from stream.analysis import explain as explaining  # noqa: PLC0415 - scipy takes a while to import
    from stream.config.step_settings import settings_of  # noqa: PLC0415 - the same
    from stream.inputs.signal_log import from_topics  # noqa: PLC0415 - aiokafka takes a while to import
    from stream.kafka.partitioner import partition_of  # noqa: PLC0415 - the same

    data = stored[-1].data
    topics = run_async(from_topics(config, data.tenant))
    number = partition_of(data.tenant, config.kafka.partitions)
    try:
        answer = explaining.explain(
            topics.log, settings_of(config), data.episode_id, sequence, stored, number
        )
    except UserError as error:
        if topics.begins:
            raise UserError(
                f"{error}; {topics.place} begins at offset {topics.begins}: what came before is "
                "deleted by its retention"
            ) from None
        raise
    answer.source = topics.sources.get(answer.event.id, "")
    return answer


def why_not(
    area: Annotated[str, typer.Argument(help="Product area, as events name it.")],
    moment: Annotated[
        datetime,
        typer.Argument(parser=time, metavar="TIME", help="When nothing was sent; UTC by default."),
    ],
    tenant: Annotated[str, typer.Option(help="Whose area it is.")] = "default",
    source: From = None,
    history: History = None,
    feedback: FeedbackFile = None,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Say why nothing was sent for an area around a time, and how little more it would have taken.

    Everything is lived through again, with one thing changed at a time.
    """
    from detectors.forensics import why_not as asking  # noqa: PLC0415 - scipy takes a while to import
    from stream.analysis.why_not import as_text  # noqa: PLC0415 - the same
    from stream.config.step_settings import settings_of  # noqa: PLC0415 - the same

    loaded = load(config)
    settings, at = settings_of(loaded), moment.timestamp()
    decisions: list[str] = []
    if source is None:
        if history or feedback:
            raise typer.BadParameter("--history and --feedback need --from")
        from stream.inputs.signal_log import from_topics  # noqa: PLC0415 - aiokafka takes a while
        from stream.kafka.partitioner import partition_of  # noqa: PLC0415 - the same

        topics = run_async(from_topics(loaded, tenant))
        number = partition_of(tenant, loaded.kafka.partitions)
        span = _Span(tenant)
        answer = asking.why_not(span.of(topics.log), settings, tenant, area, at, number)
        span.holds(at)
        decisions = _not_told(loaded, answer.episode, tenant) if answer.episode else []
        if topics.begins:
            decisions.append(
                f"{topics.place} begins at offset {topics.begins}: what was learned before is gone"
            )
    else:
        with logged(source, history, feedback) as log:
            span = _Span(tenant)
            answer = asking.why_not(span.of(log), settings, tenant, area, at)
            span.holds(at)
    if as_json:
        say(json.dumps(msgspec.to_builtins(answer) | {"decisions": decisions}))
        return
    for line in as_text(answer, decisions):
        say(line)
    if answer.because in ("unknown_tenant", "unknown_area"):
        raise UserError(f"{area} of {tenant} was not known then: see above")


class _Span:
    """From when to when a log tells of a tenant."""

    def __init__(self, tenant: str) -> None:
        self._tenant, self._live = tenant, False
        self._first, self._last = math.inf, -math.inf

    def of(self, log: "Iterable[LoggedSignal]") -> "Iterator[LoggedSignal]":
        """The log, looked at while it passes."""
        from schemas.signals import Tick, Ticket  # noqa: PLC0415 - only those who ask need it

        for record in log:
            signal = record.signal
            if isinstance(signal, Ticket) and signal.tenant == self._tenant:
                at = signal.created_at
                self._first, self._last = min(self._first, at), max(self._last, at)
                self._live = signal.mode == "live"
            elif isinstance(signal, Tick) and (self._live or signal.tenant == self._tenant):
                self._last = max(self._last, signal.now)
            yield record

    def holds(self, at: float) -> None:
        """Whether anything can be said of *at*.

        Raises:
            UserError: It lies more than an hour outside.
        """
        if self._last < self._first:
            raise UserError("nothing can be said of then: nothing is known at all")
        if not self._first - HOUR <= at <= self._last + HOUR:
            first, last = (datetime.fromtimestamp(t, UTC) for t in (self._first, self._last))
            raise UserError(
                f"nothing can be said of then: what is known goes from {first:%Y-%m-%d %H:%M}Z "
                f"to {last:%Y-%m-%d %H:%M}Z"
            )


def _not_told(config: "Config", episode: str, tenant: str) -> list[str]:
    """Who was not told of an episode, and why: silences, snoozes, quiet hours and the like."""
    from stream.notify.store.episode_history import lines  # noqa: PLC0415 - aiokafka takes a while to import

    return [line for line in run_async(lines(config, episode, tenant)) if "do not tell" in line]


@contextmanager
def logged(
    source: str, history: str | None, feedback: str | None, until: float | None = None
) -> "Iterator[Iterator[LoggedSignal]]":
    """The records of ticket files, with bars that show how far it is."""
    from stream.inputs.feedback_files import read_verdicts  # noqa: PLC0415 - pydantic takes a while
    from stream.inputs.signal_log import from_files  # noqa: PLC0415 - the same

    verdicts = read_verdicts(feedback) if feedback else []
    with ExitStack() as stack:
        past = None
        if history is not None:
            older = stack.enter_context(ticket_file(history, None, None, None, None))
            past = watched(*older), history
        lines = stack.enter_context(ticket_file(source, None, None, None, None))
        yield from_files(watched(*lines), source, past, verdicts, until)
