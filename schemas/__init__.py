"""Models, topic names and codecs of all records between processes; no IO, no decisions.

Every contract that others may write or read is a pydantic model here. ``python -m
schemas.tools.export`` generates its JSON Schema into ``schemas/json``. `schemas.signals` defines
the records of the internal topic, which only spikewatch itself writes and reads.
"""
