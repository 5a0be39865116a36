"""What one receiver was told of one episode, and what is still to be sent. Plain data.

A thread is one record of the topic ``escalations.notified``: what is to be sent stands in it before
it is sent, and is taken out after. Whoever owns the partition next goes on from there.
"""

from typing import Final, Literal

import msgspec

from schemas.escalation import EscalationEvent
from stream.notify.errors import RefusedError
from stream.notify.message import Action

VERSION: Final = 1
MOST_PENDING: Final = 40
"""Of one thread; beyond it the oldest update gives way to the newer ones."""
Digest = Literal["", "storm", "stale"]


class Told(msgspec.Struct, array_like=True, frozen=True):
    """What the receiver was last told, as far as the next decision needs it."""

    severity: str
    tickets: int
    excess: float
    explanation: str
    whole: bool
    """Whether it was of the whole tenant."""


class Pending(msgspec.Struct, array_like=True):
    """One message that is to be sent."""

    action: Action
    reason: str
    sequence: int
    event: bytes
    """The escalation event; empty for an answer or a digest."""
    since: float
    """When it was decided, wall clock."""
    due: float
    """Not before."""
    detail: str = ""
    by: str = ""
    transition: str = ""


class Thread(msgspec.Struct, array_like=True):
    """See the module."""

    tenant: str
    episode: str
    receiver: str
    address: str = ""
    seen: int = 0
    """The last sequence that was decided on."""
    open: bool = False
    """Whether the receiver was told, or is about to be, of something that runs."""
    told: Told | None = None
    pending: list[Pending] = []
    handle: dict[str, str] = {}
    event: bytes = b""
    """The last one of the episode, whatever was decided."""
    running: bool = False
    """Whether the episode itself runs."""
    held: str = ""
    """Why the last decision waits: silenced, snoozed or quiet_hours."""
    held_until: float = 0.0
    route: str = ""
    acknowledged_by: str = ""
    snoozed_until: float = 0.0
    snoozed_by: str = ""
    paged_at: float = 0.0
    """When it was decided that the receiver is told first."""
    digest: str = ""
    """The digest that tells of it instead."""
    members: dict[str, tuple[str, bool]] = {}
    """Of a digest: episode -> headline, and whether it still runs."""
    repeated_at: float = 0.0
    ended_at: float = 0.0
    """When nothing was left to do."""
    kind: Digest = ""
    accounts: bytes = b""

    @property
    def key(self) -> str:
        """Of its record."""
        return thread_key(self.episode, self.receiver, self.address)


def thread_key(episode: str, receiver: str, address: str = "") -> str:
    """The key of a thread's record."""
    return "\x1f".join((episode, receiver, address))


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Thread)


def encode(thread: Thread) -> bytes:
    """The record's value; the first byte is the version of the format."""
    return bytes([VERSION]) + _ENCODER.encode(thread)


def decode(data: bytes) -> Thread:
    """What `encode` wrote.

    Raises:
        RefusedError: It is damaged, or of a newer release.
    """
    if not data or data[0] != VERSION:
        version = data[0] if data else "none"
        raise RefusedError(f"a record of notifications has format {version}, known is {VERSION}")
    try:
        return _DECODER.decode(data[1:])
    except msgspec.MsgspecError as error:
        raise RefusedError(f"a record of notifications is damaged: {error}") from None


def told_of(event: EscalationEvent) -> Told:
    """What a message about *event* tells."""
    data = event.data
    explanation = ""
    if data.explanation:
        one = data.explanation[0]
        also = f" with {one.also.dimension} {one.also.value}" if one.also else ""
        explanation = f"{one.dimension} {one.value}{also}"
    excess = data.impact.excess if data.impact is not None else data.observed - data.expected
    return Told(data.severity, data.tickets, excess, explanation, data.product_area is None)
