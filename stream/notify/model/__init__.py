"""The messages and the remembered state of notifications."""
