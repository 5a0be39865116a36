"""The command ``spikewatch worker``."""

from stream.cli.options import ConfigPath
from stream.config.loading import load
from stream.worker.app import run


def worker(config: ConfigPath = None) -> None:
    """Detect spikes and publish escalations; workers share the load.

    A worker validates tickets, updates the models and publishes escalations. Start up to as many
    workers as there are partitions.
    """
    run(load(config))
