"""Follow spikewatch's escalations with aiokafka: ``pip install aiokafka``, then run this file.

Variables: KAFKA_SERVERS (127.0.0.1:9092), TOPIC (escalations), GROUP (escalations-printer).
Replace `handle` with your own code.
"""

import asyncio
import json
import os
import signal
import sys
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer

MOST_REMEMBERED = 100_000
NEEDED = {"id", "source", "type", "subject", "time", "data"}


def read(headers: Iterable[tuple[str, bytes]], value: bytes | None) -> dict[str, Any]:
    """Return the CloudEvent in a record of either content mode, in the form of structured mode.

    Raises:
        ValueError: The record has no CloudEvent.
    """
    if value is None:
        raise ValueError("a record without a value")
    named = {name: text.decode() for name, text in headers}
    try:
        body = json.loads(value)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None
    kind = named.get("content-type", "")
    if "ce_id" in named and not kind.startswith("application/cloudevents"):  # binary mode
        attributes = {n.removeprefix("ce_"): t for n, t in named.items() if n.startswith("ce_")}
        body = {**attributes, "datacontenttype": kind, "data": body}
    if not isinstance(body, dict) or body.get("specversion") != "1.0":
        raise ValueError("no CloudEvent 1.0")
    if missing := NEEDED - body.keys():
        raise ValueError(f"a CloudEvent without {', '.join(sorted(missing))}")
    return body


class Handled:
    """Ids of handled events; after a crash, spikewatch may write an event again."""

    def __init__(self) -> None:
        self._ids: OrderedDict[tuple[str, str], None] = OrderedDict()

    def is_new(self, event: dict[str, Any]) -> bool:
        """Return whether (source, id) is seen for the first time, and remember it."""
        key = (event["source"], event["id"])
        if key in self._ids:
            return False
        self._ids[key] = None
        if len(self._ids) > MOST_REMEMBERED:
            self._ids.popitem(last=False)
        return True


def handle(event: dict[str, Any], open_episodes: set[str]) -> None:
    """Handle an event: replace this with your own code. It prints a line and tracks open episodes.

    An event whose `suppressed` is not null must not page anybody.
    """
    data, transition = event["data"], event["type"].split(".")[-2]
    if transition == "resolved":
        open_episodes.discard(event["subject"])
    else:  # opened, reopened, updated, amended: the data describe the episode as it is now
        open_episodes.add(event["subject"])
    where = data["product_area"] or "everything"
    quiet = f" (do not page: {data['suppressed']})" if data["suppressed"] else ""
    print(
        f"{event['time']} {transition.upper()} {data['severity']} {where} of {data['tenant']}: "
        f"{data['tickets']} tickets, {data['ratio']:g} x; {len(open_episodes)} open{quiet}",
        flush=True,
    )


async def main() -> None:
    """Read, handle, commit, until SIGTERM or SIGINT."""
    consumer = AIOKafkaConsumer(
        os.environ.get("TOPIC", "escalations"),
        bootstrap_servers=os.environ.get("KAFKA_SERVERS", "127.0.0.1:9092"),
        group_id=os.environ.get("GROUP", "escalations-printer"),
        auto_offset_reset="earliest",
        enable_auto_commit=False,  # commit what was handled, not what was fetched
    )
    handled, open_episodes = Handled(), set[str]()
    async with consumer:
        async for record in consumer:
            try:
                event = read(record.headers, record.value)
            except ValueError as error:  # retrying cannot help: report it and go on
                place = f"{record.topic}[{record.partition}] {record.offset}"
                print(f"skipped {place}: {error}", file=sys.stderr, flush=True)
            else:
                if handled.is_new(event):
                    handle(event, open_episodes)  # if this raises, a restart resumes here
            await consumer.commit()


async def until_told() -> None:
    """Run `main` until a signal ends it."""
    work = asyncio.ensure_future(main())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    with suppress(asyncio.CancelledError):
        await work


if __name__ == "__main__":
    asyncio.run(until_told())
