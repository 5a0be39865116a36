"""The command ``spikewatch demo``."""

import sys
from typing import Annotated

import typer

from stream.cli.options import ConfigPath
from stream.cli.output import say
from stream.trial.demo import run


def demo(
    once: Annotated[
        bool,
        typer.Option(
            "--once", help="Exit when the incident is resolved instead of running until Ctrl-C."
        ),
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Show a spike from its first ticket to the resolved episode.

    Starts a Kafka broker, two workers, the web page and notify, loads six weeks of simulated
    history, and plays an incident in which logins fail.
    """
    sys.exit(run(config, once=once, say=say))
