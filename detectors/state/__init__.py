"""The state of a tenant that survives a restart: plain data."""
