"""The command ``spikewatch tail``."""

import asyncio
from datetime import datetime
from typing import Annotated

import typer

from schemas.codec import write_escalation
from stream.cli.options import ConfigPath, time_or_ago
from stream.cli.output import say
from stream.config.loading import load
from stream.escalations.follow import follow
from stream.escalations.plain_text import render


def tail(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one CloudEvent per line instead of text.")
    ] = False,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="First print all earlier escalations.")
    ] = False,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=time_or_ago,
            metavar="TIME",
            help="First print those since this time: 2026-03-02T09:00:00Z, or 90s, 2h, 3d ago.",
        ),
    ] = None,
    idle: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Exit after this many seconds without an escalation."),
    ] = None,
    show_status: Annotated[
        bool, typer.Option("--status", hidden=True, help="Same as spikewatch status.")
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Print escalations as they are published."""
    if from_start and since is not None:
        raise typer.BadParameter(
            "--since and --from-start cannot be combined: each says where to begin"
        )
    if show_status:
        from stream.cli.look.status import status  # noqa: PLC0415 - importing it loads all models

        status(as_json=as_json, config=config)
        return
    loaded = load(config)

    async def work() -> None:
        beginning = None if since is None else since.timestamp()
        followed = follow(loaded, from_start=from_start, since=beginning, idle_seconds=idle)
        async for event in followed:
            say(write_escalation(event).decode() if as_json else render(event) + "\n")

    asyncio.run(work())
