"""Records for the topic of dead letters."""

from schemas.dead_letter import DeadLetter, Rejected
from schemas.topics import Topics
from stream.worker.batch_producer import Record


def dead_letter(
    topics: Topics, why: Rejected, value: bytes | None, topic: str, partition: int, offset: int
) -> Record:
    """Return the dead-letter record for a rejected record, with the reason as key.

    Args:
        topics: Names of the topics.
        why: Reason of the rejection.
        value: The rejected value.
        topic: Topic of the rejected record.
        partition: Partition of the rejected record.
        offset: Offset of the rejected record.
    """
    letter = DeadLetter.of(why, value or b"", topic, partition, offset)
    return Record(topics.dead, 0, why.reason.encode(), letter.model_dump_json().encode())
