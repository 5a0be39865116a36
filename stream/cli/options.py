"""Options that several commands share, and parsers of times and durations."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from schemas.decoding.moments import is_within_bounds
from stream.config.values import duration_seconds

ConfigPath = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="TOML file; default: SPIKEWATCH_CONFIG, else ./spikewatch.toml if it exists.",
    ),
]
TicketFileArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="Ticket file: JSON, CSV or Excel, also packed; - for stdin."
    ),
]
FeedbackFile = Annotated[
    Path | None,
    typer.Option(
        "--feedback",
        metavar="FILE",
        help="Verdict file, .jsonl; each verdict takes effect at its own time.",
    ),
]
EpisodeId = Annotated[
    str,
    typer.Argument(metavar="EPISODE", help="Id of the episode, or at least its first 6 digits."),
]
Author = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Your name; default: your user name on this system."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Processes = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Number of processes to use; default: one per CPU."),
]


def time(text: str) -> datetime:
    """Parse an RFC 3339 time or a date; a time without an offset is taken as UTC.

    Raises:
        typer.BadParameter: The text is neither, or the time is not between 1970 and 2099.
    """
    try:
        at = _time(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time such as 2026-03-02T09:00:00Z") from None
    if not is_within_bounds(at):
        raise typer.BadParameter(f"{text!r} is not between 1970 and 2099")
    return at


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def local_time(text: str) -> datetime:
    """Parse a time as `time` does, but leave a time without an offset to `--timezone`.

    Raises:
        typer.BadParameter: The text is no time, or the time is not between 1970 and 2099.
    """
    at = time(text)
    written = datetime.fromisoformat(text)
    return written if written.tzinfo is None else at


def local_time_or_ago(text: str) -> datetime:
    """Parse a time or a duration as `time_or_ago` does; see `local_time`.

    Raises:
        typer.BadParameter: The text is neither, or the time is not between 1970 and 2099.
    """
    at = time_or_ago(text)
    try:
        written = datetime.fromisoformat(text)
    except ValueError:
        return at
    return written if written.tzinfo is None else at


def time_or_ago(text: str, now: datetime | None = None) -> datetime:
    """Parse a time as `time` does, or a duration before now.

    Args:
        text: Such as ``2026-03-02T09:00:00Z`` or ``2h``.
        now: Time from which durations count back; default: the current time.

    Raises:
        typer.BadParameter: The text is neither, or the time is not between 1970 and 2099.

    Example:
        >>> time_or_ago("2h", datetime(2026, 3, 2, 9, tzinfo=UTC)).isoformat()
        '2026-03-02T07:00:00+00:00'
        >>> time_or_ago("2026-03-02T09:00:00+01:00").isoformat()
        '2026-03-02T09:00:00+01:00'
    """
    try:
        seconds = duration_seconds(text)
    except ValueError:
        try:
            at = _time(text)
        except ValueError:
            raise typer.BadParameter(
                f"{text!r} is neither a time such as 2026-03-02T09:00:00Z nor a duration such as "
                "2h or 3d"
            ) from None
    else:
        try:
            at = (now or datetime.now(UTC)) - timedelta(seconds=seconds)
        except OverflowError:
            at = datetime.min.replace(tzinfo=UTC)
    if at < datetime(1970, 1, 1, tzinfo=UTC):
        raise typer.BadParameter(f"{text!r} is before 1970; give a later time")
    if not is_within_bounds(at):
        raise typer.BadParameter(f"{text!r} is after 2099; give an earlier time")
    return at


def duration(text: str) -> float:
    """Parse a duration and return it in seconds.

    Raises:
        typer.BadParameter: The text is not a duration.

    Example:
        >>> duration("2w") / 86_400.0, duration("36h") / 3600.0
        (14.0, 36.0)
    """
    try:
        return duration_seconds(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
