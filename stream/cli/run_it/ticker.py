"""The command ``spikewatch ticker``."""

import asyncio

from stream.cli.options import ConfigPath
from stream.config.loading import load
from stream.worker.ticker import run


def ticker(config: ConfigPath = None) -> None:
    """Send clock ticks so that time advances in quiet areas too.

    Without ticks, an episode in an area without new tickets would never be resolved. One ticker is
    enough; more do no harm.
    """
    asyncio.run(run(load(config)))
