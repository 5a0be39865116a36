"""End the process at once if going on would lose or duplicate something.

An exception would not do: Faust acknowledges the event of an agent that raises, and commits it at
shutdown.
"""

import os
import sys
from typing import NoReturn

EXIT_FATAL = 70
"""sysexits.h EX_SOFTWARE: kill and restart; the state is safe."""


def fatal(why: str) -> NoReturn:
    """End the process now, with *why* on standard error."""
    sys.stderr.write(f"spikewatch: fatal: {why}\n")
    sys.stderr.flush()
    os._exit(EXIT_FATAL)
