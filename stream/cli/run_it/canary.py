"""The command ``spikewatch canary``."""

import asyncio
import sys
from typing import Annotated

import typer

from stream.cli.options import ConfigPath
from stream.config.loading import load
from stream.trial.canary import serve


def canary(
    once: Annotated[
        bool, typer.Option("--once", help="Send one spike; exit with code 1 if it is not detected.")
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Send simulated spikes and check that each is detected.

    The spikes belong to a tenant of their own, and nobody is notified of them. One canary process
    is enough.
    """
    if not asyncio.run(serve(load(config), once=once)) and once:
        sys.exit(1)
