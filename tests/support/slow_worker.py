"""A worker like `spikewatch worker`, but slowed down so that tests can kill it during its work.

Usage: ``python slow_worker.py MARK SECONDS``. The file MARK is touched at each chunk of signals,
and each chunk of 40 signals takes SECONDS longer.
"""

import sys
import time
from pathlib import Path
from typing import Any

from stream.config.loading import load
from stream.engine import faust_binding
from stream.worker.app import run
from stream.worker.detect import Detect


def main() -> None:
    """Patch the worker, then run it."""
    mark, seconds = Path(sys.argv[1]), float(sys.argv[2])
    sys.argv = sys.argv[:1]
    fold = Detect._fold

    def slowly(self: Detect, number: int, records: Any) -> Any:
        mark.touch()
        time.sleep(seconds)
        return fold(self, number, records)

    Detect._fold = slowly  # type: ignore[method-assign]  # slowed down on purpose
    faust_binding.MAX_CHUNK = 40  # type: ignore[misc]  # smaller on purpose
    run(load())


if __name__ == "__main__":
    main()
