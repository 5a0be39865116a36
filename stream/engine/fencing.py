"""End of a group member whose ``instance_id`` another process took.

Kafka gives a static member's place to the last process that joins with its ``group.instance.id``
(KIP-345), and no longer knows the member before. aiokafka 0.14.0 does not send the id with its
heartbeats, so it receives ``UNKNOWN_MEMBER_ID`` instead of ``FENCED_INSTANCE_ID``, joins again, and
thereby throws the other process out: two processes with one id replace each other for ever.
"""

import time
from collections.abc import Iterator
from typing import Any, Final

from aiokafka.consumer import consumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.protocol.commit import OffsetCommitRequest

from stream.process.fail_fast import fatal

UNKNOWN_MEMBER_ID: Final = 25
FENCED_INSTANCE_ID: Final = 82


class FencedCoordinator(GroupCoordinator):  # type: ignore[misc]  # aiokafka has no types
    """Coordinator that ends the process once another one has its instance id.

    A member is also unknown after its session expired. That is not the case if the broker answered
    within the session timeout.
    """

    _answered = 0.0
    """Monotonic time at which the last request was sent that the broker accepted."""

    async def _send_req(self, request: Any) -> Any:
        member, sent = self.member_id, time.monotonic()
        response = await super()._send_req(request)
        codes = set(_codes(request, response))
        is_in_session = time.monotonic() - self._answered < self._session_timeout_ms / 1000
        is_replaced = bool(member) and UNKNOWN_MEMBER_ID in codes and is_in_session
        if self._group_instance_id and (is_replaced or FENCED_INSTANCE_ID in codes):
            fatal(
                f"another process joined the group {self.group_id} with the same instance_id "
                f"({self._group_instance_id}): give each process an instance_id of its own, or none"
            )
        if codes == {0}:
            self._answered = sent
        return response


def _codes(request: Any, response: Any) -> Iterator[int]:
    """Yield the error codes of a response."""
    if isinstance(request, OffsetCommitRequest):
        for _, partitions in response.topics:
            yield from (code for _, code in partitions)
    elif hasattr(response, "error_code"):
        yield response.error_code


def install() -> None:
    """Use `FencedCoordinator` in all consumers of this process. May be called repeatedly."""
    consumer.GroupCoordinator = FencedCoordinator
