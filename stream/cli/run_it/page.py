"""The command ``spikewatch page``."""

import asyncio

from stream.cli.options import ConfigPath
from stream.cli.output import say
from stream.config.loading import load
from stream.page.service import serve


def page(config: ConfigPath = None) -> None:
    """Serve the read-only web page of areas and episodes.

    The page updates itself and requires no password: see [page] in the configuration.
    """
    asyncio.run(serve(load(config), say))
