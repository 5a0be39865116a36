"""Closed vocabularies of a step: the outcomes of signals and the guards."""

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
"""Why a signal did not count fully, or opened no page of its own."""


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
"""The outcome of a signal. Only ``future`` is a dead letter. ``not_simulated``: a ticket in
simulated time for a tenant that already has live tickets. ``verdict_ignored``: not a verdict, or
not about a page of the last four weeks. ``withdrawn``: the ticket was merged or deleted.
``moved``: the ticket was reclassified into another area. ``solved``: the area learned the ticket's
handling time."""
