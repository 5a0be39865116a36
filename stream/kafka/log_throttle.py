"""What aiokafka says while a broker is away: once in a while, not a hundred times a second."""

import logging
import sys
import time
from typing import Final

AGAIN_SECONDS: Final = 10.0
"""The same message (by its template) is not repeated sooner."""


class OnceInAWhile(logging.Filter):
    """Lets a message through if its template was not heard lately."""

    def __init__(self) -> None:
        """Nothing was heard yet."""
        super().__init__()
        self._heard: dict[str, float] = {}
        self._missed: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to let *record* through; how many like it were held back stands at its end."""
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
    """Give aiokafka a handler of its own, on standard error, from warnings on."""
    logger = logging.getLogger("aiokafka")
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        handler.addFilter(OnceInAWhile())
        logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
