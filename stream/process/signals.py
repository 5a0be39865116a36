"""Operating system signals for processes with an event loop."""

import asyncio
import signal
from collections.abc import Callable


def stop_event() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set; must be called in the running event loop."""
    stopped = asyncio.Event()
    on_stop(stopped.set)
    return stopped


def on_stop(callback: Callable[[], None]) -> None:
    """Call a function in the running event loop on SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, callback)


def on_hangup(callback: Callable[[], None]) -> None:
    """Call a function in the running event loop on each SIGHUP, which requests a reload."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, callback)
