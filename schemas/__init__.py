"""Data only: what travels between processes. Models, topic names and codecs; no IO, no decisions.

Every contract a stranger may write or read is a pydantic model here, and its JSON Schema is
generated from the model into ``schemas/json`` by ``python -m schemas.tools.export``.
`schemas.signals` holds the records of the internal topic, which only spikewatch itself writes and
reads.
"""
