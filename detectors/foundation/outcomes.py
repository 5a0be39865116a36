"""Closed vocabularies of a step: outcomes of signals, and guards."""

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
"""Why a signal counted less than fully, or led to no page of its own."""


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
simulated time for a tenant that had a live one. ``verdict_ignored``: no verdict, or not on a
page of the last four weeks. ``withdrawn``: merged or deleted. ``moved``: reclassified into
another area. ``solved``: its area learned how long it took."""
