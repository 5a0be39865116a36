"""The AsyncAPI document: every topic that others write or read, in one file for tools.

It is generated from the pydantic models into ``schemas/json/asyncapi.json`` by ``python -m
schemas.tools.export``. The tables `MESSAGES` and `CHANNELS` are the only places to extend: a new
topic is a row of `CHANNELS`, its records a row of `MESSAGES`.

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
"""Version of the public contracts: a break increases the first number, an addition the second."""
BINDING: Final = "0.5.0"
"""Version of the Kafka bindings."""
DAY_MS: Final = 86_400_000

Action = Literal["receive", "send"]
Headers = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Message:
    """What one record of a topic holds."""

    name: str
    """In the document; camel case."""
    summary: str
    model: type[BaseModel]
    """Of the record's value."""
    example: BaseModel
    content_type: str = "application/json"
    headers: Headers | None = None
    """JSON Schema of each header that means something."""
    required_headers: tuple[str, ...] = ()
    example_headers: dict[str, str] | None = None

    @property
    def mode(self) -> JsonSchemaMode:
        """Of the schema: as we write it, or as we read it."""
        return "serialization" if self.model in _WRITTEN else "validation"


@dataclass(frozen=True)
class Channel:
    """A topic."""

    name: str
    """In the document; camel case."""
    topic: str
    """Its name, without a prefix."""
    actions: tuple[Action, ...]
    """What spikewatch itself does with it; both: it is internal."""
    messages: tuple[str, ...]
    key: str
    """What the records' key is, in words."""
    why: str
    """What it is for, and why it is kept as it is."""
    partitions: int = 4
    """As made by default; ``[kafka] partitions`` changes it."""
    retention_days: int | None = None
    """How long a record is kept; None: for ever."""
    compacted: bool = False
    """Whether only the last record of each key is kept."""


_WRITTEN: Final = (EscalationEvent, Escalation)
_TEXT: Final = {"type": "string"}
_SOURCE: Final[Headers] = {
    "source-partition": {
        "type": "string",
        "pattern": "^[0-9]+$",
        "description": "Partition of tickets.by-tenant whose record led to it.",
    },
    "source-offset": {
        "type": "string",
        "pattern": "^[0-9]+$",
        "description": "Offset of that record; not part of the event.",
    },
}
_ATTRIBUTES: Final[dict[str, str]] = {
    "specversion": "Version of CloudEvents: 1.0.",
    "id": "Unique together with the source: drop repeats by both.",
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
        "binary mode, of which the id is read.",
        model=TicketEvent,
        example=examples.TICKET,
        headers={
            HEADER_MODE: {
                "type": "string",
                "enum": ["live", "history", "simulated"],
                "description": "history: learned, nobody is paged. Live where absent.",
            },
            f"{PREFIX}id": {
                **_TEXT,
                "description": "Of a CloudEvent in binary mode: the event_id where that is absent.",
            },
        },
    ),
    Message(
        name="historyMark",
        summary="Among tickets: the end of a tenant's history, or simulated time that passed.",
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
        summary="A record that could not be taken in, with the reason.",
        model=DeadLetter,
        example=examples.LETTER,
    ),
    Message(
        name="feedback",
        summary="What a person answers to an escalation.",
        model=Feedback,
        example=examples.FEEDBACK,
    ),
    Message(
        name="auditEntry",
        summary="A decision about a notification, an attempt to send it, or an answer.",
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
"""All records of the topics."""

_NAMES: Final = Topics()

CHANNELS: Final[tuple[Channel, ...]] = (
    Channel(
        name="tickets",
        topic=_NAMES.tickets,
        actions=("receive",),
        messages=("ticketEvent", "historyMark"),
        key="the tenant; only one key per tenant keeps its order",
        why="Ticket events of all sources. Two weeks: so long can the state be built anew.",
        retention_days=14,
    ),
    Channel(
        name="deadLetters",
        topic=_NAMES.dead,
        actions=("send",),
        messages=("deadLetter",),
        key="the reason",
        why="What could not be taken in, raw. Two weeks: long enough to mend and send again, and "
        "no longer, for it holds personal data.",
        partitions=1,
        retention_days=14,
    ),
    Channel(
        name="escalations",
        topic=_NAMES.escalations,
        actions=("send",),
        messages=("escalationStructured", "escalationBinary"),
        key="the tenant: all episodes of a tenant in order",
        why="What broke. A quarter: for looking back; never compacted, since each transition of "
        "an episode counts.",
        retention_days=90,
    ),
    Channel(
        name="feedback",
        topic=_NAMES.feedback,
        actions=("receive",),
        messages=("feedback",),
        key="the tenant",
        why="Verdicts, acknowledgements, snoozes. A quarter, as what they answer.",
        retention_days=90,
    ),
    Channel(
        name="audit",
        topic=_NAMES.audit,
        actions=("send",),
        messages=("auditEntry",),
        key="the episode",
        why="Decisions, notifications and answers. Kept longer than a year, because "
        "questions come late.",
        retention_days=400,
    ),
    Channel(
        name="silences",
        topic=_NAMES.silences,
        actions=("receive",),
        messages=("silence",),
        key="the silence_id",
        why="Silences. Compacted: only the last state of each silence matters.",
        partitions=1,
        retention_days=400,
        compacted=True,
    ),
)
"""Every topic that others write or read; internal formats are left out."""


def document() -> dict[str, Any]:
    """Return the document, ready for `json.dumps`.

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
            "description": "Watches support tickets as they arrive and says that something broke. "
            "Topic names may stand behind a prefix ([kafka] topic_prefix). Readers ignore fields "
            "that they do not know, and drop repeats by source and id.",
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
    """The key of the topics that the message stands on."""
    keys = dict.fromkeys(channel.key for channel in CHANNELS if message.name in channel.messages)
    return "; ".join(keys)
