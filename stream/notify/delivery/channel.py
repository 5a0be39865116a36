"""Delivery to one receiver, with retries, back-off and a limit on concurrent requests."""

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
"""Maximum number of concurrent requests to one receiver."""
FIRST_WAIT, MOST_WAIT = 0.5, 60.0
LEAST_SECONDS: Final = 1.0
set_on_retry_hooks([])  # retries are recorded in the audit trail


class Outcome(NamedTuple):
    """Result of sending one message."""

    delivered: bool
    handle: Handle
    attempts: int
    why: str = ""


class Channel:
    """Sender of messages to one receiver; a slow receiver does not delay any other."""

    def __init__(
        self,
        sink: Sink,
        give_up_seconds: float,
        *,
        first_wait: float = FIRST_WAIT,
        most_wait: float = MOST_WAIT,
    ) -> None:
        """Create the channel.

        Args:
            sink: Sink that sends a message once.
            give_up_seconds: Seconds from the decision after which a message is no longer retried.
            first_wait: Seconds to wait after the first failure. Each further failure doubles the
                wait, and a random share of the first wait is added.
            most_wait: Maximum wait between two attempts, in seconds.
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
        """Send a message, and retry until it is delivered or given up.

        Args:
            message: Message to send.
            handle: Identifiers of the episode at the provider; empty before the first message.
            since: Time from which `give_up_seconds` counts, wall clock, seconds since 1970.
            failed: Called after each retried failure, with the number of the attempt and the error.
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
                    except Exception as error:  # a bug in one sink must not stop other receivers
                        raise RefusedError(
                            f"the sink failed with {type(error).__name__}"
                        ) from error
        except (TryAgainError, RefusedError) as error:
            return Outcome(False, handle, attempts, str(error))
        return Outcome(True, handle, attempts)

    async def once(self, message: Message, handle: Handle) -> None:
        """Send a message once and ignore failures, because it will be repeated soon."""
        try:
            async with self._room:
                await self.sink.send(message, dict(handle))
        except Exception:  # the message will be repeated soon anyway
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
