"""Export of the JSON Schemas of all contracts, and of the AsyncAPI document, to ``schemas/json``.

Run as ``python -m schemas.tools.export``. ``schemas/json/released`` holds the schemas of the last
release, against which `schemas.tools.compatibility` compares; they are copied by hand at each
release.
"""

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
from schemas.tools import asyncapi
from schemas.tools.compatibility import Role

CONTRACTS: Final[dict[str, type[BaseModel]]] = {
    "ticket-event": TicketEvent,
    "tick": Tick,
    "escalation-event": EscalationEvent,
    "dead-letter": DeadLetter,
    "feedback": Feedback,
    "audit-entry": AuditEntry,
    "silence": Silence,
}
ROLES: Final[dict[str, Role]] = {
    "ticket-event": "read",
    "tick": "read",
    "escalation-event": "written",
    "dead-letter": "written",
    "feedback": "read",
    "audit-entry": "written",
    "silence": "read",
}
"""Role of spikewatch, by contract: it writes what others read, or reads what others write."""
FOLDER: Final = Path(__file__).parents[1] / "json"
RELEASED: Final = FOLDER / "released"
"""The JSON Schemas of the last release."""
ASYNCAPI_FILE: Final = "asyncapi.json"


def render(name: str) -> str:
    """Return the content of the JSON Schema file (2020-12) of one contract."""
    model = CONTRACTS[name]
    schema = model.model_json_schema(
        mode="serialization" if name == "escalation-event" else "validation"
    )
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def render_asyncapi() -> str:
    """Return the content of the AsyncAPI file."""
    return json.dumps(asyncapi.document(), indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Write all schemas and the AsyncAPI document."""
    FOLDER.mkdir(exist_ok=True)
    for name in CONTRACTS:
        (FOLDER / f"{name}.schema.json").write_text(render(name), encoding="utf-8")
    (FOLDER / ASYNCAPI_FILE).write_text(render_asyncapi(), encoding="utf-8")


if __name__ == "__main__":
    main()
