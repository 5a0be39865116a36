"""AsyncAPI document of every topic that others write or read, in one file for tools.

``python -m schemas.tools.export`` generates it from the pydantic models into
``schemas/json/asyncapi.json``. To extend it, add a row for a new topic to `CHANNELS` and a row for
its records to `MESSAGES`.

Sources: AsyncAPI specification 3.0.0; asyncapi/bindings, kafka/README.md (0.5.0).
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from schemas import examples
from schemas.audit import AuditEntry
from schemas.cloudevents import BINARY_TYPE, CONTENT_TYPE, PREFIX, STRUCTURED_TYPE, encode
from schemas.codec import HEADER_KIND, HEADER_MODE
from schemas.dead_letter import DeadLetter
from schemas.escalation import Escalation, EscalationEvent
from schemas.feedback import Feedback
from schemas.silence import Silence
from schemas.tick import Tick
from schemas.ticket import TicketEvent
from schemas.topics import Topics

ASYNCAPI: Final = "3.0.0"
API_VERSION: Final = "1.0.0"
"""Version of the public contracts: breaks increase the first number, additions the second."""
BINDING: Final = "0.5.0"
"""Version of the Kafka bindings."""
DAY_MS: Final = 86_400_000

Action = Literal["receive", "send"]
Headers = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Message:
    """Description of one kind of record on a topic."""

    name: str
    """Name in the document, in camel case."""
    summary: str
    model: type[BaseModel]
    """Model of the record's value."""
    example: BaseModel
    content_type: str = "application/json"
    headers: Headers | None = None
    """JSON Schema of each header that has a meaning."""
    required_headers: tuple[str, ...] = ()
    example_headers: dict[str, str] | None = None

    @property
    def mode(self) -> JsonSchemaMode:
        """Mode of the schema: as written or as read."""
        return "serialization" if self.model in _WRITTEN else "validation"


@dataclass(frozen=True)
class Channel:
    """Description of a topic."""

    name: str
    """Name in the document, in camel case."""
    topic: str
    """Name of the topic without a prefix."""
    actions: tuple[Action, ...]
    """What spikewatch does with the topic; both: the topic is internal."""
    messages: tuple[str, ...]
    key: str
    """Description of the key of the records."""
    why: str
    """Purpose of the topic, and the reason for its retention."""
    partitions: int = 4
    """Default number of partitions; ``[kafka] partitions`` changes it."""
    retention_days: int | None = None
    """Retention of a record in days; None: forever."""
    compacted: bool = False
    """Whether only the last record per key is kept."""


_WRITTEN: Final = (EscalationEvent, Escalation)
_TEXT: Final = {"type": "string"}
_SOURCE: Final[Headers] = {
    "source-partition": {
        "type": "string",
        "pattern": "^[0-9]+$",
        "description": "Partition of tickets.by-tenant with the record that led to the event.",
    },
    "source-offset": {
        "type": "string",
        "pattern": "^[0-9]+$",
        "description": "Offset of that record; not part of the event.",
    },
}
_ATTRIBUTES: Final[dict[str, str]] = {
    "specversion": "Version of CloudEvents: 1.0.",
    "id": "Unique together with the source; deduplicate by both.",
    "source": "/spikewatch/<tenant>, the tenant percent-encoded.",
    "type": "com.spikewatch.escalation.opened.v1; or updated, resolved, reopened, amended.",
    "subject": "The episode id.",
    "time": "Event time of this decision, RFC 3339 in UTC.",
}


def _content_type(text: str) -> Headers:
    return {CONTENT_TYPE: {"type": "string", "const": text}}


def _example_headers(mode: Literal["structured", "binary"]) -> dict[str, str]:
    headers = {name: text.decode() for name, text in encode(examples.EVENT, mode).headers}
    return {**headers, "source-partition": "2", "source-offset": "90417"}


MESSAGES: Final[tuple[Message, ...]] = (
    Message(
        name="ticketEvent",
        summary="Something that happened to a support ticket: plain JSON, or a CloudEvent in "
        "binary mode, whose id is read.",
        model=TicketEvent,
        example=examples.TICKET,
        headers={
            HEADER_MODE: {
                "type": "string",
                "enum": ["live", "history", "simulated"],
                "description": "history: models learn, nobody is paged. Default: live.",
            },
            f"{PREFIX}id": {
                **_TEXT,
                "description": "Id of a CloudEvent in binary mode, used if event_id is absent.",
            },
        },
    ),
    Message(
        name="historyMark",
        summary="Mark among tickets: the end of a tenant's history, or a tick of simulated time.",
        model=Tick,
        example=examples.TICK,
        headers={HEADER_KIND: {"type": "string", "const": "mark"}},
        required_headers=(HEADER_KIND,),
        example_headers={HEADER_KIND: "mark"},
    ),
    Message(
        name="escalationStructured",
        summary="An escalation as a whole CloudEvent ([kafka] content_mode = structured).",
        model=EscalationEvent,
        example=examples.EVENT,
        content_type=STRUCTURED_TYPE,
        headers={**_content_type(STRUCTURED_TYPE), **_SOURCE},
        required_headers=(CONTENT_TYPE,),
        example_headers=_example_headers("structured"),
    ),
    Message(
        name="escalationBinary",
        summary="An escalation whose attributes are headers ([kafka] content_mode = binary).",
        model=Escalation,
        example=examples.EVENT.data,
        content_type=BINARY_TYPE,
        headers={
            **_content_type(BINARY_TYPE),
            **{
                f"{PREFIX}{name}": {**_TEXT, "description": text}
                for name, text in _ATTRIBUTES.items()
            },
            **_SOURCE,
        },
        required_headers=(CONTENT_TYPE, *(f"{PREFIX}{name}" for name in _ATTRIBUTES)),
        example_headers=_example_headers("binary"),
    ),
    Message(
        name="deadLetter",
        summary="A record that was rejected, with the reason.",
        model=DeadLetter,
        example=examples.LETTER,
    ),
    Message(
        name="feedback",
        summary="A person's response to an escalation.",
        model=Feedback,
        example=examples.FEEDBACK,
    ),
    Message(
        name="auditEntry",
        summary="A decision about a notification, an attempt to send it, or a response.",
        model=AuditEntry,
        example=examples.AUDIT,
    ),
    Message(
        name="silence",
        summary="Labels whose notifications are muted for a while.",
        model=Silence,
        example=examples.SILENCE,
    ),
)
"""Records of all topics."""

_NAMES: Final = Topics()

CHANNELS: Final[tuple[Channel, ...]] = (
    Channel(
        name="tickets",
        topic=_NAMES.tickets,
        actions=("receive",),
        messages=("ticketEvent", "historyMark"),
        key="the tenant; only a single key per tenant preserves the order",
        why="Ticket events of all sources. Kept for two weeks, within which the state can be "
        "rebuilt.",
        retention_days=14,
    ),
    Channel(
        name="deadLetters",
        topic=_NAMES.dead,
        actions=("send",),
        messages=("deadLetter",),
        key="the reason",
        why="Rejected records, raw. Kept for two weeks: long enough to correct and resend them, "
        "and no longer, because they contain personal data.",
        partitions=1,
        retention_days=14,
    ),
    Channel(
        name="escalations",
        topic=_NAMES.escalations,
        actions=("send",),
        messages=("escalationStructured", "escalationBinary"),
        key="the tenant, so that all episodes of a tenant are in order",
        why="Escalation events. Kept for a quarter, for reviews; never compacted, since each "
        "transition of an episode matters.",
        retention_days=90,
    ),
    Channel(
        name="feedback",
        topic=_NAMES.feedback,
        actions=("receive",),
        messages=("feedback",),
        key="the tenant",
        why="Verdicts, acknowledgements, snoozes. Kept for a quarter, like the escalations.",
        retention_days=90,
    ),
    Channel(
        name="audit",
        topic=_NAMES.audit,
        actions=("send",),
        messages=("auditEntry",),
        key="the episode",
        why="Decisions, notifications and responses. Kept longer than a year, because "
        "questions may come late.",
        retention_days=400,
    ),
    Channel(
        name="silences",
        topic=_NAMES.silences,
        actions=("receive",),
        messages=("silence",),
        key="the silence_id",
        why="Silences. Compacted, because only the last state of each silence matters.",
        partitions=1,
        retention_days=400,
        compacted=True,
    ),
)
"""All topics that others write or read; internal formats are left out."""


def document() -> dict[str, Any]:
    """Return the AsyncAPI document, ready for `json.dumps`.

    Example:
        >>> sorted(document()["channels"])
        ['audit', 'deadLetters', 'escalations', 'feedback', 'silences', 'tickets']
    """
    models = {(message.model, message.mode) for message in MESSAGES}
    ordered = sorted(models, key=lambda pair: pair[0].__name__)
    references, whole = models_json_schema(
        ordered, ref_template="#/components/schemas/{model}", title=None
    )
    return {
        "asyncapi": ASYNCAPI,
        "info": {
            "title": "spikewatch",
            "version": API_VERSION,
            "description": "Watches support tickets as they arrive and raises an escalation when "
            "complaint rates spike. Topic names may have a prefix ([kafka] topic_prefix). Readers "
            "must ignore unknown fields and deduplicate by source and id.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrapServers}",
                "protocol": "kafka",
                "description": "As in [kafka] bootstrap_servers.",
                "variables": {"bootstrapServers": {"default": "127.0.0.1:9092"}},
            }
        },
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": {
            f"{action}{channel.name[0].upper()}{channel.name[1:]}": _operation(action, channel)
            for channel in CHANNELS
            for action in channel.actions
        },
        "components": {
            "messages": {
                message.name: _message(message, references[message.model, message.mode])
                for message in MESSAGES
            },
            "schemas": whole["$defs"],
        },
    }


def _channel(channel: Channel) -> dict[str, Any]:
    kept = channel.retention_days
    policy = ["compact"] if channel.compacted else []
    if kept is not None or not channel.compacted:
        policy.append("delete")
    return {
        "address": channel.topic,
        "description": f"{channel.why} Key: {channel.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in channel.messages},
        "bindings": {
            "kafka": {
                "topic": channel.topic,
                "partitions": channel.partitions,
                "topicConfiguration": {
                    "cleanup.policy": policy,
                    "retention.ms": -1 if kept is None else kept * DAY_MS,
                },
                "bindingVersion": BINDING,
            }
        },
    }


def _operation(action: Action, channel: Channel) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "summary": f"spikewatch {'reads' if action == 'receive' else 'writes'} {channel.topic}.",
        "messages": [
            {"$ref": f"#/channels/{channel.name}/messages/{name}"} for name in channel.messages
        ],
    }


def _message(message: Message, payload: dict[str, Any]) -> dict[str, Any]:
    example: dict[str, Any] = {
        "name": message.name,
        "payload": message.example.model_dump(
            mode="json", exclude_none=message.mode != "serialization"
        ),
    }
    if message.example_headers:
        example["headers"] = message.example_headers
    described: dict[str, Any] = {
        "name": message.name,
        "summary": message.summary,
        "contentType": message.content_type,
        "payload": payload,
        "examples": [example],
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": _key(message)},
                "bindingVersion": BINDING,
            }
        },
    }
    if message.headers:
        described["headers"] = {
            "type": "object",
            "properties": message.headers,
            "required": list(message.required_headers),
        }
    return described


def _key(message: Message) -> str:
    """Return the key of the topics that contain the message."""
    keys = dict.fromkeys(channel.key for channel in CHANNELS if message.name in channel.messages)
    return "; ".join(keys)
