"""The dimensions of a ticket, and the keys of their values."""

from typing import Final

CUSTOMER: Final = "customer"


DIMENSIONS: Final = (
    "issue_type", "region", "app_version", "channel", "tier", "segment", "language", "source",
)  # fmt: skip
"""What may explain an episode; those in `Settings.slice_dimensions` are watched as well."""


AREA: Final = "product_area"


def area_key(area: str) -> str:
    """How an area stands among the values of a ticket of the whole tenant."""
    return f"{AREA}\x1f{area}"


def customer_key(customer: str) -> str:
    """How a customer stands among the values of a ticket."""
    return f"{CUSTOMER}\x1f{customer}"
