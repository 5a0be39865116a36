"""The command ``spikewatch broker``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from stream.cli.output import say
from stream.trial.broker.local_broker import BrokerSettings, serve


def broker(
    data: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Data folder; default: a temporary one."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port on 127.0.0.1; default: a free port.")
    ] = None,
) -> None:
    """Run a single-node Kafka on 127.0.0.1, for trials and tests.

    Runs until Ctrl-C. Not meant for production.
    """
    sys.exit(serve(BrokerSettings(data_directory=data, port=port), say))
