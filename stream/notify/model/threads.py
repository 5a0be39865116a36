"""Records of ``escalations.notified``: what each receiver was notified of, and its queue.

Plain data. Each `ReceiverThread` and each `Digest` is one record of that topic. A message is in
the record before it is sent and is removed afterwards, so the next owner of the partition can
continue.
"""

import zlib
from typing import Final, Literal

import msgspec

from schemas.escalation import EscalationEvent
from stream.notify.model.errors import RefusedError
from stream.notify.model.message import Action

VERSION: Final = 1
MOST_PENDING: Final = 40
"""Maximum number of pending messages of one thread."""
MOST_ANSWERS: Final = 20
"""Number of responses whose ids are kept, so that repeats are not applied twice."""
DigestKind = Literal["storm", "stale"]


class LastNotified(msgspec.Struct, array_like=True, frozen=True):
    """Content of the last notification, as far as the next decision needs it."""

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
    """Sequence of the escalation event; 0: there is no event."""
    number: int
    """Number within the thread, which makes the id of the message unique."""
    since: float
    """Time of the decision, wall clock, seconds since 1970."""
    due: float
    """Time to send the message, wall clock, seconds since 1970."""
    event: bytes = b""
    """The packed escalation event; empty for a digest or a notice."""
    detail: str = ""
    by: str = ""
    transition: str = ""
    arrived: float = 0.0
    """Time at which the event was appended to its topic, seconds since 1970; 0: no event."""
    fallback_notified: bool = False
    """Whether the fallback was notified that sending this message fails."""
    members: int = 0
    """For a digest: number of episodes listed, set once the message is in flight."""


class ReceiverThread(msgspec.Struct, array_like=True, tag="thread"):
    """Notifications of one receiver about one episode."""

    tenant: str
    episode: str
    receiver: str
    address: str = ""
    route: str = ""
    sink: str = ""
    """Kind of sink that `handle` belongs to."""
    seen: int = 0
    """Last sequence that was decided on."""
    counter: int = 0
    open: bool = False
    """Whether the receiver was or is about to be notified of an open episode."""
    notified: LastNotified | None = None
    pending: list[QueuedMessage] = []
    handle: dict[str, str] = {}
    event: bytes = b""
    """Last event of the episode, packed, regardless of the decision."""
    running: bool = False
    """Whether the episode itself is open."""
    peak: float = 0.0
    """Highest ratio of all events."""
    muted_by: str = ""
    """Reason why the last decision is muted: silenced, snoozed or quiet_hours; empty: none."""
    muted_until: float = 0.0
    acknowledged_by: str = ""
    snoozed_until: float = 0.0
    snoozed_by: str = ""
    snooze_end_pending: bool = False
    """Whether the receiver has to be notified when the snooze ends."""
    paged_at: float = 0.0
    """Time at which the last opening was decided, seconds since 1970."""
    digest: str = ""
    """Id of the digest that lists the episode; empty: none."""
    answers: list[str] = []
    """Ids of the last responses that were applied."""
    ended_at: float = 0.0
    """Time at which the thread was finished, seconds since 1970; 0: it is not finished."""

    @property
    def key(self) -> str:
        """Key of the record."""
        return thread_key(self.episode, self.receiver, self.address)

    @property
    def identity(self) -> str:
        """Key of the episode at providers."""
        return f"{self.episode}/{self.address}" if self.address else self.episode


class Digest(msgspec.Struct, array_like=True, tag="digest"):
    """Notifications of one receiver about many episodes, whose threads name the digest."""

    episode: str
    """Id of the digest, in the form of an episode id."""
    receiver: str
    kind: DigestKind
    began: float
    added: float
    """Time at which the last episode joined, seconds since 1970."""
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
    """Always empty, because a digest may list episodes of several tenants."""

    @property
    def key(self) -> str:
        """Key of the record."""
        return thread_key(self.episode, self.receiver, self.address)

    @property
    def identity(self) -> str:
        """Key of the digest at providers."""
        return f"{self.episode}/{self.address}" if self.address else self.episode

    @property
    def running(self) -> bool:
        """Whether more messages may be queued."""
        return not self.closed


NotificationState = ReceiverThread | Digest


def thread_key(episode: str, receiver: str, address: str = "") -> str:
    """Return the key of a thread's record."""
    return "\x1f".join((episode, receiver, address))


def next_due(state: NotificationState, now: float) -> QueuedMessage | None:
    """Return the first pending message that is due, which may overtake a delayed resolution."""
    return next((item for item in state.pending if item.due <= now), None)


def pack(event: EscalationEvent) -> bytes:
    """Compress an event for storage in a record."""
    return zlib.compress(event.model_dump_json().encode(), 6)


def unpack(data: bytes) -> EscalationEvent | None:
    """Return the event that `pack` compressed; None: it is empty or this release cannot read it."""
    try:
        return EscalationEvent.model_validate_json(zlib.decompress(data)) if data else None
    except (ValueError, zlib.error):
        return None


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(ReceiverThread | Digest)


def encode(state: NotificationState) -> bytes:
    """Return the value of a record; its first byte is the version of the format."""
    return bytes([VERSION]) + _ENCODER.encode(state)


def decode(data: bytes) -> NotificationState:
    """Return the thread or digest of a record.

    Raises:
        RefusedError: The record is damaged, or was written by a newer release.
    """
    if not data or data[0] != VERSION:
        version = data[0] if data else "none"
        raise RefusedError(
            f"the notification record has format {version}; this release reads {VERSION}"
        )
    try:
        state: NotificationState = _DECODER.decode(data[1:])
    except msgspec.MsgspecError as error:
        raise RefusedError(f"the notification record is damaged: {error}") from None
    return state


def notification_of(event: EscalationEvent) -> LastNotified:
    """Return the content of a notification about an event."""
    data = event.data
    explanation = ""
    if data.explanation:
        driver = data.explanation[0]
        also = f" with {driver.also.dimension} {driver.also.value}" if driver.also else ""
        explanation = f"{driver.dimension} {driver.value}{also}"
    return LastNotified(data.severity, data.tickets, explanation, data.product_area is None)
