"""Immediate end of the process when continuing would lose or duplicate data.

An exception is not enough: Faust acknowledges the event of an agent that raises, and commits it at
shutdown.
"""

import os
import sys
from typing import NoReturn

EXIT_FATAL = 70
"""Exit code EX_SOFTWARE of sysexits.h: restart the process; its state is safe."""


def fatal(why: str) -> NoReturn:
    """End the process now, and print the reason to standard error."""
    sys.stderr.write(f"spikewatch: fatal: {why}\n")
    sys.stderr.flush()
    os._exit(EXIT_FATAL)
