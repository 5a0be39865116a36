"""What one receiver was notified of, and its pending messages: records of ``escalations.notified``.

Plain data. Each `ReceiverThread` and each `Digest` is one record of that topic. A message stands in
the record before it is sent, and is removed after, so the next owner of the partition can go on.
"""

import zlib
from typing import Final, Literal

import msgspec

from schemas.escalation import EscalationEvent
from stream.notify.model.errors import RefusedError
from stream.notify.model.message import Action

VERSION: Final = 1
MOST_PENDING: Final = 40
"""Most pending messages of one thread."""
MOST_ANSWERS: Final = 20
"""Number of answers whose ids are kept, so that repeats do not count twice."""
DigestKind = Literal["storm", "stale"]


class LastNotified(msgspec.Struct, array_like=True, frozen=True):
    """The content of the last notification, as far as the next decision needs it."""

    severity: str
    tickets: int
    explanation: str
    whole: bool
    """Whether the episode was tenant-wide."""


class QueuedMessage(msgspec.Struct, array_like=True):
    """One pending message."""

    action: Action
    reason: str
    sequence: int
    """Sequence of the escalation event; 0: it has none."""
    number: int
    """Number within the thread; with it each message has an id of its own."""
    since: float
    """When it was decided, wall clock, seconds since 1970."""
    due: float
    """When to send it, wall clock, seconds since 1970."""
    event: bytes = b""
    """The packed escalation event; empty for a digest or a notice."""
    detail: str = ""
    by: str = ""
    transition: str = ""
    arrived: float = 0.0
    """When its event was appended to its topic, seconds since 1970; 0: it has no event."""
    fallback_notified: bool = False
    """Whether the fallback was notified that this message fails."""
    members: int = 0
    """Of a digest: number of episodes that it lists, once it is under way."""


class ReceiverThread(msgspec.Struct, array_like=True, tag="thread"):
    """What one receiver knows of one episode."""

    tenant: str
    episode: str
    receiver: str
    address: str = ""
    route: str = ""
    sink: str = ""
    """The kind of sink that `handle` belongs to."""
    seen: int = 0
    """The last sequence that was decided on."""
    counter: int = 0
    open: bool = False
    """Whether the receiver was notified, or is about to be, of an open episode."""
    notified: LastNotified | None = None
    pending: list[QueuedMessage] = []
    handle: dict[str, str] = {}
    event: bytes = b""
    """The last event of the episode, packed, whatever was decided."""
    running: bool = False
    """Whether the episode itself is open."""
    peak: float = 0.0
    """The highest ratio of all events."""
    muted_by: str = ""
    """What mutes the last decision: silenced, snoozed or quiet_hours; empty: nothing."""
    muted_until: float = 0.0
    acknowledged_by: str = ""
    snoozed_until: float = 0.0
    snoozed_by: str = ""
    snooze_end_pending: bool = False
    """Whether the receiver has to be notified when the snooze ends."""
    paged_at: float = 0.0
    """When the last opening was decided, seconds since 1970."""
    digest: str = ""
    """Id of the digest that lists the episode instead."""
    answers: list[str] = []
    """Ids of the last answers that were applied."""
    ended_at: float = 0.0
    """When nothing was left to do, seconds since 1970; 0: it is not finished."""

    @property
    def key(self) -> str:
        """Key of the record."""
        return thread_key(self.episode, self.receiver, self.address)

    @property
    def identity(self) -> str:
        """What providers know the episode by."""
        return f"{self.episode}/{self.address}" if self.address else self.episode


class Digest(msgspec.Struct, array_like=True, tag="digest"):
    """One receiver and many episodes; the member threads name the digest."""

    episode: str
    """Id of the digest, in the form of an episode's."""
    receiver: str
    kind: DigestKind
    began: float
    added: float
    """When the last episode joined, seconds since 1970."""
    address: str = ""
    route: str = ""
    sink: str = ""
    count: int = 0
    """Number of episodes that joined."""
    notified: int = 0
    """Number of episodes that the receiver was notified of."""
    sent_at: float = 0.0
    counter: int = 0
    open: bool = False
    closed: bool = False
    """Whether no more messages will be queued."""
    pending: list[QueuedMessage] = []
    handle: dict[str, str] = {}
    ended_at: float = 0.0

    tenant: str = ""
    """Empty: a digest may list episodes of several tenants."""

    @property
    def key(self) -> str:
        """Key of the record."""
        return thread_key(self.episode, self.receiver, self.address)

    @property
    def identity(self) -> str:
        """What providers know the digest by."""
        return f"{self.episode}/{self.address}" if self.address else self.episode

    @property
    def running(self) -> bool:
        """Whether more messages may be queued."""
        return not self.closed


NotificationState = ReceiverThread | Digest


def thread_key(episode: str, receiver: str, address: str = "") -> str:
    """Return the key of a record."""
    return "\x1f".join((episode, receiver, address))


def next_due(one: NotificationState, now: float) -> QueuedMessage | None:
    """Return the first pending message that is due; a delayed end lets later answers pass."""
    return next((item for item in one.pending if item.due <= now), None)


def pack(event: EscalationEvent) -> bytes:
    """Return an event in the compressed form that records hold."""
    return zlib.compress(event.model_dump_json().encode(), 6)


def unpack(data: bytes) -> EscalationEvent | None:
    """Return the event of `pack`; None if it is empty or this release cannot read it."""
    try:
        return EscalationEvent.model_validate_json(zlib.decompress(data)) if data else None
    except (ValueError, zlib.error):
        return None


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(ReceiverThread | Digest)


def encode(one: NotificationState) -> bytes:
    """Return the value of a record; its first byte is the version of the format."""
    return bytes([VERSION]) + _ENCODER.encode(one)


def decode(data: bytes) -> NotificationState:
    """Return what `encode` wrote.

    Raises:
        RefusedError: The record is damaged, or of a newer release.
    """
    if not data or data[0] != VERSION:
        version = data[0] if data else "none"
        raise RefusedError(f"a record of notifications has format {version}, known is {VERSION}")
    try:
        found: NotificationState = _DECODER.decode(data[1:])
    except msgspec.MsgspecError as error:
        raise RefusedError(f"a record of notifications is damaged: {error}") from None
    return found


def notification_of(event: EscalationEvent) -> LastNotified:
    """Return what a message about *event* notifies of."""
    data = event.data
    explanation = ""
    if data.explanation:
        one = data.explanation[0]
        also = f" with {one.also.dimension} {one.also.value}" if one.also else ""
        explanation = f"{one.dimension} {one.value}{also}"
    return LastNotified(data.severity, data.tickets, explanation, data.product_area is None)
