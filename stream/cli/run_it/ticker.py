"""The command ``spikewatch ticker``."""

import asyncio

from stream.cli.options import ConfigPath
from stream.config.loading import load
from stream.worker.ticker import run


def ticker(config: ConfigPath = None) -> None:
    """Send clock ticks, so that time passes in quiet areas too.

    Without ticks an episode in an area without tickets would not resolve. One ticker is enough;
    several do no harm.
    """
    asyncio.run(run(load(config)))
