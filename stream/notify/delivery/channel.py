"""Sending to one receiver: try again while it may help, wait where asked to, else give up."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import stamina
from stamina.instrumentation import set_on_retry_hooks

from stream.notify.model.errors import RefusedError, TryAgainError
from stream.notify.model.message import Message
from stream.notify.sinks.base import Handle, Sink

AT_ONCE: Final = 16
"""Requests to one receiver at the same time."""
FIRST_WAIT, MOST_WAIT = 0.5, 60.0
LEAST_SECONDS: Final = 1.0
set_on_retry_hooks([])  # what is tried again is in the audit


class Outcome(NamedTuple):
    """How sending ended."""

    delivered: bool
    handle: Handle
    attempts: int
    why: str = ""


class Channel:
    """The way to one receiver; its pace is no other receiver's business."""

    def __init__(
        self,
        sink: Sink,
        give_up_seconds: float,
        *,
        first_wait: float = FIRST_WAIT,
        most_wait: float = MOST_WAIT,
    ) -> None:
        """Ready.

        Args:
            sink: How it is told.
            give_up_seconds: From when on a message is not tried again, counted from its decision.
            first_wait: Seconds after the first failure; doubled by each further one, plus up to as
                much again by chance.
            most_wait: Seconds at most.
        """
        self.sink = sink
        self._give_up = give_up_seconds
        self._first_wait, self._most_wait = first_wait, most_wait
        self._room = asyncio.Semaphore(AT_ONCE)
        self._not_before = 0.0

    async def deliver(
        self,
        message: Message,
        handle: Handle,
        since: float,
        failed: Callable[[int, str], Awaitable[None]],
    ) -> Outcome:
        """Tell it, however often it takes, up to the end of its patience.

        Args:
            message: What.
            handle: What it is called there.
            since: From when its patience counts, wall clock.
            failed: Told of each attempt that is to be repeated.
        """
        attempts = 0
        left = max(LEAST_SECONDS, since + self._give_up - time.time())
        try:
            async for attempt in stamina.retry_context(
                on=self._wait,
                attempts=None,
                timeout=left,
                wait_initial=self._first_wait,
                wait_max=self._most_wait,
                wait_jitter=self._first_wait,
            ):
                with attempt:
                    attempts += 1
                    await self._pause()
                    try:
                        async with self._room:
                            handle = await self.sink.send(message, dict(handle))
                    except TryAgainError as error:
                        await failed(attempts, str(error))
                        raise
                    except RefusedError:
                        raise
                    except Exception as error:  # a defect of one sink stops no other receiver
                        raise RefusedError(f"it cannot be sent: {type(error).__name__}") from error
        except (TryAgainError, RefusedError) as error:
            return Outcome(False, handle, attempts, str(error))
        return Outcome(True, handle, attempts)

    async def once(self, message: Message, handle: Handle) -> None:
        """Tell it again what it knows; that this fails is no matter."""
        try:
            async with self._room:
                await self.sink.send(message, dict(handle))
        except Exception:  # whatever it is, the next time comes soon
            return

    async def _pause(self) -> None:
        while (wait := self._not_before - time.monotonic()) > 0.0:
            await asyncio.sleep(wait)

    def _wait(self, error: Exception) -> bool | float:
        if not isinstance(error, TryAgainError):
            return False
        if error.after is None:
            return True
        self._not_before = max(self._not_before, time.monotonic() + error.after)
        return error.after
