"""The dimensions of a ticket, and the keys of their values."""

from typing import Final, NamedTuple, Self

SEPARATOR: Final = "\x1f"
"""Separates the parts of a key. No name contains it: control characters are removed from names."""
CUSTOMER: Final = "customer"
AREA: Final = "product_area"
DIMENSIONS: Final = (
    "issue_type", "region", "app_version", "channel", "tier", "segment", "language", "source",
)  # fmt: skip
"""Dimensions that may explain an episode; those in `Settings.slice_dimensions` are also watched as
slices."""


class DimensionValue(NamedTuple):
    r"""One value of one dimension.

    Example:
        >>> DimensionValue("region", "eu").key
        'region\x1feu'
        >>> DimensionValue.parse("region\x1feu")
        DimensionValue(dimension='region', value='eu')
    """

    dimension: str
    value: str

    @property
    def key(self) -> str:
        """Key under which the value is counted."""
        return f"{self.dimension}{SEPARATOR}{self.value}"

    @classmethod
    def parse(cls, key: str) -> Self:
        """Return the dimension and value of a key."""
        dimension, _, value = key.partition(SEPARATOR)
        return cls(dimension, value)


def dimension_of(key: str) -> str:
    """Return the dimension of a key."""
    return key.partition(SEPARATOR)[0]


def area_key(area: str) -> str:
    """Return the key of an area as a value of the tenant's tickets."""
    return DimensionValue(AREA, area).key


def customer_key(customer: str) -> str:
    """Return the key of a customer as a value of a ticket."""
    return DimensionValue(CUSTOMER, customer).key
