"""Elapsed time as a record in the log, so that quiet areas close their hours (as in snuba)."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.decoding.moments import Moment


class Tick(BaseModel):
    """Clock tick: the clock may advance to ``now``.

    A live tick has no tenant and advances every tenant of its partition. A tick of simulated time
    names the tenant of its sender. An end mark closes a tenant's history.

    Example:
        >>> Tick.model_validate_json('{"now": "2026-03-02T09:00:00Z"}').tenant is None
        True
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    type: Literal["tick", "history_end"] = Field("tick", description="Meaning of the record.")
    now: Moment = Field(
        description="Event time that has been reached: the sender's clock minus the lateness."
    )
    tenant: str | None = Field(
        None, min_length=1, max_length=128, description="Tenant to which the tick is limited."
    )
