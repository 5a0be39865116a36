"""Throttle for aiokafka's log, which repeats messages up to a hundred times a second."""

import logging
import sys
import time
from typing import Final

AGAIN_SECONDS: Final = 10.0
"""Minimum time between two messages with the same template."""


class OnceInAWhile(logging.Filter):
    """Log filter that passes a message if its template was not logged recently."""

    def __init__(self) -> None:
        """Start with an empty history."""
        super().__init__()
        self._heard: dict[str, float] = {}
        self._missed: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to pass a record; append the number of suppressed records to it."""
        key = f"{record.name} {record.msg}"[:200]
        now = time.monotonic()
        if now - self._heard.get(key, -AGAIN_SECONDS) < AGAIN_SECONDS:
            self._missed[key] = self._missed.get(key, 0) + 1
            return False
        if len(self._heard) > 1_000:
            self._heard.clear()
        self._heard[key] = now
        if missed := self._missed.pop(key, 0):
            record.msg = f"{record.msg} ({missed} more like it)"
        return True


def install() -> None:
    """Give aiokafka its own log handler, on standard error, for warnings and above."""
    logger = logging.getLogger("aiokafka")
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        handler.addFilter(OnceInAWhile())
        logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
