"""What must not page, each by its name: a closed list."""

from typing import Literal

Guard = Literal[
    "repeated_customer",
    "duplicate",
    "merged",
    "deleted",
    "reclassified",
    "agent_created",
    "imported",
    "backfill",
    "feed_gap",
    "inherited",
    "cooldown",
    "inside_tenant",
    "same_slice",
    "storm",
    "holiday",
    "announced",
    "called_false",
]
"""Why something counted less than it seems to, or was no page of its own."""
