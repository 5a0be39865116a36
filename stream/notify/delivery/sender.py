"""Sender that makes changes durable, then sends the due messages of each thread in order."""

import asyncio
import time
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, Final

from stream.notify.delivery.channel import Channel, Outcome
from stream.notify.delivery.metrics import NotifyMetrics
from stream.notify.dispatch.dispatcher import Dispatcher
from stream.notify.dispatch.thread_index import PendingWrites
from stream.notify.model.threads import NotificationState, QueuedMessage, next_due
from stream.notify.store.notify_topics import NotifyTopics
from stream.process.fail_fast import fatal
from stream.process.tracing import Traces

DRAIN_SECONDS: Final = 3.0
"""Time that requests in flight get to finish at shutdown."""


class Sender:
    """Sender of messages through the channels of the receivers; sends only what is durable."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        ledger: NotifyTopics,
        channels: Mapping[str, Channel],
        metrics: NotifyMetrics,
        traces: Traces,
    ) -> None:
        """Create the sender without sending anything yet."""
        self._traces = traces
        self._dispatcher = dispatcher
        self._store = ledger
        self._channels = channels
        self._metrics = metrics
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._unsaved: dict[str, asyncio.Future[None]] = {}
        self._started = time.time()

    async def save(self, changes: PendingWrites) -> None:
        """Make changes durable; the messages that they queue are not sent before that."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        keys = [key for keys_of_partition in changes.threads.values() for key in keys_of_partition]
        self._unsaved.update(dict.fromkeys(keys, done))
        try:
            for partition in changes.partitions:
                entries = changes.entries[partition]
                for entry in entries:
                    self._metrics.audited(entry)
                await self._store.save(partition, changes.threads[partition].values(), entries)
                if changes.forgotten[partition]:
                    await self._store.forget(partition, changes.forgotten[partition])
        finally:
            done.set_result(None)
            for key in keys:
                if self._unsaved.get(key) is done:
                    del self._unsaved[key]

    def send_what_is_due(self) -> None:
        """Start sending the due messages of threads without a request in flight."""
        for state in self._dispatcher.due(time.time()):
            if state.key not in self._tasks:
                self._begin(state.key, self._deliver(state))

    def repeat(self) -> None:
        """Send the current state again to receivers that need it repeated."""
        now = time.time()
        for thread in self._dispatcher.repeats.take_due(now):
            if thread.key not in self._tasks:
                channel = self._channels[thread.receiver]
                self._begin(
                    thread.key,
                    channel.once(self._dispatcher.messages.repeat(thread, now), thread.handle),
                )

    async def stop(self, keys: Iterable[str]) -> None:
        """Cancel the requests in flight for the threads with the given keys."""
        tasks = [self._tasks.pop(key) for key in list(keys) if key in self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Wait `DRAIN_SECONDS` for requests in flight; the next owner sends the rest."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=DRAIN_SECONDS)
        await self.stop(self._tasks)

    def _begin(self, key: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks[key] = task
        task.add_done_callback(lambda done: self._ended(key, done))

    def _ended(self, key: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            fatal(f"sending {key!r}: {error!r}")

    async def _deliver(self, state: NotificationState) -> None:
        """Send the due messages of one thread or digest, one at a time."""
        while (
            self._dispatcher.register.has(state)
            and (item := next_due(state, time.time())) is not None
        ):
            while (saving := self._unsaved.get(state.key)) is not None:
                await asyncio.wait([saving])
            if item not in state.pending:
                continue
            began = time.time()
            outcome = await self._send(state, item)
            self._traces.delivered(
                state.episode,
                item.sequence,
                state.receiver,
                self._channels[state.receiver].sink.kind,
                began,
                outcome.why,
            )
            self._metrics.sent(
                state.receiver,
                item.reason,
                delivered=outcome.delivered,
                arrived=item.arrived,
                now=time.time(),
            )
            changes = self._dispatcher.outcomes.record_result(
                state,
                item,
                time.time(),
                delivered=outcome.delivered,
                handle=outcome.handle,
                attempts=outcome.attempts,
                why=outcome.why,
            )
            await asyncio.shield(self.save(changes))

    async def _send(self, state: NotificationState, item: QueuedMessage) -> Outcome:
        channel = self._channels[state.receiver]
        handle = state.handle if state.sink in ("", channel.sink.kind) else {}

        async def failed(attempt: int, error: str) -> None:
            self._metrics.attempt_failed(state.receiver)
            await self.save(
                self._dispatcher.outcomes.record_failure(state, item, attempt, error, time.time())
            )

        return await channel.deliver(
            self._dispatcher.messages.build(state, item, time.time()),
            handle,
            max(item.since, item.due, self._started),
            failed,
        )
