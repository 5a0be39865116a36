"""Make changes durable, then send the due messages of each thread in their order."""

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
"""At shutdown, requests under way get this long to finish."""


class Sender:
    """Sends through the channels of the receivers; only what is durable is sent."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        ledger: NotifyTopics,
        channels: Mapping[str, Channel],
        metrics: NotifyMetrics,
        traces: Traces,
    ) -> None:
        """Create the sender; nothing is sent yet."""
        self._traces = traces
        self._dispatcher = dispatcher
        self._store = ledger
        self._channels = channels
        self._metrics = metrics
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._unsaved: dict[str, asyncio.Future[None]] = {}
        self._started = time.time()

    async def save(self, changes: PendingWrites) -> None:
        """Make *changes* durable; nothing that changed is sent before that."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        keys = [key for found in changes.threads.values() for key in found]
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
        """Start to send due messages of threads that have no request under way."""
        for one in self._dispatcher.due(time.time()):
            if one.key not in self._tasks:
                self._begin(one.key, self._deliver(one))

    def repeat(self) -> None:
        """Send the current state again to receivers that need repetitions."""
        now = time.time()
        for thread in self._dispatcher.repeats.take_due(now):
            if thread.key not in self._tasks:
                channel = self._channels[thread.receiver]
                self._begin(
                    thread.key,
                    channel.once(self._dispatcher.messages.repeat(thread, now), thread.handle),
                )

    async def stop(self, keys: Iterable[str]) -> None:
        """Cancel the requests under way for the threads with these *keys*."""
        tasks = [self._tasks.pop(key) for key in list(keys) if key in self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Wait `DRAIN_SECONDS` for requests under way; the next owner sends what is left."""
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

    async def _deliver(self, one: NotificationState) -> None:
        """Send the due messages of one thread or digest, one after the other."""
        while (
            self._dispatcher.register.has(one) and (item := next_due(one, time.time())) is not None
        ):
            while (saving := self._unsaved.get(one.key)) is not None:
                await asyncio.wait([saving])
            if item not in one.pending:
                continue
            began = time.time()
            outcome = await self._send(one, item)
            self._traces.delivered(
                one.episode,
                item.sequence,
                one.receiver,
                self._channels[one.receiver].sink.kind,
                began,
                outcome.why,
            )
            self._metrics.sent(
                one.receiver,
                item.reason,
                delivered=outcome.delivered,
                arrived=item.arrived,
                now=time.time(),
            )
            changes = self._dispatcher.outcomes.record_result(
                one,
                item,
                time.time(),
                delivered=outcome.delivered,
                handle=outcome.handle,
                attempts=outcome.attempts,
                why=outcome.why,
            )
            await asyncio.shield(self.save(changes))

    async def _send(self, one: NotificationState, item: QueuedMessage) -> Outcome:
        channel = self._channels[one.receiver]
        handle = one.handle if one.sink in ("", channel.sink.kind) else {}

        async def failed(attempt: int, why: str) -> None:
            self._metrics.attempt_failed(one.receiver)
            await self.save(
                self._dispatcher.outcomes.record_failure(one, item, attempt, why, time.time())
            )

        return await channel.deliver(
            self._dispatcher.messages.build(one, item, time.time()),
            handle,
            max(item.since, item.due, self._started),
            failed,
        )
