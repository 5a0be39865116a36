"""History of one episode from the topics: transitions, notifications and responses."""

import contextlib
from collections.abc import AsyncIterator
from typing import NamedTuple

from pydantic import ValidationError

from schemas.audit import AuditEntry
from schemas.cloudevents import EventError, decode
from schemas.codec import clean
from schemas.escalation import EscalationEvent
from schemas.feedback import Feedback
from schemas.topics import Topics
from stream.config.sections import Config
from stream.escalations.plain_text import headline
from stream.kafka.partitioner import partition_of
from stream.kafka.reading import read_all, read_records


class EpisodeState(NamedTuple):
    """Last event of an episode, and who acknowledged it."""

    event: EscalationEvent
    acknowledged_by: str | None


async def lines(config: Config, episode: str, tenant: str) -> list[str]:
    """Return one line for each entry of `history_entries`."""
    return [text for _, text in await history_entries(config, episode, tenant)]


async def history_entries(config: Config, episode: str, tenant: str) -> list[tuple[float, str]]:
    """Return the time (seconds since 1970) and the text of all entries, in order of time.

    Transitions have event time, all other entries the wall clock. Repeats (same id) are left out.
    """
    topics = Topics(config.kafka.topic_prefix)
    partition = partition_of(tenant, config.kafka.partitions)
    entries: dict[str, tuple[float, int, str]] = {}
    async for event in _events(config, partition, episode):
        if event.data.episode_id == episode:
            at = event.time.timestamp()
            text = f"{event.time:%Y-%m-%d %H:%M:%S}Z  event     {headline(event)}"
            entries[event.id] = (at, event.data.sequence, text)
    order = len(entries)
    async for key, value in read_all(config, topics.audit, partition):
        if key != episode or value is None:
            continue
        try:
            entry = AuditEntry.model_validate_json(value)
        except ValidationError:
            continue
        order += 1
        entries.setdefault(entry.audit_id, (entry.at.timestamp(), order, _line(entry)))
    return [(at, text) for at, _, text in sorted(entries.values(), key=lambda item: item[:2])]


async def episode_states(config: Config, *, every: bool) -> list[EpisodeState]:
    """Return the open episodes, or every episode, newest last.

    Suppressed episodes are left out, because nobody was notified of them.
    """
    topics = Topics(config.kafka.topic_prefix)
    last: dict[str, EscalationEvent] = {}
    acknowledged: dict[str, str] = {}
    for partition in range(config.kafka.partitions):
        async for event in _events(config, partition):
            previous = last.get(event.data.episode_id)
            if previous is None or event.data.sequence >= previous.data.sequence:
                last[event.data.episode_id] = event
            if event.transition == "reopened":
                acknowledged.pop(event.data.episode_id, None)
        async for _, value in read_all(config, topics.feedback, partition):
            try:
                answer = Feedback.model_validate_json(value or b"")
            except ValidationError:
                continue
            if answer.action == "acknowledge":
                acknowledged[answer.episode_id] = answer.by
    shown = [
        event
        for event in last.values()
        if event.data.suppressed is None and (every or event.transition != "resolved")
    ]
    return [
        EpisodeState(event, acknowledged.get(event.data.episode_id))
        for event in sorted(shown, key=lambda event: (event.data.since, event.data.episode_id))
    ]


async def _events(
    config: Config, partition: int, mentioning: str = ""
) -> AsyncIterator[EscalationEvent]:
    """Yield the valid escalations of a partition whose data contain a text."""
    topic = Topics(config.kafka.topic_prefix).escalations
    async for record in read_records(config, topic, partition):
        if mentioning.encode() not in (record.value or b""):
            continue  # parsing all events, in either content mode, would take long
        with contextlib.suppress(EventError):
            yield decode(record.headers, record.value)


def _line(entry: AuditEntry) -> str:
    head = f"{entry.at:%Y-%m-%d %H:%M:%S}Z  {entry.kind:<9} "
    if entry.kind == "answered":
        return head + clean(entry.detail, 300)
    to = entry.receiver + (f" to {entry.address}" if entry.address else "")
    verb = ""
    if entry.kind == "decided":
        verb = "notify " if entry.send else "do not notify "
    why = (entry.reason or "").replace("_", " ")
    suffix = f" ({clean(entry.detail, 200)})" if entry.detail else ""
    return f"{head}{verb}{clean(to, 120)}: {why}, #{entry.sequence} {entry.transition}{suffix}"
