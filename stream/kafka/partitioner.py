"""Which partition a tenant lives in: one decision, in one place."""

import zlib


def partition_of(tenant: str, partitions: int) -> int:
    """The partition of ``tickets.by-tenant`` for *tenant*: CRC-32 of its name, modulo *partitions*.

    Example:
        >>> partition_of("acme", 4) == partition_of("acme", 4)
        True
    """
    return zlib.crc32(tenant.encode()) % partitions
