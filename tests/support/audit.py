"""Audit entries for tests."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from schemas.audit import AuditEntry
from tests.support.escalations import EPISODE

AT: Final = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)


def entry(number: int = 1, **changes: Any) -> AuditEntry:
    """Return an entry about a message that was sent; *changes* replace the usual values."""
    data: dict[str, Any] = {
        "audit_id": f"a{number}",
        "at": AT + timedelta(seconds=number),
        "kind": "sent",
        "tenant": "acme",
        "episode_id": EPISODE,
        "sequence": 1,
        "receiver": "on-call",
        "reason": "first",
    }
    return AuditEntry(**{**data, **changes})
