"""Models, topic names and codecs of everything that travels between processes; no IO, no decisions.

Every contract that others may write or read is a pydantic model here, and its JSON Schema is
generated from the model into ``schemas/json`` by ``python -m schemas.tools.export``.
`schemas.signals` holds the records of the internal topic, which only spikewatch itself writes and
reads.
"""
