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


Outcome = Literal[
    "counted",
    "late",
    "too_late",
    "duplicate",
    "withdrawn",
    "moved",
    "solved",
    "not_created",
    "not_by_customer",
    "not_simulated",
    "future",
    "tick",
    "tick_ignored",
    "history_end",
    "verdict",
    "verdict_ignored",
]
"""What became of a signal. Only ``future`` is a dead letter; ``not_simulated`` is a ticket of
simulated time for a tenant that had a live one; ``verdict_ignored`` is an answer to a page that is
not one of the last four weeks, or no verdict; ``withdrawn`` one that was merged or deleted and
``moved`` one that was re-tagged into another area; ``solved`` told how long its area takes."""
