"""Rejected records on their way to the topic of dead letters."""

from schemas.dead_letter import DeadLetter, Rejected
from schemas.topics import Topics
from stream.worker.batch_producer import Record


def dead_letter(
    topics: Topics, why: Rejected, value: bytes | None, topic: str, partition: int, offset: int
) -> Record:
    """The record for the dead-letter topic.

    It says why *value* was rejected, and where it stood. Key: the reason.
    """
    letter = DeadLetter.of(why, value or b"", topic, partition, offset)
    return Record(topics.dead, 0, why.reason.encode(), letter.model_dump_json().encode())
