"""Write the JSON Schemas of all contracts to ``schemas/json``: ``python -m schemas.export``."""

import json
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from schemas.audit import AuditEntry
from schemas.dead_letter import DeadLetter
from schemas.escalation import EscalationEvent
from schemas.feedback import Feedback
from schemas.silence import Silence
from schemas.tick import Tick
from schemas.ticket import TicketEvent

CONTRACTS: Final[dict[str, type[BaseModel]]] = {
    "ticket-event": TicketEvent,
    "tick": Tick,
    "escalation-event": EscalationEvent,
    "dead-letter": DeadLetter,
    "feedback": Feedback,
    "audit-entry": AuditEntry,
    "silence": Silence,
}
FOLDER: Final = Path(__file__).parent / "json"


def render(name: str) -> str:
    """The JSON Schema (2020-12) of one contract, as it stands in its file."""
    model = CONTRACTS[name]
    schema = model.model_json_schema(
        mode="serialization" if name == "escalation-event" else "validation"
    )
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Write all schemas."""
    FOLDER.mkdir(exist_ok=True)
    for name in CONTRACTS:
        (FOLDER / f"{name}.schema.json").write_text(render(name), encoding="utf-8")


if __name__ == "__main__":
    main()
