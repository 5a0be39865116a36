"""Reference page of all input and output records, generated from the models of the contracts."""

from collections.abc import Iterator
from typing import Final, Literal

from pydantic import BaseModel

from schemas.audit import AuditEntry
from schemas.dead_letter import DeadLetter
from schemas.escalation import EscalationEvent
from schemas.feedback import Feedback
from schemas.silence import Silence
from schemas.tick import Tick
from schemas.ticket import TicketEvent
from schemas.topics import Topics
from stream.docsgen.markdown import GENERATED, fields, sentence

_NAMES: Final = Topics()
_CONTRACTS: Final[tuple[tuple[type[BaseModel], str, str], ...]] = (
    (TicketEvent, _NAMES.tickets, "read"),
    (Tick, _NAMES.tickets, "read"),
    (EscalationEvent, _NAMES.escalations, "written"),
    (Feedback, _NAMES.feedback, "read and written"),
    (Silence, _NAMES.silences, "read and written"),
    (AuditEntry, _NAMES.audit, "written"),
    (DeadLetter, _NAMES.dead, "written"),
)


def page() -> str:
    """Return the page as Markdown."""
    lines = [
        "# Events",
        "",
        GENERATED,
        "",
        "Every record is JSON. The JSON Schemas and the AsyncAPI document are in `schemas/json`. "
        "They stay compatible with those of the last release, which are in "
        "`schemas/json/released`. "
        "[Topics](topics.md) lists the topic of each record.",
    ]
    described: set[str] = set()
    for model, topic, direction in _CONTRACTS:
        mode: Literal["serialization", "validation"] = (
            "serialization" if direction == "written" else "validation"
        )
        lines += _contract(model, f"Topic `{topic}`, {direction} by spikewatch.", mode, described)
    return "\n".join(lines) + "\n"


def _contract(
    model: type[BaseModel],
    where: str,
    mode: Literal["serialization", "validation"],
    described: set[str],
) -> Iterator[str]:
    """Yield the section of a contract and of its nested models that were not described yet."""
    schema = model.model_json_schema(mode=mode)
    yield from ("", f"## {model.__name__}", "", f"{where} {sentence(model.__doc__)}", "")
    yield from fields(schema)
    for name, inner in schema.get("$defs", {}).items():
        if name in described:
            continue
        described.add(name)
        yield from ("", f"### {name}", "", sentence(inner.get("description")), "")
        yield from fields(inner)
