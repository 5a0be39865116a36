"""The passing of time as a message in the log: an area without tickets still closes its hours."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Tick(BaseModel):
    """The clock may move on to ``now``.

    A live tick has no tenant and moves every tenant of its partition. A tick of simulated time
    names the tenant whose sender sent it. An end mark closes a tenant's history.

    Example:
        >>> Tick.model_validate_json('{"now": "2026-03-02T09:00:00Z"}').tenant is None
        True
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    type: Literal["tick", "history_end"] = Field("tick", description="What the mark means.")
    now: AwareDatetime = Field(
        description="Event time that has passed: the sender's now less lateness."
    )
    tenant: str | None = Field(None, min_length=1, max_length=128, description="Only this tenant.")
