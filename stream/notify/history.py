"""The history of one episode, from the topics: what happened, who was told, who did what."""

from pydantic import ValidationError

from schemas.audit import AuditEntry
from schemas.cloudevents import EventError, decode
from schemas.codec import clean
from schemas.topics import Topics
from stream.config import Config
from stream.notify.ledger import read_all, read_records
from stream.routing import partition_of
from stream.wording import headline


async def lines(config: Config, episode: str, tenant: str) -> list[str]:
    """One line for each thing, by time; repeats (same id) are left out.

    The transitions carry event time, everything else the wall clock.
    """
    topics = Topics(config.kafka.topic_prefix)
    partition = partition_of(tenant, config.kafka.partitions)
    found: dict[str, tuple[float, int, str]] = {}
    mark = episode.encode()
    async for record in read_records(config, topics.escalations, partition):
        if record.value is None or mark not in record.value:
            continue  # in either content mode the data hold it
        try:
            event = decode(record.headers, record.value)
        except EventError:
            continue
        if event.data.episode_id == episode:
            at = event.time.timestamp()
            text = f"{event.time:%Y-%m-%d %H:%M:%S}Z  event     {headline(event)}"
            found[event.id] = (at, event.data.sequence, text)
    order = len(found)
    async for key, value in read_all(config, topics.audit, partition):
        if key != episode or value is None:
            continue
        try:
            entry = AuditEntry.model_validate_json(value)
        except ValidationError:
            continue
        order += 1
        found.setdefault(entry.audit_id, (entry.at.timestamp(), order, _line(entry)))
    return [text for _, _, text in sorted(found.values(), key=lambda one: one[:2])]


def _line(entry: AuditEntry) -> str:
    head = f"{entry.at:%Y-%m-%d %H:%M:%S}Z  {entry.kind:<9} "
    if entry.kind == "answered":
        return head + clean(entry.detail, 300)
    to = entry.receiver + (f" to {entry.address}" if entry.address else "")
    verb = ""
    if entry.kind == "decided":
        verb = "tell " if entry.send else "do not tell "
    why = (entry.reason or "").replace("_", " ")
    more = f" ({clean(entry.detail, 200)})" if entry.detail else ""
    return f"{head}{verb}{clean(to, 120)}: {why}, #{entry.sequence} {entry.transition}{more}"
