"""A worker as `spikewatch worker` runs it, but slowed down: it is killed in the middle of work.

``python slow_worker.py MARK SECONDS``: the file MARK is touched at the first chunk of signals; each
chunk of 40 takes SECONDS longer.
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
    """Patch, then run."""
    mark, seconds = Path(sys.argv[1]), float(sys.argv[2])
    sys.argv = sys.argv[:1]
    fold = Detect._fold

    def slowly(self: Detect, number: int, records: Any) -> Any:
        mark.touch()
        time.sleep(seconds)
        return fold(self, number, records)

    Detect._fold = slowly  # type: ignore[method-assign]  # the point of this file
    faust_binding.MAX_CHUNK = 40  # type: ignore[misc]  # the same
    run(load())


if __name__ == "__main__":
    main()
