"""Follow spikewatch's escalations with a Faust agent: ``pip install faust-streaming``, then run it.

Variables: KAFKA_SERVERS (127.0.0.1:9092),
TOPIC (escalations), GROUP (escalations-faust), DATA (where Faust keeps its files: ./faust-data).
Replace `handle` with your own code.

This example avoids three pitfalls of Faust. A typed topic stalls on one bad record, so the topic is
raw. An exception that leaves the agent acknowledges its record and so loses it, so an unreadable
record raises nothing, and a failure in `handle` ends the worker. The command ``faust worker`` turns
every ``print`` into a log line, whatever the settings say, so this file starts the worker itself.
"""

import json
import os
import sys
import traceback
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import faust

MOST_REMEMBERED = 100_000
NEEDED = {"id", "source", "type", "subject", "time", "data"}

app = faust.App(
    os.environ.get("GROUP", "escalations-faust"),
    broker=f"kafka://{os.environ.get('KAFKA_SERVERS', '127.0.0.1:9092')}",
    datadir=os.environ.get("DATA", "faust-data"),
    consumer_auto_offset_reset="earliest",
    topic_allow_declare=False,  # spikewatch creates the topic
    topic_disable_leader=True,
    web_enabled=False,
)
topic = app.topic(
    os.environ.get("TOPIC", "escalations"),
    key_type=bytes,
    key_serializer="raw",
    value_type=bytes,
    value_serializer="raw",
)
handled: OrderedDict[tuple[str, str], None] = OrderedDict()
open_episodes: set[str] = set()


def read(headers: Mapping[str, bytes], value: bytes | None) -> dict[str, Any]:
    """Return the CloudEvent in a record of either content mode, in the form of structured mode.

    Raises:
        ValueError: The record has no CloudEvent.
    """
    if value is None:
        raise ValueError("a record without a value")
    named = {name: text.decode() for name, text in headers.items()}
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


def is_new(event: dict[str, Any]) -> bool:
    """Return whether (source, id) is seen for the first time, and remember it."""
    key = (event["source"], event["id"])
    if key in handled:
        return False
    handled[key] = None
    if len(handled) > MOST_REMEMBERED:
        handled.popitem(last=False)
    return True


def handle(event: dict[str, Any]) -> None:
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


@app.agent(topic)
async def escalations(stream: Any) -> None:
    """Handle escalations in order; a record is acknowledged if its handling raises nothing."""
    async for record in stream.events():
        message = record.message
        try:
            event = read(record.headers, message.value)
        except ValueError as error:  # retrying cannot help: report it and go on
            place = f"{message.topic}[{message.partition}] {message.offset}"
            print(f"skipped {place}: {error}", file=sys.stderr, flush=True)
            continue
        try:
            if is_new(event):
                handle(event)
        except Exception:
            traceback.print_exc()
            os._exit(70)  # after a restart the worker resumes at this record


if __name__ == "__main__":
    worker = faust.Worker(app, loglevel="warning", quiet=True, redirect_stdouts=False)
    worker.spinner = None  # the spinner writes cursor codes between the lines
    worker.execute_from_commandline()
