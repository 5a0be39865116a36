"""What one receiver was told of one episode, or of many at once, and what is still to be sent.

Plain data. Each `ReceiverThread` and each `Digest` is one record of the topic
``escalations.notified``: what is to be sent stands in it before it is sent, and is taken out
after. Whoever owns the partition next goes on from there.
"""

import zlib
from typing import Final, Literal

import msgspec

from schemas.escalation import EscalationEvent
from stream.notify.model.errors import RefusedError
from stream.notify.model.message import Action

VERSION: Final = 1
MOST_PENDING: Final = 40
"""Of one thread."""
MOST_ANSWERS: Final = 20
"""Of which the ids are remembered, so that none counts twice."""
DigestKind = Literal["storm", "stale"]


class LastNotified(msgspec.Struct, array_like=True, frozen=True):
    """What a receiver was last told, as far as the next decision needs it."""

    severity: str
    tickets: int
    explanation: str
    whole: bool
    """Whether it was of the whole tenant."""


class QueuedMessage(msgspec.Struct, array_like=True):
    """One message that is to be sent."""

    action: Action
    reason: str
    sequence: int
    """Of the escalation event; 0: none."""
    number: int
    """Within the thread: with it each message has an id of its own."""
    since: float
    """When it was decided, wall clock."""
    due: float
    """Not before."""
    event: bytes = b""
    """The escalation event, packed; empty for a digest or a notice."""
    detail: str = ""
    by: str = ""
    transition: str = ""
    arrived: float = 0.0
    """When its event came on the topic; 0: it tells of no event."""
    others_know: bool = False
    """Whether a fallback has heard that this cannot be sent."""
    members: int = 0
    """Of a digest: how many it tells of, once it is on its way."""


class ReceiverThread(msgspec.Struct, array_like=True, tag="thread"):
    """One receiver and one episode."""

    tenant: str
    episode: str
    receiver: str
    address: str = ""
    route: str = ""
    sink: str = ""
    """The kind of sink that `handle` is of."""
    seen: int = 0
    """The last sequence that was decided on."""
    counter: int = 0
    open: bool = False
    """Whether the receiver was told, or is about to be, of something that runs."""
    told: LastNotified | None = None
    pending: list[QueuedMessage] = []
    handle: dict[str, str] = {}
    event: bytes = b""
    """The last one of the episode, packed, whatever was decided."""
    running: bool = False
    """Whether the episode itself runs."""
    peak: float = 0.0
    """The highest ratio of all its events."""
    held: str = ""
    """Why the last decision waits: silenced, snoozed or quiet_hours."""
    held_until: float = 0.0
    acknowledged_by: str = ""
    snoozed_until: float = 0.0
    snoozed_by: str = ""
    notice_owed: bool = False
    """Whether somebody is to hear that the snooze is over."""
    paged_at: float = 0.0
    """When it was last decided that the receiver is told of it as of something new."""
    digest: str = ""
    """The digest that tells of it instead."""
    answers: list[str] = []
    """Ids of the last that were counted."""
    ended_at: float = 0.0
    """When nothing was left to do."""

    @property
    def key(self) -> str:
        """Of its record."""
        return thread_key(self.episode, self.receiver, self.address)

    @property
    def identity(self) -> str:
        """What providers know it by."""
        return f"{self.episode}/{self.address}" if self.address else self.episode


class Digest(msgspec.Struct, array_like=True, tag="digest"):
    """One receiver and many episodes; which ones, the threads say that name it."""

    episode: str
    """Its own id, made like an episode's."""
    receiver: str
    kind: DigestKind
    began: float
    added: float
    """When the last episode joined."""
    address: str = ""
    route: str = ""
    sink: str = ""
    count: int = 0
    """Episodes that joined."""
    told: int = 0
    """How many of them the receiver knows of."""
    sent_at: float = 0.0
    counter: int = 0
    open: bool = False
    closed: bool = False
    """Whether nothing more will be said, but what is pending."""
    pending: list[QueuedMessage] = []
    handle: dict[str, str] = {}
    ended_at: float = 0.0

    tenant: str = ""
    """Of all of them, so of none."""

    @property
    def key(self) -> str:
        """Of its record."""
        return thread_key(self.episode, self.receiver, self.address)

    @property
    def identity(self) -> str:
        """What providers know it by."""
        return f"{self.episode}/{self.address}" if self.address else self.episode

    @property
    def running(self) -> bool:
        """Whether something may still be said."""
        return not self.closed


NotificationState = ReceiverThread | Digest


def thread_key(episode: str, receiver: str, address: str = "") -> str:
    """The key of a record."""
    return "\x1f".join((episode, receiver, address))


def next_due(one: NotificationState, now: float) -> QueuedMessage | None:
    """What is to be sent now: the first that is due, for an end may wait while answers do not."""
    return next((item for item in one.pending if item.due <= now), None)


def pack(event: EscalationEvent) -> bytes:
    """An event as records hold it."""
    return zlib.compress(event.model_dump_json().encode(), 6)


def unpack(data: bytes) -> EscalationEvent | None:
    """What `pack` made; None where it is empty, or of a release that this one cannot read."""
    try:
        return EscalationEvent.model_validate_json(zlib.decompress(data)) if data else None
    except (ValueError, zlib.error):
        return None


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(ReceiverThread | Digest)


def encode(one: NotificationState) -> bytes:
    """The record's value; the first byte is the version of the format."""
    return bytes([VERSION]) + _ENCODER.encode(one)


def decode(data: bytes) -> NotificationState:
    """What `encode` wrote.

    Raises:
        RefusedError: It is damaged, or of a newer release.
    """
    if not data or data[0] != VERSION:
        version = data[0] if data else "none"
        raise RefusedError(f"a record of notifications has format {version}, known is {VERSION}")
    try:
        found: NotificationState = _DECODER.decode(data[1:])
    except msgspec.MsgspecError as error:
        raise RefusedError(f"a record of notifications is damaged: {error}") from None
    return found


def told_of(event: EscalationEvent) -> LastNotified:
    """What a message about *event* tells."""
    data = event.data
    explanation = ""
    if data.explanation:
        one = data.explanation[0]
        also = f" with {one.also.dimension} {one.also.value}" if one.also else ""
        explanation = f"{one.dimension} {one.value}{also}"
    return LastNotified(data.severity, data.tickets, explanation, data.product_area is None)
