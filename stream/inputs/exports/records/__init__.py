"""From the bytes of a file to its records: unpacking, decoding, and the formats."""
